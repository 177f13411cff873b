"""The stock file and its errors: bytes, names, and what an error file of unknown layout is taken to mean."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Unreadable
from daemon.marketplaces.edge.marketplace import Edge
from daemon.model import (
    AccountName,
    AnswerLine,
    Feed,
    FeedId,
    FeedKind,
    FeedState,
    RemoteFile,
    StockExtras,
)
from tests.marketplaces.edge.account import account, listing
from tests.marketplaces.edge.golden import golden

FEED = Feed(
    id=FeedId(1),
    account=AccountName("johnlewis-gb"),
    kind=FeedKind.OFFER,
    state=FeedState.SENDING,
    opened_at=datetime(2024, 1, 15, 12, 15, 0, 1, tzinfo=timezone(timedelta(hours=1))),
    size=2,
)
NAME = "inventory-20240115111500000001.csv"


LISTINGS = [listing("12345678", 7, "LAMP-1"), listing("87654321", 0, 'RUG, "large"', handling_days=5)]


def written(**changes: Any) -> bytes:
    file = Edge(account(**changes)).write_feed(FEED)
    return file.head() + file.rows(LISTINGS[:1]) + file.rows(LISTINGS[1:]) + file.tail()


async def read(content: bytes, name: str = f"{NAME}.err", piece: int = 7, **changes: Any) -> list[list[AnswerLine]]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]

    file = RemoteFile("/live/inventory/errors", name, len(content))
    return [batch async for batch in Edge(account(**changes)).read_report(file, chunks())]


def refused(text: str, channel_item_id: str = "") -> AnswerLine:
    return AnswerLine(accepted=False, feed_name=NAME, channel_item_id=channel_item_id, text=text)


def test_a_stock_file_byte_for_byte() -> None:  # J3
    name = Edge(account()).feed_name(FEED)
    assert name == NAME
    assert written(seller_product_code="sku") == golden(name)


@pytest.mark.parametrize(("code", "text"), [("none", b""), ("ean", b"3701234567897"), ("sku", b"LAMP-1")])
def test_the_sellers_product_code_is_a_setting(code: str, text: bytes) -> None:  # J3
    assert b"\n12345678," + text + b",4,7\n" in written(seller_product_code=code)


def test_columns_are_a_setting() -> None:  # J3
    columns = [
        "part_number",
        {"name": "supplier_free_stock", "field": "free_stock"},
        {"name": "allocated", "text": "0"},
    ]
    assert written(stock={"columns": columns}) == (
        b"part_number,supplier_free_stock,allocated\n12345678,7,0\n87654321,0,0\n"
    )


def test_columns_that_a_retailer_wants_besides_are_the_listings_own() -> None:  # J15
    extras = StockExtras(
        back_in_stock_date="2024-01-15",
        low_stock="Y",
        ring_fenced_units="2",
        max_lead_time_days="9",
        product_status="A",
    )
    names = [*(field.name for field in fields(StockExtras)), "sku", "ean"]
    settings = account(stock={"columns": ["part_number", "free_stock", *names, {"name": "depot", "text": "D1"}]})
    file = Edge(settings).write_feed(FEED)
    over = replace(LISTINGS[1], extras=replace(extras, back_in_stock_date="2024-01-14", standard_lead_time_days="5"))
    written = file.rows([replace(LISTINGS[0], extras=extras), over]).decode().splitlines()
    assert written == [
        "12345678,7,2024-01-15,Y,2,4,9,,,A,LAMP-1,3701234567897,D1",
        '87654321,0,,Y,2,5,9,,,A,"RUG, ""large""",3701234567897,D1',  # no day that is over
    ]


async def test_a_table_rejects_the_listings_that_have_a_reason() -> None:  # J4
    assert await read(golden(f"{NAME}.err")) == [
        [
            refused('part number unknown, see "Product status"', "87654321"),
            refused("stock is not a number", "11112222"),
        ]
    ]


async def test_a_reason_without_a_part_number_is_about_the_whole_feed() -> None:  # J4
    assert await read(b"part_number,error\n,no rows\n") == [[refused("no rows")]]


async def test_a_table_without_reasons_rejects_every_listing_in_it() -> None:  # J4
    lines = await read(golden(NAME), name=NAME)
    assert [line.channel_item_id for line in lines[0]] == ["12345678", "87654321"]
    assert all(not line.accepted and line.feed_name == NAME and line.text for line in lines[0])


async def test_columns_of_an_error_file_are_a_setting() -> None:  # J4
    content = b'\r\n" Part_Number ",x\r\n12345678,too many\r\n'
    assert await read(content, stock={"error_columns": ["X"]}) == [[refused("too many", "12345678")]]
    renamed: list[object] = [{"name": "sku_code", "field": "part_number"}, "free_stock"]
    assert await read(b"sku_code,error\n1,bad\n", stock={"columns": renamed}) == [[refused("bad", "1")]]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"The header must be\npart_number\n", "The header must be part_number"),
        (b'"quotes that "do not" end\n', '"quotes that "do not" end'),
        (b"\n\nR\xe9fus\xe9", "Réfusé"),
    ],
)
async def test_any_other_text_rejects_the_whole_feed(content: bytes, text: str) -> None:  # J4
    assert await read(content) == [[refused(text)]]


async def test_a_table_that_says_nothing_rejects_the_whole_feed() -> None:  # J4
    assert await read(b"part_number,error\n12345678,\n") == [[refused(f"{NAME}.err came back without a reason")]]


async def test_a_long_text_is_cut() -> None:
    ((line,),) = await read(b"no!\n" * 10_000, piece=1000)
    assert len(line.text) <= 2000


async def test_batches_are_bounded() -> None:
    rows = b"".join(b"%08d,bad\n" % number for number in range(2001))
    batches = await read(b"part_number,error\n" + rows, piece=4096)
    assert [len(batch) for batch in batches] == [1000, 1000, 1]


@pytest.mark.parametrize("name", [NAME, f"{NAME}.err", "inventory-20240115111500000001_errors.csv", f"x-{NAME}"])
async def test_an_error_file_names_its_feed(name: str) -> None:  # J4
    assert await read(b"bad", name=name) == [[refused("bad")]]


@pytest.mark.parametrize("name", ["inventory-202401151115000000011.csv", "notes.txt", "inventory-2024.csv"])
async def test_a_file_that_names_no_feed_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable, match="names no stock file of ours"):
        await read(b"bad", name=name)


@pytest.mark.parametrize("content", [b"", b" \n\r\n"])
async def test_an_empty_error_file_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable, match="is empty"):
        await read(content)


@pytest.mark.parametrize("piece", [1_000, 300_000])
@pytest.mark.parametrize("end", [b"", b"\n", b",why\n12345678,not ranged\n"])
async def test_a_line_that_is_too_long_is_unreadable_however_it_comes(piece: int, end: bytes) -> None:  # J4
    with pytest.raises(Unreadable, match="line 2: longer than 65,536 bytes"):
        await read(b"part_number,error\n" + b"1" * 200_000 + end, piece=piece)


@given(content=st.binary(max_size=200) | st.text(max_size=100).map(str.encode), piece=st.integers(1, 50))
async def test_any_bytes_are_read_or_unreadable(content: bytes, piece: int) -> None:
    for error_file in (content, b"part_number,error\n" + content):
        try:
            batches = await read(error_file, piece=piece)
        except Unreadable:
            continue
        assert all(line.feed_name == NAME and line.text and not line.accepted for batch in batches for line in batch)
