"""By when an order line should be accepted or shipped, and whether it is late for that."""

from collections.abc import Iterable
from datetime import datetime

from daemon.model import Deadlines, LineState, Timeliness


def due_at(state: LineState, since: datetime, deadlines: Deadlines) -> datetime | None:
    """By when the seller should act on a line that has been in this state since then; None where nobody waits for him.

    A line that is accepted waits for the marketplace, and one that was shipped, refused or cancelled for nobody.
    """
    match state:
        case LineState.NEW:
            within = deadlines.accept_within
        case LineState.TO_SHIP:
            within = deadlines.ship_within
        case _:
            return None
    return since + within if within else None


def timeliness(due: datetime | None, now: datetime, deadlines: Deadlines) -> Timeliness:
    """Late from the very instant at which it is due; due soon from `warn_before` before that."""
    if due is None or now < due - deadlines.warn_before:
        return Timeliness.IN_TIME
    return Timeliness.LATE if now >= due else Timeliness.DUE_SOON


def worst(found: Iterable[Timeliness]) -> Timeliness:
    """How an order stands whose lines stand like that."""
    return max(found, key=list(Timeliness).index, default=Timeliness.IN_TIME)
