"""What is said to the marketplace about the lines of an order: which moves are legal, and how each update stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from daemon.model.names import OrderNumber
from daemon.model.orders import LineState


class UpdateKind(StrEnum):
    """What an order update says to the marketplace.

    A cancellation takes back units that have not left; a refund gives money back for units that have, or that the
    marketplace no longer lets anybody cancel. Which of them a marketplace knows, its LegalMoves say.
    """

    ACKNOWLEDGEMENT = "acknowledgement"
    ACCEPTANCE = "acceptance"
    REFUSAL = "refusal"
    DISPATCH = "dispatch"
    CANCELLATION = "cancellation"
    REFUND = "refund"


class UpdateState(StrEnum):
    """Where an order update stands. PENDING waits for its turn; one update of an order is open at a time (L18, J11)."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Whereabouts(StrEnum):
    """What the marketplace says when it is asked whether an update of ours is there."""

    ARRIVED = "arrived"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LegalMoves:
    """What a seller may say about order lines at one marketplace (Sell-R A6, guide L12-L14, J7-J10).

    `from_states` is which kind from which states. The kinds in `by_units` may be said of some units of a line, all
    others of whole lines only. `cancels` are the kinds by which the one request "cancel or refund" goes out, in the
    order in which they are tried for a line (L14). `settled` is what a line becomes when an update of that kind has
    succeeded, where the marketplace has no word of its own for it.
    """

    from_states: Mapping[UpdateKind, frozenset[LineState]]
    by_units: frozenset[UpdateKind] = frozenset()
    cancels: tuple[UpdateKind, ...] = ()
    settled: Mapping[UpdateKind, LineState] = field(default_factory=dict)

    def __contains__(self, kind: UpdateKind) -> bool:
        """Whether the marketplace knows this kind at all."""
        return kind in self.from_states

    def possible(self, state: LineState) -> list[UpdateKind]:
        """What may be said of a line in this state."""
        return sorted(kind for kind, states in self.from_states.items() if state in states)


@dataclass(frozen=True, slots=True)
class UpdateLine:
    """One line of an order update: which line, how many units, and the marketplace's own name of the article.

    `reason` is for people; `out_of_stock` is the one reason of a refusal that a marketplace may have a word for.
    `handling_days` are those of its listing, None for the account's.
    """

    ref: str
    quantity: int
    channel_item_id: str = ""
    reason: str = ""
    out_of_stock: bool = False
    handling_days: int | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """How goods left: the carrier in the seller's word, tracking, and when."""

    carrier: str
    tracking_number: str
    tracking_url: str
    shipped_at: datetime


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What is to be said to the marketplace about lines of one order; a dispatch carries its parcel.

    `name` is unique for ever and made before anything is sent, so that a repeat is recognised as the same thing.
    `received_at` is when its order came to us, for the day from which handling is counted.
    `earlier` are the dispatches of the order that went before, for marketplaces that want them repeated (J8), or what
    a refund takes back (J10). `in_answer`: the marketplace has asked for it (J12).
    """

    kind: UpdateKind
    order: OrderNumber
    lines: tuple[UpdateLine, ...]
    created_at: datetime
    name: str = ""
    parcel: Parcel | None = None
    received_at: datetime | None = None
    earlier: "tuple[OrderUpdate, ...]" = ()
    in_answer: bool = False


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """What a marketplace says of one order update, found by the name that we gave it."""

    update_name: str
    accepted: bool
    text: str = ""
