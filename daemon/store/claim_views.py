"""What people ask about claims, and how much of an account waits for a person, as plain values (J12, J13)."""

import json
import sqlite3
from datetime import datetime

from daemon.model import ClaimState
from daemon.store.claim_fates import meant
from daemon.store.plain import View
from daemon.store.times import iso, to_us

#: claims that a person may have to do something about
NEEDS_A_PERSON = (ClaimState.OPEN, ClaimState.TOO_LATE, ClaimState.WAITING, ClaimState.INCOMPLETE)

# The words of the partial indexes, so that SQLite uses them.
_CLAIMS = (
    "SELECT account, 'claims_' || state, count(*) FROM claims"
    " WHERE state IN ('incomplete', 'waiting', 'open', 'accepted', 'too_late') GROUP BY account, state"
)
_IN_DOUBT = (
    "SELECT account, 'updates_in_doubt', count(*) FROM order_updates"
    " WHERE state IN ('pending', 'sending', 'sent', 'in_doubt') AND state = 'in_doubt' GROUP BY account"
)
# A failed update of which nobody has said the same once more, though its lines could still bear it.
_STANDS_FAILED = (
    "u.state = 'failed' AND EXISTS (SELECT 1 FROM update_lines w JOIN order_lines l ON l.id = w.line"
    " WHERE w.\"update\" = u.id AND (l.state IN ('new', 'accepted', 'to_ship')"
    "  OR (u.kind = 'refund' AND l.state IN ('shipped', 'completed'))))"
    ' AND NOT EXISTS (SELECT 1 FROM update_lines w JOIN update_lines x ON x.line = w.line AND x."update" > w."update"'
    '  JOIN order_updates v ON v.id = x."update" AND v.kind = u.kind WHERE w."update" = u.id)'
)
_FAILED = f"SELECT u.account, 'updates_failed', count(*) FROM order_updates u WHERE {_STANDS_FAILED} GROUP BY u.account"  # noqa: S608
#: updates `u` of orders that wait for a person, because they failed or nobody knows whether they arrived
STUCK = f"(u.state = 'in_doubt' OR ({_STANDS_FAILED}))"


def claims(
    db: sqlite3.Connection,
    account: str | None,
    *,
    state: str | None = None,
    order: int | None = None,
    limit: int,
    before: int | None = None,
    now: datetime | None = None,
) -> list[View]:
    """Claims, the newest first."""
    rows = db.execute(
        "SELECT * FROM claims WHERE (:account IS NULL OR account = :account) AND (:state IS NULL OR state = :state)"
        ' AND (:order IS NULL OR "order" = :order) AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit',
        {"account": account, "state": state, "order": order, "before": before, "limit": limit},
    ).fetchall()
    return [_claim(db, row, now) for row in rows]


def claim(db: sqlite3.Connection, account: str, number: int, *, personal: bool, now: datetime | None) -> View | None:
    """One claim with the updates that answered it; `personal` adds fields of it that may hold anything (D12)."""
    row = db.execute("SELECT * FROM claims WHERE account = ? AND id = ?", (account, number)).fetchone()
    if row is None:
        return None
    updates = db.execute("SELECT * FROM order_updates WHERE claim = ? ORDER BY id", (number,)).fetchall()
    came = db.execute("SELECT * FROM deliveries WHERE id = ?", (row["delivery"],)).fetchone()
    view = _claim(db, row, now) | {
        "received": {name: came[name] for name in ("id", "folder", "name", "size")},
        "updates": [
            {name: update[name] for name in ("id", "kind", "state", "name", "error")}
            | {"created_at": iso(update["created_at"]), "sent_at": iso(update["sent_at"])}
            for update in updates
        ],
    }
    return view | ({"extra": json.loads(row["extra"])} if personal else {})


def attention(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How much waits for a person, by account and what: claims by state, and updates that failed or are in doubt."""
    names = [row["name"] for row in db.execute("SELECT name FROM accounts ORDER BY name").fetchall()]
    whats = [*(f"claims_{state}" for state in NEEDS_A_PERSON), "updates_failed", "updates_in_doubt"]
    found = {(name, what): 0 for name in names for what in whats}
    for sql in (_CLAIMS, _FAILED, _IN_DOUBT):
        for account, what, count in db.execute(sql).fetchall():
            if (account, what) in found:
                found[account, what] = count
    return found


def stuck(db: sqlite3.Connection, order: int) -> list[View]:
    """The updates of an order that failed or are in doubt, and wait for a person (J13)."""
    rows = db.execute(
        f'SELECT u.id, u.kind, u.state, u.error FROM order_updates u WHERE u."order" = ? AND {STUCK} ORDER BY u.id',  # noqa: S608
        (order,),
    ).fetchall()
    return [dict(row) for row in rows]


def _claim(db: sqlite3.Connection, row: sqlite3.Row, now: datetime | None) -> View:
    possible: dict[str, int] = {}
    if row["order"] is not None and row["state"] == ClaimState.OPEN:
        possible = {line.ref: line.possible for line in meant(db, row)[0]}
    lines = db.execute("SELECT * FROM claim_lines WHERE claim = ? ORDER BY ref", (row["id"],)).fetchall()
    names = ("id", "account", "kind", "state", "why", "reason", "repeats")
    view = {name: row[name] for name in names} | {"order": row["number"], "known": row["order"] is not None}
    view |= {name: iso(row[name]) for name in ("received_at", "changed_at", "answer_by", "repeated_at")}
    waits = row["state"] in NEEDS_A_PERSON and row["answer_by"] is not None
    view["late"] = waits and now is not None and to_us(now) >= row["answer_by"]
    view["lines"] = [
        {name: line[name] for name in ("ref", "quantity", "channel_item_id", "reason")}
        | {"possible": possible.get(line["ref"], 0)}
        for line in lines
    ]
    return view
