"""Reports that are not as one would wish: partial, repeated, contradicting, mixed, odd, each written by hand."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_updates
from daemon.model import OrderNumber, Sku, UpdateKind
from daemon.sandbox import LaRedouteSettings
from tests.jobs.scene import EAN, LAMP, MINUTE, NOON, Scene, scene

HEADER = "BatchId;FileName;EAN;SellerOfferID;Status;ErrorCode;ErrorMessage;PartNumber\n"
VASE, VASE_EAN = Sku("VASE-1"), "3701234567884"
DAY = timedelta(days=1)


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    """Two listings whose item feed has left as batch B00000001, and whose own report never comes."""
    async with scene(tmp_path, "sellr") as each:
        each.sandbox.laredoute.faults.add("lose_report", kind="items", times=None)
        await each.want()
        await each.want(sku=VASE, ean=VASE_EAN)
        await each.turn(send_items, MINUTE)
        yield each


def line(ean: str, status: str = "OK", code: str = "", text: str = "", *, batch: str = "B00000001") -> str:
    part = f"LR{ean[-9:]}" if status == "OK" else ""
    return f"{batch};;{ean};;{status};{code};{text};{part}\n"


def leave(redoute: Scene, name: str, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    (redoute.sandbox.laredoute.files / "reports" / name).write_bytes(data)


async def items(redoute: Scene) -> dict[str, tuple[str, str]]:
    """Item state and error of each SKU."""
    rows = await redoute.all("listings ORDER BY sku", "sku", "item_state", "item_error")
    return {sku: (state, error) for sku, state, error in rows}


async def feed(redoute: Scene, number: int = 1) -> tuple[str, int, int]:
    ((state, accepted, rejected),) = await redoute.all(f"feeds WHERE id = {number}", "state", "accepted", "rejected")
    return state, accepted, rejected


async def test_partial_reports_answer_a_feed_piece_by_piece(redoute: Scene) -> None:  # L17
    leave(redoute, "one.csv", HEADER + line(EAN))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("sent", "")}
    assert await feed(redoute) == ("sent", 1, 0)
    leave(redoute, "two.csv", HEADER + line(VASE_EAN, "KO", "E006", "PHOTO MORE THAN ONCE"))
    await redoute.turn(read_reports, 3 * MINUTE)
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("error", "PHOTO MORE THAN ONCE")}
    assert await feed(redoute) == ("answered", 1, 1)


async def test_a_long_report_is_settled_some_thousands_of_lines_a_transaction(redoute: Scene) -> None:  # L17
    seen: list[str] = []
    leave(redoute, "long.csv", HEADER + line(EAN, "PENDING") * 3 + (line(EAN) + line(VASE_EAN)) * 15_000 + "B00000001")
    await redoute.store.database.write(lambda db: db.set_trace_callback(seen.append))
    await redoute.turn(read_reports, 2 * MINUTE)
    await redoute.store.database.write(lambda db: db.set_trace_callback(None))
    transactions = sum(text.startswith("INSERT INTO feed_deliveries") for text in seen)
    assert 2 <= transactions <= 3
    assert max(map(len, seen)) < 100_000
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("not_needed", "")}
    # The last line has no end: what stands before it counted all the same.
    (told,) = await redoute.all("deliveries", "reason")
    assert told[0].startswith("line 30005: ends without a line end")


async def test_the_report_of_an_older_feed_undoes_nothing_that_a_newer_one_settled(redoute: Scene) -> None:  # L17 L8
    assert "lapsed" in (await redoute.turn(read_reports, DAY + 2 * MINUTE)).note
    await redoute.turn(send_items, DAY + 3 * MINUTE)
    leave(redoute, "newer.csv", HEADER + line(EAN, batch="B00000002") + line(VASE_EAN, batch="B00000002"))
    await redoute.turn(read_reports, DAY + 4 * MINUTE)
    leave(redoute, "older.csv", HEADER + line(EAN, "KO", "E001", "TROP TARD"))
    await redoute.turn(read_reports, DAY + 5 * MINUTE)
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("not_needed", "")}
    # The old feed itself remembers what was said of it.
    rows = await redoute.all("feed_objects WHERE feed = 1 ORDER BY listing", "state", "text")
    assert rows == [("rejected", "TROP TARD"), ("lapsed", "")]


async def test_a_late_answer_settles_what_was_not_sent_again(redoute: Scene) -> None:  # L17
    await redoute.turn(read_reports, DAY + 2 * MINUTE)
    assert (await items(redoute))[LAMP] == ("pending", "")
    leave(redoute, "late.csv", HEADER + line(EAN))
    await redoute.turn(read_reports, DAY + 3 * MINUTE)
    assert (await items(redoute))[LAMP] == ("not_needed", "")


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [("OK", "KO", ("error", "PRODUIT REFUSÉ")), ("KO", "OK", ("not_needed", ""))],
)
async def test_the_verdict_of_the_delivery_that_came_later_stands(
    redoute: Scene, first: str, then: str, stands: tuple[str, str]
) -> None:  # L17
    leave(redoute, "1.csv", HEADER + line(EAN, first, "E1" if first == "KO" else "", "NON" if first == "KO" else ""))
    await redoute.turn(read_reports, 2 * MINUTE)
    text = "PRODUIT REFUSÉ" if then == "KO" else ""
    leave(redoute, "2.csv", HEADER + line(EAN, then, "E012" if text else "", text))
    await redoute.turn(read_reports, 3 * MINUTE)
    assert (await items(redoute))[LAMP] == stands
    events = await redoute.all(
        "events WHERE subject = 'listing' AND what = 'item feed 1' ORDER BY id", '"from"', '"to"'
    )
    words = {"OK": "accepted", "KO": "rejected"}
    assert events[-1] == (words[first], words[then])
    assert await feed(redoute) == ("sent", int(then == "OK"), int(then == "KO"))


async def test_an_earlier_delivery_that_is_read_again_does_not_win_over_a_later_one(redoute: Scene) -> None:  # L17 D9
    # The first one waits for a feed that is not known, so it is applied again at each turn.
    leave(redoute, "1.csv", HEADER + line(EAN) + line(EAN, batch="B77777777"))
    await redoute.turn(read_reports, 2 * MINUTE)
    leave(redoute, "2.csv", HEADER + line(EAN, "KO", "E012", "PRODUIT REFUSÉ"))
    for minutes in (3, 4, 5):
        await redoute.turn(read_reports, minutes * MINUTE)
        assert (await items(redoute))[LAMP] == ("error", "PRODUIT REFUSÉ")


async def test_the_newer_feed_has_the_last_word_over_another_verdict_on_the_older(redoute: Scene) -> None:  # L17
    leave(redoute, "1.csv", HEADER + line(EAN, "KO", "E012", "PRODUIT REFUSÉ"))
    await redoute.turn(read_reports, 2 * MINUTE)
    await redoute.store.rejections.retry(redoute.name, LAMP, NOON + 3 * MINUTE)
    await redoute.turn(send_items, 4 * MINUTE)
    leave(redoute, "2.csv", HEADER + line(EAN))
    await redoute.turn(read_reports, 5 * MINUTE)
    assert (await items(redoute))[LAMP] == ("not_needed", "")
    leave(redoute, "3.csv", HEADER + line(EAN, "KO", "E012", "DOUBLON", batch="B00000002"))
    await redoute.turn(read_reports, 6 * MINUTE)
    assert (await items(redoute))[LAMP] == ("error", "DOUBLON")
    leave(redoute, "4.csv", HEADER + line(EAN, "KO", "E012", "PRODUIT REFUSÉ"))
    await redoute.turn(read_reports, 7 * MINUTE)
    assert (await items(redoute))[LAMP] == ("error", "DOUBLON")


async def test_a_line_about_a_listing_that_its_feed_did_not_carry_is_told(redoute: Scene) -> None:  # L17
    leave(redoute, "r.csv", HEADER + line("3701234567877") + line(EAN))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert (await items(redoute))[LAMP] == ("not_needed", "")
    told = [("set_aside", "1 lines name no listing of their feed")]
    assert await redoute.all("deliveries", "state", "reason") == told


async def test_silence_is_no_yes_after_an_error_that_names_no_listing_of_its_feed(tmp_path: Path) -> None:  # J4
    async with scene(tmp_path, "edge") as lewis:
        await lewis.want()
        await lewis.turn(send_offers, MINUTE)
        await lewis.answer()
        ((name,),) = await lewis.all("feeds", "name")
        errors = lewis.sandbox.johnlewis.files / "live" / "inventory" / "errors"
        (errors / f"{name}.err").write_text("part_number,error\n87654321,not ranged\n")
        await lewis.turn(read_reports, 2 * MINUTE)
        await lewis.turn(read_reports, 40 * MINUTE)
        assert await lewis.all("listings", "stock_state") == [("sent",)]
        await lewis.turn(read_reports, 130 * MINUTE)
        assert await lewis.all("listings", "stock_state") == [("pending",)]


async def test_one_report_answers_two_feeds(redoute: Scene) -> None:  # L17
    await redoute.want(sku=Sku("CHAIR-1"), ean="3701234567877")
    await redoute.turn(send_items, 2 * MINUTE)
    both = (
        line(EAN) + line("3701234567877", "KO", "E004", "0 PHOTOS, 1 TO 8 EXPECTED", batch="B00000002") + line(VASE_EAN)
    )
    leave(redoute, "both.csv", HEADER + both)
    await redoute.turn(read_reports, 3 * MINUTE)
    assert await feed(redoute, 1) == ("answered", 2, 0)
    assert await feed(redoute, 2) == ("answered", 0, 1)
    assert await redoute.all("feed_deliveries ORDER BY feed", "feed", "delivery", "settled") == [(1, 1, 2), (2, 1, 1)]


async def test_a_line_in_doubt_of_an_unknown_feed_does_not_hold_up_the_others(redoute: Scene) -> None:  # L17
    leave(redoute, "mixed.csv", HEADER + line(VASE_EAN, batch="B99999999") + line(EAN))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("sent", "")}
    assert await redoute.all("deliveries", "state", "reason") == [("waiting", "1 lines of a feed that is not known")]


async def test_unknown_status_words_are_told_and_hold_up_nothing(redoute: Scene) -> None:  # L17 D9
    leave(redoute, "odd.csv", HEADER + line(VASE_EAN, "PEUT-ETRE") + line(EAN))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert await items(redoute) == {LAMP: ("not_needed", ""), VASE: ("sent", "")}
    ((state, reason),) = await redoute.all("deliveries", "state", "reason")
    assert state == "set_aside"
    assert reason.startswith("line 2: Status is 'PEUT-ETRE', which is none of OK,")


async def test_a_pending_line_waits_for_the_report_after_the_review(tmp_path: Path) -> None:  # L17 L3
    async with scene(tmp_path, "sellr", LaRedouteSettings(review=True)) as redoute:
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)
        assert await redoute.parts() == ("sent", "pending", "pending", "absent")
        assert await redoute.all("deliveries", "state") == [("applied",)]
        await redoute.answer()
        await redoute.turn(read_reports, 3 * MINUTE)
        assert await redoute.parts() == ("not_needed", "pending", "pending", "product_integrated")


async def test_a_product_that_is_refused_later_is_in_error(tmp_path: Path) -> None:  # L17 L2
    async with scene(tmp_path, "sellr") as redoute:
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)
        redoute.sandbox.laredoute.refuse_later(EAN, text="PRODUIT REFUSÉ: doublon")
        await redoute.turn(read_reports, 3 * MINUTE)
        assert await items(redoute) == {LAMP: ("error", "PRODUIT REFUSÉ: doublon")}


async def test_a_brand_that_is_not_authorised_is_explained(tmp_path: Path) -> None:  # L2 L17
    async with scene(tmp_path, "sellr", LaRedouteSettings(brands=frozenset({"B9"}))) as redoute:
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)
        ((state, error),) = (await items(redoute)).values()
        assert (state, error) == ("error", "MARQUE NON AUTORISÉE: B0001")
        advice = redoute.account.explain("", error)
        assert advice is not None
        assert advice.gloss == "you are not authorised to sell this brand"


TEXT = "Marque refusée : œuvre d'été à 5 €"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
async def test_csv_in_each_encoding_keeps_the_text_verbatim(redoute: Scene, encoding: str) -> None:  # L17
    leave(redoute, "r.csv", (HEADER + line(EAN, "KO", "E9", TEXT)).encode(encoding))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert (await items(redoute))[LAMP] == ("error", TEXT)


def xml(declared: str, text: str = TEXT) -> str:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    return (
        f"{declaration}<Report><BatchId>B00000001</BatchId><Line><EAN>{EAN}</EAN><Status>KO</Status>"
        f"<ErrorCode>E9</ErrorCode><ErrorMessage>{text}</ErrorMessage></Line></Report>"
    )


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-15", "iso-8859-15"),
        ("UTF-16", "utf-16"),
    ],
)
async def test_xml_in_the_encoding_that_it_declares(redoute: Scene, declared: str, encoding: str) -> None:  # L17
    leave(redoute, "r.xml", xml(declared).encode(encoding))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert (await items(redoute))[LAMP] == ("error", TEXT)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("undeclared.xml", xml("").encode("cp1252")),
        ("unheard-of.xml", xml("klingon-8").encode("utf-8")),
        ("wide.csv", (HEADER + line(EAN)).encode("utf-16")),
        ("never.csv", (HEADER + line(EAN, "KO", "E9", "é")).encode() + b"\x81\n"),
    ],
)
async def test_no_encoding_is_guessed(redoute: Scene, name: str, content: bytes) -> None:  # L17 D9
    leave(redoute, name, content)
    await redoute.turn(read_reports, 2 * MINUTE)
    ((state, reason),) = await redoute.all("deliveries", "state", "reason")
    assert state == "set_aside"
    assert reason


async def test_what_was_told_is_kept_verbatim_and_counted_once(redoute: Scene) -> None:  # L17
    rejected = line(EAN, "KO", "X17", "INCONNU AU BATAILLON") + line(VASE_EAN, "KO", "X17", "INCONNU AU BATAILLON")
    for name in ("1.csv", "again.csv"):
        leave(redoute, name, HEADER + rejected)
        await redoute.turn(read_reports, 2 * MINUTE)
    (code,) = await redoute.store.codes.all(redoute.name)
    assert (code.code, code.text, code.count) == ("X17", "INCONNU AU BATAILLON", 2)
    assert code.first_seen_at == code.last_seen_at == NOON + 2 * MINUTE
    assert redoute.account.explain(code.code, code.text) is None


async def test_a_rejection_without_a_word_is_still_in_error(redoute: Scene) -> None:  # L2 L17
    leave(redoute, "mute.csv", HEADER + line(EAN, "KO") + line(VASE_EAN, "KO", "E77"))
    await redoute.turn(read_reports, 2 * MINUTE)
    assert await items(redoute) == {LAMP: ("error", "rejected without a reason"), VASE: ("error", "E77")}
    assert {(code.code, code.text) for code in await redoute.store.codes.all()} == {("", ""), ("E77", "")}


async def test_the_gate_never_lets_two_offer_feeds_jam(tmp_path: Path) -> None:  # L8
    # In the sandbox's own time everything comes within the hour: only an answer between two feeds keeps them from it.
    async with scene(tmp_path, "sellr", LaRedouteSettings(jam_within=3600.0)) as redoute:
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)
        sent = 0
        for minutes in range(5, 12 * 60, 5):
            after = minutes * MINUTE
            await redoute.restock(minutes, after)
            sent += (await redoute.turn(send_offers, after)).done
            if minutes % 50 == 0:
                await redoute.answer()
            await redoute.turn(read_reports, after + MINUTE)
        assert redoute.sandbox.laredoute.jammed == set()
        assert sent >= 6
        assert {state for (state,) in await redoute.all("feeds WHERE kind = 'offer' AND id < 6", "state")} == {
            "answered"
        }


async def test_received_bytes_are_found_from_the_feed(redoute: Scene) -> None:  # L16 D7
    content = (HEADER + line(EAN)).encode()
    leave(redoute, "one.csv", content)
    leave(redoute, "two.csv", HEADER + line(VASE_EAN, "KO", "E9", "NON"))
    await redoute.turn(read_reports, 2 * MINUTE)
    ((feed_id,),) = await redoute.all("feeds", "id")
    view = await redoute.store.views.feed(feed_id)
    assert view is not None
    assert [(report["name"], report["settled"]) for report in view["received"]] == [("one.csv", 1), ("two.csv", 1)]
    assert [(row["sku"], row["received"]) for row in view["objects"]] == [(LAMP, 1), (VASE, 2)]
    kept = await redoute.store.views.received_payload(feed_id, view["received"][0]["id"])
    assert kept is not None
    assert b"".join([chunk async for chunk in redoute.store.payloads.chunks(kept)]) == content
    assert await redoute.store.views.received_payload(feed_id + 1, view["received"][0]["id"]) is None
    listing = await redoute.store.views.listing(redoute.name, LAMP)
    assert listing is not None
    assert [(row["sent"], row["received"]) for row in listing["feeds"]] == [
        (view["name"], {"id": 1, "name": "one.csv", "received_at": "2026-03-02T12:02:00.000Z"})
    ]


async def test_an_order_shows_what_was_received_and_what_was_sent(tmp_path: Path) -> None:  # L16 D7
    async with scene(tmp_path, "sellr", LaRedouteSettings(answers="sftp")) as redoute:
        number = OrderNumber(redoute.sandbox.laredoute.place_order([(EAN, 2)], placed_at=NOON).id)
        await redoute.turn(download_orders, 10 * MINUTE)
        await redoute.store.updates.open(
            redoute.name, number, UpdateKind.ACCEPTANCE, None, legal_moves=redoute.account.legal_moves, at=NOON
        )
        await redoute.turn(send_updates, 11 * MINUTE)
        view = await redoute.store.views.order(redoute.name, number, personal=False)
        assert view is not None
        (file,) = (redoute.sandbox.laredoute.files / "orders").iterdir()
        received = view["received"]
        assert (received["folder"], received["name"], received["size"]) == ("orders", file.name, file.stat().st_size)
        (update,) = view["updates"]
        assert update["state"] == "succeeded"
        assert update["bytes"] > 0


@pytest.mark.parametrize("times", [(120, 180), (120, 120)], ids=["written anew", "put back"])
async def test_a_report_that_comes_again_is_archived_beside_the_first(
    tmp_path: Path, times: tuple[int, ...]
) -> None:  # L17
    async with scene(tmp_path, "sellr", after_keeping="archive") as redoute:
        redoute.sandbox.laredoute.faults.add("lose_report", kind="items", times=None)
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        files = redoute.sandbox.laredoute.files
        for minutes, written in enumerate(times, 2):
            leave(redoute, "one.csv", HEADER + line(EAN))
            os.utime(files / "reports" / "one.csv", (written, written))
            await redoute.turn(read_reports, minutes * MINUTE)
            assert list((files / "reports").iterdir()) == []
        assert {path.name for path in (files / "archive").iterdir()} == {"one.csv", "one.csv.2"}
        assert await feed(redoute) == ("answered", 1, 0)
