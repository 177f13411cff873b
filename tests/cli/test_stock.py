"""`sellerd stock push` as a person and as a script have it."""

from pathlib import Path

from tests.cli.conftest import CATALOGUE, RunningDaemon, Say, answer


def bring(say: Say) -> None:
    for kind in ("listings", "stock"):
        result = say("import", kind, CATALOGUE / f"johnlewis-{kind}.csv", "--account", "lewis")
        assert result.exit_code == 0, result.output


def test_all_stock_is_sent_again(say: Say, running: RunningDaemon) -> None:  # J3
    bring(say)
    result = say("stock", "push", "--account", "lewis", "--full")
    assert result.output == (
        "The stock of 8 listings of lewis is to be sent.\n"
        "offers of lewis has its turn now; see: sellerd feeds list --account lewis\n"
    )
    assert answer(say("stock", "push", "--account", "lewis", "--json"))["pending"] == 0
    assert running.asked == ["lewis offers", "lewis offers"]


def test_without_a_daemon_it_waits_for_one(say: Say) -> None:  # J3
    bring(say)
    result = say("stock", "push", "--account", "lewis", "--full")
    assert result.exit_code == 0
    assert "The stock of 8 listings of lewis is to be sent." in result.output
    assert "No turn begins now: no daemon runs" in result.output
    assert answer(say("listings", "--account", "lewis", "--state", "pending", "--json"))["listings"]
    assert say("stock", "push", "--account", "nobody").exit_code == 1


def test_a_listing_shows_what_its_stock_says_besides_and_its_former_numbers(say: Say, tmp_path: Path) -> None:  # J2 J3
    bring(say)
    file = tmp_path / "moved.csv"
    sku = answer(say("listings", "--account", "lewis", "--json"))["listings"][0]["sku"]
    before = answer(say("listings", "show", sku, "--account", "lewis", "--json"))["listing"]["channel_item_id"]
    file.write_text(f"SKU,Stock Number,Back in stock date\n{sku},99999999,2026-12-24\n")
    assert say("import", "listings", file, "--account", "lewis").exit_code == 0
    shown = say("listings", "show", sku, "--account", "lewis").output
    assert "2026-12-24" in shown
    assert f"{before} until " in shown
