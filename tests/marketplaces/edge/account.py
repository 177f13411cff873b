"""The made-up account that the tests of The Edge work with."""

from collections.abc import Mapping
from typing import Any

from daemon.marketplaces.edge.settings import EdgeSettings
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
