"""Our side of each pair, as a process of its own: `python -m benchmarks.ours orders|offers …`."""

import csv
import io
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import anyio

from daemon.marketplaces import FeedFile
from daemon.marketplaces.dialects import DIALECTS
from daemon.marketplaces.edge.orders import read_order
from daemon.model import AccountName, Delivery, Feed, FeedKind, Moment, Order, RemoteFile
from daemon.settings import Secret
from daemon.store import Store, open_store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = Moment(NOW, "boot", 10**12, synchronised=True)
BATCH = 50


def write_orders(folder: Path, count: int) -> None:
    """Make order files of ten lines each, as John Lewis drops them (Edge sections 2 and 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["order_number", "order_date", "shipping_full_name", "shipping_address_1", "shipping_postcode"])
        writer.writerow([f"Y{number:09d}", "2026-03-02T10:01:13", "Test Recipient", "1 Test St", "TE1 1ST"])
        writer.writerow(["line_ref", "part_number", "quantity", "description"])
        writer.writerows([str(line), f"{10000000 + line}", "2", "Test lamp " + "x" * 90] for line in range(10))
        writer.writerow(["13"])
        (folder / f"order-{number:020d}.txt").write_text(out.getvalue())


async def store_orders(folder: Path, database: Path) -> None:
    """Read and keep every order file of a folder, bytes and orders, durably."""
    settings = DIALECTS["edge"].settings.model_validate(_LEWIS)
    async with open_store(database) as store:
        await store.accounts.configure(AccountName("lewis"), "johnlewis", "f", NOW)
        batch: list[Delivery[Order]] = []
        for path in sorted(folder.glob("*.txt")):  # noqa: ASYNC240 - a benchmark of reading
            content = path.read_bytes()
            order = read_order(content, zone=settings.zone, city_column="")
            batch.append(Delivery(RemoteFile("/in", path.name, len(content), NOW), content, (order,)))
            if len(batch) == BATCH:
                await store.orders.keep(AccountName("lewis"), batch, NOW)
                batch = []
        await store.orders.keep(AccountName("lewis"), batch, NOW)


async def fill_listings(database: Path, count: int) -> None:
    """Make a store of listings whose first offer waits."""
    async with open_store(database) as store:
        await store.accounts.configure(AccountName("redoute"), "laredoute", "f", NOW)
        rows = ((f"SKU-{number}", str(3700000000000 + number), number % 50) for number in range(count))
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO listings (account, sku, ean, channel_status, stock, price_minor, stock_state,"
                    " price_state, stock_revision, price_revision, created_at, changed_at)"
                    " VALUES ('redoute', ?, ?, 'product_integrated', ?, 1990, 'pending', 'pending', 1, 1, 0, 0)",
                    rows,
                ).rowcount
            )
        )


async def spool_offers(database: Path) -> None:
    """Claim everything due in one feed and write its bytes, hashed and compressed, into the store."""
    settings = DIALECTS["sellr"].settings.model_validate(_REDOUTE)
    marketplace = DIALECTS["sellr"].open(settings, {})
    async with open_store(database) as store:
        feed = await store.feeds.open(AccountName("redoute"), settings.feed_rules[FeedKind.OFFER], MOMENT)
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


_SFTP = {"host": "sftp.example.test", "user": "seller", "password": Secret("made up")}
_LEWIS = {
    "marketplace": "johnlewis",
    "speaks": "edge",
    "name": "lewis",
    "standard_delivery_days": 3,
    "sftp": _SFTP,
}
_REDOUTE = {
    "marketplace": "laredoute",
    "speaks": "sellr",
    "name": "redoute",
    "vendor_id": "1001",
    "login": {"user": "SELLER1001-1", "password": Secret("made up")},
    "tokens": {name: Secret("made up") for name in ("create_items", "read_orders", "update_orders")},
    "sftp": _SFTP,
}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["orders", folder, database]:
            anyio.run(store_orders, Path(folder), Path(database))
        case ["offers", database]:
            anyio.run(spool_offers, Path(database))
        case _:
            raise SystemExit(__doc__)
