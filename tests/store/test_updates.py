"""Order updates: legal moves only, one open at a time, nothing blindly sent again."""

from datetime import timedelta
from typing import Any

import pytest

from daemon.errors import NotAllowed, Unreadable
from daemon.model import (
    Delivery,
    LegalMoves,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    OrderUpdate,
    Parcel,
    RemoteFile,
    UpdateAnswer,
    UpdateKind,
    UpdateLine,
)
from daemon.store.database import Database
from daemon.store.orders import Orders
from daemon.store.times import from_us
from daemon.store.update_rows import DueUpdate
from daemon.store.updates import Updates
from tests.store.conftest import LEWIS, NOON, REDOUTE

NUMBER = OrderNumber("Y100000001")
NEW, TO_SHIP, SHIPPED = (frozenset({state}) for state in (LineState.NEW, LineState.TO_SHIP, LineState.SHIPPED))
REDOUTE_MOVES = LegalMoves(
    {
        UpdateKind.ACCEPTANCE: NEW,
        UpdateKind.REFUSAL: NEW,
        UpdateKind.DISPATCH: TO_SHIP,
        UpdateKind.REFUND: TO_SHIP | SHIPPED,
    },
    cancels=(UpdateKind.REFUSAL, UpdateKind.REFUND),
)
#: what The Edge lets a seller say: units, and silence as the last word about a refund (J9, J10)
LEWIS_MOVES = LegalMoves(
    {
        UpdateKind.ACKNOWLEDGEMENT: NEW,
        UpdateKind.DISPATCH: TO_SHIP,
        UpdateKind.CANCELLATION: TO_SHIP,
        UpdateKind.REFUND: TO_SHIP | SHIPPED,
    },
    by_units=frozenset({UpdateKind.DISPATCH, UpdateKind.CANCELLATION, UpdateKind.REFUND}),
    cancels=(UpdateKind.CANCELLATION, UpdateKind.REFUND),
    settled={UpdateKind.REFUND: LineState.REFUNDED},
)
HALF_HOUR = timedelta(minutes=30)
PARCEL = Parcel("dpd", "15501234567890", "", NOON)


async def an_order(database: Database, account: Any, *states: LineState, incomplete: str = "") -> None:
    lines = tuple(OrderLine(str(i), 2, state) for i, state in enumerate(states, 1))
    order = Order(NUMBER, lines, incomplete=incomplete)
    await Orders(database).keep(account, [Delivery(RemoteFile("/in", "order-1.txt", 1, NOON), b"1", (order,))], NOON)


async def states(database: Database) -> list[tuple[str, int]]:
    return await database.read(
        lambda db: [
            tuple(row) for row in db.execute("SELECT state, shipped FROM order_lines ORDER BY position").fetchall()
        ]
    )


async def update_states(database: Database) -> list[str]:
    return await database.read(
        lambda db: [row[0] for row in db.execute("SELECT state FROM order_updates ORDER BY id").fetchall()]
    )


async def sent(database: Database, due: DueUpdate, wait: timedelta = timedelta(), name: str = "update-1") -> None:
    updates = Updates(database)
    await updates.sending(due.id, name, b"bytes", NOON)
    await updates.sent(due.id, wait, NOON)


async def an_acceptance_on_its_way(database: Database) -> tuple[Updates, DueUpdate]:
    """Of the one line of a new order; its sending has begun."""
    await an_order(database, REDOUTE, LineState.NEW)
    updates = Updates(database)
    await updates.open(REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, None, legal_moves=REDOUTE_MOVES, at=NOON)
    (due,) = await updates.due(REDOUTE)
    await updates.sending(due.id, "update-1", b"bytes", NOON)
    return updates, due


async def test_lines_of_one_order_are_decided_differently(database: Database) -> None:  # L13
    await an_order(database, REDOUTE, LineState.NEW, LineState.NEW, LineState.NEW)
    updates = Updates(database)
    await updates.open(REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, [("1", 2), ("2", 2)], legal_moves=REDOUTE_MOVES, at=NOON)
    await updates.open(REDOUTE, NUMBER, UpdateKind.REFUSAL, [("3", 2)], legal_moves=REDOUTE_MOVES, at=NOON)
    (first,) = await updates.due(REDOUTE)
    assert first.update.lines == (UpdateLine("1", 2), UpdateLine("2", 2))
    await sent(database, first)
    (second,) = await updates.due(REDOUTE)
    await sent(database, second)
    assert await states(database) == [("accepted", 0), ("accepted", 0), ("refused", 0)]


async def test_one_update_of_an_order_is_open_at_a_time(database: Database) -> None:  # L18 J11
    await an_order(database, LEWIS, LineState.NEW)
    updates = Updates(database)
    await updates.acknowledge_new(LEWIS, LEWIS_MOVES, NOON)
    (acknowledgement,) = await updates.due(LEWIS)
    await sent(database, acknowledgement, HALF_HOUR)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    assert await updates.due(LEWIS) == []
    assert await updates.settle_silent(LEWIS, HALF_HOUR, NOON + HALF_HOUR - timedelta(microseconds=1)) == 0
    assert await updates.settle_silent(LEWIS, HALF_HOUR, NOON + HALF_HOUR) == 1
    (dispatch,) = await updates.due(LEWIS)
    assert dispatch.update.kind is UpdateKind.DISPATCH
    assert dispatch.update.parcel == PARCEL


async def test_every_line_is_acknowledged_with_its_full_quantity_once(database: Database) -> None:  # J7
    await an_order(database, LEWIS, LineState.NEW, LineState.NEW)
    updates = Updates(database)
    assert await updates.acknowledge_new(LEWIS, LEWIS_MOVES, NOON) == 1
    assert await updates.acknowledge_new(LEWIS, LEWIS_MOVES, NOON) == 0
    (due,) = await updates.due(LEWIS)
    assert due.update.lines == (UpdateLine("1", 2), UpdateLine("2", 2))
    await sent(database, due, HALF_HOUR)
    assert await states(database) == [("to_ship", 0), ("to_ship", 0)]


async def test_nothing_else_goes_out_before_the_acknowledgement(database: Database) -> None:  # J7
    await an_order(database, LEWIS, LineState.NEW)
    with pytest.raises(NotAllowed, match="dispatch: that is possible when a line is to_ship; now 1 new"):
        await Updates(database).open(
            LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL
        )


async def test_an_incomplete_order_is_not_acknowledged(database: Database) -> None:  # J6
    await an_order(database, LEWIS, LineState.NEW, incomplete="4 lines expected, 3 read")
    assert await Updates(database).acknowledge_new(LEWIS, LEWIS_MOVES, NOON) == 0


async def test_parcels_by_line_and_quantity(database: Database) -> None:  # J8
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    lines = [("1", 1)]
    for _ in range(2):
        await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, lines, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    with pytest.raises(NotAllowed, match="1 units cannot go; 0 of 2 are left"):
        await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, lines, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    await sent(database, (await updates.due(LEWIS))[0])
    assert await states(database) == [("to_ship", 1)]
    await sent(database, (await updates.due(LEWIS))[0], name="update-2")
    assert await states(database) == [("shipped", 2)]


@pytest.mark.parametrize("state", [state for state in LineState if state is not LineState.NEW])
async def test_only_legal_moves_are_taken(database: Database, state: LineState) -> None:  # L12
    await an_order(database, REDOUTE, state)
    with pytest.raises(NotAllowed, match=f"line 1 of order Y100000001 is {state}: acceptance is possible only when"):
        await Updates(database).open(
            REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, [("1", 2)], legal_moves=REDOUTE_MOVES, at=NOON
        )


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([("9", 1)], "has no line 9"),
        ([("1", 1)], "acceptance is for the whole line, 2 units"),
        ([("1", 2), ("1", 2)], "a line stands twice"),
    ],
)
async def test_wrong_lines_are_refused_with_the_reason(
    database: Database, lines: list[tuple[str, int]], text: str
) -> None:  # L12
    await an_order(database, REDOUTE, LineState.NEW)
    with pytest.raises(NotAllowed, match=text):
        await Updates(database).open(REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, lines, legal_moves=REDOUTE_MOVES, at=NOON)


async def test_an_update_that_did_not_arrive_waits_for_the_next_tick_under_the_same_name(
    database: Database,
) -> None:  # D2
    updates, due = await an_acceptance_on_its_way(database)
    await updates.not_arrived(due.id, "nobody answered", NOON)
    (again,) = await updates.due(REDOUTE)
    assert (again.id, again.update.created_at) == (due.id, due.update.created_at)
    assert await states(database) == [("new", 0)]


async def test_what_was_being_sent_at_a_crash_is_in_doubt_until_somebody_knows(database: Database) -> None:  # L13 J8
    updates, due = await an_acceptance_on_its_way(database)
    assert await updates.recover(NOON) == 1
    assert await updates.due(REDOUTE) == []
    assert [doubt.id for doubt in await updates.in_doubt(REDOUTE)] == [due.id]
    await updates.resolve(REDOUTE, NUMBER, arrived=True, at=NOON)
    assert await states(database) == [("accepted", 0)]
    assert await update_states(database) == ["succeeded"]
    with pytest.raises(NotAllowed, match="no update in doubt"):
        await updates.resolve(REDOUTE, NUMBER, arrived=True, at=NOON)


async def test_learning_late_that_it_arrived_does_not_move_a_line_back(database: Database) -> None:  # L12 L13
    updates, due = await an_acceptance_on_its_way(database)
    await updates.may_have_arrived(due.id, "cut", NOON)
    order = Order(NUMBER, (OrderLine("1", 2, LineState.TO_SHIP),))
    await Orders(database).keep(REDOUTE, [Delivery(RemoteFile("reply", "r", 1), b"2", (order,))], NOON)
    await updates.sent(due.id, timedelta(), NOON)
    assert await states(database) == [("to_ship", 0)]
    assert await update_states(database) == ["succeeded"]


async def test_a_person_may_have_it_sent_again(database: Database) -> None:  # J8
    updates, due = await an_acceptance_on_its_way(database)
    await updates.may_have_arrived(due.id, "cut", NOON)
    await updates.resolve(REDOUTE, NUMBER, arrived=False, at=NOON)
    assert [entry.id for entry in await updates.due(REDOUTE)] == [due.id]


async def test_an_error_report_fails_the_update_and_the_lines_are_as_before(database: Database) -> None:  # J8
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    lines = [("1", 1)]
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, lines, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    await sent(database, (await updates.due(LEWIS))[0], HALF_HOUR)
    assert await states(database) == [("to_ship", 1)]
    report = Delivery(
        RemoteFile("/out", "update-1.err", 3, NOON),
        b"bad",
        (UpdateAnswer("update-1", accepted=False, text="carrier?"),),
    )
    assert await updates.keep_answers(LEWIS, report, NOON)
    assert await updates.keep_answers(LEWIS, report, NOON)
    assert await states(database) == [("to_ship", 0)]
    assert await update_states(database) == ["failed"]


async def test_answers_to_nothing_of_ours_are_set_aside(database: Database) -> None:  # D9
    updates = Updates(database)
    stranger = Delivery(RemoteFile("/out", "x.err", 1, NOON), b"1", (UpdateAnswer("x", accepted=False, text="no"),))
    broken = Delivery[UpdateAnswer](RemoteFile("/out", "y.err", 1, NOON), b"2", Unreadable("not text"))
    assert not await updates.keep_answers(LEWIS, stranger, NOON)
    assert not await updates.keep_answers(LEWIS, broken, NOON)


async def test_names_stay_unique_when_the_clock_steps_back(database: Database) -> None:  # J7
    await an_order(database, REDOUTE, LineState.NEW, LineState.NEW)
    updates = Updates(database)

    async def accept(line: str, at: Any) -> OrderUpdate:
        return await updates.open(REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, [(line, 2)], legal_moves=REDOUTE_MOVES, at=at)

    first = await accept("1", NOON)
    second = await accept("2", NOON - timedelta(hours=1))
    assert second.created_at == first.created_at + timedelta(microseconds=1)


async def test_an_order_is_accepted_by_itself_only_when_every_line_is_in_stock(database: Database) -> None:  # L13
    await database.write(
        lambda db: (
            db.execute(
                "INSERT INTO listings (account, sku, ean, stock, created_at, changed_at)"
                " VALUES ('redoute', 'LAMP-1', '3701234567891', 2, 0, 0)"
            ).rowcount
        )
    )
    order = Order(NUMBER, (OrderLine("1", 2, LineState.NEW, ean="3701234567891"),))
    too_many = Order(OrderNumber("Y2"), (OrderLine("2", 3, LineState.NEW, ean="3701234567891"),))
    reply = Delivery(RemoteFile("reply", "RetrieveByStatus", 1), b"1", (order, too_many))
    await Orders(database).keep(REDOUTE, [reply], NOON)
    updates = Updates(database)
    assert await updates.accept_in_stock(REDOUTE, REDOUTE_MOVES, NOON) == 1
    assert [due.update.order for due in await updates.due(REDOUTE)] == [NUMBER]


async def test_a_dispatch_that_waited_for_an_acknowledgement_that_failed_does_not_go_out(
    database: Database,
) -> None:  # J7 L12
    await an_order(database, LEWIS, LineState.NEW)
    updates = Updates(database)
    await updates.acknowledge_new(LEWIS, LEWIS_MOVES, NOON)
    (acknowledgement,) = await updates.due(LEWIS)
    await sent(database, acknowledgement, HALF_HOUR)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    await updates.failed(acknowledgement.id, "unknown order", NOON)
    (dispatch,) = await updates.due(LEWIS)
    why = await updates.overtaken(dispatch.id, LEWIS_MOVES, NOON)
    assert await updates.due(LEWIS) == []
    assert await update_states(database) == ["failed", "failed"]
    assert "line 1 is new" in why


@pytest.mark.parametrize("state", [LineState.SHIPPED, LineState.REFUNDING])
async def test_an_update_is_refused_here_once_the_marketplace_has_moved_its_line(
    database: Database, state: LineState
) -> None:  # L12
    await an_order(database, REDOUTE, LineState.TO_SHIP)
    updates = Updates(database)
    await updates.open(REDOUTE, NUMBER, UpdateKind.DISPATCH, None, legal_moves=REDOUTE_MOVES, at=NOON, parcel=PARCEL)
    reply = Delivery(RemoteFile("reply", "RetrieveByStatus", 1), b"2", (Order(NUMBER, (OrderLine("1", 2, state),)),))
    await Orders(database).keep(REDOUTE, [reply], NOON)
    (due,) = await updates.due(REDOUTE)
    assert await updates.overtaken(due.id, REDOUTE_MOVES, NOON)
    assert await updates.due(REDOUTE) == []


async def test_what_a_person_has_settled_is_not_sent_again_by_a_late_answer_to_our_question(
    database: Database,
) -> None:  # L13
    updates, due = await an_acceptance_on_its_way(database)
    await updates.may_have_arrived(due.id, "cut", NOON)
    await updates.resolve(REDOUTE, NUMBER, arrived=True, at=NOON)
    await updates.not_arrived(due.id, "the marketplace does not have it", NOON)
    await updates.may_have_arrived(due.id, "cut", NOON)
    assert await update_states(database) == ["succeeded"]


async def test_an_update_that_failed_is_not_sent_after_all(database: Database) -> None:  # L13
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    (due,) = await updates.due(LEWIS)
    await updates.sending(due.id, "update-1", b"bytes", NOON)
    await updates.failed(due.id, "carrier?", NOON)
    await updates.sent(due.id, HALF_HOUR, NOON)
    assert await update_states(database) == ["failed"]
    assert await states(database) == [("to_ship", 0)]


async def test_a_good_answer_to_an_update_in_doubt_moves_its_lines(database: Database) -> None:  # J8
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    (due,) = await updates.due(LEWIS)
    await updates.sending(due.id, "update-1", b"bytes", NOON)
    await updates.may_have_arrived(due.id, "cut", NOON)
    answer = Delivery(RemoteFile("/out", "x", 1, NOON), b"ok", (UpdateAnswer("update-1", accepted=True),))
    assert await updates.keep_answers(LEWIS, answer, NOON)
    assert await states(database) == [("shipped", 2)]


async def test_lines_move_once_however_often_and_in_whatever_order_answers_come(database: Database) -> None:  # J8 J13
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    lines = [("1", 1)]
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, lines, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    (due,) = await updates.due(LEWIS)
    await updates.sending(due.id, "update-1", b"bytes", NOON)
    await updates.may_have_arrived(due.id, "cut", NOON)
    seen = []
    for number, accepted in enumerate((True, True, False, False, True)):
        name = f"answer-{number}"
        answer = (UpdateAnswer("update-1", accepted=accepted, text="" if accepted else "carrier?"),)
        assert await updates.keep_answers(
            LEWIS, Delivery(RemoteFile("/out", name, 1, NOON), name.encode(), answer), NOON
        )
        seen += await states(database)
    assert seen == [("to_ship", 1), ("to_ship", 1), ("to_ship", 0), ("to_ship", 0), ("to_ship", 1)]


async def test_silence_about_an_update_is_heard_after_the_clock_was_set_back(database: Database) -> None:  # J7
    await an_order(database, LEWIS, LineState.NEW)
    updates = Updates(database)
    await updates.acknowledge_new(LEWIS, LEWIS_MOVES, NOON)
    await sent(database, (await updates.due(LEWIS))[0], HALF_HOUR)
    assert await updates.settle_silent(LEWIS, HALF_HOUR, NOON - timedelta(days=1)) == 1


async def test_lines_of_one_listing_share_its_stock(database: Database) -> None:  # L13
    await database.write(
        lambda db: (
            db.execute(
                "INSERT INTO listings (account, sku, ean, stock, created_at, changed_at)"
                " VALUES ('redoute', 'LAMP-1', '3701234567891', 3, 0, 0)"
            ).rowcount
        )
    )
    lines = tuple(OrderLine(ref, 2, LineState.NEW, ean="3701234567891") for ref in ("1", "2"))
    await Orders(database).keep(
        REDOUTE, [Delivery(RemoteFile("reply", "RetrieveByStatus", 1), b"1", (Order(NUMBER, lines),))], NOON
    )
    assert await Updates(database).accept_in_stock(REDOUTE, REDOUTE_MOVES, NOON) == 0


async def test_units_are_cancelled_or_refunded_by_what_became_of_them(database: Database) -> None:  # J9 J10 L14
    await an_order(database, LEWIS, LineState.TO_SHIP, LineState.SHIPPED)
    updates = Updates(database)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, [("1", 1)], legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    await sent(database, (await updates.due(LEWIS))[0])
    request = await updates.cancel(LEWIS, NUMBER, None, legal_moves=LEWIS_MOVES, at=NOON, reason="damaged")
    assert [(update.kind, update.lines) for update in request.updates] == [
        (UpdateKind.CANCELLATION, (UpdateLine("1", 1, reason="damaged"),)),
        (UpdateKind.REFUND, (UpdateLine("1", 1, reason="damaged"), UpdateLine("2", 2, reason="damaged"))),
    ]
    await sent(database, (await updates.due(LEWIS, cancels=True))[0], name="update-2")
    # Of the first line one unit has left and the other will not.
    assert await units(database) == [("shipped", 1, 1, 0), ("shipped", 2, 0, 0)]
    await sent(database, (await updates.due(LEWIS, cancels=True))[0], HALF_HOUR, name="update-3")
    assert await units(database) == [("refunding", 1, 1, 1), ("refunding", 2, 0, 2)]
    assert await updates.settle_silent(LEWIS, HALF_HOUR, NOON + HALF_HOUR) == 1
    assert await units(database) == [("refunded", 1, 1, 1), ("refunded", 2, 0, 2)]


async def test_a_part_of_a_line_is_refunded_and_no_unit_twice(database: Database) -> None:  # J10 L14
    await an_order(database, LEWIS, LineState.SHIPPED)
    updates = Updates(database)
    await updates.cancel(LEWIS, NUMBER, [("1", 1)], legal_moves=LEWIS_MOVES, at=NOON)
    await sent(database, (await updates.due(LEWIS))[0])
    assert await units(database) == [("shipped", 2, 0, 1)]
    with pytest.raises(NotAllowed, match="is shipped: 1 of its 2 units can be; the rest was"):
        await updates.cancel(LEWIS, NUMBER, [("1", 2)], legal_moves=LEWIS_MOVES, at=NOON)
    await updates.cancel(LEWIS, NUMBER, [("1", None)], legal_moves=LEWIS_MOVES, at=NOON)
    with pytest.raises(NotAllowed, match="0 of its 2 units"):
        await updates.cancel(LEWIS, NUMBER, None, legal_moves=LEWIS_MOVES, at=NOON)
    await sent(database, (await updates.due(LEWIS))[0], name="update-2")
    assert await units(database) == [("refunded", 2, 0, 2)]


@pytest.mark.parametrize(
    ("state", "kind", "there", "back"),
    [
        (LineState.TO_SHIP, "cancellation", ("cancelled", 0, 2, 0), ("to_ship", 0, 0, 0)),
        (LineState.SHIPPED, "refund", ("refunding", 2, 0, 2), ("shipped", 2, 0, 0)),
    ],
)
async def test_a_cancellation_that_is_turned_down_leaves_the_units_as_they_were(
    database: Database, state: LineState, kind: str, there: tuple[Any, ...], back: tuple[Any, ...]
) -> None:  # J13 L14
    await an_order(database, LEWIS, state)
    updates = Updates(database)
    (update,) = (await updates.cancel(LEWIS, NUMBER, None, legal_moves=LEWIS_MOVES, at=NOON)).updates
    assert update.kind == kind
    (due,) = await updates.due(LEWIS)
    await sent(database, due, HALF_HOUR)
    assert await units(database) == [there]
    await updates.failed(due.id, "no such line", NOON)
    assert await units(database) == [back]
    assert await update_states(database) == ["failed"]


async def test_units_that_left_meanwhile_are_not_cancelled(database: Database) -> None:  # L12 J9
    await an_order(database, LEWIS, LineState.TO_SHIP)
    updates = Updates(database)
    await updates.cancel(LEWIS, NUMBER, None, legal_moves=LEWIS_MOVES, at=NOON)
    (due,) = await updates.due(LEWIS)
    await database.write(lambda db: db.execute("UPDATE order_lines SET shipped = 1").rowcount)
    why = await updates.overtaken(due.id, LEWIS_MOVES, NOON)
    assert why == "not sent, because its lines have moved on: line 1 has only 1 units left for cancellation"
    assert await update_states(database) == ["failed"]


async def test_an_update_that_is_not_overtaken_stays(database: Database) -> None:  # L12
    await an_order(database, REDOUTE, LineState.NEW)
    updates = Updates(database)
    await updates.open(REDOUTE, NUMBER, UpdateKind.ACCEPTANCE, None, legal_moves=REDOUTE_MOVES, at=NOON)
    (due,) = await updates.due(REDOUTE, cancels=False)
    assert await updates.due(REDOUTE, cancels=True) == []
    assert await updates.overtaken(due.id, REDOUTE_MOVES, NOON) == ""
    assert await update_states(database) == ["pending"]


async def test_where_nothing_can_be_cancelled_that_is_said(database: Database) -> None:  # L14
    await an_order(database, LEWIS, LineState.NEW)
    none = LegalMoves({UpdateKind.ACKNOWLEDGEMENT: NEW})
    with pytest.raises(NotAllowed, match="neither cancelled nor refunded"):
        await Updates(database).cancel(LEWIS, NUMBER, None, legal_moves=none, at=NOON)


async def units(database: Database) -> list[tuple[Any, ...]]:
    return await database.read(
        lambda db: [
            tuple(row)
            for row in db.execute(
                "SELECT state, shipped, cancelled, refunded FROM order_lines ORDER BY position"
            ).fetchall()
        ]
    )


async def test_a_no_of_the_marketplace_gives_nobody_more_time(database: Database) -> None:  # L12 J13
    await an_order(database, LEWIS, LineState.NEW)
    updates = Updates(database)

    async def turned_down(after: timedelta) -> None:
        (due,) = await updates.due(LEWIS)
        await updates.sending(due.id, f"update-{due.id}", b"bytes", NOON + after)
        await updates.sent(due.id, HALF_HOUR, NOON + after)
        await updates.failed(due.id, "no", NOON + 2 * after)

    async def since() -> timedelta:
        rows = await database.read(lambda db: db.execute("SELECT since FROM order_lines").fetchall())
        return from_us(int(rows[0][0])) - NOON

    hour = timedelta(hours=1)
    await updates.open(LEWIS, NUMBER, UpdateKind.ACKNOWLEDGEMENT, None, legal_moves=LEWIS_MOVES, at=NOON)
    await turned_down(hour)
    assert (await states(database), await since()) == ([("new", 0)], timedelta())
    await updates.open(LEWIS, NUMBER, UpdateKind.ACKNOWLEDGEMENT, None, legal_moves=LEWIS_MOVES, at=NOON + hour)
    (due,) = await updates.due(LEWIS)
    await updates.sending(due.id, "update-2", b"bytes", NOON + 3 * hour)
    await updates.sent(due.id, timedelta(), NOON + 3 * hour)
    for after in (5 * hour, 8 * hour):
        await updates.open(
            *(LEWIS, NUMBER, UpdateKind.DISPATCH, None), legal_moves=LEWIS_MOVES, at=NOON + after, parcel=PARCEL
        )
        await turned_down(after)
        assert (await states(database), await since()) == ([("to_ship", 0)], 3 * hour)


async def test_a_refusal_speaks_of_updates_on_their_way_only_where_there_are(database: Database) -> None:  # L12 J11
    await an_order(database, LEWIS, LineState.NEW)
    updates = Updates(database)
    with pytest.raises(NotAllowed, match=r"now 1 new$"):
        await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, None, legal_moves=LEWIS_MOVES, at=NOON, parcel=PARCEL)
    await database.write(lambda db: db.execute("UPDATE order_lines SET state = 'to_ship'").rowcount)
    dispatch: dict[str, Any] = {"legal_moves": LEWIS_MOVES, "at": NOON, "parcel": PARCEL}
    with pytest.raises(NotAllowed, match=r"3 units cannot go; 2 of 2 are left \(0 shipped, 0 cancelled, 0 refunded\)"):
        await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, [("1", 3)], **dispatch)
    await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, [("1", 1)], **dispatch)
    with pytest.raises(NotAllowed, match="1 of 2 are left .*, 1 in updates on their way"):
        await updates.open(LEWIS, NUMBER, UpdateKind.DISPATCH, [("1", 2)], **dispatch)
