"""Bytes are kept once, for as long as anything young enough needs them, and are whole whenever they are asked for."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
from anyio import CancelScope
from anyio.lowlevel import checkpoint

from daemon.errors import Unreadable
from daemon.model import Delivery, Order, PayloadId, RemoteFile
from daemon.store.database import Database
from daemon.store.deliveries import Deliveries, DeliveryKind, DeliveryState
from daemon.store.orders import Orders
from daemon.store.payloads import CHUNK, Payloads, keep
from tests.store.conftest import LEWIS, NOON
from tests.store.steps import steps_of

DAY = timedelta(days=1)
CONTENT = b"12345678,,4,5\r\n" * (CHUNK // 8)


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def read(payloads: Payloads, payload: PayloadId) -> bytes:
    return b"".join([chunk async for chunk in payloads.chunks(payload)])


async def an_old_delivery(database: Database, content: bytes, state: DeliveryState = DeliveryState.APPLIED) -> None:
    """Something received at noon whose work is done."""
    payload, _ = await Payloads(database).write(stream(content), NOON)
    deliveries = Deliveries(database)
    kept = await deliveries.keep(LEWIS, DeliveryKind.REPORT, RemoteFile("/in", "old", 1, NOON), payload, NOON)
    await deliveries.move(kept.id, state)


async def test_content_whose_retention_ended_is_whole_when_it_comes_again(database: Database) -> None:  # D7
    payloads = Payloads(database)
    await an_old_delivery(database, CONTENT)
    assert await payloads.expire(LEWIS, NOON + 90 * DAY) == 1
    again, size = await payloads.write(stream(CONTENT), NOON + 91 * DAY)
    assert (await read(payloads, again), size) == (CONTENT, len(CONTENT))
    await payloads.expire(LEWIS, NOON + 200 * DAY)
    once_more = await database.write(lambda db: keep(db, CONTENT, NOON + 201 * DAY))
    assert await read(payloads, once_more) == CONTENT


async def test_retention_starts_again_when_the_same_content_comes_again(database: Database) -> None:  # D7
    payloads = Payloads(database)
    await an_old_delivery(database, CONTENT)
    await payloads.write(stream(CONTENT), NOON + 80 * DAY)
    assert await payloads.expire(LEWIS, NOON + 80 * DAY) == 0
    await database.write(lambda db: keep(db, CONTENT, NOON + 100 * DAY))
    assert await payloads.expire(LEWIS, NOON + 100 * DAY) == 0
    assert await payloads.expire(LEWIS, NOON + 101 * DAY) == 1


async def test_content_found_again_is_not_swept_before_its_use_is_recorded(database: Database) -> None:  # D7 D9
    payloads = Payloads(database)
    await payloads.write(stream(b"cut before it was recorded"), NOON)
    found, _ = await payloads.write(stream(b"cut before it was recorded"), NOON + 2 * DAY)
    assert await payloads.sweep(NOON + DAY) == 0
    assert await read(payloads, found) == b"cut before it was recorded"


@pytest.mark.parametrize("how", ["fails", "is cut"])
async def test_nothing_stays_of_a_stream_that_breaks_off(database: Database, how: str) -> None:  # D7 L17
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(20 * CHUNK)
        if how == "fails":
            raise Unreadable("it changed while it was read")
        scope.cancel()
        await checkpoint()

    with CancelScope() as scope, suppress(Unreadable):
        await Payloads(database).write(broken(), NOON)
    kept = await database.read(lambda db: db.execute("SELECT count(*) FROM payloads").fetchone()[0])
    pieces = await database.read(lambda db: db.execute("SELECT count(*) FROM payload_chunks").fetchone()[0])
    assert (kept, pieces) == (0, 0)


async def test_what_was_set_aside_ends_with_its_retention_too(database: Database) -> None:  # D12 D7
    file = RemoteFile("/in", "order-1.txt", 3, NOON)
    await Orders(database).keep(LEWIS, [Delivery[Order](file, b"address", Unreadable("line 2: no number"))], NOON)
    assert await Payloads(database).expire(LEWIS, NOON + DAY) == 1


async def test_what_still_waits_for_its_work_is_kept(database: Database) -> None:  # D7 L17
    await an_old_delivery(database, CONTENT, DeliveryState.WAITING)
    assert await Payloads(database).expire(LEWIS, NOON + DAY) == 0


async def test_the_daily_round_is_not_slower_than_what_there_is(database: Database) -> None:  # D7
    async def round_with(deliveries: int) -> int:
        def fill(db: sqlite3.Connection) -> int:
            execute = db.executemany
            execute(
                "INSERT INTO payloads (sha256, kept_at) VALUES (?, 0)",
                [(f"{deliveries} {i}",) for i in range(deliveries)],
            )
            return int(
                db.execute(
                    "INSERT INTO deliveries (account, kind, folder, name, size, payload, state, received_at)"
                    " SELECT 'lewis', 'report', 'in', sha256, 1, id, 'applied', 0 FROM payloads WHERE sha256 LIKE ? || ' %'",
                    (deliveries,),
                ).rowcount
            )

        await database.write(fill)
        payloads = Payloads(database)

        async def tidy() -> None:
            await payloads.expire(LEWIS, NOON)
            await payloads.sweep(NOON)

        return await steps_of(database, tidy)

    few = await round_with(100)
    assert await round_with(1_000) < 20 * few


async def test_what_was_dropped_long_ago_is_not_looked_at_again(database: Database) -> None:  # D7
    payloads = Payloads(database)
    for number in range(300):
        await an_old_delivery(database, b"%d" % number)
    before = await steps_of(database, lambda: payloads.expire(LEWIS, NOON))
    assert await payloads.expire(LEWIS, NOON + DAY) == 300
    after = await steps_of(database, lambda: payloads.expire(LEWIS, NOON + DAY))
    assert after <= before + 10, "only hash and size are left of them, and those stay for ever"
