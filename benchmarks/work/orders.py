"""Order files from disk into the store: `python -m benchmarks.work.orders FOLDER DATABASE`."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from benchmarks.accounts import LEWIS, NOW, johnlewis
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from daemon.marketplaces.edge.orders import read_order
from daemon.model import Delivery, Order, RemoteFile
from daemon.store import open_store

BATCH = 50
FILES = 2_000


def rows(bench: Bench) -> Iterator[Pair]:
    """2,000 files of ten lines each."""
    files, database, theirs = bench.folder / "files", bench.folder / "ours.db", bench.folder / "theirs.db"
    count = bench.size(FILES)
    write_orders(files, count)

    def fresh() -> None:
        for path in bench.folder.glob("*.db*"):
            path.unlink()

    yield Pair(
        f"{count:,} order files parsed, checked and stored durably, bytes kept",
        "sqlite3 .import of the files joined",
        [sys.executable, "-m", "benchmarks.work.orders", str(files), str(database)],
        ["sh", str(PEERS / "orders_with_sqlite_cli.sh"), str(files), str(theirs)],
        target=3,
        prepare=fresh,
        asks="orders",
    )


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
    settings = johnlewis()
    async with open_store(database) as store:
        await store.accounts.configure(LEWIS, "johnlewis", "f", NOW)
        batch: list[Delivery[Order]] = []
        for path in sorted(folder.glob("*.txt")):  # noqa: ASYNC240 - a benchmark of reading
            content = path.read_bytes()
            order = read_order(content, zone=settings.zone, city_column="")
            batch.append(Delivery(RemoteFile("/in", path.name, len(content), NOW), content, (order,)))
            if len(batch) == BATCH:
                await store.orders.keep(LEWIS, batch, NOW)
                batch = []
        await store.orders.keep(LEWIS, batch, NOW)


if __name__ == "__main__":
    anyio.run(store_orders, *map(Path, sys.argv[1:]))
