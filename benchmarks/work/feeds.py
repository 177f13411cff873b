"""A feed of everything from the store to its spool, beside a script: `python -m benchmarks.work.feeds DATABASE`."""

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio

from benchmarks.accounts import MOMENT, NOW, REDOUTE, laredoute
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from daemon.marketplaces import FeedFile
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import Feed, FeedKind
from daemon.store import Store, open_store

OFFERS = 100_000


def rows(bench: Bench) -> Iterator[Pair]:
    """Everything waits, so one feed carries it all."""
    database, filled = bench.folder / "ours.db", bench.folder / "filled.db"
    count = bench.size(OFFERS)
    anyio.run(fill_listings, filled, count)

    def fresh() -> None:
        for path in bench.folder.glob("ours.*"):
            path.unlink()
        shutil.copy(filled, database)

    yield Pair(
        f"a feed of {count:,} Sell-R offers, store to spool, hashed and compressed",
        "a script with lxml's incremental xmlfile, to a file",
        [sys.executable, "-m", "benchmarks.work.feeds", str(database)],
        [bench.python_of_peers, str(PEERS / "offers_with_lxml.py"), str(count), str(bench.folder / "offers.xml")],
        target=0.3,
        memory=120,
        prepare=fresh,
    )


async def fill_listings(database: Path, count: int) -> None:
    """Make a store of listings whose first offer waits."""
    async with open_store(database) as store:
        await store.accounts.configure(REDOUTE, "laredoute", "f", NOW)
        listings = ((f"SKU-{number}", str(3700000000000 + number), number % 50) for number in range(count))
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO listings (account, sku, ean, channel_status, stock, price_minor, stock_state,"
                    " price_state, stock_revision, price_revision, created_at, changed_at)"
                    " VALUES ('redoute', ?, ?, 'product_integrated', ?, 1990, 'pending', 'pending', 1, 1, 0, 0)",
                    listings,
                ).rowcount
            )
        )


async def spool_offers(database: Path) -> None:
    """Claim everything due in one feed and write its bytes, hashed and compressed, into the store."""
    settings = laredoute()
    marketplace = DIALECTS["sellr"].open(settings, {})
    async with open_store(database) as store:
        feed = await store.feeds.open(REDOUTE, settings.feed_rules[FeedKind.OFFER], MOMENT)
        if not isinstance(feed, Feed):
            raise SystemExit(f"nothing to send: {feed}")
        payload, _ = await store.payloads.write(_written(store, feed, marketplace.write_feed(feed)), NOW)
        await store.feeds.spooled(feed, marketplace.feed_name(feed), payload, NOW)
    await marketplace.aclose()


async def _written(store: Store, feed: Feed, file: FeedFile) -> AsyncIterator[bytes]:
    yield file.head()
    async for batch in store.feeds.objects(feed, "EUR"):
        yield file.rows(batch)
    yield file.tail()


if __name__ == "__main__":
    anyio.run(spool_offers, Path(sys.argv[1]))
