"""The words of the trade as values: accounts, listings, feeds, answers, orders, deliveries. Nothing here does I/O.

Instants (`…_at`) are UTC and aware; money is an integer of minor units with its currency; EANs, postcodes, line
references and stock numbers are text, always.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Generic, Literal, NamedTuple, NewType, TypeVar

from daemon.errors import Unreadable

AccountName = NewType("AccountName", str)
Sku = NewType("Sku", str)
ChannelItemId = NewType("ChannelItemId", str)
OrderNumber = NewType("OrderNumber", str)
FeedId = NewType("FeedId", int)
PayloadId = NewType("PayloadId", int)

#: in the place of an account: what belongs to none, but to the installation as a whole
SITE = AccountName("")


#: Whose VAT rates a rate is held against (consumer rule C4). `any` is for sellers for whom none of the lists is right:
#: every rate below 100 % is taken there, 0 included.
VatTerritory = Literal["mainland", "corsica", "dom", "any"]


class SyncState(StrEnum):
    """How one part of a listing stands between us and the marketplace."""

    NOT_NEEDED = "not_needed"
    PENDING = "pending"
    SENT = "sent"
    ERROR = "error"


class Part(StrEnum):
    """The parts of a listing that are kept in step, each with a state, an error text and a revision."""

    ITEM = "item"
    STOCK = "stock"
    PRICE = "price"
    END = "end"


#: what the guide calls the error text of each part (L2, L6, L7); of ending it says nothing, that name is ours
ERROR_NAMES: Mapping[Part, str] = {
    Part.ITEM: "Update Item Error",
    Part.STOCK: "Error Updating Quantity",
    Part.PRICE: "Error Updating Price",
    Part.END: "Error Ending Item",
}


class ChannelStatus(StrEnum):
    """How far a listing has come at the marketplace (L3)."""

    ABSENT = "absent"
    PRODUCT_INTEGRATED = "product_integrated"
    OFFER_INTEGRATED = "offer_integrated"


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


class LineState(StrEnum):
    """The life of an order line, in our words (L12)."""

    NEW = "new"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TO_SHIP = "to_ship"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    TO_CANCEL = "to_cancel"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUND_REFUSED = "refund_refused"


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


class OrderFault(StrEnum):
    """What can be wrong with an order that a person should see (J6, J14).

    INCOMPLETE: its file was not whole. OTHER_CONTENT: it came once more and said something else. UNKNOWN_LISTING: no
    listing has the article of a line.
    """

    INCOMPLETE = "incomplete"
    OTHER_CONTENT = "other_content"
    UNKNOWN_LISTING = "unknown_listing"


class Severity(StrEnum):
    """How much an order error matters: HIGH keeps the order from being worked on, or makes what is known doubtful."""

    HIGH = "high"
    MEDIUM = "medium"


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


class Whereabouts(StrEnum):
    """What the marketplace says when it is asked whether an update of ours is there."""

    ARRIVED = "arrived"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clocks said at one instant: the wall clock for people, the boot-time clock for the gate (L8).

    `boot_ns` goes on while the machine sleeps and never jumps; it means nothing on another `boot_id`.
    `synchronised` is the kernel's word on whether its wall clock can be trusted.
    """

    at: datetime
    boot_id: str
    boot_ns: int
    synchronised: bool


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, pence) with its ISO 4217 currency."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of an item; rank 1 is the main one."""

    url: str
    rank: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """One taxonomy attribute: codes of the marketplace with the French label; declinable ones are variation axes."""

    code: str
    value_code: str
    label: str
    declinable: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """The catalogue part of a listing (L4); from `manufacturer` on, who answers for its safety (C9)."""

    ean: str = ""
    category: str = ""
    product_id: str = ""
    master_sku: str = ""
    title: str = ""
    description: str = ""
    brand: str = ""
    catalogue_id: str = ""
    photos: tuple[Photo, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    manufacturer: str = ""
    manufacturer_part_number: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = ""
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""


@dataclass(frozen=True, slots=True)
class Safety:
    """Who made a product, who is responsible for it in the EU, and the warnings that a buyer must read (C9).

    `manufacturer_country` is ISO 3166 in two letters. The names are those of `Item`.
    """

    manufacturer: str = ""
    manufacturer_address: str = ""
    manufacturer_email: str = ""
    manufacturer_country: str = ""
    responsible_name: str = ""
    responsible_address: str = ""
    responsible_email: str = ""
    safety_warnings: str = ""


@dataclass(frozen=True, slots=True)
class SafetyTerms:
    """What an account says of its products where a listing does not, and in which attributes it goes out.

    `codes` are by the field of `Safety`; what has none is kept and not sent.
    """

    defaults: Safety = field(default_factory=Safety)
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """What a marketplace allows in an item where that is no law of nature (L4, L5), lengths in characters.

    `description_min` counts the text without its markup; `wanted_attributes` are the codes of those that the law asks
    for in every item, such as the maker's address (consumer rules C9). `safety` is None where nobody asks who answers
    for a product.
    """

    sku_max: int = 32
    title_max: int = 50
    description_min: int = 10
    wanted_attributes: tuple[str, ...] = ()
    safety: SafetyTerms | None = None


@dataclass(frozen=True, slots=True)
class PhotoTerms:
    """How large photos must be on each side, and how large they had better be, in pixels (C6)."""

    least: int
    wanted: int


@dataclass(frozen=True, slots=True)
class ListingFault:
    """One thing that is wrong with a listing, or doubtful: the field, the rule it breaks, what is wrong, the fix."""

    field: str
    rule: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class StockKnobs:
    """How much of its stock one listing offers; None is what the account says (`OfferTerms`)."""

    safety_stock: int | None = None
    percentage: int | None = None
    cap: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class StockExtras:
    """What a retailer's stock file may want of a listing beside its units, as it is written there; empty is unsaid.

    Days are ISO 8601, units and days whole numbers; the rest are the retailer's own words.
    """

    back_in_stock_date: str = ""
    low_stock: str = ""
    ring_fenced_units: str = ""
    standard_lead_time_days: str = ""
    max_lead_time_days: str = ""
    lead_time_from: str = ""
    availability_status: str = ""
    product_status: str = ""


@dataclass(frozen=True, slots=True)
class Levies:
    """What of a listing's price goes to others (consumer rules C4, C8).

    `vat_rate` is a fraction, None for the account's; `eco_minor` the eco-contribution of one unit in minor units, None
    where there is none, and `epr_code` the category that asks for it.
    """

    vat_rate: Decimal | None = None
    eco_minor: int | None = None
    epr_code: str = ""


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What an account makes of the seller's figures before they are sent (L6, L10, L11); the default changes nothing.

    Of the stock, less the reservation of open orders and `safety_stock`, `percentage` is offered, at most `cap`, and
    none where that is less than `threshold`. `rrp_discount_bp` is Discount RRP in hundredths of a percent, None with
    Calculate RRP off. `reduction_policy` says what becomes of a reduction that breaks C1 or C2, `unknown_history` of
    one for which no earlier price is known, `sale_policy` of one that does not keep to the sale that it names (C3).
    `less_eco` says that the seller's prices include the eco-contribution and that what is sent must not (C8).
    `vat_rate` is that of listings without their own, a fraction (C4). `period` and `nature` are those of an offer
    without a promotion.
    `stock_form` stands for whatever else of the account goes into each row of stock, such as its lead time.
    """

    safety_stock: int = 0
    percentage: int = 100
    cap: int | None = None
    threshold: int = 0
    reserve_open_orders: bool = False
    rrp_discount_bp: int | None = None
    reduction_policy: Literal["warn", "block"] = "warn"
    unknown_history: Literal["allow", "warn", "block"] = "warn"
    sale_policy: Literal["warn", "block"] = "warn"
    less_eco: bool = False
    vat_rate: Decimal | None = None
    period: timedelta | None = None
    nature: str = ""
    stock_form: str = ""


@dataclass(frozen=True, slots=True)
class GuardTerms:
    """Which changes of an account look like a mistake and wait for a person; the default holds nothing back.

    All but the spans are percentages and numbers of listings, and 0 is never. `price_fall` and `price_rise` are against
    the last price that was accepted, `promotion_fall` what a promotion may take off. Of the listings that sell,
    `zero_share` may go to zero and `end_share` may end within `window`, and from `least` on that is too many. A held
    zero leaves by itself after `zero_expiry` (zero: never).
    """

    price_fall: int = 0
    price_rise: int = 0
    promotion_fall: int = 0
    zero_share: int = 0
    zero_least: int = 1
    end_share: int = 0
    end_least: int = 1
    window: timedelta = timedelta()
    zero_expiry: timedelta = timedelta()

    @property
    def on(self) -> bool:
        """Whether anything can be held back."""
        return any((self.price_fall, self.price_rise, self.promotion_fall, self.zero_share, self.end_share))


@dataclass(frozen=True, slots=True)
class Promotion:
    """A price for a window of time, its start included and its end not (L11).

    `nature` is the marketplace's internal kind of offer, empty for the account's own; `sale` the code of the statutory
    sale that it belongs to, empty for none (C3).
    """

    price: Money
    starts_at: datetime
    ends_at: datetime
    nature: str = ""
    sale: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """A statutory sale ("soldes"), its start included and its end not (C3).

    `deadline` is by when the marketplace wants to know what takes part; None where it has said nothing.
    """

    code: str
    label: str
    starts_at: datetime
    ends_at: datetime
    deadline: datetime | None = None


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
    extras: StockExtras = StockExtras()
    vat_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """The place of a text in a usual row, by the name that `FeedObject` has for it."""

    of: Literal["sku", "ean", "channel_item_id"]


@dataclass(frozen=True, slots=True)
class Count:
    """The place of a whole number in a usual row; `otherwise` stands for none, and `plus` is added to either."""

    of: Literal["stock", "handling_days"]
    otherwise: int = 0
    plus: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """The place of an amount in a usual row, with a dot and two decimals.

    `price` is what the buyer pays; `highest` the reference beside it where that is higher, else the price.
    """

    of: Literal["price", "highest"]


@dataclass(frozen=True, slots=True)
class Rate:
    """The place of the listing's own VAT rate in a usual row, a fraction with two decimals at least."""

    otherwise: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """The place of what the promotion of a listing says in a usual row; `otherwise` stands there without a promotion.

    It is its nature, where it names one, or the minute in UTC in which it begins, or after which its last instant lies.
    """

    of: Literal["nature", "starts_at", "ends_at"]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Extra:
    """The place of something that the stock extras of a listing may say in a usual row; `otherwise` stands there."""

    otherwise: str = ""


#: A row of a feed as it is written for a usual listing: texts as they stand, and between them the places of values. A
#: usual listing has no stock extras where there is a place for one, is in no promotion unless there is a place for it,
#: has a price where an amount is asked for, and its texts are of the letters, digits and marks that no format quotes.
UsualRow = tuple[str | Words | Count | Amount | Rate | Promoted | Extra, ...]


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


@dataclass(frozen=True, slots=True)
class Customer:
    """Who gets the goods. Personal data: never logged, erased after its retention (D12)."""

    name: str = ""
    lines: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order as the marketplace gave it. `extra` keeps every field that we have no word for."""

    ref: str
    quantity: int
    state: LineState
    ean: str = ""
    channel_item_id: str = ""
    title: str = ""
    unit_price: Money | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """One order as one delivery gave it; `incomplete` says why it must not be worked on yet (J6).

    `sent_once` is for a marketplace that gives an order once and whole: what comes again under its number changes
    nothing, and is a contradiction where it says something else (J14).
    """

    number: OrderNumber
    lines: tuple[OrderLine, ...]
    ordered_at: datetime | None = None
    shipping: Customer = field(default_factory=Customer)
    billing: Customer | None = None
    shipping_method: str = ""
    payment_method: str = ""
    test: bool = False
    incomplete: str = ""
    sent_once: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


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
class Deadlines:
    """How long an order line may wait for its acceptance and its shipment, and how long before that it is due soon.

    A zero is no deadline.
    """

    accept_within: timedelta = timedelta()
    ship_within: timedelta = timedelta()
    warn_before: timedelta = timedelta()


class Timeliness(StrEnum):
    """How an order line that waits for the seller stands against its deadline."""

    IN_TIME = "in_time"
    DUE_SOON = "due_soon"
    LATE = "late"


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


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a server lists it. `name` is one path segment and never becomes a local path.

    A reply of an HTTP service counts as a file of the folder `reply`.
    """

    folder: str
    name: str
    size: int
    modified_at: datetime | None = None

    def may_change_unseen(self, now: datetime) -> bool:
        """Whether it was changed so lately that another change would leave it the same time, told in whole seconds.

        `now` may be a little before the listing. A server whose clock is off by more than that cannot be judged.
        """
        if self.modified_at is None:
            return False
        return now - _SECOND < self.modified_at <= now + _LISTING


_SECOND = timedelta(seconds=1)
#: how long after the top of a turn its listing may come
_LISTING = timedelta(minutes=1)

T = TypeVar("T")


@dataclass(frozen=True)  # no slots: Delivery[T](…) sets __orig_class__, which fails badly with both
class Delivery(Generic[T]):
    """Something received whole: where it lies, its exact bytes, and what could be read from it.

    `body` is Unreadable when nothing in it can be trusted; single unreadable things inside it stand in their place.
    """

    file: RemoteFile
    content: bytes
    body: tuple[T | Unreadable, ...] | Unreadable


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """What a marketplace says of one order update, found by the name that we gave it."""

    update_name: str
    accepted: bool
    text: str = ""
