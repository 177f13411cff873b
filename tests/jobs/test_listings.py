"""The life of a listing at La Redoute, state by state and text by text, against the sandbox."""

from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.reports import read_reports
from daemon.model import Part
from daemon.seller.columns import ImportKind
from daemon.seller.imports import ImportReport, import_file
from daemon.store.rejections import Retried
from tests.jobs.scene import EAN, HOUR, LAMP, MINUTE, NOON, Scene, scene

HEAD = "sku;ean;category;product_id;master_sku;title;description;brand;catalogue_id;photo_1\n"
ROW = f"{LAMP};{EAN};S001;LAMP;{LAMP};Lampe;<p>Une lampe en chêne</p>;B0001;C1;https://pictures.example.test/lamp.jpg\n"


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "sellr") as each:
        yield each


async def imported(redoute: Scene, text: str, kind: ImportKind = ImportKind.LISTINGS) -> ImportReport:
    return await import_file(redoute.store, redoute.account, kind, BytesIO(text.encode()), NOON)


async def life(redoute: Scene) -> tuple[str, ...]:
    """Every state, the channel status, and the texts of the parts, as a person sees them."""
    listing = await redoute.store.views.listing(redoute.name, LAMP)
    assert listing is not None
    parts = listing["parts"]
    return (
        *(parts[part]["state"] for part in ("item", "stock", "price")),
        listing["channel_status"],
        listing["channel_item_id"],
        *(parts[part]["error"] for part in ("item", "stock", "price")),
    )


async def answered(redoute: Scene, after: timedelta) -> None:
    await redoute.answer()
    await redoute.turn(read_reports, after)


async def test_the_life_of_a_listing_that_goes_well(redoute: Scene) -> None:  # L2 L3
    await imported(redoute, HEAD + ROW)
    assert await life(redoute) == ("pending", "not_needed", "not_needed", "absent", "", "", "", "")
    await imported(redoute, f"sku;stock\n{LAMP};5\n", ImportKind.STOCK)
    await imported(redoute, f"sku;price\n{LAMP};10\n", ImportKind.PRICES)
    await redoute.turn(send_items, MINUTE)
    assert await life(redoute) == ("sent", "pending", "pending", "absent", "", "", "", "")
    await answered(redoute, 2 * MINUTE)
    number = redoute.sandbox.laredoute.catalogue[EAN].part_number
    assert await life(redoute) == ("not_needed", "pending", "pending", "product_integrated", number, "", "", "")
    await redoute.turn(send_offers, 3 * MINUTE)
    assert await life(redoute) == ("not_needed", "sent", "sent", "product_integrated", number, "", "", "")
    await answered(redoute, 4 * MINUTE)
    assert await life(redoute) == ("not_needed", "not_needed", "not_needed", "offer_integrated", number, "", "", "")
    await imported(redoute, f"sku;title\n{LAMP};Lampe bleue\n")
    await redoute.turn(send_items, 5 * MINUTE)
    await answered(redoute, 6 * MINUTE)
    assert await life(redoute) == ("not_needed", "not_needed", "not_needed", "offer_integrated", number, "", "", "")


async def test_a_listing_with_faults_spends_no_feed(redoute: Scene) -> None:  # L4 L5
    report = await imported(redoute, HEAD + ROW.replace("S001", "").replace("</p>", ""))
    assert report.not_ready == 1
    text = "the leaf category is missing; in the description, <p> is never closed"
    assert (await life(redoute))[0::5] == ("error", text)
    assert (await redoute.turn(send_items, MINUTE)).note == "nothing is due"
    assert redoute.sandbox.laredoute.feeds == []
    await imported(redoute, HEAD + ROW)
    assert (await redoute.turn(send_items, 2 * MINUTE)).done == 1


async def test_each_rejection_stands_on_its_own_part_in_the_marketplaces_words(redoute: Scene) -> None:  # L2 L6 L7
    far = redoute.sandbox.laredoute
    far.faults.add("reject_ean", ean=EAN, code="E042", text="MARQUE NON AUTORISÉE", kind="items")
    await imported(redoute, HEAD + ROW)
    await imported(redoute, f"sku;stock\n{LAMP};5\n", ImportKind.STOCK)
    await imported(redoute, f"sku;price\n{LAMP};10\n", ImportKind.PRICES)
    await redoute.turn(send_items, MINUTE)
    await answered(redoute, 2 * MINUTE)
    assert await life(redoute) == ("error", "pending", "pending", "absent", "", "MARQUE NON AUTORISÉE", "", "")
    await redoute.store.rejections.retry(redoute.name, LAMP, NOON)
    await redoute.turn(send_items, 3 * MINUTE)
    await answered(redoute, 4 * MINUTE)
    far.faults.add("reject_ean", ean=EAN, code="E100", text="PRIX NON VALIDE", kind="offers")
    await redoute.turn(send_offers, 5 * MINUTE)
    await answered(redoute, 6 * MINUTE)
    said = "PRIX NON VALIDE"
    assert (await life(redoute))[:4] == ("not_needed", "error", "error", "product_integrated")
    assert (await life(redoute))[5:] == ("", said, said)


async def test_the_same_rejection_three_times_blocks_the_item_until_it_changes(redoute: Scene) -> None:  # L2
    redoute.sandbox.laredoute.faults.add("reject_ean", ean=EAN, code="E042", text="MARQUE NON AUTORISÉE", times=None)
    await imported(redoute, HEAD + ROW)
    for number in range(3):
        assert (await redoute.turn(send_items, number * HOUR + MINUTE)).done == 1
        await answered(redoute, number * HOUR + 2 * MINUTE)
        # The same row again is no change, and sends nothing.
        assert (await imported(redoute, HEAD + ROW)).unchanged == 1
        await redoute.store.rejections.retry(redoute.name, LAMP, NOON)
    assert await redoute.store.rejections.retry(redoute.name, LAMP, NOON) == Retried(blocked=(Part.ITEM,))
    assert (await redoute.turn(send_items, 4 * HOUR)).note == "nothing is due"
    assert len(redoute.sandbox.laredoute.feeds) == 3
    assert (await imported(redoute, f"sku;brand\n{LAMP};B0002\n")).changed == 1
    assert (await redoute.turn(send_items, 5 * HOUR)).done == 1


async def test_how_often_is_the_accounts_setting(tmp_path: Path) -> None:  # L2
    async with scene(tmp_path, "sellr", block_after=1) as redoute:
        redoute.sandbox.laredoute.faults.add("reject_ean", ean=EAN, code="E042", text="NON")
        await imported(redoute, HEAD + ROW)
        await redoute.turn(send_items, MINUTE)
        await answered(redoute, 2 * MINUTE)
        assert (await redoute.store.rejections.retry(redoute.name, LAMP, NOON)).blocked


async def test_an_ean_cannot_change_once_the_product_is_in(redoute: Scene) -> None:  # L4
    await imported(redoute, HEAD + ROW)
    await redoute.turn(send_items, MINUTE)
    await answered(redoute, 2 * MINUTE)
    report = await imported(redoute, f"sku;ean;title\n{LAMP};3701234567884;Autre\n")
    (fault,) = report.faults
    assert fault.problem == f"the EAN was '{EAN}' when the product was created, and cannot change"
    assert (await redoute.turn(send_items, 3 * MINUTE)).note == "nothing is due"
