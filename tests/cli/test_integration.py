"""What integrators touch of the command line: dry runs, workbooks, dispatches, exports, receivers of webhooks."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal
from python_calamine import CalamineWorkbook

from daemon.config import check
from daemon.model import AccountName, Delivery, LineState, Order, OrderLine, OrderNumber, RemoteFile
from daemon.seller.spreadsheets import write_spreadsheet
from daemon.store.webhooks import Wanted
from tests.cli.conftest import RunningDaemon, Say, answer
from tests.seller.conftest import NOON

HOOK = """
[[webhooks]]
name = "erp"
url = "https://erp.example.test/hooks?token=hidden"
secret = { env = "HOOK" }
accounts = ["redoute"]
"""


@pytest.fixture
def hooked(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOK", "made up secret of the tests")
    config_path.write_text(HOOK + config_path.read_text())
    return config_path


def test_a_workbook_is_tried_first_and_its_bad_rows_come_back(say: Say, tmp_path: Path) -> None:  # S1
    file, bad = tmp_path / "stock.xlsx", tmp_path / "bad.xlsx"
    listings = tmp_path / "listings.csv"
    listings.write_text("sku,title\nLAMP-1,Lampe\n")
    say("import", "listings", listings, "--account", "redoute")
    with file.open("wb") as target:
        write_spreadsheet(target, "stock", ["sku", "stock"], [["LAMP-1", 4], ["LAMP-9", 1]])
    tried = say("import", "stock", file, "--account", "redoute", "--dry-run")
    assert "2 rows would do this: 0 created, 1 changed, 0 unchanged, 1 refused." in tried.output
    assert "2\tLAMP-1\tstock\t\t4" in tried.output
    assert answer(say("import", "stock", file, "--account", "redoute", "--dry-run", "--json"))["differing"] == 1
    taken = say("import", "stock", file, "--account", "redoute", "--bad-rows", bad)
    assert "The refused rows are in" in taken.output
    rows = CalamineWorkbook.from_path(str(bad)).get_sheet_by_index(0).to_python()
    assert rows[0] == ["sku", "stock", "fault"]
    assert rows[1][:2] == ["LAMP-9", "1"]
    exported = tmp_path / "listings.xlsx"
    assert say("listings", "export", "--account", "redoute", "--format", "xlsx", "-o", exported).exit_code == 0
    assert exported.stat().st_mode & 0o777 == 0o600
    again = answer(say("import", "listings", exported, "--account", "redoute", "--json"))
    assert (again["rows"], again["unchanged"]) == (1, 1)


def test_dispatches_come_in_by_file_and_orders_go_out_as_a_workbook(
    say: Say, running: RunningDaemon, portal: BlockingPortal, tmp_path: Path
) -> None:  # S1 S2
    order = Order(OrderNumber("O-1"), (OrderLine("L1", 3, LineState.TO_SHIP, ean="0712345678911"),))
    delivery = Delivery(RemoteFile("orders", "O-1.txt", 3), b"O-1", (order,))
    portal.call(running.store.orders.keep, AccountName("lewis"), [delivery], NOON)
    file, exported = tmp_path / "gone.csv", tmp_path / "orders.xlsx"
    file.write_text("order,line,units,carrier,tracking_number\nO-1,L1,2,DPD,T1\nO-2,,,DPD,T2\n")
    told = say("import", "dispatches", file, "--account", "lewis")
    assert told.exit_code == 1
    assert "2 rows: 1 created, 0 changed, 0 unchanged, 1 refused." in told.output
    assert "3\tO-2\torder\tO-2\taccount lewis has no order O-2" in told.output
    assert say("orders", "export", "--account", "lewis", "--format", "xlsx", "-o", exported).exit_code == 0
    (row,) = CalamineWorkbook.from_path(str(exported)).get_sheet_by_index(0).to_python()[1:]
    assert row[1] == "O-1"
    assert "0712345678911" in row


def test_receivers_are_listed_without_their_address_and_told_once_more(
    say: Say, hooked: Path, running: RunningDaemon, portal: BlockingPortal
) -> None:  # S3
    wanted = Wanted("erp", (), ("redoute",))
    portal.call(running.store.webhooks.collect, wanted, NOON)
    portal.call(running.store.accounts.hold, AccountName("redoute"), "no", NOON)
    portal.call(running.store.webhooks.collect, wanted, NOON)
    listed = say("webhooks", "list")
    assert "erp\terp.example.test\t1\t0\t0\t0" in listed.output
    assert "hidden" not in listed.output
    (message,) = answer(say("webhooks", "messages", "erp", "--json"))["messages"]
    assert (message["type"], message["state"]) == ("account.held", "pending")
    assert "account.held" in say("webhooks", "messages", "erp", "--state", "pending", "--limit", 5).output
    since = (NOON - timedelta(hours=1)).isoformat()
    assert "told of 1 events once more" in say("webhooks", "replay", "erp", "--since", since).output
    unknown = say("webhooks", "replay", "crm", "--since", since)
    assert (unknown.exit_code, "there is no webhook crm; configured are: erp" in unknown.output) == (1, True)


def test_nobody_to_be_told_is_said(say: Say) -> None:  # S3
    assert answer(say("webhooks", "list", "--json"))["webhooks"] == []
    say("webhooks")


def test_a_folder_that_is_not_there_is_worth_a_word(config_path: Path) -> None:  # D3
    (config_path.parent / "in").mkdir()
    with config_path.open("a") as file:
        file.write('[accounts.lewis.exchange]\ninbox = "in"\noutbox = "out"\n')
    found = [warning for warning in check(config_path).warnings if "exchange" in warning]
    missing = config_path.parent / "out"
    assert found == [
        f"lewis: the folder {missing} of exchange is not there; make it, the daemon's user must write in it",
    ]


def test_wrong_webhooks_are_told_with_their_place(hooked: Path) -> None:  # D3
    text = hooked.read_text()
    hooked.write_text(HOOK.replace("redoute", "redout") + text)
    problems = "\n".join(check(hooked).problems)
    assert 'webhooks[0].accounts: there is no account "redout"; did you mean redoute?' in problems
    assert 'webhooks[1].name = "erp": another one has it; choose another' in problems
    hooked.write_text(text.replace("https://erp", "http://erp").replace('accounts = ["redoute"]', 'events = ["order"]'))
    problems = "\n".join(check(hooked).problems)
    assert "hidden" not in problems
    assert json.dumps("order") in problems
