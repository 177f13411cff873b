"""Power cuts: what of the daemon's files is on the disk when the power goes, at many points and in many ways.

`strace` records every change of the state folder over the main flow. From that, disks are made as a cut could leave
them: what was not synced yet is missing, torn at sectors, or there without what was written before it, file by file.
Each has to open, to be whole, and to hold exactly what the last reported commit left, or the one that was on its way.

Renames, new names and removals reach the disk in their order, as on every journalling file system, and for certain only
with a sync of their folder. `-shm` is memory and is never on the disk.
"""

import hashlib
import logging
import random
import sqlite3
import time
from argparse import ArgumentParser, Namespace
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from daemon.errors import StoreError
from daemon.sandbox.orders import Status
from daemon.store import open_store
from daemon.store.backups import examined
from tests.prove.figures import Figures
from tests.prove.flow import PASSES, SETTLES_WITHIN, STRACE, Flow, flow, traces
from tests.prove.method import Method, Result, together
from tests.prove.tracing import OPTIONS, Call, read_calls

#: what the page of promises wants to have been met
SOMETIMES = frozenset(
    {
        "a cut of the log while frames were on their way",
        "a cut while the log was folded back",
        "a cut after the log was truncated",
        "a commit was there that nobody had reported",
        "a cut while a backup was made",
    }
)
#: how long a sync takes, as on a disk: what is sent before it is over is seen before it is over, in microseconds
_SYNC_TAKES = 8_000
#: how often the far sides are looked at, in seconds
_LOOKS_EVERY = 0.002
#: Jobs that change files, as often as can be.
_EVERY = ', housekeeping = "1s"'
_MORE = '[every]\nbackup = "1s"\nhousekeeping = "1s"\n[backup]\nkeep = 2\n'
_SECTORS = (512, 4096)
#: after these the power is always cut, because they are few
_ALWAYS = frozenset({"truncate", "rename", "unlink"})


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a far side has, and when it was seen there first; `known` is how the database would name it."""

    clock: float
    known: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Recording:
    """One run: the files as it found them, what it did to them, and what the far sides saw meanwhile."""

    before: dict[str, bytes]
    calls: tuple[Call, ...]
    effects: tuple[Effect, ...]


async def record(folder: Path, enough: int | None = None) -> Recording:
    """Run the main flow once, or until the far sides have so many things, and record it in `folder`."""
    async with flow(more=_MORE, every=_EVERY) as told:
        state, log = told.site.folder / "state", folder / "calls"
        before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
        told.site.prefix = [
            *(*STRACE, PASSES, *OPTIONS, "-o", str(log)),
            *("-e", f"inject=fsync,fdatasync:delay_enter={_SYNC_TAKES}"),
        ]
        effects = list[Effect]()

        async def goes_on() -> None:
            await told.goes_on_until_settled(lambda: enough is not None and len(effects) >= enough)

        with anyio.fail_after(SETTLES_WITHIN):
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, told, effects)
                await told.runs_until(goes_on)
                group.cancel_scope.cancel()
        with log.open("r", encoding="ascii", errors="replace") as lines:
            calls = tuple(read_calls(lines, state))
    return Recording(before, calls, tuple(effects))


async def _watch(told: Flow, effects: list[Effect]) -> None:
    """Note what the far sides have as soon as they have it."""
    redoute, lewis = told.sandbox.laredoute, told.sandbox.johnlewis
    outgoing, seen = lewis.files / "live" / "outgoing", set[tuple[str, str]]()
    while True:
        now = {("file", name.removesuffix(".DONE")) for name in (it.name for it in outgoing.iterdir())}
        now |= {("file", it.name) for it in lewis.arrivals}
        sent = Counter(it.kind for it in redoute.feeds)
        now |= {(f"feed {kind}", str(number)) for kind, count in sent.items() for number in range(1, count + 1)}
        now |= {
            ("moved", line.id)
            for order in redoute.orders.values()
            for line in order.lines
            if line.status is not Status.CREATED
        }
        effects += [Effect(time.time(), known) for known in sorted(now - seen)]
        seen |= now
        await anyio.sleep(_LOOKS_EVERY)


@dataclass(slots=True, eq=False)
class _File:
    """What of a file is on the disk for certain, and the calls on it that are not."""

    settled: bytearray = field(default_factory=bytearray)
    pending: list[Call] = field(default_factory=list)

    def settle(self, until: int) -> None:
        """Take everything in that had ended at a line."""
        for call in self.pending:
            if call.ended <= until:
                _apply(self.settled, call)
        self.pending = [call for call in self.pending if call.ended > until]

    def after(self, chance: random.Random, how: str) -> bytes:
        """What a cut leaves of it."""
        content = bytearray(self.settled)
        if how == "nothing":
            return bytes(content)
        cut = chance.randint(0, len(self.pending)) if how == "the first" else len(self.pending)
        for call in self.pending[:cut]:
            if how != "torn":
                _apply(content, call)
            elif call.name == "write":
                sector = chance.choice(_SECTORS)
                for start in range(0, len(call.data), sector):
                    if chance.random() < 0.5:
                        piece = call.data[start : start + sector]
                        _apply(content, Call("write", call.path, 0, 0, 0, piece, call.at + start))
            elif chance.random() < 0.5:
                _apply(content, call)
        return bytes(content)


def _apply(content: bytearray, call: Call) -> None:
    if call.name == "write":
        if len(content) < call.at:
            content.extend(bytes(call.at - len(content)))
        content[call.at : call.at + len(call.data)] = call.data
    elif len(content) < call.at:
        content.extend(bytes(call.at - len(content)))
    else:
        del content[call.at :]


class Disk:
    """The disk while the calls of a recording go by: names and contents that are there, and those that may be."""

    def __init__(self, before: dict[str, bytes]) -> None:
        self._settled = {name: _File(bytearray(content)) for name, content in before.items()}
        self._names = dict(self._settled)
        #: what became of names and is not synced yet, with the file
        self._renames: list[tuple[Call, _File | None]] = []

    def take(self, call: Call) -> None:
        """One more call has ended."""
        if call.name == "sync":
            self._sync(call)
        elif call.name == "rename":
            self._named(call, self._names.get(call.path))
        elif call.name == "unlink":
            self._named(call, None)
        else:
            if call.path not in self._names:
                self._named(call, _File())
            if call.name != "create":
                self._names[call.path].pending.append(call)

    def pending(self, path: str) -> bool:
        """Whether something of a file was written and is not synced."""
        return path in self._names and bool(self._names[path].pending)

    def now(self) -> dict[str, bytes]:
        """Every file as programs see it."""
        everything = random.Random(0)
        return {name: file.after(everything, "all") for name, file in self._names.items()}

    def after_a_cut(self, chance: random.Random) -> dict[str, bytes]:
        """Every file as a cut of the power at this moment could leave it."""
        names = dict(self._settled)
        for call, file in self._renames[: chance.randint(0, len(self._renames))]:
            _rename(names, call, file)
        ways = ("nothing", "all", "the first", "torn", "torn")
        return {name: file.after(chance, chance.choice(ways)) for name, file in names.items()}

    def _named(self, call: Call, file: _File | None) -> None:
        self._renames.append((call, file))
        _rename(self._names, call, file)

    def _sync(self, call: Call) -> None:
        if (file := self._names.get(call.path)) is not None:
            file.settle(call.began)
            return
        # It is a folder: what became of the names in it is there now.
        settled = [(it, file) for it, file in self._renames if it.ended <= call.began and _folder(it) == call.path]
        for it, file in settled:
            _rename(self._settled, it, file)
        self._renames = [it for it in self._renames if it not in settled]


def _rename(names: dict[str, _File], call: Call, file: _File | None) -> None:
    if file is not None:
        names[call.data.decode() if call.name == "rename" else call.path] = file
    if call.name != "create" and call.name != "write" and call.name != "truncate":
        names.pop(call.path, None)


def _folder(call: Call) -> str:
    return call.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class _Commit:
    """What the database held when a sync of it was reported: a digest of everything, and what far sides may know."""

    line: int
    clock: float
    digest: str
    feeds: Counter[str]
    names: frozenset[str]
    moved: frozenset[str]

    def knows(self, effect: Effect) -> bool:
        """Whether what a far side has was recorded by then."""
        kind, told = effect.known
        if kind == "file":
            return told in self.names
        if kind == "moved":
            return told in self.moved
        return self.feeds[kind.removeprefix("feed ").removesuffix("s")] >= int(told)


_DATABASE = "sellerd.db"
_LOG = "sellerd.db-wal"


def commits(recording: Recording) -> list[_Commit]:
    """What the database held whenever a sync of it or of its log was reported."""
    disk, found = Disk(recording.before), list[_Commit]()
    with TemporaryDirectory(dir=_memory()) as name:
        folder = Path(name)
        found.append(_commit(folder, disk.now(), -1, 0.0))
        for call in recording.calls:
            disk.take(call)
            if call.name == "sync" and call.path in (_DATABASE, _LOG):
                found.append(_commit(folder, disk.now(), call.ended, call.clock))
    return found


def _commit(folder: Path, files: dict[str, bytes], line: int, clock: float) -> _Commit:
    path = _lay_out(folder, files)
    with closing(sqlite3.connect(path)) as db:
        sent = "SELECT kind FROM feeds WHERE account = 'redoute' AND state <> 'withdrawn'"
        names = "SELECT name FROM feeds UNION SELECT name FROM order_updates"
        moved = "SELECT l.ref FROM update_lines w JOIN order_lines l ON l.id = w.line"
        return _Commit(
            *(line, clock, _digest(db)),
            Counter(kind for (kind,) in db.execute(sent)),
            frozenset(name for (name,) in db.execute(names)),
            frozenset(ref for (ref,) in db.execute(moved)),
        )


def _digest(db: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        for row in db.execute(f"SELECT * FROM {table}"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def _lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files down in the place of those that are there; gives the path of the database."""
    for old in sorted(folder.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    for name, content in files.items():
        if name.endswith("-shm"):
            continue
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return folder / _DATABASE


async def _judge(folder: Path, disk: Disk, last: Call, reported: list[_Commit], point: tuple[int, int]) -> Figures:
    number, seed = point
    figures, broken = Figures(), list[str]()
    files = disk.after_a_cut(random.Random(f"{number} {seed}"))
    path = _lay_out(folder, files)
    # The last commit that was reported, and the one that may be there without.
    place = bisect_right([it.line for it in reported], last.ended) - 1
    allowed = {it.digest for it in reported[place : place + 2]}
    try:
        with closing(sqlite3.connect(path)) as db:
            (whole,) = db.execute("PRAGMA integrity_check").fetchone()
            if whole != "ok" or db.execute("PRAGMA foreign_key_check").fetchall():
                broken.append(f"it is damaged: {whole}")
            digest = _digest(db)
        async with open_store(path) as store:
            if store.database.restored:
                broken.append("it is taken for one that was put back")
    except (sqlite3.Error, StoreError) as error:
        broken.append(f"it does not open: {error}")
    else:
        if digest not in allowed:
            broken.append("it does not hold what was reported last")
        elif digest != reported[place].digest:
            figures.hit["a commit was there that nobody had reported"] += 1
    for backup in path.parent.glob("backups/sellerd-*.db"):
        broken += [f"a backup: {problem}" for problem in (await examined(backup)).problems]
        figures.counts["backups examined"] += 1
    _met(figures, disk, last)
    figures.counts["disks after a cut"] += 1
    figures.broken += [f"cut {number}, seed {seed}: {text}" for text in broken]
    return figures


def _met(figures: Figures, disk: Disk, last: Call) -> None:
    figures.hit["a cut of the log while frames were on their way"] += disk.pending(_LOG)
    figures.hit["a cut while the log was folded back"] += disk.pending(_DATABASE)
    figures.hit["a cut after the log was truncated"] += last.name == "truncate" and last.path == _LOG
    figures.hit["a cut while a backup was made"] += last.path.startswith("backups/.")


def before_it_left(recording: Recording, reported: list[_Commit]) -> Figures:
    """Whether all that the far sides ever had was on the disk for certain before they had it (P4, P8)."""
    figures = Figures()
    clocks = [it.clock for it in reported]
    for effect in recording.effects:
        known = reported[bisect_left(clocks, effect.clock) - 1].knows(effect)
        figures.counts["effects that were on the disk before they left"] += known
        if not known:
            figures.broken.append(f"{' '.join(effect.known)} left before it was on the disk")
    return figures


async def cuts(run: int, every: int, seeds: int, enough: int | None = None) -> Figures:
    """Record one run, and cut the power after each n-th of its calls, in several ways each."""
    with TemporaryDirectory(dir=_memory()) as name:
        recording = await record(Path(name), enough)
        reported = commits(recording)
        figures = before_it_left(recording, reported)
        figures.counts["commits that were reported"] += len({it.digest for it in reported}) - 1
        figures.counts["calls on files"] += len(recording.calls)
        disk = Disk(recording.before)
        for number, call in enumerate(recording.calls, 1):
            disk.take(call)
            chosen = number % every == run % every or call.name in _ALWAYS
            for seed in range(seeds) if chosen else ():
                figures.add(await _judge(Path(name) / "disk", disk, call, reported, (number, seed)))
    return figures


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _cut(run: int, every: int, seeds: int) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(cuts, run, every, seeds)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=4, help="how many runs are recorded")
    parser.add_argument("--every", type=int, default=1, help="cut after each n-th call")
    parser.add_argument("--seeds", type=int, default=4, help="how many disks for each cut")


def _measure(asked: Namespace) -> Iterator[Result]:
    if not traces():
        raise SystemExit("strace is missing or may not trace here: scripts/install-test-servers")
    figures = together(partial(_cut, every=asked.every, seeds=asked.seeds), range(asked.runs), asked.workers)
    figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES)]
    command = f"python -m tests.prove powercut --runs {asked.runs} --every {asked.every} --seeds {asked.seeds}"
    yield Result("powercut", command, figures)


METHOD = Method(
    "powercut",
    "the power is cut after each call of the real process on its files; what was not synced is missing, torn or reordered",
    _options,
    _measure,
)
