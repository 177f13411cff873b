"""Run every pair in turn (A B A B …) and write docs/benchmarks.md: `make bench`, or `python -m benchmarks orders`."""

import argparse
import compileall
import os
import platform
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from benchmarks import growth, work
from benchmarks.document import DOCUMENT, GROWTH, ROOT, keep, written
from benchmarks.pairs import Bench

FAMILIES = tuple(sorted(module.name for module in iter_modules(work.__path__)))
#: what is asked for by a name of its own, and is no family of pairs
_OTHERS = {GROWTH: "measure how things grow, and plot it", "document": "write the page from what was measured last"}


def install_peers() -> str:
    """Make the peers available; returns the Python that has them, in a virtual environment of its own."""
    subprocess.run([str(ROOT / "scripts" / "install-bench-peers")], check=True)
    return str(ROOT / ".cache" / "peers" / "bin" / "python")


def compile_ours() -> None:
    """Have the bytecode beside our modules, as an installation has: without, each start would compile them anew."""
    for folder in ("daemon", "benchmarks"):
        compileall.compile_dir(ROOT / folder, quiet=1)


def machine() -> str:
    """What the figures are of."""
    model = next(
        (line.partition(": ")[2] for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def measure(family: str, python_of_peers: str, runs: int, scale: float) -> dict[str, Any]:
    """The figures of one family, as they are kept."""
    module, rows = import_module(f"benchmarks.work.{family}"), []
    with tempfile.TemporaryDirectory() as folder:
        for piece in module.rows(Bench(Path(folder), python_of_peers, scale)):
            for row in piece.run(runs):
                rows.append(row)
                print(row, flush=True)
    return {**_when(), "runs": runs, "rows": rows, "note": getattr(module, "NOTE", "")}


def _when() -> dict[str, str]:
    return {"machine": machine(), "on": f"{datetime.now(UTC):%Y-%m-%d}"}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    others = "; ".join(f"{name}: {what}" for name, what in _OTHERS.items())
    names = f"of {', '.join(FAMILIES)}; all, and {GROWTH}, without. {others}"
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, *_OTHERS, []], metavar="NAME", help=names)
    parser.add_argument("--runs", type=int, default=5, help="how often each side runs")
    parser.add_argument("--scale", type=float, default=1.0, help="less of everything, to try it; is not written down")
    given = parser.parse_args()
    wanted: Iterable[str] = given.families or (*FAMILIES, GROWTH)
    python_of_peers = ""
    if set(wanted) != {"document"}:
        python_of_peers = install_peers()
        compile_ours()
    for name in wanted:
        if name != "document":
            told = _measured(name, python_of_peers, given.runs, given.scale)
            if given.scale == 1:
                keep(name, told)
        DOCUMENT.write_text(written(), "utf-8")


def _measured(name: str, python_of_peers: str, runs: int, scale: float) -> dict[str, Any]:
    if name != GROWTH:
        return measure(name, python_of_peers, runs, scale)
    plots = growth.measure(scale)
    growth.draw(plots, python_of_peers)
    return {**_when(), "plots": plots}


if __name__ == "__main__":
    main()
