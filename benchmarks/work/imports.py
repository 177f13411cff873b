"""Stock from a CSV file into the store: `python -m benchmarks.work.imports DATABASE FILE`."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from benchmarks.accounts import NOW, laredoute
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from benchmarks.work.feeds import fill_listings
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.store import open_store

ROWS = 1_000_000


def rows(bench: Bench) -> Iterator[Pair]:
    """Every listing gets another stock."""
    filled, file = bench.folder / "listings.db", bench.folder / "stock.csv"
    count = bench.size(ROWS)
    anyio.run(fill, filled, file, count)

    def fresh() -> None:
        for path in bench.folder.glob("imported.*"):
            path.unlink()
        for ending in (".db", ".mark"):
            shutil.copy(filled.with_suffix(ending), bench.folder / f"imported{ending}")

    database = str(bench.folder / "imported.db")
    yield Pair(
        f"a CSV file of {count:,} stock rows imported: read, checked, compared, committed, told in events",
        "sqlite3 .import of the file, and one UPDATE … FROM of the listings alone in the same database",
        [sys.executable, "-m", "benchmarks.work.imports", database, str(file)],
        ["sh", str(PEERS / "stock_with_sqlite_cli.sh"), database, str(file)],
        target=1.5,
        prepare=fresh,
    )


async def fill(database: Path, file: Path, count: int) -> None:
    """Make a store of listings with nothing left to send, and the file that gives each one unit more."""
    await fill_listings(database, count)
    async with open_store(database) as store:
        await store.database.write(
            lambda db: (
                db.execute(
                    "UPDATE listings SET stock_state = 'not_needed', price_state = 'not_needed',"
                    " channel_status = 'offer_integrated'"
                ).rowcount
            )
        )
        await store.database.checkpoint()
    with file.open("w") as out:
        print("sku,stock", file=out)
        for number in range(count):
            print(f"SKU-{number},{number % 50 + 1}", file=out)


async def take_over(database: Path, file: Path) -> None:
    """Import the file, and make sure that all of it was new."""
    async with open_store(database) as store:
        with file.open("rb") as content:
            report = await import_file(store, laredoute(), ImportKind.STOCK, content, NOW)
    if report.changed != report.rows:
        raise SystemExit(f"{report.changed:,} of {report.rows:,} rows changed something")


if __name__ == "__main__":
    anyio.run(take_over, Path(sys.argv[1]), Path(sys.argv[2]))
