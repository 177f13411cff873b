"""Whatever a seller asks for and La Redoute says, in whatever order: no order line leaves its legal path."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from daemon.errors import NotAllowed, Unconfirmed, Unreachable
from daemon.jobs.orders import download_orders
from daemon.jobs.updates import send_refunds, send_updates
from daemon.model import OrderNumber, Parcel, UpdateKind
from daemon.sandbox.orders import Order, Status
from daemon.sandbox.strict import Mistake
from tests.jobs.scene import EAN, MINUTE, NOON, Scene, scene

#: the table of Sell-R A6 written out once more, in our words
LEGAL = {
    ("new", "accepted"),
    ("new", "refused"),
    ("accepted", "to_ship"),
    ("accepted", "to_cancel"),
    ("to_cancel", "cancelled"),
    ("to_ship", "shipped"),
    ("to_ship", "refunding"),
    ("shipped", "refunding"),
    ("refunding", "refunded"),
    ("refunding", "refund_refused"),
}
OURS = {
    Status.CREATED: "new",
    Status.ACCEPTED: "accepted",
    Status.REFUSED: "refused",
    Status.TO_SHIP: "to_ship",
    Status.TO_CANCEL: "to_cancel",
    Status.CANCELLED: "cancelled",
    Status.SHIPPED: "shipped",
    Status.REFUNDING: "refunding",
    Status.REFUNDED: "refunded",
    Status.REFUND_REFUSED: "refund_refused",
}
ASKED = {
    "accept": UpdateKind.ACCEPTANCE,
    "refuse": UpdateKind.REFUSAL,
    "ship": UpdateKind.DISPATCH,
    "refund": UpdateKind.REFUND,
}
FAULTS = ("fail_debit", "refuse_refund", "cut_connection", "cut_and_lost")
WORLD = ("updates", "refunds", "orders", "answer")
LINES = st.sets(st.integers(0, 2), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([*ASKED, "cancel"]), LINES),
        st.tuples(st.sampled_from([*WORLD, *WORLD, *FAULTS]), st.just(frozenset[int]())),
        st.tuples(st.sampled_from([status.value for status in Status]), LINES),
    ),
    min_size=4,
    max_size=24,
)


class Life:
    """One order of three lines, and everything that can happen to it; a step takes a minute."""

    def __init__(self, redoute: Scene, order: Order) -> None:
        self._redoute = redoute
        self._order = order
        self._after = timedelta()
        #: whether the marketplace may have moved since it was asked last
        self._stale = False

    async def step(self, what: str, places: set[int]) -> None:
        """Do one thing; what is not legal must be refused by whoever is asked."""
        self._after += MINUTE
        refs = [self._order.lines[place].id for place in sorted(places)]
        with suppress(NotAllowed, Mistake, Unconfirmed, Unreachable):
            if what in ASKED or what == "cancel":
                await self._ask(what, refs)
            elif what in WORLD:
                await self._turn(what)
            elif what in FAULTS:
                self._fault(what)
            else:
                self._stale = True
                for ref in refs:
                    self._redoute.sandbox.laredoute.portal_change(ref, what)

    async def end(self) -> None:
        """Let everything come to its end: no fault any more, every job often enough."""
        self._redoute.sandbox.laredoute.faults.clear()
        for what in ("answer", "orders", "updates", "refunds") * 12:
            await self.step(what, set())
            if what == "refunds" and not await self._count("state NOT IN ('succeeded', 'failed')"):
                break
        for what in ("answer", "answer", "orders"):
            await self.step(what, set())

    async def _ask(self, what: str, refs: list[str]) -> None:
        updates, account = self._redoute.store.updates, self._redoute.account
        number, lines, at = OrderNumber(self._order.id), [(ref, None) for ref in refs], NOON + self._after
        if what == "cancel":
            await updates.cancel(self._redoute.name, number, lines, legal_moves=account.legal_moves, at=at)
            return
        parcel = Parcel("Colissimo", "8L001", "", at) if what == "ship" else None
        await updates.open(
            *(self._redoute.name, number, ASKED[what], lines), legal_moves=account.legal_moves, at=at, parcel=parcel
        )

    async def _turn(self, what: str) -> None:
        jobs = {"updates": send_updates, "refunds": send_refunds, "orders": download_orders}
        if what == "answer":
            self._stale = True
            await self._redoute.answer()
            return
        turned_down = await self._count("error LIKE '%not possible at%'")
        await self._redoute.turn(jobs[what], self._after)
        if what == "orders":
            self._stale = False
        elif not self._stale:
            # Where we knew how things stood, nothing illegal was sent.
            assert await self._count("error LIKE '%not possible at%'") == turned_down

    async def _count(self, condition: str) -> int:
        mine = f"\"order\" = (SELECT id FROM orders WHERE number = '{self._order.id}')"
        return len(await self._redoute.all(f"order_updates WHERE {mine} AND {condition}", "id"))

    def _fault(self, what: str) -> None:
        faults = self._redoute.sandbox.laredoute.faults
        if what.startswith("cut"):
            faults.add("cut_connection", after_apply=what == "cut_connection")
        else:
            faults.add(what)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def redoute(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("legal")
    with portal.wrap_async_context_manager(scene(folder, "sellr")) as each:
        yield each


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=STEPS)
@example(steps=[("accept", {0, 1, 2}), ("updates", set()), ("refund", {0}), ("cancel", {1}), ("refunds", set())])
@example(steps=[("accept", {0}), ("updates", set()), ("ship", {0}), ("refuse", {0}), ("updates", set())])
@example(steps=[("accept", {0, 1}), ("Refused", {0}), ("orders", set()), ("cancel", {2}), ("refunds", set())])
def test_no_line_leaves_its_legal_path(
    portal: BlockingPortal, redoute: Scene, steps: list[tuple[str, set[int]]]
) -> None:  # L12 L13 L14
    portal.call(live, redoute, steps)


async def live(redoute: Scene, steps: list[tuple[str, set[int]]]) -> None:
    order = redoute.sandbox.laredoute.place_order([(EAN, 2), (EAN, 1), (EAN, 1)], placed_at=NOON)
    life = Life(redoute, order)
    await life.step("orders", set())
    for what, places in steps:
        await life.step(what, places)
    await life.end()
    mine = f"(SELECT id FROM orders WHERE number = '{order.id}')"
    # Every move of a line that we took for true is one of the table, or several of them one after the other.
    moves = await redoute.all(f"events WHERE subject_id = {mine} AND what LIKE 'line %'", '"from"', '"to"')
    assert [move for move in moves if move[0] != move[1] and not reaches(*move)] == []
    # Nothing of ours is left open, and nothing was overwritten: in the end we say what the marketplace says.
    assert (
        await redoute.all(f"order_updates WHERE \"order\" = {mine} AND state NOT IN ('succeeded', 'failed')", "id")
        == []
    )
    ours = await redoute.all(f'order_lines WHERE "order" = {mine} ORDER BY position', "state")
    assert [state for (state,) in ours] == [OURS[line.status] for line in order.lines]
    told = await redoute.all(f"order_updates WHERE \"order\" = {mine} AND state = 'failed'", "error")
    assert [error for (error,) in told if "moved on" not in error and "not possible at" not in error] == []


def reaches(start: str, end: str) -> bool:
    """Whether the table leads from one state to the other."""
    reached, border = {start}, {start}
    while border:
        border = {after for before, after in LEGAL if before in border} - reached
        reached |= border
    return end in reached
