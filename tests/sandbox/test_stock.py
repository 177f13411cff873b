"""The Edge's stock files: taken as they appear, judged row by row."""

from pathlib import Path

import pytest

from daemon.sandbox import JohnLewisSettings, Sandbox, SandboxSettings
from tests.sandbox.wire import get, johnlewis_sftp, names, put

NAME = "inventory-20240115111500000001.csv"
HEADER = "part_number,tradedCode,current_lead_time_to_delivery_in_days,free_stock\n"


async def send(sandbox: Sandbox, content: str, name: str = NAME) -> str:
    """Upload a stock file and give the error file that came of it, empty where none did."""
    async with johnlewis_sftp(sandbox) as files:
        await put(files, f"/live/inventory/{name}", content.encode())
        await sandbox.johnlewis.work_now()
        if await names(files, "/live/inventory/errors") == []:
            return ""
        return (await get(files, f"/live/inventory/errors/{name}.err")).decode()


async def test_a_stock_file_needs_no_marker(sandbox: Sandbox) -> None:  # J3
    assert await send(sandbox, HEADER + "12345678,SKU-1,4,17\n87654321,,0,0\n") == ""

    stock = sandbox.johnlewis.stock["12345678"]
    assert (stock.free, stock.lead_days, stock.code, stock.environment) == (17, 4, "SKU-1", "live")
    assert sandbox.johnlewis.stock["87654321"].free == 0
    assert [arrival.outcome for arrival in sandbox.johnlewis.arrivals] == ["accepted"]
    assert (sandbox.johnlewis.archive / "live" / "inventory" / NAME).exists()


async def test_bad_rows_come_back_and_good_ones_count(sandbox: Sandbox) -> None:  # J4
    errors = await send(
        sandbox, HEADER + "12345678,,4,17\n1234567,,4,1\n11111111,,4,-1\n22222222,,4,many\n12345678,,4,1\n33333333,,4\n"
    )

    assert errors == (
        "part_number,error\n"
        "1234567,part_number is not 8 digits\n"
        "11111111,stock '-1' is not a whole number from 0\n"
        "22222222,stock 'many' is not a whole number from 0\n"
        "12345678,more than once\n"
        '33333333,"3 fields, 4 expected"\n'
    )
    assert list(sandbox.johnlewis.stock) == ["12345678"]


async def test_an_unknown_part_is_an_error(tmp_path: Path) -> None:  # J4
    johnlewis = JohnLewisSettings(poll_every=None, known_parts=frozenset({"12345678"}))
    async with Sandbox(SandboxSettings(tmp_path, johnlewis=johnlewis)) as sandbox:
        errors = await send(sandbox, HEADER + "12345678,,4,17\n87654321,,4,1\n")

    assert errors == "part_number,error\n87654321,unknown part_number\n"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("part_number,free_stock\n12345678,1\n", '"the header must be part_number,tradedCode'),
        (HEADER, "no rows"),
        ("", "the file is empty"),
        (HEADER + "12345678,,4,17", "the file is not whole"),
    ],
)
async def test_a_wrong_file_is_one_error_without_a_part(sandbox: Sandbox, content: str, error: str) -> None:
    assert f"\n,{error}" in await send(sandbox, content)
    assert sandbox.johnlewis.stock == {}


async def test_the_name_counts(sandbox: Sandbox) -> None:  # J3
    assert "the name must be inventory-<20 digits>.csv" in await send(
        sandbox, HEADER + "12345678,,4,17\n", f"{NAME}.tmp"
    )


async def test_a_file_that_is_still_written_is_left_alone(sandbox: Sandbox) -> None:
    async with johnlewis_sftp(sandbox) as files:
        file = await files.open(f"/live/inventory/{NAME}", "wb")
        await file.write((HEADER + "12345678,,4,17\n").encode())
        await sandbox.johnlewis.work_now()
        assert sandbox.johnlewis.arrivals == []
        await file.close()
        await sandbox.johnlewis.work_now()
    assert sandbox.johnlewis.stock["12345678"].free == 17


async def test_or_taken_at_once_whole_or_not(tmp_path: Path) -> None:
    johnlewis = JohnLewisSettings(poll_every=None, pickup="at_once")
    async with Sandbox(SandboxSettings(tmp_path, johnlewis=johnlewis)) as sandbox, johnlewis_sftp(sandbox) as files:
        file = await files.open(f"/live/inventory/{NAME}", "wb")
        await file.write((HEADER + "12345678,,4,1").encode())
        await sandbox.johnlewis.work_now()
        await file.close()

    assert [arrival.outcome for arrival in sandbox.johnlewis.arrivals] == [": the file is not whole"]


async def test_a_file_that_comes_through_another_server_is_left_alone_while_it_is_written(sandbox: Sandbox) -> None:
    path = sandbox.johnlewis.files / "live" / "inventory" / NAME
    with path.open("wb", buffering=0) as file:
        file.write((HEADER + "12345678,,4,17\n").encode())
        await sandbox.johnlewis.work_now()
        assert sandbox.johnlewis.arrivals == []
    await sandbox.johnlewis.work_now()
    assert sandbox.johnlewis.stock["12345678"].free == 17
