"""Order files from disk into the store: `python -m benchmarks.work.orders FOLDER DATABASE CLOCK`."""

import csv
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio

from benchmarks.accounts import LEWIS, NOW
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from daemon.marketplaces.edge.orders import read_order
from daemon.model import Delivery, Order, RemoteFile
from daemon.store import open_store

BATCH = 200
FILES = 2_000
LINES = 10
FIRST_ARTICLE = 10_000_000


def rows(bench: Bench) -> Iterator[Pair]:
    """2,000 files of ten lines each; of their articles a seller has the listings, as a rule."""
    files, database, theirs = bench.folder / "files", bench.folder / "ours.db", bench.folder / "theirs.db"
    clock = bench.folder / "clock"
    count = bench.size(FILES)
    write_orders(files, count)

    def pair(work: str, prepare: Callable[[], None], own_clock: Path | None = None, asks: str = "") -> Pair:
        return Pair(
            f"{count:,} order files of {LINES} lines parsed, checked and stored durably, bytes kept{work}",
            "sqlite3 .import of the files joined",
            [sys.executable, "-m", "benchmarks.work.orders", str(files), str(database), str(clock)],
            ["sh", str(PEERS / "orders_with_sqlite_cli.sh"), str(files), str(theirs)],
            target=3,
            prepare=prepare,
            asks=asks,
            own_clock=own_clock,
        )

    def fresh(first_article: int = FIRST_ARTICLE) -> None:
        for path in bench.folder.glob("*.db*"):
            path.unlink()
        anyio.run(add_listings, database, first_article)

    yield pair("", fresh, asks="orders")
    yield pair(", by a daemon that runs already", fresh, clock)
    yield pair(", none of their articles listed", partial(fresh, 2 * FIRST_ARTICLE))


def write_orders(folder: Path, count: int, lines: int = LINES) -> None:
    """Make order files as John Lewis drops them (Edge sections 2 and 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["order_number", "order_date", "shipping_full_name", "shipping_address_1", "shipping_postcode"])
        writer.writerow([f"Y{number:09d}", "2026-03-02T10:01:13", "Test Recipient", "1 Test St", "TE1 1ST"])
        writer.writerow(["line_ref", "part_number", "quantity", "description"])
        writer.writerows([str(line), f"{FIRST_ARTICLE + line}", "2", "Test lamp " + "x" * 90] for line in range(lines))
        writer.writerow([str(lines + 3)])
        (folder / f"order-{number:020d}.txt").write_text(out.getvalue())


async def add_listings(database: Path, first: int = FIRST_ARTICLE) -> None:
    """Let a store know a thousand articles from a number on: those of these orders, if nothing else is said."""
    async with open_store(database) as store:
        await store.accounts.configure(LEWIS, "johnlewis", "f", NOW)
        rows = [(f"SKU-{number}", str(first + number)) for number in range(1_000)]
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO listings (account, sku, channel_item_id, created_at, changed_at)"
                    " VALUES ('lewis', ?, ?, 0, 0)",
                    rows,
                ).rowcount
            )
        )


async def store_orders(folder: Path, database: Path) -> float:
    """Read and keep every order file of a folder, bytes and orders, durably; gives the seconds of that alone."""
    zone = ZoneInfo("Europe/London")
    async with open_store(database) as store:
        await store.accounts.configure(LEWIS, "johnlewis", "f", NOW)
        started = time.perf_counter()
        batch: list[Delivery[Order]] = []
        for name in sorted(entry.name for entry in os.scandir(folder)):
            with open(f"{folder}/{name}", "rb", buffering=0) as file:  # noqa: ASYNC230, PTH123 - reading is not what is measured
                content = file.read()
            order = read_order(content, zone=zone, city_column="")
            batch.append(Delivery(RemoteFile("/in", name, len(content), NOW), content, (order,)))
            if len(batch) == BATCH:
                await store.orders.keep(LEWIS, batch, NOW)
                batch = []
        await store.orders.keep(LEWIS, batch, NOW)
        return time.perf_counter() - started


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(str(anyio.run(store_orders, Path(sys.argv[1]), Path(sys.argv[2]))))
