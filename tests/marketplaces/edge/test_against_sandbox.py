"""The Edge driven over a real SFTP server against a far side that reads and writes the wire by itself."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import AccessDenied, Refused, Unreadable
from daemon.marketplaces import Spool
from daemon.marketplaces.edge.marketplace import Edge
from daemon.model import (
    AccountName,
    AnswerLine,
    CancellationRequest,
    ClaimLine,
    Delivery,
    Feed,
    FeedId,
    FeedKind,
    FeedObject,
    FeedState,
    LineState,
    Order,
    OrderNumber,
    OrderUpdate,
    Parcel,
    RemoteFile,
    UpdateAnswer,
    UpdateKind,
    UpdateLine,
    Whereabouts,
)
from daemon.sandbox import JohnLewisSettings, Sandbox, SandboxSettings
from daemon.settings import Secret
from tests.marketplaces.edge.account import account, listing

NOW = datetime(2024, 1, 15, 11, 15, 0, 1, tzinfo=UTC)
PARCEL = Parcel("dpd", "15501234567890", "https://track.example.test/1", NOW)


class Kept:
    """What the tests have kept: the inbox of an account without a store."""

    def __init__(self) -> None:
        self.files: set[RemoteFile] = set()

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        return [file for file in files if file not in self.files]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    settings = SandboxSettings(root=tmp_path, johnlewis=JohnLewisSettings(poll_every=None))
    async with Sandbox(settings) as running:
        for environment in ("live", "uat"):
            (running.johnlewis.files / environment / "incoming/processed").mkdir()
        yield running


def login(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    there = sandbox.johnlewis_sftp
    user = sandbox.settings.johnlewis.sftp
    return {
        "host": there.host,
        "port": there.port,
        "user": user.user,
        "password": Secret(user.password),
        "host_keys": [there.host_key],
        **changes,
    }


@pytest.fixture
async def edge(sandbox: Sandbox) -> AsyncIterator[Edge]:
    marketplace = Edge(account(sftp=login(sandbox)))
    yield marketplace
    await marketplace.aclose()


@pytest.fixture
def inbox() -> Kept:
    return Kept()


async def orders(edge: Edge, inbox: Kept) -> list[Delivery[Order]]:
    return [delivery async for delivery in edge.orders(inbox, NOW - timedelta(days=1), NOW)]


async def answers(edge: Edge, inbox: Kept) -> list[Delivery[UpdateAnswer]]:
    return [delivery async for delivery in edge.update_answers(inbox)]


def the_order(delivery: Delivery[Order]) -> Order:
    assert not isinstance(delivery.body, Unreadable)
    (order,) = delivery.body
    assert isinstance(order, Order)
    return order


def names(sandbox: Sandbox, folder: str) -> set[str]:
    return {path.name for path in (sandbox.johnlewis.files / folder).iterdir() if path.is_file()}


def update(edge: Edge, kind: UpdateKind, order: Order, at: datetime = NOW) -> OrderUpdate:
    lines = tuple(UpdateLine(line.ref, line.quantity, line.channel_item_id) for line in order.lines)
    unnamed = OrderUpdate(kind, order.number, lines, at, parcel=PARCEL if kind is UpdateKind.DISPATCH else None)
    return replace(unnamed, name=edge.update_name(unnamed))


async def send(edge: Edge, sent: OrderUpdate) -> None:
    await edge.send_update(sent, edge.write_update(sent))


async def test_an_order_from_its_file_to_its_dispatch(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J7
    placed = sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
    (delivery,) = await orders(edge, inbox)
    order = the_order(delivery)
    assert (order.number, order.incomplete) == (placed.number, "")
    assert (delivery.file.name, delivery.content) == (placed.file_name, placed.content)
    assert [(line.ref, line.channel_item_id, line.quantity, line.state) for line in order.lines] == [
        ("1", "12345678", 2, LineState.NEW),
        ("2", "87654321", 1, LineState.NEW),
    ]
    await send(edge, update(edge, UpdateKind.ACKNOWLEDGEMENT, order))
    await sandbox.johnlewis.work_now()
    assert placed.state == "acknowledged"
    await send(edge, update(edge, UpdateKind.DISPATCH, order))
    await sandbox.johnlewis.work_now()
    assert placed.state == "dispatched"
    assert [arrival.outcome for arrival in sandbox.johnlewis.arrivals] == ["accepted", "accepted"]
    assert placed.lines["1"].parcels[0]["tracking_number"] == "15501234567890"


async def test_an_order_without_its_marker_is_not_there_yet(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J5
    sandbox.johnlewis.faults.add("half_file", missing="marker")
    placed = sandbox.johnlewis.place_order("12345678")
    sandbox.johnlewis.faults.add("half_file", missing="data")
    sandbox.johnlewis.place_order("12345678")
    assert await orders(edge, inbox) == []
    sandbox.johnlewis.finish_files()
    found = await orders(edge, inbox)
    assert len(found) == 2
    assert the_order(found[0]).number == placed.number


async def test_the_marker_is_not_read_and_other_files_are_left(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J5
    placed = sandbox.johnlewis.place_order("12345678")
    incoming = sandbox.johnlewis.files / "live/incoming"
    (incoming / f"{placed.file_name}.DONE").write_bytes(b"\xff not text")
    for other in ("cancel-20240115111500000001.txt", "order-1.ack", "note.txt"):
        (incoming / other).write_bytes(b"x")
        (incoming / f"{other}.DONE").write_bytes(b"")
    assert [delivery.file.name for delivery in await orders(edge, inbox)] == [placed.file_name]


async def test_a_file_is_delivered_until_it_is_kept(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J14
    sandbox.johnlewis.place_order("12345678")
    (first,) = await orders(edge, inbox)
    assert await orders(edge, inbox) == [first]
    inbox.files.add(first.file)
    assert await orders(edge, inbox) == []
    path = sandbox.johnlewis.files / "live/incoming" / first.file.name
    path.write_bytes(first.content + b"\n")
    (again,) = await orders(edge, inbox)
    assert again.file != first.file


async def test_a_wrong_checksum_is_an_incomplete_order(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J6
    sandbox.johnlewis.faults.add("wrong_checksum", off_by=2)
    placed = sandbox.johnlewis.place_order("12345678")
    sandbox.johnlewis.resend_order(placed.number)
    bad, good = map(the_order, await orders(edge, inbox))
    assert bad.incomplete == "6 lines were expected by the checksum, 4 were read"
    assert (good.number, good.incomplete) == (bad.number, "")


async def test_a_file_that_cannot_be_read_does_not_block_the_others(
    sandbox: Sandbox, edge: Edge, inbox: Kept
) -> None:  # D9
    incoming = sandbox.johnlewis.files / "live/incoming"
    for name, content in (("order-1.txt", b"no order"), ("order-2.txt", b"x" * (5 << 20))):
        (incoming / name).write_bytes(content)
        (incoming / f"{name}.DONE").write_bytes(b"")
    placed = sandbox.johnlewis.place_order("12345678")
    broken, long, good = await orders(edge, inbox)
    assert isinstance(broken.body, Unreadable)
    assert "breaks off in its first 3 lines" in str(broken.body)
    assert broken.content == b"no order"
    assert isinstance(long.body, Unreadable)
    assert long.content == b""
    assert the_order(good).number == placed.number


class Losing(Kept):
    """An inbox that loses a file to somebody else after it was listed."""

    def __init__(self, *lost: Path) -> None:
        super().__init__()
        self._lost = lost

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        for path in self._lost:
            path.unlink()
        return await super().unread(files, cleared=cleared)


async def test_a_file_that_goes_while_it_is_read_is_passed_over(sandbox: Sandbox, edge: Edge) -> None:  # J14
    gone, placed = (sandbox.johnlewis.place_order("12345678") for _ in range(2))
    lost = Losing(sandbox.johnlewis.files / "live/incoming" / gone.file_name)
    assert [the_order(delivery).number for delivery in await orders(edge, lost)] == [placed.number]
    error = sandbox.johnlewis.files / "live/outgoing/order-20240115111500000001.ack.err"
    for path in (error, error.with_name(f"{error.name}.DONE")):
        path.write_bytes(b"")
    assert await answers(edge, Losing(error)) == []


@pytest.mark.parametrize("after_keeping", ["move", "leave", "delete"])
async def test_what_becomes_of_a_kept_order_is_a_setting(
    sandbox: Sandbox, inbox: Kept, after_keeping: str
) -> None:  # J14
    edge = Edge(account(sftp=login(sandbox), after_keeping=after_keeping))
    placed = sandbox.johnlewis.place_order("12345678")
    both = {placed.file_name, f"{placed.file_name}.DONE"}
    (delivery,) = await orders(edge, inbox)
    for _ in range(2):
        await edge.confirm(delivery.file)
        assert names(sandbox, "live/incoming") == (both if after_keeping == "leave" else set())
        assert names(sandbox, "live/incoming/processed") == (both if after_keeping == "move" else set())
    await edge.aclose()


async def test_a_marker_that_was_left_alone_goes_with_the_next_try(
    sandbox: Sandbox, edge: Edge, inbox: Kept
) -> None:  # J14
    placed = sandbox.johnlewis.place_order("12345678")
    (delivery,) = await orders(edge, inbox)
    incoming = sandbox.johnlewis.files / "live/incoming"
    (incoming / placed.file_name).rename(incoming / "processed" / placed.file_name)
    assert await orders(edge, inbox) == []
    await edge.confirm(delivery.file)
    assert names(sandbox, "live/incoming") == set()


async def test_a_missing_folder_for_kept_orders_is_made(sandbox: Sandbox, inbox: Kept) -> None:  # J14
    edge = Edge(account(sftp=login(sandbox), processed="backup"))
    sandbox.johnlewis.place_order("12345678")
    (delivery,) = await orders(edge, inbox)
    await edge.confirm(delivery.file)
    assert names(sandbox, "live/incoming/backup") == {delivery.file.name, f"{delivery.file.name}.DONE"}
    await edge.aclose()


async def test_uat_is_another_tree(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:
    placed = sandbox.johnlewis.place_order("12345678", environment="uat")
    assert await orders(edge, inbox) == []
    there = Edge(account(sftp=login(sandbox), environment="uat"))
    (delivery,) = await orders(there, inbox)
    assert the_order(delivery).number == placed.number
    await there.aclose()


async def test_a_refused_update_comes_back_with_its_text(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J8
    assert await answers(edge, inbox) == []
    sandbox.johnlewis.place_order("12345678")
    (delivery,) = await orders(edge, inbox)
    sandbox.johnlewis.faults.add("reject_file", error="ORDER  IS\nCLOSED")
    sent = update(edge, UpdateKind.ACKNOWLEDGEMENT, the_order(delivery))
    await send(edge, sent)
    await sandbox.johnlewis.work_now()
    (answer,) = await answers(edge, inbox)
    assert answer.file.name == f"{sent.name}.err"
    assert answer.body == (UpdateAnswer(sent.name, accepted=False, text="ORDER IS CLOSED"),)
    assert await edge.find_update(sent) is Whereabouts.ARRIVED
    inbox.files.add(answer.file)
    await edge.confirm(answer.file)
    assert await answers(edge, inbox) == []
    assert f"{sent.name}.err" in names(sandbox, "live/outgoing")


async def test_an_error_without_its_marker_or_text(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:
    errors = sandbox.johnlewis.files / "live/outgoing/errors"
    errors.mkdir()
    (errors / "dispatch-20240117235959999999.txt.err").write_bytes(b"")
    assert await answers(edge, inbox) == []
    (errors / "dispatch-20240117235959999999.txt.err.DONE").write_bytes(b"")
    (answer,) = await answers(edge, inbox)
    assert answer.body == (
        UpdateAnswer("dispatch-20240117235959999999.txt", accepted=False, text="refused by The Edge without a text"),
    )


@pytest.mark.parametrize(
    ("content", "why"), [(b"\0\0\0", "it holds zero bytes"), (b"x" * ((1 << 20) + 1), ""), (b"\x81", "neither UTF-8")]
)
async def test_an_error_that_cannot_be_read_is_a_no_all_the_same(
    sandbox: Sandbox, edge: Edge, inbox: Kept, content: bytes, why: str
) -> None:  # J13
    outgoing = sandbox.johnlewis.files / "live/outgoing"
    (outgoing / "cancel_ack-20240117235959999999.err").write_bytes(content)
    (outgoing / "cancel_ack-20240117235959999999.err.DONE").write_bytes(b"")
    (answer,) = await answers(edge, inbox)
    assert not isinstance(answer.body, Unreadable)
    (said,) = answer.body
    assert isinstance(said, UpdateAnswer)
    assert (said.update_name, said.accepted) == ("cancel-20240117235959999999.ack", False)
    assert said.text.startswith("refused by The Edge, whose report cannot be read: ")
    assert why in said.text


async def test_a_request_to_cancel_is_read_with_its_marker_and_confirmed(
    sandbox: Sandbox, edge: Edge, inbox: Kept
) -> None:  # J12 J14
    placed = sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
    sandbox.johnlewis.faults.add("half_file", missing="marker")
    name = sandbox.johnlewis.request_cancellation(placed.number, {"1": 1}, null="null", reason="131")
    assert [delivery async for delivery in edge.claims(inbox)] == []
    sandbox.johnlewis.finish_files()
    (delivery,) = [delivery async for delivery in edge.claims(inbox)]
    assert delivery.file.name == name
    (request,) = delivery.body if not isinstance(delivery.body, Unreadable) else ()
    assert request == CancellationRequest(
        order=OrderNumber(placed.number),
        lines=(ClaimLine("1", 1, "12345678"),),
        reason="131 (late)",
        extra={"supplier_ref": "", "test_flag": "N", "reason": "131"},
    )
    await edge.confirm(delivery.file)
    assert {name, f"{name}.DONE"} <= names(sandbox, "live/incoming/processed")
    assert not any(each.startswith("cancel-") for each in names(sandbox, "live/incoming"))


async def test_no_folder_for_errors_at_all_is_told(sandbox: Sandbox, inbox: Kept) -> None:
    edge = Edge(account(sftp=login(sandbox), paths={"update_errors": ["failed", "/live/outgoing/errors"]}))
    with pytest.raises(Refused, match="there is no folder"):
        await answers(edge, inbox)
    await edge.aclose()


async def test_where_an_update_is_that_was_cut_while_sending(sandbox: Sandbox, edge: Edge) -> None:
    order = OrderNumber("Y1")
    unnamed = OrderUpdate(UpdateKind.DISPATCH, order, (UpdateLine("1", 1, "12345678"),), NOW, parcel=PARCEL)
    sent = replace(unnamed, name=edge.update_name(unnamed))
    outgoing = sandbox.johnlewis.files / "live/outgoing"
    assert await edge.find_update(sent) is Whereabouts.UNKNOWN
    (outgoing / sent.name).write_bytes(b'"order_nu')
    assert await edge.find_update(sent) is Whereabouts.ABSENT
    await send(edge, sent)
    assert await edge.find_update(sent) is Whereabouts.ARRIVED
    assert (outgoing / sent.name).read_bytes() == edge.write_update(sent)
    with pytest.raises(Refused, match="already there"):
        await send(edge, sent)


async def test_half_of_an_update_without_a_marker_is_no_arrival(sandbox: Sandbox) -> None:  # J15
    edge = Edge(account(sftp=login(sandbox), updates={"marker": False}))
    unnamed = OrderUpdate(UpdateKind.DISPATCH, OrderNumber("Y1"), (UpdateLine("1", 1, "12345678"),), NOW, parcel=PARCEL)
    sent = replace(unnamed, name=edge.update_name(unnamed))
    path = sandbox.johnlewis.files / "live/outgoing" / sent.name
    for half in (b"", edge.write_update(sent)[:-1]):
        path.write_bytes(half)
        assert await edge.find_update(sent) is Whereabouts.UNKNOWN
    path.write_bytes(edge.write_update(sent))
    assert await edge.find_update(sent) is Whereabouts.ARRIVED
    await edge.aclose()


async def send_stock(edge: Edge, listings: Sequence[FeedObject]) -> Feed:
    unnamed = Feed(FeedId(1), AccountName("johnlewis-gb"), FeedKind.OFFER, FeedState.SENDING, NOW, len(listings))
    feed = replace(unnamed, name=edge.feed_name(unnamed))
    file = edge.write_feed(feed)
    content = file.head() + file.rows(listings) + file.tail()

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    assert await edge.send_feed(feed, Spool(len(content), chunks)) == ""
    return feed


async def reported(edge: Edge, inbox: Kept) -> list[AnswerLine]:
    return [
        line
        async for report in edge.reports(inbox)
        async for batch in edge.read_report(report.file, report.chunks())
        for line in batch
    ]


async def test_stock_is_taken_as_it_is_written(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J3
    feed = await send_stock(edge, [listing("12345678", 7), listing("87654321", 0)])
    assert names(sandbox, "live/inventory") == {feed.name}
    await sandbox.johnlewis.work_now()
    assert {part: (stock.free, stock.lead_days) for part, stock in sandbox.johnlewis.stock.items()} == {
        "12345678": (7, 4),
        "87654321": (0, 4),
    }
    assert await reported(edge, inbox) == []


async def test_a_stock_error_is_about_its_listing(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:  # J4
    sandbox.johnlewis.faults.add("reject_part", part_number="87654321", error="DISCONTINUED")
    feed = await send_stock(edge, [listing("12345678", 7), listing("87654321", 0)])
    await sandbox.johnlewis.work_now()
    (report,) = [report async for report in edge.reports(inbox)]
    assert await reported(edge, inbox) == [
        AnswerLine(accepted=False, feed_name=feed.name, channel_item_id="87654321", text="DISCONTINUED")
    ]
    inbox.files.add(report.file)
    await edge.confirm(report.file)
    assert await reported(edge, inbox) == []
    assert names(sandbox, "live/inventory/errors") == {report.file.name}


async def test_a_stock_file_may_be_refused_whole(sandbox: Sandbox, inbox: Kept) -> None:  # J4
    columns = ["part_number", {"name": "stock", "field": "free_stock"}]
    edge = Edge(account(sftp=login(sandbox), stock={"columns": columns}))
    feed = await send_stock(edge, [listing("12345678", 7)])
    await sandbox.johnlewis.work_now()
    (line,) = await reported(edge, inbox)
    assert (line.feed_name, line.channel_item_id, line.accepted) == (feed.name, "", False)
    assert "the header must be" in line.text
    await edge.aclose()


async def test_a_marker_beside_a_stock_error_is_no_report(sandbox: Sandbox, edge: Edge, inbox: Kept) -> None:
    errors = sandbox.johnlewis.files / "live/inventory/errors"
    for name in ("inventory-20240115111500000001.csv.err.DONE", "other.txt"):
        (errors / name).write_bytes(b"what is this")
    assert [report.file.name async for report in edge.reports(inbox)] == ["other.txt"]
    with pytest.raises(Unreadable):
        await reported(edge, inbox)


async def test_another_retailer_may_want_a_marker_for_stock(sandbox: Sandbox) -> None:  # J15
    columns = ["part_number", "free_stock"]
    edge = Edge(account(sftp=login(sandbox), stock={"columns": columns, "marker": True}))
    feed = await send_stock(edge, [listing("12345678", 7)])
    assert names(sandbox, "live/inventory") == {feed.name, f"{feed.name}.DONE"}
    await edge.aclose()


async def test_pinned_keys_are_those_of_the_settings_and_those_found_elsewhere(sandbox: Sandbox, inbox: Kept) -> None:
    key = sandbox.johnlewis_sftp.host_key
    settings = account(
        sftp=login(sandbox, host_keys=[]),
        paths={"order_download": {"path": "incoming", "sftp": login(sandbox, host_keys=[], in_flight=1)}},
    )
    for pinned in ([key], {"paths.order_download.sftp": [key]}):
        edge = Edge(settings, host_keys=pinned)
        assert await orders(edge, inbox) == []
        await edge.aclose()
    edge = Edge(settings, host_keys={"sftp": [key]})
    with pytest.raises(AccessDenied):
        await orders(edge, inbox)
    assert [report async for report in edge.reports(inbox)] == []
    await edge.aclose()
