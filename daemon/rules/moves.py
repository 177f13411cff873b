"""Which moves of an order line are legal, what they do to its units, and which state follows which (L12-L14)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from daemon.model import LegalMoves, LineState, UpdateKind

#: what a line becomes once the marketplace has our update, for all its units
LEADS_TO: Mapping[UpdateKind, LineState] = {
    UpdateKind.ACKNOWLEDGEMENT: LineState.TO_SHIP,
    UpdateKind.ACCEPTANCE: LineState.ACCEPTED,
    UpdateKind.REFUSAL: LineState.REFUSED,
    UpdateKind.DISPATCH: LineState.SHIPPED,
    UpdateKind.CANCELLATION: LineState.CANCELLED,
    UpdateKind.REFUND: LineState.REFUNDING,
}

# The moves of all marketplaces together. What a seller may say at one of them is in its account's LegalMoves.
_NEXT: Mapping[LineState, frozenset[LineState]] = {
    LineState.NEW: frozenset({LineState.ACCEPTED, LineState.REFUSED}),
    LineState.ACCEPTED: frozenset({LineState.TO_SHIP, LineState.TO_CANCEL}),
    LineState.TO_CANCEL: frozenset({LineState.CANCELLED}),
    LineState.TO_SHIP: frozenset({LineState.SHIPPED, LineState.REFUNDING, LineState.CANCELLED}),
    LineState.SHIPPED: frozenset({LineState.COMPLETED, LineState.REFUNDING}),
    LineState.COMPLETED: frozenset({LineState.REFUNDING}),
    LineState.REFUNDING: frozenset({LineState.REFUNDED, LineState.REFUND_REFUSED}),
    LineState.REFUND_REFUSED: frozenset({LineState.REFUNDING}),
    LineState.REFUSED: frozenset(),
    LineState.CANCELLED: frozenset(),
    LineState.REFUNDED: frozenset(),
}

#: what a line in a state waits for, for the person whose move it was not
_OUTLOOK: Mapping[LineState, str] = {
    LineState.NEW: "it waits for the seller",
    LineState.ACCEPTED: "the marketplace is charging the buyer; the line becomes to_ship, or is cancelled by itself",
    LineState.REFUSED: "the buyer was told, and nothing can follow",
    LineState.TO_SHIP: "it waits for its shipment",
    LineState.SHIPPED: "the goods have left",
    LineState.COMPLETED: "the marketplace has closed it",
    LineState.TO_CANCEL: "the marketplace is cancelling it, because the buyer could not be charged",
    LineState.CANCELLED: "nothing can follow",
    LineState.REFUNDING: "the marketplace decides about the refund",
    LineState.REFUNDED: "the buyer has the money back, and nothing can follow",
    LineState.REFUND_REFUSED: "the marketplace turned the refund down; what can be done is at its portal",
}

_UNTIL_LEFT = (UpdateKind.DISPATCH, UpdateKind.CANCELLATION)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a line stands: its state, and what became of its units so far.

    `refunded` are units of which the money goes back or went back; at most those that were not cancelled.
    """

    state: LineState
    quantity: int
    shipped: int = 0
    cancelled: int = 0
    refunded: int = 0


@cache
def reachable(start: LineState, end: LineState) -> bool:
    """Whether a line in `start` can have become `end` by legal moves, however many we did not see."""
    seen, border = {start}, [start]
    while border:
        for state in _NEXT[border.pop()] - seen:
            seen.add(state)
            border.append(state)
    return end in seen


def follow(ours: LineState, theirs: LineState) -> LineState:
    """What to believe when the marketplace says `theirs`: it is followed forward, and never back (promise P14)."""
    return theirs if reachable(ours, theirs) else ours


def told(line: Standing, theirs: LineState) -> Standing:
    """The line after the marketplace has said its state, which speaks of all units that were not cancelled."""
    state = follow(line.state, theirs)
    if state is line.state:
        return line
    going = line.quantity - line.cancelled
    match state:
        case LineState.SHIPPED | LineState.COMPLETED:
            return replace(line, state=state, shipped=going)
        case LineState.CANCELLED:
            return replace(line, state=state, cancelled=line.quantity - max(line.shipped, line.refunded))
        case LineState.REFUNDING | LineState.REFUNDED:
            return replace(line, state=state, refunded=going)
        case LineState.REFUND_REFUSED:
            return replace(line, state=state, refunded=0)
        case _:
            return replace(line, state=state)


def left(line: Standing, kind: UpdateKind, *, by_units: bool) -> int:
    """The units of which an update of this kind could still be said."""
    if kind in _UNTIL_LEFT:
        return line.quantity - line.shipped - line.cancelled
    if kind is UpdateKind.REFUND:
        # Where units count, only what has left can be refunded; the rest is cancelled.
        return max((line.shipped if by_units else line.quantity - line.cancelled) - line.refunded, 0)
    return line.quantity


def still_free(line: Standing, kind: UpdateKind, booked: Mapping[UpdateKind, int], legal: LegalMoves) -> int:
    """The units of which an update of this kind could still be said, beside those `booked` in updates on their way."""
    by_units = kind in legal.by_units
    if not by_units:
        return 0 if any(booked.values()) else left(line, kind, by_units=False)
    alike = _UNTIL_LEFT if kind in _UNTIL_LEFT else {kind}
    return left(line, kind, by_units=True) - sum(units for other, units in booked.items() if other in alike)


def after(line: Standing, kind: UpdateKind, units: int) -> Standing:
    """The line once the marketplace has our update of so many units.

    What was in doubt may be learnt after the marketplace has moved the line further: it never goes back.
    """
    match kind:
        case UpdateKind.DISPATCH:
            line = replace(line, shipped=min(line.shipped + units, line.quantity - line.cancelled))
            whole = line.shipped + line.cancelled == line.quantity
        case UpdateKind.CANCELLATION:
            going = line.quantity - max(line.shipped, line.refunded)
            line = replace(line, cancelled=min(line.cancelled + units, going))
            whole = line.shipped + line.cancelled == line.quantity
        case UpdateKind.REFUND:
            line = replace(line, refunded=min(line.refunded + units, line.quantity - line.cancelled))
            whole = line.refunded + line.cancelled == line.quantity
        case _:
            whole = True
    if not whole:
        return line
    # Taking back the rest of a line of which something has left leaves it shipped.
    rest = kind is UpdateKind.CANCELLATION and line.shipped > 0
    return replace(line, state=follow(line.state, LineState.SHIPPED if rest else LEADS_TO[kind]))


def undone(
    line: Standing,
    kind: UpdateKind,
    units: int,
    before: LineState,
    *,
    settled: LineState | None = None,
    ours_since: bool = False,
) -> Standing:
    """The line after an update that it had been moved for was turned down.

    `settled` is what the line had come to where silence was taken for a yes (J13). Where the marketplace has moved the
    line on in the meantime, it has the last word; where a later update of ours has (`ours_since`), the units go back.
    """
    reached = {before, LEADS_TO[kind], settled} | ({LineState.SHIPPED} if kind is UpdateKind.CANCELLATION else set())
    if line.state in reached:
        line = replace(line, state=before)
    elif not ours_since:
        return line
    match kind:
        case UpdateKind.DISPATCH:
            return replace(line, shipped=max(line.shipped - units, 0))
        case UpdateKind.CANCELLATION:
            return replace(line, cancelled=max(line.cancelled - units, 0))
        case UpdateKind.REFUND:
            return replace(line, refunded=max(line.refunded - units, 0))
        case _:
            return line


def hindrance(line: Standing, kind: UpdateKind, legal: LegalMoves) -> str:
    """Why an update of this kind cannot be said of a line in this state, and what could be; empty when it can (L12)."""
    states = legal.from_states.get(kind, frozenset())
    if line.state in states:
        return ""
    if not states:
        return f"this marketplace knows no {kind}; {now_possible(line.state, legal)}"
    return f"{kind} is possible only when it is {' or '.join(sorted(states))}; {now_possible(line.state, legal)}"


def cancel_hindrance(line: Standing, legal: LegalMoves) -> str:
    """Why no request to cancel or refund can be met for a line in this state; empty when one can (L14)."""
    if any(line.state in legal.from_states[kind] for kind in legal.cancels):
        return ""
    ways = "; ".join(f"{kind} when it is {' or '.join(sorted(legal.from_states[kind]))}" for kind in legal.cancels)
    return f"it can be cancelled by {ways or 'nothing at this marketplace'}; {now_possible(line.state, legal)}"


def now_possible(state: LineState, legal: LegalMoves) -> str:
    """What the seller could do about a line in this state, and what else is to be expected."""
    return f"now possible: {', '.join(legal.possible(state)) or 'nothing'} ({_OUTLOOK[state]})"
