"""Rejections in a row: counted part by part, blocked, and free again when the part changes or a person says so."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from daemon.model import AnswerLine, ChannelStatus, FeedRule, Item, ListingFault, Money, Part, PayloadId, Sku
from daemon.store import Store
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.rejections import Retried
from tests.store.conftest import ITEM_RULE, LEWIS, NOON, OFFER_RULE, REDOUTE, STOCK_RULE, moment
from tests.store.test_feeds import LAMP, a_listing, opened, sent

HOUR = timedelta(hours=1)
BRAND = "MARQUE INCONNUE"


class Far:
    """A marketplace that answers what it is told to; each feed leaves two hours after the one before."""

    def __init__(self, database: Database, rule: FeedRule = ITEM_RULE, block_after: int = 3) -> None:
        self.store = Store(database)
        self.rule = rule
        self.block_after = block_after
        self.feeds = 0

    async def answers(self, text: str, *, code: str = "E7", part: Part | None = None, accepted: bool = False) -> None:
        """Send what is due and answer it."""
        self.feeds += 1
        after, ref = self.feeds * 2 * HOUR, f"B{self.feeds}"
        feed = await opened(self.store.feeds, self.rule, after)
        await sent(self.store.database, self.store.feeds, feed, after, ref)
        await self.repeats(text, code=code, part=part, accepted=accepted)

    async def repeats(self, text: str, *, code: str = "E7", part: Part | None = None, accepted: bool = False) -> None:
        """Answer the last feed, once more perhaps."""
        line = AnswerLine(accepted, remote_ref=f"B{self.feeds}", sku=LAMP, code=code, text=text, part=part)
        await self.store.answers.apply(REDOUTE, [line], NOON, block_after=self.block_after)

    async def retries(self) -> Retried:
        return await self.store.rejections.retry(REDOUTE, LAMP, NOON)

    async def blocked(self) -> list[str]:
        """The blocked parts, and that the list of the blocked says the same."""
        listing = await self.store.views.listing(REDOUTE, LAMP)
        assert listing is not None
        parts = [part for part, how in listing["parts"].items() if how["blocked"]]
        assert [row["sku"] for row in await self.store.views.listings(REDOUTE, blocked=True)] == (
            [LAMP] if parts else []
        )
        return parts


@pytest.fixture
async def far(database: Database) -> Far:
    await a_listing(database)
    return Far(database)


async def test_the_third_same_rejection_in_a_row_blocks_the_part(far: Far) -> None:  # L2
    for _ in range(2):
        await far.answers(BRAND)
        assert await far.blocked() == []
        assert await far.retries() == Retried(again=(Part.ITEM,))
    await far.answers(BRAND)
    assert await far.blocked() == ["item"]
    listing = await far.store.views.listing(REDOUTE, LAMP)
    assert listing is not None
    # The marketplace's own text stays exactly as it is.
    assert listing["parts"]["item"] == {
        "state": "error",
        "error": BRAND,
        "error_name": "Update Item Error",
        "blocked": "rejected 3 times in a row with the same words",
    }
    last = listing["timeline"][-1]
    assert (last["what"], last["to"], last["why"]) == (
        "item",
        "blocked",
        "rejected 3 times in a row: E7 MARQUE INCONNUE",
    )


async def test_a_blocked_part_is_not_sent_again_by_another_try(far: Far) -> None:  # L2
    await three_times(far)
    assert await far.retries() == Retried(blocked=(Part.ITEM,))
    assert await far.store.feeds.open(REDOUTE, ITEM_RULE, moment(100 * HOUR)) is None


async def three_times(far: Far) -> None:
    for _ in range(3):
        await far.answers(BRAND)
        await far.retries()


@pytest.mark.parametrize(
    "words", [[BRAND, BRAND, "AUTRE"], [BRAND, "AUTRE", BRAND], ["AUTRE", BRAND, BRAND], ["1", "2", "3"]]
)
async def test_another_text_begins_the_row_anew(far: Far, words: list[str]) -> None:  # L2
    for text in words:
        await far.answers(text)
        await far.retries()
    assert await far.blocked() == []


async def test_another_code_begins_the_row_anew(far: Far) -> None:  # L2
    for code in ("E7", "E7", "E8"):
        await far.answers(BRAND, code=code)
        await far.retries()
    assert await far.blocked() == []


async def test_the_same_report_again_counts_once(far: Far) -> None:  # L2 D9
    await far.answers(BRAND, part=Part.ITEM)
    for _ in range(5):
        await far.repeats(BRAND, part=Part.ITEM)
    assert await far.blocked() == []


async def test_a_change_of_the_part_unblocks_it_and_counts_from_one(far: Far) -> None:  # L2
    await three_times(far)
    # The same values again are no change.
    row = ItemRow(LAMP, Item(ean="3701234567891", title="Lampe"))
    assert await far.store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True) == [Change.UNCHANGED]
    assert await far.blocked() == ["item"]
    row = ItemRow(LAMP, Item(ean="3701234567891", title="Lampe bleue"))
    assert await far.store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True) == [Change.CHANGED]
    assert await far.blocked() == []
    await far.answers(BRAND)
    assert await far.retries() == Retried(again=(Part.ITEM,))
    await far.answers(BRAND)
    assert await far.blocked() == []


async def test_a_person_unblocks_it_and_it_is_sent_again(far: Far) -> None:  # L2
    await three_times(far)
    assert await far.store.rejections.unblock(REDOUTE, LAMP, NOON) == (Part.ITEM,)
    assert await far.blocked() == []
    await far.answers(BRAND)
    assert await far.retries() == Retried(again=(Part.ITEM,))
    assert await far.store.rejections.unblock(REDOUTE, LAMP, NOON) == ()
    assert await far.store.rejections.unblock(REDOUTE, Sku("NONE"), NOON) == ()


async def test_a_yes_ends_the_row(far: Far) -> None:  # L2
    for accepted in (False, False, True):
        await far.answers(BRAND, accepted=accepted)
        await far.retries()
    assert await far.store.database.read(lambda db: db.execute("SELECT count(*) FROM rejections").fetchone()[0]) == 0


async def test_how_many_is_a_setting_and_0_is_never(database: Database) -> None:  # L2
    await a_listing(database)
    once = Far(database, block_after=1)
    await once.answers(BRAND)
    assert await once.blocked() == ["item"]
    await once.store.rejections.unblock(REDOUTE, LAMP, NOON)
    once.block_after = 0
    for _ in range(5):
        await once.answers(BRAND)
        await once.retries()
    assert await once.blocked() == []


async def test_parts_are_counted_apart(database: Database) -> None:  # L6 L7
    await a_listing(database, status=ChannelStatus.OFFER_INTEGRATED)
    far = Far(database, OFFER_RULE)
    for stock in (6, 7, 8):
        await far.answers("PRODUCT NOT FOUND")
        await far.retries()
        await far.store.listings.put_stock(REDOUTE, Figures({LAMP: stock}), NOON)
    # The stock was another each time, the price was not.
    assert await far.blocked() == ["price"]
    await far.store.listings.put_prices(REDOUTE, [PriceRow(LAMP, Money(9000, "EUR"))], NOON)
    assert await far.blocked() == []


async def test_a_change_in_flight_is_not_blamed_for_the_rejection_of_the_value_before(far: Far) -> None:  # L2
    far.feeds += 1
    feed = await opened(far.store.feeds, ITEM_RULE, 2 * HOUR)
    await sent(far.store.database, far.store.feeds, feed, 2 * HOUR, "B1")
    row = ItemRow(LAMP, Item(ean="3701234567891", title="Lampe bleue"))
    await far.store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True)
    far.block_after = 1
    await far.repeats(BRAND)
    assert await far.blocked() == []


async def test_silence_does_not_end_a_row(database: Database) -> None:  # J4
    store = Store(database)
    row = ItemRow(LAMP, Item(), channel_item_id="12345678")
    await store.listings.put_items(LEWIS, [row], NOON, [""], item_feed=False)
    await store.listings.put_stock(LEWIS, Figures({LAMP: 5}), NOON)
    for number in range(1, 4):
        after = number * HOUR
        feed = await opened(store.feeds, STOCK_RULE, after, LEWIS)
        await store.feeds.spooled(feed, f"inventory-{number}.csv", await payload(store, number), NOON + after)
        await store.feeds.sent(feed, STOCK_RULE, "", moment(after))
        assert await store.feeds.settle_silent(LEWIS, STOCK_RULE, moment(after + HOUR / 2)) == 1
        line = AnswerLine(False, feed_name=f"inventory-{number}.csv", channel_item_id="12345678", text="unknown part")
        await store.answers.apply(LEWIS, [line], NOON + after)
        await store.rejections.retry(LEWIS, LAMP, NOON + after)
    assert await store.rejections.retry(LEWIS, LAMP, NOON) == Retried(blocked=(Part.STOCK,))


async def payload(store: Store, number: int) -> PayloadId:
    async def content() -> AsyncIterator[bytes]:
        yield f"{number}".encode()

    return (await store.payloads.write(content(), NOON))[0]


async def test_what_our_own_rules_hold_back_is_never_tried_again(database: Database) -> None:  # L4
    store = Store(database)
    row = ItemRow(LAMP, Item(title="Lampe"))
    await store.listings.put_items(REDOUTE, [row], NOON, ["the EAN is missing"], item_feed=True)
    assert await store.rejections.retry(REDOUTE, LAMP, NOON) == Retried(held_back=True)
    assert await store.feeds.open(REDOUTE, ITEM_RULE, moment()) is None


async def test_warnings_are_kept_and_are_no_change(database: Database) -> None:  # L5
    store = Store(database)
    row = ItemRow(LAMP, Item(title="Lampe"))
    warning = ListingFault("title", "C7", "too long", "shorten it")
    for warnings, change in (([warning], Change.CREATED), ([], Change.UNCHANGED), ([warning], Change.UNCHANGED)):
        put = await store.listings.put_items(REDOUTE, [row], NOON, [""], item_feed=True, warnings=[warnings])
        assert put == [change]
        assert len(await store.views.listings(REDOUTE, warned=True)) == len(warnings)
