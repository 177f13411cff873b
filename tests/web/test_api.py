"""The control interface over its real Unix socket, and in process where no daemon runs."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from daemon.model import (
    AccountName,
    AnswerLine,
    Customer,
    Deadlines,
    Delivery,
    Feed,
    FeedKind,
    Item,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    PayloadId,
    RemoteFile,
    Sku,
)
from daemon.store import Store, open_store
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow
from daemon.transports.http import ControlClient
from daemon.web.api import control_app
from daemon.web.serve import listen_at, serving
from tests.seller.conftest import NOON, redoute
from tests.web.standins import AskedDaemon, clocks

REDOUTE = AccountName("redoute")
SECRET = "Made Up Lane 5"
ORDER = "/api/v1/accounts/redoute/orders/O-1"
ACCEPTED = LineState.ACCEPTED
LISTINGS = (
    b"sku,ean,category,product_id,master_sku,title,description,brand,catalogue_id,photo_1\n"
    b"LAMP-1,3701234567891,S1,LAMP,LAMP-1,Lampe,Une belle lampe,B1,C1,https://pictures.example.test/1.jpg\n"
    b"LAMP/2,3701234567891,S1,LAMP,LAMP-1,Lampe,Une belle lampe,B1,C1,\n"
)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[AskedDaemon]:
    async with open_store(tmp_path / "sellerd.db") as store:
        for name, marketplace in (("redoute", "laredoute"), ("lewis", "johnlewis")):
            await store.accounts.configure(AccountName(name), marketplace, "", NOON)
        yield AskedDaemon(store)


@pytest.fixture(params=["socket", "in process"])
async def client(request: pytest.FixtureRequest, daemon: AskedDaemon, tmp_path: Path) -> AsyncIterator[ControlClient]:
    app = control_app(daemon, clocks)
    if request.param == "in process":
        async with ControlClient.over_app(app) as client:
            yield client
        return
    socket = tmp_path / "control.sock"
    async with serving(app, listen_at(socket)), ControlClient.over_socket(socket) as client:
        yield client


async def get(client: ControlClient, path: str, status: int = 200, **params: str) -> Any:
    reply = await client.request("GET", path, params=params)
    assert reply.status == status, reply.body
    return json.loads(reply.body)


async def post(client: ControlClient, path: str, said: object = None, status: int = 200) -> Any:
    reply = await client.request("POST", path, json=said or {})
    assert reply.status == status, reply.body
    if status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        problem = json.loads(reply.body)
        assert problem.keys() >= {"title", "status", "detail"}
        assert problem["status"] == status
    return json.loads(reply.body)


async def bring(client: ControlClient, kind: str, content: bytes, account: str = "redoute", status: int = 200) -> Any:
    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 7):
            yield content[start : start + 7]

    path = f"/api/v1/accounts/{account}/imports/{kind}"
    reply = await client.request("POST", path, content=in_pieces(), content_type="text/csv")
    assert reply.status == status, reply.body
    return json.loads(reply.body)


async def an_order(store: Store, state: LineState = LineState.NEW) -> None:
    lines = (OrderLine("L1", 3, state, ean="3701234567891"), OrderLine("L2", 1, state))
    order = Order(OrderNumber("O-1"), lines, shipping=Customer(name="A. Nobody", lines=(SECRET,)))
    await store.orders.keep(REDOUTE, [Delivery(RemoteFile("orders", "O-1.xml", 3), b"O-1", (order,))], NOON)


async def test_an_import_answers_row_by_row(client: ControlClient) -> None:  # S1
    report = await bring(client, "listings", LISTINGS)
    assert (report["version"], report["created"], report["refused"], report["not_ready"]) == (1, 2, 0, 1)
    photo = {
        "field": "photos",
        "rule": "L4",
        "text": "the main photo is missing",
        "fix": "give the URL of one in photo_1",
    }
    assert report["incomplete"] == [{"line": 3, "sku": "LAMP/2", "reason": photo["text"], "faults": [photo]}]
    report = await bring(client, "stock", b"sku;stock\nLAMP-1;3\nLAMP-9;x\n")
    assert (report["changed"], report["refused"]) == (1, 1)
    assert report["faults"] == [
        {
            "line": 3,
            "sku": "LAMP-9",
            "column": "stock",
            "value": "x",
            "problem": "this is not a number of units",
            "fix": "write a whole number from 0 to 999999999, without a unit",
            "code": "bad_value",
            "order": "",
        }
    ]


async def test_a_file_that_is_no_table_is_a_problem(client: ControlClient) -> None:  # S1
    problem = await bring(client, "stock", b"sku;stok\nA;1\n", status=422)
    assert problem["detail"].startswith("line 1: no column stock")
    assert (await bring(client, "prices", b"sku,price\nA,1\n", "lewis", 409))["detail"].startswith("johnlewis takes no")
    assert "configured are: lewis, redoute" in (await bring(client, "stock", b"", "nobody", 404))["detail"]
    assert (await bring(client, "nonsense", b"", status=422))["title"] == "the request is not in the documented form"


async def test_two_imports_at_a_time_do_not_undo_each_other(client: ControlClient, daemon: AskedDaemon) -> None:  # S1
    skus = [f"SKU-{number}" for number in range(1_200)]
    await bring(client, "listings", "\n".join(["sku,title", *(f"{sku},x" for sku in skus)]).encode())
    async with anyio.create_task_group() as group:
        for column in ("title", "brand", "category", "product_id"):
            content = "\n".join([f"sku,{column}", *(f"{sku},new" for sku in skus)]).encode()
            group.start_soon(bring, client, "listings", content)
    known = await daemon.store.views.known(REDOUTE, [Sku(sku) for sku in skus])
    found = {(kept.item.title, kept.item.brand, kept.item.category, kept.item.product_id) for kept in known.values()}
    assert found == {("new", "new", "new", "new")}


async def test_lines_are_decided_each_in_its_own_way(client: ControlClient, daemon: AskedDaemon) -> None:  # L13
    await an_order(daemon.store)
    accepted = await post(client, f"{ORDER}/accept", {"lines": [{"ref": "L1"}]})
    assert accepted == {
        "version": 1,
        "order": "O-1",
        "kind": "acceptance",
        "lines": [{"ref": "L1", "quantity": 3}],
    }
    refused = await post(client, f"{ORDER}/refuse", {"reason": "broken"})
    assert refused["lines"] == [{"ref": "L2", "quantity": 1}]
    again = await post(client, f"{ORDER}/refuse", status=409)
    assert "update of it is on its way" in again["detail"]
    order = (await get(client, ORDER))["order"]
    assert [update["kind"] for update in order["updates"]] == ["acceptance", "refusal"]
    assert order["updates"][1]["lines"][0]["reason"] == "broken"


async def test_a_move_that_is_not_legal_is_refused_with_the_reason(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # L12
    await an_order(daemon.store)
    problem = await post(client, f"{ORDER}/ship", {"carrier": "Colis", "tracking_number": "T1"}, 409)
    assert problem["title"] == "not allowed now"
    assert "to_ship" in problem["detail"]
    problem = await post(client, f"{ORDER}/accept", {"lines": [{"ref": "L9"}]}, 409)
    assert "no line L9" in problem["detail"]
    problem = await post(client, f"{ORDER}/resolve", {"arrived": True}, 409)
    assert "no update in doubt" in problem["detail"]
    assert "no order O-2" in (await post(client, f"{ORDER[:-1]}2/accept", status=404))["detail"]


async def test_a_shipment_in_part_with_the_default_tracking_url(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # L13
    await an_order(daemon.store, LineState.TO_SHIP)
    said = {"carrier": "Colis", "tracking_number": "T/1", "lines": [{"ref": "L1", "quantity": 2}]}
    problem = await post(client, f"{ORDER}/ship", said, 409)
    assert "dispatch is for the whole line, 3 units" in problem["detail"]
    await post(client, f"{ORDER}/ship", {**said, "lines": [{"ref": "L1"}]})
    own = {"carrier": "Colis", "tracking_number": "T2", "tracking_url": "https://own.example.test/T2", "lines": None}
    await post(client, f"{ORDER}/ship", {**own, "shipped_at": "2026-03-02T14:00:00+02:00"})
    first, second = (await get(client, ORDER))["order"]["updates"]
    assert first["parcel"]["tracking_url"] == "https://carrier.example.test/track/T%2F1"
    assert first["parcel"]["shipped_at"] == second["parcel"]["shipped_at"] == "2026-03-02T12:00:00.000Z"
    assert second["parcel"]["tracking_url"] == "https://own.example.test/T2"
    assert second["lines"] == [
        {"ref": "L2", "quantity": 1, "reason": "", "out_of_stock": False},
    ]


async def test_a_cancel_request_goes_line_by_line(client: ControlClient, daemon: AskedDaemon) -> None:  # L14
    lines = (OrderLine("L1", 3, LineState.NEW), OrderLine("L2", 1, LineState.SHIPPED), OrderLine("L3", 1, ACCEPTED))
    order = Order(OrderNumber("O-1"), lines)
    await daemon.store.orders.keep(REDOUTE, [Delivery(RemoteFile("orders", "O-1.xml", 3), b"O-1", (order,))], NOON)
    refused = await post(client, f"{ORDER}/cancel", {"lines": [{"ref": "L1"}, {"ref": "L3"}]}, 409)
    assert refused["detail"].startswith("line L3 of order O-1 is accepted: it can be cancelled by refusal when it is")
    answer = await post(client, f"{ORDER}/cancel", {"reason": "the customer called"})
    assert answer["updates"] == [
        {"kind": "refusal", "lines": [{"ref": "L1", "quantity": 3}]},
        {"kind": "refund", "lines": [{"ref": "L2", "quantity": 1}]},
    ]
    assert [sentence[:32] for sentence in answer["left_out"]] == ["line L3 of order O-1 is accepted"]
    assert (await post(client, f"{ORDER[:-1]}2/cancel", status=404))["detail"].endswith("no order O-2")
    updates = (await get(client, ORDER))["order"]["updates"]
    assert [(update["cancels"], update["lines"][0]["reason"]) for update in updates] == [
        (True, "the customer called"),
        (True, "the customer called"),
    ]


async def test_out_of_stock_is_a_reason_of_its_own(client: ControlClient, daemon: AskedDaemon) -> None:  # L13
    await an_order(daemon.store)
    await post(client, f"{ORDER}/refuse", {"out_of_stock": True, "lines": [{"ref": "L1"}]})
    await post(client, f"{ORDER}/refuse", {"reason": "out of stock", "lines": [{"ref": "L2"}]})
    updates = (await get(client, ORDER))["order"]["updates"]
    assert [line["out_of_stock"] for update in updates for line in update["lines"]] == [True, False]


async def test_late_orders_are_found(client: ControlClient, daemon: AskedDaemon) -> None:  # L12
    day = timedelta(days=1)
    terms = Deadlines(accept_within=day, warn_before=timedelta(hours=1))
    await daemon.store.accounts.configure(REDOUTE, "laredoute", "", NOON, terms)
    for number, age in (("O-1", day), ("O-2", day - timedelta(hours=1)), ("O-3", timedelta())):
        order = Order(OrderNumber(number), (OrderLine("L1", 1, LineState.NEW),), ordered_at=NOON - age)
        file = RemoteFile("orders", f"{number}.xml", 3)
        await daemon.store.orders.keep(REDOUTE, [Delivery(file, number.encode(), (order,))], NOON)
    found = (await get(client, "/api/v1/orders"))["orders"]
    assert [order["timeliness"] for order in found] == ["in_time", "due_soon", "late"]
    assert found[2]["due_at"] == found[2]["lines"][0]["due_at"] == "2026-03-02T12:00:00.000Z"
    assert [order["number"] for order in (await get(client, "/api/v1/orders", late="true"))["orders"]] == ["O-1"]
    (status, *_) = [one for one in (await get(client, "/api/v1/status"))["accounts"] if one["name"] == REDOUTE]
    assert status["orders_waiting"] == {"in_time": 1, "due_soon": 1, "late": 1}


async def test_orders_of_which_something_is_wrong_are_found(client: ControlClient, daemon: AskedDaemon) -> None:  # J6
    for number, incomplete in (("O-1", "4 lines were expected, 3 read"), ("O-2", "")):
        order = Order(OrderNumber(number), (OrderLine("L1", 1, LineState.NEW),), incomplete=incomplete)
        file = RemoteFile("orders", f"{number}.xml", 3)
        await daemon.store.orders.keep(REDOUTE, [Delivery(file, number.encode(), (order,))], NOON)
    (found,) = (await get(client, "/api/v1/orders", errors="true"))["orders"]
    assert (found["number"], [(error["severity"], error["text"]) for error in found["errors"]]) == (
        "O-1",
        [("high", "4 lines were expected, 3 read")],
    )
    (status, *_) = [one for one in (await get(client, "/api/v1/status"))["accounts"] if one["name"] == REDOUTE]
    assert status["order_errors"] == {"high": 1, "medium": 0}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"carrier": ""},
        {"carrier": "Colis", "shipped_at": "2026-03-02T12:00:00"},
        {"carrier": "Colis", "lines": [{"ref": "L1", "quantity": 0}]},
        {"carrier": "Colis", "tracking": "T1"},
        {"carrier": "Colis", "shipped_at": "0001-01-01T00:00:00+14:00"},
        {"carrier": "Colis", "lines": [{"ref": "L1", "quantity": 1 << 63}]},
    ],
)
async def test_a_request_of_another_form_is_told(client: ControlClient, said: dict[str, object]) -> None:  # S3
    problem = await post(client, f"{ORDER}/ship", said, 422)
    assert problem["problems"]


async def test_a_number_that_no_row_can_have_is_told(client: ControlClient) -> None:  # S3
    most = str(1 << 63)
    for path, params in (
        ("feeds", {"before": most}),
        ("orders", {"before": most}),
        (f"feeds/{most}", {}),
        (f"feeds/{most}/payload", {}),
        (f"feeds/{most}/received/1", {}),
        (f"feeds/1/received/{most}", {}),
    ):
        problem = await get(client, f"/api/v1/{path}", 422, **params)
        assert problem["problems"]


async def test_a_long_list_of_codes_is_taken(client: ControlClient) -> None:  # L4 S3
    codes = b"code;label\n" + b"".join(f"B{number};{'x' * 1000}\n".encode() for number in range(1100))
    reply = await client.request("POST", "/api/v1/accounts/redoute/reference/brands", content=codes)
    assert reply.status == 200
    assert json.loads(reply.body)["rows"] == 1100


async def test_a_request_that_is_too_long_is_not_held_in_memory(client: ControlClient) -> None:  # S3
    problem = await post(client, f"{ORDER}/accept", {"reason": "x" * (1 << 20)}, 413)
    assert problem["detail"] == "the request is longer than 1048576 bytes"


async def test_who_hangs_up_in_the_middle_of_an_import_is_no_failure(
    daemon: AskedDaemon, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # S1
    left = anyio.Event()

    async def until_left(scope: Scope, receive: Receive, send: Send) -> None:
        await control_app(daemon, clocks)(scope, receive, send)
        left.set()

    socket = tmp_path / "control.sock"
    async with serving(until_left, listen_at(socket)):
        async with await anyio.connect_unix(socket) as stream:
            head = (
                b"POST /api/v1/accounts/redoute/imports/listings HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
            )
            await stream.send(head + LISTINGS)
        with anyio.fail_after(30):
            await left.wait()
    assert not caplog.records
    assert await daemon.store.views.listings(REDOUTE) == []


async def test_orders_show_personal_data_only_when_asked(client: ControlClient, daemon: AskedDaemon) -> None:  # D12
    await an_order(daemon.store)
    plain = [await get(client, ORDER), await get(client, "/api/v1/orders")]
    assert SECRET not in json.dumps(plain)
    assert (await get(client, ORDER, personal="true"))["order"]["shipping"]["lines"] == [SECRET]
    exported = await client.request("GET", "/api/v1/accounts/redoute/orders-export", params={"format": "csv"})
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert SECRET.encode() in exported.body
    assert len((await get(client, "/api/v1/accounts/redoute/orders-export"))["orders"]) == 1


async def reject(store: Store, sku: Sku) -> None:
    """Let the marketplace turn the item of a listing down."""
    before = len(await store.views.feeds(REDOUTE))
    now = replace(clocks(), at=NOON + timedelta(minutes=before))
    feed = await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], now)
    assert isinstance(feed, Feed)

    async def content() -> AsyncIterator[bytes]:
        yield b"items"

    payload, _ = await store.payloads.write(content(), NOON)
    name = f"items-{feed.id}.xml"
    await store.feeds.spooled(feed, name, payload, NOON)
    line = AnswerLine(accepted=False, feed_name=name, sku=sku, code="E7", text="MARQUE INCONNUE")
    await store.answers.apply(REDOUTE, [line], NOON)


async def test_another_try_for_a_listing_in_error(client: ControlClient, daemon: AskedDaemon) -> None:  # S3
    await bring(client, "listings", LISTINGS)
    path = "/api/v1/accounts/redoute/listings"
    # What breaks our own rules would spend a feed in vain.
    refused = (await post(client, f"{path}/LAMP%2F2/retry", status=409))["detail"]
    assert refused == "LAMP/2 would be sent in vain: the main photo is missing. Mend it and import it"
    assert (await get(client, f"{path}/LAMP%2F2"))["listing"]["parts"]["item"]["state"] == "error"
    await reject(daemon.store, Sku("LAMP-1"))
    assert (await post(client, f"{path}/LAMP-1/retry"))["again"] == ["item"]
    assert "nothing to try again" in (await post(client, f"{path}/LAMP-1/retry", status=409))["detail"]
    assert "no listing NONE" in (await post(client, f"{path}/NONE/retry", status=404))["detail"]
    page = await get(client, path, limit="1")
    assert [row["sku"] for row in page["listings"]] == ["LAMP-1"]
    assert [row["sku"] for row in (await get(client, path, after=page["next"]))["listings"]] == ["LAMP/2"]


async def test_what_is_rejected_three_times_in_a_row_is_blocked_until_a_person_says_so(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # L2
    await bring(client, "listings", LISTINGS)
    path = "/api/v1/accounts/redoute/listings"
    for _ in range(2):
        await reject(daemon.store, Sku("LAMP-1"))
        await post(client, f"{path}/LAMP-1/retry")
    await reject(daemon.store, Sku("LAMP-1"))
    refused = (await post(client, f"{path}/LAMP-1/retry", status=409))["detail"]
    assert "item of LAMP-1 is blocked" in refused
    assert "sellerd listings unblock --account redoute LAMP-1" in refused
    assert [row["sku"] for row in (await get(client, path, blocked="true"))["listings"]] == ["LAMP-1"]
    assert (await post(client, f"{path}/LAMP-1/unblock"))["again"] == ["item"]
    assert (await get(client, path, blocked="true"))["listings"] == []
    assert "nothing to unblock" in (await post(client, f"{path}/LAMP-1/unblock", status=409))["detail"]
    assert "no listing NONE" in (await post(client, f"{path}/NONE/unblock", status=404))["detail"]


async def test_codes_are_brought_in_and_listings_are_validated(client: ControlClient) -> None:  # L4
    await bring(client, "listings", LISTINGS)
    here = "/api/v1/accounts/redoute"

    async def brands() -> AsyncIterator[bytes]:
        yield b"code,label\nB2,Autre\n"

    reply = await client.request("POST", f"{here}/reference/brands", content=brands(), content_type="text/csv")
    report = json.loads(reply.body)
    assert (report["rows"], report["refused"], report["listings"]["held_back"]) == (1, 0, 1)
    assert [(each["kind"], each["size"]) for each in (await get(client, f"{here}/reference"))["lists"]] == [
        ("brands", 1)
    ]
    assert (await get(client, f"{here}/reference/brands"))["codes"] == [{"code": "B2", "label": "Autre"}]
    page = await get(client, f"{here}/validation", limit="1")
    assert [each["sku"] for each in page["listings"]] == ["LAMP-1"]
    assert [fault["field"] for fault in page["listings"][0]["faults"]] == ["brand"]
    page = await get(client, f"{here}/validation", after=page["next"])
    assert [fault["field"] for fault in page["listings"][0]["faults"]] == ["brand", "photos"]
    assert (await get(client, f"{here}/validation", sku="LAMP-1"))["listings"][0]["sku"] == "LAMP-1"
    assert (await client.request("GET", f"{here}/validation", params={"sku": "NONE"})).status == 404
    assert (await client.request("GET", "/api/v1/accounts/lewis/validation")).status == 409


async def test_a_held_account_is_released(client: ControlClient, daemon: AskedDaemon) -> None:  # D10
    await daemon.store.accounts.hold(REDOUTE, "the password was refused", NOON)
    assert (await get(client, "/api/v1/status"))["accounts"][1]["held"]
    await post(client, "/api/v1/accounts/redoute/release")
    assert not (await get(client, "/api/v1/status"))["accounts"][1]["held"]
    assert "is not held" in (await post(client, "/api/v1/accounts/redoute/release", status=409))["detail"]


async def test_jobs_and_the_configuration_go_to_the_daemon(client: ControlClient, daemon: AskedDaemon) -> None:  # D13
    await post(client, "/api/v1/accounts/redoute/jobs/orders/run", status=202)
    assert "no job nonsense" in (await post(client, "/api/v1/accounts/redoute/jobs/nonsense/run", status=409))["detail"]
    assert await post(client, "/api/v1/site/jobs/housekeeping/run", status=202) == {"version": 1, "job": "housekeeping"}
    await post(client, "/api/v1/reload")
    daemon.problems = ["config.toml: one is wrong", "config.toml: another too"]
    assert (await post(client, "/api/v1/reload", status=422))["problems"] == daemon.problems
    assert daemon.asked == ["redoute orders", " housekeeping", "reload", "reload"]


async def test_feeds_can_be_followed_to_their_bytes(client: ControlClient, daemon: AskedDaemon) -> None:  # L16
    await bring(client, "listings", LISTINGS)
    rule = next(iter(redoute().feed_rules.values()))
    feed = await daemon.store.feeds.open(REDOUTE, rule, clocks())
    assert feed is not None
    missing = await client.request("GET", "/api/v1/feeds/1/payload")
    assert missing.status == 404
    await daemon.store.database.write(_with_payload)
    assert (await client.request("GET", "/api/v1/feeds/1/payload")).body == b"<the exact bytes/>"
    whole = await get(client, "/api/v1/feeds/1")
    assert [carried["sku"] for carried in whole["feed"]["objects"]] == ["LAMP-1"]
    assert whole["next"] is None
    page = await get(client, "/api/v1/feeds", account="redoute", limit="1")
    assert (page["feeds"][0]["id"], page["next"]) == (1, 1)
    assert "no feed 9" in (await get(client, "/api/v1/feeds/9", 404))["detail"]
    assert (await get(client, "/api/v1/gates"))["version"] == 1


def _with_payload(db: Any) -> PayloadId:
    from daemon.store.payloads import keep

    payload = keep(db, b"<the exact bytes/>", NOON + timedelta(seconds=1))
    db.execute("UPDATE feeds SET payload = ? WHERE id = 1", (payload,))
    return payload


async def test_the_interface_describes_itself(client: ControlClient) -> None:  # S3
    described = await get(client, "/api/v1/openapi.json")
    assert "/api/v1/accounts/{account}/imports/{kind}" in described["paths"]
    assert await get(client, "/api/v1/") == {"version": 1, "name": "sellerd"}
    assert (await get(client, "/api/v1/nothing", 404))["title"] == "there is no such thing"


async def test_a_database_that_failed_is_told(client: ControlClient, daemon: AskedDaemon) -> None:  # S3
    daemon.store.database.fault = "disk I/O error"
    problem = await post(client, "/api/v1/accounts/redoute/release", status=503)
    assert problem["detail"] == "disk I/O error"
    daemon.store.database.fault = ""


async def test_jobs_are_paused_and_resumed_with_reason_and_end(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # D13
    path = "/api/v1/accounts/redoute"
    said = {"reason": "prices are being checked", "jobs": ["offers"], "until": "2026-03-02T14:00:00+01:00"}

    assert (await post(client, f"{path}/pause", said))["jobs"] == ["offers"]
    await post(client, f"{path}/pause", {"reason": "stock take"})

    account = next(each for each in (await get(client, "/api/v1/status"))["accounts"] if each["name"] == "redoute")
    assert account["pauses"] == [
        {"job": "", "reason": "stock take", "paused_at": "2026-03-02T12:00:00.000Z", "until": None},
        {
            "job": "offers",
            "reason": "prices are being checked",
            "paused_at": "2026-03-02T12:00:00.000Z",
            "until": "2026-03-02T13:00:00.000Z",
        },
    ]
    assert "no pause of its own" in (await post(client, f"{path}/resume", {"jobs": ["orders"]}, 409))["detail"]
    assert (await post(client, f"{path}/resume", {"jobs": ["offers"]}))["jobs"] == []
    freed = (await post(client, f"{path}/resume"))["jobs"]
    assert (len(freed), daemon.asked) == (8, [f"redoute {job}" for job in freed])
    assert "nothing to resume" in (await post(client, f"{path}/resume", status=409))["detail"]


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        ({}, 422, "reason"),
        ({"reason": ""}, 422, "reason"),
        ({"reason": "x", "jobs": ["offer"]}, 409, "no job offer; there are items"),
        ({"reason": "x", "until": "2026-03-02T11:59:00Z"}, 409, "would hold nothing"),
        ({"reason": "x", "until": "2026-03-02T11:59:00"}, 422, "timezone"),
    ],
)
async def test_a_pause_that_makes_no_sense_is_told(
    client: ControlClient, said: dict[str, object], status: int, told: str
) -> None:  # D13
    assert told in (await post(client, "/api/v1/accounts/redoute/pause", said, status))["detail"]


async def test_all_stock_is_pushed_on_request_and_a_turn_begins(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # J3
    path = "/api/v1/accounts/lewis/stock/push"
    rows = [ItemRow(Sku(f"CHAIR-{each}"), Item(), channel_item_id=f"1000000{each}") for each in (1, 2)]
    lewis = AccountName("lewis")
    await daemon.store.listings.put_items(lewis, rows, NOON, ["", ""], item_feed=False)
    await daemon.store.listings.put_stock(lewis, Figures({"CHAIR-1": 3}), NOON)
    told = {"version": 1, "account": "lewis", "waits": ""}
    assert await post(client, path, {"full": True}, status=202) == {**told, "pending": 1}
    assert await post(client, path, {}, status=202) == {**told, "pending": 0}
    assert daemon.asked == ["lewis offers", "lewis offers"]
    assert "no field that is known" in (await post(client, path, {"all": True}, status=422))["detail"].lower()
    await post(client, "/api/v1/accounts/nobody/stock/push", {}, status=404)
