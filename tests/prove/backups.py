"""Backups while the real daemon works, one after the other, beside a reader that holds the oldest state for all the time.

Each copy must be whole, open as a database of ours, and be of one instant between its request and its answer. The log
of the database grows as long as it is read, and is gone once nobody reads an older state any more.
"""

import logging
import sqlite3
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx

from daemon.errors import StoreError
from daemon.store import open_store
from daemon.store.backups import examined, put_back, rehearsed
from tests.prove.figures import Figures
from tests.prove.flow import SETTLES_WITHIN, Flow, flow
from tests.prove.method import Method, Result, together

SOMETIMES = frozenset({"the database was written while it was copied", "the log was truncated once nobody read it"})


async def beside(copies: int) -> Figures:
    """Make so many copies over the main flow, and put each back in a folder of its own."""
    figures = Figures()
    with anyio.fail_after(SETTLES_WITHIN):
        async with flow(every=', housekeeping = "1s"') as told, told.site.running(**told.secrets):
            log = told.database.with_name(f"{told.database.name}-wal")
            with closing(sqlite3.connect(f"{told.database.as_uri()}?mode=ro", uri=True)) as reader:
                reader.execute("BEGIN")
                held = _instant(reader)
                async with anyio.create_task_group() as group:
                    group.start_soon(told.goes_on_until_settled)
                    for _ in range(copies):
                        await _copy(told, figures)
                if _instant(reader) != held:
                    figures.broken.append("the reader saw another state than it began with")
                figures.counts["KiB of log beside a reader"] += log.stat().st_size >> 10
            while log.stat().st_size > 0:
                await anyio.sleep(0.05)
            figures.hit["the log was truncated once nobody read it"] += 1
            figures.broken += await told.broken()
    return figures


async def _copy(told: Flow, figures: Figures) -> None:
    before = _now(told.database)
    answer = await told.site.control("POST", "/api/v1/backups")
    after = _now(told.database)
    if answer.status_code != httpx.codes.CREATED:
        figures.broken.append(f"no copy was made: {answer.text}")
        return
    path = Path(answer.json()["backup"]["path"])
    figures.broken += (await examined(path)).problems
    with closing(sqlite3.connect(path)) as copy:
        copied, numbered = _instant(copy), copy.execute("SELECT count(*), coalesce(max(id), 0) FROM events").fetchone()
    if not all(least <= found <= most for least, found, most in zip(before, copied, after, strict=True)):
        figures.broken.append(f"the copy is of {copied}, and was made between {before} and {after}")
    if numbered[0] != numbered[1]:
        figures.broken.append(f"the copy has {numbered[0]} of {numbered[1]} events")
    try:
        await rehearsed(path)
        await _put_back(path, told.site.folder / "another")
    except StoreError as error:
        figures.broken.append(f"the copy cannot be put back: {error}")
    figures.hit["the database was written while it was copied"] += before != after
    figures.counts["copies made, examined and put back"] += 1


async def _put_back(path: Path, folder: Path) -> None:
    target = folder / "sellerd.db"
    await put_back(path, target, datetime.now(UTC))
    async with open_store(target) as store:
        if not store.database.restored:
            raise StoreError("nobody noticed that it was put back")


def _now(path: Path) -> tuple[int, ...]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return _instant(db)


def _instant(db: sqlite3.Connection) -> tuple[int, ...]:
    """Numbers of a database that only grow."""
    sql = "SELECT (SELECT sends FROM generation), (SELECT beats FROM heartbeat), (SELECT coalesce(max(id), 0) FROM events)"
    return tuple(db.execute(sql).fetchone())


def _made(run: int) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(beside, 10 + run)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=20, help="how many runs, each with ten copies at least")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(_made, range(asked.runs), asked.workers)
    figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES)]
    yield Result("backups", f"python -m tests.prove backups --runs {asked.runs}", figures)


METHOD = Method(
    "backups",
    "backups are made of the working process, examined and put back, beside a reader that holds the oldest state",
    _options,
    _measure,
)
