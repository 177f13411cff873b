"""What of a listing would be sent, and why."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from daemon.model import (
    AccountName,
    FeedKind,
    Item,
    Levies,
    Moment,
    Money,
    OfferTerms,
    Promotion,
    Sale,
    Sku,
    StockKnobs,
)
from daemon.seller.explain import explain
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.promotions import PromotionRow
from daemon.store.reference import ReferenceKind
from tests.seller.conftest import NOON, lewis, redoute

REDOUTE, LAMP = AccountName("redoute"), Sku("LAMP-1")
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
SALE = Promotion(Money(7000, "EUR"), NOON + HOUR, NOON + 2 * HOUR, "Soldes")


def moment(after: timedelta = timedelta()) -> Moment:
    return Moment(NOON + after, "boot-1", 10**12 + after // timedelta(microseconds=1) * 1_000, synchronised=True)


async def a_listing(store: Store, status: str = "offer_integrated") -> None:
    row = ItemRow(LAMP, Item(ean="3701234567891"), knobs=StockKnobs(safety_stock=2))
    await store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True)
    await store.listings.put_stock(REDOUTE, Figures({LAMP: 12}), NOON)
    await store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(10000, "EUR"), Money(20000, "EUR"))], NOON)
    await store.promotions.put(REDOUTE, [PromotionRow(LAMP, SALE)], NOON)
    await store.database.write(lambda db: db.execute("UPDATE listings SET channel_status = ?", (status,)).rowcount)


async def explained(store: Store, who: AccountSettings, after: timedelta = timedelta()) -> dict[str, Any]:
    found = await explain(store, who, LAMP, moment(after))
    assert found is not None
    return found


def fields(found: dict[str, Any]) -> dict[str, Any]:
    return {each["field"]: each["value"] for each in found["fields"]}


async def test_inputs_rule_and_value_of_each_field(store: Store) -> None:  # S3 L6 L7 L10
    await a_listing(store)
    who = redoute(calculate_rrp=True, discount_rrp=40, stock_rules={"percentage": 50, "cap": 4})
    found = await explained(store, who)
    assert fields(found) == {
        "stock": 4,
        "price": 10000,
        "vat": "20 %",
        "rrp": 16666,
        "period": {"start": "2026-03-02T12:00:00.000Z", "end": "2027-03-02T12:00:00.000Z"},
        "nature": "Standard",
        "end": False,
    }
    stock = found["fields"][0]
    assert stock["inputs"] == {
        "stock": 12,
        "ended": False,
        "reserved": 0,
        "safety_stock": 2,
        "percentage": 50,
        "cap": 4,
        "threshold": 0,
        "own": ["safety_stock"],
    }
    assert stock["rule"].startswith("L6: ")
    assert found["fields"][3]["inputs"]["discount_rrp"] == 40
    assert found["fields"][3]["rule"].startswith("L10: ")


async def test_a_promotion_from_its_start_to_its_end(store: Store) -> None:  # L11 S3
    await a_listing(store)
    assert fields(await explained(store, redoute(), HOUR - TICK))["price"] == 10000
    found = await explained(store, redoute(), HOUR)
    assert {name: value for name, value in fields(found).items() if name not in ("stock", "vat", "end")} == {
        "price": 7000,
        "rrp": 10000,
        "period": {"start": "2026-03-02T13:00:00.000Z", "end": "2026-03-02T14:00:00.000Z"},
        "nature": "Soldes",
    }
    assert "no price is known" in found["fields"][1]["inputs"]["doubt"]
    assert fields(await explained(store, redoute(), 2 * HOUR))["price"] == 10000
    blocking = redoute(offers={"unknown_history": "block"})
    found = await explained(store, blocking, HOUR)
    assert (fields(found)["price"], fields(found)["rrp"], fields(found)["nature"]) == (10000, None, "Standard")
    assert "blocked" in found["fields"][1]["rule"]


@pytest.mark.parametrize("after", [timedelta(), HOUR - TICK, HOUR, 2 * HOUR - TICK, 2 * HOUR])
async def test_what_is_explained_is_what_is_sent(store: Store, after: timedelta) -> None:  # S3 L11
    await a_listing(store)
    who = redoute(calculate_rrp=True, discount_rrp="33.5", stock_rules={"safety": 1, "below": 3})
    told = fields(await explained(store, who, after))
    rule = who.feed_rules[FeedKind.OFFER]
    feed = await store.feeds.open(REDOUTE, rule, moment(after), who.offer_terms)
    assert feed is not None
    (sent,) = [entry async for batch in store.feeds.objects(feed, "EUR") for entry in batch]  # type: ignore[arg-type]
    assert sent.price is not None
    assert sent.rrp is not None
    assert (told["stock"], told["price"], told["rrp"]) == (sent.stock, sent.price.minor, sent.rrp.minor)


async def test_what_is_due_and_what_is_not(store: Store) -> None:  # S3 L3 L8
    await a_listing(store, "absent")
    found = await explained(store, redoute())
    parts = {each["part"]: each for each in found["parts"]}
    assert parts["item"]["due"]
    assert not parts["stock"]["due"]
    assert parts["stock"]["why"] == "it is absent at the marketplace, and must be product_integrated first"
    assert parts["end"]["why"] == "nothing of it has changed"
    await store.database.write(
        lambda db: db.execute("UPDATE listings SET channel_status = 'offer_integrated'").rowcount
    )
    assert {each["part"] for each in (await explained(store, redoute()))["parts"] if each["due"]} == {
        "item",
        "stock",
        "price",
    }
    feed = await store.feeds.open(REDOUTE, redoute().feed_rules[FeedKind.OFFER], moment(), OfferTerms())
    assert feed is not None
    gates = {each["kind"]: each for each in (await explained(store, redoute(), TICK))["gates"]}
    assert gates["item"]["open"]
    assert not gates["offer"]["open"]
    assert gates["offer"]["until"] == "2026-03-02T14:00:00.000Z"
    assert "not answered yet" in gates["offer"]["why"]


async def test_a_marketplace_without_prices_explains_its_stock(store: Store) -> None:  # S3 J3
    rows = [ItemRow(LAMP, Item(), channel_item_id="12345678", ended=True)]
    await store.listings.put_items(AccountName("lewis"), rows, NOON, [""], item_feed=False)
    found = await explained(store, lewis())
    assert fields(found) == {"stock": 0, "end": True}
    assert found["fields"][0]["rule"] == "L9: an ended listing offers nothing"


async def test_a_listing_that_is_not_there_has_no_explanation(store: Store) -> None:  # S3
    assert await explain(store, redoute(), Sku("NOBODY"), moment()) is None


async def test_eco_contribution_vat_and_net_price_are_shown(store: Store) -> None:  # C4 C8 S3
    await a_listing(store)
    row = ItemRow(LAMP, Item(ean="3701234567891"), levies=Levies(Decimal("0.055"), 60, "FR-DEA"))
    await store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True)
    found = await explained(store, redoute())
    assert (fields(found)["price"], fields(found)["vat"]) == (10000, "5.5 %")
    assert found["fields"][2]["inputs"] == {"listing": "5.5 %", "account": "20 %", "net_price": 9479}
    including = redoute(offers={"prices_include_eco_contribution": True}, calculate_rrp=True, discount_rrp=40)
    found = await explained(store, including)
    assert (fields(found)["price"], fields(found)["rrp"]) == (9940, 16566)
    assert found["fields"][1]["inputs"] == {"price": 10000, "eco_contribution": 60, "epr_code": "FR-DEA"}
    assert "C8: less the eco-contribution" in found["fields"][1]["rule"]
    found = await explained(store, including, HOUR)
    assert (fields(found)["price"], fields(found)["rrp"]) == (6940, 9940)
    await store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(60, "EUR"))], NOON)
    parts = {each["part"]: each for each in (await explained(store, including))["parts"]}
    assert parts["stock"]["why"] == "its price is no more than the eco-contribution that it includes"
    await store.database.write(
        lambda db: db.execute("INSERT INTO prices SELECT id, 0, 9900, NULL FROM listings").rowcount
    )
    found = await explained(store, including)
    assert (fields(found)["price"], fields(found)["rrp"]) == (9900, None)
    assert {each["part"]: each["due"] for each in found["parts"]}["stock"]


async def test_the_sale_of_a_promotion_is_explained(store: Store) -> None:  # C3 S3
    await a_listing(store)
    promotion = replace(SALE, sale="ETE")
    await store.promotions.put(REDOUTE, [PromotionRow(LAMP, promotion)], NOON)
    blocking = redoute(offers={"sales": "block", "unknown_history": "allow"})
    found = await explained(store, blocking, HOUR)
    assert "the sale ETE is not in the imported sales" in found["fields"][1]["inputs"]["doubt"]
    assert fields(found)["price"] == 10000
    sale = Sale("ETE", "Soldes", NOON + HOUR, NOON + 2 * HOUR, NOON)
    await store.reference.replace(REDOUTE, ReferenceKind.SALES, [sale], NOON)
    found = await explained(store, blocking, HOUR)
    assert fields(found)["price"] == 7000
    assert found["fields"][1]["inputs"]["promotion"] == {
        "price": 7000,
        "start": "2026-03-02T13:00:00.000Z",
        "end": "2026-03-02T14:00:00.000Z",
        "nature": "Soldes",
        "sale": "ETE",
        "sale_window": {"start": "2026-03-02T13:00:00.000Z", "end": "2026-03-02T14:00:00.000Z"},
        "sale_deadline": "2026-03-02T12:00:00.000Z",
        "imported_at": "2026-03-02T12:00:00.000Z",
        "on_offer_since": None,
    }
