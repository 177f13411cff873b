"""One plot, from JSON on stdin to an SVG: time over size, both logarithmic, so that what is linear has slope one."""

import json
import sys

import matplotlib as mpl

mpl.use("svg")
# Drawn again from the same figures, it is the same file; its words stay words.
mpl.rcParams.update({"svg.hashsalt": "sellerd", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10})

from matplotlib import pyplot as plt  # noqa: E402

plot = json.load(sys.stdin)
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, points in plot["lines"].items():
    sizes, milliseconds = zip(*points, strict=True)
    axes.plot(sizes, milliseconds, marker="o", label=name)
lowest = min(line[0][1] for line in plot["lines"].values())
sizes = [point[0] for point in next(iter(plot["lines"].values()))]
axes.plot(
    sizes,
    [lowest * size / sizes[0] for size in sizes],
    linestyle=":",
    color="0.6",
    label="twice as much for twice as many",
)
axes.set(xscale="log", yscale="log", xlabel=plot["foot"], ylabel="milliseconds", title=plot["title"])
axes.grid(visible=True, which="major", color="0.9")
axes.legend(frameon=False, fontsize=9)
figure.savefig(sys.argv[1], format="svg", metadata={"Date": None, "Creator": "python -m benchmarks grow"})
