"""Five thousand accounts in one daemon: `python -m benchmarks.work.accounts FOLDER COUNT SECONDS` prints the figures.

Everything is real but the far sides (`benchmarks.quiet`), which have nothing new and take what is sent. Every account
has a changed stock to send. The jobs begin where a daemon that has been running for long would have left them: each
somewhere in its interval.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio

from benchmarks.pairs import Bench, Trial, Wanted
from benchmarks.quiet import open_quiet
from benchmarks.site import Site
from daemon.config import load
from daemon.crontab import intervals
from daemon.main import run
from daemon.model import SITE
from daemon.store import open_store, read_store
from daemon.store.times import to_us

ACCOUNTS, SECONDS = 5_000, 600
#: an irrational part of an interval apart, neighbours lie anywhere in it and all of them evenly
_GOLDEN = 0.6180339887
#: from the last record of what would have run before until turns are counted: the daemon starts meanwhile
_BEFORE = timedelta(minutes=1)


def rows(bench: Bench) -> Iterator[Trial]:
    """One run of ten minutes gives all figures."""
    count, seconds = bench.size(ACCOUNTS), bench.size(SECONDS)
    what = f"{count:,} accounts at the guide's cadence"
    yield Trial(
        partial(measure, bench.folder, count, seconds),
        [
            Wanted("cpu", f"CPU of {what}, on average over {seconds // 60} minutes", "% of a core", 40, "accounts"),
            Wanted("late", "99th percentile of how late a turn begins", "s", 2, "accounts"),
            Wanted("latest", "the latest turn of all", "s", None),
            Wanted("memory", "memory at the peak", "MiB", 600, "accounts"),
            Wanted("turns", "turns of jobs", "a second", None),
            Wanted("feeds", "feeds sent", "a minute", None),
            Wanted("ready", f"from the start of the process until it is ready, {what}", "s", None),
        ],
    )


def measure(folder: Path, accounts: int, seconds: int) -> Mapping[str, float]:
    """One run in a process of its own, so that nothing else is in its memory."""
    command = [sys.executable, "-m", "benchmarks.work.accounts", str(folder), str(accounts), str(seconds)]
    subprocess.run([*command, "prepare"], check=True)
    found: Mapping[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


class Job(NamedTuple):
    """One job of one account, how often it comes and when it began last (UTC microseconds)."""

    account: str
    job: str
    every: timedelta
    last: int


def prepare(site: Site) -> None:
    """Fill the store with what a daemon that has been running for long would have left a minute before it begins."""
    anyio.run(_fill, site)
    begin = datetime.now(UTC) + _BEFORE
    jobs = _jobs(site, begin)
    (site.folder / "jobs.json").write_text(
        json.dumps([(*job[:2], job.every.total_seconds(), job.last) for job in jobs])
    )
    (site.folder / "begin").write_text(str(begin.timestamp()))
    anyio.run(_book, site, jobs)


def _jobs(site: Site, begin: datetime) -> list[Job]:
    now = datetime.now(UTC)
    return [
        Job(account, job, each, to_us(_last(begin + each * ((_GOLDEN * (10 * number + place)) % 1), each, now)))
        for number, (account, of_account) in enumerate(intervals(load(site.config)).items())
        for place, (job, each) in enumerate(of_account.items())
    ]


def _last(due: datetime, every: timedelta, now: datetime) -> datetime:
    """When a job that is due then began last before now."""
    return due - every * -((now - due) // every)


async def _fill(site: Site) -> None:
    config, now = load(site.config), datetime.now(UTC)
    async with open_store(site.database) as store:
        for name, account in config.accounts.items():
            await store.accounts.configure(name, account.marketplace, "", now)
        listings = [(name, f"1{number:07d}", to_us(now), to_us(now)) for number, name in enumerate(config.accounts)]
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO listings (account, sku, channel_status, ean, channel_item_id, stock, price_minor,"
                    " stock_state, stock_revision, created_at, changed_at)"
                    " VALUES (?, 'LAMP-1', 'offer_integrated', '3701234567891', ?, 5, 1990, 'pending', 1, ?, ?)",
                    listings,
                ).rowcount
            )
        )


async def _book(site: Site, jobs: Sequence[Job]) -> None:
    async with open_store(site.database) as store:
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO jobs (account, job, last_started_at, last_ended_at, last_succeeded_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    [(job.account, job.job, job.last, job.last, job.last) for job in jobs],
                ).rowcount
            )
        )


async def work(site: Site, seconds: int) -> dict[str, float]:
    """Run the daemon, and read from its own records when each turn began."""
    started, jobs = time.perf_counter(), json.loads((site.folder / "jobs.json").read_text())
    begin = datetime.fromtimestamp(float((site.folder / "begin").read_text()), UTC)
    figures: dict[str, float] = {}
    ready, ready_at = anyio.Event(), list[int]()

    async def watch() -> None:
        await ready.wait()
        figures["ready"] = time.perf_counter() - started
        ready_at.append(to_us(datetime.now(UTC)))
        if (left := (begin - datetime.now(UTC)).total_seconds()) < 0:
            raise SystemExit(f"it was ready {-left:.0f} s after the moment from which turns are counted")
        await anyio.sleep(left)
        before, at = time.process_time(), time.perf_counter()
        await anyio.sleep(seconds)
        figures["cpu"] = 100 * (time.process_time() - before) / (time.perf_counter() - at)
        figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.kill(os.getpid(), signal.SIGTERM)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await run(site.config, ready=ready.set, opens=open_quiet)
        group.cancel_scope.cancel()
    # What was overdue at the start comes one after the other on purpose, and keeps that rhythm: that is no lateness.
    timely = [job for job in jobs if job[0] != SITE and job[3] + round(job[2] * 1e6) > ready_at[0]]
    return {**figures, **await _read(site, timely, begin, seconds)}


async def _read(
    site: Site, jobs: Sequence[tuple[str, str, float, int]], begin: datetime, seconds: int
) -> dict[str, float]:
    async with read_store(site.database) as store:
        runs, feeds = await store.database.read(
            lambda db: (
                db.execute("SELECT account, job, started_at FROM job_runs WHERE account <> ?", (SITE,)).fetchall(),
                db.execute("SELECT count(*) FROM feeds").fetchone()[0],
            )
        )
    began: dict[tuple[str, str], list[int]] = {}
    for account, job, at in runs:
        began.setdefault((account, job), []).append(at)
    late = sorted(
        _lateness(began.get((account, job), []), due, to_us(begin) + seconds * 1_000_000)
        for account, job, every, last in jobs
        for due in range(last + round(every * 1e6), to_us(begin) + seconds * 1_000_000, round(every * 1e6))
        if due >= to_us(begin)
    )
    return {
        "late": late[int(len(late) * 0.99)],
        "latest": late[-1],
        "turns": sum(at >= to_us(begin) for _, _, at in runs) / seconds,
        "feeds": feeds / seconds * 60,
    }


def _lateness(began: Sequence[int], due: int, end: int) -> float:
    """How many seconds after it was due the next turn began; what had not begun at the end waited until then."""
    return (min((at for at in began if at >= due), default=end) - due) / 1e6


def main() -> None:
    """Prepare, or work and print what came of it."""
    folder, accounts, seconds, *prepares = sys.argv[1:]
    site = Site(Path(folder), int(accounts))
    if prepares:
        prepare(site)
    else:
        print(json.dumps(anyio.run(work, site, int(seconds))))


if __name__ == "__main__":
    main()
