"""A real store with an account at each marketplace."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.marketplaces.edge.settings import EdgeSettings
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.settings import AccountSettings, Secret
from daemon.store import Store, open_store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
#: who answers for the products of the account, so that product safety has nothing to warn of
MAKER = {
    "manufacturer": "Exemple SA",
    "manufacturer_address": "1 rue Basse, 59000 Lille",
    "manufacturer_email": "contact@maker.example",
    "manufacturer_country": "FR",
}
SFTP = {"host": "files.example.test", "user": "seller", "password": Secret("made up")}


def redoute(**changes: Any) -> AccountSettings:
    return SellrSettings.model_validate(
        {
            "name": "redoute",
            "marketplace": "laredoute",
            "speaks": "sellr",
            "vendor_id": "1001",
            "login": {"user": "SELLER1001-1", "password": Secret("made up")},
            "tokens": {name: Secret("made up") for name in ("create_items", "read_orders", "update_orders")},
            "sftp": SFTP,
            "tracking_url": "https://carrier.example.test/track/{tracking_number}",
            "items": {"safety": MAKER},
            **changes,
        }
    )


def lewis() -> AccountSettings:
    return EdgeSettings.model_validate(
        {
            "name": "lewis",
            "marketplace": "johnlewis",
            "speaks": "edge",
            "time_zone": "Europe/London",
            "currency": "GBP",
            "standard_delivery_days": 3,
            "sftp": SFTP,
        }
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "sellerd.db") as store:
        await store.database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO accounts (name, marketplace) VALUES (?, ?)",
                    [("redoute", "laredoute"), ("lewis", "johnlewis")],
                ).rowcount
            )
        )
        yield store
