"""What must be seen before the demo counts as done, each judged from one snapshot; nothing here does I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from daemon.cli.demo.snapshot import JOHNLEWIS, LAREDOUTE, Snapshot, View, instant

#: how long after the opening of the gate the feed may leave; the next tick of its job comes later than that
PROMPT = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was set up, and what must therefore be found at the far side.

    `tracking` is the tracking number by account, `rejection` the text with which La Redoute turns one listing down.
    """

    interval: timedelta
    rejection: str
    tracking: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Milestone:
    """One thing that must be seen: `judge` gives what shows it, in a few words, or nothing."""

    title: str
    judge: Callable[[Snapshot, Wanted], str]


def pending(snapshot: Snapshot, _: Wanted) -> str:
    """What was imported waits to be sent (L2, J2)."""
    items, stocks = snapshot.in_state(LAREDOUTE, "item", "pending"), snapshot.in_state(JOHNLEWIS, "stock", "pending")
    return f"{len(items)} at La Redoute, {len(stocks)} at John Lewis" if items and stocks else ""


def healthy(snapshot: Snapshot, _: Wanted) -> str:
    """The daemon works and says so (D5)."""
    return "200" if snapshot.health_status == 200 and snapshot.health.get("ok") else ""


def items_sent(snapshot: Snapshot, _: Wanted) -> str:
    """The items have left in one feed (L2)."""
    feeds = snapshot.sent_feeds(LAREDOUTE, "item")
    return f"feed {feeds[0]['id']} with {feeds[0]['size']} listings" if feeds else ""


def products_integrated(snapshot: Snapshot, _: Wanted) -> str:
    """La Redoute took the products and gave them its part numbers (L2, L3)."""
    taken = [
        listing
        for listing in snapshot.sound(LAREDOUTE)
        if listing["channel_status"] != "absent" and listing["channel_item_id"]
    ]
    if not taken or len(taken) < len(snapshot.sound(LAREDOUTE)):
        return ""
    return f"{taken[0]['sku']} is {taken[0]['channel_item_id']} there"


def item_in_error(snapshot: Snapshot, wanted: Wanted) -> str:
    """What the marketplace rejected says so in the marketplace's own words (L2)."""
    for listing in snapshot.in_state(LAREDOUTE, "item", "error"):
        if wanted.rejection in listing["parts"]["item"]["error"]:
            return f"{listing['sku']}: {wanted.rejection}"
    return ""


def first_offer_feed(snapshot: Snapshot, _: Wanted) -> str:
    """Stock and price of what is integrated left in one feed (L3, L6, L7)."""
    feeds = snapshot.sent_feeds(LAREDOUTE, "offer")
    return f"feed {feeds[0]['id']} with {feeds[0]['size']} listings" if feeds else ""


def gate_holds(snapshot: Snapshot, wanted: Wanted) -> str:
    """A change waits because the last feed left too short a time ago (L8)."""
    gate, held = snapshot.closed_gate(LAREDOUTE), snapshot.held(LAREDOUTE)
    if gate is None or not gate["until"] or not held or not first_offer_feed(snapshot, wanted):
        return ""
    return f"closed until {instant(gate['until']):%H:%M:%S} UTC, holds {', '.join(held)}"


def offers_integrated(snapshot: Snapshot, _: Wanted) -> str:
    """La Redoute sells everything that it took (L3)."""
    sound = snapshot.sound(LAREDOUTE)
    if not sound or any(listing["channel_status"] != "offer_integrated" for listing in sound):
        return ""
    return f"{len(sound)} listings"


def next_offer_feed(snapshot: Snapshot, wanted: Wanted) -> str:
    """What was held left when the gate opened: not before, and not only at the next tick (L8)."""
    first, second = (*snapshot.sent_feeds(LAREDOUTE, "offer"), None, None)[:2]
    if first is None or second is None:
        return ""
    gap = instant(second["opened_at"]) - instant(first["sent_at"])
    if not wanted.interval <= gap <= wanted.interval + PROMPT:
        return ""
    return f"feed {second['id']}, {gap.total_seconds():.2f} s after feed {first['id']}"


def stock_file_taken(snapshot: Snapshot, _: Wanted) -> str:
    """John Lewis took the stock file, and its silence made the parts Not Needed (J3, J4)."""
    feeds = [feed for feed in snapshot.sent_feeds(JOHNLEWIS, "offer") if feed["state"] == "answered"]
    arrivals = {arrival["name"]: arrival["outcome"] for arrival in snapshot.far.get(JOHNLEWIS, {}).get("arrivals", [])}
    for feed in feeds:
        if arrivals.get(feed["name"]) == "accepted" and not snapshot.in_state(JOHNLEWIS, "stock", "sent"):
            return f"{feed['name']}, {feed['size']} listings"
    return ""


def orders_stored(snapshot: Snapshot, _: Wanted) -> str:
    """An order of each marketplace is in our store (L12, J5)."""
    orders = [snapshot.order(account) for account in (LAREDOUTE, JOHNLEWIS)]
    return " and ".join(order["number"] for order in orders if order) if all(orders) else ""


def acknowledged(snapshot: Snapshot, _: Wanted) -> str:
    """John Lewis has the acknowledgement, and the order is ready for shipping (J7)."""
    there = snapshot.far_order(JOHNLEWIS)
    if not there.get("acknowledged") or not snapshot.order_is(JOHNLEWIS, "to_ship", "shipped"):
        return ""
    return _number(snapshot, JOHNLEWIS)


def accepted(snapshot: Snapshot, _: Wanted) -> str:
    """La Redoute debited the buyer of the accepted order, which is To ship (L12, L13)."""
    return _number(snapshot, LAREDOUTE) if snapshot.order_is(LAREDOUTE, "to_ship", "shipped") else ""


def shipped(snapshot: Snapshot, wanted: Wanted) -> str:
    """Both marketplaces know that the goods have left, and how to follow them (L13, J8)."""
    for account in (LAREDOUTE, JOHNLEWIS):
        numbers = _tracking(account, snapshot.far_order(account))
        if numbers != {wanted.tracking[account]} or not snapshot.order_is(account, "shipped"):
            return ""
    return " and ".join(wanted.tracking.values())


def daemon_ended(snapshot: Snapshot, _: Wanted) -> str:
    """SIGTERM ended the daemon, cleanly (D4)."""
    return "exit code 0" if snapshot.exit_code == 0 else ""


def gaps_kept(snapshot: Snapshot, wanted: Wanted) -> str:
    """La Redoute's own clock saw no two offer feeds too close to each other (L8)."""
    gaps = snapshot.far.get(LAREDOUTE, {}).get("offer_gaps", [])
    if not gaps or min(gaps) < wanted.interval.total_seconds():
        return ""
    return f"shortest {min(gaps):.2f} s, at least {wanted.interval.total_seconds():g} s wanted"


def stock_agrees(snapshot: Snapshot, wanted: Wanted) -> str:
    """What the marketplaces have in stock is what we have, the change that was held included (L6, J3)."""
    if not next_offer_feed(snapshot, wanted) or _underway(snapshot):
        return ""
    count = 0
    for account, key in ((LAREDOUTE, "ean"), (JOHNLEWIS, "channel_item_id")):
        ours = {listing[key]: listing["stock"] for listing in snapshot.sound(account)}
        if not ours or snapshot.far_stock(account) != ours:
            return ""
        count += len(ours)
    return f"{count} listings"


ENDED = Milestone("the daemon has ended", daemon_ended)

#: seen once is enough, in about this order
MILESTONES: Sequence[Milestone] = (
    Milestone("listings are Pending", pending),
    Milestone("/healthz answers", healthy),
    Milestone("items are Sent", items_sent),
    Milestone("products are integrated, with channel item ids", products_integrated),
    Milestone("a rejected item is in Error", item_in_error),
    Milestone("the first offer feed has left", first_offer_feed),
    Milestone("the gate is closed and holds a change", gate_holds),
    Milestone("offers are integrated", offers_integrated),
    Milestone("John Lewis took the stock, Not Needed after silence", stock_file_taken),
    Milestone("an order of each marketplace is stored", orders_stored),
    Milestone("the John Lewis order is acknowledged", acknowledged),
    Milestone("the La Redoute order is accepted and To ship", accepted),
    Milestone("the next offer feed left when the gate opened", next_offer_feed),
    Milestone("both orders are shipped, with tracking", shipped),
    Milestone("the marketplaces' stock is ours", stock_agrees),
    ENDED,
)

#: must be true of the last snapshot, when everything is over, by the marketplaces' own record
CHECKS: Sequence[Milestone] = (
    Milestone("no two offer feeds too close", gaps_kept),
    Milestone("both orders are shipped there, with tracking", shipped),
    Milestone("the stock there is ours", stock_agrees),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """A milestone that was seen, by what, and how many seconds after the start."""

    milestone: Milestone
    evidence: str
    seconds: float


class Tally:
    """Which milestones were seen, and which were not."""

    def __init__(self, wanted: Wanted, milestones: Sequence[Milestone] = MILESTONES) -> None:
        self.reached: list[Reached] = []
        self._wanted = wanted
        self._milestones = milestones

    @property
    def missing(self) -> list[Milestone]:
        """What was not seen."""
        seen = [reached.milestone for reached in self.reached]
        return [milestone for milestone in self._milestones if milestone not in seen]

    def judge(self, snapshot: Snapshot, seconds: float) -> list[Reached]:
        """Note what this snapshot shows for the first time, and give that."""
        found = [(milestone, milestone.judge(snapshot, self._wanted)) for milestone in self.missing]
        fresh = [Reached(milestone, evidence, seconds) for milestone, evidence in found if evidence]
        self.reached += fresh
        return fresh


def _number(snapshot: Snapshot, account: str) -> str:
    order = snapshot.order(account)
    return str(order["number"]) if order else ""


def _underway(snapshot: Snapshot) -> bool:
    """Whether stock or prices of what can be sold wait or are unanswered."""
    return any(
        listing["parts"][part]["state"] in ("pending", "sent")
        for account in (LAREDOUTE, JOHNLEWIS)
        for listing in snapshot.sound(account)
        for part in ("stock", "price")
    )


def _tracking(account: str, order: View) -> set[str]:
    """The tracking numbers of the lines of an order at the marketplace, "" for a line that has not left."""
    if account == LAREDOUTE:
        lines = order.get("lines", [])
        return {line["shipment"].get("trackingNumber", "") if line["status"] == "Shipped" else "" for line in lines}
    if order.get("state") != "dispatched":
        return {""}
    return {parcel["tracking_number"] for line in order["lines"] for parcel in line["parcels"]}
