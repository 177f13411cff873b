"""A listing and its parts: how each stands with the marketplace, and what the seller says of its stock and price."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from daemon.model.names import Money


class SyncState(StrEnum):
    """How one part of a listing stands between us and the marketplace."""

    NOT_NEEDED = "not_needed"
    PENDING = "pending"
    SENT = "sent"
    ERROR = "error"


class Part(StrEnum):
    """The parts of a listing that are kept in step, each with a state, an error text and a revision."""

    ITEM = "item"
    STOCK = "stock"
    PRICE = "price"
    END = "end"


#: what the guide calls the error text of each part (L2, L6, L7); of ending it says nothing, that name is ours
ERROR_NAMES: Mapping[Part, str] = {
    Part.ITEM: "Update Item Error",
    Part.STOCK: "Error Updating Quantity",
    Part.PRICE: "Error Updating Price",
    Part.END: "Error Ending Item",
}


class ChannelStatus(StrEnum):
    """How far a listing has come at the marketplace (L3)."""

    ABSENT = "absent"
    PRODUCT_INTEGRATED = "product_integrated"
    OFFER_INTEGRATED = "offer_integrated"


@dataclass(frozen=True, slots=True)
class ListingFault:
    """One thing that is wrong with a listing, or doubtful: the field, the rule it breaks, what is wrong, the fix."""

    field: str
    rule: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class StockKnobs:
    """How much of its stock one listing offers; None is what the account says (`OfferTerms`)."""

    safety_stock: int | None = None
    percentage: int | None = None
    cap: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class StockExtras:
    """What a retailer's stock file may want of a listing beside its units, as it is written there; empty is unsaid.

    Days are ISO 8601, units and days whole numbers; the rest are the retailer's own words.
    """

    back_in_stock_date: str = ""
    low_stock: str = ""
    ring_fenced_units: str = ""
    standard_lead_time_days: str = ""
    max_lead_time_days: str = ""
    lead_time_from: str = ""
    availability_status: str = ""
    product_status: str = ""


@dataclass(frozen=True, slots=True)
class Levies:
    """What of a listing's price goes to others (consumer rules C4, C8).

    `vat_rate` is a fraction, None for the account's; `eco_minor` the eco-contribution of one unit in minor units, None
    where there is none, and `epr_code` the category that asks for it.
    """

    vat_rate: Decimal | None = None
    eco_minor: int | None = None
    epr_code: str = ""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A price for a window of time, its start included and its end not (L11).

    `nature` is the marketplace's internal kind of offer, empty for the account's own; `sale` the code of the statutory
    sale that it belongs to, empty for none (C3).
    """

    price: Money
    starts_at: datetime
    ends_at: datetime
    nature: str = ""
    sale: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """A statutory sale ("soldes"), its start included and its end not (C3).

    `deadline` is by when the marketplace wants to know what takes part; None where it has said nothing.
    """

    code: str
    label: str
    starts_at: datetime
    ends_at: datetime
    deadline: datetime | None = None
