"""What a feed carries, read in pages: as objects, and as the rows of its file (L6, L7, L16; house law 8)."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import compress, product

from anyio import to_thread

from daemon.model import Feed, FeedObject, Money, Part, Promotion, UsualRow
from daemon.store.database import READERS, Database
from daemon.store.listing_columns import extras_of, item_from_json, vat_rate_of
from daemon.store.rows import RowForm, is_plain
from daemon.store.times import from_us

_PAGE = 2_000
#: pages that are looked for at once
_PAGES = 16
#: in the order in which `_object` takes them apart: by name, each would be looked for among all
_OBJECT = (
    "l.sku, o.ean, o.channel_item_id, o.item_revision IS NOT NULL, o.stock_revision IS NOT NULL,"
    " o.price_revision IS NOT NULL, o.end_revision IS NOT NULL,"
    " CASE WHEN o.item_revision IS NULL THEN '{}' ELSE coalesce(o.item, l.item) END, coalesce(o.stock, 0),"
    " o.price_minor, o.rrp_minor, o.ended, l.handling_days, l.vat_bp, l.stock_extras, p.starts_at, p.ends_at, p.nature,"
    " p.sale"
)
#: what stands before those, where each row becomes an object
_UNWRITTEN = "0 AS usual, '' AS written, '' AS words"
_PARTS = {carried: frozenset(compress(Part, carried)) for carried in product((0, 1), repeat=len(Part))}


async def read_objects(database: Database, feed: Feed, currency: str) -> AsyncIterator[list[FeedObject]]:
    """What the feed carries, in batches."""
    last = 0
    while rows := await database.read(partial(_page, feed=feed.id, after=last)):
        last = rows[-1][0]
        yield [_object(row, currency) for row in rows]


async def write_rows(
    database: Database,
    feed: Feed,
    currency: str,
    usual: UsualRow | None,
    write: Callable[[Sequence[FeedObject]], bytes],
) -> AsyncIterator[bytes]:
    """The rows of everything that the feed carries, in pieces, written by the database where `usual` says how."""
    if usual is None:
        async for batch in read_objects(database, feed, currency):
            yield await to_thread.run_sync(write, batch)
        return
    form, after = RowForm(usual), 0
    while pages := await database.read(partial(_pages, feed=feed.id, after=after, page=form.page)):
        for start in range(0, len(pages), READERS):
            work = [
                partial(_rows, feed=feed.id, page=page, form=form, currency=currency, write=write)
                for page in pages[start : start + READERS]
            ]
            for piece in await database.read_each(work):
                yield piece
        _, after = pages[-1]


def _page(
    db: sqlite3.Connection, feed: int, after: int, limit: int = _PAGE, form: RowForm | None = None
) -> Sequence[sqlite3.Row]:
    return db.execute(
        f"SELECT o.listing, {form.columns if form else _UNWRITTEN}, {_OBJECT} FROM {RowForm.source}"  # noqa: S608
        " WHERE o.feed = :feed AND o.listing > :after ORDER BY o.listing LIMIT :limit",
        {"feed": feed, "after": after, "limit": limit, **(form.named if form else {})},
    ).fetchall()


def _pages(db: sqlite3.Connection, feed: int, after: int, page: int) -> list[tuple[int, int]]:
    """The next pages of a feed: after which listing each begins, and with which it ends."""
    pages: list[tuple[int, int]] = []
    for _ in range(_PAGES):
        last = db.execute(
            "SELECT max(listing) FROM (SELECT listing FROM feed_objects WHERE feed = ? AND listing > ?"
            " ORDER BY listing LIMIT ?)",
            (feed, after, page),
        ).fetchone()[0]
        if last is None:
            break
        pages.append((after, last))
        after = last
    return pages


def _rows(
    db: sqlite3.Connection,
    feed: int,
    page: tuple[int, int],
    form: RowForm,
    currency: str,
    write: Callable[[Sequence[FeedObject]], bytes],
) -> bytes:
    """The rows of one page as bytes."""
    after, last = page
    usual, written, words = db.execute(
        "SELECT min(usual), CAST(group_concat(written, '') AS BLOB), CAST(group_concat(words, '') AS BLOB) FROM ("  # noqa: S608 - our own words
        f" SELECT {form.columns} FROM {form.source}"
        " WHERE o.feed = :feed AND o.listing > :after AND o.listing <= :last ORDER BY o.listing LIMIT :limit)",
        {"feed": feed, "after": after, "last": last, "limit": form.page, **form.named},
    ).fetchone()
    if usual and is_plain(words):
        return bytes(written)
    # In order, each as it is to be written.
    return b"".join(
        row["written"].encode() if row["usual"] and is_plain(row["words"].encode()) else write([_object(row, currency)])
        for row in _page(db, feed, after, form.page, form)
    )


def _object(row: sqlite3.Row, currency: str) -> FeedObject:
    sku, ean, channel_item_id, *carried, item, stock, price_minor, rrp_minor = row[4:15]
    ended, days, vat_bp, extras, starts_at, ends_at, nature, sale = row[15:]
    price = None if price_minor is None else Money(price_minor, currency)
    return FeedObject(
        sku=sku,
        ean=ean,
        channel_item_id=channel_item_id,
        parts=_PARTS[tuple(carried)],
        item=item_from_json(item),
        stock=stock,
        price=price,
        rrp=None if rrp_minor is None else Money(rrp_minor, currency),
        ended=bool(ended),
        handling_days=days,
        promotion=None
        if price is None or starts_at is None
        else Promotion(price, from_us(starts_at), from_us(ends_at), nature, sale),
        vat_rate=vat_rate_of(vat_bp),
        extras=extras_of(extras),
    )
