"""The change guard against a marketplace: what it has taken over is what a person meant."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.jobs.feeds import send_offers
from daemon.jobs.reports import read_reports
from daemon.model import Money, Sku
from daemon.store.listings import PriceRow
from tests.jobs.scene import EAN, HOUR, NOON, Scene, scene
from tests.jobs.test_laredoute import offered


@pytest.fixture
async def redoute(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path, "sellr") as each:
        await offered(each)
        yield each


def there(redoute: Scene) -> tuple[Decimal, int]:
    """The price and the units that the marketplace has."""
    offer = redoute.sandbox.laredoute.offers[EAN]
    return offer.amount, offer.stock


async def reprice(redoute: Scene, minor: int, hour: int) -> None:
    row = PriceRow(Sku("LAMP-1"), Money(minor, "EUR"))
    await redoute.store.listings.put_prices(redoute.name, [row], NOON + hour * HOUR)


async def test_a_slip_of_the_decimal_point_never_reaches_the_marketplace_and_its_stock_does(redoute: Scene) -> None:
    assert there(redoute) == (Decimal("100.00"), 5)
    await reprice(redoute, 100, 2)
    assert (await redoute.turn(send_offers, 2 * HOUR)).note == "nothing is due"
    await redoute.restock(0, 3 * HOUR)

    assert (await redoute.turn(send_offers, 3 * HOUR)).done == 1
    await redoute.answer()
    await redoute.turn(read_reports, 3 * HOUR)

    # Sold out is sold out, whatever the price waits for.
    assert there(redoute) == (Decimal("100.00"), 0)
    (case,) = await redoute.store.guard.cases()
    await redoute.store.guard.approve(case.id, None, "Robin", "clearance", NOON + 4 * HOUR)
    assert (await redoute.turn(send_offers, 5 * HOUR)).done == 1
    await redoute.answer()
    await redoute.turn(read_reports, 5 * HOUR)
    assert there(redoute) == (Decimal("1.00"), 0)
    assert await redoute.parts() == ("not_needed", "not_needed", "not_needed", "offer_integrated")


async def test_a_marketplace_without_a_guard_takes_what_it_is_given(tmp_path: Path) -> None:
    async with scene(tmp_path, "sellr", guard={"active": False}) as each:
        await offered(each)
        await reprice(each, 100, 2)
        assert (await each.turn(send_offers, 2 * HOUR)).done == 1
        await each.answer()
        assert there(each)[0] == Decimal("1.00")
