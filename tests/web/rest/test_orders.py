"""Orders for programs: a cursor that misses nothing and repeats nothing, and requests that are done once."""

import io
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import anyio
from python_calamine import CalamineWorkbook

from daemon.model import (
    AccountName,
    Customer,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    Parcel,
    RemoteFile,
    UpdateKind,
)
from daemon.store import Store
from daemon.transports.http import ControlClient
from tests.seller.conftest import NOON, lewis
from tests.web.rest.conftest import told
from tests.web.standins import AskedDaemon

LEWIS = AccountName("lewis")
CHANGES = "/accounts/lewis/order-changes"


async def an_order(store: Store, number: str, state: LineState = LineState.TO_SHIP) -> None:
    lines = (OrderLine("L1", 3, state, ean="0712345678911", title="=Lamp"), OrderLine("L2", 1, state))
    order = Order(OrderNumber(number), lines, shipping=Customer(name="A. Nobody", postcode="01000"))
    file = RemoteFile("orders", f"{number}.txt", 3)
    await store.orders.keep(LEWIS, [Delivery(file, number.encode(), (order,))], NOON)


async def ship(store: Store, number: str) -> None:
    (due,) = [each for each in await store.updates.due(LEWIS) if each.update.order == number]
    await store.updates.sending(due.id, f"{number}.ack", b"x", NOON)
    await store.updates.sent(due.id, lewis().update_answer_wait, NOON)


def numbers(page: dict[str, Any]) -> list[str]:
    return [order["number"] for order in page["orders"]]


async def test_a_cursor_gives_every_change_once(rest: ControlClient, rest_daemon: AskedDaemon) -> None:  # S2
    store = rest_daemon.store
    for number in ("O-1", "O-2", "O-3"):
        await an_order(store, number)
    first = await told(rest, "GET", f"{CHANGES}?limit=2")
    assert (numbers(first), first["more"]) == (["O-1", "O-2"], True)
    assert "shipping" not in first["orders"][0]
    second = await told(rest, "GET", f"{CHANGES}?limit=2&cursor={first['cursor']}&personal=true")
    assert (numbers(second), second["more"]) == (["O-3"], False)
    assert second["orders"][0]["shipping"]["name"] == "A. Nobody"
    third = await told(rest, "GET", f"{CHANGES}?cursor={second['cursor']}")
    assert (numbers(third), third["cursor"]) == ([], second["cursor"])
    # All at the same instant: the one that changes last is still behind the cursor of whoever saw the others.
    await store.updates.open(LEWIS, OrderNumber("O-1"), UpdateKind.DISPATCH, None, **_said())
    await ship(store, "O-1")
    fourth = await told(rest, "GET", f"{CHANGES}?cursor={third['cursor']}")
    assert numbers(fourth) == ["O-1"]
    # Going back to a cursor gives what is behind it once more, as it is now.
    assert numbers(await told(rest, "GET", f"{CHANGES}?cursor={first['cursor']}")) == ["O-3", "O-1"]
    bad = await told(rest, "GET", f"{CHANGES}?cursor=c1-x", 422)
    assert bad["type"] == "urn:sellerd:problem:bad_cursor"


def _said() -> dict[str, Any]:
    return {"legal_moves": lewis().legal_moves, "at": NOON, "parcel": Parcel("DPD", "T1", "", NOON)}


async def test_a_client_that_keeps_its_cursor_sees_changes_made_meanwhile_exactly_once(
    rest: ControlClient, rest_daemon: AskedDaemon
) -> None:  # S2
    seen: Counter[str] = Counter()
    made = 60
    done = anyio.Event()

    async def write() -> None:
        for number in range(made):
            await an_order(rest_daemon.store, f"O-{number}")
        done.set()

    async def read() -> None:
        cursor = ""
        while True:
            ended = done.is_set()
            page = await told(rest, "GET", f"{CHANGES}?limit=7&cursor={cursor}")
            cursor = page["cursor"]
            seen.update(numbers(page))
            if ended and not page["more"]:
                return

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(write)
            group.start_soon(read)
    assert seen == Counter(f"O-{number}" for number in range(made))


async def post(
    client: ControlClient, path: str, body: dict[str, Any], key: str | None = None
) -> tuple[int, dict[str, Any], bool]:
    headers = {} if key is None else {"Idempotency-Key": key}
    reply = await client.request("POST", f"/api/v1{path}", json=body, headers=headers)
    return reply.status, json.loads(reply.body), reply.headers.get("idempotency-replayed") == "true"


SHIP = "/accounts/lewis/orders/O-1/ship"
ONE = {"carrier": "DPD", "tracking_number": "T1", "lines": [{"ref": "L1", "quantity": 1}]}


async def test_a_request_with_a_key_is_done_once(rest: ControlClient, rest_daemon: AskedDaemon) -> None:  # S3 J8
    await an_order(rest_daemon.store, "O-1")
    status, first, before = await post(rest, SHIP, ONE, "key-1")
    assert (status, first["lines"], before) == (200, [{"ref": "L1", "quantity": 1}], False)
    assert await post(rest, SHIP, ONE, "key-1") == (200, first, True)
    status, problem, _ = await post(rest, SHIP, {**ONE, "tracking_number": "T2"}, "key-1")
    assert (status, problem["type"]) == (422, "urn:sellerd:problem:key_used")
    # Without a key, or with another one, it is done once more.
    assert (await post(rest, SHIP, ONE, "key-2"))[2] is False
    assert (await post(rest, SHIP, ONE))[0] == 200
    order = await told(rest, "GET", "/accounts/lewis/orders/O-1")
    assert len(order["order"]["updates"]) == 3


async def test_a_refused_request_leaves_its_key_free(rest: ControlClient, rest_daemon: AskedDaemon) -> None:  # S3
    await an_order(rest_daemon.store, "O-1", LineState.NEW)
    assert (await post(rest, SHIP, ONE, "key-1"))[0] == 409
    await an_order(rest_daemon.store, "O-2")
    assert (await post(rest, "/accounts/lewis/orders/O-2/ship", ONE, "key-1"))[0] == 200
    status, problem, _ = await post(rest, SHIP, ONE, "no spaces")
    assert (status, problem["code"]) == (422, "invalid_request")


async def test_the_same_request_many_times_at_once_is_done_once(
    rest: ControlClient, rest_daemon: AskedDaemon
) -> None:  # S3
    await an_order(rest_daemon.store, "O-1")
    answers: list[tuple[int, dict[str, Any], bool]] = []

    async def ask() -> None:
        answers.append(await post(rest, SHIP, ONE, "key-1"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask)
    assert {status for status, _, _ in answers} == {200}
    assert sorted(before for _, _, before in answers) == [False, *[True] * 7]
    assert all(said == answers[0][1] for _, said, _ in answers)
    order = await told(rest, "GET", "/accounts/lewis/orders/O-1")
    assert len(order["order"]["updates"]) == 1


async def test_keys_are_forgotten_after_a_week(rest: ControlClient, rest_daemon: AskedDaemon) -> None:  # S3
    await an_order(rest_daemon.store, "O-1")
    await post(rest, SHIP, ONE, "key-1")
    assert await rest_daemon.store.requests.forget(NOON - timedelta(days=7)) == 0
    assert await rest_daemon.store.requests.forget(NOON + timedelta(seconds=1)) == 1
    assert (await post(rest, SHIP, ONE, "key-1"))[2] is False


async def test_orders_go_out_as_a_workbook_whose_texts_are_texts(
    rest: ControlClient, rest_daemon: AskedDaemon
) -> None:  # S2
    await an_order(rest_daemon.store, "O-1")
    reply = await rest.request("GET", "/api/v1/accounts/lewis/orders-export", params={"format": "xlsx"})
    header, first, second = CalamineWorkbook.from_filelike(io.BytesIO(reply.body)).get_sheet_by_index(0).to_python()
    row = dict(zip(map(str, header), first, strict=True))
    assert (row["order"], row["quantity"], row["ean"], row["title"]) == ("O-1", 3.0, "0712345678911", "=Lamp")
    assert row["shipping_postcode"] == "01000"
    assert second[7] == "L2"


async def test_an_export_of_listings_can_be_imported_again(rest: ControlClient) -> None:  # S1 S2
    table = (
        "sku,ean,title,description,photo_1,attributes,stock_cap\n"
        'LAMP-1,3701234567891,"-50 % Lampe",<p>Une lampe</p>,https://pictures.example.test/1.jpg,A1*=V1|Rouge,5\n'
    )
    await told(rest, "POST", "/accounts/redoute/imports/listings", content=table.encode())
    for form in ("csv", "xlsx"):
        reply = await rest.request("GET", "/api/v1/accounts/redoute/listings-export", params={"format": form})
        assert reply.status == 200
        report = await told(rest, "POST", "/accounts/redoute/imports/listings", content=reply.body)
        assert (report["unchanged"], report["refused"]) == (1, 0), form
    listed = await told(rest, "GET", "/accounts/redoute/listings-export?format=json")
    assert listed["listings"][0]["title"] == "-50 % Lampe"
    assert listed["listings"][0]["item_state"] == "error"


async def test_accounts_and_promotions_can_be_asked_for(rest: ControlClient) -> None:  # S3 L11
    accounts = await told(rest, "GET", "/accounts")
    assert [each["name"] for each in accounts["accounts"]] == ["redoute", "lewis"]
    one = await told(rest, "GET", "/accounts/lewis")
    assert (one["account"]["currency"], one["account"]["state"]["held"]) == ("GBP", False)
    await told(rest, "POST", "/accounts/redoute/imports/listings", content=b"sku,title\nLAMP-1,x\n")
    rows = b"sku,price,start,end\nLAMP-1,39,1782165600,1782424800\nLAMP-1,29,1783029600,1783116000\n"
    await told(rest, "POST", "/accounts/redoute/imports/promotions", content=rows)
    await told(rest, "POST", "/accounts/redoute/imports/promotions", content=rows.replace(b",29,", b",27,"))
    found = await told(rest, "GET", "/accounts/redoute/promotions?sku=LAMP-1")
    assert [(each["price_minor"], each["currency"]) for each in found["promotions"]] == [(2700, "EUR"), (3900, "EUR")]
    assert len((await told(rest, "GET", "/accounts/redoute/promotions?withdrawn=true"))["promotions"]) == 3
    page = await told(rest, "GET", "/accounts/redoute/promotions?limit=1")
    rest_of = await told(rest, "GET", f"/accounts/redoute/promotions?before={page['next']}")
    assert [each["price_minor"] for each in rest_of["promotions"]] == [3900]


async def test_what_is_not_in_the_documented_form_is_told_in_plain_words(rest: ControlClient) -> None:  # S3
    for path, body, said in (
        ("/accounts/redoute/orders/O-1/ship", {"carier": "DPD"}, "body.carier: this is no field that is known here"),
        ("/accounts/redoute/orders/O-1/ship", {}, "body.carrier: it is missing; add it"),
    ):
        answer = await told(rest, "POST", path, 422, json=body)
        assert any(problem.startswith(said) for problem in answer["problems"]), answer
    assert "there is nothing at this address" in (await told(rest, "GET", "/nothing", 404))["detail"]
    assert "knows other methods" in (await told(rest, "PUT", "/accounts", 405))["detail"]
    assert "no account nobody" in (await told(rest, "GET", "/accounts/nobody/listings", 404))["detail"]
