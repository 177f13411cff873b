"""Two months of traffic and their housekeeping: `python -m benchmarks.work.month FOLDER POLICY` prints the figures.

The rows are what the jobs of five accounts leave behind at the guide's cadence, written day by day; housekeeping is the
real one, every day. Everything is kept for thirty days, so the second month must fit into the place of the first.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.pairs import Bench, Trial, Wanted
from benchmarks.quiet import open_quiet
from benchmarks.site import Site
from daemon.clock import read_clocks
from daemon.config import Config, load
from daemon.crontab import timetable
from daemon.jobs import Run, SiteRun
from daemon.jobs.housekeeping import tidy, tidy_site
from daemon.logs import configure
from daemon.model import AccountName, Moment
from daemon.runner import Runner, Task
from daemon.store import Store, open_store
from daemon.store.times import to_us

ACCOUNTS, DAYS = 5, 60
_DAY = timedelta(days=1)
_KEPT = '[retention]\nturns = "30d"\nidle_turns = "30d"\nevents = "30d"\nfeed_objects = "30d"\n'
#: what an account leaves behind in a day: turns of its jobs; feeds, and listings of each; orders
_TURNS, _FEEDS, _CARRIED, _ORDERS = 900, 24, 20, 20
_LISTINGS = 200
_TIMES = 300

NOTE = """\
**The policy, by these figures.** Free pages stay in the file and the next day's rows go there (`auto_vacuum = NONE`,
SQLite's default): after the first month the file keeps its size, but for what stays for ever (orders, feeds, hashes).
`INCREMENTAL` ends with a file as large and moves pages for it. A whole `VACUUM` would hold the writer up for as long as
it takes, so the daemon never runs one; after a retention was made much shorter, `sqlite3 sellerd.db VACUUM` while the
daemon is stopped gives the room back. The log is folded back by SQLite itself every 1,000 pages: less often, and a
turn's record is no faster. It is cut to nothing after each housekeeping, so that nothing erased lives on in it."""


def rows(bench: Bench) -> Iterator[Trial]:
    """The same months with each policy."""
    days = bench.size(DAYS)
    figures = [
        ("turn", f"an idle turn after {days} days beside one on the first day (CPU)", "×", 1.2),
        ("size", f"the file after {days} days beside its size after half of them", "×", 1.1),
        ("mib", f"the file after {days} days", "MiB", None),
        ("free", "of which free for the next rows", "MiB", None),
        ("tidy", "housekeeping of one day, all accounts (CPU)", "s", None),
        ("longest", "the longest time for which housekeeping holds up the writer", "ms", None),
        ("status", "how all accounts stand, asked after that (CPU)", "ms", None),
        ("commits_1000", "a turn's record, folded back every 1,000 pages (median)", "ms", None),
        ("commits_16000", "a turn's record, folded back every 16,000 pages (median)", "ms", None),
    ]
    yield Trial(partial(measure, bench.folder / "none", days, "NONE"), [Wanted(*each) for each in figures])
    others = [
        Wanted(name, f"with auto_vacuum = INCREMENTAL: {work}", unit, None) for name, work, unit, _ in figures[1:6]
    ]
    yield Trial(partial(measure, bench.folder / "incremental", days, "INCREMENTAL"), others)


def measure(folder: Path, days: int, policy: str) -> Mapping[str, float]:
    """One run in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.work.month", str(folder), str(days), policy]
    found: Mapping[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


async def work(folder: Path, days: int, policy: str) -> dict[str, float]:
    """Live through the days, and look at the beginning, in the middle and at the end."""
    site = Site(folder, ACCOUNTS)
    site.config.write_text(site.config.read_text() + _KEPT)
    config = load(site.config)
    configure("warning", "json")
    begin = datetime.now(UTC) - days * _DAY
    sizes, first, tidied = [], 0.0, [0.0]
    longest = _Longest()
    async with open_store(site.database) as store:
        if policy != "NONE":
            await _outside(store, "PRAGMA auto_vacuum = INCREMENTAL", "VACUUM")
        await store.database.write(partial(_furnish, config=config, at=begin))
        for day in range(days):
            at = begin + day * _DAY
            await store.database.write(partial(_a_day, config=config, at=at))
            tidied.append(await _housekeeping(store, config, at + _DAY, policy, longest))
            sizes.append((await anyio.Path(site.database).stat()).st_size)
            if day == 0:
                first = await _idle_turn(store, config)
        turn = await _idle_turn(store, config)
        free = await _outside(store, "PRAGMA freelist_count")
        return {
            "turn": turn / first,
            "size": sizes[-1] / sizes[len(sizes) // 2],
            "mib": sizes[-1] / (1 << 20),
            "free": free * 4096 / (1 << 20),
            "tidy": tidied[-1],
            "longest": longest.seconds * 1e3,
            "status": await _cpu(partial(store.views.status, read_clocks())) * 1e3,
            **{f"commits_{pages}": await _records(store, pages) for pages in (1_000, 16_000)},
        }


class _Longest:
    """The longest that one transaction took."""

    seconds = 0.0


def _furnish(db: Any, config: Config, at: datetime) -> None:
    for name, account in config.accounts.items():
        db.execute("INSERT INTO accounts (name, marketplace) VALUES (?, ?)", (name, account.marketplace))
        db.executemany(
            "INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, stock, price_minor, created_at,"
            " changed_at) VALUES (?, ?, ?, ?, 'offer_integrated', 5, 1990, ?, ?)",
            (
                (name, f"SKU-{n}", f"{3700000000000 + n}", f"{10000000 + n}", to_us(at), to_us(at))
                for n in range(_LISTINGS)
            ),
        )


def _a_day(db: Any, config: Config, at: datetime) -> None:
    """Everything that the jobs of all accounts record in one day."""
    start, spread = to_us(at), 86_400_000_000
    jobs = {name: list(rows) for name, rows in timetable(config).items()}
    db.executemany(
        "INSERT INTO job_runs (account, job, started_at, ended_at, outcome) VALUES (?, ?, ?, ?, 'idle')",
        (
            (name, jobs[name][n % len(jobs[name])], when, when + 20_000)
            for n in range(_TURNS)
            for when in [start + n * spread // _TURNS]
            for name in config.accounts
        ),
    )
    for hour in range(_FEEDS):
        for name in config.accounts:
            _a_feed(db, name, start + hour * spread // _FEEDS)
    for n in range(_ORDERS):
        for name in config.accounts:
            _an_order(db, name, f"{to_us(at)}-{n}", start + n * spread // _ORDERS)


def _a_feed(db: Any, account: str, at: int) -> None:
    """A feed that was sent and answered: its bytes, what it carried, and what happened to each listing."""
    payload = _bytes(db, 1_500, at)
    feed = db.execute(
        "INSERT INTO feeds (account, kind, state, size, accepted, name, payload, opened_at, sent_at, closed_at)"
        " VALUES (?, 'offer', 'answered', ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (account, _CARRIED, _CARRIED, f"feed-{at}", payload, at, at, at + 1),
    ).fetchone()[0]
    carried = db.execute(
        "SELECT id FROM listings WHERE account = ? ORDER BY id LIMIT ? OFFSET ?",
        (account, _CARRIED, feed * _CARRIED % _LISTINGS),
    ).fetchall()
    db.executemany(
        "INSERT INTO feed_objects (feed, listing, ean, channel_item_id, stock_revision, stock, ended, state,"
        " answered_at) VALUES (?, ?, '', '', 1, 5, 0, 'accepted', ?)",
        ((feed, row["id"], at) for row in carried),
    )
    db.executemany(
        "INSERT INTO events (at, account, subject, subject_id, what) VALUES (?, ?, 'listing', ?, ?)",
        ((at, account, row["id"], what) for row in carried for what in ("stock changed", "accepted")),
    )
    _received(db, account, "report", f"report-{at}", 800, at)


def _an_order(db: Any, account: str, number: str, at: int) -> None:
    """An order that came in, was shipped and is done with."""
    delivery = _received(db, account, "order", number, 900, at)
    order = db.execute(
        "INSERT INTO orders (account, number, received_at, changed_at, delivery) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (account, f"{number}-{account}", at, at, delivery),
    ).fetchone()[0]
    db.execute(
        'INSERT INTO order_lines ("order", ref, position, quantity, shipped, state, since)'
        " VALUES (?, '1', 1, 1, 1, 'shipped', ?)",
        (order, at),
    )
    db.executemany(
        "INSERT INTO events (at, account, subject, subject_id, what) VALUES (?, ?, 'order', ?, ?)",
        ((at, account, order, what) for what in ("received", "acknowledged", "shipped")),
    )


def _received(db: Any, account: str, kind: str, name: str, size: int, at: int) -> int:
    return int(
        db.execute(
            "INSERT INTO deliveries (account, kind, folder, name, size, payload, state, received_at, confirmed_at)"
            " VALUES (?, ?, '/', ?, ?, ?, 'applied', ?, ?) RETURNING id",
            (account, kind, name, size, _bytes(db, size, at), at, at),
        ).fetchone()[0]
    )


def _bytes(db: Any, size: int, at: int) -> int:
    content = os.urandom(size)
    payload = int(
        db.execute(
            "INSERT INTO payloads (sha256, size, kept_at) VALUES (?, ?, ?) RETURNING id",
            (content[:32].hex(), size, at),
        ).fetchone()[0]
    )
    db.execute("INSERT INTO payload_chunks VALUES (?, 0, ?)", (payload, content))
    return payload


async def _housekeeping(store: Store, config: Config, at: datetime, policy: str, longest: _Longest) -> float:
    """The real jobs, at an instant; returns their CPU seconds."""
    now = Moment(at, "boot", 10**12, synchronised=True)

    async def everything() -> None:
        for account in config.accounts.values():
            short = account.model_copy(update={"payload_retention": 30 * _DAY})
            await tidy(Run(short, now, store, open_quiet(account, {}), read_clocks))
        await tidy_site(SiteRun(config, now, store, read_clocks))
        if policy != "NONE":
            await store.database.write(_give_back)

    async with anyio.create_task_group() as group:
        group.start_soon(_ask_again_and_again, store, longest)
        spent = await _cpu(everything)
        group.cancel_scope.cancel()
    return spent


def _give_back(db: Any) -> None:
    # As a script, because a statement that gives no columns is stepped once, and each step frees one page. The script
    # ends the transaction by itself.
    db.executescript("PRAGMA incremental_vacuum; BEGIN IMMEDIATE")


async def _ask_again_and_again(store: Store, longest: _Longest) -> None:
    """What another turn feels: how long the writer's attention takes."""
    while True:
        before = time.perf_counter()
        await store.database.write(lambda _: None)
        longest.seconds = max(longest.seconds, time.perf_counter() - before)
        await anyio.sleep(0.01)


async def _idle_turn(store: Store, config: Config) -> float:
    """CPU seconds of a turn that finds nothing, over all jobs of an account, the median of several rounds."""
    account = next(iter(config.accounts.values()))
    tasks = [
        Task(account, open_quiet(account, {}), job, row.job)
        for job, row in timetable(config)[AccountName(account.name)].items()
        if job != "housekeeping"
    ]
    runner = Runner(store)

    async def turns() -> None:
        for task in tasks:
            await runner.turn(task)

    return statistics.median([await _cpu(turns) for _ in range(_TIMES // len(tasks))]) / len(tasks)


async def _records(store: Store, pages: int) -> float:
    """Milliseconds of the record of a turn's begin and end, where the log is folded back every so many pages."""
    await _outside(store, f"PRAGMA wal_autocheckpoint = {pages}")
    taken = []
    for _ in range(2 * _TIMES):
        at, before = datetime.now(UTC), time.perf_counter()
        run = await store.runs.started(next(iter(await _accounts(store))), "orders", at)
        await store.runs.ended(run, "idle", 0, "", None, at)
        taken.append(time.perf_counter() - before)
    return statistics.median(taken) * 1e3


async def _accounts(store: Store) -> list[Any]:
    return [
        row[0]
        for row in await store.database.read(lambda db: db.execute("SELECT name FROM accounts LIMIT 1").fetchall())
    ]


async def _outside(store: Store, *statements: str) -> int:
    """Run statements that no transaction may hold, on the connection that writes."""

    def run(db: Any) -> int:
        db.execute("COMMIT")
        rows = [db.execute(statement).fetchall() for statement in statements]
        db.execute("BEGIN IMMEDIATE")
        return int(rows[-1][0][0]) if rows[-1] else 0

    return await store.database.write(run)


async def _cpu(what: Callable[[], Any]) -> float:
    before = time.process_time()
    await what()
    return time.process_time() - before


if __name__ == "__main__":
    print(json.dumps(anyio.run(work, Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
