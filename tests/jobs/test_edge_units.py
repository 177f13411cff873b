"""Units at The Edge, whatever happens: never more gone than ordered, one file of an order at a time, both sides agree."""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from daemon.errors import NotAllowed
from daemon.jobs import Job
from daemon.jobs.claims import read_claims
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import OrderNumber, Parcel, UpdateKind
from daemon.store.claims import ClaimId
from tests.jobs.scene import HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, scene

few = settings(
    max_examples=int(os.environ.get("SELLERD_EXAMPLES", "12")),
    suppress_health_check=list(HealthCheck),
)

REASON = "REJECTED ON REQUEST"
JOBS: tuple[Job, ...] = (download_orders, send_updates, read_claims, send_refunds)
QUANTITIES = {"1": 3, "2": 2}

UNITS = st.dictionaries(st.sampled_from(list(QUANTITIES)), st.integers(1, 3), min_size=1)
STEPS = st.one_of(
    st.tuples(st.just("decides"), st.sampled_from(["dispatch", "cancellation", "refund"]), UNITS),
    st.tuples(st.just("decides"), st.sampled_from(["dispatch", "cancellation", "refund"]), UNITS),
    st.tuples(st.just("cancels"), st.none() | UNITS),
    st.tuples(st.just("is_asked"), UNITS),
    st.tuples(st.just("accepts")),
    st.tuples(st.just("rejects_next"), st.sampled_from(["any", "order", "dispatch", "cancel"])),
    st.tuples(st.just("says_again")),
    st.tuples(st.just("answers")),
    st.tuples(st.just("goes_round"), st.integers(1, 90)),
    st.tuples(st.just("goes_round"), st.integers(31, 90)),
    st.tuples(st.just("turn"), st.integers(0, len(JOBS) - 1)),
)


class Story:
    """One order of two lines and everybody who does something about its units."""

    def __init__(self, each: Scene) -> None:
        self.scene = each
        self.passed = timedelta()
        self.order = each.sandbox.johnlewis.place_order(STOCK_NUMBER, QUANTITIES["1"], ("87654321", QUANTITIES["2"]))
        self.number = OrderNumber(self.order.number)
        self.parcels = 0

    @property
    def now(self) -> datetime:
        return NOON + self.passed

    async def decides(self, kind: str, units: dict[str, int]) -> None:
        self.parcels += 1
        parcel = Parcel("dpd", f"1550{self.parcels}", "", self.now) if kind == "dispatch" else None
        await self.scene.store.updates.open(
            *(self.scene.name, self.number, UpdateKind(kind), list(units.items())),
            legal_moves=self.scene.account.legal_moves,
            at=self.now,
            parcel=parcel,
        )

    async def cancels(self, units: dict[str, int] | None) -> None:
        lines = None if units is None else list(units.items())
        moves = self.scene.account.legal_moves
        await self.scene.store.updates.cancel(self.scene.name, self.number, lines, legal_moves=moves, at=self.now)

    async def is_asked(self, units: dict[str, int]) -> None:
        self.scene.sandbox.johnlewis.request_cancellation(self.number, units)

    async def accepts(self) -> None:
        for (claim,) in await self.scene.all("claims WHERE state = 'open'", "id"):
            moves = self.scene.account.legal_moves
            await self.scene.store.updates.accept_claim(self.scene.name, ClaimId(claim), legal_moves=moves, at=self.now)

    async def rejects_next(self, kind: str) -> None:
        self.scene.sandbox.johnlewis.faults.add("reject_file", kind=kind, error=REASON)

    async def says_again(self) -> None:
        moves = self.scene.account.legal_moves
        await self.scene.store.updates.resend(self.scene.name, self.number, legal_moves=moves, at=self.now)

    async def answers(self) -> None:
        await self.scene.answer()

    async def turn(self, job: int) -> None:
        self.passed += MINUTE
        outcome = await self.scene.turn(JOBS[job], self.passed)
        note(f"    {outcome.note}")

    async def goes_round(self, minutes: int) -> None:
        self.passed += minutes * MINUTE
        for job in range(len(JOBS)):
            await self.turn(job)
        await self.answers()

    async def do(self, step: tuple[Any, ...]) -> None:
        note(f"{self.now:%d %H:%M} {step}")
        name, *arguments = step
        with suppress(NotAllowed):
            await getattr(self, name)(*arguments)
        await self.check()

    async def check(self) -> None:
        for state, quantity, gone, refunded, shipped in await self.scene.all(
            "order_lines", "state", "quantity", "shipped + cancelled", "refunded", "shipped"
        ):
            assert gone <= quantity, f"{gone} of {quantity} units are gone here ({state})"
            assert refunded <= max(shipped, 0) or state == "refunding", f"{refunded} refunded of {shipped}"
        for line in self.order.lines.values():
            assert line.dispatched + line.cancelled <= line.quantity
            assert line.refunded <= line.dispatched
        wrong = [it for it in self.scene.sandbox.johnlewis.arrivals if it.outcome not in ("accepted", REASON)]
        refused_before = any(it.outcome == REASON for it in self.scene.sandbox.johnlewis.arrivals)
        # Only what we were told late that was refused can make a later file of ours wrong.
        assert refused_before or not wrong, f"{[(it.name, it.outcome) for it in wrong]}"
        names = Counter(it.name for it in self.scene.sandbox.johnlewis.arrivals)
        assert all(count == 1 for count in names.values()), f"sent twice: {names}"

    async def settle(self) -> None:
        """Everything is told, and what failed is said again until nothing is left to say."""
        self.scene.sandbox.johnlewis.faults.clear()
        await self.answers()
        for _ in range(12):
            await self.goes_round(60)
            with suppress(NotAllowed):
                await self.says_again()
            await self.check()
        await self.scene.turn(send_updates, self.passed + HOUR)
        open_ones = await self.scene.all("order_updates WHERE state NOT IN ('succeeded', 'failed')", "kind", "state")
        assert open_ones == []
        here = await self.scene.all("order_lines ORDER BY position", "ref", "shipped", "cancelled", "refunded")
        there = [(line.ref, line.dispatched, line.cancelled, line.refunded) for line in self.order.lines.values()]
        assert here == there
        for state, why in await self.scene.all("claims", "state", "why"):
            assert state in {"open", "answered", "outrun", "too_late"}, f"{state}: {why}"


@given(
    shipments=st.sampled_from(["incremental", "cumulative"]),
    accept=st.sampled_from(["manual", "before_dispatch"]),
    steps=st.lists(STEPS, min_size=8, max_size=40),
)
@few
async def test_units_add_up_whatever_happens(
    shipments: Literal["incremental", "cumulative"], accept: str, steps: list[tuple[Any, ...]]
) -> None:  # J8 J9 J10 J11 J12 J13
    changes: dict[str, Any] = {"updates": {"shipments": shipments}, "cancellations": {"accept": accept}}
    with TemporaryDirectory() as folder:
        async with scene(Path(folder), "edge", **changes) as each:
            far = each.sandbox.johnlewis
            far.settings = replace(far.settings, shipments=shipments)
            story = Story(each)
            await story.goes_round(1)
            await story.goes_round(60)
            for step in steps:
                await story.do(step)
            await story.settle()
