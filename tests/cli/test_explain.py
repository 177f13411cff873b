"""`sellerd listings explain` and `sellerd import promotions`, with and without a daemon."""

from pathlib import Path

from tests.cli.conftest import CATALOGUE, RunningDaemon, Say, answer


def imported(say: Say, tmp_path: Path) -> None:
    for kind in ("listings", "stock", "prices"):
        result = say("import", kind, CATALOGUE / f"laredoute-{kind}.csv", "--account", "redoute")
        assert result.exit_code == 0, result.output
    file = tmp_path / "promotions.csv"
    # From 2020 to 2100, so that it is in force.
    file.write_text("sku,price,start,end,nature\nVASE-GRES,1.00,1577836800,4102444800,Soldes\n")
    result = say("import", "promotions", file, "--account", "redoute")
    assert result.exit_code == 0, result.output
    assert "1 created" in result.output


def test_a_listing_is_explained_to_people_and_programs(say: Say, tmp_path: Path) -> None:  # S3 L11
    imported(say, tmp_path)
    told = answer(say("listings", "explain", "--account", "redoute", "VASE-GRES", "--json"))["explanation"]
    fields = {each["field"]: each for each in told["fields"]}
    assert list(fields) == ["stock", "price", "vat", "rrp", "period", "nature", "end"]
    assert (fields["price"]["value"], fields["nature"]["value"]) == (100, "Soldes")
    assert fields["price"]["rule"].startswith("L11")
    assert [each["part"] for each in told["parts"]] == ["item", "end", "price", "stock"]
    shown = say("listings", "explain", "--account", "redoute", "VASE-GRES").output
    assert "\t1.00\n" in shown
    assert "2020-01-01T00:00:00.000Z to 2100-01-01T00:00:00.000Z" in shown
    assert "absent at the marketplace, and must be product_integrated first" in shown
    assert "Soldes" in say("listings", "show", "--account", "redoute", "VASE-GRES").output


def test_nobody_is_not_explained(say: Say) -> None:  # S3
    result = say("listings", "explain", "--account", "redoute", "NOBODY")
    assert result.exit_code == 1
    assert "no listing NOBODY" in result.output


def test_the_running_daemon_explains(say: Say, running: RunningDaemon, tmp_path: Path) -> None:  # S3
    imported(say, tmp_path)
    told = answer(say("listings", "explain", "--account", "redoute", "VASE-GRES", "--json"))["explanation"]
    assert told["sku"] == "VASE-GRES"
    assert told["gates"][1] == {"kind": "offer", "open": True, "until": None, "why": ""}
