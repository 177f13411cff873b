"""A seller, customers, a far side with faults and one process of ours, told step by step and checked after each.

Time is made up: `passed` is the true time since noon; the wall clock that a turn reads may be wrong for a while (and is
then called unsynchronised), and the boot-time clock starts again with each boot.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis import note

from daemon.errors import DaemonError, NotAllowed
from daemon.jobs import Job, Outcome, Run
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_refunds, send_updates
from daemon.marketplaces import Marketplace
from daemon.marketplaces.dialects import DIALECTS
from daemon.marketplaces.sellr.settings.orders import OrdersTable
from daemon.model import (
    AccountName,
    FeedKind,
    Levies,
    LineState,
    Moment,
    Money,
    OrderNumber,
    Parcel,
    Part,
    Promotion,
    Sku,
    StockKnobs,
    UpdateKind,
)
from daemon.rules import eco
from daemon.rules import rrp as recommended
from daemon.rules import stock as units
from daemon.rules.moves import LEADS_TO, reachable
from daemon.rules.promotions import in_force
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.offers import Offer
from daemon.settings import AccountSettings
from daemon.store import Store, open_store
from daemon.store.changes import Change
from daemon.store.claims import ClaimId
from daemon.store.figures import Figures
from daemon.store.listing_columns import item_from_json
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.promotions import PromotionRow
from daemon.store.times import from_us
from tests.jobs.scene import EAN, LAMP, MINUTE, NOON, STOCK_NUMBER, Scene, lewis_settings, redoute_settings

SECOND = timedelta(seconds=1)
TICK = 20 * MINUTE
#: as long as it can take at the very most until everything is told: a feed in doubt, its patience, and the next ones
TICKS = 24
#: beginnings and ends of promotions that are awaited after everything is told
AWAITED = 3

#: what is sold: SKU, EAN, Stock Number
GOODS = ((LAMP, EAN, STOCK_NUMBER), (Sku("LAMP-2"), "3701234567884", "87654321"))
JOBS: Mapping[str, Job] = {
    "send_items": send_items,
    "send_offers": send_offers,
    "read_reports": read_reports,
    "download_orders": download_orders,
    "read_claims": read_claims,
    "send_updates": send_updates,
    "send_refunds": send_refunds,
}
#: the jobs that a marketplace has no use for
NOT_ITS = {"sellr": {"read_claims"}, "edge": {"send_items"}}


#: the kind of offer that every promotion is
PROMOTED = "Soldes"
#: what The Edge says of a file that it was asked to turn down
ON_REQUEST = "REJECTED ON REQUEST"
#: a Stock Number that no listing has
STRANGER = "99999999"
#: how a line in a state is cancelled at La Redoute (Sell-R A6)
CANCELLED_BY: Mapping[str, UpdateKind] = {
    LineState.NEW: UpdateKind.REFUSAL,
    LineState.TO_SHIP: UpdateKind.REFUND,
    LineState.SHIPPED: UpdateKind.REFUND,
}


class Step(NamedTuple):
    """One thing that happens: a method of World and what it is given."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


class Killed(BaseException):
    """Our process was killed; nothing that it would have done then was done."""


@dataclass
class World:
    """One account and everybody around it; `account` gives its settings, with what is said differently."""

    scene: Scene
    open_again: Callable[[AccountSettings], Any]
    account: Callable[[Mapping[str, Any]], AccountSettings]
    passed: timedelta = timedelta()
    wrong_by: timedelta = timedelta()
    was_wrong: bool = False
    boot: int = 1
    booted: timedelta = timedelta()
    numbers: list[OrderNumber] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    parcels: int = 0
    offers_sent: list[tuple[timedelta, timedelta]] = field(default_factory=list)
    #: what the seller announced and has not taken back: by good, windows by their start
    windows: tuple[dict[datetime, Promotion], ...] = field(default_factory=lambda: tuple({} for _ in GOODS))
    #: the instant by which promotions were last followed, and the windows that there were then
    followed: datetime = NOON
    windows_then: tuple[dict[datetime, Promotion], ...] = field(default_factory=lambda: tuple({} for _ in GOODS))
    #: updates given to The Edge, by name: of which order, and when
    given: dict[str, tuple[str, timedelta]] = field(default_factory=dict)
    #: those of which a person has said that they are there
    vouched: set[str] = field(default_factory=set)
    #: requests to cancel, by file name
    requests: list[str] = field(default_factory=list)
    #: where what happens is told
    tell: Callable[[str], None] = note

    # Time.

    def now(self, later: timedelta = timedelta()) -> Moment:
        passed = self.passed + later
        ticks = (passed - self.booted) // timedelta(microseconds=1) * 1_000
        return Moment(NOON + passed + self.wrong_by, f"boot-{self.boot}", 10**12 + ticks, not self.wrong_by)

    async def wait(self, minutes: int) -> None:
        self.passed += minutes * MINUTE

    async def wall_clock_wrong_by(self, minutes: int) -> None:
        self.wrong_by = minutes * MINUTE
        self.was_wrong = self.was_wrong or minutes != 0

    async def sends_take(self, seconds: int) -> None:
        self.scene.send_takes = timedelta(seconds=seconds)

    # Our process.

    async def turn(self, job: str, killed_at: int = 0) -> datetime | None:
        """One turn; returns until when something is held.

        Killed where it looks at the clock for the n-th time: a feed is spooled, is about to be sent, was sent.
        """
        self.passed += SECOND
        looked = 0

        def clock() -> Moment:
            nonlocal looked
            looked += 1
            if killed_at and looked >= killed_at:
                raise Killed
            return self.now(self.scene.send_takes)

        scene, started, killed, held_until = self.scene, self.passed, False, None
        try:
            outcome = await self.give_turn(job, clock)
        except Killed:
            killed = True
            self.tell(f"    {job}: killed")
        except DaemonError as error:
            self.tell(f"    {job}: {type(error).__name__}: {error}")
        else:
            held_until = outcome.held_until
            if outcome.done or held_until:
                self.tell(f"    {job}: {outcome.done} done, {outcome.note}")
        self._notice_given(started)
        self.passed += scene.send_takes if looked else timedelta()
        arrived = [feed for feed in scene.sandbox.laredoute.feeds if feed.kind == "offers"]
        self.offers_sent += [(started, self.passed)] * (len(arrived) - len(self.offers_sent))
        if job == "send_offers" and self.scene.account.speaks == "sellr":
            await self._check_promotions()
        if killed:
            await self.restart()
        return held_until

    async def give_turn(self, job: str, clock: Callable[[], Moment]) -> Outcome:
        """Run the job by itself; `clock` is what it looks at within its turn."""
        scene = self.scene
        if job == "send_offers":
            self.follows(self.now().at)
        return await JOBS[job](Run(scene.account, self.now(), scene.store, scene.marketplace, clock))

    def follows(self, at: datetime) -> None:
        """A turn of offers begins, which goes by the promotions in force; what is announced later, the next one sees."""
        self.followed, self.windows_then = at, tuple(windows.copy() for windows in self.windows)

    def _notice_given(self, at: timedelta) -> None:
        """Every update that lies in The Edge's folder with its marker was given to it in the turn that began then."""
        for marker in (self.scene.sandbox.johnlewis.files / "live" / "outgoing").glob("*.DONE"):
            update = marker.with_suffix("")
            if update.suffix in {".ack", ".txt"} and update.name not in self.given and update.exists():
                number = update.read_text("utf-8").splitlines()[1].split(",")[0].strip('"')
                self.given[update.name] = (number, at)

    async def sends_offers_when_told_to_come_again(self) -> None:
        """As the runner does: where a feed is held, the next turn is at the very moment that the job named."""
        if (until := await self.turn("send_offers")) is not None:
            left = until - self.now().at
            self.passed += max(left - SECOND, timedelta())
            await self.turn("send_offers")

    async def all_goes_round(self) -> None:
        """Every job once, with the far side's answer to each."""
        for job in JOBS:
            if job not in NOT_ITS[self.scene.account.speaks]:
                await self.turn(job)
                await self.answers()

    async def hours_pass(self, hours: int) -> None:
        """Everything goes its way, a feed each hour."""
        for _ in range(hours):
            self.passed += 61 * MINUTE
            await self.all_goes_round()
            await self.check()

    async def configures(self, changes: Mapping[str, Any]) -> None:
        """Another configuration, from the next start on, which is now."""
        self.scene.account = self.account(changes)
        await self.restart()

    async def restart(self) -> None:
        self.scene.store, self.scene.marketplace = await self.open_again(self.scene.account)
        self.passed += SECOND
        await self.scene.store.feeds.recover(self.now())
        await self.scene.store.updates.recover(self.now().at)
        await self.scene.store.runs.cut(self.now().at)

    async def reboot(self) -> None:
        self.boot += 1
        self.booted = self.passed
        await self.restart()

    # The seller.

    async def describes(self, good: int, title: str) -> None:
        sku, ean, stock_number = GOODS[good]
        await self.scene.want(sku=sku, ean=ean, stock_number=stock_number, at=self.now().at)
        await self._put_item(good, title=title)

    async def restocks(self, good: int, stock: int) -> None:
        await self.scene.store.listings.put_stock(self.scene.name, Figures({GOODS[good][0]: stock}), self.now().at)

    async def reprices(self, good: int, cents: int, rrp: int | None = None) -> None:
        row = PriceRow(GOODS[good][0], self._money(cents), None if rrp is None else self._money(rrp))
        await self.scene.store.listings.put_prices(self.scene.name, [row], self.now().at)

    async def holds_back(self, good: int, knobs: StockKnobs) -> None:
        await self._put_item(good, knobs=knobs)

    async def is_levied(self, good: int, eco: int | None, rate: str | None) -> None:
        """An eco-contribution in cents, and a VAT rate of its own."""
        levies = Levies(None if rate is None else Decimal(rate), eco, "FR-DEA" if eco else "")
        await self._put_item(good, levies=levies)

    async def promotes(self, good: int, cents: int, starts_in: int, lasts: int) -> None:
        """A promotion so many minutes from now and so long; one that another stands in the way of is turned down."""
        starts_at = NOON + self.passed + starts_in * MINUTE
        await self._announce(good, Promotion(self._money(cents), starts_at, starts_at + lasts * MINUTE, PROMOTED))

    async def changes_promotion(self, good: int, which: int, cents: int, lasts: int) -> None:
        """The same beginning, with another price and another end."""
        if starts := sorted(self.windows[good]):
            starts_at = starts[which % len(starts)]
            ends_at = starts_at + lasts * MINUTE
            await self._announce(good, Promotion(self._money(cents), starts_at, ends_at, PROMOTED))

    async def takes_back(self, good: int, which: int) -> None:
        if starts := sorted(self.windows[good]):
            promotion = self.windows[good].pop(starts[which % len(starts)])
            row = PromotionRow(GOODS[good][0], promotion, cancelled=True)
            ((change, _),) = await self.scene.store.promotions.put(self.scene.name, [row], self.now().at)
            assert change is Change.CHANGED, f"taking back {promotion} did {change}"

    async def _announce(self, good: int, promotion: Promotion) -> None:
        known, windows = await self._kept(good) is not None, self.windows[good]
        in_the_way = [
            each
            for start, each in windows.items()
            if start != promotion.starts_at and start < promotion.ends_at and promotion.starts_at < each.ends_at
        ]
        row = PromotionRow(GOODS[good][0], promotion)
        ((change, _),) = await self.scene.store.promotions.put(self.scene.name, [row], self.now().at)
        assert (change is Change.OVERLAPS) == (known and bool(in_the_way)), f"{promotion}: {change}, beside {windows}"
        assert (change is Change.UNKNOWN) == (not known), f"{promotion}: {change}"
        if known and not in_the_way:
            windows[promotion.starts_at] = promotion
        else:
            self.tell(f"    {change}")

    def _money(self, cents: int) -> Money:
        return Money(cents, self.scene.account.currency)

    async def ends(self, good: int, ended: bool) -> None:
        await self._put_item(good, ended=ended)

    async def tries_again(self, good: int) -> None:
        if await self._kept(good) is not None:
            retried = await self.scene.store.rejections.retry(self.scene.name, GOODS[good][0], self.now().at)
            self.tell(f"    {retried}")

    async def is_rejected_again_and_again(self, good: int) -> None:
        """The marketplace says no to the same offer each hour, and the seller asks for another try each time."""
        await self.has_fault("reject_ean", {"ean": GOODS[good][1], "kind": "offers", "times": 3})
        await self.restocks(good, 7)
        for _ in range(3):
            await self.hours_pass(1)
            await self.tries_again(good)

    async def unblocks(self, good: int) -> None:
        if await self._kept(good) is not None:
            freed = await self.scene.store.rejections.unblock(self.scene.name, GOODS[good][0], self.now().at)
            self.tell(f"    {freed}")

    async def means_it(self) -> None:
        """A person says that every change that the guard held back is meant."""
        for case in await self.scene.store.guard.cases(self.scene.name):
            await self.scene.store.guard.approve(case.id, None, "seller", "it is meant", self.now().at)

    async def is_mistaken(self) -> None:
        """A person says that what the guard held back last is a mistake."""
        for case in await self.scene.store.guard.cases(self.scene.name, limit=1):
            await self.scene.store.guard.reject(case.id, None, "seller", "a mistake", self.now().at)

    async def decides(self, order: int, kind: str, units: int) -> None:
        """Decide the whole order, or so many units of its first line; what is not legal is turned down."""
        if not self.numbers:
            return
        number = self.numbers[order % len(self.numbers)]
        lines = None
        if units:
            refs = await self._read(
                'SELECT l.ref FROM order_lines l JOIN orders o ON o.id = l."order" WHERE o.number = ? LIMIT 1', number
            )
            lines = [(ref, units) for (ref,) in refs]
        self.parcels += 1
        tracking = f"1550{self.parcels:010d}"
        parcel = Parcel("dpd", tracking, f"https://track.example.test/{tracking}", self.now().at)
        try:
            await self.scene.store.updates.open(
                self.scene.name,
                number,
                UpdateKind(kind),
                lines,
                legal_moves=self.scene.account.legal_moves,
                at=self.now().at,
                parcel=parcel if kind == UpdateKind.DISPATCH else None,
            )
        except NotAllowed as error:
            self.tell(f"    not allowed: {error}")

    async def cancels(self, order: int, first_only: bool) -> None:
        """The one request to cancel or refund, for the first line or all of an order, at whatever state (L14)."""
        if not self.numbers:
            return
        number = self.numbers[order % len(self.numbers)]
        lines = await self._read(
            'SELECT l.ref, l.state, EXISTS (SELECT 1 FROM update_lines w JOIN order_updates u ON u.id = w."update"'
            " WHERE w.line = l.id AND u.state IN ('pending', 'sending', 'in_doubt'))"
            ' FROM order_lines l JOIN orders o ON o.id = l."order" WHERE o.number = ? ORDER BY l.position',
            number,
        )
        asked = lines[:1] if first_only else lines
        wanted: set[tuple[UpdateKind, str]] | None
        wanted = {(CANCELLED_BY[state], ref) for ref, state, busy in asked if state in CANCELLED_BY and not busy}
        done: set[tuple[UpdateKind, str]] = set()
        if self.scene.account.speaks == "edge":
            wanted = None
        try:
            request = await self.scene.store.updates.cancel(
                self.scene.name,
                number,
                [(ref, None) for ref, _, _ in asked] if first_only else None,
                legal_moves=self.scene.account.legal_moves,
                at=self.now().at,
            )
        except NotAllowed as error:
            self.tell(f"    not allowed: {error}")
        else:
            done = {(update.kind, line.ref) for update in request.updates for line in update.lines}
        assert wanted in (None, done), f"{wanted} could be done, and {done} was"

    async def says_again(self, order: int) -> None:
        """What failed of an order is sent once more from the record (J13)."""
        if self.numbers:
            number, moves = self.numbers[order % len(self.numbers)], self.scene.account.legal_moves
            await self._tries(
                self.scene.store.updates.resend(self.scene.name, number, legal_moves=moves, at=self.now().at)
            )

    async def accepts_claims(self) -> None:
        """A person accepts every open request to cancel (J12)."""
        for (claim,) in await self._read("SELECT id FROM claims WHERE state = 'open'"):
            name, moves, at = self.scene.name, self.scene.account.legal_moves, self.now().at
            await self._tries(self.scene.store.updates.accept_claim(name, ClaimId(claim), legal_moves=moves, at=at))

    async def lists_a_stranger(self) -> None:
        """The client's list at last has the article that customers have been ordering."""
        await self.scene.want(sku=Sku("STRANGER"), ean="3701234567877", stock_number=STRANGER, at=self.now().at)

    async def _tries(self, decision: Awaitable[object]) -> None:
        try:
            await decision
        except NotAllowed as error:
            self.tell(f"    not allowed: {error}")

    async def _put_item(
        self,
        good: int,
        *,
        title: str | None = None,
        ended: bool | None = None,
        knobs: StockKnobs | None = None,
        levies: Levies | None = None,
    ) -> None:
        kept = await self._kept(good)
        if kept is None:
            return
        item = item_from_json(kept)
        named = item if title is None else replace(item, title=title)
        row = ItemRow(GOODS[good][0], named, ended=ended, knobs=knobs, levies=levies)
        await self.scene.store.listings.put_items(
            self.scene.name, [row], self.now().at, [""], item_feed=FeedKind.ITEM in self.scene.account.feed_rules
        )

    async def _kept(self, good: int) -> str | None:
        rows = await self._read("SELECT item FROM listings WHERE sku = ?", GOODS[good][0])
        return rows[0][0] if rows else None

    # The far side.

    async def answers(self) -> None:
        await self.scene.answer()

    async def answers_what_was_late(self) -> None:
        await self.scene.sandbox.laredoute.answer_now(held=True)

    async def customer_orders(self, *quantities: int) -> None:
        sandbox = self.scene.sandbox
        if self.scene.account.speaks == "sellr":
            lines = [(ean, quantity) for (_, ean, _), quantity in zip(GOODS, quantities, strict=False)]
            placed = sandbox.laredoute.place_order(lines, placed_at=NOON + self.passed)
            self.numbers.append(OrderNumber(placed.id))
        else:
            first, *more = [(part, quantity) for (_, _, part), quantity in zip(GOODS, quantities, strict=False)]
            self.numbers.append(OrderNumber(sandbox.johnlewis.place_order(*first, *more).number))

    async def customer_orders_a_stranger(self) -> None:
        """An order for an article that is in no list of the seller's, beside one that is (J5)."""
        placed = self.scene.sandbox.johnlewis.place_order(STRANGER, 1, (GOODS[0][2], 2))
        self.numbers.append(OrderNumber(placed.number))

    async def orders_come_in_halves(self) -> None:
        """We look while the marker of one order and the file of another are still on their way (J5)."""
        for missing in ("marker", "data"):
            await self.has_fault("half_file", {"missing": missing})
            await self.customer_orders(2, 1)
        await self.turn("download_orders")
        await self.check()
        await self.finishes_files()

    async def is_contradicted(self, order: int, same_name: bool) -> None:
        """John Lewis sends an order that is here whole again with other units and a line more (J14)."""
        if whole := await self._numbers_here("incomplete = '' ORDER BY id"):
            self.scene.sandbox.johnlewis.contradict_order(whole[order % len(whole)], same_name=same_name)

    async def is_cut_while_sending(self, fault: str, parameters: Mapping[str, Any]) -> None:
        """An acknowledgement is on its way when the connection is lost."""
        await self.customer_orders(1)
        await self.turn("download_orders")
        await self.has_fault(fault, parameters)
        await self.turn("send_updates")
        await self.check()
        await self.answers()

    async def asks_to_cancel(self, order: int, units: Mapping[str, int], early: bool) -> None:
        """The customer has changed his mind about units of an order, or of one that is not even here yet (J12)."""
        if early:
            await self.customer_orders(*units.values())
        if not self.numbers:
            return
        number = self.numbers[-1 if early else order % len(self.numbers)]
        there = self.scene.sandbox.johnlewis.orders[number]
        asked = {ref: min(count, there.lines[ref].quantity) for ref, count in units.items() if ref in there.lines}
        if asked:
            self.requests.append(self.scene.sandbox.johnlewis.request_cancellation(number, asked))

    async def order_is_to_be_shipped(self, *quantities: int) -> None:
        """An order that comes as far as its dispatch at The Edge, unless something is in its way."""
        await self.customer_orders(*quantities)
        for _ in range(2):
            await self.all_goes_round()
            self.passed += 31 * MINUTE

    async def order_is_accepted(self, *quantities: int) -> None:
        """An order that comes as far as its shipment, unless something is in its way."""
        await self.customer_orders(*quantities)
        await self.all_goes_round()
        await self.decides(len(self.numbers) - 1, UpdateKind.ACCEPTANCE, 0)
        await self.all_goes_round()

    async def has_fault(self, name: str, parameters: Mapping[str, Any]) -> None:
        far = self.scene.sandbox.laredoute if self.scene.account.speaks == "sellr" else self.scene.sandbox.johnlewis
        far.faults.add(name, **parameters)

    async def refuses_a_login(self) -> None:
        await self.has_fault("refuse_login", {})
        await self.scene.marketplace.aclose()

    async def finishes_files(self) -> None:
        self.scene.sandbox.johnlewis.finish_files()

    async def resends_an_order(self, order: int) -> None:
        if self.numbers:
            self.scene.sandbox.johnlewis.resend_order(self.numbers[order % len(self.numbers)])

    async def portal_moves(self, order: int, status: str) -> None:
        """Somebody at the portal, or La Redoute itself, moves the first line of an order, where that is legal."""
        if not self.numbers:
            return
        laredoute = self.scene.sandbox.laredoute
        line = laredoute.orders[self.numbers[order % len(self.numbers)]].lines[0]
        try:
            laredoute.portal_change(line.id, status)
        except Exception as error:  # noqa: BLE001 - the sandbox's own Mistake
            self.tell(f"    not possible: {error}")
        else:
            self.touched.add(line.id)

    # What must be true after every step.

    async def do(self, step: Step) -> None:
        self.tell(f"{NOON + self.passed:%d %H:%M:%S} {step}")
        await getattr(self, step.name)(*step.arguments)
        await self.check()

    async def check(self) -> None:
        await self._check_feeds()
        await self._check_blocked()
        await self._check_orders()
        await self._check_moves()
        await self._check_updates()
        await self._check_order_errors()
        await self._check_counts()
        if self.scene.account.speaks == "edge":
            self._check_readings()
            self._check_given()
            await self._check_units()

    async def _check_counts(self) -> None:
        """How many listings stand how is told without a look at each of them: a look at each tells the same."""
        told = (await self.scene.store.views.status(self.now()))["accounts"]
        for account in told:
            for part, counts in account["listings"].items():
                each = Counter(
                    state
                    for (state,) in await self._read(
                        f"SELECT {part}_state FROM listings WHERE account = ?", account["name"]
                    )
                )
                assert counts == {state: each[state] for state in counts}, f"{part} of {account['name']}"

    def _check_readings(self) -> None:
        """No order and no request is read before its marker, and no marker ever (J5)."""
        for path, marked in self.scene.sandbox.johnlewis.readings:
            assert path.suffix != ".DONE", f"the marker {path.name} was read"
            if path.parent.name in {"incoming", "outgoing"}:
                assert marked, f"{path.name} was read before its marker"

    def _check_given(self) -> None:
        """Of an order first its acknowledgement, and one update at a time; The Edge finds nothing wrong (J7, J11)."""
        edge, wait = self.scene.sandbox.johnlewis, self.scene.account.update_answer_wait
        outcomes = {it.name: it.outcome for it in edge.arrivals if it.folder == "outgoing"}
        orders: dict[str, list[tuple[timedelta, str]]] = {}
        for name, (number, at) in self.given.items():
            orders.setdefault(number, []).append((at, name))
        for number, given in orders.items():
            given.sort()
            assert given[0][1].endswith(".ack"), f"order {number}: {given[0][1]} was sent before its acknowledgement"
            assert given[0][1].startswith("order-"), (
                f"order {number}: {given[0][1]} was sent before its acknowledgement"
            )
            for (before, earlier), (after, later) in pairwise(given):
                told = outcomes.get(earlier) not in {None, "accepted"} or earlier in self.vouched
                assert told or self.was_wrong or after - before >= wait, (
                    f"order {number}: {later} was sent {after - before} after {earlier}, which was still open"
                )
            refused_before = False
            for _, name in given:
                outcome = outcomes.get(name, "accepted")
                # Only where a refusal was told late could a later file of ours be wrong.
                assert outcome in {"accepted", ON_REQUEST} or refused_before, f"{name}: {outcome}"
                refused_before = refused_before or outcome == ON_REQUEST

    async def _check_units(self) -> None:
        """Never more units dispatched and cancelled than ordered, here and there (J8, J9, J10)."""
        for number, ref, quantity, shipped, cancelled, refunded in await self._read(
            "SELECT o.number, l.ref, l.quantity, l.shipped, l.cancelled, l.refunded"
            ' FROM order_lines l JOIN orders o ON o.id = l."order"'
        ):
            gone = f"order {number}, line {ref}: {shipped} dispatched, {cancelled} cancelled, {refunded} refunded"
            assert shipped + cancelled <= quantity, f"{gone} of {quantity}"
            assert refunded <= shipped, gone
        for order in self.scene.sandbox.johnlewis.orders.values():
            for line in order.lines.values():
                assert line.dispatched + line.cancelled <= line.quantity, f"order {order.number}: {line}"
                assert line.refunded <= line.dispatched, f"order {order.number}: {line}"
        kept = await self._read("SELECT account, delivery, count(*) FROM claims GROUP BY delivery")
        assert all(count == 1 for _, _, count in kept), f"a request is kept twice: {kept}"
        ((claims,),) = await self._read("SELECT count(*) FROM claims")
        assert claims <= len(self.requests), f"{claims} claims of {len(self.requests)} requests"

    async def _check_order_errors(self) -> None:
        """An order that is incomplete says so, and a line that no listing has; nothing else does (J6)."""
        told = await self._read(
            'SELECT o.number, e.kind, e.line FROM order_errors e JOIN orders o ON o.id = e."order"'
            " WHERE e.mended_at IS NULL AND e.kind <> 'other_content'"
        )
        incomplete = await self._read("SELECT number, 'incomplete', '' FROM orders WHERE incomplete <> ''")
        unknown = await self._read(
            "SELECT o.number, 'unknown_listing', l.ref FROM order_lines l JOIN orders o ON o.id = l.\"order\""
            " WHERE l.listing IS NULL"
        )
        matching = await self._read(
            'SELECT o.number, l.ref, g.sku FROM order_lines l JOIN orders o ON o.id = l."order"'
            " JOIN listings g ON g.account = o.account AND g.channel_item_id = l.channel_item_id"
            " AND g.channel_item_id <> '' WHERE l.listing IS NULL"
        )
        assert not matching, f"lines without the listing that has their article: {matching}"
        assert set(incomplete) <= set(told), f"{incomplete} are incomplete, and {told} is told"
        if self.scene.account.speaks == "edge":
            assert Counter(told) == Counter([*incomplete, *unknown]), f"{told} is told of {incomplete} and {unknown}"

    async def _check_feeds(self) -> None:
        rule = self.scene.account.feed_rules[FeedKind.OFFER]
        for (_, ended), (started, _) in pairwise(self.offers_sent):
            assert started - ended >= rule.interval, f"offer feeds left {started - ended} apart"
        feeds = await self._read(
            "SELECT opened_at, coalesce(sent_at, opened_at), state FROM feeds"
            " WHERE kind = 'offer' AND state <> 'withdrawn' ORDER BY id"
        )
        if rule.interval and not self.was_wrong:
            for (_, ended, _), (started, _, _) in pairwise(feeds):
                apart = timedelta(microseconds=started - ended)
                assert apart >= rule.interval, f"by our own record, offer feeds left {apart} apart"
        if rule.one_at_a_time:
            unanswered = [state for _, _, state in feeds if state in {"sending", "sent", "in_doubt"}]
            assert len(unanswered) <= 1, f"offer feeds open at once: {unanswered}"

    async def _check_promotions(self) -> None:
        """Every listing goes by the promotion that was in force at the last turn of offers, to the second (L11)."""
        for sku, starts_at, ends_at, cents in await self._read(
            "SELECT l.sku, p.starts_at, p.ends_at, p.price_minor FROM listings l LEFT JOIN promotions p"
            " ON p.id = l.promotion"
        ):
            wanted = self._promotion_of(sku)
            is_followed = None if starts_at is None else (from_us(starts_at), from_us(ends_at), cents)
            is_wanted = None if wanted is None else (wanted.starts_at, wanted.ends_at, wanted.price.minor)
            assert is_followed == is_wanted, f"{sku}: {is_followed} is followed, and {wanted} is in force"

    async def _check_blocked(self) -> None:
        """What was rejected too often stays in Error, whatever is asked, until it is changed or a person frees it."""
        for sku, part, revision, *now in await self._read(
            "SELECT l.sku, r.part, r.revision, l.item_state, l.stock_state, l.price_state, l.end_state,"
            " l.item_revision, l.stock_revision, l.price_revision, l.end_revision"
            " FROM rejections r JOIN listings l ON l.id = r.listing WHERE r.blocked_at IS NOT NULL"
        ):
            place = [Part.ITEM, Part.STOCK, Part.PRICE, Part.END].index(part)
            state, current = now[place], now[4 + place]
            assert current != revision or state == "error", f"{sku}: {part} is blocked, and {state}"

    async def _check_orders(self) -> None:
        kept = await self._read("SELECT number FROM orders ORDER BY id")
        assert len(kept) == len(set(kept)), f"an order is kept twice: {kept}"
        assert {number for (number,) in kept} <= set(self.numbers), f"orders that nobody placed: {kept}"
        lines = await self._read(
            'SELECT o.number, l.ref, l.quantity FROM order_lines l JOIN orders o ON o.id = l."order"'
            " WHERE o.incomplete = ''"
        )
        complete = {number for number, _, _ in lines}
        there = [(number, ref, quantity) for number in complete for ref, quantity in self._lines_there(number).items()]
        assert Counter(lines) == Counter(there), f"the lines here are {lines}, there {there}"

    def _lines_there(self, number: str) -> dict[str, int]:
        sandbox = self.scene.sandbox
        if self.scene.account.speaks == "sellr":
            return {line.id: line.quantity for line in sandbox.laredoute.orders[number].lines}
        return {ref: line.quantity for ref, line in sandbox.johnlewis.orders[number].lines.items()}

    async def _check_moves(self) -> None:
        """Every line moved along its legal path, or back where an update that had moved it failed."""
        told = await self._read(
            "SELECT subject_id, what, \"from\", \"to\" FROM events WHERE subject = 'order' AND what LIKE 'line %'"
            " ORDER BY id"
        )
        at: dict[tuple[int, str], str] = {}
        moved: set[tuple[int, str, str, str]] = set()
        for order, line, before, after in told:
            place = (order, line)
            assert at.get(place, before) == before, f"{line} was {at.get(place)}, and is told to go on from {before}"
            legal = not before or reachable(LineState(before), LineState(after))
            assert legal or (order, line, after, before) in moved, f"{line} went from {before} to {after}"
            moved.add((order, line, before, after))
            at[place] = after
        now = await self._read(
            "SELECT \"order\", 'line ' || ref, state, shipped + cancelled, quantity FROM order_lines"
        )
        for order, line, state, gone, quantity in now:
            assert at.get((order, line), state) == state, f"{line} is {state}, and was told to be {at[order, line]}"
            assert gone == quantity or state != LineState.SHIPPED, f"{line} is shipped with {gone} of {quantity} gone"
        if self.scene.account.speaks == "sellr":
            for ref, state in await self._read("SELECT ref, state FROM order_lines"):
                theirs = self._state_there(ref)
                assert reachable(LineState(state), theirs), f"line {ref} is {state} here and {theirs} there"

    def _state_there(self, ref: str) -> LineState:
        state = OrdersTable().state(self.scene.sandbox.laredoute.book.line(ref).status)
        assert state is not None
        return state

    async def _check_updates(self) -> None:
        """One open update of an order; nothing reached the marketplace twice; what is sent again had not arrived."""
        open_ones = await self._read(
            "SELECT \"order\" FROM order_updates WHERE state IN ('sending', 'sent', 'in_doubt')"
        )
        assert len(open_ones) == len(set(open_ones)), f"two open updates of one order: {open_ones}"
        if self.scene.account.speaks == "edge":
            names = Counter(it.name for it in self.scene.sandbox.johnlewis.arrivals if it.folder == "outgoing")
            assert set(names.values()) <= {1}, f"arrived more than once: {names}"
            for (name,) in await self._read("SELECT name FROM order_updates WHERE state = 'pending' AND name <> ''"):
                assert name not in names, f"{name} has arrived and is going to be sent again"
            return
        sent = await self._read(
            'SELECT u.kind, u.state, u.error, l.ref FROM order_updates u JOIN update_lines w ON w."update" = u.id'
            " JOIN order_lines l ON l.id = w.line WHERE u.name <> '' AND u.state IN ('pending', 'failed')"
        )
        touched = {ref for _, _, _, ref in sent if ref in self.touched}
        for kind, state, error, ref in sent:
            if touched:
                continue
            assert state != "failed", f"{kind} of {ref} failed though nobody else had moved it: {error}"
            legal = self.scene.account.legal_moves.from_states[UpdateKind(kind)]
            assert self._state_there(ref) in legal, f"{kind} of {ref} has arrived and is going to be sent again"

    async def _read(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return await self.scene.rows(sql, *parameters)

    # The end: everything goes right from here on, and nobody changes anything.

    async def settle(self) -> None:
        self.tell("faults stop, the seller is quiet, time goes on")
        sandbox = self.scene.sandbox
        sandbox.laredoute.faults.clear()
        sandbox.johnlewis.faults.clear()
        sandbox.johnlewis.finish_files()
        await self.wall_clock_wrong_by(0)
        await self.sends_take(0)
        await sandbox.laredoute.answer_now(held=True)
        await self._go_on_until_settled()
        ahead = {moment for each in self.windows for it in each.values() for moment in (it.starts_at, it.ends_at)}
        for moment in sorted(each for each in ahead if each > self.now().at)[:AWAITED]:
            self.tell(f"a promotion begins or ends at {moment:%d %H:%M:%S}")
            # The turns of the next tick are the first behind the moment.
            self.passed = max(self.passed, moment - NOON - TICK)
            await self._go_on_until_settled()

    async def _approve(self) -> None:
        """A person sees to what the guard holds back, and all of it was meant."""
        for case in await self.scene.store.guard.cases():
            await self.scene.store.guard.approve(case.id, None, "Robin", "meant", self.now().at)

    async def _go_on_until_settled(self) -> None:
        quiet = 0
        for _ in range(TICKS):
            await self._tick()
            await self._approve()
            quiet = quiet + 1 if not await self._unsettled() else 0
            if quiet == 2:
                break
        unsettled = await self._unsettled()
        assert not unsettled, "; ".join(unsettled)
        await self._check_goods()
        await self._check_forbidden()
        await self._check_end_of_orders()

    async def _tick(self) -> None:
        self.passed += TICK
        for number, why in await self._read("SELECT number, incomplete FROM orders"):
            if why:
                self.scene.sandbox.johnlewis.resend_order(number)
        for (claim,) in await self._read("SELECT id FROM claims WHERE state = 'incomplete'"):
            await self.scene.store.claims.close(self.scene.name, ClaimId(claim), "asked John Lewis", self.now().at)
        await self.all_goes_round()
        await self._person_settles_doubts()
        await self.means_it()
        await self.check()

    async def _person_settles_doubts(self) -> None:
        """Where asking did not tell what became of an update, a person looks."""
        doubts = await self._read(
            "SELECT o.number, u.name, u.kind, group_concat(l.ref) FROM order_updates u"
            ' JOIN orders o ON o.id = u."order"'
            ' JOIN update_lines w ON w."update" = u.id JOIN order_lines l ON l.id = w.line'
            " WHERE u.state = 'in_doubt' GROUP BY u.id"
        )
        taken = {it.name for it in self.scene.sandbox.johnlewis.arrivals if it.folder == "outgoing"}
        for number, name, kind, refs in doubts:
            if self.scene.account.speaks == "sellr":
                leads_to = LEADS_TO[UpdateKind(kind)]
                arrived = all(reachable(leads_to, self._state_there(ref)) for ref in refs.split(","))
            else:
                arrived = name in taken
            self.tell(f"    a person says that {name} {'is' if arrived else 'is not'} there")
            self.vouched |= {name} if arrived else set()
            await self.scene.store.updates.resolve(
                self.scene.name, OrderNumber(number), arrived=arrived, at=self.now().at
            )

    async def _unsettled(self) -> list[str]:
        """Everything that is neither done, nor in Error, nor by rule not to be sent."""
        found = [
            f"order {number}: {kind} {state}"
            for number, kind, state in await self._read(
                'SELECT o.number, u.kind, u.state FROM order_updates u JOIN orders o ON o.id = u."order"'
                " WHERE u.state IN ('pending', 'sending', 'sent', 'in_doubt')"
            )
        ]
        found += [
            f"claim {claim} is {state}: {why}"
            for claim, state, why in await self._read(
                "SELECT id, state, why FROM claims WHERE state IN ('incomplete', 'waiting', 'accepted')"
            )
        ]
        found += [f"order {number} is not here" for number in set(self.numbers) - set(await self._numbers_here())]
        found += [f"order {number} is incomplete" for number in await self._numbers_here("incomplete <> ''")]
        takes_items = FeedKind.ITEM in self.scene.account.feed_rules
        less_eco = self.scene.account.offer_terms.less_eco
        for sku, item, stock, price, end, status, ended, cents, contribution, charged in await self._read(
            "SELECT sku, item_state, stock_state, price_state, end_state, channel_status, ended, price_minor, eco_minor,"
            " EXISTS (SELECT 1 FROM prices p WHERE p.listing = listings.id) FROM listings"
        ):
            waits = {"pending", "sent"}
            if item in waits:
                found.append(f"{sku}: item {item}")
            needed = "offer_integrated" if ended else "product_integrated"
            if takes_items and status not in {needed, "offer_integrated"}:
                continue
            if takes_items and not charged and eco.without(cents, contribution, included=less_eco) <= 0:
                continue
            found += [
                f"{sku}: {part} {state}"
                for part, state in (("stock", stock), ("price", price), ("end", end))
                if state in waits
            ]
        if self.scene.account.speaks == "sellr":
            found += await self._not_followed()
        return found

    async def _not_followed(self) -> list[str]:
        """Units of open orders that the listings do not go by yet."""
        await self._check_promotions()
        found = []
        for listing, sku, reserved in await self._read("SELECT id, sku, stock_reserved FROM listings"):
            if reserved != (units := await self._reserved(listing)):
                found.append(f"{sku}: {units} units of open orders, and {reserved} reserved")
        return found

    def _promotion_of(self, sku: str) -> Promotion | None:
        (windows,) = (each for each, good in zip(self.windows_then, GOODS, strict=True) if good[0] == sku)
        return in_force(windows.values(), self.followed)

    async def _reserved(self, listing: int) -> int:
        if not self.scene.account.offer_terms.reserve_open_orders:
            return 0
        lines = await self._read(
            "SELECT state, quantity, shipped, cancelled FROM order_lines WHERE listing = ?", listing
        )
        open_ones = {LineState.NEW, LineState.ACCEPTED, LineState.TO_SHIP}
        return sum(
            quantity - shipped - cancelled for state, quantity, shipped, cancelled in lines if state in open_ones
        )

    async def _numbers_here(self, condition: str = "1") -> list[str]:
        return [number for (number,) in await self._read(f"SELECT number FROM orders WHERE {condition}")]

    async def _check_goods(self) -> None:
        """What the seller wants, by the rules of stock, prices and promotions, is what the marketplace has."""
        if self.scene.account.speaks == "edge":
            for sku, part, stock, ended in await self._read(
                "SELECT sku, channel_item_id, stock, ended FROM listings"
                " WHERE 'error' NOT IN (item_state, stock_state, price_state, end_state)"
            ):
                free, wanted = self.scene.sandbox.johnlewis.stock[part].free, 0 if ended else stock
                assert free == wanted, f"{sku}: stock {free} there, {wanted} here"
            return
        for listing, sku, ean, stock, price, rrp, ended, contribution, basis_points, *knobs in await self._read(
            "SELECT id, sku, ean, stock, price_minor, rrp_minor, ended, eco_minor, vat_bp,"
            " safety_stock, stock_percentage, stock_cap, stock_threshold FROM listings"
            " WHERE 'error' NOT IN (item_state, stock_state, price_state, end_state)"
            " AND channel_status = 'offer_integrated'"
        ):
            terms, offer = self.scene.account.offer_terms, self.scene.sandbox.laredoute.offers[ean]
            reserved = await self._reserved(listing)
            wanted = units.offered(stock, StockKnobs(*knobs), terms, reserved=reserved, ended=bool(ended))
            assert offer.stock == wanted, f"{sku}: stock {offer.stock} there, {wanted} here"
            without = partial(eco.without, eco_minor=contribution, included=terms.less_eco)
            ordinary = without(price) or 0
            if promotion := self._promotion_of(sku):
                sold, beside = without(promotion.price.minor), ordinary
                self._check_period(sku, offer, promotion)
            else:
                reference = None if rrp is None else without(rrp)
                sold, beside = ordinary, recommended.sent(ordinary, reference, terms.rrp_discount_bp) or 0
                assert offer.nature == terms.nature, f"{sku}: {offer.nature} there, and no promotion is in force"
                assert offer.ends_at - offer.starts_at == terms.period, f"{sku}: {offer.starts_at} to {offer.ends_at}"
            there = offer.amount, offer.blocked
            figures = Decimal(sold) / 100, Decimal(max(sold, beside)) / 100
            assert there == figures, f"{sku}: price and reference {there} there, {figures} here"
            rate = terms.vat_rate if basis_points is None else Decimal(basis_points) / 10_000
            assert offer.vat_rate == rate, f"{sku}: VAT rate {offer.vat_rate} there, {rate} here"

    async def _check_forbidden(self) -> None:
        """A reduction that may not be announced is not shown, where the stock that goes out without it has arrived."""
        for sku, ean in await self._read(
            "SELECT sku, ean FROM listings WHERE price_blocked = 1 AND channel_status = 'offer_integrated'"
            " AND 'error' NOT IN (item_state, stock_state, end_state)"
        ):
            offer = self.scene.sandbox.laredoute.offers[ean]
            assert offer.nature != PROMOTED, f"{sku}: {offer} there, and its reduction may not be announced"

    def _check_period(self, sku: str, offer: Offer, promotion: Promotion) -> None:
        """The wire has whole minutes: the first and the last are the promotion's own."""
        starts_at = promotion.starts_at.replace(second=0, microsecond=0)
        ends_at = promotion.ends_at.replace(second=0, microsecond=0)
        ends_at += MINUTE if ends_at < promotion.ends_at else timedelta()
        there = offer.nature, offer.starts_at, offer.ends_at
        assert there == (promotion.nature, starts_at, ends_at), f"{sku}: {there} there, {promotion} here"

    async def _check_end_of_orders(self) -> None:
        rows = await self._read(
            "SELECT o.number, l.ref, l.state, l.shipped, l.cancelled, l.refunded"
            ' FROM order_lines l JOIN orders o ON o.id = l."order"'
        )
        for number, ref, state, *gone in rows:
            if self.scene.account.speaks == "sellr":
                assert state == self._state_there(ref), f"line {ref} is {state} here and {self._state_there(ref)} there"
                continue
            there = self.scene.sandbox.johnlewis.orders[number]
            assert there.acknowledged == (state != LineState.NEW), (
                f"order {number} is {state} here, {there.state} there"
            )
            line = there.lines[ref]
            assert [line.dispatched, line.cancelled, line.refunded] == gone, (
                f"order {number}, line {ref}: {line} there, {gone} here"
            )


W = TypeVar("W", bound=World)


@asynccontextmanager
async def world(folder: Path, dialect: str, changes: Mapping[str, Any], made: Callable[..., W]) -> AsyncIterator[W]:
    """A world whose first listing is known at the marketplace with its stock and price; `made` is its class."""
    sides = LaRedouteSettings(delay=None), JohnLewisSettings(poll_every=None)
    async with Sandbox(SandboxSettings(folder / "sandbox", laredoute=sides[0], johnlewis=sides[1])) as sandbox:

        def account(changes: Mapping[str, Any]) -> AccountSettings:
            if dialect == "edge":
                return lewis_settings(sandbox, **changes)
            # An unanswered item feed lapses after a day; here it has no longer patience than an offer feed.
            return redoute_settings(sandbox, items={"patience": "2h"}, **changes)

        ours = AsyncExitStack()

        async def open_again(settings: AccountSettings) -> tuple[Store, Marketplace]:
            await ours.aclose()
            store = await ours.enter_async_context(open_store(folder / "sellerd.db"))
            marketplace = DIALECTS[dialect].open(settings, {})
            ours.push_async_callback(marketplace.aclose)
            return store, marketplace

        async with ours:
            settings = account(changes)
            store, marketplace = await open_again(settings)
            await store.accounts.configure(AccountName(settings.name), settings.marketplace, "fingerprint", NOON)
            all_of_it = made(Scene(sandbox, store, settings, marketplace), open_again, account)
            await all_of_it.scene.want()
            if dialect == "sellr":
                await all_of_it.reprices(0, 1000, 2000)
            for job in ("send_items", "read_reports", "send_offers", "read_reports"):
                if job != "send_items" or dialect == "sellr":
                    await all_of_it.turn(job)
                    await all_of_it.answers()
            yield all_of_it
