"""The contract of the seam: what every marketplace must do for the jobs, run by both over their real wires.

Each runs it twice: with the sandbox's own SFTP server, and with OpenSSH serving the same folder.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.errors import AccessDenied
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import FeedKind, OrderNumber, Parcel, UpdateKind
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene
from tests.openssh import openssh

__all__ = ["openssh"]

PARCEL = Parcel("dpd", "15501234567890", "https://track.example.test/15501234567890", NOON)


@pytest.fixture(params=["sellr", "edge", "sellr over OpenSSH", "edge over OpenSSH"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    dialect, _, server = request.param.partition(" over ")
    async with scene(tmp_path, dialect, openssh=request.getfixturevalue(server.casefold()) if server else None) as each:
        yield each


async def listed(each: Scene) -> None:
    """Bring the listing to where its stock can be sent."""
    await each.want()
    if FeedKind.ITEM in each.account.feed_rules:
        await each.turn(send_items, MINUTE)
        await each.answer()
        await each.turn(read_reports, 2 * MINUTE)


async def order(each: Scene) -> OrderNumber:
    if each.account.speaks == "sellr":
        return OrderNumber(each.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON).id)
    return OrderNumber(each.sandbox.johnlewis.place_order(STOCK_NUMBER, 2).number)


def stock_there(each: Scene) -> int:
    if each.account.speaks == "sellr":
        return int(each.sandbox.laredoute.offers[EAN].stock)
    return int(each.sandbox.johnlewis.stock[STOCK_NUMBER].free)


async def test_what_the_seller_wants_is_what_the_marketplace_has(either: Scene) -> None:  # L6 J3
    await listed(either)
    outcome = await either.turn(send_offers, 3 * MINUTE)
    assert outcome.done == 1
    assert (await either.parts())[1] == "sent"
    await either.answer()
    await either.turn(read_reports, HOUR)
    assert (await either.parts())[1] == "not_needed"
    assert stock_there(either) == 5


async def test_nothing_due_sends_nothing(either: Scene) -> None:  # D2
    outcome = await either.turn(send_offers, MINUTE)
    assert (outcome.done, outcome.note) == (0, "nothing is due")


async def test_the_bytes_of_a_feed_are_kept_as_they_were_sent(either: Scene) -> None:  # L16 D7
    await listed(either)
    await either.turn(send_offers, 3 * MINUTE)
    ((payload, name),) = await either.all("feeds WHERE kind = 'offer'", "payload", "name")
    kept = b"".join([chunk async for chunk in either.store.payloads.chunks(payload)])
    await either.answer()
    if either.account.speaks == "edge":
        assert kept == (either.sandbox.johnlewis.archive / "live" / "inventory" / name).read_bytes()
    assert (EAN if either.account.speaks == "sellr" else STOCK_NUMBER).encode() in kept


async def test_an_order_is_kept_once_however_often_it_is_offered(either: Scene) -> None:  # D9 L12 J5
    await listed(either)
    number = await order(either)
    for minutes in (10, 20, 30):
        await either.turn(download_orders, minutes * MINUTE)
    assert await either.all("orders", "number") == [(number,)]
    ((listing,),) = await either.all("order_lines", "listing IS NOT NULL")
    assert listing


async def test_a_second_look_finds_nothing_new(either: Scene) -> None:  # D9
    await listed(either)
    await order(either)
    await either.turn(download_orders, 10 * MINUTE)
    assert (await either.turn(download_orders, 20 * MINUTE)).done == 0


async def test_a_dispatch_reaches_the_marketplace_once(either: Scene) -> None:  # L13 J8
    await listed(either)
    number = await order(either)
    await either.turn(download_orders, 10 * MINUTE)
    moves = either.account.legal_moves
    if UpdateKind.ACCEPTANCE in moves:
        await either.decide(number, UpdateKind.ACCEPTANCE, after=11 * MINUTE)
    await either.turn(send_updates, 12 * MINUTE)
    await either.answer()
    await either.turn(download_orders, HOUR)
    await either.decide(number, UpdateKind.DISPATCH, after=HOUR, parcel=PARCEL)
    await either.turn(send_updates, HOUR + MINUTE)
    assert (await either.turn(send_updates, HOUR + 2 * MINUTE)).done == 0
    await either.answer()
    await either.turn(send_updates, 2 * HOUR)
    assert await either.all("order_lines", "state", "shipped") == [("shipped", 2)]
    assert {state for (state,) in await either.all("order_updates", "state")} == {"succeeded"}
    if either.account.speaks == "sellr":
        (line,) = either.sandbox.laredoute.orders[number].lines
        assert (line.status.value.casefold(), line.shipment["trackingNumber"]) == ("shipped", "15501234567890")
    else:
        there = either.sandbox.johnlewis.orders[number]
        assert [line.dispatched for line in there.lines.values()] == [2]


async def test_a_turn_that_fails_leaves_its_rows_as_they_were(either: Scene) -> None:  # D2
    await listed(either)
    before = await either.parts()
    await either.marketplace.aclose()
    with either.refusing_logins(), pytest.raises(AccessDenied, match="refused"):
        await either.turn(send_offers, 3 * MINUTE)
    assert await either.parts() == before
    assert [state for (state,) in await either.all("feeds WHERE kind = 'offer'", "state")] == ["withdrawn"]
    assert (await either.turn(send_offers, 4 * MINUTE)).done == 1


async def test_a_kept_file_is_confirmed_and_not_read_again(either: Scene) -> None:  # D9 L17 J14
    await listed(either)
    await order(either)
    await either.turn(send_offers, 3 * MINUTE)
    await either.answer()
    for minutes in (10, 20):
        await either.turn(download_orders, minutes * MINUTE)
        await either.turn(read_reports, minutes * MINUTE)
    files = await either.all("deliveries WHERE folder <> 'reply'", "state", "confirmed_at IS NOT NULL")
    assert files
    assert set(files) == {("applied", 1)}
    names = [name for (name,) in await either.all("deliveries WHERE folder <> 'reply'", "name")]
    assert len(names) == len(set(names))
    if either.account.speaks == "edge":
        incoming = either.sandbox.johnlewis.files / "live" / "incoming"
        assert sorted(path.name for path in incoming.iterdir()) == ["processed"]


async def test_what_the_marketplace_asks_is_kept_once_and_confirmed(either: Scene) -> None:  # J12 J14 D9
    await listed(either)
    number = await order(either)
    await either.turn(download_orders, 10 * MINUTE)
    asks = either.account.speaks == "edge"
    if asks:
        either.sandbox.johnlewis.request_cancellation(number, {"1": 1})
    assert (await either.turn(read_claims, 11 * MINUTE)).done == int(asks)
    assert (await either.turn(read_claims, 12 * MINUTE)).done == 0
    assert await either.all("claims", "number", "state") == [(number, "open")] * asks
    if asks:
        incoming = either.sandbox.johnlewis.files / "live" / "incoming"
        assert sorted(path.name for path in incoming.iterdir()) == ["processed"]


async def test_units_are_cancelled_and_refunded_over_its_wire(either: Scene) -> None:  # J9 J10 L14
    await listed(either)
    number = await order(either)
    await either.turn(download_orders, 10 * MINUTE)
    await either.turn(send_updates, 11 * MINUTE)
    await either.answer()
    await either.turn(send_updates, HOUR)
    moves = either.account.legal_moves
    done = await either.store.updates.cancel(either.name, number, None, legal_moves=moves, at=NOON + HOUR)
    assert [update.kind in moves.cancels for update in done.updates] == [True]
    assert (await either.turn(send_refunds, HOUR + MINUTE)).done == 1
    await either.answer()
    await either.turn(send_updates, 2 * HOUR)
    assert {state for (state,) in await either.all("order_lines", "state")} <= {"cancelled", "refused"}
    if either.account.speaks == "edge":
        assert either.sandbox.johnlewis.orders[number].state == "cancelled"
