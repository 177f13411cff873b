"""How everything stands at one instant, in our database and at the marketplaces, and what can be asked of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

View = dict[str, Any]

#: the accounts of the demo
LAREDOUTE = "laredoute"
JOHNLEWIS = "johnlewis"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at everything, each thing as the views of the store give it; `far` is the sandbox's own record."""

    at: datetime
    listings: Mapping[str, Sequence[View]] = field(default_factory=dict)
    feeds: Sequence[View] = ()
    gates: Sequence[View] = ()
    orders: Sequence[View] = ()
    jobs: Mapping[str, Sequence[View]] = field(default_factory=dict)
    #: the status of /healthz and its body; 0 where it did not answer
    health_status: int = 0
    health: View = field(default_factory=dict)
    far: View = field(default_factory=dict)
    #: the exit code of the daemon once it has ended
    exit_code: int | None = None

    def of(self, account: str) -> Sequence[View]:
        """The listings of an account."""
        return self.listings.get(account, ())

    def in_state(self, account: str, part: str, state: str) -> list[View]:
        """The listings of an account of which a part is in a state."""
        return [listing for listing in self.of(account) if listing["parts"][part]["state"] == state]

    def sound(self, account: str) -> list[View]:
        """The listings of an account that are not in Error with their item: all that can be sold there."""
        return [listing for listing in self.of(account) if listing["parts"]["item"]["state"] != "error"]

    def sent_feeds(self, account: str, kind: str) -> list[View]:
        """The feeds of a kind that have left, the oldest first."""
        feeds = [feed for feed in self.feeds if (feed["account"], feed["kind"]) == (account, kind) and feed["sent_at"]]
        return sorted(feeds, key=lambda feed: int(feed["id"]))

    def closed_gate(self, account: str) -> View | None:
        """The gate of the offer feeds of an account, None where it is open or was never closed."""
        for gate in self.gates:
            if (gate["account"], gate["kind"]) == (account, "offer") and not gate["open"]:
                return gate
        return None

    def held(self, account: str) -> list[str]:
        """The SKUs whose stock or price waits while the gate is closed."""
        if self.closed_gate(account) is None:
            return []
        waiting = ("stock", "price")
        return [
            listing["sku"]
            for listing in self.sound(account)
            if listing["channel_status"] != "absent" or account == JOHNLEWIS
            if any(listing["parts"][part]["state"] == "pending" for part in waiting)
        ]

    def order(self, account: str) -> View | None:
        """The oldest order of an account."""
        orders = [order for order in self.orders if order["account"] == account]
        return min(orders, key=lambda order: int(order["id"]), default=None)

    def order_is(self, account: str, *states: str) -> bool:
        """Whether there is an order of an account with every line in one of these states."""
        order = self.order(account)
        return order is not None and all(line["state"] in states for line in order["lines"])

    def far_order(self, account: str) -> View:
        """What the marketplace says of that order; empty where it has none."""
        order = self.order(account)
        found: View = self.far.get(account, {}).get("orders", {}).get(order["number"], {}) if order else {}
        return found

    def far_stock(self, account: str) -> dict[str, int]:
        """What the marketplace has in stock, by EAN at La Redoute and by stock number at John Lewis."""
        there = self.far.get(account, {})
        if account == LAREDOUTE:
            return {ean: offer["stock"] for ean, offer in there.get("offers", {}).items()}
        return {part: stock["free"] for part, stock in there.get("stock", {}).items()}


def instant(text: str) -> datetime:
    """An instant of a view."""
    return datetime.fromisoformat(text)
