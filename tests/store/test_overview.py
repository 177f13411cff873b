"""What the overview draws, against a real database."""

from datetime import timedelta

from daemon.model import Deadlines, Delivery, Item, LineState, Order, OrderLine, OrderNumber, RemoteFile, Sku
from daemon.store import Store
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow
from tests.store.conftest import LEWIS, NOON, REDOUTE

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def keep(store: Store, number: str, state: LineState, age: timedelta = timedelta()) -> None:
    order = Order(OrderNumber(number), (OrderLine("1", 1, state),), ordered_at=NOON - age)
    delivery = Delivery(RemoteFile("orders", f"{number}.xml", 1), number.encode(), (order,))
    await store.orders.keep(REDOUTE, [delivery], NOON - age)


async def test_turns_are_paged_and_filtered(database: Database) -> None:  # D2 S3
    store = Store(database)
    for number, (job, ending) in enumerate((("items", "done"), ("items", "idle"), ("orders", "failed"))):
        run = await store.runs.started(REDOUTE, job, NOON + number * HOUR)
        await store.runs.ended(run, ending, 1, "why", None, NOON + number * HOUR + timedelta(seconds=2))  # type: ignore[arg-type]
    turns = await store.overview.turns()
    assert [(turn["job"], turn["outcome"], turn["seconds"]) for turn in turns] == [
        ("orders", "failed", 2.0),
        ("items", "idle", 2.0),
        ("items", "done", 2.0),
    ]
    assert [turn["outcome"] for turn in await store.overview.turns(outcome="!idle")] == ["failed", "done"]
    assert [turn["outcome"] for turn in await store.overview.turns(job="items", before=turns[1]["id"])] == ["done"]
    assert await store.overview.turns(LEWIS) == []


async def test_days_without_anything_are_there_too(database: Database) -> None:  # L16
    store = Store(database)
    await database.write(
        lambda db: (
            db.executemany(
                "INSERT INTO feeds (account, kind, state, size, accepted, rejected, opened_at, sent_at, closed_at)"
                " VALUES ('redoute', 'offer', ?, 3, ?, ?, ?, ?, ?)",
                [
                    ("answered", 2, 1, *_us(NOON, NOON, NOON + 10 * timedelta(minutes=1))),
                    ("answered", 3, 0, *_us(NOON, NOON, NOON + 20 * timedelta(minutes=1))),
                    ("lapsed", 0, 0, *_us(NOON - 2 * DAY, NOON - 2 * DAY, NOON)),
                    ("answered", 9, 9, *_us(NOON - 3 * DAY, NOON, NOON)),
                ],
            ).rowcount
        )
    )
    days = await store.overview.feed_days(NOON, 3)
    assert [(day["day"], day["accepted"], day["rejected"], day["lapsed"]) for day in days] == [
        ("2026-02-28", 0, 0, 1),
        ("2026-03-01", 0, 0, 0),
        ("2026-03-02", 5, 1, 0),
    ]
    assert [day["answer_seconds"] for day in days] == [None, None, 900.0]
    await keep(store, "O-1", LineState.NEW)
    await keep(store, "O-2", LineState.NEW, DAY)
    assert [day["orders"] for day in await store.overview.order_days(NOON, 3)] == [{}, {"redoute": 1}, {"redoute": 1}]


async def test_the_next_deadline_comes_first(database: Database) -> None:  # L12
    store = Store(database)
    terms = Deadlines(accept_within=24 * HOUR, ship_within=48 * HOUR, warn_before=6 * HOUR)
    await store.accounts.configure(REDOUTE, "laredoute", "", NOON, terms)
    await keep(store, "fresh", LineState.NEW)
    await keep(store, "late", LineState.TO_SHIP, 3 * DAY)
    await keep(store, "soon", LineState.NEW, 20 * HOUR)
    await keep(store, "done", LineState.SHIPPED, 9 * DAY)
    found = await store.overview.deadlines(NOON, 2)
    assert [(row["number"], row["timeliness"], row["due_at"]) for row in found] == [
        ("late", "late", "2026-03-01T12:00:00.000Z"),
        ("soon", "due_soon", "2026-03-02T16:00:00.000Z"),
    ]


async def test_how_fresh_the_stock_is(database: Database) -> None:  # L6
    store = Store(database)
    rows = [ItemRow(Sku(sku), Item(ean="3701234567891"), "12345678") for sku in ("A", "B", "C", "D")]
    await store.listings.put_items(LEWIS, rows, NOON - DAY, [""] * 4, item_feed=False)
    for sku, age in (("A", timedelta(minutes=10)), ("B", 2 * HOUR), ("C", 5 * HOUR)):
        await store.listings.put_stock(LEWIS, Figures({sku: 3}), NOON - age)
    (row,) = await store.overview.stock_freshness(NOON)
    assert (row["account"], row["in_step"], row["fresh"], row["waiting"], row["late"]) == ("lewis", 1, 1, 1, 1)


async def test_the_schema_is_told(database: Database) -> None:  # S3
    facts = await Store(database).overview.database()
    assert facts["schema"][:4].isdecimal()
    assert facts["sqlite"].startswith("3.")


def _us(*instants: object) -> tuple[int, ...]:
    from daemon.store.times import to_us

    return tuple(to_us(instant) for instant in instants)  # type: ignore[arg-type]
