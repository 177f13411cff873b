"""How long a change takes until the far side has it: every change of many, by the record of what the far side received.

The marketplace is up and answers within its half hour, and the daemon is never stopped: what is left is what the daemon
itself adds, the gate and the ticks. The change guard is off, because what it holds back waits for a person. The timetable,
the runner, the jobs, the store and both wires are real; time is virtual, and everything is drawn by one seed.
"""

import math
import random
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import structlog

from daemon.crontab import CRONTAB
from daemon.model import Item, Moment, Money, Photo, Sku
from daemon.runner import Runner, Task
from daemon.store.figures import Figures as StockFigures
from daemon.store.listings import ItemRow, PriceRow
from tests.jobs.scene import NOON, Scene, moment, scene
from tests.prove.figures import Figures
from tests.prove.method import Method, Result
from tests.prove.simulation import DAY, DIALECT, HOUR, Due

GOODS = 60
#: changes of one good in a day; some come in a burst
CHANGES_A_DAY = 30
BURST = 40
#: rows of one stock file at John Lewis in this measurement, so that a burst takes more than one
MOST = 25
#: how long a report of La Redoute may be on its way
ANSWER_MINUTES = 25
TICK = timedelta(minutes=15)
#: two files of one turn leave a second apart (`jobs/feeds.py`), and a send takes up to so long here
SEND_SECONDS = 45
#: what a change may take: the gate and a tick, or a tick and the further files of a burst
BOUNDS = {
    "laredoute": HOUR + TICK + timedelta(seconds=2 * SEND_SECONDS),
    "johnlewis": TICK + (GOODS / MOST + 2) * timedelta(seconds=SEND_SECONDS + 1),
}
_BOTH = {"a stock changed", "a stock went to zero", "a listing ended", "a listing came back", "a burst"}
#: what a run must really have met
SOMETIMES = {
    "laredoute": frozenset({*_BOTH, "a price changed", "a change waited for the gate", "a late report"}),
    "johnlewis": frozenset({*_BOTH, "more than one file carries", "more zeros than one file carries"}),
}


@dataclass
class Good:
    """One listing as its seller wants it; `waiting` are its changes that the far side does not have, by when they came."""

    sku: Sku
    ean: str
    stock_number: str
    stock: int = 5
    cents: int = 10_000
    ended: bool = False
    waiting: list[timedelta] = field(default_factory=list)
    #: since when it waits to be shown as sold out
    zero_since: timedelta | None = None

    @property
    def offered(self) -> int:
        """The stock that customers should see."""
        return 0 if self.ended else self.stock


@dataclass
class Shop:
    """One account, its goods and the timetable; `delays` are those of all changes, in seconds."""

    scene: Scene
    chance: random.Random
    goods: list[Good]
    figures: Figures = field(default_factory=Figures)
    delays: list[float] = field(default_factory=list)
    passed: timedelta = timedelta()
    late_report_at: timedelta | None = None

    @property
    def side(self) -> str:
        """The marketplace."""
        return self.scene.account.marketplace

    async def live(self, days: float) -> None:
        """Let so many days pass, at the guide's cadence."""
        rows = CRONTAB[self.scene.account.speaks]
        # Ten seconds apart, as the jobs of a daemon that has just been started are not due in the same instant.
        due = Due(rows, {job: NOON + self.passed + place * timedelta(seconds=10) for place, job in enumerate(rows)})
        end, change_at = self.passed + days * DAY, self.passed
        while self.passed < end:
            upcoming = [due.first - NOON, change_at]
            upcoming += [self.late_report_at] if self.late_report_at is not None else []
            self.passed = max(self.passed, min(upcoming))
            if self.late_report_at is not None and self.late_report_at <= self.passed:
                self.late_report_at = None
                await self.scene.sandbox.laredoute.answer_now(held=True)
            if change_at <= self.passed:
                await self._changes(change_at)
                change_at += timedelta(seconds=self.chance.expovariate(GOODS * CHANGES_A_DAY / 86_400))
                continue
            for job in due.take(NOON + self.passed):
                again = await self._turn(job)
                if again is not None:
                    due.booked[job] = again
        self.figures.counts["simulated days"] += round(days)

    async def _turn(self, job: str) -> datetime | None:
        takes = timedelta(seconds=self.chance.randint(0, SEND_SECONDS))
        looked = 0

        def clock() -> Moment:
            nonlocal looked
            looked += 1
            return moment(self.passed + (takes if looked > 1 else timedelta()))

        before, faults = self._received, self.scene.sandbox.laredoute.faults
        if late := job == "offers" and self.side == "laredoute" and self.chance.random() < 0.3:
            faults.add("delay_report", kind="offers", seconds=3600.0)
        row = CRONTAB[self.scene.account.speaks][job]
        task = Task(self.scene.account, self.scene.marketplace, job, row.job)
        outcome = await Runner(self.scene.store, clock).turn(task)
        assert outcome is not None, f"{job} failed"
        if outcome.held_until is not None and job == "offers":
            self.figures.hit["a change waited for the gate"] += 1
        if job == "offers" and self._received > before:
            began, self.passed = self.passed, self.passed + takes
            if late:
                self.figures.hit["a late report"] += 1
                self.late_report_at = self.passed + self.chance.randint(1, ANSWER_MINUTES) * timedelta(minutes=1)
            await self._arrived(began, outcome.done)
        faults.clear()
        return outcome.again_at

    @property
    def _received(self) -> int:
        if self.side == "laredoute":
            return sum(feed.kind == "offers" for feed in self.scene.sandbox.laredoute.feeds)
        return sum(it.folder == "inventory" for it in self.scene.sandbox.johnlewis.arrivals) + len(
            list((self.scene.sandbox.johnlewis.files / "live" / "inventory").glob("*.csv"))
        )

    async def _arrived(self, began: timedelta, size: int) -> None:
        """The far side has one more feed: look at what it shows now."""
        await self.scene.answer()
        self.figures.counts["feeds received"] += 1
        full = size == MOST and self.side == "johnlewis"
        self.figures.hit["more than one file carries"] += full
        zeros_alone = full and self._carried_zeros_alone
        self.figures.hit["more zeros than one file carries"] += zeros_alone
        for good in self.goods:
            shows_zero, agrees = self._shows(good)
            if good.zero_since is not None and not (zeros_alone and not shows_zero):
                self.figures.counts["zeros and ends in the very next feed"] += shows_zero
                if not shows_zero:
                    self._break(
                        f"{good.sku} was out of stock at {good.zero_since}, and the feed of {began} is without it"
                    )
                good.zero_since = None
            if agrees:
                self._settled(good)
            elif not full:
                self._break(f"{good.sku} changed at {good.waiting}, and the feed of {began} is without it")

    @property
    def _carried_zeros_alone(self) -> bool:
        """Whether the newest stock file has no row but of what is sold out: then no zero stood behind anything else."""
        _, *rows = self.scene.sandbox.johnlewis.arrivals[-1].content.decode().splitlines()
        return all(row.rpartition(",")[2].strip('"') == "0" for row in rows)

    def _shows(self, good: Good) -> tuple[bool, bool]:
        """Whether the far side shows a good as sold out, and whether all that it shows is as the seller wants it."""
        if self.side == "laredoute":
            offer = self.scene.sandbox.laredoute.offers[good.ean]
            return offer.stock == 0, (offer.stock, int(offer.amount * 100)) == (good.offered, good.cents)
        free = self.scene.sandbox.johnlewis.stock[good.stock_number].free
        return free == 0, free == good.offered

    def _settled(self, good: Good) -> None:
        bound = BOUNDS[self.side]
        for at in good.waiting:
            delay = self.passed - at
            self.delays.append(delay.total_seconds())
            self.figures.counts["changes received"] += 1
            if delay > bound:
                self._break(f"{good.sku} changed at {at}, and was received {delay} later")
        good.waiting.clear()

    def _break(self, why: str) -> None:
        self.figures.broken.append(f"{self.side}: {why}")

    # The seller.

    async def _changes(self, at: timedelta) -> None:
        many = BURST if self.chance.random() < 1 / 200 else 1
        self.figures.hit["a burst"] += many > 1
        for good in self.chance.sample(self.goods, many):
            await self._change(good, at)

    async def _change(self, good: Good, at: timedelta) -> None:
        listings, name, when = self.scene.store.listings, self.scene.name, NOON + self.passed
        before, drawn = good.offered, self.chance.random()
        if drawn < 0.2 and self.side == "laredoute":
            good.cents = self.chance.choice([cents for cents in range(9_990, 10_010) if cents != good.cents])
            await listings.put_prices(name, [PriceRow(good.sku, Money(good.cents, "EUR"))], when)
            self._note(good, at, "a price changed")
            return
        if drawn < 0.35:
            good.ended = not good.ended
            await listings.put_items(
                name, [ItemRow(good.sku, self._item(good), ended=good.ended)], when, [""], item_feed=self._takes_items
            )
            self.figures.hit["a listing ended" if good.ended else "a listing came back"] += 1
        else:
            good.stock = 0 if drawn < 0.55 else self.chance.randint(1, 9)
            await listings.put_stock(name, StockFigures({good.sku: good.stock}), when)
        if good.offered != before:
            self._note(good, at, "a stock changed" if good.offered else "a stock went to zero")
            good.zero_since = None if good.offered else at

    def _note(self, good: Good, at: timedelta, what: str) -> None:
        self.figures.hit[what] += 1
        good.waiting.append(at)

    @property
    def _takes_items(self) -> bool:
        return self.side == "laredoute"

    def _item(self, good: Good) -> Item:
        return Item(
            ean=good.ean,
            category="S001",
            product_id=good.sku,
            master_sku=good.sku,
            title="Lampe de bureau",
            description="<p>Lampe en métal doré</p>",
            brand="B0001",
            catalogue_id="C1",
            photos=(Photo("https://pictures.example.test/lamp.jpg", 1),),
        )

    async def begin(self) -> None:
        """Every good is known at the marketplace, with its stock and its price."""
        for good in self.goods:
            await self.scene.want(sku=good.sku, ean=good.ean, stock_number=good.stock_number)
        first = ("items", "reports") if self._takes_items else ()
        for job in (*first, *(["offers"] * (1 if self._takes_items else -(-GOODS // MOST))), "reports"):
            row = CRONTAB[self.scene.account.speaks][job]
            self.passed += timedelta(seconds=2)
            await Runner(self.scene.store, partial(moment, self.passed)).turn(
                Task(self.scene.account, self.scene.marketplace, job, row.job)
            )
            await self.scene.answer()


def ean_of(number: int) -> str:
    """A made-up EAN-13 with its check digit."""
    digits = f"370{number:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def goods() -> list[Good]:
    """The goods of a shop."""
    return [Good(Sku(f"GOOD-{number}"), ean_of(number), f"{10_000_000 + number}") for number in range(GOODS)]


CHANGES: Mapping[str, Mapping[str, Any]] = {
    "laredoute": {"guard": {"active": False}},
    "johnlewis": {"guard": {"active": False}, "stock": {"max_rows": MOST}},
}


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


async def measure(marketplace: str, seed: int, days: float) -> tuple[Figures, list[float]]:
    """One seed; its figures, and how many seconds each change took."""
    structlog.configure(processors=[_drop])
    figures, delays = Figures(), list[float]()
    try:
        with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            async with scene(Path(folder), DIALECT[marketplace], **CHANGES[marketplace]) as each:
                shop = Shop(each, random.Random(f"delays {marketplace} {seed}"), goods(), figures, delays)
                await shop.begin()
                await shop.live(days)
    finally:
        structlog.reset_defaults()
    return figures, delays


def told(delays: list[float]) -> dict[str, int]:
    """The middle, the 99th percentile and the longest of some delays, in whole seconds, upwards."""
    ordered = sorted(delays)
    places = {"for the middle one of all": 0.5, "for 99 % of them": 0.99, "at the most": 1.0}
    return {
        f"seconds until a change was received, {name}": math.ceil(ordered[math.ceil(share * len(ordered)) - 1])
        for name, share in places.items()
    }


def _run(seed: int, *, side: str, days: float) -> tuple[Figures, list[float]]:
    return anyio.run(measure, side, seed, days)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--marketplace", choices=list(DIALECT), help="one side alone")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--days", type=float, default=10, help="how many days each")


def _measure(asked: Namespace) -> Iterator[Result]:
    for side in [asked.marketplace] if asked.marketplace else DIALECT:
        figures, delays = Figures(), list[float]()
        with ProcessPoolExecutor(asked.workers) as pool:
            for more, measured in pool.map(partial(_run, side=side, days=asked.days), range(asked.seeds)):
                figures.add(more)
                delays += measured
        figures.counts.update(told(delays))
        figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES[side])]
        command = f"python -m tests.prove delays --marketplace {side} --seeds {asked.seeds} --days {asked.days:g}"
        yield Result(f"delays {side}", command, figures)


METHOD = Method(
    "delays",
    "how long each of very many changes takes until the far side has it, at the timetable of production on a virtual clock,"
    " while the marketplace answers; and whether what is sold out or ended is in the very next feed",
    _options,
    _measure,
)
