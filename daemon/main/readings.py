"""What the running daemon reads of itself, for the verdict, the metrics and the status line (D5)."""

import platform
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.metadata import version

from daemon import logs
from daemon.alerts import Facts
from daemon.clock import read_clocks
from daemon.config import Config
from daemon.health import Build, Figures, Machine, Snapshot, Tally, Timetable, tally
from daemon.runner import Runner
from daemon.seller.advice import count_known, explained_by
from daemon.store import Store
from daemon.store.database import versions
from daemon.transports.calls import calls


async def read_snapshot(store: Store, at: datetime) -> Snapshot:
    """What the database says of jobs and accounts at an instant; raises StoreError."""
    return Snapshot(
        await store.runs.snapshot(),
        await store.accounts.held(),
        waiting=await store.views.waiting(at),
        attention=await store.views.attention(),
        order_errors=await store.views.order_errors(),
        pauses=await store.pauses.in_force(at),
        alerts=await store.alerts.open(),
    )


def build() -> Build:
    """What runs here."""
    sqlite, schema = versions()
    return Build(version("sellerd"), platform.python_version(), sqlite, schema)


async def read_tally(store: Store, every: Timetable, at: datetime) -> Tally:
    """How many jobs fail, are held and are paused at an instant; raises StoreError."""
    return tally(
        await store.runs.failing(),
        await store.accounts.held(),
        await store.pauses.in_force(at),
        every,
    )


async def read_figures(
    store: Store,
    config: Config,
    runner: Runner,
    *,
    built: Build,
    events: Mapping[tuple[str], int],
    seen: Facts | None,
    lag: timedelta,
) -> Figures:
    """What the metrics show: the database's counts, the runner's, what the watch has `seen` last; raises StoreError."""
    status = await store.views.status(read_clocks())
    feeds = await store.accounts.feed_counts()
    listings = {
        (str(account["name"]), str(part), str(state)): int(number)
        for account in status["accounts"]
        for part, states in account["listings"].items()
        for state, number in states.items()
    }
    gates = {
        (gate["account"], gate["kind"]): datetime.fromisoformat(gate["until"]) if gate["until"] else None
        for account in status["accounts"]
        for gate in account["gates"]
    }
    answers = count_known(await store.codes.all(), explained_by(config.accounts))
    return Figures(
        *(listings, feeds, gates, runner.totals, events, answers, logs.lines_dropped()),
        build=built,
        accounts={name: watched.facts for name, watched in seen.accounts.items()} if seen else {},
        machine=seen.machine if seen else Machine(),
        undelivered={way: seen.backlog[way].notices if way in seen.backlog else 0 for way in config.alerts.ways}
        if seen
        else {},
        durations=runner.durations,
        calls=calls(),
        in_flight=runner.in_flight,
        lag=lag,
    )
