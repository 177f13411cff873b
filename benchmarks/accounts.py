"""Made-up accounts, and the moment at which every benchmark plays."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.model import AccountName, Moment

if TYPE_CHECKING:
    from daemon.marketplaces.edge.settings import EdgeSettings
    from daemon.marketplaces.sellr.settings import SellrSettings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENT = Moment(NOW, "boot", 10**12, synchronised=True)
LEWIS, REDOUTE = AccountName("lewis"), AccountName("redoute")


def johnlewis(**said: Any) -> "EdgeSettings":
    """The settings of an account with John Lewis; `said` is what differs from a made-up one."""
    # Here and not above: a piece of work that needs no settings does not wait for what reads them.
    from daemon.marketplaces.edge.settings import EdgeSettings

    return EdgeSettings.model_validate(
        {
            "marketplace": "johnlewis",
            "speaks": "edge",
            "name": LEWIS,
            "standard_delivery_days": 3,
            "sftp": _sftp(),
            **said,
        }
    )


def laredoute() -> "SellrSettings":
    """The settings of an account with La Redoute."""
    from daemon.marketplaces.sellr.settings import SellrSettings
    from daemon.settings import Secret

    return SellrSettings.model_validate(
        {
            "marketplace": "laredoute",
            "speaks": "sellr",
            "name": REDOUTE,
            "vendor_id": "1001",
            "login": {"user": "SELLER1001-1", "password": Secret("made up")},
            "tokens": {name: Secret("made up") for name in ("create_items", "read_orders", "update_orders")},
            "sftp": _sftp(),
        }
    )


def _sftp() -> dict[str, object]:
    from daemon.settings import Secret

    return {"host": "sftp.example.test", "user": "seller", "password": Secret("made up")}
