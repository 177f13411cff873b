"""The programs that people write or install instead."""
