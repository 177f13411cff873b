"""The retailers on The Edge as data (guide J15): what an account has unless its own configuration says otherwise.

A folder without a leading slash stands below the root of the account's environment, `/live` or `/uat`.
"""

from collections.abc import Mapping
from typing import Any

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "johnlewis": {
        "currency": "GBP",
        "time_zone": "Europe/London",
        "city_column": "shipping_address_3",
        "paths": {
            "order_download": "incoming",
            "order_acknowledge": "outgoing",
            "order_shipment": "outgoing",
            "order_cancel": "outgoing",
            "order_refund": "outgoing",
            "cancellation_acknowledgement": "outgoing",
            "cancellation_request": "incoming",
            "stock_update": "inventory",
            "stock_update_error": "inventory/errors",
        },
        "stock": {
            "columns": (
                "part_number",
                {"name": "tradedCode", "field": "seller_product_code"},
                {"name": "current_lead_time_to_delivery_in_days", "field": "lead_time_days"},
                "free_stock",
            ),
        },
    },
}


def over_profile(profile: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    """What the account says laid over its profile, table by table."""
    merged = dict(profile)
    for key, value in account.items():
        below = merged.get(key)
        merged[key] = over_profile(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
