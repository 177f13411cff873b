"""La Redoute's orders on the wire: retrieving, legal and illegal moves, answers by reply and by file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import httpx
import pytest

from daemon.sandbox import LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.orders import Status
from daemon.sandbox.strict import Mistake
from tests.sandbox.wire import EAN, OTHER_EAN, retrieve, send_orders, update

MORNING = datetime(2024, 1, 15, 9, 1, 13, tzinfo=UTC)
HUB = "{http://Redcats/Order/SellerOrder/2.0/xsdHUB/6.0}"


def place(sandbox: Sandbox) -> tuple[str, str]:
    order = sandbox.laredoute.place_order([(EAN, 2), (OTHER_EAN, 1)], number="2000000007", placed_at=MORNING)
    return order.lines[0].id, order.lines[1].id


def status(sandbox: Sandbox, line_id: str) -> Status:
    return sandbox.laredoute.book.line(line_id).status


async def test_an_order_is_read_line_by_line(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # L12
    place(sandbox)

    reply = await retrieve(client, "Created")

    order = next(ET.fromstring(reply.content).iter(f"{HUB}Order"))
    assert order.attrib == {"OrderID": "2000000007", "OrderDate": "2024-01-15T10:01:13"}
    assert order.findtext(f"{HUB}BillingAddress/{HUB}ZIPCode") == "01001"
    first, second = order.findall(f"{HUB}OrderLine")
    assert first.attrib == {"OrderLineID": "200000000701", "StatusCode": "Created"}
    assert first[0].get("ItemStandardID") == EAN
    assert first.findtext(f"{HUB}Quantity") == "2.00"
    delivery = first.find(f"{HUB}Offer/{HUB}Delivery")
    assert delivery is not None
    assert delivery.findtext(f"{HUB}DeliveryAddress/{HUB}City") == "Bourg-en-Bresse"
    assert delivery.findtext(f"{HUB}AliasEmail") == "relais-1@example.test"
    assert second.get("StatusCode") == "Created"


async def test_status_and_period_select(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    place(sandbox)

    assert "2000000007" not in (await retrieve(client, "Shipped")).text
    assert "2000000007" in (await retrieve(client, "Shipped", "CREATED")).text
    assert "2000000007" in (await retrieve(client, "Created", since="2024-01-15T10:01:13")).text
    assert "2000000007" not in (await retrieve(client, "Created", since="2024-01-15T10:01:14")).text


async def test_lines_of_one_order_go_their_own_ways(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # L13
    first, second = place(sandbox)

    reply = await update(client, f'<accept OrderLineID="{first}"/><outOfStock OrderLineID="{second}"/>')

    assert "UpdateResponse><Status>OK</Status></" in reply.text
    lines = sandbox.laredoute.orders["2000000007"].lines
    assert [line.status for line in lines] == [Status.ACCEPTED, Status.REFUSED]
    await sandbox.laredoute.answer_now()
    assert status(sandbox, first) is Status.TO_SHIP
    shipped = (
        f'<ship OrderLineID="{first}"><shipDate>2024-01-16T09:30</shipDate><carrier>Colissimo</carrier>'
        "<trackingNumber>8L001</trackingNumber><trackingUrl>https://track.example.test/8L001</trackingUrl></ship>"
    )
    assert "OK" in (await update(client, shipped)).text
    assert status(sandbox, first) is Status.SHIPPED
    assert lines[0].shipment["trackingNumber"] == "8L001"
    await update(client, f'<refunding OrderLineID="{first}"/>')
    await sandbox.laredoute.answer_now()
    assert status(sandbox, first) is Status.REFUNDED


async def test_an_illegal_move_changes_nothing(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # L12
    first, second = place(sandbox)

    reply = await update(
        client, f'<accept OrderLineID="{first}"/><refunding OrderLineID="{second}"/><accept OrderLineID="9"/>'
    )

    assert reply.status_code == 200
    assert "InjectFault><Code>ORDER</Code>" in reply.text
    assert f"refunding {second}: not possible at Created; accept 9: unknown order line" in reply.text
    assert {line.status for line in sandbox.laredoute.orders["2000000007"].lines} == {Status.CREATED}


@pytest.mark.parametrize(
    "actions",
    [
        "",
        '<accept OrderLineID="200000000701"/><accept OrderLineID="200000000701"/>',
        '<o:accept OrderLineID="200000000701"/>',
        '<accept OrderLineID="200000000701" quantity="1"/>',
        '<accept OrderLineID="200000000701"><reason/></accept>',
        '<ship OrderLineID="200000000701"><shipDate>2024-01-16T09:30:00</shipDate></ship>',
        '<ship OrderLineID="200000000701"><trackingNumber>8L001</trackingNumber><shipDate>2024-01-16T09:30</shipDate></ship>',
    ],
)  # fmt: skip
async def test_an_update_of_the_wrong_form_is_a_fault(
    sandbox: Sandbox, client: httpx.AsyncClient, actions: str
) -> None:
    place(sandbox)

    assert "InjectFault" in (await update(client, actions)).text
    assert {line.status for line in sandbox.laredoute.orders["2000000007"].lines} == {Status.CREATED}


async def test_each_key_opens_its_own_door(client: httpx.AsyncClient) -> None:
    assert (await retrieve(client, "Created", key="sandbox-update-key")).status_code == 403
    assert (await update(client, '<accept OrderLineID="1"/>', key="sandbox-read-key")).status_code == 403
    assert (await send_orders(client, "CancelRequest", "<o:CancelRequest/>")).status_code == 500


async def test_a_failed_debit_cancels_the_line(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    first, _ = place(sandbox)
    sandbox.laredoute.faults.add("fail_debit")

    await update(client, f'<accept OrderLineID="{first}"/>')
    await sandbox.laredoute.answer_now()
    assert status(sandbox, first) is Status.TO_CANCEL
    await sandbox.laredoute.answer_now()
    assert status(sandbox, first) is Status.CANCELLED


async def test_the_portal_makes_legal_moves_only(sandbox: Sandbox) -> None:
    first, _ = place(sandbox)

    sandbox.laredoute.portal_change(first, "accepted")
    assert sandbox.laredoute.book.line(first).status is Status.ACCEPTED
    with pytest.raises(Mistake, match="not possible at Accepted"):
        sandbox.laredoute.portal_change(first, "Shipped")


@pytest.mark.parametrize("answers", ["sftp", "both"])
async def test_orders_answered_as_files(tmp_path: Path, answers: Literal["sftp", "both"]) -> None:  # L1
    settings = SandboxSettings(tmp_path, laredoute=LaRedouteSettings(delay=None, answers=answers))
    async with Sandbox(settings) as sandbox, httpx.AsyncClient(base_url=sandbox.http_url, trust_env=False) as client:
        place(sandbox)
        reply = await retrieve(client, "Created")
        await retrieve(client, "Shipped")

        assert ("2000000007" in reply.text) is (answers == "both")
        assert "RetrieveSellerOrderResponse" in reply.text
        (file,) = (sandbox.laredoute.files / "orders").iterdir()
        assert file.name.endswith("-1.xml")
        assert ET.parse(file).find(f"{HUB}Order") is not None
