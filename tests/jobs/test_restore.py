"""A database that was put back, while the marketplace keeps its truth: nothing leaves too soon or twice (P29)."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from daemon.config import BackupTable, Config, DaemonTable
from daemon.jobs import SiteRun
from daemon.jobs.backups import back_up
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import OrderNumber, UpdateKind
from daemon.store import open_store
from daemon.store.generation import mark_of
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, moment, scene


@asynccontextmanager
async def restored(each: Scene, backup: Path) -> AsyncIterator[Scene]:
    """The same account over a backup, which somebody has simply copied back beside the mark of what was sent since."""
    path = backup.parent / "again" / "sellerd.db"
    path.parent.mkdir()
    shutil.copy(backup, path)
    shutil.copy(mark_of(each.store.database.path), mark_of(path))
    async with open_store(path) as store:
        assert store.database.restored
        yield replace(each, store=store)


async def backed_up(each: Scene, folder: Path) -> Path:
    return (await each.store.backups.create(folder, NOON)).path


async def test_an_acknowledgement_of_after_the_backup_is_never_sent_twice(tmp_path: Path) -> None:  # J7
    async with scene(tmp_path, "edge") as lewis:
        placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
        await lewis.turn(download_orders, MINUTE)
        backup = await backed_up(lewis, tmp_path / "backups")
        await lewis.turn(send_updates, 2 * MINUTE)
        await lewis.answer()
        assert placed.acknowledged
        async with restored(lewis, backup) as again:
            for minute in range(3, 60, 10):
                await again.turn(download_orders, minute * MINUTE)
                await again.turn(send_updates, minute * MINUTE)
                await again.answer()
            assert await again.all("order_updates", "kind", "state") == [("acknowledgement", "in_doubt")]
            assert await again.all("orders", "count(*)") == [(1,)]
            # A person has looked at the marketplace, and the order goes its way.
            await again.store.updates.resolve(again.name, OrderNumber(placed.number), arrived=True, at=NOON + 2 * HOUR)
            assert await again.all("order_lines", "state") == [("to_ship",)]


async def test_an_order_of_after_the_backup_that_is_read_again_is_not_acknowledged_again(tmp_path: Path) -> None:  # J7
    async with scene(tmp_path, "edge", after_keeping="leave") as lewis:
        backup = await backed_up(lewis, tmp_path / "backups")
        placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
        await lewis.turn(download_orders, MINUTE)
        await lewis.turn(send_updates, 2 * MINUTE)
        await lewis.answer()
        assert placed.acknowledged
        async with restored(lewis, backup) as again:
            # Long after the restore, which the clock of this machine has noticed just now; the file is older than that.
            for minute in range(3, 60, 10):
                later = 36_525 * 24 * HOUR + minute * MINUTE
                await again.turn(download_orders, later)
                await again.turn(send_updates, later)
                await again.answer()
            assert await again.all("order_updates", "kind", "state") == [("acknowledgement", "in_doubt")]
            names = [it.name for it in again.sandbox.johnlewis.arrivals if it.folder == "outgoing"]
            assert len(names) == 1


async def test_an_acceptance_that_was_sent_after_the_backup_is_found_at_the_marketplace(tmp_path: Path) -> None:  # L13
    async with scene(tmp_path, "sellr") as redoute:
        order = redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON)
        await redoute.turn(download_orders, MINUTE)
        await redoute.decide(order.id, UpdateKind.ACCEPTANCE, after=2 * MINUTE)
        backup = await backed_up(redoute, tmp_path / "backups")
        await redoute.turn(send_updates, 3 * MINUTE)
        async with restored(redoute, backup) as again:
            assert await again.all("order_updates", "state", "doubtful") == [("pending", 1)]
            await again.turn(send_updates, 13 * MINUTE)
            assert await again.all("order_updates", "state", "doubtful") == [("succeeded", 0)]


async def test_an_acceptance_that_was_never_sent_goes_out_after_the_marketplace_was_asked(
    tmp_path: Path,
) -> None:  # L13
    async with scene(tmp_path, "sellr") as redoute:
        await redoute.want()
        order = redoute.sandbox.laredoute.place_order([(EAN, 1)], placed_at=NOON)
        await redoute.turn(download_orders, MINUTE)
        await redoute.decide(order.id, UpdateKind.ACCEPTANCE, after=2 * MINUTE)
        backup = await backed_up(redoute, tmp_path / "backups")
        await redoute.turn(send_items, 3 * MINUTE)
        async with restored(redoute, backup) as again:
            await again.turn(send_updates, 13 * MINUTE)
            assert await again.all("order_updates", "state", "doubtful") == [("succeeded", 0)]


@pytest.mark.parametrize("age", [0, 1, 3, 5, 8])
async def test_a_backup_of_any_age_keeps_the_hour(tmp_path: Path, age: int) -> None:  # L8
    async with scene(tmp_path, "sellr") as redoute:
        sent: list[timedelta] = []
        minute, backup = 0, Path()

        async def goes_on(each: Scene, turns: int) -> None:
            nonlocal minute
            for _ in range(turns):
                minute += 10
                await each.restock(minute, minute * MINUTE)
                before = len(offer_feeds(each))
                for job in (send_items, send_offers):
                    await each.turn(job, minute * MINUTE)
                sent.extend([minute * MINUTE] * (len(offer_feeds(each)) - before))
                await each.answer()
                await each.turn(read_reports, minute * MINUTE + MINUTE)

        await redoute.want()
        for step in range(10):
            if step == age:
                backup = await backed_up(redoute, tmp_path / "backups")
            await goes_on(redoute, 3)
        async with restored(redoute, backup) as again:
            await goes_on(again, 15)
        # What the marketplace itself has seen.
        assert len(sent) > 5
        assert min(after - before for before, after in pairwise(sent)) >= HOUR


def offer_feeds(each: Scene) -> list[object]:
    return [feed for feed in each.sandbox.laredoute.feeds if feed.kind == "offers"]


async def test_the_job_makes_a_backup_and_keeps_the_newest(tmp_path: Path) -> None:
    config = Config(daemon=DaemonTable(state_dir=tmp_path), backup=BackupTable(keep=2))
    async with open_store(config.database) as store:
        outcomes = [
            await back_up(SiteRun(config, moment(minute * MINUTE), store, lambda: moment(HOUR))) for minute in range(3)
        ]
    assert (outcomes[-1].done, "1 older ones removed" in outcomes[-1].note) == (1, True)
    assert len(list((tmp_path / "backups").glob("*.db"))) == 2


async def test_a_cancellation_by_rule_of_after_the_backup_is_never_sent_twice(tmp_path: Path) -> None:  # J12 J9
    rule: dict[str, Any] = {"cancellations": {"accept": "before_dispatch"}, "after_keeping": "leave"}
    async with scene(tmp_path, "edge", **rule) as lewis:
        placed = lewis.sandbox.johnlewis.place_order(STOCK_NUMBER, 3)
        await lewis.turn(download_orders, MINUTE)
        await lewis.turn(send_updates, 2 * MINUTE)
        await lewis.answer()
        await lewis.turn(send_updates, HOUR)
        backup = await backed_up(lewis, tmp_path / "backups")
        lewis.sandbox.johnlewis.request_cancellation(placed.number, {"1": 1})
        await lewis.turn(read_claims, HOUR + MINUTE)
        assert (await lewis.turn(send_refunds, HOUR + 2 * MINUTE)).done == 1
        await lewis.answer()
        assert placed.lines["1"].cancelled == 1
        async with restored(lewis, backup) as again:
            for minute in range(0, 60, 10):
                await again.turn(read_claims, 2 * HOUR + minute * MINUTE)
                await again.turn(send_refunds, 2 * HOUR + minute * MINUTE)
                await again.answer()
            # The request is read once more, and whether it was answered before, a person must say.
            assert await again.all("order_updates", "kind", "state") == [
                ("acknowledgement", "succeeded"),
                ("cancellation", "in_doubt"),
            ]
            assert placed.lines["1"].cancelled == 1
