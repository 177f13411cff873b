"""The change guard over real feeds: what looks like a mistake waits, and nothing else does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from daemon.errors import NotAllowed
from daemon.model import (
    AnswerLine,
    Feed,
    FeedObject,
    FeedRule,
    GuardTerms,
    Item,
    Money,
    OfferTerms,
    Part,
    Promotion,
    Sku,
)
from daemon.store import Store
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.guard_cases import Suspicion
from daemon.store.holds import GuardRule
from daemon.store.imagined import imagined_store
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.promotions import PromotionRow
from tests.store.conftest import LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = GuardTerms(
    price_fall=30,
    price_rise=200,
    promotion_fall=75,
    zero_share=20,
    zero_least=3,
    end_share=10,
    end_least=2,
    window=HOUR,
    zero_expiry=4 * HOUR,
)


def skus(*numbers: int) -> list[Sku]:
    return [Sku(f"S{number:02}") for number in numbers]


ALL = skus(*range(10))


class Scene:
    """An account whose ten listings all sell: five of each, at 100.00, recommended 120.00. Each step is two hours on."""

    def __init__(self, store: Store, rule: FeedRule = OFFER_RULE, account: Any = REDOUTE) -> None:
        self.store, self.rule, self.account = store, rule, account
        self.hours = 0

    @property
    def now(self) -> timedelta:
        return self.hours * HOUR

    async def start(self) -> None:
        rows = [ItemRow(sku, Item(ean="3701234567891"), "12345678") for sku in ALL]
        await self.store.listings.put_items(self.account, rows, NOON, [""] * 10, item_feed=False)
        await self.store.database.write(
            lambda db: db.execute("UPDATE listings SET channel_status = 'offer_integrated'").rowcount
        )
        await self.stock(ALL, 5)
        await self.price(ALL, 100)
        assert len(await self.go()) == 10

    async def stock(self, which: Iterable[Sku], units: int) -> None:
        await self.store.listings.put_stock(self.account, Figures(dict.fromkeys(which, units)), NOON + self.now)

    async def price(self, which: Iterable[Sku], amount: int, rrp: int = 120) -> None:
        rows = [PriceRow(sku, Money(amount * 100, "EUR"), Money(rrp * 100, "EUR")) for sku in which]
        await self.store.listings.put_prices(self.account, rows, NOON + self.now)

    async def end(self, which: Iterable[Sku], *, ended: bool = True) -> None:
        rows = [ItemRow(sku, Item(ean="3701234567891"), ended=ended) for sku in which]
        await self.store.listings.put_items(self.account, rows, NOON + self.now, [""] * len(rows), item_feed=False)

    async def promote(self, which: Iterable[Sku], amount: int) -> None:
        at = NOON + self.now
        rows = [PromotionRow(sku, Promotion(Money(amount * 100, "EUR"), at, at + 30 * DAY)) for sku in which]
        await self.store.promotions.put(self.account, rows, at)

    async def open(self, limits: GuardTerms = LIMITS) -> Feed | GateClosed | None:
        return await self.store.feeds.open(self.account, self.rule, moment(self.now), OfferTerms(), limits)

    async def go(self, limits: GuardTerms = LIMITS, *, answered: bool = True) -> dict[str, FeedObject]:
        """Let the next feed leave and be accepted: what it carried; nothing where none left."""
        feed = await self.open(limits)
        assert not isinstance(feed, GateClosed)
        if feed is None:
            self.hours += 2
            return {}
        carried = [entry async for batch in self.store.feeds.objects(feed, "EUR") for entry in batch]

        name = f"feed-{feed.id}.xml"

        async def content() -> Any:
            yield name.encode()

        payload, _ = await self.store.payloads.write(content(), NOON)
        feed = await self.store.feeds.spooled(feed, name, payload, NOON + self.now)
        await self.store.feeds.sent(feed, self.rule, f"B{feed.id}", moment(self.now))
        if answered:
            line = AnswerLine(accepted=True, remote_ref=f"B{feed.id}")
            await self.store.answers.apply(self.account, [line], NOON + self.now)
        self.hours += 2
        return {entry.sku: entry for entry in carried}

    async def states(self, sku: Sku) -> tuple[str, str, str]:
        row = await self.store.database.read(
            lambda db: db.execute("SELECT * FROM listings WHERE sku = ?", (sku,)).fetchone()
        )
        return row["stock_state"], row["price_state"], row["end_state"]

    async def cases(self) -> list[tuple[GuardRule, int]]:
        return [(case.rule, case.held) for case in await self.store.guard.cases()]

    async def case(self) -> Suspicion:
        (case,) = await self.store.guard.cases()
        return case

    async def events(self, sku: Sku) -> list[tuple[str, str, str]]:
        rows = await self.store.database.read(
            lambda db: db.execute(
                'SELECT what, "from", "to" FROM events JOIN listings l ON l.id = subject_id AND subject = \'listing\''
                " WHERE l.sku = ? AND (\"to\" IN ('held', 'released') OR \"from\" = 'held') ORDER BY events.id",
                (sku,),
            ).fetchall()
        )
        return [tuple(row) for row in rows]


def prices(carried: dict[str, FeedObject]) -> dict[str, tuple[int, int | None]]:
    return {
        sku: (entry.price.minor if entry.price else 0, entry.rrp.minor if entry.rrp else None)
        for sku, entry in carried.items()
    }


@pytest.fixture
async def scene(database: Database) -> Scene:
    scene = Scene(Store(database))
    await scene.start()
    return scene


@pytest.fixture
async def lewis(database: Database) -> Scene:
    scene = Scene(Store(database), STOCK_RULE, LEWIS)
    await scene.start()
    return scene


async def test_a_price_that_falls_too_far_waits_and_the_others_go(scene: Scene) -> None:
    await scene.price(skus(0), 69)
    await scene.price(skus(1), 70)

    carried = await scene.go()

    assert prices(carried) == {"S01": (7000, 12000)}
    assert await scene.states(Sku("S00")) == ("not_needed", "pending", "not_needed")
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]
    assert await scene.events(Sku("S00")) == [("price", "pending", "held")]


@pytest.mark.parametrize(("amount", "held"), [(300, 0), (301, 1)])
async def test_a_price_that_rises_absurdly_waits(scene: Scene, amount: int, held: int) -> None:
    await scene.price(skus(0), amount, rrp=400)
    await scene.go()
    assert await scene.cases() == [(GuardRule.PRICE_RISE, 1)] * held


async def test_a_first_price_is_compared_with_nothing(database: Database) -> None:
    scene = Scene(Store(database))
    await scene.start()
    assert await scene.cases() == []


async def test_while_the_price_waits_the_stock_goes_with_the_price_that_the_marketplace_has(scene: Scene) -> None:
    await scene.price(skus(0), 10, rrp=15)
    await scene.stock(skus(0), 0)

    carried = await scene.go()

    assert prices(carried) == {"S00": (10000, 12000)}
    assert (carried["S00"].stock, set(carried["S00"].parts)) == (0, {Part.STOCK})
    assert await scene.states(Sku("S00")) == ("not_needed", "pending", "not_needed")
    # The answer to that feed settles nothing of the price, and the next opening still holds it.
    assert await scene.go() == {}
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]


async def test_a_correction_releases_by_itself(scene: Scene) -> None:
    await scene.price(skus(0, 1), 10)
    assert await scene.go() == {}
    await scene.price(skus(0), 95)

    assert prices(await scene.go()) == {"S00": (9500, 12000)}
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]
    assert await scene.events(Sku("S00")) == [("price", "pending", "held"), ("price", "held", "released")]
    await scene.price(skus(1), 100)
    # Back at what it was, it is sent once more for certainty, and the case is closed.
    assert prices(await scene.go()) == {"S01": (10000, 12000)}
    assert await scene.cases() == []


async def test_an_approved_price_leaves_with_the_next_feed_and_one_like_it_does_not_for_ever(scene: Scene) -> None:
    await scene.price(skus(0, 1), 50)
    await scene.go()
    case = await scene.case()
    assert await scene.store.guard.approve(case.id, skus(0), "Robin", "a sale", NOON + scene.now) == 1

    assert prices(await scene.go()) == {"S00": (5000, 12000)}
    assert await scene.states(Sku("S00")) == ("not_needed", "not_needed", "not_needed")
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]
    # A year on, the same figure is a mistake once more.
    await scene.price(skus(0), 100)
    await scene.go()
    await scene.price(skus(0), 50)
    assert await scene.go() == {}
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 2)]


async def test_an_approval_holds_while_the_feed_that_carries_it_does_not_arrive(scene: Scene) -> None:
    await scene.price(skus(0), 50)
    await scene.go()
    await scene.store.guard.approve((await scene.case()).id, None, "Robin", "", NOON + scene.now)
    feed = await scene.open()
    assert isinstance(feed, Feed)
    await scene.store.feeds.withdrawn(feed, "not reached", moment(scene.now))

    assert prices(await scene.go(answered=False)) == {"S00": (5000, 12000)}
    # Unanswered, it lapses, and goes again.
    scene.hours += 1
    assert prices(await scene.go()) == {"S00": (5000, 12000)}


async def test_a_rejected_price_is_in_error_until_another_comes_and_never_leaves(scene: Scene) -> None:
    await scene.price(skus(0), 10)
    await scene.go()
    assert await scene.store.guard.reject((await scene.case()).id, None, "Robin", "a typo", NOON + scene.now) == 1
    assert await scene.states(Sku("S00")) == ("not_needed", "error", "not_needed")
    row = await scene.store.database.read(lambda db: db.execute("SELECT price_error FROM listings").fetchone())
    assert row[0] == "held back by the guard, and rejected by Robin: a typo"

    await scene.stock(skus(0), 4)
    carried = await scene.go()
    assert (prices(carried), carried["S00"].stock) == ({"S00": (10000, 12000)}, 4)
    # Another try is not a way round it.
    await scene.store.rejections.retry(REDOUTE, Sku("S00"), NOON + scene.now)
    assert await scene.go() == {}
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]
    await scene.price(skus(0), 90)
    assert prices(await scene.go()) == {"S00": (9000, 12000)}


@pytest.mark.parametrize(("amount", "held"), [(25, 0), (24, 1)])
async def test_a_promotion_may_take_more_off_than_a_price_may_fall(scene: Scene, amount: int, held: int) -> None:  # L11
    await scene.promote(skus(0), amount)

    carried = await scene.go()

    assert await scene.cases() == [(GuardRule.PROMOTION_FALL, 1)] * held
    assert prices(carried) == ({} if held else {"S00": (2500, 10000)})


async def test_while_a_promotion_waits_the_stock_goes_with_the_ordinary_price(scene: Scene) -> None:
    await scene.promote(skus(0), 10)
    await scene.stock(skus(0), 3)

    carried = await scene.go()

    assert (prices(carried), carried["S00"].promotion) == ({"S00": (10000, 12000)}, None)
    await scene.store.guard.approve((await scene.case()).id, None, "Robin", "", NOON + scene.now)
    carried = await scene.go()
    assert prices(carried) == {"S00": (1000, 10000)}
    assert carried["S00"].promotion is not None


async def test_a_fall_under_a_promotion_leaves_the_promotion_alone(scene: Scene) -> None:
    await scene.promote(skus(0), 80)
    assert prices(await scene.go()) == {"S00": (8000, 10000)}
    await scene.price(skus(0), 60)
    await scene.stock(skus(0), 3)

    carried = await scene.go()

    # What is struck through is still what it was; 60.00 is nowhere.
    assert prices(carried) == {"S00": (8000, 10000)}
    assert await scene.cases() == [(GuardRule.PRICE_FALL, 1)]


@pytest.mark.parametrize(("rule", "account"), [(OFFER_RULE, REDOUTE), (STOCK_RULE, LEWIS)])
async def test_a_few_zeros_leave_at_once_and_many_wait(database: Database, rule: FeedRule, account: Any) -> None:
    scene = Scene(Store(database), rule, account)
    await scene.start()
    await scene.stock(skus(0, 1), 0)
    carried = await scene.go()
    assert {sku: entry.stock for sku, entry in carried.items()} == {"S00": 0, "S01": 0}
    assert await scene.cases() == []

    await scene.stock(skus(2, 3, 4), 0)
    await scene.stock(skus(5), 4)
    carried = await scene.go()
    assert {sku: entry.stock for sku, entry in carried.items()} == {"S05": 4}
    assert await scene.cases() == [(GuardRule.MASS_ZERO, 3)]
    assert (await scene.states(Sku("S02")))[0] == "pending"


async def test_what_left_just_before_counts_with_what_is_going(lewis: Scene) -> None:
    await lewis.stock(skus(0, 1), 0)
    assert len(await lewis.go()) == 2
    lewis.hours -= 2
    await lewis.stock(skus(2), 0)
    assert await lewis.go() == {}
    assert await lewis.cases() == [(GuardRule.MASS_ZERO, 1)]
    # An hour on it is one of a few.
    assert len(await lewis.go()) == 1
    assert await lewis.cases() == []


@pytest.mark.parametrize(("share", "held"), [(40, 3), (50, 0)])
async def test_what_sells_no_more_is_none_of_those_that_stay(scene: Scene, share: int, held: int) -> None:
    switched_off = GuardTerms()
    await scene.stock(skus(6, 7), 0)
    await scene.end(skus(8, 9))
    await scene.go(switched_off)

    await scene.stock(skus(0, 1, 2), 0)  # three of the six that sell
    await scene.go(replace(LIMITS, zero_share=share))
    assert sum(count for _, count in await scene.cases()) == held


@pytest.mark.parametrize(("share", "held"), [(25, 3), (30, 0)])
async def test_what_goes_is_none_of_those_that_stay(scene: Scene, share: int, held: int) -> None:
    await scene.store.database.write(
        lambda db: db.execute("UPDATE listings SET stock_threshold = 5 WHERE sku < 'S03'").rowcount
    )
    await scene.stock(skus(0, 1, 2), 4)  # there are some left, but none is offered: three of ten
    await scene.go(replace(LIMITS, zero_share=share))
    assert sum(count for _, count in await scene.cases()) == held


async def test_while_zeros_wait_a_new_price_goes_with_the_stock_that_the_marketplace_has(scene: Scene) -> None:
    await scene.stock(ALL, 0)
    await scene.price(skus(0), 90)

    carried = await scene.go()

    assert (set(carried), carried["S00"].stock, set(carried["S00"].parts)) == ({"S00"}, 5, {Part.PRICE})
    assert await scene.cases() == [(GuardRule.MASS_ZERO, 10)]


async def test_a_corrected_import_lets_the_few_true_zeros_go(scene: Scene) -> None:
    await scene.stock(ALL, 0)
    assert await scene.go() == {}
    await scene.stock(skus(*range(2, 10)), 5)

    carried = await scene.go()

    assert {sku for sku, entry in carried.items() if entry.stock == 0} == {"S00", "S01"}
    assert await scene.cases() == []


async def test_approving_some_zeros_does_not_let_the_rest_slip(scene: Scene) -> None:
    await scene.stock(skus(0, 1, 2, 3), 0)
    await scene.go()
    case = await scene.case()
    await scene.store.guard.approve(case.id, skus(0, 1), "Robin", "sold out", NOON + scene.now)
    assert (await scene.go()).keys() == {"S00", "S01"}
    assert await scene.cases() == [(GuardRule.MASS_ZERO, 2)]
    await scene.store.guard.approve(case.id, None, "Robin", "sold out", NOON + scene.now)
    assert (await scene.go()).keys() == {"S02", "S03"}
    # What was approved does not make the next few suspicious.
    scene.hours -= 1
    await scene.stock(skus(4), 0)
    assert (await scene.go()).keys() == {"S04"}


async def test_held_zeros_expire_because_what_is_not_there_would_be_sold(scene: Scene) -> None:
    await scene.stock(ALL, 0)
    assert await scene.go() == {}
    assert await scene.go() == {}
    assert len(await scene.go()) == 10
    assert await scene.cases() == []
    assert (await scene.events(Sku("S00")))[-1] == ("stock", "held", "pending")


async def test_held_zeros_never_expire_where_that_is_said(scene: Scene) -> None:
    never = GuardTerms(zero_share=20, zero_least=3, window=HOUR)
    await scene.stock(ALL, 0)
    for _ in range(20):
        assert await scene.go(never) == {}


async def test_an_import_that_ends_much_of_the_catalogue_waits_whole(scene: Scene) -> None:
    await scene.end(skus(0))
    assert {sku: entry.ended for sku, entry in (await scene.go()).items()} == {"S00": True}
    await scene.end(skus(1, 2, 3))
    await scene.price(skus(1), 90)

    carried = await scene.go()

    assert (set(carried), carried["S01"].ended, carried["S01"].stock) == ({"S01"}, False, 5)
    assert await scene.cases() == [(GuardRule.MASS_END, 3)]
    await scene.end(skus(2), ended=False)
    await scene.store.guard.approve((await scene.case()).id, skus(1, 3), "Robin", "", NOON + scene.now)
    carried = await scene.go()
    assert {sku: entry.ended for sku, entry in carried.items()} == {"S01": True, "S02": False, "S03": True}
    assert await scene.cases() == []


async def test_switched_off_it_releases_what_it_held(scene: Scene) -> None:
    await scene.price(skus(0), 10)
    assert await scene.go() == {}
    assert prices(await scene.go(GuardTerms())) == {"S00": (1000, 12000)}
    assert await scene.cases() == []


async def test_units_of_open_orders_that_come_and_go_change_nothing_of_a_hold(scene: Scene) -> None:
    await scene.stock(ALL, 0)
    await scene.go()
    (before,) = await scene.store.guard.cases()
    await scene.store.database.write(
        lambda db: db.execute("UPDATE listings SET stock_revision = stock_revision + 1").rowcount
    )
    assert await scene.go() == {}
    assert await scene.store.guard.cases() == [before]
    assert len(await scene.events(Sku("S00"))) == 1


async def test_what_cannot_be_decided_is_told(scene: Scene) -> None:
    await scene.price(skus(0), 10)
    await scene.go()
    case = (await scene.case()).id
    refused: Sequence[tuple[int, list[Sku] | None, str]] = [
        (4711, None, "there is no case 4711"),
        (case, skus(5), f"case {case} does not hold S05"),
    ]
    for number, which, text in refused:
        with pytest.raises(NotAllowed, match=text):
            await scene.store.guard.approve(number, which, "Robin", "", NOON)
    await scene.store.guard.approve(case, None, "Robin", "", NOON)
    with pytest.raises(NotAllowed, match="holds nothing any more"):
        await scene.store.guard.reject(case, None, "Robin", "", NOON)


async def test_deciding_about_many_takes_as_many_statements_as_about_few(scene: Scene, database: Database) -> None:
    await scene.price(ALL, 10)
    await scene.go()
    case = (await scene.case()).id
    seen: list[str] = []
    await database.write(lambda db: db.set_trace_callback(seen.append))
    counts = []
    for which in (skus(0), skus(*range(1, 9)), skus(9)):
        seen.clear()
        await scene.store.guard.approve(case, which, "Robin", "a sale", NOON + scene.now)
        counts.append(len(seen))
    await database.write(lambda db: db.set_trace_callback(None))
    assert counts[0] == counts[1] == counts[2] < 20
    assert (await scene.go()).keys() == set(ALL)


async def test_what_was_decided_long_ago_is_forgotten_but_for_what_was_rejected(scene: Scene) -> None:
    await scene.price(skus(0, 1), 10)
    await scene.go()
    case = (await scene.case()).id
    await scene.store.guard.approve(case, skus(0), "Robin", "", NOON + scene.now)
    await scene.store.guard.reject(case, skus(1), "Robin", "", NOON + scene.now)
    await scene.go()

    assert await scene.store.retention.forget_decisions(NOON) == 0
    assert await scene.store.retention.forget_decisions(NOON + 400 * DAY) == 1
    # The price that was turned down must not leave beside a new stock, however long ago that was.
    await scene.stock(skus(1), 4)
    assert prices(await scene.go()) == {"S01": (10000, 12000)}


async def test_a_case_shows_what_it_holds_and_what_was_decided(scene: Scene) -> None:
    await scene.price(skus(0, 1), 10)
    await scene.go()
    case = await scene.case()
    await scene.store.guard.reject(case.id, skus(1), "Robin", "a typo", NOON + scene.now)

    found = await scene.store.guard.case(case.id)

    assert found is not None
    shown = [(row["sku"], row["part"], row["state"], row["was"], row["becomes"], row["decided_by"]) for row in found[1]]
    assert shown == [
        ("S00", "price", "held", 10000, 1000, ""),
        ("S01", "price", "rejected", 10000, 1000, "Robin"),
    ]
    assert (found[0].held, found[0].total) == (1, 2)
    assert await scene.store.guard.case(4711) is None


@pytest.mark.parametrize("judged", [False, True])
async def test_what_would_be_sent_next_knows_what_the_guard_would_hold(
    scene: Scene, database: Database, judged: bool
) -> None:
    await scene.stock(ALL, 0)
    await scene.price(skus(0), 90)
    if judged:
        await scene.go()
        await scene.price(skus(0), 80)
    before = await scene.store.guard.cases()

    async with imagined_store(database.path, REDOUTE) as imagined:
        feed = await imagined.feeds.open(REDOUTE, OFFER_RULE, moment(scene.now), OfferTerms(), LIMITS)
        assert isinstance(feed, Feed)
        carried = [entry async for batch in imagined.feeds.objects(feed, "EUR") for entry in batch]

    assert [(entry.sku, entry.stock, set(entry.parts)) for entry in carried] == [("S00", 5, {Part.PRICE})]
    assert await scene.store.guard.cases() == before
