"""Promotions, stock knobs and the recommended price as La Redoute sees them, turn by turn."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.reports import read_reports
from daemon.model import Money, Promotion
from daemon.store.listings import PriceRow
from daemon.store.promotions import PromotionRow
from tests.jobs.scene import EAN, HOUR, LAMP, MINUTE, NOON, Scene, scene

START, END = NOON + 24 * HOUR, NOON + 48 * HOUR
SALE = Promotion(Money(7000, "EUR"), START, END, "Soldes")


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    rules = {"safety": 1, "reserve_open_orders": True}
    async with scene(tmp_path, "sellr", calculate_rrp=True, discount_rrp=40, stock_rules=rules) as each:
        await each.want()
        money, recommended = Money(10000, "EUR"), Money(20000, "EUR")
        await each.store.listings.put_prices(each.name, [PriceRow(LAMP, money, recommended)], NOON)
        await each.turn(send_items, MINUTE)
        await each.answer()
        await each.turn(read_reports, 2 * MINUTE)
        yield each


async def offers_turn(redoute: Scene, after: timedelta) -> int:
    """A turn of offers with everything that comes of it; how many listings left."""
    done = (await redoute.turn(send_offers, after)).done
    await redoute.answer()
    await redoute.turn(read_reports, after + MINUTE)
    return done


async def test_knobs_rrp_and_promotion_arrive(redoute: Scene) -> None:  # L6 L10 L11
    await redoute.store.promotions.put(redoute.name, [PromotionRow(LAMP, SALE)], NOON)
    assert await offers_turn(redoute, 3 * MINUTE) == 1
    offer = redoute.sandbox.laredoute.offers[EAN]
    assert (offer.stock, offer.amount, offer.blocked) == (4, Decimal("100.00"), Decimal("166.66"))
    assert offer.nature == "Standard"
    assert await offers_turn(redoute, START - NOON - MINUTE) == 0
    assert await offers_turn(redoute, START - NOON) == 1
    offer = redoute.sandbox.laredoute.offers[EAN]
    assert (offer.stock, offer.amount, offer.blocked) == (4, Decimal("70.00"), Decimal("100.00"))
    assert (offer.nature, offer.starts_at, offer.ends_at) == ("Soldes", START, END)
    assert await offers_turn(redoute, END - NOON) == 1
    offer = redoute.sandbox.laredoute.offers[EAN]
    assert (offer.amount, offer.blocked, offer.nature) == (Decimal("100.00"), Decimal("166.66"), "Standard")
    assert await redoute.parts() == ("not_needed", "not_needed", "not_needed", "offer_integrated")


async def test_a_turn_comes_again_when_the_next_promotion_begins_or_ends(redoute: Scene) -> None:  # L11
    assert (await redoute.turn(send_offers, 3 * MINUTE)).again_at is None
    await redoute.answer()
    await redoute.turn(read_reports, 4 * MINUTE)
    later = Promotion(SALE.price, END, END + HOUR, "Soldes")
    taken_back = Promotion(SALE.price, NOON + 2 * HOUR, NOON + 3 * HOUR)
    rows = [PromotionRow(LAMP, SALE), PromotionRow(LAMP, later), PromotionRow(LAMP, taken_back)]
    await redoute.store.promotions.put(redoute.name, [*rows, PromotionRow(LAMP, taken_back, cancelled=True)], NOON)
    idle = await redoute.turn(send_offers, 5 * MINUTE)
    assert (idle.note, idle.held_until, idle.again_at) == ("nothing is due", None, START)
    began = await redoute.turn(send_offers, START - NOON)
    assert (began.done, began.held_until, began.again_at) == (1, None, END)
    await redoute.restock(9, START - NOON + MINUTE)
    held = await redoute.turn(send_offers, START - NOON + 2 * MINUTE)
    assert held.held_until is not None
    assert held.again_at == held.held_until < END
    assert (await redoute.turn(send_offers, END - NOON)).again_at == END + HOUR


async def test_a_price_changed_in_flight_is_sent_with_the_promotion_still_in_force(redoute: Scene) -> None:  # L7 L11
    await redoute.store.promotions.put(redoute.name, [PromotionRow(LAMP, SALE)], NOON)
    await offers_turn(redoute, 3 * MINUTE)
    await redoute.turn(send_offers, START - NOON)
    await redoute.store.listings.put_prices(redoute.name, [PriceRow(LAMP, Money(9500, "EUR"))], START)
    await redoute.answer()
    await redoute.turn(read_reports, START - NOON + MINUTE)
    assert (await redoute.parts())[2] == "pending"
    assert await offers_turn(redoute, START - NOON + HOUR) == 1
    offer = redoute.sandbox.laredoute.offers[EAN]
    assert (offer.amount, offer.blocked) == (Decimal("70.00"), Decimal("95.00"))


async def test_a_forbidden_reduction_leaves_also_where_its_report_was_lost(tmp_path: Path) -> None:  # L11
    sale = Promotion(Money(7000, "EUR"), NOON + 3 * HOUR, END, "Soldes")
    async with scene(tmp_path, "sellr", offers={"reductions": "block"}) as redoute:
        await redoute.want()
        await redoute.turn(send_items, MINUTE)
        await redoute.answer()
        await redoute.turn(read_reports, 2 * MINUTE)
        await redoute.store.promotions.put(redoute.name, [PromotionRow(LAMP, sale)], NOON)
        await offers_turn(redoute, 3 * MINUTE)
        redoute.sandbox.laredoute.faults.add("lose_report", kind="offers")
        await offers_turn(redoute, 3 * HOUR)
        assert redoute.sandbox.laredoute.offers[EAN].nature == "Soldes"
        row = PriceRow(LAMP, Money(12000, "EUR"))
        await redoute.store.listings.put_prices(redoute.name, [row], NOON + 3 * HOUR + 5 * MINUTE)
        await offers_turn(redoute, 3 * HOUR + 10 * MINUTE)
        assert (await redoute.parts())[1:3] == ("pending", "error")
        assert await offers_turn(redoute, 5 * HOUR + MINUTE) == 1
        offer = redoute.sandbox.laredoute.offers[EAN]
        assert (offer.amount, offer.blocked, offer.nature) == (Decimal("120.00"), Decimal("120.00"), "Standard")
        assert (await redoute.parts())[1:3] == ("not_needed", "error")
