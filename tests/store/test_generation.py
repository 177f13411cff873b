"""An older database put in the place of a newer one is noticed, whoever put it there (promise P29)."""

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import StoreError
from daemon.model import ChannelStatus, Feed
from daemon.store import Store, open_store
from daemon.store.figures import Figures
from daemon.store.gates import GateClosed
from daemon.store.generation import mark_of
from daemon.store.users import Role
from tests.store.conftest import NOON, OFFER_RULE, REDOUTE, moment
from tests.store.test_feeds import HOUR, LAMP, MINUTE, a_listing

DAY = timedelta(days=1)


async def prepared(store: Store) -> None:
    await store.accounts.configure(REDOUTE, "laredoute", "", NOON)
    await a_listing(store.database, status=ChannelStatus.OFFER_INTEGRATED)


async def send(store: Store, at: timedelta) -> None:
    await store.listings.put_stock(REDOUTE, Figures({LAMP: at // MINUTE}), NOON)
    feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(at))
    assert isinstance(feed, Feed)
    await store.feeds.sent(feed, OFFER_RULE, "", moment(at))
    await store.database.write(lambda db: db.execute("UPDATE feeds SET state = 'answered'").rowcount)


async def test_a_plain_copy_put_back_starts_every_gate_again(tmp_path: Path) -> None:  # L8
    path, copy = tmp_path / "sellerd.db", tmp_path / "copy.db"
    async with open_store(path) as store:
        await prepared(store)
        await send(store, timedelta())
    shutil.copy(path, copy)
    async with open_store(path) as store:
        assert not store.database.restored
        await send(store, 3 * HOUR)
    shutil.copy(copy, path)
    async with open_store(path) as store:
        assert store.database.restored
        await store.listings.put_stock(REDOUTE, Figures({LAMP: 7}), NOON)
        # It knows nothing of the feed that left at three hours, and would otherwise send at once.
        late = 3 * HOUR + MINUTE
        closed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(late))
        assert isinstance(closed, GateClosed)
        assert closed.until == NOON + late + HOUR
        assert isinstance(await store.feeds.open(REDOUTE, OFFER_RULE, moment(late + HOUR)), Feed)
    async with open_store(path) as store:
        assert not store.database.restored


async def test_a_copy_from_before_the_first_feed_knows_no_gate_and_waits_all_the_same(tmp_path: Path) -> None:  # L8
    path, copy = tmp_path / "sellerd.db", tmp_path / "copy.db"
    async with open_store(path) as store:
        await prepared(store)
        await store.database.checkpoint()
        shutil.copy(path, copy)
        await send(store, timedelta())
    shutil.copy(copy, path)
    async with open_store(path) as store:
        closed = await store.feeds.open(REDOUTE, OFFER_RULE, moment(MINUTE))
        assert isinstance(closed, GateClosed)
        assert closed.until == NOON + MINUTE + HOUR


async def test_what_was_claimed_and_not_yet_spooled_is_in_doubt_in_a_restored_database(tmp_path: Path) -> None:  # L8
    path, copy = tmp_path / "sellerd.db", tmp_path / "copy.db"
    async with open_store(path) as store:
        await prepared(store)
        feed = await store.feeds.open(REDOUTE, OFFER_RULE, moment())
        assert isinstance(feed, Feed)
        await store.database.checkpoint()
        shutil.copy(path, copy)
        await store.feeds.sent(feed, OFFER_RULE, "", moment(MINUTE))
        await store.database.write(lambda db: db.execute("UPDATE feeds SET state = 'answered'").rowcount)
        await send(store, 2 * HOUR)
    shutil.copy(copy, path)
    async with open_store(path) as store:
        # A start would otherwise take it for never sent, and give its gate back.
        await store.feeds.recover(moment(2 * HOUR))
        assert [row["state"] for row in await store.views.feeds()] == ["in_doubt"]
        assert isinstance(await store.feeds.open(REDOUTE, OFFER_RULE, moment(2 * HOUR + MINUTE)), GateClosed | None)
        status = await store.views.status(moment(2 * HOUR))
        assert status["site"]["restored_at"] is not None


async def test_a_database_that_came_from_elsewhere_without_its_mark_is_doubted(tmp_path: Path) -> None:
    async with open_store(tmp_path / "here" / "sellerd.db") as store:
        await prepared(store)
        await send(store, timedelta())
    shutil.copytree(tmp_path / "here", tmp_path / "there", ignore=shutil.ignore_patterns("*.mark"))
    async with open_store(tmp_path / "there" / "sellerd.db") as store:
        assert store.database.restored


async def test_a_new_database_beside_an_old_mark_is_doubted_and_a_first_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    async with open_store(path) as store:
        assert not store.database.restored
        await prepared(store)
        await send(store, timedelta())
    assert stat.S_IMODE(mark_of(path).stat().st_mode) == 0o600
    path.unlink()
    async with open_store(path) as store:
        assert store.database.restored


async def test_a_crash_between_the_claim_and_its_mark_is_no_restore(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    async with open_store(path) as store:
        await prepared(store)
        await send(store, timedelta())
        mark_of(path).write_text("0\n")
    async with open_store(path) as store:
        assert not store.database.restored
    assert mark_of(path).read_text() == "1\n"


async def test_without_its_mark_nothing_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "sellerd.db"
    async with open_store(path) as store:
        await prepared(store)
        mark_of(path).unlink()
        mark_of(path).mkdir()
        await store.listings.put_stock(REDOUTE, Figures({LAMP: 7}), NOON)
        with pytest.raises(StoreError, match="mark cannot be written"):
            await store.feeds.open(REDOUTE, OFFER_RULE, moment())
        with pytest.raises(StoreError, match="mark cannot be written"):
            await store.database.beat()


async def test_whoever_was_signed_out_since_is_not_signed_in_again(tmp_path: Path) -> None:
    path, copy = tmp_path / "sellerd.db", tmp_path / "copy.db"
    async with open_store(path) as store:
        await prepared(store)
        await store.users.add("anna", "hash", Role.ADMIN, NOON, personal=True)
        token = await store.sessions.open("anna", "127.0.0.1", NOON, DAY)
        await store.database.checkpoint()
        shutil.copy(path, copy)
        await send(store, timedelta())
    shutil.copy(copy, path)
    async with open_store(path) as store:
        assert token is not None
        assert await store.database.read(lambda db: db.execute("SELECT count(*) FROM sessions").fetchone()[0]) == 0
