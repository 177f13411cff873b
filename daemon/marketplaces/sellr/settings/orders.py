"""How orders are asked for, what the states of their lines are called, and what is said of a shipment (A6, A9)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field

from daemon.marketplaces.sellr.settings.forms import ElementName
from daemon.model import LineState
from daemon.settings import DeadlinesTable, Duration, Table

#: Sell-R A6, as `_plain()` makes them; spelling and case differ between sources
_STATES: Mapping[str, LineState] = {
    "created": LineState.NEW,
    "accepted": LineState.ACCEPTED,
    "refused": LineState.REFUSED,
    "toship": LineState.TO_SHIP,
    "shipped": LineState.SHIPPED,
    # "Paid" is nowhere explained; probably paid out to the seller, and nothing is left to be done then.
    "paid": LineState.COMPLETED,
    "tocancel": LineState.TO_CANCEL,
    "cancelled": LineState.CANCELLED,
    "canceled": LineState.CANCELLED,
    "torefund": LineState.REFUNDING,
    "toapprove": LineState.REFUNDING,
    "refunding": LineState.REFUNDING,
    "refunded": LineState.REFUNDED,
    "refundrefused": LineState.REFUND_REFUSED,
}


def _plain(literal: str) -> str:
    """A status literal without case, spaces, hyphens and underscores: `"To ship"` and `TOSHIP` are the same (A6)."""
    return "".join(letter for letter in literal.casefold() if letter.isalnum())


class ShipTable(Table):
    """The elements of a shipment that no source shows (A9, 5); an empty name leaves the element out."""

    carrier: ElementName = "carrier"
    tracking_number: ElementName = "trackingNumber"
    tracking_url: ElementName = "trackingUrl"


class OrdersTable(DeadlinesTable):
    """How orders are asked for and understood, and by when the seller should have acted (A6, guide L12, L13).

    A line that has waited longer than `accept_within` for its acceptance, or than `ship_within` for its shipment, is
    late; `warn_before` before that it is due soon; `"0s"` is no deadline (A9, 13: the defaults are ours).

    `statuses` are the literals asked for; `Toapprove` and `Paid` were seen as well, but nothing is to be done at them,
    and one literal too many may cost the whole reply. `states` adds to or changes the meaning of a literal.
    `shipping_method` and `payment_method` name the elements or attributes in which those are looked for; the first that
    is there counts.
    """

    source: Literal["reply", "sftp", "both"] = "both"
    statuses: tuple[str, ...] = Field(
        default=(
            "Created",
            "Accepted",
            "Refused",
            "Toship",
            "Cancelled",
            "Refunding",
            "Refunded",
            "Refund refused",
            "Shipped",
        ),
        min_length=1,
    )
    states: Mapping[str, LineState] = Field(default_factory=dict)
    accept: Literal["manual", "in_stock"] = "manual"
    ship: ShipTable = ShipTable()
    shipping_method: tuple[str, ...] = ("ShippingMethod", "DeliveryType")
    payment_method: tuple[str, ...] = ("PaymentMethod", "PaymentType", "PaymentMode")
    deadline: Duration = timedelta(minutes=5)

    def state(self, literal: str) -> LineState | None:
        """What a status literal of the wire means, None where nobody has said so."""
        wanted = _plain(literal)
        own = {_plain(name): state for name, state in self.states.items()}
        return own.get(wanted) or _STATES.get(wanted)
