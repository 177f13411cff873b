"""The real daemon on a disk that fails: every kind of system call on its files fails at its n-th time, once or for good.

The process ends with the code that makes systemd start it again, or goes on where the fault does no harm. Once the disk
is well everything must settle, and what the far sides recorded must be what is promised (P16). A full disk is a file
system that is really full, where one may be mounted; a write that is really cut short comes from a limit on the size of
files. A disk that hangs holds a call for some seconds, and the process goes on; or for good, and the watchdog ends it (P17).
"""

import logging
import os
import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx

from daemon.main import STORAGE
from tests.prove.figures import Figures
from tests.prove.flow import PASSES, SETTLES_WITHIN, STRACE, Flow, flow, most_by_one_thread, traces
from tests.prove.method import Method, Result, together

SOMETIMES = frozenset(
    {
        "something was claimed and had not left",
        "it started on a disk that still failed, and ended again",
        "the end was told after the next start",
        "the disk was full",
        "a write was cut short",
        "the disk hung, and it went on",
        "the disk hung, health said so, and the watchdog ended it",
    }
)

_DATABASE = ("sellerd.db", "sellerd.db-wal")
#: what is written beside the database whenever something is claimed; "" is the folder
_MARK = ("sellerd.mark", "sellerd.mark.new", "")
_LOCK = ("sellerd.lock",)
_SHARED = ("sellerd.db-shm",)
#: how often the process is started while the disk still fails
_STARTS = 2
#: the size of the file system that is filled, in bytes
_SMALL = 16 << 20
#: how large files may grow at least, and by how much more at each step, in bytes
_LEAST_FILE, _LARGER = 450_000, 50_000
#: how much more is left on the disk at each step, in bytes
_STEP = 150_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failing call: how strace makes it fail, and on which files of the state folder."""

    call: str
    how: str
    files: Sequence[str]
    #: whether it may be failing for good; an interrupted call is made again, for ever if need be
    lasts: bool = True

    def __str__(self) -> str:
        return f"{self.call} {self.how} of {self.files[0]}"


FAULTS = (
    *(Fault("pwrite64", f"error={error}", _DATABASE) for error in ("EIO", "ENOSPC")),
    Fault("pwrite64", "retval=0", _DATABASE),
    Fault("pwrite64", "error=EINTR", _DATABASE, lasts=False),
    *(Fault("fdatasync", f"error={error}", _DATABASE) for error in ("EIO", "ENOSPC")),
    Fault("fdatasync", "error=EINTR", _DATABASE, lasts=False),
    Fault("ftruncate", "error=EIO", _DATABASE),
    Fault("pread64", "error=EIO", _DATABASE),
    *(Fault("openat", f"error={error}", _DATABASE) for error in ("EIO", "EMFILE")),
    Fault("openat", "error=ENOSPC", _SHARED),
    Fault("ftruncate", "error=ENOSPC", _SHARED),
    Fault("pwrite64", "error=ENOSPC", _SHARED),
    *(Fault("openat", f"error={error}", _LOCK) for error in ("EIO", "ENOSPC")),
    Fault("write", "error=ENOSPC", _LOCK),
    *(Fault("openat", f"error={error}", _MARK) for error in ("EIO", "ENOSPC")),
    *(Fault("write", f"error={error}", _MARK) for error in ("EIO", "ENOSPC")),
    Fault("write", "error=EINTR", _MARK, lasts=False),
    Fault("fsync", "error=EIO", _MARK),
    Fault("rename", "error=EIO", _MARK),
    Fault("unlink", "error=EIO", _MARK),
)

#: a call that the disk holds: its file is one of these
HANGS = (("fdatasync", _DATABASE), ("pwrite64", _DATABASE), ("pread64", _DATABASE), ("fsync", _MARK), ("rename", _MARK))
#: for how long the disk holds a call: a few seconds, and longer than any watchdog has patience
_SHORT_HANG, _LONG_HANG = timedelta(seconds=4), timedelta(hours=1)
#: the watchdog's time in seconds, and how long it may be silent before the process is ended, as systemd would
_WATCHDOG, _SILENT = 4, 12
#: how long a start may take before it is ended, in seconds
_STARTS_WITHIN = 60


@dataclass(frozen=True, slots=True)
class Point:
    """A fault at its n-th time, once or from there on."""

    fault: Fault
    number: int
    for_good: bool

    def __str__(self) -> str:
        return f"{self.fault} at {self.number}{', for good' if self.for_good else ''}"


def _prefix(told: Flow, fault: Fault, when: str, log: Path = Path(os.devnull)) -> list[str]:
    state = told.site.folder / "state"
    paths = [argument for name in fault.files for argument in ("-P", str(state / name if name else state))]
    inject = f"inject={fault.call}:{fault.how}:when={when}"
    return [*STRACE, PASSES, "-o", str(log), *paths, "-e", f"trace={fault.call}", "-e", inject]


async def count_calls() -> dict[Fault, int]:
    """How often the thread that makes a call most makes it on the files of each fault, in a run without any."""
    async with _a_flow() as told:
        log, state = told.site.folder / "calls", told.site.folder / "state"
        calls = ",".join(sorted({fault.call for fault in FAULTS}))
        told.site.prefix = [*STRACE, PASSES, "-y", "-o", str(log), "-e", f"trace={calls}"]
        with anyio.fail_after(SETTLES_WITHIN):
            assert await told.runs_until(told.goes_on_until_settled) is None, told.site.errors
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if str(state) in line]
    counted = {}
    for fault in FAULTS:
        paths = [str(state / name) if name else str(state) for name in fault.files]
        named = [mark.format(path) for path in paths for mark in ("<{}>", '"{}"')]
        counted[fault] = most_by_one_thread([line for line in lines if any(map(line.__contains__, named))])[fault.call]
    return counted


@asynccontextmanager
async def _a_flow() -> AsyncGenerator[Flow, None]:
    async with flow(every=', housekeeping = "1s"') as told:
        yield told


async def fail_at(point: Point) -> Figures:
    """Let a call fail, start again as systemd would, let the disk be well again, and say what is broken."""
    figures = Figures()
    async with _a_flow() as told:
        when = f"{point.number}{'+' if point.for_good else ''}"
        told.site.prefix = _prefix(told, point.fault, when)
        again = _prefix(told, point.fault, "1+") if point.for_good else None
        await _under(told, str(point), again, figures)
    figures.counts["failing syncs"] += point.fault.call in ("fdatasync", "fsync")
    return figures


async def _under(told: Flow, name: str, again: list[str] | None, figures: Figures) -> None:
    """Go on under a fault that the process was made to start with, and with `again` while it lasts; then without."""
    try:
        with anyio.fail_after(SETTLES_WITHIN):
            code = await told.runs_until(told.goes_on_until_settled)
            if code is not None:
                await _judge_end(told, code, figures)
                told.site.prefix = again or []
                for _ in range(_STARTS if again else 0):
                    await _starts_in_vain(told, figures)
                told.site.prefix = []
                await told.runs_until(told.goes_on_until_settled)
                ended = await told.rows("SELECT 1 FROM alerts WHERE kind = 'ended'")
                figures.hit["the end was told after the next start"] += bool(ended)
            figures.counts["ended and started again" if code is not None else "did no harm"] += 1
            figures.broken += await told.broken()
    except TimeoutError:
        figures.broken.append(f"it did not settle within {SETTLES_WITHIN} s")
    figures.counts["faults"] += 1
    figures.broken = [f"{name}: {text}" for text in figures.broken]


async def _judge_end(told: Flow, code: int, figures: Figures) -> None:
    """The process ended: its code has to say so, its words why, and nothing left that is not recorded."""
    if code != STORAGE:
        figures.broken.append(f"it ended with {code}: {told.site.errors[-2000:]}")
    if "sellerd." not in told.site.errors or "Traceback" in told.site.errors:
        figures.broken.append(f"it does not say why it ended: {told.site.errors[-2000:]}")
    figures.broken += [f"not recorded: {what}" for what in await told.unrecorded()]
    claimed = await told.rows(
        "SELECT 1 FROM feeds WHERE state = 'sending' UNION ALL SELECT 1 FROM order_updates WHERE state = 'sending'"
    )
    figures.hit["something was claimed and had not left"] += bool(claimed)


async def _starts_in_vain(told: Flow, figures: Figures) -> None:
    """Start while the disk still fails: nothing may leave."""
    before = await _effects(told)
    code = await told.runs_until(told.goes_on_until_settled)
    if code is None:
        # This start does not come to the call that fails.
        return
    figures.hit["it started on a disk that still failed, and ended again"] += 1
    await _judge_end(told, code, figures)
    if await _effects(told) != before:
        figures.broken.append("something left while the disk failed")


async def _effects(told: Flow) -> int:
    """How much the far sides have taken from us, with what lies there for them."""
    await told.sandbox.johnlewis.work_now()
    return len(told.sandbox.laredoute.feeds) + len(told.sandbox.johnlewis.arrivals)


async def full_disk(spare: int) -> Figures:
    """A file system that has so many bytes left is filled while the daemon works, and has room again later."""
    figures = Figures()
    async with _a_flow() as told:
        state = told.site.folder / "state"
        with _mounted(told.site.folder / "small", state):
            ballast = state / "ballast"
            free = os.statvfs(state).f_bavail * os.statvfs(state).f_frsize
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - spare)
            try:
                with anyio.fail_after(SETTLES_WITHIN):
                    code = await told.runs_until(told.goes_on_until_settled)
                    if code is not None:
                        await _judge_end(told, code, figures)
                        figures.hit["the disk was full"] += 1
                        # A start folds the log back, which makes a little room: it may get further, and ends again.
                        if (code := await told.runs_until(told.goes_on_until_settled)) is not None:
                            await _judge_end(told, code, figures)
                    ballast.unlink()
                    told.site.prefix = []
                    await told.runs_until(told.goes_on_until_settled)
                    figures.broken += await told.broken()
            except TimeoutError:
                figures.broken.append(f"it did not settle within {SETTLES_WITHIN} s")
    figures.counts["faults"] += 1
    figures.broken = [f"{spare} bytes free: {text}" for text in figures.broken]
    return figures


@contextmanager
def _mounted(place: Path, state: Path) -> Iterator[None]:
    """Let the state folder be a file system of its own, in memory, of a few MiB."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(place)], check=True)
    try:
        shutil.copytree(state, place, dirs_exist_ok=True)
        shutil.rmtree(state)
        state.symlink_to(place)
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def mounts() -> bool:
    """Whether file systems can be mounted here."""
    with TemporaryDirectory() as name:
        tried = ["mount", "-t", "tmpfs", "tmpfs", name]
        if subprocess.run(tried, check=False, capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", name], check=True)
        return True


async def cut_short(largest: int) -> Figures:
    """No file may grow beyond so many bytes: the write that would is cut short, the next one is refused."""
    figures = Figures()
    async with _a_flow() as told:
        told.site.prefix = ["prlimit", f"--fsize={largest}"]
        await _under(told, f"files of {largest} bytes at most", None, figures)
        figures.hit["a write was cut short"] += figures.counts["ended and started again"]
    return figures


async def hang_at(call: str, files: Sequence[str], number: int, held: timedelta) -> Figures:
    """The disk holds a call at its n-th time for so long, or until the watchdog ends the process and it starts again."""
    figures = Figures()
    async with _a_flow() as told:
        told.secrets["WATCHDOG_USEC"] = f"{_WATCHDOG}000000"
        hangs = Fault(call, f"delay_enter={held // timedelta(microseconds=1)}", files)
        log = told.site.folder / "held"
        told.site.prefix = _prefix(told, hangs, f"{number}", log)
        silent = anyio.Event()
        try:
            with anyio.fail_after(SETTLES_WITHIN):
                code = await told.runs_until(partial(_settles_or_falls_silent, told, silent, figures))
                if code is not None:
                    figures.broken.append(f"it ended by itself with {code}: {told.site.errors[-2000:]}")
                if silent.is_set():
                    figures.broken += [f"not recorded: {what}" for what in await told.unrecorded()]
                    told.site.prefix = []
                    await told.runs_until(told.goes_on_until_settled)
                figures.broken += await told.broken()
        except TimeoutError:
            figures.broken.append(f"it did not settle within {SETTLES_WITHIN} s")
        hung = "(DELAYED)" in log.read_text("utf-8", "replace")
        if not silent.is_set():
            figures.hit["the disk hung, and it went on"] += hung
    figures.counts["disks that hung"] += hung or silent.is_set()
    figures.broken = [f"{call} of {files[0]} held at {number} for {held}: {text}" for text in figures.broken]
    return figures


async def _settles_or_falls_silent(told: Flow, silent: anyio.Event, figures: Figures) -> None:
    """Until everything has settled, or systemd would end the process, because it is silent or does not come up."""
    async with anyio.create_task_group() as group:

        async def is_systemd() -> None:
            if await _hears(told, "READY=1", within=_STARTS_WITHIN):
                while await _hears(told, "WATCHDOG=1", within=_SILENT):
                    pass
                # The loop turns while the disk hangs: whoever asks is told.
                ready = await told.site.asks("/readyz")
                if ready.status_code != httpx.codes.SERVICE_UNAVAILABLE or "the database was last" not in ready.text:
                    figures.broken.append(f"/readyz does not say that the disk hangs: {ready.text}")
                figures.hit["the disk hung, health said so, and the watchdog ended it"] += 1
            silent.set()
            group.cancel_scope.cancel()

        group.start_soon(is_systemd)
        await told.goes_on_until_settled()
        group.cancel_scope.cancel()


async def _hears(told: Flow, start: str, *, within: float) -> bool:
    with anyio.move_on_after(within):
        await told.site.heard(start)
        return True
    return False


def points(counted: dict[Fault, int], most: int) -> list[Point]:
    """So many points of every fault at most, spread over its calls, each once and, where it can last, for good."""
    found = []
    for fault, last in counted.items():
        parts = min(most, last)
        # The middle of each part.
        numbers = [1 + last * (2 * part + 1) // (2 * parts) for part in range(parts)]
        found += [Point(fault, number, for_good) for number in numbers for for_good in (False, True)[: 1 + fault.lasts]]
    return found


def hangs(counted: dict[Fault, int], most: int) -> list[tuple[str, Sequence[str], int, timedelta]]:
    """So many calls of every kind that the disk holds for a while, and one of each that it holds for good."""
    found: list[tuple[str, Sequence[str], int, timedelta]] = []
    for call, files in HANGS:
        last = next(count for fault, count in counted.items() if (fault.call, fault.files) == (call, files))
        parts = min(most, last)
        found += [(call, files, 1 + last * (2 * part + 1) // (2 * parts), _SHORT_HANG) for part in range(parts)]
        # Once it works: most of the calls are those of the first start.
        found.append((call, files, 1 + last * 3 // 4, _LONG_HANG))
    return found


def _failed(point: Point) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(fail_at, point)


def _hung(hang: tuple[str, Sequence[str], int, timedelta]) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(hang_at, *hang)


def _filled(spare: int) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(full_disk, spare)


def _cut_short(largest: int) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(cut_short, largest)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--points", type=int, default=12, help="how many points of each fault")
    parser.add_argument("--every", type=int, default=1, help="each n-th of these points")
    parser.add_argument("--only", default="", help="the faults that have this in their name")


def _measure(asked: Namespace) -> Iterator[Result]:
    if not traces():
        raise SystemExit("strace is missing or may not trace here: scripts/install-test-servers")
    counted = {fault: last for fault, last in anyio.run(count_calls).items() if asked.only in str(fault)}
    figures = together(_failed, points(counted, asked.points)[:: asked.every], asked.workers)
    if not asked.only:
        figures.add(together(_hung, hangs(counted, asked.points)[:: asked.every], asked.workers))
        steps = range(1, asked.points + 1)
        figures.add(together(_cut_short, [_LEAST_FILE + step * _LARGER for step in steps], asked.workers))
        if mounts():
            figures.add(together(_filled, [step * _STEP for step in steps], asked.workers))
    if not asked.only and asked.every == 1:
        figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES)]
    only = f" --only {asked.only!r}" if asked.only else ""
    command = f"python -m tests.prove faults --points {asked.points} --every {asked.every}{only}"
    yield Result("faults", command, figures, kept=not asked.only)


METHOD = Method(
    "faults",
    "system calls of the real process on its files fail, at the n-th time, once or for good, or do not come back; then the"
    " disk is well",
    _options,
    _measure,
)
