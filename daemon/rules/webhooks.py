"""What receivers of webhooks are told: which events are worth a message, and how it is tried again.

The body is type, timestamp and data, the headers are those of `signing.py`. Messages hold ids and states, never
personal data: who wants more asks by the link (D12).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

#: every type of message with what it says
TYPES: Mapping[str, str] = {
    "order.received": "an order has come in, whole",
    "order.incomplete": "an order has come in, but not all of it",
    "order.changed": "a line, an update or a claim of an order has moved",
    "order.update_failed": "what was said of an order did not succeed",
    "listing.error": "a listing cannot be sent, or the marketplace has rejected it",
    "listing.blocked": "a part of a listing was rejected too often and is not sent any more",
    "feed.answered": "the marketplace has answered a feed",
    "feed.refused": "the marketplace has refused a feed as a whole",
    "feed.in_doubt": "nobody knows whether a feed arrived",
    "feed.lapsed": "a feed was not answered in time; what it carried is sent again",
    "account.held": "an account needs a person; none of its jobs run",
    "account.released": "a held account is tried again",
}

#: how long after each failed try a message is tried again; after the last it is given up, some three days on
RETRIES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
#: how long a receiver that failed so often in a row is left alone: his messages wait together
RESTS = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 30, 60, 120, 300))

_OF_FEED = {"answered", "refused", "in_doubt", "lapsed"}


def type_of(subject: str, what: str, to: str, why: str) -> str:
    """The type of message that an event is worth; empty where it is worth none."""
    match subject:
        case "order":
            return _of_order(what, to, why)
        case "listing":
            return _of_listing(what, to, why)
        case "feed":
            return f"feed.{to}" if to in _OF_FEED else ""
        case "account":
            return f"account.{what}" if what in ("held", "released") else ""
        case _:
            return ""


def _of_order(what: str, to: str, why: str) -> str:
    if what == "received":
        return "order.incomplete" if why else "order.received"
    if what == "completed":
        return "order.received"
    return "order.update_failed" if to == "failed" else "order.changed"


def _of_listing(what: str, to: str, why: str) -> str:
    if to == "blocked":
        return "listing.blocked"
    return "listing.error" if to in ("error", "rejected") or (what == "imported" and why) else ""


def next_try(attempts: int, at: datetime) -> datetime | None:
    """When a message is tried again after so many failed tries; None when it is given up."""
    return at + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


def rest(failures: int) -> timedelta:
    """How long a receiver is left alone after so many failures in a row."""
    return RESTS[min(failures, len(RESTS)) - 1]
