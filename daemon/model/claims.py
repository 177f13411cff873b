"""What a marketplace asks about an order: to cancel units of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from daemon.model.names import OrderNumber


class ClaimState(StrEnum):
    """Where a request of the marketplace about an order stands (J12).

    INCOMPLETE until a corrected one comes; WAITING for its order; OPEN for a person or a rule; ACCEPTED: the answer is
    decided, and on its way; ANSWERED: the answer has succeeded. OUTRUN: units left after it was asked, which is the
    refusal. TOO_LATE: they had left before, and a person should know. CLOSED: a person has seen it.
    """

    INCOMPLETE = "incomplete"
    WAITING = "waiting"
    OPEN = "open"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    OUTRUN = "outrun"
    TOO_LATE = "too_late"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line of an order as the marketplace asks about it, with the units that it means."""

    ref: str
    quantity: int
    channel_item_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """The marketplace asks to cancel units of an order (J12); lines that it does not mean are not in it.

    `incomplete` says why it must not be worked on yet; `reason` is the marketplace's own, for people.
    """

    order: OrderNumber
    lines: tuple[ClaimLine, ...]
    reason: str = ""
    incomplete: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
