"""Run every pair in turn (A B A B …) and print medians as ratios: `make bench`, or `make bench ARGS="--orders 500"`."""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from benchmarks.ours import fill_listings, write_orders

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Pair:
    """One piece of work, done by us and by a peer; `prepare` runs before each run and is not counted."""

    work: str
    peer: str
    prepare: Callable[[], None]
    ours: list[str]
    theirs: list[str]


@dataclass(frozen=True)
class Figure:
    """Wall seconds and peak memory (MiB) of one process."""

    wall: float
    memory: float


def measured(command: list[str]) -> Figure:
    """Run a command to its end; a failing one ends the benchmark."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return Figure(time.perf_counter() - started, usage.ru_maxrss / 1024)


def compare(pair: Pair, runs: int) -> str:
    """One row of the table; the two take turns, so that a machine that drifts drifts for both."""
    ours, theirs = [], []
    for _ in range(runs):
        pair.prepare()
        ours.append(measured(pair.ours))
        theirs.append(measured(pair.theirs))
    wall = [statistics.median(figure.wall for figure in side) for side in (ours, theirs)]
    memory = [statistics.median(figure.memory for figure in side) for side in (ours, theirs)]
    return (
        f"| {pair.work} | {pair.peer} | {wall[0]:.2f} s | {wall[1]:.2f} s | {wall[0] / wall[1]:.2f} × |"
        f" {memory[0]:.0f} MiB | {memory[1]:.0f} MiB |"
    )


def pairs(folder: Path, python_of_peers: str, orders: int, offers: int) -> list[Pair]:
    """The work that is compared; more joins as it is built."""
    files, database, filled = folder / "files", folder / "ours.db", folder / "filled.db"
    write_orders(files, orders)
    anyio.run(fill_listings, filled, offers)

    def fresh() -> None:
        for path in folder.glob("ours.*"):
            path.unlink()

    def fresh_listings() -> None:
        fresh()
        shutil.copy(filled, database)

    found = [
        Pair(
            f"a feed of {offers} Sell-R offers, store to spool, hashed and compressed",
            "a script with lxml's incremental xmlfile, to a file",
            fresh_listings,
            [sys.executable, "-m", "benchmarks.ours", "offers", str(database)],
            [python_of_peers, str(PEERS / "offers_with_lxml.py"), str(offers), str(folder / "offers.xml")],
        )
    ]
    if shutil.which("sqlite3"):
        found.append(
            Pair(
                f"{orders} order files parsed, checked and stored durably, bytes kept",
                "sqlite3 .import of the files joined",
                fresh,
                [sys.executable, "-m", "benchmarks.ours", "orders", str(files), str(database)],
                ["sh", str(PEERS / "orders_with_sqlite_cli.sh"), str(files), str(folder / "theirs.db")],
            )
        )
    else:
        print("sqlite3 is not installed: its pair is left out (apt-get install sqlite3)")
    return found


def install_peers() -> str:
    """The Python that has the peers, in a virtual environment of its own."""
    home = Path(".cache/peers")
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "lxml"], check=True)
    return str(python)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--offers", type=int, default=100_000)
    given = parser.parse_args()
    python_of_peers = install_peers()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {given.runs} runs\n")
    print("| work | peer | ours | peer's | ratio | our memory | peer's |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs(Path(folder), python_of_peers, given.orders, given.offers):
            print(compare(pair, given.runs), flush=True)


if __name__ == "__main__":
    main()
