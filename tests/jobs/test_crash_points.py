"""Killed at the one moment that matters, each of these keeps its promise (P1, P4, P9)."""

from pathlib import Path

import pytest

from daemon.errors import StoreError, Unreachable
from daemon.jobs import Run
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, moment, scene
from tests.jobs.world import Killed
from tests.prove.simulation import Fragile


async def _is_listed(at: Scene) -> None:
    await at.want()
    for job in (send_items, read_reports):
        await at.turn(job, 0 * MINUTE)
        await at.answer()
    await at.turn(read_reports, MINUTE)


async def test_killed_between_acceptance_and_record_the_hour_holds(tmp_path: Path) -> None:  # L8 D2
    async with scene(tmp_path, "sellr") as at:
        await _is_listed(at)
        dead = False

        def passes(where: str) -> None:
            nonlocal dead
            if where == "between a feed's acceptance and its record":
                dead, at.store.database.fault = True, "killed"
            if dead:
                raise Killed

        way = Fragile(at.marketplace, passes)
        with pytest.raises((Killed, StoreError)):
            await send_offers(Run(at.account, moment(2 * MINUTE), at.store, way, lambda: moment(2 * MINUTE)))
        assert [feed.kind for feed in at.sandbox.laredoute.feeds] == ["items", "offers"]

        at.store.database.fault = ""
        await at.store.feeds.recover(moment(3 * MINUTE))
        assert await at.all("feeds", "kind", "state") == [("item", "answered"), ("offer", "in_doubt")]
        await at.restock(7, 4 * MINUTE)
        outcome = await at.turn(send_offers, 5 * MINUTE)
        assert outcome.done == 0
        assert outcome.held_until is not None
        assert outcome.held_until >= NOON + 2 * MINUTE + HOUR
        assert len(at.sandbox.laredoute.feeds) == 2


async def test_a_machine_that_slept_past_its_claim_sends_nothing(tmp_path: Path) -> None:  # L8
    async with scene(tmp_path, "sellr") as at:
        await _is_listed(at)
        at.send_takes = HOUR
        with pytest.raises(Unreachable, match="was over before anything was sent"):
            await at.turn(send_offers, 2 * MINUTE)
        assert [feed.kind for feed in at.sandbox.laredoute.feeds] == ["items"]
        assert (await at.all("feeds", "state"))[-1] == ("withdrawn",)


async def test_a_file_whose_order_could_not_be_kept_stays_where_it_is(tmp_path: Path) -> None:  # D9
    async with scene(tmp_path, "edge") as at:
        placed = at.sandbox.johnlewis.place_order(STOCK_NUMBER, 1)
        incoming = at.sandbox.johnlewis.files / "live" / "incoming"
        at.store.database.fault = "the disk is full"
        with pytest.raises(StoreError):
            await at.turn(download_orders, MINUTE)
        assert (incoming / placed.file_name).exists()

        at.store.database.fault = ""
        await at.turn(download_orders, 2 * MINUTE)
        assert await at.all("orders", "number") == [(placed.number,)]
        assert not (incoming / placed.file_name).exists()


async def test_the_far_side_is_reached_through_the_fragile_way(tmp_path: Path) -> None:  # L8
    """The points of the simulation are passed in the order in which a feed goes."""
    passed: list[str] = []
    async with scene(tmp_path, "sellr") as at:
        await _is_listed(at)
        way = Fragile(at.marketplace, passed.append)
        await send_offers(Run(at.account, moment(2 * MINUTE), at.store, way, lambda: moment(2 * MINUTE)))
    assert passed == ["before a feed was sent", "between a feed's acceptance and its record"]
