"""How a claim stands by what became of the units that it means: open, answered, outrun by a dispatch (J12)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.model import ClaimState, OrderNumber, UpdateState
from daemon.store.events import tell
from daemon.store.times import to_us

_ON_ITS_WAY = (UpdateState.PENDING, UpdateState.SENDING, UpdateState.SENT, UpdateState.IN_DOUBT)
_WAS_OPEN = (ClaimState.OPEN, ClaimState.ACCEPTED, ClaimState.ANSWERED, ClaimState.OUTRUN)


@dataclass(frozen=True, slots=True)
class Meant:
    """What became of the units of one line that a claim means.

    `free` units of the line have neither left nor been cancelled, `leaving` ones of them stand in dispatches that are
    on their way; `cancelled` ones of the line were cancelled otherwise than for another claim.
    """

    ref: str
    asked: int
    quantity: int
    free: int
    leaving: int
    shipped: int
    cancelled: int

    @property
    def possible(self) -> int:
        """The units of it that can still be cancelled."""
        return max(min(self.asked, self.free - self.leaving), 0)


def match_waiting(db: sqlite3.Connection, account: str, orders: Mapping[OrderNumber, int], at: datetime) -> None:
    """Orders have turned up: the claims that waited for one of them are its own from now on."""
    waiting = db.execute(
        'SELECT DISTINCT number FROM claims WHERE account = ? AND "order" IS NULL'
        " AND number IN (SELECT value FROM json_each(?))",
        (account, json.dumps(list(orders))),
    ).fetchall()
    for (number,) in waiting:
        db.execute(
            'UPDATE claims SET "order" = ? WHERE account = ? AND number = ? AND "order" IS NULL',
            (orders[number], account, number),
        )
        follow(db, orders[number], at)


def follow(db: sqlite3.Connection, order: int, at: datetime) -> None:
    """Judge every claim of an order by how its lines and updates stand now.

    What an error learnt late has undone opens a claim again (J13).
    """
    for claim in db.execute(
        "SELECT * FROM claims WHERE \"order\" = ? AND state NOT IN ('incomplete', 'closed') ORDER BY id", (order,)
    ).fetchall():
        state, why = _fate(db, claim)
        if (state, why) != (claim["state"], claim["why"]):
            put_fate(db, claim, state, why, at)


def put_fate(db: sqlite3.Connection, claim: sqlite3.Row, state: ClaimState, why: str, at: datetime) -> None:
    """Let a claim stand like that from now on, and say so on its order."""
    db.execute(
        "UPDATE claims SET state = ?, why = ?, changed_at = ? WHERE id = ?", (state, why, to_us(at), claim["id"])
    )
    if claim["order"] is not None and state != claim["state"]:
        what = f"{claim['kind']} claim {claim['id']}"
        tell(db, at, claim["account"], ("order", claim["order"]), what, moved=(claim["state"], state), why=why)


def meant(db: sqlite3.Connection, claim: sqlite3.Row) -> tuple[list[Meant], list[str]]:
    """The lines that a claim means as they stand now, and its references of which the order has no line."""
    rows = db.execute(
        "SELECT c.ref, c.quantity AS asked, l.id, l.quantity, l.shipped, l.cancelled,"
        ' (SELECT coalesce(sum(w.quantity), 0) FROM update_lines w JOIN order_updates u ON u.id = w."update"'
        "  WHERE w.line = l.id AND u.kind = 'dispatch' AND u.state IN ('pending', 'sending', 'in_doubt')) AS leaving,"
        ' (SELECT coalesce(sum(w.quantity), 0) FROM update_lines w JOIN order_updates u ON u.id = w."update"'
        "  WHERE w.line = l.id AND u.kind = 'cancellation' AND w.from_state <> '' AND u.claim <> c.claim) AS others"
        ' FROM claim_lines c LEFT JOIN order_lines l ON l."order" = ? AND l.ref = c.ref WHERE c.claim = ?'
        " ORDER BY l.position, c.ref",
        (claim["order"], claim["id"]),
    ).fetchall()
    found = [
        Meant(
            *(row["ref"], row["asked"], row["quantity"], row["quantity"] - row["shipped"] - row["cancelled"]),
            *(row["leaving"], row["shipped"], row["cancelled"] - row["others"]),
        )
        for row in rows
        if row["id"] is not None
    ]
    return found, [row["ref"] for row in rows if row["id"] is None]


def forget_requests(db: sqlite3.Connection, account: str, before: datetime, orders: Sequence[int]) -> None:
    """Forget what requests about these orders said in words, and old ones about orders of which nobody is left (D12).

    Those are orders that never came, and orders whose customer had been erased when the request came.
    """
    claims = [
        claim
        for order in orders
        for (claim,) in db.execute('SELECT id FROM claims WHERE "order" = ?', (order,)).fetchall()
    ]
    claims += [
        claim
        for (claim,) in db.execute(
            "SELECT c.id FROM claims c WHERE c.account = ? AND c.changed_at < ? AND (c.reason <> '' OR c.extra <> '{}')"
            ' AND NOT EXISTS (SELECT 1 FROM customers k WHERE k."order" = c."order")',
            (account, to_us(before)),
        ).fetchall()
    ]
    for claim in claims:
        db.execute("UPDATE claims SET extra = '{}', reason = '' WHERE id = ?", (claim,))
        db.execute("UPDATE claim_lines SET reason = '' WHERE claim = ?", (claim,))


def _fate(db: sqlite3.Connection, claim: sqlite3.Row) -> tuple[ClaimState, str]:
    incomplete = db.execute("SELECT incomplete FROM orders WHERE id = ?", (claim["order"],)).fetchone()[0]
    if incomplete:
        return ClaimState.WAITING, f"its order is incomplete: {incomplete}"
    lines, unknown = meant(db, claim)
    answer = db.execute(
        "SELECT * FROM order_updates WHERE claim = ? ORDER BY created_at DESC LIMIT 1", (claim["id"],)
    ).fetchone()
    if answer is not None and answer["state"] in _ON_ITS_WAY:
        return ClaimState.ACCEPTED, claim["why"] if claim["state"] == ClaimState.ACCEPTED else ""
    if answer is not None and answer["state"] == UpdateState.SUCCEEDED:
        return ClaimState.ANSWERED, _shortfall(db, claim, answer)
    failed = f"its acknowledgement failed: {answer['error']}" if answer is not None else ""
    if lines and not any(line.free for line in lines):
        return _gone(ClaimState(claim["state"]), lines)
    return ClaimState.OPEN, "; ".join(filter(None, (claim["doubt"], failed, *_obstacles(claim, lines, unknown))))


def _gone(state: ClaimState, lines: Sequence[Meant]) -> tuple[ClaimState, str]:
    """What a claim is of whose units none is left."""
    if all(line.cancelled >= line.asked for line in lines):
        return ClaimState.ANSWERED, "its units were cancelled without it"
    why = "; ".join(
        f"line {line.ref}: {line.asked} asked, of {line.quantity} ordered {line.shipped} dispatched and"
        f" {line.quantity - line.shipped - line.free} cancelled"
        for line in lines
    )
    return ClaimState.OUTRUN if state in _WAS_OPEN else ClaimState.TOO_LATE, why


def _obstacles(claim: sqlite3.Row, lines: Sequence[Meant], unknown: Sequence[str]) -> list[str]:
    """What a person should know before accepting a claim."""
    told = [f"order {claim['number']} has no line {ref}" for ref in unknown]
    for line in lines:
        if line.asked > line.free:
            told.append(f"line {line.ref}: {line.asked} asked, and only {line.free} of {line.quantity} are left")
        if line.leaving and line.asked > line.free - line.leaving:
            told.append(f"line {line.ref}: a dispatch of {line.leaving} units is on its way")
    return told


def _shortfall(db: sqlite3.Connection, claim: sqlite3.Row, answer: sqlite3.Row) -> str:
    """Which units the answer did not cancel."""
    rows = db.execute(
        "SELECT c.ref, c.quantity AS asked, coalesce(w.quantity, 0) AS cancelled FROM claim_lines c"
        ' LEFT JOIN order_lines l ON l."order" = ? AND l.ref = c.ref'
        ' LEFT JOIN update_lines w ON w.line = l.id AND w."update" = ? WHERE c.claim = ? ORDER BY c.ref',
        (claim["order"], answer["id"], claim["id"]),
    ).fetchall()
    short = [row for row in rows if row["cancelled"] < row["asked"]]
    return "; ".join(f"line {row['ref']}: {row['cancelled']} of {row['asked']} units cancelled" for row in short)
