"""What was set aside is read again from its kept bytes, after what kept it from being read was mended."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import NotAllowed, Unforeseen, Unreadable
from daemon.jobs import Run
from daemon.jobs.again import claims_again, orders_again, update_answers_again
from daemon.jobs.feeds import send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import AccountName, Delivery, FeedId, Moment, Order, OrderNumber, RemoteFile, UpdateAnswer
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.deliveries import DeliveryId, DeliveryKind
from tests.jobs.scene import MINUTE, STOCK_NUMBER, scene
from tests.marketplaces.edge.golden import golden
from tests.seller.conftest import NOON, lewis
from tests.seller.conftest import store as store

LEWIS = AccountName("lewis")
ORDER = "order-20240115101500000001.txt"
NOW = Moment(NOON, "boot-1", 1_000_000_000, synchronised=True)


@pytest.fixture
async def run(store: Store) -> AsyncIterator[Run]:
    account: AccountSettings = lewis()
    marketplace = DIALECTS["edge"].open(account, dict.fromkeys(account.sftp_logins, ()))
    yield Run(account, NOW, store, marketplace, lambda: NOW)
    await marketplace.aclose()


async def aside(store: Store, name: str, content: bytes, folder: str = "/live/orders") -> DeliveryId:
    delivery: Delivery[Order] = Delivery(RemoteFile(folder, name, len(content)), content, Unreadable("no such column"))
    await store.orders.keep(LEWIS, [delivery], NOON)
    return DeliveryId((await store.views.deliveries(LEWIS, state="set_aside"))[0]["id"])


async def test_an_order_is_kept_once_its_file_can_be_read(run: Run) -> None:  # D9
    number = await aside(run.store, ORDER, golden(ORDER))
    assert (await orders_again(run)).new == 0
    assert await run.store.deliveries.try_again(number) == (LEWIS, DeliveryKind.ORDER)
    kept = await orders_again(run)
    assert (kept.new, kept.set_aside) == (1, ())
    (order,) = await run.store.views.orders(LEWIS)
    assert order["number"] == "Y100000001"
    assert (await run.store.views.delivery(number) or {})["state"] == "applied"
    # Its file is confirmed at the marketplace as one that was read at once is.
    assert [each.id for each in await run.store.deliveries.unconfirmed(LEWIS)] == [number]
    assert (await orders_again(run)).new == 0


async def test_what_still_cannot_be_read_stands_aside_again(run: Run) -> None:  # D9
    number = await aside(run.store, "order-1.txt", b"no order at all")
    await run.store.deliveries.try_again(number)
    kept = await orders_again(run)
    assert (kept.new, len(kept.set_aside)) == (0, 1)
    again = await run.store.views.delivery(number)
    assert again is not None
    assert again["state"] == "set_aside"
    assert again["reason"] != "no such column"


async def test_a_request_to_cancel_is_read_as_one(run: Run) -> None:  # J12 D9
    folder = lewis().folder("cancellation_request").path  # type: ignore[attr-defined]
    name = "cancel-20240116120000000001.txt"
    number = await aside(run.store, name, golden(name), folder)
    await run.store.deliveries.try_again(number)
    assert (await orders_again(run)).set_aside == ()
    assert (await claims_again(run)).new == 1
    assert len(await run.store.views.claims(LEWIS)) == 1


async def test_an_answer_to_an_update_is_applied_again(run: Run) -> None:  # J13 D9
    name = "dispatch-20240115101500000004.txt.err"
    bad: Delivery[object] = Delivery(RemoteFile("/live/errors", name, 3), b"bad", Unreadable("no such update"))
    await run.store.updates.keep_answers(LEWIS, bad, NOON)  # type: ignore[arg-type]
    number = DeliveryId((await run.store.views.deliveries(LEWIS))[0]["id"])
    assert await run.store.deliveries.try_again(number) == (LEWIS, DeliveryKind.UPDATE_ANSWER)
    await update_answers_again(run)
    again = await run.store.views.delivery(number)
    assert again is not None
    assert (again["state"], "dispatch-20240115101500000004" in again["reason"]) == ("set_aside", True)


async def test_what_was_never_fetched_is_fetched_anew(run: Run) -> None:  # D9
    file = RemoteFile("/live/orders", "order-2.txt", 99_000_000)
    unfetched: Delivery[Order] = Delivery(file, b"", Unreadable("too long"))
    await run.store.orders.keep(LEWIS, [unfetched], NOON)
    await run.store.deliveries.try_again(DeliveryId(1))
    assert await run.store.views.deliveries(LEWIS) == []
    assert await run.store.deliveries.inbox(LEWIS).unread([file]) == [file]


async def test_an_answer_that_was_never_fetched_is_not_forgotten_while_its_update_is_in_doubt(
    tmp_path: Path,
) -> None:  # J13 D9
    async with scene(tmp_path, "edge") as lewis:
        placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
        await lewis.turn(download_orders, MINUTE)
        await lewis.turn(send_updates, 2 * MINUTE)
        ((name,),) = await lewis.all("order_updates", "name")
        no = UpdateAnswer(name, accepted=False, text="too long to be read")
        answers: Delivery[UpdateAnswer] = Delivery(RemoteFile("/live/errors", f"{name}.err", 99_000_000), b"", (no,))
        await lewis.store.updates.doubt_answers(lewis.name, answers, Unforeseen(ValueError()), NOON)
        ((number,),) = await lewis.all("deliveries WHERE state = 'set_aside'", "id")
        with pytest.raises(NotAllowed, match="say first what became of that one"):
            await lewis.store.deliveries.try_again(number)
        await lewis.store.updates.resolve(lewis.name, OrderNumber(placed.number), arrived=False, at=NOON)
        await lewis.store.deliveries.try_again(number)
        assert await lewis.all("deliveries WHERE state = 'set_aside'", "id") == []


async def test_an_empty_file_is_read_again_and_its_feed_stays_in_doubt(tmp_path: Path) -> None:  # J4 D9
    async with scene(tmp_path, "edge") as lewis:
        await lewis.want()
        await lewis.turn(send_offers, MINUTE)
        ((name,),) = await lewis.all("feeds", "name")
        (lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors" / f"{name}.err").touch()
        await lewis.turn(read_reports, 2 * MINUTE)
        before = await lewis.all("deliveries", "id", "state", "reason")
        await lewis.store.deliveries.try_again(before[0][0])
        await lewis.turn(read_reports, 40 * MINUTE)
        assert await lewis.all("deliveries", "id", "state", "reason") == before
        assert await lewis.all("listings", "stock_state") == [("sent",)]
        # Nor once a person has seen it.
        await lewis.store.deliveries.close(before[0][0], "Robin", "", NOON)
        await lewis.turn(read_reports, 50 * MINUTE)
        assert await lewis.all("listings", "stock_state") == [("sent",)]
        feed = await lewis.store.views.feed(FeedId(1)) or {}
        assert [received["state"] for received in feed["received"]] == ["closed"]


async def test_only_what_stands_aside_is_tried_again(run: Run) -> None:  # D9
    number = await aside(run.store, ORDER, golden(ORDER))
    await run.store.deliveries.try_again(number)
    with pytest.raises(NotAllowed, match="is kept, not set aside"):
        await run.store.deliveries.try_again(number)
    with pytest.raises(NotAllowed, match="there is no delivery 99"):
        await run.store.deliveries.try_again(DeliveryId(99))
    await orders_again(run)
    other = await aside(run.store, "order-3.txt", b"no order at all")
    await run.store.payloads.expire(LEWIS, NOON + timedelta(days=1))
    with pytest.raises(NotAllowed, match="are kept no more"):
        await run.store.deliveries.try_again(other)


async def test_what_is_of_no_use_is_closed_by_a_person_and_told_no_more(run: Run) -> None:  # D9 D8
    number = await aside(run.store, "order-1.txt", b"no order at all")
    assert (await run.store.facts.of(LEWIS, (), run.account.offer_terms, NOON)).set_aside == 1
    assert await run.store.deliveries.close(number, "Robin", "sent again as order-2", NOON) == LEWIS
    assert (await run.store.facts.of(LEWIS, (), run.account.offer_terms, NOON)).set_aside == 0
    assert (await run.store.views.status(NOW))["accounts"][0]["set_aside"] == 0
    assert await run.store.views.deliveries(LEWIS, state="set_aside") == []
    (closed,) = await run.store.views.deliveries(LEWIS, state="closed")
    assert (closed["reason"], closed["closed_by"], closed["closed_why"]) == (
        "no such column",
        "Robin",
        "sent again as order-2",
    )
    told = await run.store.database.read(
        lambda db: db.execute(
            'SELECT what, "from", "to", why FROM events WHERE subject = \'account\' ORDER BY id DESC LIMIT 1'
        ).fetchone()
    )
    assert tuple(told) == (f"delivery {number}", "set_aside", "closed", "by Robin: sent again as order-2")
    # Nor does it stand in the way of a rehearsal.
    assert [file.state for file in (await run.store.rehearsals.facts(LEWIS)).files] == ["closed"]
    # Its bytes are here, and the same file once more changes nothing.
    kept = await run.store.views.delivery(number) or {}
    assert b"".join([chunk async for chunk in run.store.payloads.chunks(kept["payload"])]) == b"no order at all"
    same: Delivery[Order] = Delivery(
        RemoteFile("/live/orders", "order-1.txt", 15), b"no order at all", Unreadable("no")
    )
    assert (await run.store.orders.keep(LEWIS, [same], NOON)).set_aside == ()
    with pytest.raises(NotAllowed, match="is closed, not set aside"):
        await run.store.deliveries.close(number, "Robin", "", NOON)
    with pytest.raises(NotAllowed, match="there is no delivery 99"):
        await run.store.deliveries.close(DeliveryId(99), "Robin", "", NOON)


async def test_what_was_closed_can_still_be_tried_again(run: Run) -> None:  # D9
    number = await aside(run.store, ORDER, golden(ORDER))
    await run.store.deliveries.close(number, "Robin", "", NOON)
    await run.store.deliveries.try_again(number)
    assert (await orders_again(run)).new == 1
    read = await run.store.views.delivery(number) or {}
    assert (read["state"], read["closed_at"], read["closed_by"]) == ("applied", None, "")
