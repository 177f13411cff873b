"""A real database in a temporary folder, with two accounts, and the literal clocks that the tests of the gate use."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.model import AccountName, ChannelStatus, FeedKind, FeedRule, Moment, Part
from daemon.store.database import Database, open_database

REDOUTE = AccountName("redoute")
LEWIS = AccountName("lewis")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

ITEM_RULE = FeedRule(
    kind=FeedKind.ITEM,
    parts=frozenset({Part.ITEM}),
    needs=ChannelStatus.ABSENT,
    ended_needs=ChannelStatus.ABSENT,
    needs_price=False,
    interval=timedelta(),
    patience=timedelta(hours=24),
    deadline=timedelta(minutes=10),
    one_at_a_time=False,
)
OFFER_RULE = FeedRule(
    kind=FeedKind.OFFER,
    parts=frozenset({Part.STOCK, Part.PRICE, Part.END}),
    needs=ChannelStatus.PRODUCT_INTEGRATED,
    ended_needs=ChannelStatus.OFFER_INTEGRATED,
    needs_price=True,
    interval=timedelta(hours=1),
    patience=timedelta(hours=2),
    deadline=timedelta(minutes=10),
    one_at_a_time=True,
)
STOCK_RULE = FeedRule(
    kind=FeedKind.OFFER,
    parts=frozenset({Part.STOCK, Part.END}),
    needs=ChannelStatus.ABSENT,
    ended_needs=ChannelStatus.ABSENT,
    needs_price=False,
    interval=timedelta(),
    patience=timedelta(hours=2),
    deadline=timedelta(minutes=10),
    one_at_a_time=False,
    needs_channel_item_id=True,
    silence_is_yes=timedelta(minutes=30),
)


def moment(
    after: timedelta = timedelta(), *, boot: str = "boot-1", wall: timedelta | None = None, synchronised: bool = True
) -> Moment:
    """The clocks `after` noon; `wall` moves the wall clock alone."""
    ns = 1_000_000_000_000 + after // timedelta(microseconds=1) * 1_000
    return Moment(NOON + (after if wall is None else wall), boot, ns, synchronised)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "sellerd.db") as database:
        await database.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO accounts (name, marketplace) VALUES (?, ?)",
                    [(REDOUTE, "laredoute"), (LEWIS, "johnlewis")],
                ).rowcount
            )
        )
        yield database
