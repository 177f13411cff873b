"""An order update as its rows: written once when it is decided, read whole when it is sent (L13, J8)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NewType

from daemon.model import LegalMoves, OrderNumber, OrderUpdate, Parcel, UpdateKind, UpdateLine, UpdateState
from daemon.store.claim_fates import follow
from daemon.store.events import tell
from daemon.store.standings import change_stamp
from daemon.store.times import from_us, to_us

UpdateId = NewType("UpdateId", int)


@dataclass(frozen=True, slots=True)
class DueUpdate:
    """An update with its row, so that its fate can be recorded."""

    id: UpdateId
    state: UpdateState
    update: OrderUpdate


@dataclass(frozen=True, slots=True)
class New:
    """An update that is about to be recorded; `lines` are rows of lines with their units.

    `claim` is the row of the claim that it answers (J12), `resends` that of the failed update that it says again (J13).
    """

    kind: UpdateKind
    lines: Sequence[tuple[int, int]]
    parcel: Parcel | None = None
    reason: str = ""
    out_of_stock: bool = False
    cancels: bool = False
    claim: int | None = None
    resends: int | None = None


def insert(db: sqlite3.Connection, order: sqlite3.Row, new: New, at: datetime, legal_moves: LegalMoves) -> OrderUpdate:
    """Record an update that waits for its turn."""
    # The instant becomes part of a name that must be unique for ever, even when the clock steps back.
    stamp = db.execute(
        "UPDATE accounts SET last_stamp = max(last_stamp + 1, ?) WHERE name = ? RETURNING last_stamp",
        (to_us(at), order["account"]),
    ).fetchone()[0]
    update = db.execute(
        'INSERT INTO order_updates ("order", account, kind, cancels, settles_to, state, parcel, created_at,'
        " claim, resends) VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?) RETURNING id",
        (
            *(order["id"], order["account"], new.kind, int(new.cancels), legal_moves.settled.get(new.kind, "")),
            *(None if new.parcel is None else _parcel_to_json(new.parcel), stamp, new.claim, new.resends),
        ),
    ).fetchone()[0]
    db.executemany(
        'INSERT INTO update_lines ("update", line, quantity, reason, out_of_stock) VALUES (?, ?, ?, ?, ?)',
        [(update, line, quantity, new.reason, int(new.out_of_stock)) for line, quantity in new.lines],
    )
    touched(db, order["account"], order["id"], at)
    tell_update(db, update, at, ("", "pending"))
    return load(db, "u.id = ?", (update,))[0].update


def touched(db: sqlite3.Connection, account: str, order: int, at: datetime) -> None:
    """Something about an order has changed: whoever follows orders sees it again, and its claims are judged anew."""
    db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, account, at), order))
    follow(db, order, at)


def tell_update(db: sqlite3.Connection, update: int, at: datetime, moved: tuple[str, str], why: str = "") -> None:
    """Leave an event on the order of an update."""
    row = db.execute('SELECT account, "order", kind FROM order_updates WHERE id = ?', (update,)).fetchone()
    tell(db, at, row["account"], ("order", row["order"]), row["kind"], moved=moved, why=why)


def load(db: sqlite3.Connection, where: str, parameters: Sequence[object]) -> list[DueUpdate]:
    """Updates whole; a dispatch or a refund with the dispatches of its order that went before (J8, J10)."""
    found = []
    for row in _rows(db, where, parameters):
        update = _update(db, row)
        if update.kind in (UpdateKind.DISPATCH, UpdateKind.REFUND):
            before = "u.\"order\" = ? AND u.kind = 'dispatch' AND u.state IN ('sent', 'succeeded') AND u.created_at < ?"
            earlier = _rows(db, f"{before} ORDER BY u.created_at", (row["order"], row["created_at"]))
            update = replace(update, earlier=tuple(_update(db, one) for one in earlier))
        found.append(DueUpdate(UpdateId(row["id"]), UpdateState(row["state"]), update))
    return found


def _rows(db: sqlite3.Connection, where: str, parameters: Sequence[object]) -> list[sqlite3.Row]:
    return db.execute(
        'SELECT u.*, o.number, o.received_at FROM order_updates u JOIN orders o ON o.id = u."order" WHERE ' + where,  # noqa: S608
        parameters,
    ).fetchall()


def _update(db: sqlite3.Connection, row: sqlite3.Row) -> OrderUpdate:
    lines = db.execute(
        "SELECT l.ref, l.channel_item_id, w.quantity, w.reason, w.out_of_stock, i.handling_days FROM update_lines w"
        " JOIN order_lines l ON l.id = w.line LEFT JOIN listings i ON i.id = l.listing"
        ' WHERE w."update" = ? ORDER BY l.position',
        (row["id"],),
    ).fetchall()
    return OrderUpdate(
        kind=UpdateKind(row["kind"]),
        order=OrderNumber(row["number"]),
        lines=tuple(
            UpdateLine(
                *(line["ref"], line["quantity"], line["channel_item_id"], line["reason"], bool(line["out_of_stock"])),
                handling_days=line["handling_days"],
            )
            for line in lines
        ),
        created_at=from_us(row["created_at"]),
        name=row["name"],
        parcel=None if row["parcel"] is None else parcel_from_json(row["parcel"]),
        received_at=from_us(row["received_at"]),
        in_answer=row["claim"] is not None,
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


def parcel_from_json(text: str) -> Parcel:
    """A parcel as its row keeps it."""
    fields = json.loads(text)
    return Parcel(**{**fields, "shipped_at": from_us(fields["shipped_at"])})


def row_of(db: sqlite3.Connection, update: UpdateId) -> sqlite3.Row:
    """The row of an update."""
    row: sqlite3.Row = db.execute("SELECT * FROM order_updates WHERE id = ?", (update,)).fetchone()
    return row
