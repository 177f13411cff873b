"""Run every pair in turn (A B A B …) and write docs/benchmarks.md: `make bench`, or `python -m benchmarks orders`."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.document import DOCUMENT, keep, written
from benchmarks.pairs import Bench

FAMILIES = ("orders", "feeds", "settle", "imports")


def install_peers() -> str:
    """The Python that has the peers, in a virtual environment of its own."""
    home = Path(".cache/peers")
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "lxml"], check=True)
    return str(python)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], help=f"of {', '.join(FAMILIES)}; all without")
    parser.add_argument("--runs", type=int, default=5, help="how often each side runs")
    parser.add_argument("--scale", type=float, default=1.0, help="less of everything, to try it; is not written down")
    given = parser.parse_args()
    python_of_peers = install_peers()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for family in given.families or FAMILIES:
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), python_of_peers, given.scale)
            for row in import_module(f"benchmarks.work.{family}").rows(bench):
                rows.append(row.run(given.runs))
                print(rows[-1], flush=True)
        if given.scale == 1:
            keep(family, {"machine": machine, "runs": given.runs, "rows": rows})
            DOCUMENT.write_text(written(), "utf-8")


if __name__ == "__main__":
    main()
