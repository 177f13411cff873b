"""The whole way to a far side and back, against the sandbox's La Redoute: HTTP, SFTP, feeds, reports, orders."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from daemon.errors import AccessDenied, Refused, Unreadable
from daemon.marketplaces.sellr.marketplace import Sellr
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.model import (
    AnswerLine,
    FeedKind,
    FeedObject,
    LineState,
    Order,
    OrderUpdate,
    RemoteFile,
    UpdateKind,
    UpdateLine,
    Whereabouts,
)
from daemon.sandbox import LaRedouteSettings, Sandbox, SandboxSettings
from daemon.settings import Secret
from tests.marketplaces.sellr.made_up import DRESS, NOON, PARCEL, feed, golden, listing, settings, spool, update


class Kept:
    """An inbox that remembers what was kept, as it was."""

    def __init__(self) -> None:
        self.files: set[RemoteFile] = set()

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        return [file for file in files if file not in self.files]


def configured(sandbox: Sandbox, **changes: Any) -> SellrSettings:
    told = sandbox.describe()["laredoute"]
    sftp = told["sftp"]
    return settings(
        environment="sandbox",
        vendor_id=told["vendor_id"],
        login={"user": told["http"]["user"], "password": Secret(told["http"]["password"])},
        tokens={
            "create_items": Secret(told["items_key"]),
            "read_orders": Secret(told["read_orders_key"]),
            "update_orders": Secret(told["update_orders_key"]),
        },
        sftp={"host": sftp["host"], "port": sftp["port"], "user": sftp["user"], "password": Secret(sftp["password"])},
        urls={name: told[f"{name}_url"] for name in ("items", "offers", "orders")},
        folders=told["folders"] | {"archive": "/archive"},
        **changes,
    )


@asynccontextmanager
async def account(root: Path, far: LaRedouteSettings, **changes: Any) -> AsyncIterator[tuple[Sellr, Sandbox]]:
    with anyio.fail_after(60):
        async with Sandbox(SandboxSettings(root=root, laredoute=far)) as sandbox:
            made = configured(sandbox, **changes)
            marketplace = Sellr(made, host_keys={"sftp": [sandbox.describe()["laredoute"]["sftp"]["host_key"]]})
            try:
                yield marketplace, sandbox
            finally:
                await marketplace.aclose()


async def send(marketplace: Sellr, kind: FeedKind, objects: Sequence[FeedObject]) -> str:
    opened = feed(kind, size=len(objects), name="?")
    made = feed(kind, size=len(objects), name=marketplace.feed_name(opened))
    file = marketplace.write_feed(made)
    return await marketplace.send_feed(made, spool(file.head() + file.rows(objects) + file.tail()))


async def answers(marketplace: Sellr, inbox: Kept) -> list[AnswerLine]:
    found = []
    async for report in marketplace.reports(inbox):
        async with aclosing(report.chunks()) as chunks:  # type: ignore[type-var]
            async for batch in marketplace.read_report(report.file, chunks):
                found += batch
        inbox.files.add(report.file)
        await marketplace.confirm(report.file)
    return found


async def orders(marketplace: Sellr, inbox: Kept) -> list[Order]:
    found: list[Order] = []
    async for delivery in marketplace.orders(inbox, NOON.replace(month=1), NOON.replace(month=12)):
        assert not isinstance(delivery.body, Unreadable), delivery.body
        found += [order for order in delivery.body if isinstance(order, Order)]
        if delivery.file.folder != "reply":
            inbox.files.add(delivery.file)
        await marketplace.confirm(delivery.file)
    return found


@pytest.mark.parametrize("form", ["csv", "xml"])
async def test_product_then_offer_then_reports(tmp_path: Path, form: Literal["csv", "xml"]) -> None:  # L3
    async with account(tmp_path, LaRedouteSettings(delay=None, report_format=form)) as (marketplace, sandbox):
        inbox = Kept()
        unknown = listing(sku="BLUE-42", ean="0012345678905")
        dress = listing(item=DRESS)

        batch = await send(marketplace, FeedKind.ITEM, [dress])
        await sandbox.laredoute.answer_now()
        (product,) = await answers(marketplace, inbox)
        assert (product.accepted, product.remote_ref, product.ean) == (True, batch, dress.ean)
        assert product.channel_item_id == sandbox.laredoute.catalogue[dress.ean].part_number

        batch = await send(marketplace, FeedKind.OFFER, [dress, unknown])
        await sandbox.laredoute.answer_now()
        good, bad = await answers(marketplace, inbox)
        assert (good.accepted, good.sku, good.remote_ref) == (True, "RED-42", batch)
        assert (bad.accepted, bad.sku, bad.code, bad.text) == (False, "BLUE-42", "E001", "PRODUCT NOT FOUND")
        assert good.feed_name == "1001.MKP_SellerOffer.001.2026-03-02-11-00-05.xml"
        assert sandbox.laredoute.offers[dress.ean].stock == 12
        assert await answers(marketplace, inbox) == []


@pytest.mark.parametrize(("after", "left"), [("leave", {"reports"}), ("archive", {"archive"}), ("delete", set())])
async def test_a_kept_report_is_left_or_moved_or_deleted(tmp_path: Path, after: str, left: set[str]) -> None:  # L17
    async with account(tmp_path, LaRedouteSettings(delay=None), after_keeping=after) as (marketplace, sandbox):
        archive = sandbox.laredoute.files / "archive"
        archive.mkdir()
        await send(marketplace, FeedKind.ITEM, [listing(item=DRESS)])
        await sandbox.laredoute.answer_now()
        (report,) = [report async for report in marketplace.reports(Kept())]
        await marketplace.confirm(report.file)
        await marketplace.confirm(report.file)
        assert {path.parent.name for path in sandbox.laredoute.files.glob("*/*.csv")} == left


async def test_a_feed_that_breaks_the_form_is_refused_with_the_text(tmp_path: Path) -> None:
    async with account(tmp_path, LaRedouteSettings(delay=None)) as (marketplace, _):
        with pytest.raises(Refused, match="is not of the form"):
            await send(marketplace, FeedKind.OFFER, [listing(ean="370123")])


@pytest.mark.parametrize("where", ["reply", "sftp", "both"])
async def test_an_order_from_created_to_shipped(tmp_path: Path, where: Literal["reply", "sftp", "both"]) -> None:  # L12
    far = LaRedouteSettings(delay=None, answers=where)
    async with account(tmp_path, far) as (marketplace, sandbox):
        inbox = Kept()
        placed = sandbox.laredoute.place_order([("3701234567891", 2), ("0012345678905", 1)], placed_at=NOON)
        first, second = placed.lines

        found = await orders(marketplace, inbox)
        assert {order.number for order in found} == {placed.id}
        assert len(found) == (2 if where == "both" else 1)
        order = found[0]
        assert order.ordered_at == NOON
        assert [(line.ref, line.quantity, line.state) for line in order.lines] == [
            (first.id, 2, LineState.NEW),
            (second.id, 1, LineState.NEW),
        ]
        assert (order.shipping_method, order.payment_method) == ("Standard", "Credit card")
        assert order.shipping.postcode.startswith("0")

        accept = named(placed.id, update(UpdateKind.ACCEPTANCE, UpdateLine(first.id, 2)))
        if where != "sftp":
            assert await marketplace.find_update(accept) is Whereabouts.ABSENT
        await marketplace.send_update(accept, marketplace.write_update(accept))
        refuse = named(placed.id, update(UpdateKind.REFUSAL, UpdateLine(second.id, 1)))
        await marketplace.send_update(refuse, marketplace.write_update(refuse))
        with pytest.raises(Refused, match="not possible at Accepted"):
            await marketplace.send_update(accept, marketplace.write_update(accept))
        if where != "sftp":
            assert await marketplace.find_update(accept) is Whereabouts.ARRIVED
        await sandbox.laredoute.answer_now()

        ship = named(placed.id, update(UpdateKind.DISPATCH, UpdateLine(first.id, 2), parcel=PARCEL))
        await marketplace.send_update(ship, marketplace.write_update(ship))
        assert first.shipment == {
            "shipDate": "2026-07-02T00:30",
            "carrier": "Colissimo",
            "trackingNumber": "6A 123/45",
        }
        last = (await orders(marketplace, inbox))[-1]
        assert [line.state for line in last.lines] == [LineState.SHIPPED, LineState.REFUSED]


def named(order: str, made: OrderUpdate) -> OrderUpdate:
    values = {name: getattr(made, name) for name in made.__slots__}
    return OrderUpdate(**values | {"order": order})


async def test_an_unknown_server_is_not_spoken_to(tmp_path: Path) -> None:
    async with account(tmp_path, LaRedouteSettings(delay=None)) as (_, sandbox):
        stranger = Sellr(configured(sandbox))
        with pytest.raises(AccessDenied):
            await answers(stranger, Kept())
        await stranger.aclose()


async def test_files_are_read_though_the_api_fails(tmp_path: Path) -> None:  # L1
    far = LaRedouteSettings(delay=None, answers="sftp")
    async with account(tmp_path, far) as (marketplace, sandbox):
        sandbox.laredoute.place_order([("3701234567891", 1)], placed_at=NOON)
        assert len(await orders(marketplace, Kept())) == 1
        sandbox.laredoute.faults.add("answer_500", on="retrieve")
        (sandbox.laredoute.files / "orders" / "a.xml").write_bytes(b"<InjectFault><Code>7</Code>no</InjectFault>")
        seen = []
        with pytest.raises(Exception, match="status 500"):  # noqa: PT012 - what comes before the error counts as well
            async for delivery in marketplace.orders(Kept(), NOON.replace(month=1), NOON.replace(month=12)):
                seen += [(delivery.file.name[:6], type(delivery.body))]
        assert seen == [("a.xml", Unreadable), ("orders", tuple)]


async def test_a_file_too_long_to_read_is_told_and_holds_up_nothing(tmp_path: Path) -> None:
    async with account(tmp_path, LaRedouteSettings(delay=None), orders={"source": "sftp"}) as (marketplace, sandbox):
        folder = sandbox.laredoute.files / "orders"
        with (folder / "a.xml").open("wb") as file:
            file.truncate(65 << 20)
        (folder / "b.xml").write_bytes(golden("orders.xml"))
        found = [got async for got in marketplace.orders(Kept(), NOON.replace(month=1), NOON.replace(month=12))]
        assert [delivery.file.name for delivery in found] == ["a.xml", "b.xml"]
        assert isinstance(found[0].body, Unreadable)
        assert found[1].content == golden("orders.xml")
