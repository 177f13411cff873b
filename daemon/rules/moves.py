"""Which moves of an order line are legal, and how far along its life a state is (L12, Sell-R A6)."""

from collections.abc import Mapping

from daemon.model import LineState, UpdateKind

#: what a line becomes once the marketplace has our update
LEADS_TO: Mapping[UpdateKind, LineState] = {
    UpdateKind.ACKNOWLEDGEMENT: LineState.TO_SHIP,
    UpdateKind.ACCEPTANCE: LineState.ACCEPTED,
    UpdateKind.REFUSAL: LineState.REFUSED,
    UpdateKind.DISPATCH: LineState.SHIPPED,
}

_NEXT: Mapping[LineState, frozenset[LineState]] = {
    LineState.NEW: frozenset({LineState.ACCEPTED, LineState.REFUSED}),
    LineState.ACCEPTED: frozenset({LineState.TO_SHIP, LineState.TO_CANCEL}),
    LineState.TO_CANCEL: frozenset({LineState.CANCELLED}),
    LineState.TO_SHIP: frozenset({LineState.SHIPPED, LineState.REFUNDING}),
    LineState.SHIPPED: frozenset({LineState.COMPLETED, LineState.REFUNDING}),
    LineState.COMPLETED: frozenset({LineState.REFUNDING}),
    LineState.REFUNDING: frozenset({LineState.REFUNDED, LineState.REFUND_REFUSED}),
    LineState.REFUND_REFUSED: frozenset({LineState.REFUNDING}),
    LineState.REFUSED: frozenset(),
    LineState.CANCELLED: frozenset(),
    LineState.REFUNDED: frozenset(),
}


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
