"""What commands print: tables, CSV, workbooks, and JSON whose form stays; words that are none; what shells complete."""

import csv
import json
import os
import stat
import subprocess
import sys
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from click.testing import CliRunner
from python_calamine import CalamineWorkbook

from daemon.cli import _COMMANDS, main
from daemon.cli.progress import Progress, working
from daemon.model import LineState
from tests.cli.conftest import Say, answer
from tests.cli.test_commands import an_order, imported, with_orders

#: the form of every document: what stands at its top, and in the first of its rows. Names are added, and never go.
SHAPES: dict[tuple[str, ...], dict[str, str]] = {
    ("status",): {
        "": "now site accounts",
        "accounts": "name marketplace held held_at held_reason jobs pauses listings order_lines orders_waiting gates"
        " set_aside updates_in_doubt",
    },
    ("accounts", "list"): {"accounts": "name marketplace environment active held held_reason"},
    ("jobs", "list"): {
        "jobs": "account job state every last_succeeded_at next_due paused_until detail",
    },
    ("listings", "list", "--account", "redoute"): {
        "listings": "account sku ean channel_item_id channel_status stock price_minor rrp_minor handling_days ended parts"
        " rejection warnings stock_knobs created_at changed_at",
    },
    ("listings", "show", "--account", "redoute", "VASE-GRES"): {
        "listing": "account sku item promotions prices timeline feeds parts",
    },
    ("listings", "validate", "--account", "redoute"): {"": "judged listings"},
    ("orders", "list"): {
        "orders": "id account number incomplete shipping_method payment_method ordered_at received_at changed_at test"
        " lines due_at timeliness",
    },
    ("orders", "show", "--account", "redoute", "O-1"): {
        "order": "id account number lines updates timeline received erased",
    },
    ("feeds", "list"): {"": "feeds"},
    ("feeds", "codes"): {"": "codes"},
    ("gate",): {"": "gates"},
    ("deliveries", "--all"): {
        "deliveries": "id account kind folder name size state reason modified_at received_at confirmed_at"
    },
    ("reference", "list", "--account", "redoute"): {"": "lists"},
    ("backup", "create"): {"backup": "path made_at size sha256 schema sellerd"},
    ("backup", "list"): {"backups": "path made_at size sha256 schema sellerd"},
    ("plan", "--account", "redoute"): {"": "written", "plan": "account as_of feeds updates"},
    ("doctor", "--offline", "--quick"): {"": "ok", "findings": "what verdict found fix"},
    ("check-config",): {"": "config problems warnings"},
    ("users", "list"): {"": "users"},
    ("tokens", "list"): {"": "tokens"},
    ("audit",): {"": "audit"},
}


@pytest.mark.parametrize("words", SHAPES, ids=" ".join)
def test_the_form_of_each_document_stays(
    say: Say, config_path: Path, portal: BlockingPortal, words: tuple[str, ...]
) -> None:  # S3
    imported(say)
    with_orders(config_path, portal, an_order("O-1", LineState.NEW))
    if words[:2] == ("backup", "list"):
        say("backup")
    document = answer(say(*words, "--json"))
    assert document["version"] == 1
    for place, names in SHAPES[words].items():
        assert set(names.split()) <= set(first_of(document[place] if place else document)), place


def first_of(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value[0] if isinstance(value, list) else value
    return found


def test_rows_come_as_csv_and_as_a_workbook_that_keep_eans_whole(say: Say, tmp_path: Path) -> None:  # S3 S1
    imported(say)
    words = ("listings", "list", "--account", "redoute")
    table = list(csv.reader(StringIO(say(*words, "--format", "csv").output.removeprefix("\ufeff"))))
    assert table[0][:2] == ["sku", "ean"]
    assert len(table) == 9

    book = tmp_path / "listings.xlsx"
    assert say(*words, "--output", book).output == ""
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    rows = CalamineWorkbook.from_path(book).get_sheet_by_index(0).to_python()
    assert [[str(cell) for cell in row[:2]] for row in rows] == [row[:2] for row in table]
    assert isinstance(rows[1][1], str)
    assert isinstance(rows[1][4], float | int)
    piped = say(*words, "--format", "xlsx")
    assert CalamineWorkbook.from_filelike(BytesIO(piped.stdout_bytes)).sheet_names == ["sellerd"]
    assert not list(tmp_path.glob(".*"))


def test_json_goes_to_a_file_and_a_wrong_ending_or_two_forms_are_told(say: Say, tmp_path: Path) -> None:  # S3
    imported(say)
    target = tmp_path / "jobs.json"
    assert say("jobs", "--output", target).exit_code == 0
    assert json.loads(target.read_text())["version"] == 1
    assert "say --format" in say("jobs", "--output", tmp_path / "jobs.txt").output
    assert "different things" in say("jobs", "--json", "--format", "csv").output
    assert say("gate", "--format", "table").output == "No gate was ever closed: nothing was sent yet.\n"


def test_deliveries_go_on_behind_the_last_one(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # S3
    imported(say)
    with_orders(config_path, portal, *(an_order(number, LineState.NEW) for number in ("O-1", "O-2", "O-3")))
    words, names = ("deliveries", "--all", "--json", "--limit", 2), []
    page = answer(say(*words))["deliveries"]
    while page:
        names.append([each["name"] for each in page])
        page = answer(say(*words, "--before", page[-1]["id"]))["deliveries"]
    assert names == [["O-3.xml", "O-2.xml"], ["O-1.xml"]]


def test_a_formula_in_a_row_is_a_text(say: Say, config_path: Path) -> None:  # S1
    imported(say)
    assert say("jobs", "pause", "offers", "--account", "redoute", "--reason", "=1+1").exit_code == 0
    rows = say("jobs", "list", "--account", "redoute", "--format", "csv").output.splitlines()
    assert rows[2].endswith(",'=1+1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lisitngs"], "did you mean listings?"),
        (["orders", "lst"], "did you mean list?"),
        (["orders", "shp"], "did you mean ship"),
        (["bakcup", "list"], "did you mean backup?"),
        (["gate", "--jsn"], "--json"),
        (["orders", "zzz"], "there are accept, cancel"),
    ],
)
def test_a_word_that_is_none_gets_a_suggestion(say: Say, words: list[str], told: str) -> None:  # S3
    result = say(*words)
    assert (result.exit_code, told in result.output) == (2, True), result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_is_told_how_to_complete(shell: str) -> None:  # S3
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_SELLERD_COMPLETE={shell}_complete" in result.output


@pytest.mark.parametrize(("line", "completed"), [("sellerd ba", "backup"), ("sellerd jobs pau", "pause")])
def test_commands_and_verbs_are_completed(line: str, completed: str) -> None:  # S3
    asked = {"_SELLERD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    program = "from daemon.cli import main; main(prog_name='sellerd')"
    said = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"plain,{completed}\n"


def test_bash_takes_the_completion() -> None:  # S3
    script = CliRunner().invoke(main, ["completion", "bash"]).output
    done = subprocess.run(["bash", "-c", f"{script}\ncomplete -p sellerd"], capture_output=True, text=True, check=True)
    assert "_sellerd_completion" in done.stdout


def test_progress_is_nothing_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:  # S3
    with working("importing stock", 100) as progress:
        progress.add(50)
    assert capsys.readouterr() == ("", "")


def test_progress_says_how_much_is_done() -> None:  # S3
    progress = Progress("importing stock", 3_000_000)
    since = progress._since
    assert progress.line(since + 2) == "importing stock: 0 % of 3 MiB, 2 s"
    progress.add(1_500_000)
    assert progress.line(since + 7) == "importing stock: 50 % of 3 MiB, 7 s"
    assert Progress("copying").line(since).startswith("copying: ")


def test_every_command_has_an_example_or_is_a_noun() -> None:  # S3
    without = []
    for name in _COMMANDS:
        said = CliRunner().invoke(main, [name, "--help"]).output
        if "Examples:" not in said and "Commands:" not in said:
            without.append(name)
    assert without == ["sandbox", "demo"]
