"""The made-up account that the tests of The Edge work with, and its listings."""

from collections.abc import Mapping
from typing import Any

from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.model import FeedObject, Item, Part, Sku
from daemon.settings import Secret

LOGIN = {"host": "sftp.example.test", "user": "seller", "password": Secret("correct horse")}


def account(**changes: Any) -> EdgeSettings:
    """An account with nothing but what it must say, and `changes`."""
    said: Mapping[str, Any] = {
        "marketplace": "johnlewis",
        "speaks": "edge",
        "name": "johnlewis-gb",
        "sftp": LOGIN,
        "standard_delivery_days": 3,
    }
    return EdgeSettings.model_validate({**said, **changes})


def listing(channel_item_id: str, stock: int, sku: str = "", handling_days: int | None = None) -> FeedObject:
    """A listing as a feed of stock carries it."""
    return FeedObject(
        sku=Sku(sku or f"S-{channel_item_id}"),
        ean="3701234567897",
        channel_item_id=channel_item_id,
        parts=frozenset({Part.STOCK}),
        item=Item(),
        stock=stock,
        price=None,
        rrp=None,
        ended=False,
        handling_days=handling_days,
    )
