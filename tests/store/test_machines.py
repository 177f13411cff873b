"""The store against small models of it: whatever is called in whatever order, both say the same (P1, P13, P14).

Each machine is one listing, one gate or one order; hypothesis looks for the shortest way on which store and model part.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.errors import NotAllowed
from daemon.model import (
    AnswerLine,
    ChannelStatus,
    Delivery,
    Feed,
    FeedRule,
    LineState,
    Moment,
    Parcel,
    RemoteFile,
    UpdateAnswer,
    UpdateKind,
)
from daemon.store import Store, open_store
from daemon.store.deliveries import DeliveryKind
from daemon.store.figures import Figures
from daemon.store.update_rows import UpdateId
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE
from tests.store.test_feeds import LAMP, a_listing
from tests.store.test_payloads import stream
from tests.store.test_updates import LEWIS_MOVES, NUMBER, an_order

T = TypeVar("T")
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
HALF_HOUR = timedelta(minutes=30)

few = settings(
    max_examples=int(os.environ.get("SELLERD_EXAMPLES", "15")),
    stateful_step_count=40,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class Machine(RuleBasedStateMachine):
    """A store of its own, and clocks: `passed` is the true time since noon."""

    def __init__(self) -> None:
        super().__init__()
        self._portal = start_blocking_portal()
        self.portal = self._portal.__enter__()
        self._folder = TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._opened = AsyncExitStack()
        self.passed = self.booted = self.wrong_by = timedelta()
        self.boot = 1
        self.files = 0
        self.store = self.do(self._open)

    async def _open(self) -> Store:
        store = await self._opened.enter_async_context(open_store(Path(self._folder.name) / "sellerd.db"))
        await store.accounts.configure(REDOUTE, "any", "fingerprint", NOON)
        return store

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something on the loop of the store."""
        return self.portal.call(work)

    def teardown(self) -> None:
        """Let go of everything."""
        self.do(self._opened.aclose)
        self._portal.__exit__(None, None, None)
        self._folder.cleanup()

    @property
    def now(self) -> Moment:
        """What the clocks say."""
        ticks = (self.passed - self.booted) // timedelta(microseconds=1) * 1_000
        return Moment(NOON + self.passed + self.wrong_by, f"boot-{self.boot}", 10**12 + ticks, not self.wrong_by)

    def file(self, name: str = "") -> RemoteFile:
        """A file that nobody has seen before."""
        self.files += 1
        return RemoteFile("/in", name or f"file-{self.files}", 1, NOON)

    async def spool(self, feed: Feed) -> Feed:
        """Keep the bytes of a feed."""
        payload, _ = await self.store.payloads.write(stream(f"feed {feed.id}".encode()), self.now.at)
        return await self.store.feeds.spooled(feed, f"feed-{feed.id}.xml", payload, self.now.at)

    def value(self, sql: str) -> Any:
        """The only value of a question to the database."""
        return self.do(lambda: self.store.database.read(lambda db: db.execute(sql).fetchone()[0]))


@dataclass
class Sent:
    """A feed as the model knows it: which revision it carries, and what was said of it."""

    feed: Feed
    revision: int
    open: bool = True
    verdict: bool | None = None


class Answers(Machine):
    """One offer in any number of feeds, answered in any order, twice, late or never."""

    RULE = replace(OFFER_RULE, interval=timedelta(), one_at_a_time=False)

    def __init__(self) -> None:
        super().__init__()
        self.revision, self.stock, self.state = 1, 5, "pending"
        self.sent: list[Sent] = []

    @initialize()
    def known(self) -> None:
        """The offer is at the marketplace already, and its price is settled."""
        self.do(lambda: a_listing(self.store.database, status=ChannelStatus.OFFER_INTEGRATED))
        self.do(
            lambda: self.store.database.write(
                lambda db: db.execute("UPDATE listings SET price_state = 'not_needed'").rowcount
            )
        )

    @rule(stock=st.sampled_from([5, 5, 6]))
    def restocked(self, stock: int) -> None:
        """The seller says another stock."""
        if stock != self.stock:
            self.stock, self.state = stock, "pending"
            self.revision += 1
        self.do(lambda: self.store.listings.put_stock(REDOUTE, Figures({LAMP: stock}), self.now.at))

    @rule(minutes=st.sampled_from([1, 30, 130, 130]))
    def time_passes(self, minutes: int) -> None:
        """Nothing happens for a while."""
        self.passed += minutes * MINUTE

    @rule()
    def leaves(self) -> None:
        """What is due leaves in a feed."""
        self.passed += SECOND
        self._lapsed()
        feed = self.do(lambda: self.store.feeds.open(REDOUTE, self.RULE, self.now))
        assert isinstance(feed, Feed) == (self.state == "pending"), f"{feed} while it is {self.state}"
        if isinstance(feed, Feed):
            self.sent.append(Sent(self.do(lambda: self.spool(feed)), self.revision))
            self.state = "sent"

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 99), how=st.sampled_from(["sent", "in_doubt", "withdrawn"]))
    def ends(self, which: int, how: str) -> None:
        """The sending of a feed ends somehow; a feed that was answered is there, whatever the sender believes."""
        sent, feeds = self.sent[which % len(self.sent)], self.store.feeds
        if how == "sent":
            self.do(lambda: feeds.sent(sent.feed, self.RULE, f"B{sent.feed.id}", self.now))
        elif how == "in_doubt":
            self.do(lambda: feeds.in_doubt(sent.feed, self.RULE, "cut", self.now))
        elif self.value(f"SELECT state FROM feeds WHERE id = {sent.feed.id}") in ("sending", "in_doubt"):
            self.do(lambda: feeds.withdrawn(sent.feed, "nobody there", self.now))
            self._given_back(sent)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 99), accepted=st.booleans())
    def answered(self, which: int, accepted: bool) -> None:
        """A report about a feed comes in."""
        sent = self.sent[which % len(self.sent)]
        line = AnswerLine(accepted=accepted, feed_name=sent.feed.name, sku=LAMP, text="" if accepted else "NO")

        async def work() -> None:
            payload, _ = await self.store.payloads.write(stream(f"{self.files}".encode()), self.now.at)
            kept = await self.store.deliveries.keep(REDOUTE, DeliveryKind.REPORT, self.file(), payload, self.now.at)
            await self.store.answers.apply(REDOUTE, [line], self.now.at, kept.id, block_after=0)

        self.do(work)
        told, sent.verdict, sent.open = sent.verdict != accepted, accepted, False
        later = self.sent[self.sent.index(sent) + 1 :]
        overtaken = any(each.verdict is not None and each.revision == sent.revision for each in later)
        if told and sent.revision == self.revision and not overtaken:
            self.state = "not_needed" if accepted else "error"

    def _lapsed(self) -> None:
        """What the opening of a feed lets lapse first; the model asks the store which feeds those are."""
        before = {each.feed.id for each in self.sent if each.open}
        self.do(lambda: self.store.feeds.lapse(REDOUTE, self.RULE, self.now))
        for sent in self.sent:
            state = self.value(f"SELECT state FROM feeds WHERE id = {sent.feed.id}")
            if sent.feed.id in before and state in ("lapsed", "withdrawn"):
                self._given_back(sent)

    def _given_back(self, sent: Sent) -> None:
        if sent.open and sent.revision == self.revision and self.state == "sent":
            self.state = "pending"
        sent.open = False

    @invariant()
    def both_say_the_same(self) -> None:
        """The state of the part, and the stock that it is about."""
        if self.files or self.sent or self.state == "pending":
            there = self.do(
                lambda: self.store.database.read(
                    lambda db: [tuple(row) for row in db.execute("SELECT stock, stock_state FROM listings")]
                )
            )
            assert there in ([], [(self.stock, self.state)]), f"{there}, and the model says {self.stock} {self.state}"


class Gate(Machine):
    """Two collectors on one gate, with clocks that step, boots, and sends that last, are cut or never end."""

    RULE: FeedRule = OFFER_RULE

    def __init__(self) -> None:
        super().__init__()
        #: when each send may have reached the marketplace first and last, in true time
        self.sends: list[tuple[timedelta, timedelta]] = []
        self.under_way: list[tuple[Feed, timedelta]] = []

    @initialize()
    def known(self) -> None:
        """An offer."""
        self.do(lambda: a_listing(self.store.database, status=ChannelStatus.OFFER_INTEGRATED))

    @rule(minutes=st.sampled_from([1, 9, 11, 29, 55, 59, 60, 61, 125]))
    def time_passes(self, minutes: int) -> None:
        """Nothing happens; a send ends by its deadline, and whoever sleeps meanwhile looks at the clock first."""
        self.passed += minutes * MINUTE

    @rule(minutes=st.sampled_from([-1440, -60, -1, 0, 1, 60, 1440]))
    def wall_clock_wrong_by(self, minutes: int) -> None:
        """The wall clock steps, and is called unsynchronised while it is wrong."""
        self.wrong_by = minutes * MINUTE

    @rule()
    def rebooted(self) -> None:
        """Another boot: its clock begins anew, and nobody sends any more."""
        self.boot += 1
        self.booted = self.passed
        self._nobody_sends()

    @rule()
    def started_again(self) -> None:
        """The process dies and starts."""
        self._nobody_sends()

    @rule(stock=st.integers(1, 99))
    def collects(self, stock: int) -> None:
        """Something is due, and whichever collector asks opens a feed if it may."""
        self.passed += SECOND
        self.do(lambda: self.store.listings.put_stock(REDOUTE, Figures({LAMP: stock}), self.now.at))
        feed = self.do(lambda: self.store.feeds.open(REDOUTE, self.RULE, self.now))
        if isinstance(feed, Feed):
            self.under_way.append((self.do(lambda: self.spool(feed)), self.passed))

    @precondition(lambda self: self.under_way)
    @rule(seconds=st.integers(0, 500), how=st.sampled_from(["sent", "sent", "in_doubt", "withdrawn"]))
    def send_ends(self, seconds: int, how: str) -> None:
        """A send ends, in time or by its deadline."""
        feed, began = self.under_way.pop()
        if self.passed - began >= self.RULE.deadline:
            # The sender looks at the clock before the first byte, and finds its claim over (L8).
            self.do(lambda: self.store.feeds.withdrawn(feed, "its claim was over", self.now))
            return
        self.passed += min(seconds * SECOND, began + self.RULE.deadline - self.passed)
        if how == "sent":
            self.do(lambda: self.store.feeds.sent(feed, self.RULE, f"B{feed.id}", self.now))
            self.sends.append((began, self.passed))
        elif how == "in_doubt":
            self.do(lambda: self.store.feeds.in_doubt(feed, self.RULE, "cut", self.now))
            self.sends.append((began, self.passed))
        else:
            self.do(lambda: self.store.feeds.withdrawn(feed, "nobody there", self.now))

    @precondition(lambda self: self.sends)
    @rule()
    def answered(self) -> None:
        """The newest feed is answered, so that the next does not wait for it."""
        name = self.value("SELECT name FROM feeds WHERE name <> '' ORDER BY id DESC LIMIT 1")
        line = AnswerLine(accepted=True, feed_name=name, sku=LAMP)
        self.do(lambda: self.store.answers.apply(REDOUTE, [line], self.now.at))

    def _nobody_sends(self) -> None:
        for _, began in self.under_way:
            self.sends.append((began, min(self.passed, began + self.RULE.deadline)))
        self.under_way.clear()
        self.do(lambda: self.store.feeds.recover(self.now))

    @invariant()
    def an_hour_lies_between_two_sends(self) -> None:
        """Whatever may have reached the marketplace: an hour from the end of one to the start of the next."""
        for (_, ended), (began, _) in pairwise(sorted(self.sends)):
            assert began - ended >= HOUR, f"sends {began - ended} apart"


class Orders(Machine):
    """One line of seven units at John Lewis, and everything that is decided, sent and said about it."""

    QUANTITY = 7

    def __init__(self) -> None:
        super().__init__()
        #: kind and units of each update that counts: it is there, and nobody has turned it down
        self.there: dict[UpdateId, tuple[UpdateKind, int]] = {}
        self.names: dict[UpdateId, tuple[str, UpdateKind, int]] = {}
        self.refused: set[UpdateId] = set()

    @initialize()
    def placed(self) -> None:
        """The order is acknowledged."""
        self.do(lambda: an_order(self.store.database, REDOUTE, LineState.TO_SHIP))
        self.do(
            lambda: self.store.database.write(
                lambda db: db.execute("UPDATE order_lines SET quantity = ?", (self.QUANTITY,)).rowcount
            )
        )

    @rule(
        kind=st.sampled_from([UpdateKind.DISPATCH, UpdateKind.CANCELLATION, UpdateKind.REFUND]), units=st.integers(1, 4)
    )
    def decides(self, kind: UpdateKind, units: int) -> None:
        """The seller decides; what is not possible is turned down at once."""
        parcel = Parcel("dpd", f"1550{self.files:010d}", "", NOON) if kind is UpdateKind.DISPATCH else None
        self.passed += SECOND
        try:
            self.do(
                lambda: self.store.updates.open(
                    REDOUTE, NUMBER, kind, [("1", units)], legal_moves=LEWIS_MOVES, at=self.now.at, parcel=parcel
                )
            )
        except NotAllowed:
            return

    @rule(how=st.sampled_from(["sent", "sent", "doubt", "not arrived"]))
    def sends(self, how: str) -> None:
        """What is due is sent, and that ends somehow."""
        updates = self.store.updates
        for due in self.do(lambda: updates.due(REDOUTE)):
            if self.do(partial(updates.overtaken, due.id, LEWIS_MOVES, self.now.at)):
                continue
            ((line,), name) = due.update.lines, f"update-{due.id}.txt"
            self.names[due.id] = name, due.update.kind, line.quantity
            self.do(partial(updates.sending, due.id, name, b"bytes", self.now.at))
            if how == "sent":
                self._is_there(due.id)
            elif how == "doubt":
                self.do(partial(updates.may_have_arrived, due.id, "cut", self.now.at))
            else:
                self.do(partial(updates.not_arrived, due.id, "nobody there", self.now.at))

    @rule()
    def silence(self) -> None:
        """Half an hour without a word."""
        self.passed += HALF_HOUR
        self.do(lambda: self.store.updates.settle_silent(REDOUTE, HALF_HOUR, self.now.at))

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, 99))
    def turned_down(self, which: int) -> None:
        """An error comes, however late, and perhaps once more."""
        update = sorted(self.names)[which % len(self.names)]
        name, _, _ = self.names[update]
        state = self.value(f"SELECT state FROM order_updates WHERE id = {update}")
        if state == "pending":  # it did not arrive, so nobody can turn it down
            return
        body = (UpdateAnswer(name, accepted=False, text="NO"),)
        delivery = Delivery(self.file(f"{name}.err"), f"{self.files}".encode(), body)
        self.do(lambda: self.store.updates.keep_answers(REDOUTE, delivery, self.now.at))
        self.there.pop(update, None)
        self.refused.add(update)

    @rule(arrived=st.booleans())
    def person_says(self, arrived: bool) -> None:
        """Somebody looks what became of an update in doubt."""
        doubts = [
            update
            for update in self.names
            if self.value(f"SELECT state FROM order_updates WHERE id = {update}") == "in_doubt"
        ]
        for update in doubts:
            self.do(lambda: self.store.updates.resolve(REDOUTE, NUMBER, arrived=arrived, at=self.now.at))
            if arrived:
                _, kind, units = self.names[update]
                self.there[update] = kind, units

    @rule()
    def started_again(self) -> None:
        """The process dies and starts."""
        self.do(lambda: self.store.updates.recover(self.now.at))

    def _is_there(self, update: UpdateId) -> None:
        self.do(lambda: self.store.updates.sent(update, HALF_HOUR, self.now.at))
        _, kind, units = self.names[update]
        self.there[update] = kind, units

    @invariant()
    def the_units_are_those_of_what_is_there(self) -> None:
        """Each unit leaves or is cancelled once; a refund is of what has left; one update of an order is open."""
        rows = self.do(
            lambda: self.store.database.read(
                lambda db: [
                    tuple(row) for row in db.execute("SELECT quantity, shipped, cancelled, refunded FROM order_lines")
                ]
            )
        )
        for quantity, shipped, cancelled, refunded in rows:
            gone = {kind: sum(units for each, units in self.there.values() if each is kind) for kind in UpdateKind}
            assert shipped + cancelled <= quantity
            assert (shipped, cancelled, refunded) == (
                gone[UpdateKind.DISPATCH],
                gone[UpdateKind.CANCELLATION],
                gone[UpdateKind.REFUND],
            )
        open_ones = self.value("SELECT count(*) FROM order_updates WHERE state IN ('sending', 'sent', 'in_doubt')")
        assert open_ones <= 1


TestAnswers = Answers.TestCase
TestGate = Gate.TestCase
TestOrders = Orders.TestCase
TestAnswers.settings = TestGate.settings = TestOrders.settings = few
