"""What is done in sets is what would be done row by row: the same rows through both ways, at two accounts."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.model import AccountName, AnswerLine, ChannelStatus, Feed, Money, RemoteFile, Sku
from daemon.store.answers import Answered, Answers
from daemon.store.database import Database
from daemon.store.deliveries import Deliveries, DeliveryId, DeliveryKind
from daemon.store.feeds import Feeds
from daemon.store.figures import Figures
from daemon.store.listings import Listings, PriceRow
from daemon.store.payloads import Payloads
from tests.store.conftest import LEWIS, NOON, OFFER_RULE, REDOUTE, moment
from tests.store.test_feeds import HOUR, MINUTE, opened, sent
from tests.store.test_payloads import stream

BOUNDED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
#: all at once at the first, one after the other at the second
ACCOUNTS = (REDOUTE, LEWIS)
GROWING = (
    *("events", "answer_codes", "prices", "rejections", "feed_deliveries", "feed_objects", "deliveries", "gates"),
    *("feeds", "listings"),
)


async def emptied(database: Database) -> None:
    await database.write(lambda db: [db.execute(f"DELETE FROM {table}").rowcount for table in GROWING])


async def rows(database: Database, account: AccountName, sql: str) -> list[tuple[Any, ...]]:
    return await database.read(lambda db: [tuple(row) for row in db.execute(sql, {"account": account})])


async def told(database: Database, account: AccountName) -> list[tuple[Any, ...]]:
    """The events of listings and feeds; a feed counts as the first or second of its account."""
    feeds = [number for (number,) in await rows(database, account, "SELECT id FROM feeds WHERE account = :account")]
    sql = (
        'SELECT coalesce(l.sku, ""), e.what, e."from", e."to", e.why FROM events e'
        " LEFT JOIN listings l ON e.subject = 'listing' AND l.id = e.subject_id WHERE e.account = :account"
    )
    found = await rows(database, account, sql)
    ordinals = {f"offer feed {number}": f"offer feed {place} of its account" for place, number in enumerate(feeds)}
    return sorted((sku, ordinals.get(what, what), *rest) for sku, what, *rest in found)


# SKUs that differ by case, by a blank, by how an accent is written, or look like a number.
SKUS = ["A", "a", "A ", "\u00c9", "E\u0301", "'\"\\", "1", "1.0", "\ufeffA"]
FIGURE = st.sampled_from([0, 1, 5, 999_999_999, 2**63 - 1])
STOCKS = st.dictionaries(st.sampled_from(SKUS), FIGURE)
PRICES = st.lists(st.tuples(st.sampled_from(SKUS), FIGURE, st.none() | FIGURE), max_size=12)
KNOWN = st.lists(st.tuples(st.sampled_from(SKUS), st.none() | FIGURE, st.none() | FIGURE), unique_by=lambda it: it[0])


@BOUNDED
@given(KNOWN, STOCKS, PRICES)
async def test_figures(
    database: Database,
    known: list[tuple[str, int | None, int | None]],
    stocks: dict[str, int],
    prices: list[tuple[str, int, int | None]],
) -> None:  # L6 L7 D8
    await emptied(database)
    await database.write(
        lambda db: [
            db.execute(
                "INSERT INTO listings (account, sku, stock, price_minor, stock_state, stock_error, created_at,"
                " changed_at) VALUES (?, ?, ?, ?, 'error', 'no', 0, 0)",
                (account, *each),
            ).rowcount
            for account in ACCOUNTS
            for each in known
        ]
    )
    listings, done = Listings(database), []
    units = list(stocks.items())
    amounts = [
        PriceRow(Sku(sku), Money(price, "EUR"), None if rrp is None else Money(rrp, "EUR"), keeps_rrp=rrp == 1)
        for sku, price, rrp in prices
    ]
    for account, size in zip(ACCOUNTS, (12, 1), strict=True):
        changes = []
        for start in range(0, len(units), size):
            changes += await listings.put_stock(account, Figures(dict(units[start : start + size])), NOON)
        for start in range(0, len(amounts), size):
            changes += await listings.put_prices(account, amounts[start : start + size], NOON)
        kept = await rows(
            database,
            account,
            "SELECT sku, stock, price_minor, rrp_minor, stock_state, stock_error, stock_revision, price_state,"
            " price_revision, changed_at FROM listings WHERE account = :account ORDER BY sku",
        )
        done.append((changes, kept, await told(database, account)))
    assert done[0] == done[1]


class Said(NamedTuple):
    """A line of a report: what it says of which listing of which feed, and how it names both."""

    feed: int
    listing: int
    by: str
    named: str


#: SKU, EAN and article number; two share an EAN, and the last is in no feed
LISTINGS = [
    ("A", "1", "N1"),
    ("a", "2", "N2"),
    ("A ", "2", "N3"),
    ("É'\"\\", "", "N4"),
    ("E", "5", ""),
    ("Z", "9", "N9"),
]
WAYS = st.tuples(
    st.sampled_from(["sku", "sku", "all", "ean", "number", "sku and ean", "ean of another's sku"]),
    st.sampled_from(["handle", "name", "both"]),
)
#: mostly of the same listing more than once
LINES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2]), st.integers(0, len(LISTINGS) - 1), st.lists(WAYS, min_size=1, max_size=3)),
    max_size=6,
).map(lambda found: [Said(feed, listing, *way) for feed, listing, ways in found for way in ways])
VERDICT = st.sampled_from(
    [(True, "", ""), (True, "", ""), (True, "", "so be it"), (False, "E1", "no"), (False, "", "")]
)
#: what is said of each listing of each feed: in one report not now this and now that, which has its own tests
VERDICTS = st.lists(VERDICT, min_size=18, max_size=18)
REPORT = st.tuples(LINES, VERDICTS)


def line(said: Said, verdicts: Sequence[tuple[bool, str, str]]) -> AnswerLine:
    sku, ean, number = LISTINGS[said.listing]
    # Those that share an EAN are told the same.
    accepted, code, text = verdicts[said.feed * len(LISTINGS) + (1 if ean == "2" else said.listing)]
    ean = ean if "ean" in said.by or said.by == "all" else ""
    number = number if said.by in ("number", "all") else ""
    if said.by == "ean of another's sku" or not (ean or number or "sku" in said.by):
        sku = "nobody's"
    elif said.by in ("ean", "number"):
        sku = ""
    handle = "" if said.named == "name" else f"B{said.feed}"
    name = "" if said.named == "handle" else f"feed {said.feed}"
    return AnswerLine(accepted, handle, name, sku, ean, number, code, text)


@BOUNDED
@given(st.lists(REPORT, min_size=1, max_size=2), st.booleans(), st.lists(st.booleans(), min_size=5, max_size=5))
async def test_answers(
    database: Database,
    reports: list[tuple[list[Said], list[tuple[bool, str, str]]]],
    again: bool,
    changed: list[bool],
) -> None:  # L2 L6 L7 L16 L17
    """Of two feeds, the first of which has lapsed where some listings go `again`, and of one that nobody knows."""
    await emptied(database)
    done = []
    for account, size in zip(ACCOUNTS, (18, 1), strict=True):
        await two_feeds(database, account, changed if again else [])
        total = Answered()
        for number, (lines, verdicts) in enumerate(reports):
            delivery = await delivered(database, account, number)
            made = [line(said, verdicts) for said in lines]
            for start in range(0, len(made), size):
                batch = made[start : start + size]
                total += await Answers(database).apply(account, batch, NOON + 5 * HOUR, delivery, block_after=2)
        done.append((total, await answered(database, account), await told(database, account)))
    assert done[0] == done[1]


async def two_feeds(database: Database, account: AccountName, changed: Sequence[bool]) -> None:
    """Listings on offer in a feed; where there is a second one, those that have changed since are in both."""
    await database.write(
        lambda db: [
            db.execute(
                "INSERT INTO listings (account, sku, ean, channel_item_id, channel_status, stock, price_minor,"
                " stock_state, stock_revision, created_at, changed_at) VALUES (?, ?, ?, ?, ?, 5, 1990, 'pending', 1,"
                " 0, 0)",
                (account, *each, ChannelStatus.PRODUCT_INTEGRATED),
            ).rowcount
            for each in LISTINGS[:-1]
        ]
    )
    feeds = Feeds(database)
    sendings = [await sent(database, feeds, await opened(feeds, account=account), MINUTE, "B0")]
    if changed:
        units = {each[0]: 6 for each, other in zip(LISTINGS, changed, strict=False) if other}
        await Listings(database).put_stock(account, Figures(units), NOON + HOUR)
        second = await feeds.open(account, OFFER_RULE, moment(3 * HOUR))
        assert isinstance(second, Feed)
        sendings.append(await sent(database, feeds, second, 3 * HOUR, "B1"))
    for place, feed in enumerate(sendings):
        name, number = f"feed {place}", feed.id
        await database.write(
            lambda db, name=name, number=number: (
                db.execute(  # type: ignore[misc]
                    "UPDATE feeds SET name = ? WHERE id = ?", (name, number)
                ).rowcount
            )
        )


async def delivered(database: Database, account: AccountName, number: int) -> DeliveryId:
    payload, _ = await Payloads(database).write(stream(bytes([number])), NOON)
    file = RemoteFile("/reports", f"{number}.csv", 1, NOON)
    return (await Deliveries(database).keep(account, DeliveryKind.REPORT, file, payload, NOON)).id


#: everything that answers change, by SKU and by name
ANSWERED = {
    "listings": (
        "SELECT sku, channel_item_id, channel_status, stock_state, stock_error, price_state, changed_at FROM listings"
        " WHERE account = :account ORDER BY sku"
    ),
    "objects": (
        "SELECT f.name, l.sku, o.state, o.code, o.text, o.answered_at, d.name FROM feed_objects o"
        " JOIN feeds f ON f.id = o.feed JOIN listings l ON l.id = o.listing LEFT JOIN deliveries d ON d.id = o.delivery"
        " WHERE f.account = :account ORDER BY 1, 2"
    ),
    "feeds": "SELECT name, state, size, accepted, rejected, closed_at FROM feeds WHERE account = :account ORDER BY id",
    "rejections": (
        "SELECT l.sku, r.part, r.revision, f.name, r.code, r.text, r.times, r.blocked_at FROM rejections r"
        " JOIN listings l ON l.id = r.listing JOIN feeds f ON f.id = r.feed WHERE l.account = :account ORDER BY 1, 2"
    ),
    "codes": "SELECT code, text, count FROM answer_codes WHERE account = :account ORDER BY 1, 2",
    "received": (
        "SELECT f.name, d.name, r.settled FROM feed_deliveries r JOIN feeds f ON f.id = r.feed"
        " JOIN deliveries d ON d.id = r.delivery WHERE f.account = :account ORDER BY 1, 2"
    ),
}
CHARGED = (
    "SELECT l.sku, p.price_minor, p.promotion, p.since FROM prices p JOIN listings l ON l.id = p.listing"
    " WHERE l.account = :account ORDER BY l.sku, p.since"
)


async def answered(database: Database, account: AccountName) -> dict[str, list[tuple[Any, ...]]]:
    found = {table: await rows(database, account, sql) for table, sql in ANSWERED.items()}
    # The same price once more, from a later feed on, says nothing.
    prices = [next(same) for _, same in groupby(await rows(database, account, CHARGED), lambda row: row[:3])]
    return {**found, "prices": prices}
