"""Feeds: one batch that is sent, each listing in it, by what rule it leaves, and what the marketplace answers."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from daemon.model.items import Item
from daemon.model.listings import ChannelStatus, Part, Promotion, StockExtras
from daemon.model.names import AccountName, FeedId, Money, Sku


class FeedKind(StrEnum):
    """What a feed carries; feeds of one kind of one account share one gate (L8)."""

    ITEM = "item"
    OFFER = "offer"


class FeedState(StrEnum):
    """Where a feed stands: SENDING until the far side has it, then SENT until it is answered.

    IN_DOUBT may have arrived; WITHDRAWN is known not to have left; LAPSED was never answered in its time.
    """

    SENDING = "sending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    ANSWERED = "answered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class FeedObject:
    """One listing as one feed carries it. The values are those read when the feed was opened.

    `parts` are the parts that this feed settles; the values of the others are there because the wire wants them.
    `stock` is what is to be sent: 0 where the listing is ended (L9). `price` is what the buyer pays, in a promotion its
    price; `rrp` the reference beside it: the recommended price (L10), in a promotion the ordinary one (L11).
    `vat_rate` is the listing's own, as a fraction; None is the account's (C4). `item` is empty where the feed does not
    carry the catalogue part.
    """

    sku: Sku
    ean: str
    channel_item_id: str
    parts: frozenset[Part]
    item: Item
    stock: int
    price: Money | None
    rrp: Money | None
    ended: bool
    handling_days: int | None
    promotion: Promotion | None = None
    extras: StockExtras = field(default_factory=StockExtras)
    vat_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """One batch as it is opened, sent and answered.

    `name` is the file name we gave it; `remote_ref` the marketplace's own handle, empty until it gave one.
    """

    id: FeedId
    account: AccountName
    kind: FeedKind
    state: FeedState
    opened_at: datetime
    size: int
    name: str = ""
    remote_ref: str = ""


@dataclass(frozen=True, slots=True)
class FeedRule:
    """What the feeds of one kind carry, and how often they may leave (L6-L9, J3, J4).

    A listing is due when one of `parts` is Pending and its channel status is at least `needs` (an ended listing: at
    least `ended_needs`), with a price where `needs_price` is set and with a faultless channel item id where
    `needs_channel_item_id` is (J2). `interval` counts from the end of one send to the start of the next.
    `one_at_a_time` holds the next feed back while one is unanswered, until `patience` has passed and it lapses. Where
    `silence_is_yes` is set, an unanswered feed counts as accepted after that time. A send that takes longer than
    `deadline` is ended. `most` is how many listings one feed carries at most, what is out of stock first. With
    `tearable`, a send that is cut may leave half of a file which the marketplace takes as it stands: such a feed goes
    out again whole with the next turn, and no answer to the half rejects a listing (J3).
    """

    kind: FeedKind
    parts: frozenset[Part]
    needs: ChannelStatus
    ended_needs: ChannelStatus
    needs_price: bool
    interval: timedelta
    patience: timedelta
    deadline: timedelta
    one_at_a_time: bool
    needs_channel_item_id: bool = False
    silence_is_yes: timedelta | None = None
    most: int | None = None
    tearable: bool = False


class AnswerLine(NamedTuple):
    """What a marketplace says of one listing of one feed; a tuple, because a report makes a million of them.

    A line names its feed by `remote_ref` or `feed_name`, and its listing by `sku`, `ean` or `channel_item_id`; what
    it does not give is empty. `part` is set where the answer concerns one part only.
    """

    accepted: bool
    remote_ref: str = ""
    feed_name: str = ""
    sku: str = ""
    ean: str = ""
    channel_item_id: str = ""
    code: str = ""
    text: str = ""
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of a marketplace's error: what it says in English, where it comes from, and what to do."""

    gloss: str = ""
    cause: str = ""
    fix: str = ""
