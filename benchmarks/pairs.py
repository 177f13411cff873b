"""One piece of work beside a peer, or figures beside their targets, and how they are measured.

`asks` of each names what it answers (`benchmarks.asked`); what answers nothing that was asked stands in the page too.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark works, and how big it is: `size(1_000_000)` is that many, or fewer with `--scale`."""

    folder: Path
    python_of_peers: str
    scale: float = 1.0

    def size(self, full: int) -> int:
        """How many of a thing are worked on."""
        return max(1, round(full * self.scale))

    def copied(self, filled: Path, name: str) -> Path:
        """A fresh copy of a filled database and of the mark beside it; whatever an earlier copy left is gone."""
        for path in self.folder.glob(f"{name}.*"):
            path.unlink()
        for ending in (".db", ".mark"):
            shutil.copy(filled.with_suffix(ending), self.folder / f"{name}{ending}")
        return self.folder / f"{name}.db"


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Pair:
    """One piece of work, done by us and by a peer; `prepare` runs before each of both and is not counted.

    `target` is the ratio of wall times that is asked for, `memory` the most MiB that we may take at the peak. Work of
    a daemon that runs already is timed by itself: our side leaves its seconds in the file `own_clock`.
    """

    work: str
    peer: str
    ours: list[str]
    theirs: list[str]
    target: float
    memory: float | None = None
    prepare: Callable[[], object] = _nothing
    asks: str = ""
    own_clock: Path | None = None

    def run(self, runs: int) -> list[dict[str, Any]]:
        """One row of the table; the two take turns, so that a machine that drifts drifts for both."""
        ours: list[Figure] = []
        theirs: list[Figure] = []
        for _ in range(runs):
            for side, command in ((ours, self.ours), (theirs, self.theirs)):
                self.prepare()
                side.append(run(command))
            if self.own_clock is not None:
                ours[-1] = replace(ours[-1], wall=float(self.own_clock.read_text()))
        mine, peers = median(ours), median(theirs)
        ratio = mine.wall / peers.wall
        met = ratio <= self.target and (self.memory is None or mine.memory <= self.memory)
        return [
            {
                "asks": self.asks,
                "work": self.work,
                "peer": self.peer,
                "ours": asdict(mine),
                "theirs": asdict(peers),
                "ratio": ratio,
                "ratios": sorted(our.wall / their.wall for our, their in zip(ours, theirs, strict=True)),
                "target": self.target,
                "memory": self.memory,
                "met": met,
            }
        ]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure that stands beside no peer's run: `take` gives it, in `unit`, and `target` is the most it may be."""

    work: str
    unit: str
    take: Callable[[], float]
    target: float | None
    asks: str = ""

    def run(self, runs: int) -> list[dict[str, Any]]:
        """One row of the table."""
        return [_row(self, statistics.median(self.take() for _ in range(runs)))]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of the figures of a trial, by its name there."""

    name: str
    work: str
    unit: str
    target: float | None
    asks: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One long piece of work that gives several figures at once; it is done at most `most` times."""

    take: Callable[[], Mapping[str, float]]
    wanted: Sequence[Wanted]
    most: int = 1

    def run(self, runs: int) -> list[dict[str, Any]]:
        """A row of the table for each figure."""
        taken = [self.take() for _ in range(min(runs, self.most))]
        return [_row(each, statistics.median(figures[each.name] for figures in taken)) for each in self.wanted]


def _row(what: Measure | Wanted, figure: float) -> dict[str, Any]:
    return {
        "asks": what.asks,
        "work": what.work,
        "unit": what.unit,
        "figure": figure,
        "target": what.target,
        "met": what.target is None or figure <= what.target,
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """Wall and CPU seconds and peak memory (MiB) of one process and what it waited for."""

    wall: float
    cpu: float
    memory: float


def run(command: list[str]) -> Figure:
    """Run a command to its end; a failing one ends the benchmark."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return Figure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(figures: list[Figure]) -> Figure:
    """The middle of each."""
    return Figure(
        statistics.median(it.wall for it in figures),
        statistics.median(it.cpu for it in figures),
        statistics.median(it.memory for it in figures),
    )
