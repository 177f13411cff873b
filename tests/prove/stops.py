"""The real daemon, told to stop at seeded moments of its life, again and again: it ends as it should, and goes on (P20).

A moment is anything from the first milliseconds of a start to the middle of a turn or of a reload; some stops are said
twice. One installation is stopped many times in its flow and has to come to the same end as one that nobody stopped.
"""

import logging
import os
import random
import signal
import sqlite3
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import anyio

from tests.prove.figures import Figures
from tests.prove.flow import SETTLES_WITHIN, Flow, flow
from tests.prove.method import Method, Result, together
from tests.test_daemon_process import Process

#: how long an end may take (the grace of the flow's configuration), and by how much a busy machine may be late, in s
GRACE, BUSY = 30, 15
#: stops of one installation before it is let go on to its end
STOPS = 25


@dataclass
class Stops:
    """The stops of one installation."""

    told: Flow
    chance: random.Random
    figures: Figures = field(default_factory=Figures)

    async def stop(self, number: int) -> None:
        """Start, wait for a drawn moment, stop, and see how it ended and what it left."""
        how = self.chance.choice(["starting", "starting", "just ready", "working", "reloading", "twice"])
        async with self.told.site.started(**self.told.secrets) as process:
            ready = how != "starting"
            if ready:
                await self.told.site.heard("READY=1")
            await anyio.sleep(self.chance.uniform(0, {"just ready": 0.05, "starting": 1.5}.get(how, 2.0)))
            if how == "reloading":
                process.signal(signal.SIGHUP)
                await anyio.sleep(self.chance.uniform(0, 0.1))
            asked = monotonic()
            process.signal(signal.SIGTERM)
            if how == "twice":
                await anyio.sleep(self.chance.uniform(0, 0.1))
                _again(process)
            code = await process.ended()
            took = monotonic() - asked
        self.figures.counts["stops"] += 1
        self.figures.counts["ended within a second"] += took < 1
        self.figures.hit[f"stopped {how}"] += 1
        # Before Python runs our first line, and while the database is opened, the signal ends it by itself; systemd
        # takes that for a clean end too (systemd.service(5), SuccessExitStatus=).
        by_itself = code == -signal.SIGTERM and not ready
        self.figures.counts["ended by the signal itself while starting"] += by_itself
        if code != 0 and not by_itself:
            self.figures.broken.append(f"stop {number}, {how}: it ended with {code}: {self.told.site.errors[-300:]}")
        if took > GRACE + BUSY:
            self.figures.broken.append(f"stop {number}, {how}: it took {took:.0f} s")
        self._looks_whole(number, how, clean=code == 0)

    def _looks_whole(self, number: int, how: str, *, clean: bool) -> None:
        """What is on the disk is a whole database, in which nothing is left running after a clean end."""
        db = sqlite3.connect(f"file:{self.told.database}?mode=ro", uri=True)
        try:
            ((whole,),) = db.execute("PRAGMA integrity_check").fetchall()
            strays = db.execute("PRAGMA foreign_key_check").fetchall()
            ((running,),) = db.execute("SELECT count(*) FROM job_runs WHERE outcome = 'running'").fetchall()
        finally:
            db.close()
        if whole != "ok" or strays or (clean and running):
            self.figures.broken.append(f"stop {number}, {how}: {whole}, {len(strays)} strays, {running} left running")


def _again(process: Process) -> None:
    # Not by the process's own method, which takes its end from whoever waits for that.
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)


async def stop_often(seed: int, count: int = STOPS) -> Figures:
    """Stop one installation so many times in its flow, and hold it to everything that it promises."""
    async with flow() as told:
        stops = Stops(told, random.Random(f"stops {seed}"))
        told.site.deadline = SETTLES_WITHIN
        for number in range(count):
            await stops.stop(number)
        try:
            async with told.site.running(**told.secrets):
                await told.goes_on_until_settled()
        except TimeoutError:
            stops.figures.broken.append(f"seed {seed}: it did not settle after its stops")
        stops.figures.broken += [f"seed {seed}: {what}" for what in await told.broken()]
    return stops.figures


def _stopped(seed: int) -> Figures:
    # The sandbox's servers log every client that goes away.
    logging.disable(logging.CRITICAL)
    return anyio.run(stop_often, seed)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=40, help=f"how many installations, each stopped {STOPS} times")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(_stopped, range(asked.seeds), asked.workers)
    yield Result("stops", f"python -m tests.prove stops --seeds {asked.seeds}", figures)


METHOD = Method(
    "stops",
    "the real process is told to stop at seeded moments of its life: while it starts, works, reloads or stops already",
    _options,
    _measure,
)
