"""A kept report settled as its job settles it: `python -m benchmarks.work.settle DATABASE`.

`fill DATABASE REPORT COUNT` makes the store and the report.
"""

import gc
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio

from benchmarks.accounts import MOMENT, NOW, REDOUTE, laredoute
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from benchmarks.work import feeds
from daemon.jobs import Run
from daemon.jobs.reports import settle_report
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import Feed, FeedKind, RemoteFile
from daemon.store import open_store
from daemon.store.deliveries import DeliveryKind

LINES = 1_000_000
OURS = [sys.executable, "-m", "benchmarks.work.settle"]
_COLUMNS = "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber"
#: one line in so many is a rejection
_REJECTED = 100


def rows(bench: Bench) -> Iterator[Pair]:
    """One feed carried every listing, and one report answers it, a hundredth of it with no."""
    filled, report = bench.folder / "sent.db", bench.folder / "report.csv"
    count = bench.size(LINES)
    # In a process of its own, because the peak of this one would count as its children's.
    subprocess.run([*OURS, "fill", str(filled), str(report), str(count)], check=True)

    database = str(bench.folder / "settled.db")
    yield Pair(
        f"a kept report of {count:,} lines settled: listings, feed objects, prices charged, events",
        "sqlite3 .import of the report, and one UPDATE … FROM of the listings alone in the same database",
        [*OURS, database],
        ["sh", str(PEERS / "settle_with_sqlite_cli.sh"), database, str(report)],
        target=1.5,
        memory=150,
        prepare=lambda: bench.copied(filled, "settled"),
        asks="report",
    )


async def fill(database: Path, report: Path, count: int) -> None:
    """Make a store whose feed of every listing was sent, and the report that answers it, in the feed's order."""
    settings = laredoute()
    rule = settings.feed_rules[FeedKind.OFFER]
    await feeds.fill("sellr", database, count)
    async with open_store(database) as store:
        feed = await store.feeds.open(REDOUTE, rule, MOMENT, settings.offer_terms)
        if not isinstance(feed, Feed):
            raise SystemExit(f"nothing to send: {feed}")
        payload, _ = await store.payloads.write(_chunks(b"the feed"), NOW)
        await store.feeds.spooled(feed, "offers.xml", payload, NOW)
        await store.feeds.sent(feed, rule, "B1", MOMENT)
        await store.database.read(lambda db: _write_report(db, feed, report))
        payload, size = await store.payloads.write(_blocks(report), NOW)
        file = RemoteFile("/reports", report.name, size, NOW)
        await store.deliveries.keep(REDOUTE, DeliveryKind.REPORT, file, payload, NOW)
        await store.database.checkpoint()


def _write_report(db: sqlite3.Connection, feed: Feed, report: Path) -> None:
    listings = db.execute(
        "SELECT l.sku, l.ean FROM feed_objects o JOIN listings l ON l.id = o.listing WHERE o.feed = ?"
        " ORDER BY o.listing",
        (feed.id,),
    )
    with report.open("w") as out:
        print(_COLUMNS, file=out)
        for place, (sku, ean) in enumerate(listings):
            verdict = "OK;;" if place % _REJECTED else "KO;E12;Prix refuse"
            print(f"B1;offers.xml;{ean};{sku};{verdict};", file=out)


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while block := await file.read(1 << 18):
            yield block


async def settle(database: Path) -> None:
    """Settle the report, and make sure that all of it was."""
    settings = laredoute()
    marketplace = DIALECTS["sellr"].open(settings, {})
    # As the daemon does when it begins to work.
    gc.freeze()
    async with open_store(database) as store:
        run = Run(settings, MOMENT, store, marketplace, lambda: MOMENT)
        (kept,) = await store.deliveries.unsettled(REDOUTE, DeliveryKind.REPORT)
        settled, _ = await settle_report(run, kept)
        sent = await store.database.read(_sent)
    await marketplace.aclose()
    if settled != sent:
        raise SystemExit(f"{settled:,} of {sent:,} objects were settled")


def _sent(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT size FROM feeds").fetchone()[0])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", database, report, count]:
            anyio.run(fill, Path(database), Path(report), int(count))
        case [database]:
            anyio.run(settle, Path(database))
        case _:
            raise SystemExit(__doc__)
