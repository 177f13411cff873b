"""The orders of John Lewis as they come in real life, each over the sandbox's own server and over OpenSSH."""

import itertools
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_updates
from daemon.store.deliveries import Kept
from daemon.store.orders import Orders
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene
from tests.openssh import openssh

__all__ = ["openssh"]

_SECONDS = itertools.count(1_705_313_701)
NAME = "order-20240115101500000001.txt"
PLAIN = f"""\
"order_number","order_date","shipping_full_name","gift_note"
"Y100000001","2024-01-15T10:01:13","Test Recipient",""
"line_ref","part_number","quantity","description"
"1","{STOCK_NUMBER}","2","Test lamp"
"4"
"""


@pytest.fixture(params=["sandbox", "OpenSSH"])
async def lewis(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    server = request.getfixturevalue("openssh") if request.param == "OpenSSH" else None
    async with scene(tmp_path, "edge", openssh=server) as each:
        await each.want()
        yield each


def incoming(lewis: Scene) -> Path:
    return lewis.sandbox.johnlewis.files / "live" / "incoming"


def drop(lewis: Scene, content: bytes | str, name: str = NAME, *, marked: bool = True) -> None:
    path = incoming(lewis) / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    # A server tells whole seconds: what comes later has a later one.
    second = next(_SECONDS)
    os.utime(path, (second, second))
    if marked:
        (incoming(lewis) / f"{name}.DONE").write_bytes(b"")


def names(lewis: Scene, folder: str = "") -> set[str]:
    return {path.name for path in (incoming(lewis) / folder).iterdir() if path.is_file()}


async def lines(lewis: Scene) -> list[tuple[Any, ...]]:
    return await lewis.all('order_lines l JOIN orders o ON o.id = l."order" ORDER BY o.id', "number", "ref", "quantity")


async def errors(lewis: Scene) -> list[tuple[str, str, bool]]:
    """Severity, kind and whether it is open, of every order error."""
    return [
        (error["severity"], error["kind"], error["open"])
        for order in await lewis.store.views.orders()
        for error in order["errors"]
    ]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace('"4"', "4"),
        PLAIN.replace('"', ""),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.replace("Test lamp", 'Lamp, 27"" shade'),
        PLAIN.replace("Test lamp", 'Lamp, 27" shade'),
        PLAIN.replace("Test lamp", "Lamp\nmade of brass"),
        PLAIN.replace("Test lamp", "Lamp\nmade of brass").replace('"4"', '"5"'),
        PLAIN.replace("Test Recipient", "Zoë").encode("cp1252"),
        PLAIN.replace('"Test Recipient"', '"null"').replace("Test lamp", ""),
        PLAIN.replace("2024-01-15T10:01:13", "Jan 15, 2024 10:01:13"),
        PLAIN.replace("2024-01-15T10:01:13", "the ides of March"),
        PLAIN.replace('"line_ref","part_number"', '"Part_Number"," LINE_REF "').replace(
            f'"1","{STOCK_NUMBER}"', f'"{STOCK_NUMBER}","1"'
        ),
        PLAIN.replace('"description"', '"who_knows"'),
    ],
    ids=[
        *("quoted checksum", "unquoted checksum", "nothing quoted", "CRLF", "BOM", "doubled quotes", "raw quotes"),
        *("newline not counted", "newline counted", "cp1252", "null and empty", "date of the pages", "unknown date"),
        *("columns elsewhere", "unknown column"),
    ],
)
async def test_an_order_is_kept_however_its_file_is_written(lewis: Scene, content: bytes | str) -> None:  # J5
    drop(lewis, content)
    assert (await lewis.turn(download_orders, 10 * MINUTE)).done == 1
    assert await lines(lewis) == [("Y100000001", "1", 2)]
    assert await errors(lewis) == []
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 1


async def test_a_column_that_nobody_knows_is_kept_as_it_came(lewis: Scene) -> None:  # J5
    drop(lewis, PLAIN.replace('"2024-01-15T10:01:13","Test Recipient",""', '"16/04/2021","Test Recipient"," love "'))
    await lewis.turn(download_orders, 10 * MINUTE)
    assert await lewis.all("orders", "ordered_at", "extra") == [
        (None, '{"order_date": "16/04/2021", "gift_note": " love "}')
    ]


async def test_an_upload_that_is_under_way_is_not_touched(lewis: Scene) -> None:  # J5
    drop(lewis, PLAIN[:90], marked=False)
    assert (await lewis.turn(download_orders, 10 * MINUTE)).done == 0
    drop(lewis, PLAIN, marked=False)
    assert (await lewis.turn(download_orders, 20 * MINUTE)).done == 0
    assert await lewis.all("deliveries", "name") == []
    drop(lewis, PLAIN)
    assert (await lewis.turn(download_orders, 30 * MINUTE)).done == 1
    assert await errors(lewis) == []


@pytest.mark.parametrize("length", [60, 150, 190])
async def test_a_marker_that_came_too_early_costs_no_order(lewis: Scene, length: int) -> None:  # J5 J6
    drop(lewis, PLAIN[:length])
    await lewis.turn(download_orders, 10 * MINUTE)
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 0
    drop(lewis, PLAIN)
    await lewis.turn(download_orders, 20 * MINUTE)
    assert await lines(lewis) == [("Y100000001", "1", 2)]
    assert await lewis.all("orders", "incomplete") == [("",)]
    assert {is_open for _, _, is_open in await errors(lewis)} <= {False}
    assert (await lewis.turn(send_updates, 21 * MINUTE)).done == 1


@pytest.mark.parametrize("name", [NAME, NAME.replace("000001.txt", "000002.txt")], ids=["same name", "new name"])
async def test_an_incomplete_order_is_seen_and_completed_later(lewis: Scene, name: str) -> None:  # J6
    drop(lewis, PLAIN.replace('"4"', '"7"'))
    await lewis.turn(download_orders, 10 * MINUTE)
    assert await errors(lewis) == [("high", "incomplete", True)]
    (order,) = await lewis.store.views.orders(errors=True)
    assert order["errors"][0]["text"] == "7 lines were expected by the checksum, 4 were read"
    assert (await lewis.store.views.order_errors())[lewis.name, "high"] == 1
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 0
    drop(lewis, PLAIN, name)
    await lewis.turn(download_orders, 20 * MINUTE)
    assert await errors(lewis) == [("high", "incomplete", False)]
    assert (await lewis.turn(send_updates, 21 * MINUTE)).done == 1
    # Nothing is left to be done, of either file.
    assert (await lewis.turn(download_orders, 30 * MINUTE)).done == 0
    assert names(lewis) == set()
    kept = {NAME, f"{NAME}.2"} if name == NAME else {NAME, name}
    assert {each for each in names(lewis, "processed") if ".DONE" not in each} == kept


async def test_a_file_that_comes_again_unchanged_changes_nothing(lewis: Scene) -> None:  # J14
    for minutes in (10, 20):
        drop(lewis, PLAIN)
        await lewis.turn(download_orders, minutes * MINUTE)
        assert names(lewis) == set()
    assert await lewis.all("deliveries", "name", "state") == [(NAME, "applied")]
    assert await lines(lewis) == [("Y100000001", "1", 2)]


@pytest.mark.parametrize("after_keeping", ["move", "delete"])
async def test_a_file_that_is_put_back_with_its_time_is_read_again(tmp_path: Path, after_keeping: str) -> None:  # J14
    """Who moves a file back leaves its time as it was, and who mends one may set it: only the bytes tell."""
    other = PLAIN.replace('"2","Test lamp"', '"3","Test lamp"')
    notes = []
    async with scene(tmp_path, "edge", after_keeping=after_keeping) as lewis:
        for minutes, content in enumerate((PLAIN, PLAIN, other), 1):
            drop(lewis, content)
            os.utime(incoming(lewis) / NAME, (1_705_313_701, 1_705_313_701))
            notes.append((await lewis.turn(download_orders, minutes * MINUTE)).note)
            assert names(lewis) == (set() if content == PLAIN else {NAME, f"{NAME}.DONE"})
        assert notes[-1] == f"set aside: {NAME}: a file of this name with other content was kept before"
        assert await lines(lewis) == [("Y100000001", "1", 2)]
        assert (await lewis.turn(download_orders, 10 * MINUTE)).note == ""


async def test_a_file_that_stays_where_it_is_is_read_once(lewis: Scene, tmp_path: Path) -> None:  # J14
    (tmp_path / "leaving").mkdir()
    async with scene(tmp_path / "leaving", "edge", after_keeping="leave") as leaving:
        drop(leaving, PLAIN)
        assert (await leaving.turn(download_orders, 10 * MINUTE)).done == 1
        assert (await leaving.turn(download_orders, 20 * MINUTE)).done == 0
        assert names(leaving) == {NAME, f"{NAME}.DONE"}


async def test_a_renamed_file_is_the_same_order(lewis: Scene) -> None:  # J14
    drop(lewis, PLAIN)
    await lewis.turn(download_orders, 10 * MINUTE)
    drop(lewis, PLAIN, "order-20240115101500999999.txt")
    assert (await lewis.turn(download_orders, 20 * MINUTE)).done == 0
    assert await lines(lewis) == [("Y100000001", "1", 2)]
    assert await errors(lewis) == []
    assert names(lewis) == set()


@pytest.mark.parametrize("name", [NAME, "order-20240115101500999999.txt"], ids=["same name", "renamed"])
async def test_an_order_that_comes_again_with_other_content_is_untouched(lewis: Scene, name: str) -> None:  # J14
    drop(lewis, PLAIN)
    await lewis.turn(download_orders, 10 * MINUTE)
    await lewis.turn(send_updates, 11 * MINUTE)
    other = PLAIN.replace('"2","Test lamp"', '"3","Test lamp"').replace("Test Recipient", "Somebody Else")
    drop(lewis, other, name)
    outcome = await lewis.turn(download_orders, 20 * MINUTE)
    assert (outcome.done, outcome.note.startswith(f"set aside: {name}: ")) == (0, True)
    assert await lewis.all("order_lines", "quantity", "state") == [(2, "to_ship")]
    ((shipping,),) = await lewis.all("customers", "shipping")
    assert "Test Recipient" in shipping
    assert await errors(lewis) == [("high", "other_content", True)]
    # It stays at the marketplace, its bytes are here, and it is told once.
    assert names(lewis) == {name, f"{name}.DONE"}
    ((payload,),) = await lewis.all("deliveries WHERE state = 'set_aside'", "payload")
    assert b"".join([chunk async for chunk in lewis.store.payloads.chunks(payload)]) == other.encode()
    assert (await lewis.turn(download_orders, 30 * MINUTE)).note == ""


async def test_another_file_that_takes_the_place_of_a_kept_one_is_not_put_away_unread(lewis: Scene) -> None:  # J14 D9
    drop(lewis, PLAIN)
    other = PLAIN.replace("Test lamp", "Another lamp")
    inbox = lewis.store.deliveries.inbox(lewis.name)
    found = [each async for each in lewis.marketplace.orders(inbox, NOON, NOON)]
    await lewis.store.orders.keep(lewis.name, found, NOON)
    drop(lewis, other)
    await lewis.marketplace.confirm(found[0].file)
    assert names(lewis) == {NAME, f"{NAME}.DONE"}
    outcome = await lewis.turn(download_orders, 20 * MINUTE)
    assert "other content" in outcome.note


async def test_an_order_for_an_unknown_stock_number_is_kept_and_flagged(lewis: Scene) -> None:  # J5 J7
    drop(lewis, PLAIN.replace(STOCK_NUMBER, "99999999"))
    await lewis.turn(download_orders, 10 * MINUTE)
    assert await errors(lewis) == [("medium", "unknown_listing", True)]
    # The customer bought it: the order goes its way.
    assert (await lewis.turn(send_updates, 11 * MINUTE)).done == 1
    await lewis.want(stock_number="99999999")
    assert await errors(lewis) == [("medium", "unknown_listing", False)]
    (order,) = await lewis.store.views.orders()
    assert order["lines"][0]["sku"] == "LAMP-1"


class _InBatches(Orders):
    """The orders of a store, which remembers how many deliveries were kept at a time."""

    def __init__(self, lewis: Scene) -> None:
        super().__init__(lewis.store.database)
        self.sizes: list[int] = []

    async def keep(self, account: Any, deliveries: Any, at: Any) -> Kept:
        self.sizes.append(len(deliveries))
        return await super().keep(account, deliveries, at)


@pytest.mark.parametrize("lewis", ["OpenSSH"], indirect=True)
async def test_thousands_of_files_are_kept_in_one_turn_batch_by_batch(lewis: Scene) -> None:  # J5 D9
    count = 2_000
    for number in range(count):
        content = PLAIN.replace("Y100000001", f"Y{200_000_000 + number}")
        drop(lewis, content, f"order-2024011510150{number:09}.txt")
    drop(lewis, PLAIN[:40], "order-20240115101400000000.txt")
    batches = _InBatches(lewis)
    lewis.store.orders = batches
    tracemalloc.start()
    outcome = await lewis.turn(download_orders, 10 * MINUTE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.done == count
    assert len(await lewis.all("orders", "id")) == count
    assert (sum(batches.sizes), max(batches.sizes)) == (count + 1, 200)
    # Held are the listing, what is known of it, a run of files and the batches before it: not the thousands.
    assert peak < 24 << 20, f"{peak:,} bytes"
    assert names(lewis) == {"order-20240115101400000000.txt", "order-20240115101400000000.txt.DONE"}
    assert (await lewis.turn(download_orders, 20 * MINUTE)).done == 0


async def test_what_was_kept_before_a_cut_is_not_asked_for_again(lewis: Scene) -> None:  # D9 J14
    for number in range(270):
        content = PLAIN.replace("Y100000001", f"Y{200_000_000 + number}")
        drop(lewis, content, f"order-2024011510150{number:09}.txt")

    class Cut(_InBatches):
        async def keep(self, account: Any, deliveries: Any, at: Any) -> Kept:
            if len(self.sizes) == 1:
                raise KeyboardInterrupt
            return await super().keep(account, deliveries, at)

    lewis.store.orders = Cut(lewis)
    with pytest.raises(KeyboardInterrupt):
        await lewis.turn(download_orders, 10 * MINUTE)
    lewis.store.orders = after = _InBatches(lewis)
    assert (await lewis.turn(download_orders, HOUR)).done == 70
    assert after.sizes == [70]
    assert len(await lines(lewis)) == 270
    assert names(lewis) == set()


@pytest.mark.parametrize("after_keeping", ["move", "leave"])
@pytest.mark.parametrize("late", [0.0, 0.4, 20.0])
async def test_a_file_that_changes_within_its_second_is_not_taken_for_the_same(
    tmp_path: Path, after_keeping: str, late: float
) -> None:  # J14
    """Same name, same size, same second: nothing in a listing tells them apart, so the second must be over."""
    async with scene(tmp_path, "edge", after_keeping=after_keeping) as lewis:
        written = (NOON + MINUTE).timestamp() + late
        for content in (PLAIN, PLAIN.replace('"2","Test lamp"', '"3","Test lamp"')):
            drop(lewis, content)
            os.utime(incoming(lewis) / NAME, (written // 1, written // 1))
            await lewis.turn(download_orders, MINUTE)
        await lewis.turn(download_orders, 11 * MINUTE)
        assert await lines(lewis) == [("Y100000001", "1", 3)]
