"""Speed and memory beside what people would use instead, each pair in one run, told as ratios."""
