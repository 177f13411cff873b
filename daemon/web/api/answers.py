"""The form of the answers, for the description of the interface: what stays in every version 1, field by field.

An answer may hold more than is said here; what is said here is always there.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from daemon.model import LineState, Part, SyncState


class Told(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(extra="allow")


class Answer(Told):
    """Any answer: `version` says which form it has."""

    version: Literal[1]


Instant = str | None


class PartState(Told):
    """How one part of a listing stands with the marketplace."""

    state: SyncState
    error: str = Field(description="the marketplace's own words, or ours where our rules hold it back")
    blocked: str = Field(description="why another try would not send it; empty where it would")


class Listing(Told):
    """One SKU at one marketplace."""

    account: str
    sku: str
    ean: str
    channel_item_id: str
    channel_status: Literal["absent", "product_integrated", "offer_integrated"]
    stock: int | None
    price_minor: int | None = Field(description="minor units in the account's currency: 4990 is 49.90")
    rrp_minor: int | None
    ended: bool
    parts: dict[Part, PartState]
    warnings: list[dict[str, Any]]
    created_at: Instant
    changed_at: Instant


class Listings(Answer):
    """A page of listings by SKU; `next` goes into `after` for the page behind it, null at the end."""

    listings: list[Listing]
    next: str | None


class OneListing(Answer):
    """One listing with its item, prices, promotions, feeds and timeline."""

    listing: Listing


class Line(Told):
    """One line of an order, the unit of status."""

    ref: str
    quantity: int
    shipped: int
    cancelled: int
    refunded: int
    state: LineState
    sku: str | None
    ean: str
    channel_item_id: str
    title: str
    price_minor: int | None
    currency: str
    due_at: Instant = Field(description="by when the seller should act on it")


class Order(Told):
    """One order; who gets it is there only where `personal` was asked for."""

    id: int
    account: str
    number: str
    ordered_at: Instant
    received_at: Instant
    changed_at: Instant
    incomplete: str = Field(description="what is missing of it; empty where it is whole")
    test: bool
    shipping_method: str
    payment_method: str
    lines: list[Line]
    due_at: Instant


class Orders(Answer):
    """A page of orders, the newest first; `next` goes into `before` for the page behind it, null at the end."""

    orders: list[Order]
    next: int | None


class OneOrder(Answer):
    """One order with its updates and timeline."""

    order: Order


class OrderChanges(Answer):
    """Orders that changed behind a cursor, the oldest change first."""

    orders: list[Order]
    cursor: str = Field(description="where to go on from; keep it with what was made of these orders")
    more: bool = Field(description="the next answer has orders already")


class SaidLine(Told):
    """Units of a line that an update is about."""

    ref: str
    quantity: int


class Recorded(Answer):
    """A decision that was recorded; it is sent to the marketplace when its turn comes."""

    order: str
    kind: str
    lines: list[SaidLine]


class Feed(Told):
    """One batch that was sent, or is being sent."""

    id: int
    account: str
    kind: Literal["item", "offer"]
    state: Literal["sending", "sent", "in_doubt", "answered", "refused", "withdrawn", "lapsed"]
    name: str
    size: int
    accepted: int
    rejected: int
    error: str
    opened_at: Instant
    sent_at: Instant
    closed_at: Instant


class Feeds(Answer):
    """A page of feeds, the newest first; `next` goes into `before` for the page behind it, null at the end."""

    feeds: list[Feed]
    next: int | None


class OneFeed(Answer):
    """One feed with its timeline and a page of what it carried, by SKU; `next` goes into `after`."""

    feed: Feed
    next: str | None


class Account(Told):
    """One configured account; `state` is null until the daemon has taken it over."""

    name: str
    marketplace: str
    active: bool
    environment: Literal["live", "uat", "sandbox"]
    time_zone: str
    currency: str
    state: dict[str, Any] | None


class Accounts(Answer):
    """Every configured account."""

    accounts: list[Account]


class OneAccount(Answer):
    """One account."""

    account: Account


class Promotion(Told):
    """A price for a window of time, its start included and its end not."""

    id: int
    sku: str
    price_minor: int
    currency: str
    starts_at: str
    ends_at: str
    nature: str
    withdrawn_at: Instant
    in_force: bool


class Promotions(Answer):
    """A page of promotions, the newest first; `next` goes into `before`, null at the end."""

    promotions: list[Promotion]
    next: int | None


class Fault(Told):
    """One thing that is wrong in a file."""

    line: int
    column: str
    value: str
    problem: str
    fix: str
    sku: str
    order: str
    code: str = Field(description="which kind of fault it is; stays", examples=["unknown_sku"])


class Difference(Told):
    """What a row of a file would change."""

    line: int
    key: str = Field(description="the SKU, or of dispatches the order's number")
    field: str
    old: str
    new: str


class ImportReport(Answer):
    """What an import did, or of a dry run would do; of each list, the first 10,000 are given."""

    account: str
    kind: str
    dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int
    refused: int
    not_ready: int = Field(description="listings that were taken, but cannot be sent as they are")
    warned: int
    differing: int
    ignored_columns: dict[str, str] = Field(
        description="columns that nobody knows, each with the nearest that is known"
    )
    faults: list[Fault]
    incomplete: list[dict[str, Any]]
    doubtful: list[dict[str, Any]]
    differences: list[Difference]


class Webhook(Told):
    """A receiver of webhooks, without his address and secret."""

    name: str
    host: str
    active: bool
    events: list[str]
    accounts: list[str]
    pending: int
    delivered: int
    given_up: int
    events_behind: int
    failures: int
    failing_since: Instant
    rests_until: Instant
    last_error: str


class Webhooks(Answer):
    """Every configured receiver."""

    webhooks: list[Webhook]


class Message(Told):
    """One message to a receiver."""

    id: int
    message: str = Field(description="the webhook-id, the same at every try and replay")
    type: str
    account: str
    state: Literal["pending", "delivered", "given_up"]
    attempts: int
    created_at: Instant
    due_at: Instant
    settled_at: Instant
    last_error: str
    payload: dict[str, Any]


class Messages(Answer):
    """A page of messages, the newest first; `next` goes into `before`, null at the end."""

    messages: list[Message]
    next: int | None


class Replayed(Answer):
    """How many events a receiver is told of once more, as far as its events and accounts go."""

    webhook: str
    events: int
