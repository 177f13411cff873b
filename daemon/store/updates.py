"""Order updates from the seller's decision to the marketplace's answer, one open at a time (L13, L18, J7, J8)."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NewType

from daemon.errors import NotAllowed, Unreadable
from daemon.model import (
    AccountName,
    Delivery,
    LineState,
    OrderNumber,
    OrderUpdate,
    Parcel,
    UpdateAnswer,
    UpdateKind,
    UpdateLine,
    UpdateState,
)
from daemon.rules.moves import LEADS_TO, follow
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryKind, DeliveryState, move, record
from daemon.store.events import tell
from daemon.store.orders import change_stamp
from daemon.store.payloads import keep
from daemon.store.times import from_us, to_us

UpdateId = NewType("UpdateId", int)
LegalMoves = Mapping[UpdateKind, frozenset[LineState]]

_WHOLE = (UpdateKind.ACKNOWLEDGEMENT, UpdateKind.ACCEPTANCE, UpdateKind.REFUSAL)


@dataclass(frozen=True, slots=True)
class DueUpdate:
    """An update with its row, so that its fate can be recorded."""

    id: UpdateId
    state: UpdateState
    update: OrderUpdate


class Updates:
    """What the seller decided about orders, and how far it has come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        account: AccountName,
        number: OrderNumber,
        kind: UpdateKind,
        lines: Sequence[tuple[str, int]] | None,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        parcel: Parcel | None = None,
        reason: str = "",
    ) -> OrderUpdate:
        """Record a decision; it is sent when its turn comes.

        `lines` are references and units; None means every line for which the move is legal, with all units that are
        left. Raises NotAllowed, which says why and what would be possible instead.
        """

        def work(db: sqlite3.Connection) -> OrderUpdate:
            order = _order(db, account, number)
            wanted = _wanted(db, order, kind, lines, legal_moves)
            return _insert(db, order, kind, wanted, at, parcel, reason)

        return await self._database.write(work)

    async def acknowledge_new(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acknowledgement for every complete order that has none (J7)."""
        return await self._decide_new(account, UpdateKind.ACKNOWLEDGEMENT, legal_moves, at, _NEW)

    async def accept_in_stock(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acceptance for every new order whose every line is in stock (L13)."""
        return await self._decide_new(
            account, UpdateKind.ACCEPTANCE, legal_moves, at, f"{_NEW} AND NOT EXISTS ({_SHORT})"
        )

    async def _decide_new(
        self, account: AccountName, kind: UpdateKind, legal_moves: LegalMoves, at: datetime, condition: str
    ) -> int:
        def work(db: sqlite3.Connection) -> int:
            orders = db.execute(
                f"SELECT o.* FROM orders o WHERE o.account = ? AND o.incomplete = '' AND {condition} ORDER BY o.id",  # noqa: S608
                (account,),
            ).fetchall()
            for order in orders:
                _insert(db, order, kind, _wanted(db, order, kind, None, legal_moves), at, None, "")
            return len(orders)

        return await self._database.write(work)

    async def due(self, account: AccountName, limit: int = 500) -> list[DueUpdate]:
        """Updates whose turn it is: the oldest of each order that has none open."""
        return await self._database.read(lambda db: _load(db, f"{_DUE} LIMIT ?", (account, limit)))

    async def refuse_illegal(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Fail every update whose turn it is and whose lines have moved where it is not legal any more (L12, J7).

        The marketplace may have moved them, or an acknowledgement before it may have failed; returns how many.
        """

        def work(db: sqlite3.Connection) -> int:
            refused = 0
            for row in _rows(db, _DUE, (account,)):
                fault = _illegal(db, row, legal_moves.get(UpdateKind(row["kind"]), frozenset()))
                if fault:
                    _fail(db, UpdateId(row["id"]), fault, at)
                    refused += 1
            return refused

        return await self._database.write(work)

    async def in_doubt(self, account: AccountName) -> list[DueUpdate]:
        """Updates that may have arrived, so that the marketplace can be asked."""
        where = f"u.account = ? AND {_UNSETTLED} AND u.state = 'in_doubt' ORDER BY u.created_at"
        return await self._database.read(lambda db: _load(db, where, (account,)))

    async def sending(self, update: UpdateId, name: str, content: bytes, at: datetime) -> None:
        """Record the exact bytes and the name before the first byte leaves (house law 6)."""

        def work(db: sqlite3.Connection) -> None:
            changed = db.execute(
                "UPDATE order_updates SET state = 'sending', name = ?, payload = ? WHERE id = ? AND state = 'pending'",
                (name, keep(db, content, at), update),
            ).rowcount
            if changed != 1:
                raise NotAllowed("this update is being sent already")
            _tell(db, update, at, ("pending", "sending"))

        await self._database.write(work)

    async def sent(self, update: UpdateId, answer_wait: timedelta, at: datetime) -> None:
        """It is there: its lines move. Without a wait for an answer it is settled at once."""

        def work(db: sqlite3.Connection) -> None:
            row = _row(db, update)
            if row["state"] in ("sent", "succeeded", "failed"):
                return
            state = UpdateState.SENT if answer_wait else UpdateState.SUCCEEDED
            db.execute(
                "UPDATE order_updates SET state = ?, error = '', sent_at = ?, settled_at = ? WHERE id = ?",
                (state, to_us(at), None if answer_wait else to_us(at), update),
            )
            _move_lines(db, row, at)
            _tell(db, update, at, (row["state"], state))

        await self._database.write(work)

    async def may_have_arrived(self, update: UpdateId, error: str, at: datetime) -> None:
        """Its sending was cut where nobody knows: it is in doubt until somebody does."""
        await self._database.write(lambda db: _settle_open(db, update, UpdateState.IN_DOUBT, error, at))

    async def not_arrived(self, update: UpdateId, error: str, at: datetime) -> None:
        """Nothing reached the marketplace: it waits for the next tick."""
        await self._database.write(lambda db: _settle_open(db, update, UpdateState.PENDING, error, at))

    async def failed(self, update: UpdateId, error: str, at: datetime) -> None:
        """The marketplace said no: its lines are as they were before it."""
        await self._database.write(lambda db: _fail(db, update, error, at))

    async def keep_answers(self, account: AccountName, delivery: Delivery[UpdateAnswer], at: datetime) -> bool:
        """Keep answers and apply them in one transaction; False when they had to be set aside (J8, D9)."""
        return await self._database.write(lambda db: _keep_answers(db, account, delivery, at))

    async def settle_silent(self, account: AccountName, answer_wait: timedelta, at: datetime) -> int:
        """Where nothing was said against a sent update for long enough, it has succeeded (J13)."""

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute(
                f"SELECT u.id FROM order_updates u WHERE u.account = ? AND {_UNSETTLED} AND u.state = 'sent'"  # noqa: S608
                # Sent far ahead of now means that the wall clock was set back since.
                " AND u.sent_at NOT BETWEEN ? AND ?",
                (account, to_us(at - answer_wait) + 1, to_us(at + answer_wait)),
            ).fetchall()
            for row in rows:
                _settle(db, UpdateId(row["id"]), UpdateState.SUCCEEDED, "", at)
            return len(rows)

        return await self._database.write(work)

    async def recover(self, at: datetime) -> int:
        """After a start: what was being sent is in doubt (house law 6)."""

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute("SELECT id FROM order_updates WHERE state = 'sending'").fetchall()
            for row in rows:
                _settle(db, row["id"], UpdateState.IN_DOUBT, "the daemon ended while it was being sent", at)
            return len(rows)

        return await self._database.write(work)

    async def resolve(self, account: AccountName, number: OrderNumber, *, arrived: bool, at: datetime) -> None:
        """A person says what became of an update in doubt; raises NotAllowed when there is none."""

        def work(db: sqlite3.Connection) -> None:
            order = _order(db, account, number)
            row = db.execute(
                "SELECT * FROM order_updates WHERE \"order\" = ? AND state = 'in_doubt'", (order["id"],)
            ).fetchone()
            if row is None:
                raise NotAllowed(f"order {number} has no update in doubt; nothing to settle")
            if arrived:
                db.execute("UPDATE order_updates SET sent_at = ? WHERE id = ?", (to_us(at), row["id"]))
                _move_lines(db, row, at)
            _settle(
                db, row["id"], UpdateState.SUCCEEDED if arrived else UpdateState.PENDING, "", at, "said by a person"
            )

        await self._database.write(work)


_NEW = (
    "EXISTS (SELECT 1 FROM order_lines l WHERE l.\"order\" = o.id AND l.state = 'new')"
    # An update that failed waits for a person: the same would only fail again.
    ' AND NOT EXISTS (SELECT 1 FROM order_updates u WHERE u."order" = o.id)'
)
_SHORT = (
    'SELECT 1 FROM order_lines l LEFT JOIN listings i ON i.id = l.listing WHERE l."order" = o.id'
    " AND (i.id IS NULL OR i.ended = 1 OR coalesce(i.stock, 0) < (SELECT sum(m.quantity) FROM order_lines m"
    ' WHERE m."order" = l."order" AND m.listing = l.listing))'
)
#: the words of the partial index of the schema, so that SQLite uses it
_UNSETTLED = "u.state IN ('pending', 'sending', 'sent', 'in_doubt')"
_DUE = (
    f"u.account = ? AND {_UNSETTLED} AND u.state = 'pending' AND NOT EXISTS (SELECT 1 FROM order_updates v"  # noqa: S608
    ' WHERE v."order" = u."order" AND v.created_at < u.created_at'
    " AND v.state IN ('pending', 'sending', 'sent', 'in_doubt')) ORDER BY u.created_at"
)


def _order(db: sqlite3.Connection, account: AccountName, number: OrderNumber) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)
    ).fetchone()
    if row is None:
        raise NotAllowed(f"account {account} has no order {number}")
    if row["incomplete"]:
        raise NotAllowed(f"order {number} is incomplete and must not be worked on: {row['incomplete']}")
    return row


def _wanted(
    db: sqlite3.Connection,
    order: sqlite3.Row,
    kind: UpdateKind,
    lines: Sequence[tuple[str, int]] | None,
    legal_moves: LegalMoves,
) -> list[tuple[int, int]]:
    """The lines of an update as (row, units), every one of them legal."""
    if kind not in legal_moves:
        raise NotAllowed(f"this marketplace knows no {kind}; it knows {', '.join(sorted(legal_moves))}")
    rows = {
        row["ref"]: row
        for row in db.execute(
            'SELECT * FROM order_lines WHERE "order" = ? ORDER BY position', (order["id"],)
        ).fetchall()
    }
    booked = _booked(db, order["id"])
    left = {ref: row["quantity"] - row["shipped"] - booked.get(row["id"], 0) for ref, row in rows.items()}
    if lines is None:
        lines = [(ref, left[ref]) for ref, row in rows.items() if row["state"] in legal_moves[kind] and left[ref] > 0]
        if not lines:
            raise NotAllowed(_nothing(order["number"], kind, rows.values(), booked, legal_moves))
    for ref, quantity in lines:
        _check(order["number"], kind, rows.get(ref), ref, quantity, left.get(ref, 0), legal_moves)
    if len({ref for ref, _ in lines}) != len(lines):
        raise NotAllowed("a line stands twice in this update; give each once, with all its units")
    return [(rows[ref]["id"], quantity) for ref, quantity in lines]


def _illegal(db: sqlite3.Connection, update: sqlite3.Row, states: frozenset[LineState]) -> str:
    """Why an update must not go out as its lines stand now, or nothing."""
    for line in db.execute(
        "SELECT l.ref, l.state, l.quantity - l.shipped AS left, w.quantity FROM update_lines w"
        ' JOIN order_lines l ON l.id = w.line WHERE w."update" = ? ORDER BY l.position',
        (update["id"],),
    ).fetchall():
        if line["state"] not in states:
            wanted = " or ".join(sorted(states))
            return (
                f"line {line['ref']} is {line['state']} by now: {update['kind']} is possible only when it is {wanted}"
            )
        if line["quantity"] > line["left"]:
            return f"line {line['ref']}: {line['quantity']} units cannot go any more, {line['left']} are left"
    return ""


def _booked(db: sqlite3.Connection, order_id: int) -> dict[int, int]:
    """Units per line that stand in updates which have not moved their lines yet."""
    return dict(
        db.execute(
            'SELECT l.line, sum(l.quantity) FROM update_lines l JOIN order_updates u ON u.id = l."update"'
            " WHERE u.\"order\" = ? AND u.state IN ('pending', 'sending', 'in_doubt') GROUP BY l.line",
            (order_id,),
        ).fetchall()
    )


def _check(
    number: str, kind: UpdateKind, row: sqlite3.Row | None, ref: str, quantity: int, left: int, legal_moves: LegalMoves
) -> None:
    if row is None:
        raise NotAllowed(f"order {number} has no line {ref}")
    if row["state"] not in legal_moves[kind]:
        possible = [move for move, states in legal_moves.items() if row["state"] in states]
        raise NotAllowed(
            f"line {ref} of order {number} is {row['state']}: {kind} is possible only when it is "
            f"{' or '.join(sorted(legal_moves[kind]))}; now possible: {', '.join(sorted(possible)) or 'nothing'}"
        )
    if not 0 < quantity <= left:
        raise NotAllowed(
            f"line {ref} of order {number}: {quantity} units cannot go; {left} of {row['quantity']} are left"
            f" ({row['shipped']} shipped, the rest in updates on their way)"
        )
    if kind in _WHOLE and quantity != row["quantity"]:
        raise NotAllowed(f"line {ref} of order {number}: {kind} is for the whole line, {row['quantity']} units")


def _nothing(
    number: str, kind: UpdateKind, rows: Iterable[sqlite3.Row], booked: dict[int, int], legal_moves: LegalMoves
) -> str:
    states = ", ".join(f"{row['ref']} {row['state']}" for row in rows)
    waiting = "; an update of it is on its way" if booked else ""
    wanted = " or ".join(sorted(legal_moves[kind]))
    return f"order {number} has no line for {kind}: that is possible when a line is {wanted}; now {states}{waiting}"


def _insert(
    db: sqlite3.Connection,
    order: sqlite3.Row,
    kind: UpdateKind,
    lines: Sequence[tuple[int, int]],
    at: datetime,
    parcel: Parcel | None,
    reason: str,
) -> OrderUpdate:
    # The instant becomes part of a name that must be unique for ever, even when the clock steps back.
    stamp = db.execute(
        "UPDATE accounts SET last_stamp = max(last_stamp + 1, ?) WHERE name = ? RETURNING last_stamp",
        (to_us(at), order["account"]),
    ).fetchone()[0]
    update = db.execute(
        'INSERT INTO order_updates ("order", account, kind, state, parcel, created_at)'
        " VALUES (?, ?, ?, 'pending', ?, ?) RETURNING id",
        (order["id"], order["account"], kind, None if parcel is None else _parcel_to_json(parcel), stamp),
    ).fetchone()[0]
    db.executemany(
        "INSERT INTO update_lines VALUES (?, ?, ?, ?, '')",
        [(update, line, quantity, reason) for line, quantity in lines],
    )
    _changed(db, order["account"], order["id"], at)
    _tell(db, update, at, ("", "pending"))
    return _load(db, "u.id = ?", (update,))[0].update


def _load(db: sqlite3.Connection, where: str, parameters: Sequence[object]) -> list[DueUpdate]:
    found = []
    for row in _rows(db, where, parameters):
        update = _update(db, row)
        if update.kind is UpdateKind.DISPATCH:
            before = "u.\"order\" = ? AND u.kind = 'dispatch' AND u.state IN ('sent', 'succeeded') AND u.created_at < ?"
            earlier = _rows(db, f"{before} ORDER BY u.created_at", (row["order"], row["created_at"]))
            update = replace(update, earlier=tuple(_update(db, one) for one in earlier))
        found.append(DueUpdate(UpdateId(row["id"]), UpdateState(row["state"]), update))
    return found


def _rows(db: sqlite3.Connection, where: str, parameters: Sequence[object]) -> list[sqlite3.Row]:
    return db.execute(
        'SELECT u.*, o.number FROM order_updates u JOIN orders o ON o.id = u."order" WHERE ' + where,  # noqa: S608
        parameters,
    ).fetchall()


def _update(db: sqlite3.Connection, row: sqlite3.Row) -> OrderUpdate:
    lines = db.execute(
        "SELECT l.ref, l.channel_item_id, w.quantity, w.reason, i.handling_days FROM update_lines w"
        " JOIN order_lines l ON l.id = w.line LEFT JOIN listings i ON i.id = l.listing"
        ' WHERE w."update" = ? ORDER BY l.position',
        (row["id"],),
    ).fetchall()
    handling = [line["handling_days"] for line in lines if line["handling_days"] is not None]
    return OrderUpdate(
        kind=UpdateKind(row["kind"]),
        order=OrderNumber(row["number"]),
        lines=tuple(
            UpdateLine(line["ref"], line["quantity"], line["channel_item_id"], line["reason"]) for line in lines
        ),
        created_at=from_us(row["created_at"]),
        name=row["name"],
        parcel=None if row["parcel"] is None else _parcel_from_json(row["parcel"]),
        handling_days=max(handling, default=None),
    )


def _parcel_to_json(parcel: Parcel) -> str:
    return json.dumps(
        {
            "carrier": parcel.carrier,
            "tracking_number": parcel.tracking_number,
            "tracking_url": parcel.tracking_url,
            "shipped_at": to_us(parcel.shipped_at),
        },
        ensure_ascii=False,
    )


def _parcel_from_json(text: str) -> Parcel:
    fields = json.loads(text)
    return Parcel(**{**fields, "shipped_at": from_us(fields["shipped_at"])})


def _row(db: sqlite3.Connection, update: UpdateId) -> sqlite3.Row:
    row: sqlite3.Row = db.execute("SELECT * FROM order_updates WHERE id = ?", (update,)).fetchone()
    return row


def _move_lines(db: sqlite3.Connection, row: sqlite3.Row, at: datetime) -> None:
    kind = UpdateKind(row["kind"])
    for line in db.execute(
        'SELECT w.quantity AS units, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line WHERE w."update" = ?',
        (row["id"],),
    ).fetchall():
        shipped = line["shipped"] + (line["units"] if kind is UpdateKind.DISPATCH else 0)
        whole = kind is not UpdateKind.DISPATCH or shipped >= line["quantity"]
        # What was in doubt may be learnt after the marketplace has moved the line further: it never goes back.
        state = follow(LineState(line["state"]), LEADS_TO[kind]) if whole else line["state"]
        db.execute(
            'UPDATE update_lines SET from_state = ? WHERE "update" = ? AND line = ?',
            (line["state"], row["id"], line["id"]),
        )
        db.execute(
            "UPDATE order_lines SET state = ?, shipped = min(?, quantity) WHERE id = ?", (state, shipped, line["id"])
        )
        why = f"{kind} {row['name'] or row['id']}"
        tell(
            db,
            at,
            row["account"],
            ("order", row["order"]),
            f"line {line['ref']}",
            moved=(line["state"], state),
            why=why,
        )
    _changed(db, row["account"], row["order"], at)


def _changed(db: sqlite3.Connection, account: str, order: int, at: datetime) -> None:
    db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, account, at), order))


def _settle_open(db: sqlite3.Connection, update: UpdateId, state: UpdateState, error: str, at: datetime) -> None:
    """Say how the sending of an update ended, unless somebody has settled it meanwhile (house law 3)."""
    if _row(db, update)["state"] in (UpdateState.SENDING, UpdateState.IN_DOUBT):
        _settle(db, update, state, error, at)


def _settle(
    db: sqlite3.Connection, update: UpdateId, state: UpdateState, error: str, at: datetime, why: str = ""
) -> None:
    row = _row(db, update)
    if row["state"] == state:
        return
    settled = to_us(at) if state in (UpdateState.SUCCEEDED, UpdateState.FAILED) else None
    db.execute(
        "UPDATE order_updates SET state = ?, error = ?, settled_at = ? WHERE id = ?", (state, error, settled, update)
    )
    _tell(db, update, at, (row["state"], state), error or why)


def _fail(db: sqlite3.Connection, update: UpdateId, error: str, at: datetime) -> None:
    row = _row(db, update)
    if row["state"] == "failed":
        return
    if row["sent_at"] is not None:
        _move_lines_back(db, row, at, error)
    _settle(db, update, UpdateState.FAILED, error, at)


def _move_lines_back(db: sqlite3.Connection, row: sqlite3.Row, at: datetime, error: str) -> None:
    for line in db.execute(
        "SELECT w.quantity AS units, w.from_state, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line"
        " WHERE w.\"update\" = ? AND w.from_state <> ''",
        (row["id"],),
    ).fetchall():
        # Where the marketplace has moved the line on in the meantime, it has the last word.
        if line["state"] not in (line["from_state"], LEADS_TO[UpdateKind(row["kind"])]):
            continue
        back = line["units"] if row["kind"] == UpdateKind.DISPATCH else 0
        db.execute(
            "UPDATE order_lines SET state = ?, shipped = max(shipped - ?, 0) WHERE id = ?",
            (line["from_state"], back, line["id"]),
        )
        moved = (line["state"], line["from_state"])
        tell(db, at, row["account"], ("order", row["order"]), f"line {line['ref']}", moved=moved, why=error)
    _changed(db, row["account"], row["order"], at)


def _keep_answers(db: sqlite3.Connection, account: AccountName, delivery: Delivery[UpdateAnswer], at: datetime) -> bool:
    kept = record(db, account, DeliveryKind.UPDATE_ANSWER, delivery.file, keep(db, delivery.content, at), at)
    if kept.known:
        return kept.state is DeliveryState.APPLIED
    answers = (delivery.body,) if isinstance(delivery.body, Unreadable) else delivery.body
    faults = [fault for answer in answers if (fault := _apply_answer(db, account, answer, at))]
    move(db, kept.id, DeliveryState.SET_ASIDE if faults else DeliveryState.APPLIED, "; ".join(faults))
    return not faults


def _apply_answer(db: sqlite3.Connection, account: str, answer: UpdateAnswer | Unreadable, at: datetime) -> str:
    """Settle the update that an answer names; returns why that was not possible, or nothing."""
    if isinstance(answer, Unreadable):
        return str(answer)
    row = db.execute(
        # The last condition is the partial index's own: without it SQLite walks through every update.
        "SELECT * FROM order_updates WHERE account = ? AND name = ? AND name <> ''",
        (account, answer.update_name),
    ).fetchone()
    if row is None:
        return f"no update of ours is called {answer.update_name}"
    if answer.accepted:
        if row["sent_at"] is None:
            _move_lines(db, row, at)
        _settle(db, UpdateId(row["id"]), UpdateState.SUCCEEDED, "", at)
    else:
        _fail(db, UpdateId(row["id"]), answer.text, at)
    return ""


def _tell(db: sqlite3.Connection, update: int, at: datetime, moved: tuple[str, str], why: str = "") -> None:
    row = db.execute('SELECT account, "order", kind FROM order_updates WHERE id = ?', (update,)).fetchone()
    tell(db, at, row["account"], ("order", row["order"]), row["kind"], moved=moved, why=why)
