"""Feeds of everything, and of one change: `python -m benchmarks.work.feeds claim|write|both|change [WIRE] DATABASE`.

`fill WIRE DATABASE COUNT` makes listings that wait. `claim` opens a feed of everything that waits, `write` writes the
feed that was opened into the store, hashed and compressed, `both` does one after the other. `change` prints the seconds
from one change of stock to its row in the next feed.
"""

import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio

from benchmarks.accounts import LEWIS, MOMENT, NOW, johnlewis, laredoute
from benchmarks.pairs import Bench, Measure, Pair
from benchmarks.peers import PEERS
from daemon.marketplaces import FeedFile
from daemon.marketplaces.edge.inventory import InventoryFile
from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.marketplaces.sellr.offers import SellerOfferRequest
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.model import AccountName, AnswerLine, Feed, FeedId, FeedKind, FeedState, Moment, Sku
from daemon.settings import AccountSettings
from daemon.store import Store, open_store
from daemon.store.figures import Figures
from daemon.store.times import to_us

LISTINGS, FEW = 1_000_000, 1_000
#: changes that are timed one after the other, and those before them that fill the caches
CHANGES, FIRST = 50, 10
#: what an item of La Redoute holds, about
ITEM = '{"title": "Lampe de bureau", "description": "' + "Une lampe de bureau en laiton. " * 8 + '"}'
Settings = EdgeSettings | SellrSettings
OURS = [sys.executable, "-m", "benchmarks.work.feeds"]
EVERY_HOUR = timedelta(hours=1, minutes=1)


def rows(bench: Bench) -> Iterator[Pair | Measure]:
    """The stock file of The Edge, the offers of Sell-R, and one change among few listings and among all."""
    count = bench.size(LISTINGS)
    stock, offers = bench.folder / "edge.db", bench.folder / "sellr.db"
    for wire, database in (("edge", stock), ("sellr", offers)):
        _run("fill", wire, str(database), str(count))
        _run("claim", wire, str(database))
    yield Pair(
        f"a stock file of The Edge, {count:,} listings, from the opened feed to the spool, hashed and compressed",
        "sqlite3 writing the same rows as CSV",
        [*OURS, "write", "edge", str(stock)],
        ["sh", str(PEERS / "stock_with_sqlite_cli.sh"), str(stock)],
        target=2.5,
        memory=120,
        prepare=partial(forget_spool, stock),
        asks="stock-feed",
    )
    script = [bench.python_of_peers, str(PEERS / "offers_with_lxml.py"), str(count), str(bench.folder / "offers.xml")]
    yield Pair(
        f"an offer file of Sell-R, {count:,} listings, likewise",
        "a script with lxml's incremental xmlfile, to a file",
        [*OURS, "write", "sellr", str(offers)],
        script,
        target=0.3,
        memory=120,
        prepare=partial(forget_spool, offers),
        asks="offer-feed",
    )
    yield Pair(
        "the same, and the opening before it: each listing claimed, its states moved, an event for it",
        "the same script, which claims nothing",
        [*OURS, "both", "sellr", str(offers)],
        script,
        target=0.3,
        memory=120,
        prepare=partial(forget_feeds, offers),
    )
    few, many = bench.folder / "few.db", offers
    _run("fill", "sellr", str(few), str(FEW))
    for each in (few, many):
        promote(each)
    yield Measure(
        f"one change of stock to its row in the next feed, {count:,} listings beside {FEW:,}, each in a promotion",
        "×",
        lambda: change_in(many) / change_in(few),
        target=1.5,
        asks="one-change",
    )


def change_in(database: Path) -> float:
    """The seconds that one change takes there."""
    return float(_run("change", str(database)))


def _run(*arguments: str) -> str:
    # In a process of its own, because the peak of this one would count as its children's.
    return subprocess.run([*OURS, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def _account(wire: str) -> tuple[AccountName, Settings]:
    settings = johnlewis() if wire == "edge" else laredoute()
    return AccountName(settings.name), settings


def _file(settings: Settings, feed: Feed) -> FeedFile:
    """The feed as its marketplace writes it; with no way into the marketplace, which has nothing to do with that."""
    if isinstance(settings, EdgeSettings):
        return InventoryFile(settings, feed.opened_at)
    return SellerOfferRequest(settings, feed)


async def fill(wire: str, database: Path, count: int) -> None:
    """Make a store of listings whose first offer waits."""
    account, _ = _account(wire)
    async with open_store(database) as store:
        await store.accounts.configure(account, "made up", "f", NOW)
        await store.database.write(
            lambda db: (
                db.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
                    " INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, item, stock,"
                    " price_minor, stock_state, price_state, stock_revision, price_revision, created_at, changed_at)"
                    " SELECT :account, 'SKU-' || i, printf('%d', 3700000000000 + i), :numbers * (10000000 + i),"
                    " 'offer_integrated', :item, i * 7919 % 50, 1990, 'pending', :price_state, 1, 1, 0, 0 FROM n",
                    {
                        "account": account,
                        "count": count,
                        "numbers": int(account == LEWIS),
                        "item": "{}" if account == LEWIS else ITEM,
                        "price_state": "not_needed" if account == LEWIS else "pending",
                    },
                ).rowcount
            )
        )


async def claim(wire: str, database: Path) -> None:
    """Open one feed of everything."""
    account, settings = _account(wire)
    async with open_store(database) as store:
        await _open(store, account, settings, MOMENT)


async def write(wire: str, database: Path) -> None:
    """Write the feed that was opened last."""
    account, settings = _account(wire)
    async with open_store(database) as store:
        last, size = await store.database.read(
            lambda db: tuple(db.execute("SELECT id, size FROM feeds ORDER BY id DESC").fetchone())
        )
        feed = Feed(FeedId(last), account, FeedKind.OFFER, FeedState.SENDING, NOW, size)
        await _spool(store, feed, settings)


async def both(wire: str, database: Path) -> None:
    """Open one feed of everything and write it."""
    account, settings = _account(wire)
    async with open_store(database) as store:
        feed = await _open(store, account, settings, MOMENT)
        await _spool(store, feed, settings)


async def change(database: Path) -> None:
    """Change the stock of one listing after the other, each for a feed of its own that is then answered."""
    account, settings = _account("sellr")
    taken: list[float] = []
    async with open_store(database) as store:
        now = await _settled(store)
        for number in range(FIRST + CHANGES):
            now = Moment(now.at + EVERY_HOUR, "boot", now.boot_ns + 10**13, synchronised=True)
            sku = Sku(f"SKU-{number * 7919 % FEW}")
            started = time.perf_counter()
            await store.listings.put_stock(account, Figures({sku: 1_000 + now.at.hour}), now.at)
            feed = await _open(store, account, settings, now)
            feed = await _spool(store, feed, settings)
            taken.append(time.perf_counter() - started)
            if feed.size != 1:
                raise SystemExit(f"{feed.size} listings in the feed of one change")
            await store.feeds.sent(feed, settings.feed_rules[FeedKind.OFFER], "", now)
            answer = AnswerLine(accepted=True, feed_name=feed.name, sku=sku)
            await store.answers.apply(account, [answer], now.at)
    print(statistics.median(taken[FIRST:]))


async def _settled(store: Store) -> Moment:
    """Accept at one stroke whatever waits or is on its way; returns a moment after all that has happened."""

    def work(db: sqlite3.Connection) -> int:
        for part in ("stock", "price"):
            db.execute(f"UPDATE listings SET {part}_state = 'not_needed' WHERE {part}_state <> 'not_needed'")
        db.execute("UPDATE feed_objects SET state = 'accepted' WHERE state = 'sent'")
        db.execute("UPDATE feeds SET state = 'answered' WHERE state IN ('sending', 'sent')")
        return int(db.execute("SELECT count(*) FROM feeds").fetchone()[0])

    feeds = await store.database.write(work)
    return Moment(NOW + feeds * EVERY_HOUR, "boot", MOMENT.boot_ns + feeds * 10**13, synchronised=True)


async def _open(store: Store, account: AccountName, settings: AccountSettings, now: Moment) -> Feed:
    rule = settings.feed_rules[FeedKind.OFFER]
    feed = await store.feeds.open(account, rule, now, settings.offer_terms, settings.guard.terms)
    if not isinstance(feed, Feed):
        raise SystemExit(f"nothing to send: {feed}")
    return feed


async def _spool(store: Store, feed: Feed, settings: Settings) -> Feed:
    payload, _ = await store.payloads.write(_written(store, feed, settings), feed.opened_at)
    return await store.feeds.spooled(feed, f"feed-{feed.id}", payload, feed.opened_at)


async def _written(store: Store, feed: Feed, settings: Settings) -> AsyncIterator[bytes]:
    file = _file(settings, feed)
    yield file.head()
    async for piece in store.feeds.rows(feed, settings.currency, file.usual, file.rows):
        yield piece
    yield file.tail()


def forget_spool(database: Path) -> None:
    """As if nothing had been written yet."""
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE feeds SET payload = NULL, name = '', spooled_at = NULL, state = 'sending'")
        db.execute("DELETE FROM payload_chunks")
        db.execute("DELETE FROM payloads")


def forget_feeds(database: Path) -> None:
    """As if nothing had been opened yet."""
    forget_spool(database)
    with closing(sqlite3.connect(database)) as db, db:
        for statement in (
            "DELETE FROM events",
            "DELETE FROM feed_objects",
            "DELETE FROM gates",
            "DELETE FROM feeds",
            "UPDATE listings SET stock_state = 'pending', price_state = 'pending'",
            "UPDATE generation SET restored_at = NULL",
        ):
            db.execute(statement)


def promote(database: Path) -> None:
    """Put every listing in a promotion that has begun and runs for long, with a price before it."""
    began, ends = to_us(NOW - timedelta(days=9)), to_us(NOW + timedelta(days=900))
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            "INSERT INTO promotions (id, account, listing, price_minor, starts_at, ends_at, nature, imported_at, stage)"
            " SELECT id, account, id, 1590, ?, ?, 'Promotion', 0, 'running' FROM listings",
            (began, ends),
        )
        db.execute("UPDATE listings SET promotion = id")
        db.execute("INSERT INTO prices SELECT id, ?, 1990, NULL FROM listings", (began - 10**12,))
        db.execute("INSERT INTO prices SELECT id, ?, 1590, id FROM listings", (began,))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", wire, database, count]:
            anyio.run(fill, wire, Path(database), int(count))
        case ["change", database]:
            anyio.run(change, Path(database))
        case [("claim" | "write" | "both") as verb, wire, database]:
            anyio.run({"claim": claim, "write": write, "both": both}[verb], wire, Path(database))
        case _:
            raise SystemExit(__doc__)
