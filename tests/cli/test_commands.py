"""The command line as a person and as a script have it."""

import csv
import json
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from anyio.from_thread import BlockingPortal
from click.testing import CliRunner

from daemon.cli import _COMMANDS, failures, main
from daemon.cli.site import Site
from daemon.config import load
from daemon.model import (
    AccountName,
    Customer,
    Deadlines,
    Delivery,
    LineState,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.seller.columns import COLUMNS
from daemon.store import Store, open_store
from tests.cli.conftest import CATALOGUE, CONFIG, RunningDaemon, Say, answer
from tests.seller.conftest import NOON

SECRET = "Made Up Lane 5"


def an_order(number: str, state: LineState) -> Delivery[Order]:
    order = Order(
        OrderNumber(number),
        (
            OrderLine("L1", 2, state, title="=Lampe", unit_price=Money(4990, "EUR")),
            OrderLine("L2", 1, state, title="Vase", unit_price=Money(3450, "EUR")),
        ),
        ordered_at=NOON,
        shipping=Customer(name="A. Nobody", lines=(SECRET,), postcode="01000"),
    )
    return Delivery(RemoteFile("orders", f"{number}.xml", 1), number.encode(), (order,))


async def keep(store: Store, *orders: Delivery[Order]) -> None:
    await store.orders.keep(AccountName("redoute"), orders, NOON)


def with_orders(config_path: Path, portal: BlockingPortal, *orders: Delivery[Order]) -> None:
    async def work() -> None:
        async with open_store(load(config_path).database) as store:
            await store.accounts.configure(AccountName("redoute"), "laredoute", "", NOON)
            await keep(store, *orders)

    portal.call(work)


def imported(say: Say) -> None:
    for kind in ("listings", "stock", "prices"):
        result = say("import", kind, CATALOGUE / f"laredoute-{kind}.csv", "--account", "redoute")
        assert result.exit_code == 0, result.output


def test_the_shipped_catalogue_goes_in_whole(say: Say) -> None:  # S1
    imported(say)
    for kind in ("listings", "stock"):
        report = answer(say("import", kind, CATALOGUE / f"johnlewis-{kind}.csv", "--account", "lewis", "--json"))
        assert (report["rows"], report["refused"], report["not_ready"]) == (8, 0, 0)
    found = answer(say("listings", "list", "--account", "redoute", "--json"))["listings"]
    assert len(found) == 8
    assert {listing["parts"]["item"]["state"] for listing in found} == {"pending"}
    assert all(listing["stock"] and listing["price_minor"] for listing in found)
    lewis = answer(say("listings", "list", "--account", "lewis", "--json"))["listings"]
    assert {len(listing["channel_item_id"]) for listing in lewis} == {8}


def test_bad_rows_come_back_to_be_mended_and_imported_again(say: Say, tmp_path: Path) -> None:  # S1
    imported(say)
    file, bad = tmp_path / "stock.csv", tmp_path / "bad.csv"
    file.write_bytes(
        'sku;stock;note\nLAMPE-CHENE;5;ok\nVASE-GRES;many;à voir\nNONE;1;\nPLAID-BLEU;"3;x\n'.encode("cp1252")
    )
    result = say("import", "stock", file, "--account", "redoute", "--bad-rows", bad, "--json")
    assert result.exit_code == 1
    report = answer(result)
    assert (report["rows"], report["changed"], report["refused"]) == (4, 1, 3)
    assert [(fault["line"], fault["column"]) for fault in report["faults"]] == [(3, "stock"), (4, "sku"), (5, "")]
    # A file of dispatches names orders: it is for its owner alone, as every export is.
    assert bad.stat().st_mode & 0o777 == 0o600
    with bad.open(encoding="utf-8-sig", newline="") as rows:
        kept = list(csv.reader(rows, delimiter=";"))
    assert kept[0] == ["sku", "stock", "note", "fault"]
    assert kept[1][:3] == ["VASE-GRES", "many", "à voir"]
    assert kept[1][3].startswith("stock: this is not a number of units; ")
    assert "quotation mark" in kept[3][3]
    kept[1][1] = "4"
    kept[3][:3] = ["PLAID-BLEU", "3", "x"]
    with bad.open("w", encoding="utf-8-sig", newline="") as rows:
        csv.writer(rows, delimiter=";").writerows([kept[0], kept[1], kept[3]])
    again = say("import", "stock", bad, "--account", "redoute", "--bad-rows", bad)
    assert again.exit_code == 0
    assert "2 rows: 0 created, 2 changed, 0 unchanged, 0 refused." in again.output


def test_an_import_says_line_column_and_fix(say: Say, tmp_path: Path) -> None:  # S1
    file = tmp_path / "listings.csv"
    file.write_text("sku,ean,tilte\nA,3.70123E+12,x\nB,,x\n")
    result = say("import", "listings", file, "--account", "redoute")
    assert result.exit_code == 1
    assert "the column tilte is not one that is known, and was passed over; did you mean title?" in result.output
    assert (
        "2\tA\tean\t3.70123E+12\ta spreadsheet has turned the EAN into a rounded number\tits digits are lost"
        in result.output
    )
    assert "3\tB\tthe EAN is missing; the leaf category is missing" in result.output


def test_the_columns_are_printed(say: Say) -> None:  # S1
    result = say("import", "--columns")
    assert result.exit_code == 0
    for columns in COLUMNS.values():
        assert all(f"\t{column.name}\t" in result.output for column in columns)


def test_the_only_account_need_not_be_named(say: Say, config_path: Path) -> None:  # S3
    shop, _ = CONFIG.split("[accounts.lewis]")
    config_path.write_text(shop)
    assert "account redoute has no order NONE" in say("orders", "accept", "NONE").output

    name, rest = "accounts.redoute", config_path.parent / "accounts.d"
    rest.mkdir()
    (rest / "shop.toml").write_text(shop.partition(f"[{name}]")[2].replace(f"{name}.", ""))
    config_path.write_text(shop.partition(f"[{name}]")[0])
    assert "account shop has no order NONE" in say("orders", "accept", "NONE").output

    (rest / "shop.toml").unlink()
    nobody = say("orders", "accept", "NONE")
    assert (nobody.exit_code, nobody.stderr) == (
        78,
        f"Error: {config_path} has no account; see: sellerd check-config\n",
    )


def test_a_file_of_the_state_folder_that_cannot_be_read_is_named(say: Say, config_path: Path) -> None:  # D3
    keys = config_path.parent / "state" / "known_hosts"
    keys.mkdir(parents=True)
    told = say("run")
    assert told.exit_code == 78
    assert f"account lewis: {keys} cannot be read: Is a directory; the daemon's user must be able to" in told.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["import", "prices", "x.csv", "--account", "lewis"], 1, "johnlewis takes no prices"),
        (["import", "stock", "x.csv", "--account", "nobody"], 1, "no account nobody; configured are: lewis, redoute"),
        (["import", "listings", "x.csv", "--account", "redoute"], 1, "line 1: no column sku"),
        (["listings", "retry", "--account", "redoute", "NONE"], 1, "no listing NONE"),
        (["orders", "accept", "--account", "redoute", "NONE"], 1, "no order NONE"),
        (["orders", "resolve", "--account", "redoute", "NONE", "--arrived"], 1, "no order NONE"),
        (["accounts", "release", "redoute"], 1, "redoute is not held"),
        (["accounts", "trust", "nobody"], 1, "no account nobody"),
        (["accounts", "trust", "redoute", "--login", "ftp"], 1, "it has sftp"),
        (["accounts", "trust", "redoute", "--yes"], 69, "127.0.0.1:1"),
        (["reload"], 1, "no daemon runs"),
        (["jobs", "run", "orders", "--account", "redoute"], 1, "no daemon runs"),
        (["jobs", "run", "housekeeping"], 1, "no daemon runs, so housekeeping of the site cannot"),
        (["listings", "list", "--account", "redoute"], 75, "does not exist yet"),
        (["orders", "accept"], 2, "Missing"),
        (["orders", "accept", "NONE"], 2, "say which account it is about: --account lewis or redoute"),
        (["orders", "ship", "X", "--account", "a", "--carrier", "c", "--tracking", "t", "--line", "L=0"], 2, "REF=2"),
        (["orders", "ship", "X", "--account", "a", "--carrier", "c", "--tracking", "t", "--at", "noon"], 2, "instant"),
        (["orders", "list", "--state", "lost"], 2, "there are new, accepted"),
        (["nonsense"], 2, "No such command"),
        (["feeds", "list", "--limit", "5000"], 2, "1<=x<=1000"),
        (["feeds", "show", str(1 << 63)], 2, "is not in the range"),
        (["orders", "list", "--before", str(1 << 63)], 2, "is not in the range"),
        (
            ["import", "stock", "bad.csv", "--account", "lewis", "--bad-rows", "no/folder.csv"],
            74,
            "no/folder.csv.new: No such",
        ),
    ],
)
def test_what_cannot_be_done_is_told_with_its_exit_code(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, told: str
) -> None:  # S3
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("SKU_,price\nA,1\n")
    Path("bad.csv").write_text("sku,stock\nA,many\n")
    result = say(*words)
    assert result.exit_code == code, result.output
    assert told in result.output
    assert "Traceback" not in result.output


def test_a_wrong_configuration_is_told_whole(say: Say, config_path: Path) -> None:  # D3
    config_path.write_text(
        config_path.read_text().replace("EUROPE", "").replace("Europe/London", "London").replace("1001", "")
    )
    for words in (["check-config"], ["reload"], ["accounts", "list"]):
        result = say(*words)
        assert result.exit_code == 78
        assert "vendor_id" in result.output
        assert "time_zone" in result.output
    checked = say("check-config", "--json")
    assert checked.exit_code == 78
    assert len(answer(checked)["problems"]) >= 2


@pytest.mark.parametrize("line", ["[daemon]\nstate_dir = 5", "[web]\nsocket = true"])
def test_a_path_that_is_none_is_told_by_every_command(say: Say, config_path: Path, line: str) -> None:  # D3
    config_path.write_text(f"{line}\n")
    result = say("reload")
    assert result.exit_code == 78
    assert "is no path; run: sellerd check-config" in result.output


def test_more_bad_rows_than_are_told_are_not_called_all(say: Say, tmp_path: Path) -> None:  # S1
    file, bad = tmp_path / "stock.csv", tmp_path / "bad.csv"
    file.write_text("sku,stock\n" + "A,many\n" * 10_001)
    result = say("import", "stock", file, "--account", "redoute", "--bad-rows", bad)
    assert result.exit_code == 1
    assert "10001 refused." in result.output
    assert f"The first 10000 refused rows are in {bad}" in result.output


def test_ctrl_c_has_an_exit_code_of_its_own() -> None:  # S3
    with pytest.raises(click.exceptions.Exit) as ended, failures.told():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130


def test_a_right_configuration_is_right(say: Say, config_path: Path) -> None:  # D3
    result = say("check-config")
    assert result.exit_code == 0, result.output
    assert "is right." in result.output
    assert "run: sellerd accounts trust redoute" in result.output
    assert CliRunner().invoke(main, ["check-config", "--config", str(config_path)]).exit_code == 0


def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # S3
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["status"])
    if not Path("/etc/sellerd/config.toml").exists():
        assert result.exit_code == 78
        assert "--config" in result.output


def test_asking_finds_the_same_places_as_the_daemon(config_path: Path) -> None:
    for text in ("", '[web]\nsocket = "run/here.sock"\n'):
        config_path.write_text(text + config_path.read_text())
        site, config = Site(config_path), load(config_path)
        assert (site.database, site.socket, site.state_dir) == (config.database, config.socket, config.daemon.state_dir)


def test_asking_needs_no_secrets(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:  # S3
    imported(say)
    monkeypatch.delenv("MADE_UP")
    assert say("status").exit_code == 0
    assert say("listings", "list", "--account", "redoute").exit_code == 0
    result = say("listings", "retry", "--account", "redoute", "VASE-GRES")
    assert result.exit_code == 78
    assert "MADE_UP" in result.output


def test_status_and_listings_for_people_and_programs(say: Say) -> None:  # S3
    imported(say)
    status = answer(say("status", "--json"))
    assert [account["name"] for account in status["accounts"]] == ["lewis", "redoute"]
    assert status["accounts"][1]["listings"]["stock"]["pending"] == 8
    assert "redoute\tlistings: price\t8 pending" in say("status").output
    listing = answer(say("listings", "show", "--account", "redoute", "VASE-GRES", "--json"))["listing"]
    assert listing["item"]["title"] == "Vase en grès émaillé"
    shown = say("listings", "show", "--account", "redoute", "VASE-GRES").output
    assert "Vase en grès émaillé" in shown
    assert "imported" in shown
    page = answer(say("listings", "list", "--account", "redoute", "--limit", 2, "--after", "LAMPE-CHENE", "--json"))
    assert [row["sku"] for row in page["listings"]] == ["LAMPE-NOIRE", "MIROIR-ROND"]
    for words in (["gate"], ["deliveries"], ["feeds", "list"]):
        assert say(*words).exit_code == 0
        assert answer(say(*words, "--json")).keys() == {"version", words[0].removesuffix("s") + "s"}
    assert say("feeds", "show", "7").exit_code == 1
    assert say("feeds", "show", "7", "--payload").exit_code == 1


def test_an_order_from_list_to_shipment(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # L13
    with_orders(config_path, portal, an_order("O-1", LineState.NEW), an_order("O/2", LineState.TO_SHIP))
    listed = say("orders", "list")
    assert "L1 2 x new" in listed.output
    assert SECRET not in listed.output + say("orders", "list", "--json").output
    accepted = say("orders", "accept", "--account", "redoute", "O-1", "--line", "L1")
    assert accepted.exit_code == 0, accepted.output
    assert "acceptance of order O-1 noted for L1 (2)" in accepted.output
    assert say("orders", "refuse", "--account", "redoute", "O-1", "--line", "L2", "--reason", "gone").exit_code == 0
    shipped = say(
        *("orders", "ship", "--account", "redoute", "O/2", "--carrier", "Colis", "--tracking", "T 1"),
        *("--line", "L1=2", "--line", "L2", "--at", "2026-03-02T13:00:00+01:00"),
    )
    assert shipped.exit_code == 0, shipped.output
    order = answer(say("orders", "show", "--account", "redoute", "O/2", "--json"))["order"]
    (update,) = order["updates"]
    assert [(line["ref"], line["quantity"]) for line in update["lines"]] == [("L1", 2), ("L2", 1)]
    assert update["parcel"] == {
        "carrier": "Colis",
        "tracking_number": "T 1",
        "shipped_at": "2026-03-02T12:00:00.000Z",
        "tracking_url": "https://carrier.example.test/track/T%201",
    }
    early = say("orders", "ship", "--account", "redoute", "O-1", "--carrier", "Colis", "--tracking", "T1")
    assert early.exit_code == 1
    assert "to_ship" in early.output
    assert SECRET not in say("orders", "show", "--account", "redoute", "O-1").output
    assert SECRET in say("orders", "show", "--account", "redoute", "O-1", "--personal").output


def test_an_order_is_cancelled_by_what_is_possible(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # L14
    with_orders(config_path, portal, an_order("O-1", LineState.NEW), an_order("O/2", LineState.SHIPPED))
    one = say("orders", "cancel", "--account", "redoute", "O-1", "--line", "L2", "--reason", "the customer called")
    assert one.exit_code == 0, one.output
    assert "refusal of order O-1 noted for L2 (1); it is sent at the next turn" in one.output
    rest = say("orders", "cancel", "--account", "redoute", "O-1")
    assert "refusal of order O-1 noted for L1 (2)" in rest.output
    assert "Left out: line L2 of order O-1 is new: 0 of its 1 units can be" in rest.output
    whole = say("orders", "cancel", "--account", "redoute", "O/2")
    assert "refund of order O/2 noted for L1 (2), L2 (1)" in whole.output
    part = say("orders", "cancel", "--account", "redoute", "O/2", "--line", "L1=1")
    assert part.exit_code == 1
    assert "line L1 of order O/2 is shipped" in part.output


def test_out_of_stock_is_said_by_a_switch(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # L13
    with_orders(config_path, portal, an_order("O-1", LineState.NEW))
    assert say("orders", "refuse", "--account", "redoute", "O-1", "--out-of-stock").exit_code == 0
    order = answer(say("orders", "show", "--account", "redoute", "O-1", "--json"))["order"]
    assert {line["out_of_stock"] for line in order["updates"][0]["lines"]} == {True}


def test_orders_that_are_late_say_so(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # L12
    with_orders(config_path, portal, an_order("O-1", LineState.NEW), an_order("O/2", LineState.SHIPPED))

    async def hurry() -> None:
        async with open_store(load(config_path).database) as store:
            terms = Deadlines(accept_within=timedelta(hours=24))
            await store.accounts.configure(AccountName("redoute"), "laredoute", "", NOON, terms)

    portal.call(hurry)
    late = say("orders", "list", "--late").output
    assert "LATE since 2026-03-03T12:00:00.000Z" in late
    assert "O/2" not in late
    assert "redoute\torders late\t1\tsee: sellerd orders list --late" in say("status").output


def test_orders_of_which_something_is_wrong_say_so(
    say: Say, config_path: Path, portal: BlockingPortal
) -> None:  # J6 J5
    bad = replace(
        an_order("O-1", LineState.NEW), body=(Order(OrderNumber("O-1"), (), incomplete="4 expected, 3 read"),)
    )
    line = OrderLine("L1", 1, LineState.NEW, channel_item_id="99999999")
    stranger = replace(an_order("O-2", LineState.NEW), body=(Order(OrderNumber("O-2"), (line,)),))
    with_orders(config_path, portal, bad, stranger, an_order("O-3", LineState.NEW))
    listed = say("orders", "list", "--errors").output
    assert "INCOMPLETE: 4 expected, 3 read" in listed
    assert "unknown_listing: line L1: no listing has the channel item id 99999999" in listed
    assert "O-3" not in listed
    shown = say("orders", "show", "--account", "redoute", "O-1").output
    assert "high\tincomplete\t\t4 expected, 3 read\t2026-03-02T12:00:00.000Z" in shown
    told = say("status").output
    for severity in ("high", "medium"):
        assert f"redoute\torder errors: {severity}\t1\tsee: sellerd orders list --errors" in told
    as_json = answer(say("orders", "list", "--errors", "--json"))["orders"]
    assert [[error["kind"] for error in order["errors"]] for order in as_json] == [["unknown_listing"], ["incomplete"]]


def test_an_export_is_for_the_eyes_of_its_owner(
    say: Say, config_path: Path, portal: BlockingPortal, tmp_path: Path
) -> None:  # S2
    with_orders(config_path, portal, an_order("O-1", LineState.TO_SHIP))
    file = tmp_path / "orders.csv"
    file.write_text("older")
    file.chmod(0o644)
    assert say("orders", "export", "--account", "redoute", "-o", file).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(encoding="utf-8-sig", newline="") as rows:
        first, _ = csv.DictReader(rows)
    assert (first["title"], first["shipping_postcode"], first["shipping_lines"]) == ("'=Lampe", "01000", SECRET)
    exported = say("orders", "export", "--account", "redoute", "--format", "json", "--since", "2026-03-02T12:00")
    assert [order["number"] for order in json.loads(exported.stdout)["orders"]] == ["O-1"]
    later = say("orders", "export", "--account", "redoute", "--format", "json", "--since", "2026-03-03")
    assert json.loads(later.stdout) == {"version": 1, "orders": []}


def test_with_a_daemon_changes_go_through_its_socket(
    say: Say, running: RunningDaemon, portal: BlockingPortal
) -> None:  # S3
    assert stat.S_IMODE(running.config.socket.stat().st_mode) == 0o600
    imported(say)
    assert say("reload").exit_code == 0
    assert say("jobs", "run", "orders", "--account", "redoute").exit_code == 0
    unknown = say("jobs", "run", "nonsense", "--account", "redoute")
    assert (unknown.exit_code, "no job nonsense" in unknown.output) == (1, True)
    assert "the site has no job nonsense" in say("jobs", "run", "nonsense").output
    assert say("jobs", "run", "two", "jobs").exit_code == 2
    assert running.asked == ["reload", "redoute orders"]
    portal.call(running.store.accounts.hold, AccountName("redoute"), "the password was refused", NOON)
    assert "NEEDS A PERSON" in say("status").output
    assert answer(say("accounts", "list", "--json"))["accounts"][1]["held_reason"] == "the password was refused"
    assert say("accounts", "release", "redoute").exit_code == 0
    assert not answer(say("accounts", "list", "--json"))["accounts"][1]["held"]


def test_a_database_that_is_in_use_by_somebody_silent(
    say: Say, config_path: Path, portal: BlockingPortal
) -> None:  # S3
    with portal.wrap_async_context_manager(open_store(load(config_path).database)):
        result = say("import", "stock", CATALOGUE / "laredoute-stock.csv", "--account", "redoute")
        assert result.exit_code == 75
        assert "in use by another sellerd" in result.output
        assert "no control socket" in result.output


def test_a_socket_that_a_crash_left_is_passed_over(say: Say, running: RunningDaemon, tmp_path: Path) -> None:  # S3
    left = tmp_path / "elsewhere"
    left.mkdir()
    config = tmp_path / "other.toml"
    config.write_text(running.path.read_text().replace('"state"', '"elsewhere"'))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left / "control.sock"))
    result = CliRunner().invoke(
        main,
        [
            "--config",
            str(config),
            "import",
            "listings",
            str(CATALOGUE / "laredoute-listings.csv"),
            "--account",
            "redoute",
        ],
    )
    assert result.exit_code == 0, result.output


def every_command(group: Any = main, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name in group.list_commands(None):
        if (command := group.get_command(None, name)) is None:
            continue
        found.append((*words, name))
        if hasattr(command, "list_commands"):
            found += every_command(command, (*words, name))
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:  # S3
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_help_is_quick_and_names_the_exit_codes() -> None:  # S3
    started = time.monotonic()
    script = (
        "import sys; from daemon.cli import main; main(['--help'], standalone_mode=False);"
        " heavy = {'fastapi', 'pydantic', 'aiosqlite', 'httpx', 'asyncssh', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert all(f"  {code}  " in done.stdout for code in (0, 1, 2, 69, 70, 75, 78))
    assert all(f"  {name} " in done.stdout for name in _COMMANDS)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("noun", [["feeds"], ["listings", "--account", "redoute"], ["orders"]])
def test_a_noun_alone_lists(say: Say, noun: list[str]) -> None:  # S3
    imported(say)
    alone = say(*noun, "--json")
    listed = say(noun[0], "list", *noun[1:], "--json")
    assert alone.exit_code == 0, alone.output
    assert alone.output == listed.output
    assert json.loads(alone.output)["version"] == 1


def test_a_customer_is_forgotten_on_request(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # D12
    with_orders(config_path, portal, an_order("O-1", LineState.SHIPPED), an_order("O-2", LineState.TO_SHIP))
    words = ("orders", "erase", "--account", "redoute", "--reason", "asked on 2 March")
    assert SECRET in say("orders", "show", "--account", "redoute", "O-1", "--personal").output

    unasked = say(*words, "O-1")
    erased = say(*words, "O-1", "--yes")

    assert unasked.exit_code == 1
    assert (erased.exit_code, "the bytes of 1 deliveries" in erased.output) == (0, True)
    shown = say("orders", "show", "--account", "redoute", "O-1", "--personal").output
    assert SECRET not in shown
    assert "customer erased" in shown
    assert "its line L1 is to_ship" in say(*words, "O-2", "--yes").output
