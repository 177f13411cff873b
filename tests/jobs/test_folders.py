"""Files through folders: taken when complete, once, with the bad rows back; orders laid out once, whole or not at all."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from daemon.errors import Unreachable
from daemon.jobs import Outcome, Run
from daemon.jobs.folders import exchange_files
from daemon.marketplaces import Marketplace
from daemon.model import (
    AccountName,
    Customer,
    Delivery,
    LineState,
    Moment,
    Order,
    OrderLine,
    OrderNumber,
    Parcel,
    RemoteFile,
    Sku,
    UpdateKind,
)
from daemon.seller.inbox import LARGEST
from daemon.seller.spreadsheets import write_spreadsheet
from daemon.settings import AccountSettings
from daemon.store import Store, open_store
from tests.seller.conftest import NOON, lewis, redoute

REDOUTE, LEWIS = AccountName("redoute"), AccountName("lewis")
LISTINGS = b"sku,title\nLAMP-1,Lampe\nLAMP-2,Table\n"
MARK = "20260302T120100Z"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as opened:
        for name, marketplace in (("redoute", "laredoute"), ("lewis", "johnlewis")):
            await opened.accounts.configure(AccountName(name), marketplace, "", NOON)
        yield opened


@dataclass
class Exchange:
    """An account with folders; each turn is a minute after the one before."""

    store: Store
    account: AccountSettings
    at: datetime = NOON

    @property
    def inbox(self) -> Path:
        assert self.account.exchange.inbox is not None
        return self.account.exchange.inbox

    @property
    def outbox(self) -> Path:
        assert self.account.exchange.outbox is not None
        return self.account.exchange.outbox

    async def turn(self) -> Outcome:
        now = Moment(self.at, "boot-1", 1, synchronised=True)
        self.at += timedelta(minutes=1)
        return await exchange_files(Run(self.account, now, self.store, cast("Marketplace", None), lambda: now))

    def drop(self, name: str, content: bytes, *, modified: int = 1_772_000_000) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        os.utime(path, (modified, modified))
        return path

    def there(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.inbox / folder).iterdir()) if (self.inbox / folder).exists() else []

    def result(self, folder: str) -> dict[str, Any]:
        (path,) = (self.inbox / folder).glob("*.result.json")
        return cast("dict[str, Any]", json.loads(path.read_text()))

    async def stock(self, sku: str) -> int | None:
        listing = await self.store.views.listing(AccountName(self.account.name), Sku(sku)) or {}
        return cast("int | None", listing.get("stock"))


@pytest.fixture
async def exchange(store: Store, tmp_path: Path) -> Exchange:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    found = Exchange(store, redoute(exchange={"inbox": tmp_path / "in", "outbox": tmp_path / "out"}))
    found.drop("listings-1.csv", LISTINGS)
    await found.turn()
    await found.turn()
    for path in (tmp_path / "in" / "done").iterdir():
        path.unlink()
    return replace(found, at=NOON)


async def test_a_file_is_imported_when_it_looks_the_same_twice_and_moved_with_its_result(
    exchange: Exchange,
) -> None:  # S1
    exchange.drop("stock-1.csv", b"sku,stock\nLAMP-1,3\n")
    assert (await exchange.turn()).done == 0
    assert (await exchange.turn()).done == 1
    assert await exchange.stock("LAMP-1") == 3
    assert exchange.there("done") == [f"stock-1.{MARK}-2.csv", f"stock-1.{MARK}-2.result.json"]
    told = exchange.result("done")
    assert (told["file"], told["changed"], told["refused"]) == ("stock-1.csv", 1, 0)
    assert not list(exchange.inbox.glob("*.csv"))
    assert (await exchange.turn()).done == 0


async def test_a_file_that_is_still_being_written_is_never_taken(exchange: Exchange) -> None:  # S1
    path = exchange.drop("stock-1.csv", b"sku,stock\nLAMP-1,3\n")
    for size in range(4):
        await exchange.turn()
        with path.open("ab") as file:
            file.write(b"LAMP-2,%d\n" % size)
    exchange.drop(".stock-2.csv", b"sku,stock\nLAMP-2,9\n")
    exchange.drop("stock-3.csv.part", b"sku,stock\nLAMP-2,9\n")
    assert await exchange.stock("LAMP-2") is None
    await exchange.turn()
    await exchange.turn()
    assert exchange.result("failed")["refused"] == 3
    assert await exchange.stock("LAMP-2") == 0
    assert sorted(path.name for path in exchange.inbox.iterdir() if path.is_file()) == [
        ".stock-2.csv",
        "stock-3.csv.part",
    ]


async def test_a_workbook_with_bad_rows_comes_back_and_the_mended_rows_go_in(exchange: Exchange) -> None:  # S1
    content = BytesIO()
    write_spreadsheet(content, "stock", ["sku", "stock"], [["LAMP-1", 4], ["LAMP-9", 1], ["LAMP-2", "x"]])
    exchange.drop("Stock 2026.xlsx", content.getvalue())
    await exchange.turn()
    await exchange.turn()
    assert await exchange.stock("LAMP-1") == 4
    name = f"Stock 2026.{MARK}-2"
    assert exchange.there("failed") == [f"{name}.bad-rows.xlsx", f"{name}.result.json", f"{name}.xlsx"]
    told = exchange.result("failed")
    assert [(fault["line"], fault["code"]) for fault in told["faults"]] == [(3, "unknown_sku"), (4, "bad_value")]
    # The very file of the bad rows, dropped back, is known by its name and refused again for the same reasons.
    (exchange.inbox / "failed" / f"{name}.bad-rows.xlsx").rename(exchange.inbox / f"{name}.bad-rows.xlsx")
    await exchange.turn()
    assert (await exchange.turn()).note.startswith("0 files imported, 1 with faults")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("report.csv", b"sku,stock\nLAMP-1,3\n", "the name does not say what is in it"),
        ("stockings.csv", b"sku,stock\nLAMP-1,3\n", "the name does not say what is in it"),
        ("stock.csv", b"a,b\n", "line 1: no column sku"),
        ("stock.xlsx", b"PK\x03\x04 no workbook", "damaged"),
        ("stock.csv", b"", "line 1: the file is empty"),
    ],
)
async def test_what_cannot_be_read_is_put_aside_with_the_reason(
    exchange: Exchange, name: str, content: bytes, told: str
) -> None:  # S1 D9
    exchange.drop(name, content)
    exchange.drop("stock-2.csv", b"sku,stock\nLAMP-2,8\n", modified=1_772_000_100)
    await exchange.turn()
    await exchange.turn()
    assert told in exchange.result("failed")["error"]
    # It blocks nothing behind it.
    assert await exchange.stock("LAMP-2") == 8


async def test_what_is_no_file_is_left_alone_and_what_is_too_large_is_not_read(
    exchange: Exchange, tmp_path: Path
) -> None:  # S1
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"sku,stock\nLAMP-1,7\n")
    (exchange.inbox / "stock-link.csv").symlink_to(secret)
    os.mkfifo(exchange.inbox / "stock-pipe.csv")
    (exchange.inbox / "stock-folder.csv").mkdir()
    with (exchange.inbox / "stock-huge.csv").open("wb") as file:
        file.truncate(LARGEST + 1)
    await exchange.turn()
    await exchange.turn()
    assert "larger than 1024 MiB" in exchange.result("failed")["error"]
    assert await exchange.stock("LAMP-1") is None
    assert {path.name for path in exchange.inbox.iterdir()} >= {"stock-link.csv", "stock-pipe.csv", "stock-folder.csv"}


async def test_a_figure_that_comes_back_is_taken_again_and_the_same_file_is_not(exchange: Exchange) -> None:  # S1
    for minute, figure in enumerate((5, 3, 5)):
        exchange.drop("stock.csv", b"sku,stock\nLAMP-1,%d\n" % figure, modified=1_772_000_000 + minute)
        await exchange.turn()
        await exchange.turn()
        assert await exchange.stock("LAMP-1") == figure
    # A tool that lays the same file down again, with its time, brings nothing new.
    exchange.drop("stock.csv", b"sku,stock\nLAMP-1,3\n", modified=1_772_000_001)
    await exchange.turn()
    assert (await exchange.turn()).done == 1
    assert await exchange.stock("LAMP-1") == 5


class Crash(Exception):
    """The process ends here."""


class CrashingFolders:
    """The store's folders, where the process ends before or after one step."""

    def __init__(self, store: Store, step: str, *, after: bool) -> None:
        self._folders, self._step, self._after = store.folders, step, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._folders, name)
        if name != self._step:
            return real

        async def crash(*given: Any, **named: Any) -> Any:
            if self._after:
                await real(*given, **named)
            raise Crash

        return crash


async def an_order(store: Store, number: str, *, incomplete: str = "", account: AccountName = LEWIS) -> None:
    lines = (OrderLine("L1", 3, LineState.TO_SHIP, ean="0712345678911"),)
    order = Order(OrderNumber(number), lines, shipping=Customer(name="A. Nobody"), incomplete=incomplete)
    file = RemoteFile("orders", f"{number}{incomplete[:1]}.txt", 3)
    content = f"{number}{incomplete}".encode()
    await store.orders.keep(account, [Delivery(file, content, (order,))], NOON + timedelta(minutes=1))


@pytest.mark.parametrize("step", ["take", "finished"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_at_any_step_leaves_a_dispatch_said_once(
    store: Store, tmp_path: Path, step: str, after: bool
) -> None:  # S1 J8
    (tmp_path / "in").mkdir()
    exchange = Exchange(store, redoute(exchange={"inbox": tmp_path / "in"}))
    await an_order(store, "O-1", account=REDOUTE)
    # Neither a tracking number nor an instant tells these parcels apart from others: the taking does.
    exchange.drop("dispatches-1.csv", b"order,line,units,carrier\nO-1,L1,3,DPD\n")
    await exchange.turn()
    real = store.folders
    store.folders = cast("Any", CrashingFolders(store, step, after=after))
    with pytest.raises(Crash):
        await exchange.turn()
    store.folders = real
    await exchange.turn()
    await exchange.turn()
    order = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=False) or {}
    assert [[line["quantity"] for line in update["lines"]] for update in order["updates"]] == [[3]]
    assert len(exchange.there("done")) == 2
    # The same dispatches under another name are the same dispatches.
    exchange.drop("dispatches-2.csv", b"order,line,units,carrier\nO-1,L1,3,DPD\n", modified=1_772_000_900)
    await exchange.turn()
    await exchange.turn()
    order = await store.views.order(REDOUTE, OrderNumber("O-1"), personal=False) or {}
    assert len(order["updates"]) == 1
    (told,) = (exchange.inbox / "done").glob("dispatches-2*.result.json")
    assert json.loads(told.read_text())["imported_before_as"] == "dispatches-1.csv"


async def test_orders_are_laid_out_whole_once_each(store: Store, tmp_path: Path) -> None:  # S2
    (tmp_path / "out").mkdir()
    account = lewis().model_copy(update={"exchange": redoute(exchange={"outbox": tmp_path / "out"}).exchange})
    exchange = Exchange(store, account)
    await exchange.turn()
    await an_order(store, "O/1")
    await an_order(store, "O-2", incomplete="1 of 2 lines")
    assert (await exchange.turn()).done == 1
    (path,) = exchange.outbox.iterdir()
    assert path.name.startswith("order-O%2F1-")
    assert oct(path.stat().st_mode & 0o777) == "0o640"
    (order,) = json.loads(path.read_text())["orders"]
    assert (order["number"], order["shipping"]["name"]) == ("O/1", "A. Nobody")
    path.unlink()
    assert (await exchange.turn()).done == 0
    # A crash between the writing and the noting writes the same file once more.
    await an_order(store, "O-3")
    real = store.folders
    store.folders = cast("Any", CrashingFolders(store, "laid_out", after=False))
    with pytest.raises(Crash):
        await exchange.turn()
    store.folders = real
    (first,) = exchange.outbox.iterdir()
    content = first.read_bytes()
    assert (await exchange.turn()).done == 1
    assert [(path.name, path.read_bytes()) for path in exchange.outbox.iterdir()] == [(first.name, content)]


async def test_orders_of_before_there_was_an_outbox_stay_where_they_are(store: Store, tmp_path: Path) -> None:  # S2
    (tmp_path / "out").mkdir()
    await an_order(store, "O-1")
    account = lewis().model_copy(
        update={"exchange": redoute(exchange={"outbox": tmp_path / "out", "changes": True, "orders": "csv"}).exchange}
    )
    exchange = Exchange(store, account, NOON + timedelta(minutes=2))
    assert (await exchange.turn()).done == 0
    exchange = replace(exchange, at=NOON + timedelta(minutes=3))
    file = RemoteFile("orders", "O-2.txt", 3)
    order = Order(OrderNumber("O-2"), (OrderLine("L1", 3, LineState.TO_SHIP),))
    await store.orders.keep(LEWIS, [Delivery(file, b"O-2", (order,))], exchange.at)
    await exchange.turn()
    said = {"legal_moves": account.legal_moves, "at": NOON, "parcel": Parcel("DPD", "T1", "", NOON)}
    await store.updates.open(LEWIS, OrderNumber("O-2"), UpdateKind.DISPATCH, [("L1", 1)], **cast("Any", said))
    (due,) = await store.updates.due(LEWIS)
    await store.updates.sending(due.id, "O-2.ack", b"x", NOON)
    await store.updates.sent(due.id, account.update_answer_wait, NOON)
    await exchange.turn()
    names = sorted(path.name for path in exchange.outbox.iterdir())
    assert len(names) == 2
    assert all(name.startswith("order-O-2-") and name.endswith(".csv") for name in names)


async def test_a_folder_that_is_not_there_is_told_and_holds_the_other_back_from_nothing(
    exchange: Exchange,
) -> None:  # D9
    (exchange.inbox / "done").rmdir()
    exchange.inbox.rmdir()
    await an_order(exchange.store, "O-1")
    with pytest.raises(Unreachable, match="the inbox .* cannot be read: No such file or directory"):
        await exchange.turn()
    exchange.outbox.rmdir()
    exchange.inbox.mkdir()
    order = Order(OrderNumber("O-9"), (OrderLine("L1", 3, LineState.NEW),))
    file = RemoteFile("orders", "O-9.xml", 3)
    await exchange.store.orders.keep(REDOUTE, [Delivery(file, b"O-9", (order,))], NOON + timedelta(hours=1))
    exchange.drop("stock-1.csv", b"sku,stock\nLAMP-1,3\n")
    for _ in range(2):
        with pytest.raises(Unreachable, match="the outbox .* cannot be written"):
            await exchange.turn()
    assert await exchange.stock("LAMP-1") == 3


def test_one_folder_cannot_be_both() -> None:  # D3
    with pytest.raises(ValidationError, match="inbox and outbox are one folder"):
        redoute(exchange={"inbox": "x", "outbox": "x"})


async def test_a_name_that_is_no_text_is_told(exchange: Exchange) -> None:  # D9
    Path(os.fsdecode(os.fsencode(exchange.inbox) + b"/stock-\xff.csv")).write_bytes(b"sku,stock\n")
    with pytest.raises(Unreachable, match="is no text; rename it"):
        await exchange.turn()
