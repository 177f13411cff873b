"""Everything that can be told of a feed or an order, in every order: the end is the same, and no answer undoes a change.

A case is six things that happen to one listing or one order. Each sequence of one to six of them, which are 1,956, is
played on the real store, three hours between two of them, so that whatever has a patience has lost it; then come the
turns of the day after. Sequences of the same happenings must end alike: same states, texts and units. Where their order
has a meaning, a seller who ends a listing and takes that back, only those that agree in it are compared.
"""

import itertools
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from daemon.errors import NotAllowed
from daemon.model import (
    AccountName,
    AnswerLine,
    CancellationRequest,
    ChannelStatus,
    ClaimLine,
    Delivery,
    Feed,
    FeedRule,
    Item,
    LegalMoves,
    LineState,
    Moment,
    Money,
    Order,
    OrderLine,
    OrderNumber,
    OrderUpdate,
    Parcel,
    RemoteFile,
    Sku,
    UpdateAnswer,
    UpdateKind,
)
from daemon.store import Store, open_store
from daemon.store.deliveries import DeliveryKind
from daemon.store.figures import Figures as StockFigures
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.update_rows import UpdateId
from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.store.conftest import ITEM_RULE, NOON, OFFER_RULE, STOCK_RULE, moment
from tests.store.test_updates import LEWIS_MOVES, REDOUTE_MOVES

#: between two happenings: longer than any patience
APART = timedelta(hours=3)
EVENTS = 6
EAN = "3701234567891"
STOCK_NUMBER = "12345678"
LAMP = Sku("LAMP-1")
NUMBER = OrderNumber("Y100000001")
HALF_HOUR = timedelta(minutes=30)


@dataclass
class Story:
    """One sequence: an account of its own, so that many stand in one database."""

    store: Store
    account: AccountName
    passed: timedelta = timedelta()
    feeds: list[tuple[Feed, FeedRule]] = field(default_factory=list)
    updates: list[UpdateId] = field(default_factory=list)
    files: int = 0

    @property
    def now(self) -> Moment:
        """The clocks."""
        return moment(self.passed)

    @property
    def at(self) -> datetime:
        """The wall clock."""
        return self.now.at

    def file(self, name: str = "") -> RemoteFile:
        """A file that nobody has seen before."""
        self.files += 1
        return RemoteFile("/in", name or f"file-{self.files}", 1, self.at)

    # A listing.

    async def listing(self, *, status: ChannelStatus, items: bool = True) -> None:
        """A complete listing, new or known."""
        listings = self.store.listings
        row = ItemRow(LAMP, Item(ean=EAN, title="Lampe"), channel_item_id=None if items else STOCK_NUMBER)
        await listings.put_items(self.account, [row], self.at, [""], item_feed=items)
        await listings.put_stock(self.account, StockFigures({LAMP: 5}), self.at)
        if items:
            await listings.put_prices(self.account, [PriceRow(LAMP, Money(10_000, "EUR"))], self.at)
        if status is not ChannelStatus.ABSENT:
            await self._write(
                "UPDATE listings SET channel_status = ?, item_state = 'not_needed' WHERE account = ?",
                (status, self.account),
            )

    async def opens(self, rule: FeedRule) -> None:
        """A feed is claimed and spooled, and its sending has begun."""
        feed = await self.store.feeds.open(self.account, rule, self.now)
        assert isinstance(feed, Feed), f"{feed} in the place of a feed"

        async def content() -> Any:
            yield f"feed {feed.id}".encode()

        payload, _ = await self.store.payloads.write(content(), self.at)
        self.feeds.append((await self.store.feeds.spooled(feed, f"feed-{len(self.feeds)}.xml", payload, self.at), rule))

    async def told(self, lines: Sequence[AnswerLine], *, tearable: bool = False) -> None:
        """A report comes in, as a file of its own."""

        async def content() -> Any:
            yield repr(lines).encode()

        payload, _ = await self.store.payloads.write(content(), self.at)
        kept = await self.store.deliveries.keep(self.account, DeliveryKind.REPORT, self.file(), payload, self.at)
        kinds = [rule.kind for _, rule in self.feeds if tearable]
        await self.store.answers.apply(self.account, lines, self.at, kept.id, tearable=kinds)

    # An order.

    async def order(self, *states: LineState, quantity: int = 2, name: str = "order-1.txt") -> None:
        """The marketplace gives the order, or says how its lines stand."""
        lines = tuple(OrderLine(str(place), quantity, state) for place, state in enumerate(states, 1))
        body = (Order(NUMBER, lines),)
        await self.store.orders.keep(
            self.account, [Delivery(self.file(name if self.files == 0 else ""), repr(body).encode(), body)], self.at
        )

    async def decides(
        self, kind: UpdateKind, moves: LegalMoves, units: int | None = None, *, sending: bool = True
    ) -> OrderUpdate:
        """The seller decides, and the sending has begun."""
        parcel = Parcel("dpd", f"1550{len(self.updates):010d}", "", self.at)
        lines = None if units is None else [("1", units)]
        update = await self.store.updates.open(
            self.account,
            NUMBER,
            kind,
            lines,
            legal_moves=moves,
            at=self.at,
            parcel=parcel if kind is UpdateKind.DISPATCH else None,
        )
        if sending:
            (due,) = await self.store.updates.due(self.account)
            self.updates.append(due.id)
            await self.store.updates.sending(due.id, self.name_of(len(self.updates) - 1), b"bytes", self.at)
        return update

    def name_of(self, update: int) -> str:
        """The name under which an update was sent."""
        return f"update-{update}.txt"

    async def passes_in_silence(self, update: int) -> None:
        """An update is there, and nothing was said against it for half an hour."""
        await self.store.updates.sent(self.updates[update], HALF_HOUR, self.at)
        self.passed += APART
        await self.store.updates.settle_silent(self.account, HALF_HOUR, self.at)

    async def _write(self, sql: str, parameters: Sequence[Any]) -> None:
        await self.store.database.write(lambda db: db.execute(sql, parameters).rowcount)

    async def end(self, aside: frozenset[str]) -> tuple[Any, ...]:
        """How everything stands: what people and marketplaces go by, but for what stands `aside`."""

        def rows(db: Any, sql: str) -> Any:
            found = db.execute(sql, (self.account,)).fetchall()
            return tuple(tuple((name, row[name]) for name in row.keys() if name not in aside) for row in found)  # noqa: SIM118

        return await self.store.database.read(lambda db: tuple(rows(db, sql) for sql in _END))


_LISTING = (
    "SELECT stock, price_minor, ended, item_state, item_error, stock_state, stock_error, price_state, price_error,"
    " end_state, end_error, channel_status, channel_item_id FROM listings WHERE account = ?"
)
_LINES = (
    "SELECT l.ref, l.state, l.quantity, l.shipped, l.cancelled, l.refunded FROM order_lines l"
    ' JOIN orders o ON o.id = l."order" WHERE o.account = ? ORDER BY l.position'
)
_UPDATES = "SELECT kind, state FROM order_updates WHERE account = ? ORDER BY id"
_CLAIMS = "SELECT state FROM claims WHERE account = ? ORDER BY id"
_END = (_LISTING, _LINES, _UPDATES, _CLAIMS)

Event = Callable[[Story], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """Six things that can happen after `setup`.

    Of those in `ordered` the order has a meaning, and of each group in `last` which came last. After a change of
    `pending`'s events that part of the listing must be Pending in the end, whatever else was told: nobody has sent it.
    What stands `aside` is not compared.
    """

    name: str
    setup: Event
    events: Mapping[str, Event]
    ordered: frozenset[str] = frozenset()
    last: tuple[frozenset[str], ...] = ()
    pending: Mapping[str, str] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()

    def key(self, sequence: Sequence[str]) -> tuple[object, ...]:
        """What may decide how a sequence ends."""
        ordered = tuple(name for name in sequence if name in self.ordered)
        last = tuple(next((name for name in reversed(sequence) if name in group), "") for group in self.last)
        return frozenset(sequence), ordered, last

    def sequences(self) -> list[tuple[str, ...]]:
        """Every sequence of one to six of the events."""
        return [
            sequence
            for length in range(1, len(self.events) + 1)
            for sequence in itertools.permutations(self.events, length)
        ]


# What happens to a feed: number 0 is the first of the story.


def _replied(number: int = 0) -> Event:
    async def event(story: Story) -> None:
        feed, rule = story.feeds[number]
        await story.store.feeds.sent(feed, rule, f"B{number}", story.now)

    return event


def _cut(number: int = 0) -> Event:
    async def event(story: Story) -> None:
        feed, rule = story.feeds[number]
        await story.store.feeds.in_doubt(feed, rule, "the reply was lost", story.now)

    return event


def _withdrawn(number: int = 0) -> Event:
    async def event(story: Story) -> None:
        await story.store.feeds.withdrawn(story.feeds[number][0], "nobody answered", story.now)

    return event


def _report(number: int = 0, *, accepted: bool, part_number: str = "", tearable: bool = False) -> Event:
    """A report names its feed by the file name, so that it can be faster than the reply."""

    async def event(story: Story) -> None:
        name = story.feeds[number][0].name
        text = "" if accepted else f"NO TO {number}"
        edge = story.feeds[number][1].silence_is_yes is not None
        line = AnswerLine(
            accepted=accepted,
            feed_name=name,
            sku="" if edge else LAMP,
            channel_item_id=STOCK_NUMBER if edge else part_number,
            text=text,
        )
        await story.told([line], tearable=tearable)

    return event


async def _stranger(story: Story) -> None:
    await story.told([AnswerLine(accepted=False, remote_ref="B99", feed_name="other.xml", sku=LAMP, text="NO")])


async def _lapse(story: Story) -> None:
    for _, rule in story.feeds:
        await story.store.feeds.lapse(story.account, rule, story.now)


async def _silence(story: Story) -> None:
    for _, rule in story.feeds:
        await story.store.feeds.settle_silent(story.account, rule, story.now)


async def _started_again(story: Story) -> None:
    await story.store.feeds.recover(story.now)


async def _restocked(story: Story) -> None:
    await story.store.listings.put_stock(story.account, StockFigures({LAMP: 3}), story.at)


async def _repriced(story: Story) -> None:
    await story.store.listings.put_prices(story.account, [PriceRow(LAMP, Money(9_000, "EUR"))], story.at)


def _ended(ended: bool) -> Event:
    async def event(story: Story) -> None:
        row = ItemRow(LAMP, Item(ean=EAN, title="Lampe"), ended=ended)
        items = story.feeds[0][1].silence_is_yes is None
        await story.store.listings.put_items(story.account, [row], story.at, [""], item_feed=items)

    return event


async def _described(story: Story) -> None:
    row = ItemRow(LAMP, Item(ean=EAN, title="Lampe de table"))
    await story.store.listings.put_items(story.account, [row], story.at, [""], item_feed=True)


# Where a story begins.


async def _offer_leaves(story: Story) -> None:
    await story.listing(status=ChannelStatus.OFFER_INTEGRATED)
    await story.opens(OFFER_RULE)


async def _first_offer_leaves(story: Story) -> None:
    await story.listing(status=ChannelStatus.PRODUCT_INTEGRATED)
    await story.opens(OFFER_RULE)


async def _item_leaves(story: Story) -> None:
    await story.listing(status=ChannelStatus.ABSENT)
    await story.opens(ITEM_RULE)


async def _item_leaves_twice(story: Story) -> None:
    """The first feed of an item lapsed, and the same went out again."""
    await _item_leaves(story)
    await _replied()(story)
    story.passed += timedelta(days=2)
    await story.opens(ITEM_RULE)


async def _offer_leaves_twice(story: Story) -> None:
    """The first feed of an offer lapsed, and the same went out again."""
    await _offer_leaves(story)
    await _replied()(story)
    story.passed += APART
    await story.opens(OFFER_RULE)


async def _two_offers_leave(story: Story) -> None:
    """The first feed of an offer lapsed; the stock was changed, and went out."""
    await _offer_leaves(story)
    await _replied()(story)
    story.passed += APART
    await story.store.listings.put_stock(story.account, StockFigures({LAMP: 4}), story.at)
    await story.opens(OFFER_RULE)


async def _stock_leaves(story: Story) -> None:
    await story.listing(status=ChannelStatus.ABSENT, items=False)
    await story.opens(STOCK_RULE)
    await _replied()(story)


async def _two_stocks_leave(story: Story) -> None:
    await _stock_leaves(story)
    await story.store.listings.put_stock(story.account, StockFigures({LAMP: 4}), story.at)
    story.passed += timedelta(minutes=15)
    await story.opens(STOCK_RULE)
    await _replied(1)(story)


async def _stock_is_cut(story: Story) -> None:
    """Half of a stock file may be there."""
    await story.listing(status=ChannelStatus.ABSENT, items=False)
    await story.opens(replace(STOCK_RULE, tearable=True))
    await _cut()(story)


#: where a no comes only after its silence was taken for a yes, the listing is known as once integrated; nothing goes by it
_CHANNEL_STATUS = frozenset({"channel_status"})

FEED_CASES = (
    Case(
        "an offer feed is accepted",
        _offer_leaves,
        {
            "reply": _replied(),
            "report": _report(accepted=True),
            "report again": _report(accepted=True),
            "unknown report": _stranger,
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
    ),
    Case(
        "an offer feed is rejected",
        _offer_leaves,
        {
            "reply": _replied(),
            "report": _report(accepted=False),
            "report again": _report(accepted=False),
            "lapse": _lapse,
            "restocked": _restocked,
            "repriced": _repriced,
        },
        pending={"restocked": "stock", "repriced": "price"},
    ),
    Case(
        "an offer feed is cut",
        _offer_leaves,
        {
            "cut": _cut(),
            "report": _report(accepted=True),
            "report again": _report(accepted=True),
            "lapse": _lapse,
            "started again": _started_again,
            "repriced": _repriced,
        },
        pending={"repriced": "price"},
    ),
    Case(
        "an offer feed that nobody took, and a report of it all the same",
        _offer_leaves,
        {
            "withdrawn": _withdrawn(),
            "report": _report(accepted=True),
            "report again": _report(accepted=True),
            "unknown report": _stranger,
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
    ),
    Case(
        "the first offer of a product",
        _first_offer_leaves,
        {
            "reply": _replied(),
            "cut": _cut(),
            "report": _report(accepted=True),
            "lapse": _lapse,
            "restocked": _restocked,
            "repriced": _repriced,
        },
        pending={"restocked": "stock", "repriced": "price"},
    ),
    Case(
        "one offer in two feeds, answered differently",
        _offer_leaves_twice,
        {
            "reply": _replied(1),
            "yes to the first": _report(0, accepted=True),
            "no to the second": _report(1, accepted=False),
            "no to the second again": _report(1, accepted=False),
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
    ),
    Case(
        "one offer in two feeds, the newer accepted",
        _offer_leaves_twice,
        {
            "cut": _cut(1),
            "no to the first": _report(0, accepted=False),
            "no to the first again": _report(0, accepted=False),
            "yes to the second": _report(1, accepted=True),
            "started again": _started_again,
            "repriced": _repriced,
        },
        pending={"repriced": "price"},
    ),
    Case(
        "two offers in two feeds",
        _two_offers_leave,
        {
            "reply": _replied(1),
            "no to the first": _report(0, accepted=False),
            "yes to the second": _report(1, accepted=True),
            "yes to the second again": _report(1, accepted=True),
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
    ),
    Case(
        "two offers in two feeds, with verdicts that contradict each other on the older",
        _two_offers_leave,
        {
            "yes to the first": _report(0, accepted=True),
            "no to the first": _report(0, accepted=False),
            "no to the second": _report(1, accepted=False),
            "unknown report": _stranger,
            "lapse": _lapse,
            "reply": _replied(1),
        },
        # The older feed carried the price too, which the newer one has not said again.
        last=(frozenset({"yes to the first", "no to the first"}),),
    ),
    Case(
        "two verdicts on one feed: the later counts",
        _offer_leaves,
        {
            "yes": _report(accepted=True),
            "no": _report(accepted=False),
            "reply": _replied(),
            "unknown report": _stranger,
            "started again": _started_again,
            "restocked": _restocked,
        },
        last=(frozenset({"yes", "no"}),),
        pending={"restocked": "stock"},
    ),
    Case(
        "an item feed is accepted",
        _item_leaves,
        {
            "reply": _replied(),
            "report": _report(accepted=True, part_number="LR000000001"),
            "report again": _report(accepted=True, part_number="LR000000001"),
            "unknown report": _stranger,
            "described": _described,
            "lapse": _lapse,
        },
        pending={"described": "item"},
    ),
    Case(
        "one item in two feeds, answered differently",
        _item_leaves_twice,
        {
            "reply": _replied(1),
            "yes to the first": _report(0, accepted=True, part_number="LR000000001"),
            "no to the second": _report(1, accepted=False),
            "no to the second again": _report(1, accepted=False),
            "described": _described,
            "lapse": _lapse,
        },
        pending={"described": "item"},
    ),
    Case(
        "a listing is ended and taken back while its offer is under way",
        _offer_leaves,
        {
            "reply": _replied(),
            "report": _report(accepted=True),
            "ended": _ended(True),
            "taken back": _ended(False),
            "restocked": _restocked,
            "lapse": _lapse,
        },
        ordered=frozenset({"ended", "taken back"}),
        pending={"restocked": "stock"},
    ),
    Case(
        "a stock file, and silence",
        _stock_leaves,
        {
            "silence": _silence,
            "no": _report(accepted=False),
            "no again": _report(accepted=False),
            "unknown report": _stranger,
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
        aside=_CHANNEL_STATUS,
    ),
    Case(
        "two stock files, and a late no to each",
        _two_stocks_leave,
        {
            "silence": _silence,
            "no to the first": _report(0, accepted=False),
            "no to the first again": _report(0, accepted=False),
            "no to the second": _report(1, accepted=False),
            "lapse": _lapse,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
        aside=_CHANNEL_STATUS,
    ),
    Case(
        "half a stock file, and what is said of it",
        _stock_is_cut,
        {
            "no": _report(accepted=False, tearable=True),
            "no again": _report(accepted=False, tearable=True),
            "unknown report": _stranger,
            "lapse": _lapse,
            "started again": _started_again,
            "restocked": _restocked,
        },
        pending={"restocked": "stock"},
    ),
)


# What happens to an order.


def _there(update: int = 0, *, wait: timedelta = HALF_HOUR) -> Event:
    async def event(story: Story) -> None:
        await story.store.updates.sent(story.updates[update], wait, story.at)

    return event


def _doubt(update: int = 0) -> Event:
    async def event(story: Story) -> None:
        await story.store.updates.may_have_arrived(story.updates[update], "the reply was lost", story.at)

    return event


def _no(update: int = 0, copy: int = 0) -> Event:
    async def event(story: Story) -> None:
        body = (UpdateAnswer(story.name_of(update), accepted=False, text="NO"),)
        file = story.file(f"{story.name_of(update)}.err{copy or ''}")
        await story.store.updates.keep_answers(story.account, Delivery(file, b"NO", body), story.at)

    return event


def _yes(update: int = 0) -> Event:
    async def event(story: Story) -> None:
        body = (UpdateAnswer(story.name_of(update), accepted=True, text=""),)
        await story.store.updates.keep_answers(story.account, Delivery(story.file(), b"YES", body), story.at)

    return event


async def _no_to_another(story: Story) -> None:
    body = (UpdateAnswer("update-99.txt", accepted=False, text="NO"),)
    await story.store.updates.keep_answers(story.account, Delivery(story.file(), b"NO", body), story.at)


async def _silent_half_hour(story: Story) -> None:
    await story.store.updates.settle_silent(story.account, HALF_HOUR, story.at)


def _says(*states: LineState) -> Event:
    async def event(story: Story) -> None:
        await story.order(*states)

    return event


def _asks_to_cancel(units: int) -> Event:
    async def event(story: Story) -> None:
        body = (CancellationRequest(NUMBER, (ClaimLine("1", units),)),)
        delivery = Delivery(story.file(), repr(body).encode(), body)
        await story.store.claims.keep(story.account, [delivery], story.at, answer_within=timedelta(days=2))

    return event


async def _updates_recovered(story: Story) -> None:
    await story.store.updates.recover(story.at)


async def _acceptance_leaves(story: Story) -> None:
    await story.order(LineState.NEW, LineState.NEW)
    await story.decides(UpdateKind.ACCEPTANCE, REDOUTE_MOVES)


async def _shipment_leaves(story: Story) -> None:
    await story.order(LineState.TO_SHIP)
    await story.decides(UpdateKind.DISPATCH, REDOUTE_MOVES)


async def _refund_leaves(story: Story) -> None:
    await story.order(LineState.SHIPPED)
    await story.decides(UpdateKind.REFUND, REDOUTE_MOVES)


async def _dispatch_leaves(story: Story) -> None:
    await story.order(LineState.TO_SHIP)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES)


async def _dispatch_after_acknowledgement(story: Story) -> None:
    await story.order(LineState.NEW)
    await story.decides(UpdateKind.ACKNOWLEDGEMENT, LEWIS_MOVES)
    await story.passes_in_silence(0)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES)


async def _two_parcels(story: Story) -> None:
    await story.order(LineState.TO_SHIP)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES, 1)
    await story.passes_in_silence(0)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES, 1)


async def _parcel_and_cancellation(story: Story) -> None:
    await story.order(LineState.TO_SHIP)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES, 1)
    await story.passes_in_silence(0)
    await story.decides(UpdateKind.CANCELLATION, LEWIS_MOVES, 1)


async def _refund_after_dispatch(story: Story) -> None:
    await story.order(LineState.TO_SHIP)
    await story.decides(UpdateKind.DISPATCH, LEWIS_MOVES)
    await story.passes_in_silence(0)
    await story.decides(UpdateKind.REFUND, LEWIS_MOVES, 1)


ORDER_CASES = (
    Case(
        "an acceptance, and what La Redoute says of the order",
        _acceptance_leaves,
        {
            "reply": _there(wait=timedelta()),
            "reply lost": _doubt(),
            "says accepted": _says(LineState.ACCEPTED, LineState.ACCEPTED),
            "says to ship": _says(LineState.TO_SHIP, LineState.ACCEPTED),
            "says to cancel": _says(LineState.ACCEPTED, LineState.TO_CANCEL),
            "started again": _updates_recovered,
        },
    ),
    Case(
        "a shipment, and what La Redoute says of the order",
        _shipment_leaves,
        {
            "reply": _there(wait=timedelta()),
            "reply lost": _doubt(),
            "says to ship": _says(LineState.TO_SHIP),
            "says shipped": _says(LineState.SHIPPED),
            "says completed": _says(LineState.COMPLETED),
            "started again": _updates_recovered,
        },
    ),
    Case(
        "a refund, and what La Redoute says of the order",
        _refund_leaves,
        {
            "reply": _there(wait=timedelta()),
            "reply lost": _doubt(),
            "says shipped": _says(LineState.SHIPPED),
            "says refunding": _says(LineState.REFUNDING),
            "says refunded": _says(LineState.REFUNDED),
            "says refunded again": _says(LineState.REFUNDED),
        },
    ),
    Case(
        "a dispatch at John Lewis and a no to it",
        _dispatch_leaves,
        {
            "there": _there(),
            "lost": _doubt(),
            "no": _no(),
            "no again": _no(copy=2),
            "no to another": _no_to_another,
            "silence": _silent_half_hour,
        },
    ),
    Case(
        "a dispatch outruns a request to cancel, until it is turned down",
        _dispatch_leaves,
        {
            "there": _there(),
            "no": _no(),
            "no again": _no(copy=2),
            "asks to cancel": _asks_to_cancel(2),
            "silence": _silent_half_hour,
            "started again": _updates_recovered,
        },
        # A request that comes while the dispatch is on its way is outrun by it; after that it is too late.
        ordered=frozenset({"there", "asks to cancel"}),
    ),
    Case(
        "a dispatch after an acknowledgement, and late errors of both",
        _dispatch_after_acknowledgement,
        {
            "there": _there(1),
            "no to the acknowledgement": _no(0),
            "no to the acknowledgement again": _no(0, copy=2),
            "no to the dispatch": _no(1),
            "asks to cancel": _asks_to_cancel(1),
            "silence": _silent_half_hour,
        },
        # A request that comes while the dispatch is on its way is outrun by it; after that it is too late.
        ordered=frozenset({"there", "asks to cancel"}),
    ),
    Case(
        "two parcels of one line, and late errors of both",
        _two_parcels,
        {
            "there": _there(1),
            "no to the first": _no(0),
            "no to the first again": _no(0, copy=2),
            "no to the second": _no(1),
            "asks to cancel": _asks_to_cancel(1),
            "silence": _silent_half_hour,
        },
        # A request that comes while the dispatch is on its way is outrun by it; after that it is too late.
        ordered=frozenset({"there", "asks to cancel"}),
    ),
    Case(
        "a parcel and a cancellation of the rest, and late errors of both",
        _parcel_and_cancellation,
        {
            "there": _there(1),
            "lost": _doubt(1),
            "no to the parcel": _no(0),
            "no to the cancellation": _no(1),
            "no to the cancellation again": _no(1, copy=2),
            "silence": _silent_half_hour,
        },
    ),
    Case(
        "a refund after a dispatch, and late errors of both",
        _refund_after_dispatch,
        {
            "there": _there(1),
            "no to the dispatch": _no(0),
            "no to the refund": _no(1),
            "no to the refund again": _no(1, copy=2),
            "no to another": _no_to_another,
            "silence": _silent_half_hour,
        },
    ),
)

CASES = (*FEED_CASES, *ORDER_CASES)


async def play(store: Store, case: Case, number: int, sequence: Sequence[str]) -> tuple[Any, ...]:
    """One sequence of a case to its end, and how everything stands then."""
    story = Story(store, AccountName(f"seller-{number}"))
    await story.store.accounts.configure(story.account, "any", "fingerprint", NOON)
    await case.setup(story)
    for name in sequence:
        story.passed += APART
        await case.events[name](story)
    story.passed += timedelta(days=1)
    # The turns of the day after.
    for event in (_silence, _lapse, _silent_half_hour):
        await event(story)
    return await story.end(case.aside)


async def compare(name: str, every: int = 1) -> Figures:
    """Every sequence of a case, or each n-th; those that must end alike and do not are told, with the first of each."""
    (case,) = (each for each in CASES if each.name == name)
    assert len(case.events) == EVENTS, f"{name}: {len(case.events)} events"
    figures, ends = Figures(), dict[object, tuple[Sequence[str], tuple[Any, ...]]]()
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        async with open_store(Path(folder) / "sellerd.db") as store:
            for number, sequence in enumerate(case.sequences()[::every]):
                try:
                    end = await play(store, case, number, sequence)
                except NotAllowed as error:
                    figures.broken.append(f"{case.name}: {', '.join(sequence)}: {error}")
                    continue
                figures.counts["sequences played"] += 1
                first, wanted = ends.setdefault(case.key(sequence), (sequence, end))
                if end != wanted:
                    figures.broken.append(
                        f"{case.name}: {', '.join(sequence)} ends in {end}; {', '.join(first)} ends in {wanted}"
                    )
                await _check_changes(store, case, number, sequence, figures)
    figures.counts["cases"] += 1
    figures.counts["different ends"] += len({end for _, end in ends.values()})
    return figures


async def _check_changes(store: Store, case: Case, number: int, sequence: Sequence[str], figures: Figures) -> None:
    """What the seller changed after the feed had left waits for the next one, whatever was answered."""
    for name, part in case.pending.items():
        if name not in sequence:
            continue
        figures.counts["newer changes that no answer undid"] += 1
        states = await store.database.read(
            partial(_state, sql=f"SELECT {part}_state FROM listings WHERE account = ?", account=f"seller-{number}")
        )
        if states != "pending":
            figures.broken.append(f"{case.name}: after {', '.join(sequence)} the changed {part} is {states}")


def _state(db: Any, sql: str, account: str) -> str:
    return str(db.execute(sql, (account,)).fetchone()[0])


def _run(name: str, *, every: int) -> Figures:
    return anyio.run(compare, name, every)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--every", type=int, default=1, help="each n-th sequence")
    parser.add_argument("--name", default="", help="the cases whose name has this in it")


def _measure(asked: Namespace) -> Iterator[Result]:
    names = [case.name for case in CASES if asked.name in case.name]
    figures = together(partial(_run, every=asked.every), names, asked.workers)
    kept = not asked.name
    yield Result("permutations", f"python -m tests.prove permutations --every {asked.every}", figures, kept=kept)


METHOD = Method(
    "permutations",
    "six things that are told of a feed or an order, or done by the seller meanwhile, in every sequence of one to six of"
    " them, on the real store: what does not depend on their order must end alike",
    _options,
    _measure,
)
