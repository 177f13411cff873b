"""The real daemon under a wall clock that steps, a machine that sleeps, and a change of the hour (P1, P18).

libfaketime shows the process another wall clock and leaves its boot-time clock alone; a time namespace shows it a
monotonic clock that did not count a sleep; SIGSTOP lets it stand still while all clocks go on. The far side has its own
clock, and its record is what is judged. Whoever starts the process feeds on its watchdog as systemd does.
"""

import logging
import os
import signal
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio

from tests.prove.figures import Figures
from tests.prove.flow import SETTLES_WITHIN, Flow, flow
from tests.prove.method import Method, Result, together
from tests.test_crash import EANS, INTERVAL
from tests.test_daemon_process import Process

_HOUR, _DAY = 3_600, 86_400
_PRELOADED = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu" / "faketime" / "libfaketimeMT.so.1"
#: the watchdog's time in seconds, and how long it may be silent before the process is ended, as systemd would
WATCHDOG, SILENT = 5, 15
#: how long after its beginning the hour has changed in a scene with a change, in seconds
CHANGES_AFTER = 12
#: offer feeds that must leave before and after the clock has stepped
FEEDS = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens to the clocks: `begins` is the wall clock of the start (None: the true one), `steps` in seconds."""

    name: str
    steps: tuple[int, ...] = ()
    begins: datetime | None = None
    zone: str = "UTC"
    stopped: float = 0.0
    #: how many seconds of the boot are taken for slept when it is started again
    slept: int = 0


SCENES = (
    Scene("an hour forward", (_HOUR,)),
    Scene("an hour back", (-_HOUR,)),
    Scene("a day forward", (_DAY,)),
    Scene("a day back", (-_DAY,)),
    Scene("forward and back", (_HOUR, 0, -7 * 60, _DAY)),
    # The hour changes at 01:00 UTC.
    Scene("the spring change of the hour", begins=datetime(2026, 3, 29, 0, 59, 50, tzinfo=UTC), zone="Europe/Paris"),
    Scene("the autumn change of the hour", begins=datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC), zone="Europe/Paris"),
    Scene("a process that stands still", stopped=5.0),
    Scene("a machine that slept", slept=600),
)


@dataclass
class _Life:
    """One installation under one scene."""

    told: Flow
    scene: Scene
    shown: Path
    figures: Figures = field(default_factory=Figures)
    process: Process | None = None
    began: float = field(default_factory=anyio.current_time)
    restart: anyio.Event = field(default_factory=anyio.Event)

    def wall_clock(self, seconds: int) -> None:
        """From now on the process sees a wall clock that is wrong by so much."""
        fresh = self.shown.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", "ascii")
        fresh.replace(self.shown)

    @property
    def environment(self) -> dict[str, str]:
        faked = {
            "LD_PRELOAD": str(_PRELOADED),
            "FAKETIME_TIMESTAMP_FILE": str(self.shown),
            # How long a step may go unnoticed, in seconds; to read it at every call would slow the process down.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": self.scene.zone,
        }
        clocks = faked if self.scene.steps or self.scene.begins else {}
        return {**self.told.secrets, **clocks, "WATCHDOG_USEC": f"{WATCHDOG}000000"}

    async def is_kept_running(self) -> None:
        """Start it, and again whenever its watchdog is not fed."""
        while True:
            async with self.told.site.running(**self.environment) as self.process:
                while not self.restart.is_set():
                    with anyio.move_on_after(SILENT) as silence:
                        await self.told.site.heard("WATCHDOG=1")
                    if silence.cancelled_caught:
                        self.figures.hit["the watchdog ended a scheduler that stood still"] += 1
                        break
            self.process, self.restart = None, anyio.Event()

    async def sells(self) -> None:
        """Stock changes all the time, so that a feed leaves whenever one may."""
        number = 0
        while True:
            number += 1
            await self.told.imports("redoute", "stock", f"sku,stock\nLAMP-1,{number % 7 + 1}\n")
            await anyio.sleep(0.3)

    async def happens(self) -> None:
        """What the scene says, with feeds before and after each of it."""
        await self._feeds()
        for seconds in self.scene.steps:
            self.wall_clock(seconds)
            self.figures.counts["steps of the wall clock"] += 1
            await self._feeds()
        if self.scene.stopped and self.process is not None:
            process = self.process
            process.signal(signal.SIGSTOP)
            await anyio.sleep(self.scene.stopped)
            process.signal(signal.SIGCONT)
            await self._feeds()
        if self.scene.slept:
            self.told.site.prefix = ["unshare", "--time", "--monotonic", str(-self.scene.slept)]
            self.restart.set()
            await self._feeds()
        if self.scene.begins:
            await anyio.sleep_until(self.began + CHANGES_AFTER)
            await self._feeds()

    async def _feeds(self) -> None:
        sent = self._sent()
        while self._sent() < sent + FEEDS:
            await anyio.sleep(0.1)

    def _sent(self) -> int:
        return sum(feed.kind == "offers" for feed in self.told.sandbox.laredoute.feeds)


async def under(scene: Scene) -> Figures:
    """Live one scene, then let the clocks be right and everything come to its end."""
    async with flow() as told:
        life = _Life(told, scene, told.site.folder / "shown")
        # On a busy machine a feed may need more than a second from its claim to its first byte.
        told.site.write(told.configuration.replace('deadline = "1s"', 'deadline = "5s"'))
        begins = 0 if scene.begins is None else round((scene.begins - datetime.now(UTC)).total_seconds())
        life.wall_clock(begins)
        told.site.deadline = 3 * SETTLES_WITHIN
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(life.is_kept_running)
                with anyio.fail_after(SETTLES_WITHIN):
                    async with anyio.create_task_group() as selling:
                        selling.start_soon(life.sells)
                        await life.happens()
                        selling.cancel_scope.cancel()
                    if scene.steps or scene.begins is not None:
                        life.wall_clock(0)
                while not await told.imports(
                    "redoute", "stock", "".join(["sku,stock\n", *(f"{it},9\n" for it in EANS)])
                ):
                    await anyio.sleep(0.2)
                with anyio.fail_after(SETTLES_WITHIN):
                    await told.goes_on_until_settled()
                group.cancel_scope.cancel()
        except* TimeoutError:
            life.figures.broken.append(f"{scene.name}: it did not go on")
        life.figures.hit[scene.name] += 1
        life.figures.broken += [f"{scene.name}: {what}" for what in await told.broken()]
        gaps = told.sandbox.laredoute.offer_gaps(all_requests=True)
        life.figures.counts["pairs of offer feeds, an interval apart or more"] += sum(gap >= INTERVAL for gap in gaps)
        life.figures.counts["scenes"] += 1
    return life.figures


def missing(scene: Scene) -> str:
    """Why a scene cannot be lived here; empty where it can."""
    if (scene.steps or scene.begins) and not _PRELOADED.exists():
        return f"{scene.name}: libfaketime is not here (scripts/install-test-servers)"
    if scene.slept:
        asked = ["unshare", "--time", "--monotonic", str(-scene.slept), "true"]
        if subprocess.run(asked, check=False, capture_output=True).returncode != 0:
            return f"{scene.name}: no time namespace may be made here"
    return ""


def _lived(scene: Scene) -> Figures:
    # The sandbox's servers log every client that goes away.
    logging.disable(logging.CRITICAL)
    return anyio.run(under, scene)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="how often each scene is lived")


def _measure(asked: Namespace) -> Iterator[Result]:
    skipped = [reason for scene in SCENES if (reason := missing(scene))]
    lived = [scene for scene in SCENES if not missing(scene)]
    figures = together(_lived, lived * asked.rounds, asked.workers)
    for reason in skipped:
        figures.hit[f"skipped: {reason}"] += 1
    yield Result("clocks", f"python -m tests.prove clocks --rounds {asked.rounds}", figures)


METHOD = Method(
    "clocks",
    "the wall clock of the real process steps by an hour and a day, the hour changes, the process stands still, and the"
    " machine sleeps, while the far side goes by a clock of its own",
    _options,
    _measure,
)
