"""A feed of a whole catalogue takes no more memory than one of a part of it (house law 8)."""

import resource
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

import anyio

from daemon.model import Feed
from daemon.store import Store
from daemon.store.database import open_database
from tests.store.conftest import OFFER_RULE, REDOUTE, moment

#: as long as the JSON of an item with its description and photos
_ITEM = "{}" + " " * 2_000
_LISTINGS = 20_000


def _fill(db: sqlite3.Connection) -> int:
    db.execute("INSERT INTO accounts (name, marketplace) VALUES ('redoute', 'laredoute')")
    return db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO listings (account, sku, ean, channel_status, item, stock, price_minor, stock_state, price_state,"
        " created_at, changed_at) SELECT 'redoute', 'SKU-' || i, printf('%013d', i), 'offer_integrated', ?, 5, 2000,"
        " 'pending', 'pending', 0, 0 FROM n",
        (_LISTINGS, _ITEM),
    ).rowcount


def _peak() -> int:
    """The most memory that this process has ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def _growth(path: Path) -> int:
    async with open_database(path) as database:
        await database.write(_fill)
        before = _peak()
        feed = await Store(database).feeds.open(REDOUTE, OFFER_RULE, moment())
        await Store(database).feeds.withdrawn(feed, "taken back", moment(timedelta(seconds=1)))  # type: ignore[arg-type]
        assert isinstance(feed, Feed)
        assert feed.size == _LISTINGS
        return _peak() - before


async def test_a_feed_of_everything_is_opened_and_given_back_in_flat_memory(tmp_path: Path) -> None:
    # In a process of its own, because the peak of this one may have been higher before.
    done = await anyio.run_process([sys.executable, "-m", __name__, str(tmp_path / "sellerd.db")])
    assert int(done.stdout) < _LISTINGS * len(_ITEM) / 1024 / 2


if __name__ == "__main__":
    print(anyio.run(_growth, Path(sys.argv[1])))
