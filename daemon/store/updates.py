"""Order updates from the seller's decision to the marketplace's answer, one open at a time (L13, L14, L18, J7-J11)."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NewType

from daemon.errors import NotAllowed, Unreadable
from daemon.model import (
    AccountName,
    Delivery,
    LegalMoves,
    LineState,
    OrderNumber,
    OrderUpdate,
    Parcel,
    UpdateAnswer,
    UpdateKind,
    UpdateLine,
    UpdateState,
)
from daemon.rules.moves import LEADS_TO, after, cancel_hindrance, hindrance, left, now_possible, undone
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryKind, DeliveryState, move, record
from daemon.store.events import tell
from daemon.store.generation import count_send, doubt_if_restored
from daemon.store.orders import change_stamp, put_standing, standing
from daemon.store.payloads import keep
from daemon.store.times import from_us, to_us

UpdateId = NewType("UpdateId", int)
#: lines of an order by reference, each with its units; None is all of them
Choice = Sequence[tuple[str, int | None]] | None

#: kinds that share the units of a line which have not left
_UNTIL_LEFT = frozenset({UpdateKind.DISPATCH, UpdateKind.CANCELLATION})


@dataclass(frozen=True, slots=True)
class DueUpdate:
    """An update with its row, so that its fate can be recorded."""

    id: UpdateId
    state: UpdateState
    update: OrderUpdate


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """What a request to cancel or refund became: updates in their order, and why other lines were left out (L14)."""

    updates: tuple[OrderUpdate, ...]
    left_out: tuple[str, ...] = ()


class Updates:
    """What the seller decided about orders, and how far it has come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        account: AccountName,
        number: OrderNumber,
        kind: UpdateKind,
        lines: Choice,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        parcel: Parcel | None = None,
        reason: str = "",
        out_of_stock: bool = False,
    ) -> OrderUpdate:
        """Record a decision; it is sent when its turn comes.

        `lines` are references and units, None units being all that are left; no lines at all means every line for which
        the move is legal. Raises NotAllowed, which says why and what would be possible instead.
        """

        def work(db: sqlite3.Connection) -> OrderUpdate:
            order = _order(db, account, number)
            new = _New(kind, _wanted(db, order, kind, lines, legal_moves), parcel, reason, out_of_stock)
            return _insert(db, order, new, at, legal_moves)

        return await self._database.write(work)

    async def cancel(
        self,
        account: AccountName,
        number: OrderNumber,
        lines: Choice,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        reason: str = "",
    ) -> CancelRequest:
        """Record the one request "cancel or refund" as the updates that it takes, line by line (L14).

        Lines of one order may need different ones: each kind becomes an update of its own, sent one after the other.
        `lines` as in `open`, except that without any a line that cannot be cancelled is left out and told. Raises
        NotAllowed when nothing can be done, or not for every line that was named.
        """

        def work(db: sqlite3.Connection) -> CancelRequest:
            order = _order(db, account, number)
            chosen, left_out = _cancelled(db, order, lines, legal_moves)
            updates = [
                _insert(db, order, _New(kind, chosen[kind], reason=reason, cancels=True), at, legal_moves)
                for kind in legal_moves.cancels
                if chosen[kind]
            ]
            return CancelRequest(tuple(updates), tuple(left_out))

        return await self._database.write(work)

    async def acknowledge_new(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acknowledgement for every complete order that has none (J7)."""
        return await self._decide_new(account, UpdateKind.ACKNOWLEDGEMENT, legal_moves, at)

    async def accept_in_stock(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acceptance for every new order whose every new line is in stock, the oldest first (L13).

        In stock is what the listing has, less the units that open orders were promised: those of lines that are
        accepted or to be shipped, or whose acceptance is on its way.
        """
        return await self._decide_new(account, UpdateKind.ACCEPTANCE, legal_moves, at, _in_stock)

    async def _decide_new(
        self,
        account: AccountName,
        kind: UpdateKind,
        legal_moves: LegalMoves,
        at: datetime,
        ready: Callable[[sqlite3.Connection, int], bool] = lambda _db, _order: True,
    ) -> int:
        def work(db: sqlite3.Connection) -> int:
            orders = db.execute(
                f"SELECT o.* FROM orders o WHERE o.account = ? AND o.incomplete = '' AND {_NEW} ORDER BY o.id",  # noqa: S608
                (account,),
            ).fetchall()
            decided = 0
            for order in orders:
                if ready(db, order["id"]):
                    _insert(db, order, _New(kind, _wanted(db, order, kind, None, legal_moves)), at, legal_moves)
                    doubt_if_restored(db, order)
                    decided += 1
            return decided

        return await self._database.write(work)

    async def due(self, account: AccountName, limit: int = 500, *, cancels: bool | None = None) -> list[DueUpdate]:
        """Updates whose turn it is: the oldest of each order that has none open.

        `cancels` gives only those of requests to cancel or refund, or only the others (L14).
        """
        values = (account, cancels, cancels, limit)
        return await self._database.read(lambda db: _load(db, f"{_DUE} LIMIT ?", values))

    async def in_doubt(self, account: AccountName, *, cancels: bool | None = None) -> list[DueUpdate]:
        """Updates that may have arrived, so that the marketplace can be asked; `cancels` as in `due`."""
        where = (
            f"u.account = ? AND {_UNSETTLED} AND u.state = 'in_doubt'"
            " AND (? IS NULL OR u.cancels = ?) ORDER BY u.created_at"
        )
        return await self._database.read(lambda db: _load(db, where, (account, cancels, cancels)))

    async def doubt_restored(self, account: AccountName, name_of: Callable[[OrderUpdate], str], at: datetime) -> int:
        """Put in doubt what the database that this one replaced may have sent, each when its turn comes (P29).

        `name_of` gives the name under which it would have been sent. Returns how many.
        """
        doubtful = f"u.account = ? AND u.doubtful = 1 AND {_DUE_NOW}"
        if not await self._database.read(lambda db: _load(db, doubtful, (account,))):
            return 0

        def work(db: sqlite3.Connection) -> int:
            due = _load(db, doubtful, (account,))
            for one in due:
                name = name_of(one.update)
                db.execute("UPDATE order_updates SET doubtful = 0, name = ? WHERE id = ?", (name, one.id))
                why = "the database was restored from an older one, which may have sent it"
                _settle(db, one.id, UpdateState.IN_DOUBT, why, at)
            return len(due)

        return await self._database.write(work)

    async def overtaken(self, update: UpdateId, legal_moves: LegalMoves, at: datetime) -> str:
        """Close a waiting update that has become pointless or illegal; returns why, empty where it may go.

        Lines may have been moved elsewhere, at the seller portal say, since the seller decided (L12).
        """

        def work(db: sqlite3.Connection) -> str:
            row = _row(db, update)
            why = _overtaken(db, row, legal_moves) if row["state"] == UpdateState.PENDING else ""
            if why:
                _fail(db, update, why, at)
            return why

        return await self._database.write(work)

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
            count_send(db)

        await self._database.claim(work)

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
            if state is UpdateState.SUCCEEDED:
                _settle_lines(db, row, at)

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
#: the words of the partial index of the schema, so that SQLite uses it
_UNSETTLED = "u.state IN ('pending', 'sending', 'sent', 'in_doubt')"
_DUE_NOW = (
    f"{_UNSETTLED} AND u.state = 'pending' AND NOT EXISTS (SELECT 1 FROM order_updates v"  # noqa: S608
    ' WHERE v."order" = u."order" AND v.created_at < u.created_at'
    " AND v.state IN ('pending', 'sending', 'sent', 'in_doubt'))"
)
# What may have been sent by a database that this one replaced is asked about first.
_DUE = f"u.account = ? AND {_DUE_NOW} AND u.doubtful = 0 AND (? IS NULL OR u.cancels = ?) ORDER BY u.created_at"
# Units of a listing that open orders were promised and that have not left.
_PROMISED = (
    "SELECT coalesce(sum(l.quantity - l.shipped - l.cancelled), 0) FROM order_lines l WHERE l.listing = ?"
    " AND (l.state IN ('accepted', 'to_ship') OR (l.state = 'new' AND EXISTS (SELECT 1 FROM update_lines w"
    " JOIN order_updates u ON u.id = w.\"update\" WHERE w.line = l.id AND u.kind = 'acceptance'"
    " AND u.state IN ('pending', 'sending', 'in_doubt'))))"
)


@dataclass(frozen=True, slots=True)
class _New:
    """An update that is about to be recorded; `lines` are rows of lines with their units."""

    kind: UpdateKind
    lines: Sequence[tuple[int, int]]
    parcel: Parcel | None = None
    reason: str = ""
    out_of_stock: bool = False
    cancels: bool = False


def _in_stock(db: sqlite3.Connection, order: int) -> bool:
    """Whether every line of an order that waits for acceptance can be served."""
    wanted: Counter[int | None] = Counter()
    for line in db.execute(
        "SELECT listing, quantity FROM order_lines WHERE \"order\" = ? AND state = 'new'", (order,)
    ).fetchall():
        wanted[line["listing"]] += line["quantity"]
    for listing, units in wanted.items():
        row = db.execute("SELECT stock, ended FROM listings WHERE id = ?", (listing,)).fetchone()
        if row is None or row["ended"]:
            return False
        if (row["stock"] or 0) - db.execute(_PROMISED, (listing,)).fetchone()[0] < units:
            return False
    return True


def _order(db: sqlite3.Connection, account: AccountName, number: OrderNumber) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)
    ).fetchone()
    if row is None:
        raise NotAllowed(f"account {account} has no order {number}")
    if row["incomplete"]:
        raise NotAllowed(f"order {number} is incomplete and must not be worked on: {row['incomplete']}")
    return row


def _lines(db: sqlite3.Connection, order: sqlite3.Row) -> dict[str, sqlite3.Row]:
    rows = db.execute('SELECT * FROM order_lines WHERE "order" = ? ORDER BY position', (order["id"],)).fetchall()
    return {row["ref"]: row for row in rows}


def _wanted(
    db: sqlite3.Connection, order: sqlite3.Row, kind: UpdateKind, lines: Choice, legal_moves: LegalMoves
) -> list[tuple[int, int]]:
    """The lines of an update as (row, units), every one of them legal."""
    if kind not in legal_moves:
        known = ", ".join(sorted(legal_moves.from_states))
        raise NotAllowed(f"this marketplace knows no {kind}; it knows {known}")
    rows, booked = _lines(db, order), _booked(db, order["id"])
    free = {ref: _left(row, kind, booked[row["id"]], legal_moves) for ref, row in rows.items()}
    if lines is None:
        legal = [ref for ref, row in rows.items() if not hindrance(standing(row), kind, legal_moves)]
        lines = [(ref, free[ref]) for ref in legal if free[ref] > 0]
        if not lines:
            raise NotAllowed(_nothing(order["number"], kind, rows.values(), booked, legal_moves))
    _check_once(lines)
    wanted = [(ref, free.get(ref, 0) if quantity is None else quantity) for ref, quantity in lines]
    for ref, quantity in wanted:
        _check(order["number"], kind, rows.get(ref), ref, quantity, free.get(ref, 0), legal_moves)
    return [(rows[ref]["id"], quantity) for ref, quantity in wanted]


def _check_once(lines: Sequence[tuple[str, int | None]]) -> None:
    if len({ref for ref, _ in lines}) != len(lines):
        raise NotAllowed("a line stands twice in this update; give each once, with all its units")


Booked = Mapping[int, Mapping[UpdateKind, int]]


def _booked(db: sqlite3.Connection, order_id: int) -> Booked:
    """Units per line and kind that stand in updates which have not moved their lines yet."""
    found: defaultdict[int, Counter[UpdateKind]] = defaultdict(Counter)
    for line, kind, units in db.execute(
        'SELECT l.line, u.kind, sum(l.quantity) FROM update_lines l JOIN order_updates u ON u.id = l."update"'
        " WHERE u.\"order\" = ? AND u.state IN ('pending', 'sending', 'in_doubt') GROUP BY l.line, u.kind",
        (order_id,),
    ).fetchall():
        found[line][UpdateKind(kind)] = units
    return found


def _left(row: sqlite3.Row, kind: UpdateKind, booked: Mapping[UpdateKind, int], legal_moves: LegalMoves) -> int:
    """The units of a line of which an update of this kind could still be said, beside those on their way."""
    by_units = kind in legal_moves.by_units
    if not by_units:
        return 0 if booked else left(standing(row), kind, by_units=False)
    alike = _UNTIL_LEFT if kind in _UNTIL_LEFT else {kind}
    on_their_way = sum(units for other, units in booked.items() if other in alike)
    return left(standing(row), kind, by_units=True) - on_their_way


def _check(
    number: str, kind: UpdateKind, row: sqlite3.Row | None, ref: str, quantity: int, free: int, legal_moves: LegalMoves
) -> None:
    if row is None:
        raise NotAllowed(f"order {number} has no line {ref}")
    if why := hindrance(standing(row), kind, legal_moves):
        raise NotAllowed(f"line {ref} of order {number} is {row['state']}: {why}")
    if not 0 < quantity <= free:
        raise NotAllowed(
            f"line {ref} of order {number}: {quantity} units cannot go; {free} of {row['quantity']} are left"
            f" ({row['shipped']} shipped, {row['cancelled']} cancelled, {row['refunded']} refunded,"
            " the rest in updates on their way)"
        )
    if kind not in legal_moves.by_units and quantity != row["quantity"]:
        raise NotAllowed(f"line {ref} of order {number}: {kind} is for the whole line, {row['quantity']} units")


def _nothing(
    number: str, kind: UpdateKind, rows: Iterable[sqlite3.Row], booked: Booked, legal_moves: LegalMoves
) -> str:
    states = ", ".join(f"{row['ref']} {row['state']}" for row in rows)
    waiting = "; an update of it is on its way" if booked else ""
    wanted = " or ".join(sorted(legal_moves.from_states[kind]))
    return f"order {number} has no line for {kind}: that is possible when a line is {wanted}; now {states}{waiting}"


def _cancelled(
    db: sqlite3.Connection, order: sqlite3.Row, lines: Choice, legal_moves: LegalMoves
) -> tuple[dict[UpdateKind, list[tuple[int, int]]], list[str]]:
    """By which kinds a request to cancel goes out, with (row, units) of each, and which lines it leaves out."""
    if not legal_moves.cancels:
        raise NotAllowed("at this marketplace an order can be neither cancelled nor refunded from here")
    rows, booked = _lines(db, order), _booked(db, order["id"])
    chosen: dict[UpdateKind, list[tuple[int, int]]] = {kind: [] for kind in legal_moves.cancels}
    left_out = []
    _check_once(lines or ())
    for ref, quantity in [(ref, None) for ref in rows] if lines is None else lines:
        if ref not in rows:
            raise NotAllowed(f"order {order['number']} has no line {ref}")
        row = rows[ref]
        found = _ways(row, quantity, booked[row["id"]], legal_moves)
        if isinstance(found, str):
            left_out.append(f"line {ref} of order {order['number']} is {row['state']}: {found}")
            continue
        for kind, units in found:
            chosen[kind].append((row["id"], units))
    if left_out and (lines is not None or not any(chosen.values())):
        raise NotAllowed("; ".join(left_out))
    return chosen, left_out


def _ways(
    row: sqlite3.Row, quantity: int | None, booked: Mapping[UpdateKind, int], legal_moves: LegalMoves
) -> list[tuple[UpdateKind, int]] | str:
    """The kinds, with units, by which a line is cancelled; or why it cannot be."""
    if why := cancel_hindrance(standing(row), legal_moves):
        return why
    found = []
    wanted = quantity
    for kind in legal_moves.cancels:
        free = 0 if hindrance(standing(row), kind, legal_moves) else _left(row, kind, booked, legal_moves)
        units = free if wanted is None else min(free, wanted)
        if kind not in legal_moves.by_units and 0 < units < row["quantity"]:
            return f"{kind} is for the whole line, {row['quantity']} units"
        if units > 0:
            found.append((kind, units))
            wanted = None if wanted is None else wanted - units
    if wanted or not found:
        total = sum(units for _, units in found)
        return f"{total} of its {row['quantity']} units can be; the rest was, or is in updates on their way"
    return found


def _overtaken(db: sqlite3.Connection, update: sqlite3.Row, legal_moves: LegalMoves) -> str:
    kind = UpdateKind(update["kind"])
    told = []
    for line in db.execute(
        'SELECT w.quantity AS units, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line WHERE w."update" = ?'
        " ORDER BY l.position",
        (update["id"],),
    ).fetchall():
        stands = standing(line)
        if stands.state is LEADS_TO[kind]:
            told.append(f"line {line['ref']} is {stands.state} already")
        elif hindrance(stands, kind, legal_moves):
            told.append(f"line {line['ref']} is {stands.state} by now; {now_possible(stands.state, legal_moves)}")
        elif line["units"] > (free := left(stands, kind, by_units=kind in legal_moves.by_units)):
            told.append(f"line {line['ref']} has only {free} units left for {kind}")
    return f"not sent, because its lines have moved on: {'; '.join(told)}" if told else ""


def _insert(
    db: sqlite3.Connection, order: sqlite3.Row, new: _New, at: datetime, legal_moves: LegalMoves
) -> OrderUpdate:
    # The instant becomes part of a name that must be unique for ever, even when the clock steps back.
    stamp = db.execute(
        "UPDATE accounts SET last_stamp = max(last_stamp + 1, ?) WHERE name = ? RETURNING last_stamp",
        (to_us(at), order["account"]),
    ).fetchone()[0]
    update = db.execute(
        'INSERT INTO order_updates ("order", account, kind, cancels, settles_to, state, parcel, created_at)'
        " VALUES (?, ?, ?, ?, ?, 'pending', ?, ?) RETURNING id",
        (
            *(order["id"], order["account"], new.kind, int(new.cancels), legal_moves.settled.get(new.kind, "")),
            *(None if new.parcel is None else _parcel_to_json(new.parcel), stamp),
        ),
    ).fetchone()[0]
    db.executemany(
        'INSERT INTO update_lines ("update", line, quantity, reason, out_of_stock) VALUES (?, ?, ?, ?, ?)',
        [(update, line, quantity, new.reason, int(new.out_of_stock)) for line, quantity in new.lines],
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
        "SELECT l.ref, l.channel_item_id, w.quantity, w.reason, w.out_of_stock, i.handling_days FROM update_lines w"
        " JOIN order_lines l ON l.id = w.line LEFT JOIN listings i ON i.id = l.listing"
        ' WHERE w."update" = ? ORDER BY l.position',
        (row["id"],),
    ).fetchall()
    handling = [line["handling_days"] for line in lines if line["handling_days"] is not None]
    return OrderUpdate(
        kind=UpdateKind(row["kind"]),
        order=OrderNumber(row["number"]),
        lines=tuple(
            UpdateLine(
                line["ref"], line["quantity"], line["channel_item_id"], line["reason"], bool(line["out_of_stock"])
            )
            for line in lines
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
    """Move the lines of an update that is there; those that stand moved for it stay, however often it is told."""
    kind = UpdateKind(row["kind"])
    lines = db.execute(
        "SELECT w.quantity AS units, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line"
        " WHERE w.\"update\" = ? AND w.from_state = ''",
        (row["id"],),
    ).fetchall()
    for line in lines:
        stands = after(standing(line), kind, line["units"])
        db.execute(
            'UPDATE update_lines SET from_state = ? WHERE "update" = ? AND line = ?',
            (line["state"], row["id"], line["id"]),
        )
        put_standing(db, line, stands, at)
        why = f"{kind} {row['name'] or row['id']}"
        tell(
            db,
            at,
            row["account"],
            ("order", row["order"]),
            f"line {line['ref']}",
            moved=(line["state"], stands.state),
            why=why,
        )
    if lines:
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
    if state is UpdateState.SUCCEEDED:
        _settle_lines(db, row, at)


def _settle_lines(db: sqlite3.Connection, row: sqlite3.Row, at: datetime) -> None:
    """Where an answered update is the last word about its lines, they come to what it settles to (J10)."""
    if not row["settles_to"]:
        return
    reached = LEADS_TO[UpdateKind(row["kind"])]
    for line in db.execute(
        'SELECT l.* FROM update_lines w JOIN order_lines l ON l.id = w.line WHERE w."update" = ? AND l.state = ?',
        (row["id"], reached),
    ).fetchall():
        end = LineState(row["settles_to"])
        put_standing(db, line, replace(standing(line), state=end), at)
        why = f"{row['kind']} {row['name'] or row['id']} succeeded"
        tell(db, at, row["account"], ("order", row["order"]), f"line {line['ref']}", moved=(reached, end), why=why)
    db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, row["account"], at), row["order"]))


def _fail(db: sqlite3.Connection, update: UpdateId, error: str, at: datetime) -> None:
    row = _row(db, update)
    if row["state"] == "failed":
        return
    _move_lines_back(db, row, at, error)
    _settle(db, update, UpdateState.FAILED, error, at)


def _move_lines_back(db: sqlite3.Connection, row: sqlite3.Row, at: datetime, error: str) -> None:
    lines = db.execute(
        "SELECT w.quantity AS units, w.from_state, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line"
        " WHERE w.\"update\" = ? AND w.from_state <> ''",
        (row["id"],),
    ).fetchall()
    db.execute("UPDATE update_lines SET from_state = '' WHERE \"update\" = ?", (row["id"],))
    for line in lines:
        stands = undone(standing(line), UpdateKind(row["kind"]), line["units"], LineState(line["from_state"]))
        if stands == standing(line):
            continue
        put_standing(db, line, stands, at)
        moved = (line["state"], stands.state)
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
        _move_lines(db, row, at)
        _settle(db, UpdateId(row["id"]), UpdateState.SUCCEEDED, "", at)
    else:
        _fail(db, UpdateId(row["id"]), answer.text, at)
    return ""


def _tell(db: sqlite3.Connection, update: int, at: datetime, moved: tuple[str, str], why: str = "") -> None:
    row = db.execute('SELECT account, "order", kind FROM order_updates WHERE id = ?', (update,)).fetchone()
    tell(db, at, row["account"], ("order", row["order"]), row["kind"], moved=moved, why=why)
