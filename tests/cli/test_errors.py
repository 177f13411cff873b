"""What a marketplace said, seen from the command line and the REST interface: verbatim, with the gloss beside it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from daemon.config import load
from daemon.model import AccountName, Feed, FeedId, RemoteFile, Sku
from daemon.store import Store, open_store
from daemon.store.deliveries import DeliveryKind, DeliveryState
from daemon.transports.http import ControlClient
from daemon.web.api import control_app
from tests.cli.conftest import RunningDaemon, Say, answer
from tests.store.conftest import ITEM_RULE, moment

REDOUTE, LAMP, VASE = AccountName("redoute"), Sku("LAMPE-CHENE"), Sku("VASE-GRES")
TEXT = "MARQUE NON AUTORISÉE: B2041"
REPORTS = {
    "one.csv": "BatchId;EAN;Status;ErrorCode;ErrorMessage\nB1;3701234567013;KO;E011;" + TEXT + "\n",
    "two.csv": "BatchId;SellerOfferID;Status;ErrorCode;ErrorMessage\nB1;VASE-GRES;KO;X17;INCONNU AU BATAILLON\n",
}


async def rejected(store: Store, account: Any) -> FeedId:
    """One item feed with two reports, kept and applied as the job does."""
    from daemon.marketplaces.sellr.reports import read_report

    feed = await store.feeds.open(REDOUTE, ITEM_RULE, moment())
    assert isinstance(feed, Feed)
    now = moment(timedelta(minutes=1))
    payload, _ = await store.payloads.write(_stream(b"<VendorItems/>"), now.at)
    feed = await store.feeds.spooled(feed, "items.xml", payload, now.at)
    await store.feeds.sent(feed, ITEM_RULE, "B1", now)
    for name, content in REPORTS.items():
        data = content.encode()
        kept, _ = await store.payloads.write(_stream(data), now.at)
        file = RemoteFile("reports", name, len(data))
        delivery = await store.deliveries.keep(REDOUTE, DeliveryKind.REPORT, file, kept, now.at)
        async for lines in read_report(account, file, _stream(data)):
            await store.answers.apply(REDOUTE, lines, now.at, delivery.id)
        await store.deliveries.move(delivery.id, DeliveryState.APPLIED)
    return feed.id


async def _stream(content: bytes) -> Any:
    yield content


@pytest.fixture
def feed(say: Say, config_path: Path, portal: BlockingPortal) -> int:
    catalogue = Path("daemon/cli/demo/catalogue/laredoute-listings.csv").absolute()
    assert say("import", "listings", catalogue, "--account", "redoute").exit_code == 0

    async def work() -> int:
        config = load(config_path)
        async with open_store(config.database) as store:
            return await rejected(store, config.accounts[REDOUTE])

    return portal.call(work)


def test_the_words_stay_and_the_gloss_stands_beside_them(say: Say, feed: int) -> None:  # L17
    found = answer(say("listings", "show", LAMP, "--account", "redoute", "--json"))["listing"]
    part = found["parts"]["item"]
    assert part["error"] == TEXT
    assert part["advice"]["gloss"] == "you are not authorised to sell this brand"
    assert part["advice"]["cause"]
    assert part["advice"]["fix"]
    shown = say("listings", "show", LAMP, "--account", "redoute").output
    assert f"{TEXT}\tyou are not authorised to sell this brand; cause: " in shown
    listed = say("listings", "list", "--account", "redoute", "--state", "error").output
    assert f"Update Item Error: {TEXT} [you are not authorised to sell this brand]" in listed
    assert "Update Item Error: INCONNU AU BATAILLON\n" in listed


def test_an_own_entry_by_code_reaches_every_place(
    say: Say, feed: int, config_path: Path, tmp_path: Path
) -> None:  # L17
    assert answer(say("feeds", "codes", "--unknown", "--json"))["codes"][0]["code"] == "X17"
    (tmp_path / "errors.toml").write_text('[[error]]\ncode = "X17"\ngloss = "nobody knows it"\n')
    with config_path.open("a") as config:
        config.write('[accounts.redoute.report]\ncatalogue = "errors.toml"\n')
    assert answer(say("feeds", "codes", "--unknown", "--json"))["codes"] == []
    found = answer(say("listings", "list", "--account", "redoute", "--sku", VASE, "--json"))["listings"]
    assert found[0]["parts"]["item"]["advice"]["gloss"] == "nobody knows it"
    carried = answer(say("feeds", "show", feed, "--json"))["feed"]["objects"]
    assert {row["sku"]: row["advice"] and row["advice"]["gloss"] for row in carried if row["code"]} == {
        LAMP: "you are not authorised to sell this brand",
        VASE: "nobody knows it",
    }


def test_the_gloss_does_not_need_the_secrets(say: Say, feed: int, monkeypatch: pytest.MonkeyPatch) -> None:  # D3 L17
    monkeypatch.delenv("MADE_UP")
    assert "you are not authorised" in say("listings", "list", "--account", "redoute").output


def test_errors_are_counted_word_for_word(say: Say, feed: int) -> None:  # L17
    codes = answer(say("feeds", "codes", "--account", "redoute", "--json"))["codes"]
    told = {(code["code"], code["text"], code["count"], code["known"]) for code in codes}
    assert told == {("E011", TEXT, 1, True), ("X17", "INCONNU AU BATAILLON", 1, False)}
    assert "X17\tINCONNU AU BATAILLON\t1" in say("feeds", "codes", "--unknown").output


def test_what_was_received_for_a_feed_comes_back_byte_for_byte(say: Say, feed: int) -> None:  # L16 D7
    shown = answer(say("feeds", "show", feed, "--json"))["feed"]
    first, second = shown["received"]
    assert (first["name"], first["settled"], second["name"]) == ("one.csv", 1, "two.csv")
    assert say("feeds", "show", feed, "--received", "--delivery", first["id"]).stdout == REPORTS["one.csv"]
    assert say("feeds", "show", feed, "--delivery", second["id"]).stdout == REPORTS["two.csv"]
    several = say("feeds", "show", feed, "--received")
    assert several.exit_code == 1
    assert f"{first['id']} (one.csv), {second['id']} (two.csv)" in several.output
    assert say("feeds", "show", feed, "--delivery", 99).exit_code == 1
    assert say("feeds", "show", 99, "--received").exit_code == 1
    assert say("feeds", "show", feed, "--payload", "--received").exit_code == 2
    assert say("feeds", "show", feed, "--payload").stdout == "<VendorItems/>"
    assert "one.csv" in say("listings", "show", LAMP, "--account", "redoute").output


def test_the_rest_interface_says_the_same(feed: int, config_path: Path, portal: BlockingPortal) -> None:  # L16 L17
    async def ask(*paths: str) -> list[tuple[int, bytes]]:
        async with (
            open_store(load(config_path).database) as store,
            ControlClient.over_app(control_app(RunningDaemon(store, config_path))) as client,
        ):
            replies = [await client.request("GET", f"/api/v1{path}") for path in paths]
        return [(reply.status, reply.body) for reply in replies]

    listing, listed, whole, codes, first, other = portal.call(
        ask,
        f"/accounts/redoute/listings/{LAMP}",
        "/accounts/redoute/listings",
        f"/feeds/{feed}",
        "/accounts/redoute/codes",
        f"/feeds/{feed}/received/1",
        f"/feeds/{feed}/received/99",
    )
    assert json.loads(listing[1])["listing"]["parts"]["item"]["advice"]["gloss"].startswith("you are not authorised")
    (one,) = [each for each in json.loads(listed[1])["listings"] if each["sku"] == LAMP]
    assert one["parts"]["item"]["advice"] is not None
    assert [report["name"] for report in json.loads(whole[1])["feed"]["received"]] == ["one.csv", "two.csv"]
    assert {code["known"] for code in json.loads(codes[1])["codes"]} == {True, False}
    assert first == (200, REPORTS["one.csv"].encode())
    assert other[0] == 404
