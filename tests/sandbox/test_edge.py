"""The Edge's orders over real SFTP: what it drops, what it takes, and what it says of files that are wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from daemon.sandbox import JohnLewisSettings, Sandbox, SandboxSettings
from daemon.sandbox.strict import Mistake
from tests.sandbox.wire import get, johnlewis_sftp, names, put, until

ACK_NAME = "order-20240115111500000001.ack"
ACK = (
    '"order_number","supplier_ref","test_flag"\n'
    '"Y100000001","SO-1","n"\n'
    '"line_ref","part_number","quantity","comments","sub_status","supplier_dispatch_date","supplier_delivery_date","fulfillment_route"\n'
    '"1","12345678","2","","","2024-01-17","2024-01-19",""\n'
    '"2","87654321","1","","","2024-01-17","2024-01-19",""\n'
    '"5"\n'
)
DISPATCH_HEAD = (
    '"order_number","supplier_ref"\n'
    '"Y100000001","SO-1"\n'
    '"line_ref","part_number","quantity","dispatch_date","supplier_delivery_date","carrier","service","tracking_number","tracking_url"\n'
)
CANCEL_HEAD = (
    '"order_number","supplier_ref","test_flag"\n"Y100000001","","N"\n"line_ref","part_number","quantity","comments"\n'
)


def dispatched(ref: str, part: str, quantity: int, tracking: str = "15501234567890") -> str:
    return f'"{ref}","{part}","{quantity}","2024-01-17","2024-01-19","dpd","","{tracking}",""\n'


async def send(sandbox: Sandbox, name: str, content: str, *, root: str = "/live", marker: bool = True) -> str:
    """Upload a file and its marker, let the Edge work, and give what came of it."""
    async with johnlewis_sftp(sandbox) as files:
        await put(files, f"{root}/outgoing/{name}", content.encode())
        if marker:
            await put(files, f"{root}/outgoing/{name}.DONE", b"")
    await sandbox.johnlewis.work_now()
    return sandbox.johnlewis.arrivals[-1].outcome if sandbox.johnlewis.arrivals else ""


async def acknowledged(sandbox: Sandbox) -> None:
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
    assert await send(sandbox, ACK_NAME, ACK) == "accepted"


async def test_an_order_is_a_two_header_file_with_its_marker(sandbox: Sandbox) -> None:  # J5
    order = sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))

    async with johnlewis_sftp(sandbox) as files:
        assert await names(files, "/live/incoming") == [order.file_name, f"{order.file_name}.DONE"]
        lines = (await get(files, f"/live/incoming/{order.file_name}")).decode().split("\n")
        assert await get(files, f"/live/incoming/{order.file_name}.DONE") == b""
    assert order.file_name.startswith("order-")
    assert len(order.file_name) == len("order-20240115111500000001.txt")
    assert lines[0].startswith('"order_number","order_date","po_enduser","retailer_ref",')
    assert lines[1].startswith('"Y100000001","2024-01-15T10:01:13",')
    assert lines[2:] == [
        '"line_ref","part_number","quantity","description","promised_date"',
        '"1","12345678","2","Test article 12345678","2024-01-20T00:00:00"',
        '"2","87654321","1","Test article 87654321","2024-01-20T00:00:00"',
        '"5"',
        "",
    ]


async def test_a_right_acknowledgement_is_taken_and_kept_byte_for_byte(sandbox: Sandbox) -> None:  # J7
    await acknowledged(sandbox)

    assert sandbox.johnlewis.orders["Y100000001"].state == "acknowledged"
    async with johnlewis_sftp(sandbox) as files:
        assert await names(files, "/live/outgoing") == []
    assert (sandbox.johnlewis.archive / "live" / "outgoing" / ACK_NAME).read_text() == ACK
    arrival = sandbox.johnlewis.arrivals[0]
    assert (arrival.name, arrival.content, arrival.environment) == (ACK_NAME, ACK.encode(), "live")


async def test_without_its_marker_a_file_waits(sandbox: Sandbox) -> None:
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))

    await send(sandbox, ACK_NAME, ACK, marker=False)

    assert sandbox.johnlewis.arrivals == []
    assert sandbox.johnlewis.orders["Y100000001"].state == "new"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"5"\n', '"4"\n', "checksum 4 does not match: 5 lines stand before it"),
        ('"5"\n', "5\n", "line 6: every field must be in double quotes"),
        ('"5"\n', '"5"', "the last line is not ended"),
        ('"1","12345678","2"', '"1","12345678","1"', "line 4: quantity 1 is not the full quantity 2"),
        ('"1","12345678","2"', '"1","12345678","two"', "line 4: quantity 'two'"),
        ('"1","12345678","2"', '"3","12345678","2"', "has no line_ref '3'"),
        ('"1","12345678","2"', '"1","12345679","2"', "part_number '12345679' is not 12345678"),
        ('"2024-01-17","2024-01-19",""\n"2"', '"17/01/2024","2024-01-19",""\n"2"', "is not YYYY-MM-DD"),
        ('"supplier_ref","test_flag"', '"test_flag","supplier_ref"', "line 1: the columns must be"),
        ('"sub_status",', "", "line 3: the columns must be"),
        ('"SO-1","n"', '"SO-1","maybe"', "test_flag"),
        ('"Y100000001"', '"Y100000009"', "order 'Y100000009' is unknown"),
        ('"2","87654321","1","","","2024-01-17","2024-01-19",""\n"5"', '"4"', "line_ref 2 is missing"),
    ],
)  # fmt: skip
async def test_a_wrong_acknowledgement_comes_back(sandbox: Sandbox, old: str, new: str, fault: str) -> None:  # J13
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
    assert old in ACK

    await send(sandbox, ACK_NAME, ACK.replace(old, new))

    async with johnlewis_sftp(sandbox) as files:
        assert await names(files, "/live/outgoing") == [
            f"{ACK_NAME}.DONE.failed", f"{ACK_NAME}.err", f"{ACK_NAME}.err.DONE", f"{ACK_NAME}.failed",
        ]  # fmt: skip
        assert fault in (await get(files, f"/live/outgoing/{ACK_NAME}.err")).decode()
    assert sandbox.johnlewis.orders["Y100000001"].state == "new"
    await sandbox.johnlewis.work_now()
    assert len(sandbox.johnlewis.arrivals) == 1


async def test_nothing_goes_out_before_the_acknowledgement(sandbox: Sandbox) -> None:  # J7
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))

    dispatch = await send(
        sandbox, "dispatch-20240115111500000002.txt", DISPATCH_HEAD + dispatched("1", "12345678", 2) + '"4"\n'
    )
    cancel = await send(sandbox, "cancel-20240115111500000003.ack", CANCEL_HEAD + '"1","12345678","2",""\n"4"\n')

    assert dispatch == cancel == "order Y100000001 has not been acknowledged"


async def test_partial_dispatches_and_cancellations_add_up(sandbox: Sandbox) -> None:  # J8
    await acknowledged(sandbox)
    order = sandbox.johnlewis.orders["Y100000001"]

    assert (
        await send(
            sandbox, "dispatch-20240115111500000002.txt", DISPATCH_HEAD + dispatched("1", "12345678", 1) + '"4"\n'
        )
        == "accepted"
    )
    too_many = await send(
        sandbox, "dispatch-20240115111500000003.txt", DISPATCH_HEAD + dispatched("1", "12345678", 2) + '"4"\n'
    )
    assert too_many == "line_ref 1: 3 dispatched in all, 2 ordered"
    assert (
        await send(sandbox, "cancel-20240115111500000004.ack", CANCEL_HEAD + '"2","87654321","1","no stock"\n"4"\n')
        == "accepted"
    )
    assert order.state == "acknowledged"
    assert (
        await send(
            sandbox, "dispatch-20240115111500000005.txt", DISPATCH_HEAD + dispatched("1", "12345678", 1) + '"4"\n'
        )
        == "accepted"
    )
    assert order.state == "dispatched"
    assert [(line.dispatched, line.cancelled) for line in order.lines.values()] == [(2, 0), (0, 1)]


async def test_a_cumulative_dispatch_repeats_what_went_before(tmp_path: Path) -> None:  # J8
    settings = SandboxSettings(tmp_path, johnlewis=JohnLewisSettings(poll_every=None, shipments="cumulative"))
    async with Sandbox(settings) as sandbox:
        await acknowledged(sandbox)
        first, second = dispatched("1", "12345678", 1), dispatched("2", "87654321", 1)

        assert await send(sandbox, "dispatch-20240115111500000002.txt", DISPATCH_HEAD + first + '"4"\n') == "accepted"
        forgetful = await send(sandbox, "dispatch-20240115111500000003.txt", DISPATCH_HEAD + second + '"4"\n')
        assert forgetful == "line_ref 1: 0 dispatched in all, 1 before: repeat all of them"
        assert (
            await send(sandbox, "dispatch-20240115111500000004.txt", DISPATCH_HEAD + first + second + '"5"\n')
            == "accepted"
        )
        assert [line.dispatched for line in sandbox.johnlewis.orders["Y100000001"].lines.values()] == [1, 1]


async def test_a_refund_is_a_dispatch_that_says_so(sandbox: Sandbox) -> None:  # J10
    await acknowledged(sandbox)
    refund = DISPATCH_HEAD + dispatched("1", "12345678", 1, "CANCELLED POST-DISPATCH") + '"4"\n'

    early = await send(sandbox, "dispatch-20240115111500000002.txt", refund)
    await send(sandbox, "dispatch-20240115111500000003.txt", DISPATCH_HEAD + dispatched("1", "12345678", 2) + '"4"\n')
    late = await send(sandbox, "dispatch-20240115111500000004.txt", refund)

    assert early == "line_ref 1: 1 to refund, 0 dispatched"
    assert late == "accepted"
    assert sandbox.johnlewis.orders["Y100000001"].lines["1"].refunded == 1


async def test_the_same_name_again_is_the_same_file_or_a_fault(sandbox: Sandbox) -> None:
    await acknowledged(sandbox)

    assert await send(sandbox, ACK_NAME, ACK) == "repeated"
    assert (
        await send(sandbox, ACK_NAME, ACK.replace("SO-1", "SO-2"))
        == f"{ACK_NAME} was received before with other content"
    )
    other = await send(sandbox, "order-20240115111500000009.ack", ACK)
    assert other == "order Y100000001 is acknowledged already"


async def test_names_are_checked(sandbox: Sandbox) -> None:
    for name in (
        "order-2024011511150000000.ack",
        "order-20241315111500000001.ack",
        "dispatch-20240115111500000001.ack",
    ):
        assert "is not the name of" in await send(sandbox, name, ACK)


async def test_accepted_files_may_be_left_where_they_are(tmp_path: Path) -> None:
    johnlewis = JohnLewisSettings(poll_every=None, accepted="leave")
    async with Sandbox(SandboxSettings(tmp_path, johnlewis=johnlewis)) as sandbox:
        await acknowledged(sandbox)
        await sandbox.johnlewis.work_now()

        assert len(sandbox.johnlewis.arrivals) == 1
        async with johnlewis_sftp(sandbox) as files:
            assert await names(files, "/live/outgoing") == [ACK_NAME, f"{ACK_NAME}.DONE"]


async def test_uat_is_a_world_of_its_own(sandbox: Sandbox) -> None:
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1), environment="uat")

    assert await send(sandbox, ACK_NAME, ACK) == "order 'Y100000001' is unknown"
    assert await send(sandbox, ACK_NAME, ACK, root="/uat") == "accepted"


async def test_the_retailer_asks_for_a_cancellation(sandbox: Sandbox) -> None:  # J12
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))

    name = sandbox.johnlewis.request_cancellation("Y100000001", {"1": 1})

    async with johnlewis_sftp(sandbox) as files:
        assert f"{name}.DONE" in await names(files, "/live/incoming")
        assert (await get(files, f"/live/incoming/{name}")).decode() == (
            '"order_number","supplier_ref","test_flag"\n"Y100000001","","N"\n"line_ref","part_number","quantity"\n'
            '"1","12345678","1"\n"2","87654321",""\n"5"\n'
        )
    with pytest.raises(Mistake, match="no line_ref 9"):
        sandbox.johnlewis.request_cancellation("Y100000001", {"9": 1})


@pytest.mark.parametrize(
    ("folder", "named", "layout", "report", "content"),
    [
        ("outgoing", "as_sent", "text", f"{ACK_NAME}.err", "no été\n".encode()),
        ("outgoing/errors", "by_type", "lines", "order_ack-20240115111500000001.ack.err", b""),
        ("outgoing", "without_ending", "table", "order_ack-20240115111500000001.err", b""),
        ("outgoing/errors", "as_sent", "latin", f"{ACK_NAME}.err", "no été\n".encode("cp1252")),
    ],
)
async def test_errors_come_in_each_place_and_form(
    sandbox: Sandbox, folder: str, named: str, layout: str, report: str, content: bytes
) -> None:  # J13
    sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
    sandbox.johnlewis.faults.add("reject_file", error="no été", folder=folder, named=named, layout=layout)

    assert await send(sandbox, ACK_NAME, ACK) == "no été"

    async with johnlewis_sftp(sandbox) as files:
        assert {report, f"{report}.DONE"} <= set(await names(files, f"/live/{folder}"))
        said = await get(files, f"/live/{folder}/{report}")
    assert said == content or (not content and "no été" in said.decode())
    assert sandbox.johnlewis.orders["Y100000001"].state == "new"


async def test_requests_are_answered_by_their_acknowledgement_or_by_a_dispatch(sandbox: Sandbox) -> None:  # J12
    await acknowledged(sandbox)
    order = sandbox.johnlewis.orders["Y100000001"]
    sandbox.johnlewis.request_cancellation(order.number, {"1": 1}, reason="126")
    sandbox.johnlewis.request_cancellation(order.number, {"2": 1})
    wrong = sandbox.johnlewis.request_cancellation(order.number, {"2": 1}, checksum_off_by=2)

    cancel = CANCEL_HEAD + '"1","12345678","1",""\n"4"\n'
    assert await send(sandbox, "cancel-20240115111500000002.ack", cancel) == "accepted"
    await send(sandbox, "dispatch-20240115111500000003.txt", DISPATCH_HEAD + dispatched("2", "87654321", 1) + '"4"\n')

    assert [request.state for request in order.requests] == ["acknowledged", "dispatched", "requested"]
    async with johnlewis_sftp(sandbox) as files:
        assert (await get(files, f"/live/incoming/{wrong}")).endswith(b'"7"\n')
        first = await get(files, f"/live/incoming/{order.requests[0].file_name}")
    assert first.startswith(b'"order_number","supplier_ref","test_flag","reason"\n"Y100000001","","N","126"\n')


@pytest.mark.parametrize("same_name", [False, True])
async def test_a_request_may_come_again(sandbox: Sandbox, same_name: bool) -> None:  # J12 J14
    await acknowledged(sandbox)
    sandbox.johnlewis.faults.add("repeat_request", same_name=same_name)
    name = sandbox.johnlewis.request_cancellation("Y100000001", {"1": 1})

    requests = sorted((sandbox.johnlewis.files / "live/incoming").glob("cancel-*.txt"))
    assert len(requests) == (1 if same_name else 2)
    content = (sandbox.johnlewis.files / "live/incoming" / name).read_bytes()
    assert {path.read_bytes() for path in requests} == {content}
    for path in requests:
        path.unlink()
    await sandbox.johnlewis.work_now()
    assert (sandbox.johnlewis.files / "live/incoming" / name).exists() == same_name


async def test_a_refund_speaks_of_a_parcel_that_had_the_line(sandbox: Sandbox) -> None:  # J10
    await acknowledged(sandbox)
    await send(sandbox, "dispatch-20240115111500000002.txt", DISPATCH_HEAD + dispatched("1", "12345678", 2) + '"4"\n')
    refund = dispatched("1", "12345678", 1, "CANCELLED POST-DISPATCH").replace('"dpd"', '"other"')
    told = await send(sandbox, "dispatch-20240115111500000003.txt", DISPATCH_HEAD + refund + '"4"\n')
    assert told == "line 4: carrier 'other' brought none of its units"


async def test_the_watcher_works_by_itself(tmp_path: Path) -> None:
    settings = SandboxSettings(tmp_path)
    async with Sandbox(replace(settings, johnlewis=JohnLewisSettings(poll_every=0.01))) as sandbox:
        order = sandbox.johnlewis.place_order("12345678", 2, ("87654321", 1))
        async with johnlewis_sftp(sandbox) as files:
            await put(files, f"/live/outgoing/{ACK_NAME}", ACK.encode())
            await put(files, f"/live/outgoing/{ACK_NAME}.DONE", b"")
            await until(lambda: order.acknowledged)
