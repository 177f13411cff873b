"""Rows in bulk: answered one by one, in bounded memory, with the bad ones beside the good ones."""

import json
import resource
from collections.abc import AsyncIterator
from typing import Any

import anyio

from daemon.model import AccountName, Sku
from daemon.seller.spreadsheets import XLSX
from daemon.transports.http import ControlClient
from tests.web.rest.conftest import told
from tests.web.standins import AskedDaemon

REDOUTE = AccountName("redoute")


async def pieces(*lines: object) -> AsyncIterator[bytes]:
    for line in lines:
        yield line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"


async def stream(
    client: ControlClient,
    kind: str,
    content: AsyncIterator[bytes],
    *,
    query: str = "",
    form: str = "application/x-ndjson",
) -> list[dict[str, Any]]:
    path = f"/api/v1/accounts/redoute/bulk/{kind}{query}"
    reply = await client.request("POST", path, content=content, content_type=form)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.body.splitlines()]


async def some(client: ControlClient, count: int) -> None:
    rows = [{"sku": f"SKU-{number}", "title": "Lampe"} for number in range(count)]
    await stream(client, "listings", pieces(*rows))


async def test_each_row_is_answered_in_its_order(rest: ControlClient) -> None:  # S1 S3
    await some(rest, 2)
    rows = ({"sku": "SKU-0", "stock": 3}, {"sku": "NONE", "stock": 1}, {"sku": "SKU-1", "stok": 2}, b"{\n")
    again = ({"sku": "SKU-0", "stock": 9}, {"sku": "SKU-1", "stock": 2})
    answers = await stream(rest, "stock", pieces(*rows, *again))
    assert [(each["line"], each["outcome"], each.get("code")) for each in answers[:-1]] == [
        (1, "changed", None),
        (2, "rejected", "unknown_sku"),
        (3, "rejected", "unknown_field"),
        (4, "rejected", "broken_row"),
        (5, "rejected", "duplicate"),
        (6, "changed", None),
    ]
    assert answers[1]["sku"] == "NONE"
    assert answers[1]["faults"] == [
        {
            "code": "unknown_sku",
            "column": "sku",
            "reason": "this account has no such listing",
            "fix": "import its listing first, or mend the SKU",
        }
    ]
    # Whoever sent a row that is misspelt finds it again.
    assert answers[2]["sku"] == "SKU-1"
    assert answers[2]["faults"] == [
        {"code": "unknown_field", "column": "stok", "reason": "'stok' is no field that is known", "fix": "write stock"}
    ]
    assert answers[-1] == {"summary": {"rows": 6, "created": 0, "changed": 2, "unchanged": 0, "rejected": 4}}
    assert (await stream(rest, "stock", pieces({"sku": "SKU-0", "stock": 3})))[0]["outcome"] == "unchanged"


async def test_tables_come_in_bulk_too_and_a_dry_run_shows_the_difference(
    rest: ControlClient, rest_daemon: AskedDaemon
) -> None:  # S1
    await some(rest, 1)
    table = pieces(b"sku,price\nSKU-0,49.90\nSKU-0,x\n")
    answers = await stream(rest, "prices", table, query="?dry_run=true", form="text/csv; charset=utf-8")
    assert answers[0] == {
        "line": 2,
        "sku": "SKU-0",
        "outcome": "changed",
        "differences": [{"field": "price", "old": "", "new": "49.90"}],
    }
    assert answers[1]["code"] == "bad_value"
    listing = await rest_daemon.store.views.listing(REDOUTE, Sku("SKU-0")) or {}
    assert listing["price_minor"] is None
    refused = await told(
        *(rest, "POST", "/accounts/redoute/bulk/prices", 422), content=pieces(b"PK\x03\x04"), content_type=XLSX
    )
    assert refused["type"] == "urn:sellerd:problem:unreadable"
    document = await told(rest, "POST", "/accounts/redoute/bulk/stock", 415, json=[{"sku": "SKU-0", "stock": 1}])
    assert document["code"] == "unsupported_media_type"
    unknown = await told(rest, "POST", "/accounts/lewis/bulk/prices", 409, content=pieces(b""))
    assert unknown["code"] == "not_allowed"


async def test_a_listing_that_cannot_be_sent_is_taken_and_told(rest: ControlClient) -> None:  # L4 S1
    (answer, _) = await stream(rest, "listings", pieces({"sku": "SKU-0", "ean": "3701234567891"}))
    assert answer["outcome"] == "created"
    assert "description" in answer["held_back"]


async def test_a_hundred_thousand_rows_are_answered_in_flat_memory(rest: ControlClient) -> None:  # S1 S3
    async def rows(start: int, count: int) -> AsyncIterator[bytes]:
        for number in range(start, start + count, 1_000):
            lines = (b'{"sku":"SKU-%d","stock":%d}\n' % (each, each % 900) for each in range(number, number + 1_000))
            yield b"".join(lines)

    await some(rest, 5_000)
    await stream(rest, "stock", rows(0, 5_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = "/api/v1/accounts/redoute/bulk/stock"
    # The answer is held whole by this test's client: its 15 MB are in the bound.
    with anyio.fail_after(240):
        reply = await rest.request("POST", path, content=rows(0, 100_000), content_type="application/x-ndjson")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    lines = reply.body.splitlines()
    assert len(lines) == 100_001
    assert json.loads(lines[-1])["summary"] == {
        "rows": 100_000,
        "created": 0,
        "changed": 0,
        "unchanged": 5_000,
        "rejected": 95_000,
    }
    assert grown < 96 * 1_024, f"{grown} KiB"


async def test_what_the_database_refuses_ends_the_stream_with_the_problem(
    rest: ControlClient, rest_daemon: AskedDaemon
) -> None:  # S3
    await some(rest, 1)

    async def breaking() -> AsyncIterator[bytes]:
        yield b'{"sku": "SKU-0", "stock": 1}\n'
        # The request has been let in once the trail has it; then the database fails.
        while len(await rest_daemon.store.audit.list()) < 2:
            await anyio.sleep(0.01)
        rest_daemon.store.database.fault = "disk I/O error"

    with anyio.fail_after(30):
        (end,) = await stream(rest, "stock", breaking())
    rest_daemon.store.database.fault = ""
    assert end["summary"]["problem"]["code"] == "store_failed"
    assert end["summary"]["rows"] == 0


async def test_bad_rows_come_back_as_a_file(rest: ControlClient) -> None:  # S1
    await some(rest, 1)
    path = "/api/v1/accounts/redoute/imports/stock/bad-rows"
    content = b"sku,stock\nSKU-0,x\nSKU-0,2\n"
    reply = await rest.request("POST", path, content=content, content_type="text/csv")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert reply.body.decode().splitlines()[1].startswith('SKU-0,x,"stock: this is not a number of units')
    reply = await rest.request("POST", path, content=content, content_type="text/csv", params={"format": "xlsx"})
    assert reply.headers["content-type"] == XLSX
    assert reply.body.startswith(b"PK")
    tried = await told(rest, "POST", "/accounts/redoute/imports/stock?dry_run=true", content=content)
    assert (tried["dry_run"], tried["changed"], tried["differing"]) == (True, 1, 1)
