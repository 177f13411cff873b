"""How the cost of each piece of work grows with what is in the store: measured, and drawn as SVG."""

import json
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.accounts import NOW
from benchmarks.document import IMAGES
from benchmarks.work import feeds
from daemon.alerting import AlertsTable
from daemon.alerts import Facts, Watched
from daemon.alerts import judge as judge_alerts
from daemon.clock import read_clocks
from daemon.health import Loaded, Snapshot, Vitals, judge
from daemon.model import AccountName
from daemon.settings import ThresholdsTable
from daemon.store import open_store
from daemon.store.runs import JobState

LISTINGS = (1_000, 10_000, 100_000, 1_000_000)
ACCOUNTS = (10, 100, 1_000, 5_000)
_JOBS = ("items", "offers", "reports", "orders", "updates", "refunds", "claims", "housekeeping")
_DRAWER = Path(__file__).parent / "peers" / "draw.py"
#: lines of the plots, CPU milliseconds but for the change, which is wall time: most of it is waiting for the disk
_FEED, _CHANGE, _OPEN, _STATUS = (
    "one feed of all of them, opened and written to the spool",
    "one change of stock to its row in the next feed (wall)",
    "opening the store, as every start does",
    "how all listings stand, for the pages and the metrics",
)
_VERDICT, _ALERTS = "the verdict on every job", "the causes of alerts of every account"


def measure(scale: float) -> dict[str, Any]:
    """Every plot: its title, what stands at its foot, and its lines of milliseconds by size."""
    listings, accounts = ([count for count in some if count <= max(some) * scale] for some in (LISTINGS, ACCOUNTS))
    catalogue = {count: _with_listings(count) for count in listings}
    agency = {count: _with_accounts(count) for count in accounts}
    return {
        "listings": _plot("With the listings of one account", "listings", catalogue, (_FEED, _STATUS, _CHANGE, _OPEN)),
        "accounts": _plot("With the accounts", "accounts, of eight jobs each", agency, (_VERDICT, _ALERTS)),
    }


def _plot(title: str, foot: str, taken: Mapping[int, Mapping[str, float]], lines: Sequence[str]) -> dict[str, Any]:
    return {"title": title, "foot": foot, "lines": {line: [[x, taken[x][line]] for x in taken] for line in lines}}


def _with_listings(count: int) -> dict[str, float]:
    """The work of one account with so many listings."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sellerd.db"
        anyio.run(feeds.fill, "sellr", database, count)
        whole = anyio.run(_cpu, partial(feeds.both, "sellr", database))
        change = feeds.change_in(database) * 1e3
        status = anyio.run(_standing, database)
        return {_FEED: whole, _CHANGE: change, _STATUS: status, _OPEN: anyio.run(_cpu, partial(_open, database))}


async def _standing(database: Path) -> float:
    async with open_store(database) as store:
        return await _cpu(partial(store.views.status, read_clocks()))


async def _open(database: Path) -> None:
    async with open_store(database):
        pass


def _with_accounts(count: int) -> dict[str, float]:
    """What is judged again and again of so many accounts."""
    names = [AccountName(f"account-{number}") for number in range(count)]
    every = {name: dict.fromkeys(_JOBS, timedelta(minutes=10)) for name in names}
    states = [JobState(name, job, NOW, NOW, NOW) for name in names for job in _JOBS]
    watched = {name: Watched(ThresholdsTable()) for name in names}
    begun = time.process_time()
    verdict = judge(Snapshot(states), Vitals(NOW, timedelta(), timedelta()), Loaded(NOW), every, NOW)
    judged = time.process_time()
    judge_alerts(Facts(verdict, AlertsTable(), watched, every), NOW)
    return {_VERDICT: (judged - begun) * 1e3, _ALERTS: (time.process_time() - judged) * 1e3}


async def _cpu(what: Callable[[], Awaitable[object]]) -> float:
    """CPU milliseconds of all threads."""
    before = time.process_time()
    await what()
    return (time.process_time() - before) * 1e3


def draw(plots: Mapping[str, Any], python_of_peers: str) -> None:
    """Each plot as an SVG among the images of the docs."""
    for name, plot in plots.items():
        command = [python_of_peers, str(_DRAWER), str(IMAGES / f"growth-{name}.svg")]
        subprocess.run(command, input=json.dumps(plot).encode(), check=True)
