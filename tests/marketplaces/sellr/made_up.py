"""A made-up account with its listings and orders, and the golden files."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.marketplaces import Spool
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.model import (
    AccountName,
    Attribute,
    Feed,
    FeedId,
    FeedKind,
    FeedObject,
    FeedState,
    Item,
    Money,
    OrderNumber,
    OrderUpdate,
    Parcel,
    Part,
    Photo,
    Promotion,
    Sku,
    UpdateKind,
    UpdateLine,
)
from daemon.settings import Secret

GOLDEN = Path(__file__).with_name("golden")
NOON = datetime(2026, 3, 2, 11, 0, 5, tzinfo=UTC)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def table(**changes: Any) -> dict[str, Any]:
    return {
        "marketplace": "laredoute",
        "speaks": "sellr",
        "name": "lr",
        "vendor_id": "1001",
        "login": {"user": "SELLER1001-1", "password": Secret("made-up-password")},
        "tokens": {
            "create_items": Secret("items&key"),
            "read_orders": Secret("read<key"),
            "update_orders": Secret("update-key"),
        },
        "sftp": {"host": "sftp.example.test", "user": "seller1001", "password": Secret("made-up")},
        **changes,
    }


def settings(**changes: Any) -> SellrSettings:
    return SellrSettings.model_validate(table(**changes))


def feed(kind: FeedKind, *, size: int = 2, name: str = "") -> Feed:
    default = "1001.MKP_SellerOffer.001.2026-03-02-11-00-05.xml"
    return Feed(FeedId(7), AccountName("lr"), kind, FeedState.SENDING, NOON, size, name or default)


def listing(sku: str = "RED-42", ean: str = "3701234567891", **changes: Any) -> FeedObject:
    values: dict[str, Any] = {
        "sku": Sku(sku),
        "ean": ean,
        "channel_item_id": "",
        "parts": frozenset({Part.STOCK, Part.PRICE}),
        "item": Item(),
        "stock": 12,
        "price": Money(1990, "EUR"),
        "rrp": None,
        "ended": False,
        "handling_days": None,
    }
    return FeedObject(**values | changes)


DRESS = Item(
    ean="3701234567891",
    category="S001234",
    product_id="DRESS-1",
    master_sku="DRESS",
    title="Robe d'été à pois <courte> & légère",
    description="<p>Robe légère, œuvre d'été\x07</p><ul><li>100 % coton ]]> doux</li></ul>",
    brand="B0001",
    catalogue_id="CAT-1",
    photos=(
        Photo("https://img.example.test/dress-back.PNG?size=1200&v=2", 2),
        Photo("https://img.example.test/dress-front", 1),
    ),
    attributes=(
        Attribute("A0485", "V0001", "Rouge", declinable=True),
        Attribute("A0100", "V0002", "Coton & lin"),
    ),
)

ITEMS = (
    listing(item=DRESS),
    listing(sku="BLUE-42", ean="0012345678905", item=Item(category="S1", product_id="P2", title="Jupe", brand="B2")),
)
OFFERS = (
    listing(rrp=Money(2990, "EUR"), handling_days=3),
    listing(sku='"A&B" <C>', ean="0012345678905", stock=0, price=Money(5, "EUR"), rrp=Money(4, "EUR"), ended=True),
)

SALE = Promotion(
    Money(1490, "EUR"),
    datetime(2026, 6, 24, 6, 0, tzinfo=UTC),
    datetime(2026, 7, 21, 21, 59, 59, tzinfo=UTC),
    'Soldes "été"',
)
PROMOTED = (
    listing(price=SALE.price, rrp=Money(1990, "EUR"), promotion=SALE),
    listing(
        sku="BLUE-42",
        ean="0012345678905",
        price=Money(990, "EUR"),
        promotion=Promotion(Money(990, "EUR"), SALE.starts_at, SALE.ends_at + timedelta(seconds=1)),
    ),
    listing(sku="GREEN-42", ean="3701234567884", price=Money(10000, "EUR"), rrp=Money(16666, "EUR")),
)


def update(kind: UpdateKind, *lines: UpdateLine, parcel: Parcel | None = None) -> OrderUpdate:
    return OrderUpdate(kind, OrderNumber("2000000001"), lines, NOON, parcel=parcel)


PARCEL = Parcel("Colissimo", "6A 123/45", "", datetime(2026, 7, 1, 22, 30, 59, tzinfo=UTC))


def spool(content: bytes, size: int = 1000) -> Spool:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    return Spool(len(content), chunks)


async def stream(content: bytes, size: int = 1 << 18) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
