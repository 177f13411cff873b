"""Stock from a CSV file into the store: `python -m benchmarks.work.imports DATABASE FILE`.

`fill DATABASE FILE COUNT` makes the store and the file.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from benchmarks.accounts import NOW, laredoute
from benchmarks.pairs import Bench, Pair
from benchmarks.peers import PEERS
from benchmarks.work import feeds
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.store import open_store

ROWS = 1_000_000
OURS = [sys.executable, "-m", "benchmarks.work.imports"]


def rows(bench: Bench) -> Iterator[Pair]:
    """Every listing gets another stock."""
    filled, file = bench.folder / "listings.db", bench.folder / "stock.csv"
    count = bench.size(ROWS)
    # In a process of its own, because the peak of this one would count as its children's.
    subprocess.run([*OURS, "fill", str(filled), str(file), str(count)], check=True)

    database = str(bench.folder / "imported.db")
    yield Pair(
        f"a CSV file of {count:,} stock rows imported: read, checked, compared, committed, told in events",
        "sqlite3 .import of the file, and one UPDATE … FROM of the listings alone in the same database",
        [*OURS, database, str(file)],
        ["sh", str(PEERS / "import_with_sqlite_cli.sh"), database, str(file)],
        target=1.5,
        prepare=lambda: bench.copied(filled, "imported"),
        asks="import",
    )


async def fill(database: Path, file: Path, count: int) -> None:
    """Make a store of listings with nothing left to send, and the file that gives each one unit more."""
    await feeds.fill("sellr", database, count)
    async with open_store(database) as store:
        await store.database.write(
            lambda db: db.execute("UPDATE listings SET stock_state = 'not_needed', price_state = 'not_needed'").rowcount
        )
        await store.database.checkpoint()
    with file.open("w") as out:
        print("sku,stock", file=out)
        for number in range(count):
            # As `feeds.fill` has it.
            print(f"SKU-{number},{number * 7919 % 50 + 1}", file=out)


async def take_over(database: Path, file: Path) -> None:
    """Import the file, and make sure that all of it was new."""
    # As the daemon does when it begins to work.
    gc.freeze()
    async with open_store(database) as store:
        with file.open("rb") as content:
            report = await import_file(store, laredoute(), ImportKind.STOCK, content, NOW)
    if report.changed != report.rows:
        raise SystemExit(f"{report.changed:,} of {report.rows:,} rows changed something")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", database, file, count]:
            anyio.run(fill, Path(database), Path(file), int(count))
        case [database, file]:
            anyio.run(take_over, Path(database), Path(file))
        case _:
            raise SystemExit(__doc__)
