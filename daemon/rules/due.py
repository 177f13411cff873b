"""Why a listing would go out with the next feed of a kind, or would not (guide L2, L3, L6, L7, L9, J2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.model import ChannelStatus, FeedRule, Part, SyncState

_REACHED = list(ChannelStatus)


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a listing decides whether it is due.

    `eco` is the part of its price that is not sent (C8), `charged` whether a price is charged now, with which stock can
    be sent where nothing of this one is left.
    """

    states: Mapping[Part, SyncState]
    channel_status: ChannelStatus
    channel_item_id: str
    ended: bool
    stock: int | None
    price: int | None
    #: parts that the change guard holds back
    held: frozenset[Part] = frozenset()
    eco: int = 0
    charged: bool = False


def obstacles(rule: FeedRule, listing: Standing) -> list[str]:
    """What keeps the listing out of the next feed, a sentence each; none when it is due.

    The claim asks the same in SQL (`store/opening.py`).
    """
    found = []
    pending = {part for part in rule.parts if listing.states[part] is SyncState.PENDING}
    if not pending:
        found.append(f"nothing of its {', '.join(sorted(rule.parts))} is pending")
    elif pending <= listing.held:
        found.append(f"the guard holds its {', '.join(sorted(pending))} back: see sellerd guard list")
    needed = rule.ended_needs if listing.ended else rule.needs
    if _REACHED.index(listing.channel_status) < _REACHED.index(needed):
        found.append(f"it is {listing.channel_status} at the marketplace, and must be {needed} first")
    if Part.STOCK in rule.parts and listing.stock is None and not listing.ended:
        found.append("its stock was never given")
    if rule.needs_price and listing.price is None:
        found.append("its price was never given")
    elif rule.needs_price and listing.price is not None and listing.price <= listing.eco and not listing.charged:
        found.append("its price is no more than the eco-contribution that it includes")
    if rule.needs_channel_item_id:
        if not listing.channel_item_id:
            found.append("it has no article number of the marketplace")
        if listing.states[Part.ITEM] is SyncState.ERROR:
            found.append("its item part is in error")
    return found
