"""Each fault on request, by method and over HTTP."""

from contextlib import suppress
from typing import Any

import asyncssh
import httpx
import pytest

from daemon.sandbox import Sandbox
from tests.sandbox.test_edge import ACK, ACK_NAME
from tests.sandbox.test_edge import send as send_file
from tests.sandbox.test_stock import HEADER, NAME
from tests.sandbox.test_stock import send as send_stock
from tests.sandbox.wire import EAN, johnlewis_sftp, laredoute_sftp, names, put, send_items, send_offers, update


async def ask(client: httpx.AsyncClient, marketplace: str, fault: str, **parameters: Any) -> None:
    reply = await client.post("/sandbox/faults", json={"marketplace": marketplace, "fault": fault, **parameters})
    assert reply.status_code == 200, reply.text


def reports(sandbox: Sandbox) -> list[str]:
    return sorted(path.name for path in (sandbox.laredoute.files / "reports").iterdir())


async def test_reject_ean(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await ask(client, "laredoute", "reject_ean", ean=EAN, code="E042", text="MARQUE INCONNUE")
    await send_items(client)
    await send_items(client)
    await sandbox.laredoute.answer_now()

    folder = sandbox.laredoute.files / "reports"
    assert ";KO;E042;MARQUE INCONNUE;" in (folder / "report-B00000001.csv").read_text()
    assert ";OK;" in (folder / "report-B00000002.csv").read_text()


async def test_lose_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await ask(client, "laredoute", "lose_report")
    await send_items(client)
    await sandbox.laredoute.answer_now()

    assert reports(sandbox) == []
    assert EAN in sandbox.laredoute.catalogue


async def test_delay_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await ask(client, "laredoute", "delay_report", seconds=3600)
    await send_items(client)
    await sandbox.laredoute.answer_now()
    assert reports(sandbox) == []

    await sandbox.laredoute.answer_now(held=True)
    assert reports(sandbox) == ["report-B00000001.csv"]


async def test_repeat_report(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await ask(client, "laredoute", "repeat_report")
    await ask(client, "laredoute", "repeat_report", same_name=True)
    await send_items(client)
    await send_items(client)
    await sandbox.laredoute.answer_now()
    assert reports(sandbox) == ["report-B00000001.csv", "report-B00000002.csv"]

    (sandbox.laredoute.files / "reports" / "report-B00000002.csv").unlink()
    await sandbox.laredoute.answer_now()
    assert reports(sandbox) == ["report-B00000001-2.csv", "report-B00000001.csv", "report-B00000002.csv"]


@pytest.mark.parametrize("after_apply", [False, True])
async def test_cut_connection(sandbox: Sandbox, client: httpx.AsyncClient, after_apply: bool) -> None:
    await ask(client, "laredoute", "cut_connection", on="offers", after_apply=after_apply)
    assert (await send_items(client)).status_code == 200

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send_offers(client)

    assert [feed.outcome for feed in sandbox.laredoute.feeds] == ["accepted", "accepted" if after_apply else "cut"]
    assert "processWithSuccess>true<" in (await send_offers(client, minute="02")).text
    assert len(sandbox.laredoute.offer_gaps(all_requests=True)) == 1
    assert len(sandbox.laredoute.offer_gaps()) == (1 if after_apply else 0)


async def test_answer_500(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    line = sandbox.laredoute.place_order([(EAN, 1)]).lines[0]
    await ask(client, "laredoute", "answer_500", on="update", times=2)

    for _ in range(2):
        assert (await update(client, f'<accept OrderLineID="{line.id}"/>')).status_code == 500
    assert line.status == "Created"
    await ask(client, "laredoute", "answer_500", after_apply=True)
    assert (await update(client, f'<accept OrderLineID="{line.id}"/>')).status_code == 500
    assert line.status == "Accepted"


async def test_refuse_login(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await ask(client, "laredoute", "refuse_login", where="http")
    await ask(client, "laredoute", "refuse_login", where="sftp")
    await ask(client, "johnlewis", "refuse_login", times=None)

    assert (await send_items(client)).status_code == 401
    assert (await send_items(client)).status_code == 200
    for refused in (laredoute_sftp, johnlewis_sftp, johnlewis_sftp):
        with pytest.raises(asyncssh.PermissionDenied):
            async with refused(sandbox):
                pass
    async with laredoute_sftp(sandbox) as files:
        assert await names(files, "/") == ["orders", "reports"]
    await client.delete("/sandbox/faults")
    async with johnlewis_sftp(sandbox) as files:
        assert await names(files, "/") == ["live", "uat"]


async def test_wrong_checksum_and_its_mending(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # J6
    await ask(client, "johnlewis", "wrong_checksum")
    order = sandbox.johnlewis.place_order("12345678")
    wrong = order.content
    assert wrong.endswith(b'\n"5"\n')

    mended = await client.post("/sandbox/orders/resend", json={"number": order.number})

    assert order.content == wrong.removesuffix(b'"5"\n') + b'"4"\n'
    async with johnlewis_sftp(sandbox) as files:
        assert mended.json()["file_name"] in await names(files, "/live/incoming")
        assert len(await names(files, "/live/incoming")) == 4


@pytest.mark.parametrize("missing", ["marker", "data"])
async def test_half_file(sandbox: Sandbox, client: httpx.AsyncClient, missing: str) -> None:  # J5
    await ask(client, "johnlewis", "half_file", missing=missing)
    order = sandbox.johnlewis.place_order("12345678")

    async with johnlewis_sftp(sandbox) as files:
        assert await names(files, "/live/incoming") == [order.file_name + (".DONE" if missing == "data" else "")]
        await client.post("/sandbox/orders/finish", json={})
        assert await names(files, "/live/incoming") == [order.file_name, f"{order.file_name}.DONE"]


async def test_repeat_order_file(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # J14
    await ask(client, "johnlewis", "repeat_order_file")
    sandbox.johnlewis.place_order("12345678")
    await ask(client, "johnlewis", "repeat_order_file", same_name=True, changed=True)
    returning = sandbox.johnlewis.place_order("87654321")
    incoming = sandbox.johnlewis.files / "live" / "incoming"
    first, copy, third = sorted(incoming.glob("*.txt"))
    assert first.read_bytes() == copy.read_bytes()

    await sandbox.johnlewis.work_now()
    assert third.read_bytes() == returning.content
    third.unlink()
    await sandbox.johnlewis.work_now()
    assert third.read_bytes() == returning.content.replace(b"Essai", b"Other")


async def test_reject_part_and_file(sandbox: Sandbox, client: httpx.AsyncClient) -> None:  # J13
    await ask(client, "johnlewis", "reject_part", part_number="12345678", error="RANGE CLOSED")
    await ask(client, "johnlewis", "reject_file", kind="order", error="TRY LATER")
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))

    assert await send_stock(sandbox, HEADER + "12345678,,4,17\n") == "part_number,error\n12345678,RANGE CLOSED\n"
    assert await send_file(sandbox, ACK_NAME, ACK) == "TRY LATER"
    assert await send_file(sandbox, ACK_NAME, ACK) == "accepted"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"marketplace": "laredoute", "fault": "explode"}, "it has refuse_login"),
        ({"marketplace": "johnlewis", "fault": "lose_report"}, "has no fault"),
        ({"marketplace": "laredoute", "fault": "reject_ean"}, "needs ean"),
        ({"marketplace": "laredoute", "fault": "reject_ean", "ean": 37}, "it is a str"),
        ({"marketplace": "laredoute", "fault": "cut_connection", "on": "all"}, "it is one of"),
        ({"marketplace": "laredoute", "fault": "lose_report", "when": "now"}, "no parameter when"),
        ({"marketplace": "laredoute", "fault": "lose_report", "times": 0}, "times is 0"),
        ({"marketplace": "amazonia", "fault": "lose_report"}, "marketplace is one of"),
        ({"fault": "lose_report"}, "marketplace is missing"),
        ([], "a JSON object"),
    ],
)  # fmt: skip
async def test_a_fault_that_cannot_be_is_refused(client: httpx.AsyncClient, body: object, text: str) -> None:
    reply = await client.post("/sandbox/faults", json=body)

    assert reply.status_code == 400
    assert text in reply.text


async def test_an_upload_that_is_cut_off_leaves_a_torn_stock_file(sandbox: Sandbox) -> None:
    async with johnlewis_sftp(sandbox) as files:
        file = await files.open(f"/live/inventory/{NAME}", "wb")
        await file.write((HEADER + "12345678,,4,1").encode())
    async with johnlewis_sftp(sandbox) as files:
        await put(files, "/live/inventory/inventory-20240115111500000002.csv", (HEADER + "12345678,,4,2\n").encode())
        await sandbox.johnlewis.work_now()

    assert [arrival.outcome for arrival in sandbox.johnlewis.arrivals] == [": the file is not whole", "accepted"]


async def test_what_was_read_before_its_marker_is_known(sandbox: Sandbox) -> None:  # J5
    sandbox.johnlewis.faults.add("half_file", missing="marker")
    placed = sandbox.johnlewis.place_order("12345678")
    path = f"/live/incoming/{placed.file_name}"
    async with johnlewis_sftp(sandbox) as files:
        for _ in range(2):
            async with files.open(path, "rb") as file:
                await file.read()
            sandbox.johnlewis.finish_files()
    assert [(reading.path.name, reading.marked) for reading in sandbox.johnlewis.readings] == [
        (placed.file_name, False),
        (placed.file_name, True),
    ]


async def test_cut_download(sandbox: Sandbox) -> None:
    placed = sandbox.johnlewis.place_order("12345678")
    sandbox.johnlewis.faults.add("cut_download")
    read = []
    for _ in range(2):
        with suppress(asyncssh.SFTPError, asyncssh.Error):
            async with johnlewis_sftp(sandbox) as files, files.open(f"/live/incoming/{placed.file_name}", "rb") as file:
                read.append(await file.read())
    assert len(read) == 1


@pytest.mark.parametrize("made", [True, False])
async def test_cut_marker(sandbox: Sandbox, made: bool) -> None:  # J8
    async def send() -> None:
        async with johnlewis_sftp(sandbox) as files:
            await put(files, f"/live/outgoing/{ACK_NAME}", ACK.encode())
            await put(files, f"/live/outgoing/{ACK_NAME}.DONE", b"")

    sandbox.johnlewis.faults.add("cut_marker", made=made)
    with pytest.raises((asyncssh.SFTPError, asyncssh.Error)):
        await send()
    outgoing = sandbox.johnlewis.files / "live" / "outgoing"
    assert (outgoing / f"{ACK_NAME}.DONE").exists() == made
