"""Orders as the marketplace gives them: their lines, who gets the goods, what can be wrong, by when they are due."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from daemon.model.names import Money, OrderNumber


class LineState(StrEnum):
    """The life of an order line, in our words (L12)."""

    NEW = "new"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TO_SHIP = "to_ship"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    TO_CANCEL = "to_cancel"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUND_REFUSED = "refund_refused"


class OrderFault(StrEnum):
    """What can be wrong with an order that a person should see (J6, J14).

    INCOMPLETE: its file was not whole. OTHER_CONTENT: it came once more and said something else. UNKNOWN_LISTING: no
    listing has the article of a line.
    """

    INCOMPLETE = "incomplete"
    OTHER_CONTENT = "other_content"
    UNKNOWN_LISTING = "unknown_listing"


class Severity(StrEnum):
    """How much an order error matters: HIGH keeps the order from being worked on, or makes what is known doubtful."""

    HIGH = "high"
    MEDIUM = "medium"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who gets the goods. Personal data: never logged, erased after its retention (D12)."""

    name: str = ""
    lines: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    instructions: str = ""


class OrderLine(NamedTuple):
    """One line of an order as the marketplace gave it. `extra` keeps every field that we have no word for.

    A tuple, as orders come by the thousand: a frozen dataclass takes three times as long to make.
    """

    ref: str
    quantity: int
    state: LineState
    ean: str = ""
    channel_item_id: str = ""
    title: str = ""
    unit_price: Money | None = None
    extra: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Order:
    """One order as one delivery gave it; `incomplete` says why it must not be worked on yet (J6).

    `sent_once` is for a marketplace that gives an order once and whole: what comes again under its number changes
    nothing, and is a contradiction where it says something else (J14).
    """

    number: OrderNumber
    lines: tuple[OrderLine, ...]
    ordered_at: datetime | None = None
    shipping: Customer = field(default_factory=Customer)
    billing: Customer | None = None
    shipping_method: str = ""
    payment_method: str = ""
    test: bool = False
    incomplete: str = ""
    sent_once: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long an order line may wait for its acceptance and its shipment, and how long before that it is due soon.

    A zero is no deadline.
    """

    accept_within: timedelta = timedelta()
    ship_within: timedelta = timedelta()
    warn_before: timedelta = timedelta()


class Timeliness(StrEnum):
    """How an order line that waits for the seller stands against its deadline."""

    IN_TIME = "in_time"
    DUE_SOON = "due_soon"
    LATE = "late"
