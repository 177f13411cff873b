"""The commands about listings and codes as a person and as a script have them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from daemon.config import load
from daemon.model import AccountName, AnswerLine, Feed, FeedKind, Sku
from daemon.seller.reference import REFERENCE_COLUMNS
from daemon.store import Store, open_store
from tests.cli.conftest import CATALOGUE, Say, answer
from tests.seller.conftest import NOON, redoute
from tests.store.conftest import moment

REDOUTE = AccountName("redoute")
VASE = Sku("VASE-GRES")


@pytest.fixture
def catalogue(say: Say) -> None:
    result = say("import", "listings", CATALOGUE / "laredoute-listings.csv", "--account", "redoute")
    assert result.exit_code == 0, result.output


def reject(config_path: Path, portal: BlockingPortal, times: int) -> None:
    """Let the marketplace turn one listing down, so many times, with another try between."""

    async def once(store: Store, number: int) -> None:
        feed = await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.ITEM], moment(timedelta(minutes=number)))
        assert isinstance(feed, Feed)

        async def content() -> AsyncIterator[bytes]:
            yield b"items"

        payload, _ = await store.payloads.write(content(), NOON)
        await store.feeds.spooled(feed, f"items-{feed.id}.xml", payload, NOON)
        line = AnswerLine(False, feed_name=f"items-{feed.id}.xml", sku=VASE, text="MARQUE INCONNUE")
        await store.answers.apply(REDOUTE, [line], NOON)
        if number < times - 1:
            await store.rejections.retry(REDOUTE, VASE, NOON)

    async def work() -> None:
        async with open_store(load(config_path).database) as store:
            for number in range(times):
                await once(store, number)

    portal.call(work)


def test_a_validation_tells_faults_and_warnings_and_changes_nothing(
    say: Say, catalogue: None, tmp_path: Path
) -> None:  # L4 L5
    assert say("listings", "validate", "--account", "redoute").exit_code == 0
    file = tmp_path / "wrong.csv"
    file.write_text(f"sku,category,title,description\n{VASE},Vases,{'V' * 51},<p>Un <font>vase</font> en grès</p>\n")
    result = say("import", "listings", file, "--account", "redoute")
    assert result.exit_code == 1
    assert "1 listing was imported, but cannot be sent as they are:" in result.output
    assert (
        "2\tVASE-GRES\ttitle\tthe title has 51 characters, and more than 50 may be cut off\tshorten it" in result.output
    )
    result = say("listings", "validate", "--account", "redoute")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "sku\tkind\tfield\trule\tproblem\tfix"
    assert [line.split("\t")[:4] for line in lines[1:]] == [
        ["VASE-GRES", "error", "category", "L4"],
        ["VASE-GRES", "error", "description", "L5"],
        ["VASE-GRES", "warning", "title", "C7"],
    ]
    assert "8 listings: 1 would not be sent, 1 have warnings." in result.stderr
    assert say("listings", "validate", "--account", "redoute", "MIROIR-ROND").exit_code == 0
    said = answer(say("listings", "validate", "--account", "redoute", VASE, "--json"))
    assert (said["judged"], [each["sku"] for each in said["listings"]]) == (1, [VASE])
    result = say("listings", "validate", "--account", "redoute", "NONE")
    assert (result.exit_code, "no listing NONE" in result.output) == (1, True)
    assert "takes no items" in say("listings", "validate", "--account", "lewis").output


def test_warnings_are_shown_with_the_listing(say: Say, catalogue: None, tmp_path: Path) -> None:  # L5
    file = tmp_path / "long.csv"
    file.write_text(f"sku,title\n{VASE},{'V' * 51}\n")
    assert say("import", "listings", file, "--account", "redoute").exit_code == 0
    result = say("listings", "list", "--account", "redoute", "--warnings")
    assert result.output.splitlines()[1].split("\t")[:3] == [VASE, "title", "C7"]
    assert "the title has 51 characters" in say("listings", "show", "--account", "redoute", VASE).output
    listed = answer(say("listings", "list", "--account", "redoute", "--warnings", "--json"))["listings"]
    assert [each["sku"] for each in listed] == [VASE]


def test_a_blocked_listing_is_shown_with_the_reason_and_unblocked(
    say: Say, catalogue: None, config_path: Path, portal: BlockingPortal
) -> None:  # L2
    reject(config_path, portal, 3)
    why = "rejected 3 times in a row with the same words"
    listed = say("listings", "list", "--account", "redoute", "--blocked").output.splitlines()
    assert len(listed) == 2
    assert f"Update Item Error: MARQUE INCONNUE (blocked: {why})" in listed[1]
    shown = say("listings", "show", "--account", "redoute", VASE).output
    assert "\tUpdate Item Error: MARQUE INCONNUE\t" in shown
    assert why in shown
    result = say("listings", "retry", "--account", "redoute", VASE)
    assert result.exit_code == 1
    assert f"sellerd listings unblock --account redoute {VASE}" in result.output
    assert say("listings", "unblock", "--account", "redoute", VASE).output == f"{VASE} will be sent again.\n"
    result = say("listings", "unblock", "--account", "redoute", VASE, "NONE")
    assert result.exit_code == 1
    assert "nothing to unblock" in result.output
    assert "no listing NONE" in result.output
    assert say("listings", "list", "--account", "redoute", "--blocked").output.count("\n") == 1


def test_codes_are_imported_and_listed(say: Say, catalogue: None, tmp_path: Path) -> None:  # L4
    file = tmp_path / "categories.csv"
    file.write_text("code;label;leaf;required;declines\nS10482;Lampes;yes;;A0485 A1303\nS1;Maison;no;;\n")
    result = say("reference", "import", "categories", file, "--account", "redoute")
    # Every other listing of the catalogue stands in a category that this list does not know.
    assert result.exit_code == 1
    assert "2 rows were taken over." in result.output
    assert "8 listings: 0 can be sent now, 6 are held back now." in result.output
    lists = answer(say("reference", "--account", "redoute", "--json"))["lists"]
    assert [(each["kind"], each["size"]) for each in lists] == [("categories", 2)]
    listed = say("reference", "list", "categories", "--account", "redoute", "--find", "lampe").output.splitlines()
    assert listed[1:] == ["S10482\tLampes\tyes\t\tA0485 A1303"]
    codes = answer(say("reference", "list", "brands", "--account", "redoute", "--json"))["codes"]
    assert codes == []


def test_a_list_with_a_bad_row_is_refused_with_line_and_fix(say: Say, catalogue: None, tmp_path: Path) -> None:  # L4
    file = tmp_path / "brands.csv"
    file.write_text("code;label\nB2041;Exemple\nExemple;\n")
    result = say("reference", "import", "brands", file, "--account", "redoute")
    assert result.exit_code == 1
    assert "1 of 2 rows are wrong, and nothing was taken over:" in result.output
    assert "3\tcode\tExemple\tthis is no such code\twrite B and digits, like B2041" in result.output
    assert answer(say("reference", "--account", "redoute", "--json"))["lists"] == []


def test_the_columns_of_the_lists_are_printed(say: Say) -> None:  # S1
    result = say("reference", "import", "--columns")
    assert result.exit_code == 0
    for columns in REFERENCE_COLUMNS.values():
        assert all(f"\t{column.name}\t" in result.output for column in columns)


def test_photos_are_looked_at_only_where_the_account_lets_it(
    say: Say, catalogue: None, config_path: Path, tmp_path: Path
) -> None:  # C6
    result = say("listings", "check-photos", "--account", "redoute")
    assert result.exit_code == 1
    assert "[accounts.redoute.items.photos]: check = true" in result.output
    with config_path.open("a") as config:
        config.write("[accounts.redoute.items.photos]\ncheck = true\n")
    result = say("listings", "check-photos", "--account", "redoute", "NONE")
    assert (result.exit_code, "no listing NONE" in result.output) == (1, True)
    file = tmp_path / "photos.csv"
    file.write_text(f"sku,photo_1\n{VASE},http://127.0.0.1:1/vase.jpg\n")
    assert say("import", "listings", file, "--account", "redoute").exit_code == 0
    result = say("listings", "check-photos", "--account", "redoute", VASE)
    assert result.exit_code == 1
    assert "127.0.0.1, which is not on the public internet" in result.output
    assert "1 photos of 1 listings were looked at." in result.stderr
    said = answer(say("listings", "check-photos", "--account", "redoute", VASE, "--json"))
    assert [(each["sku"], each["verdict"]) for each in said["findings"]] == [(VASE, "unread")]
    assert "takes no items" in say("listings", "check-photos", "--account", "lewis").output
