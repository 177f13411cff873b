"""What becomes of an order update, and what that does to its lines: there, answered, turned down, undone (J13, L13)."""

import json
import sqlite3
from dataclasses import replace
from datetime import datetime

from daemon.errors import Unforeseen, Unreadable
from daemon.model import AccountName, Delivery, LineState, UpdateAnswer, UpdateKind, UpdateState
from daemon.rules.moves import LEADS_TO, after, reachable, undone
from daemon.store.claim_fates import follow
from daemon.store.deliveries import DeliveryKind, DeliveryState, move, record, set_aside
from daemon.store.events import tell
from daemon.store.payloads import keep
from daemon.store.standings import change_stamp, put_standing, standing
from daemon.store.times import from_us, to_us
from daemon.store.update_rows import UpdateId, row_of, tell_update, touched


def move_lines(db: sqlite3.Connection, row: sqlite3.Row, at: datetime) -> None:
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
        touched(db, row["account"], row["order"], at)


def settle_open(db: sqlite3.Connection, update: UpdateId, state: UpdateState, error: str, at: datetime) -> None:
    """Say how the sending of an update ended, unless somebody has settled it meanwhile (house law 3)."""
    if row_of(db, update)["state"] in (UpdateState.SENDING, UpdateState.IN_DOUBT):
        settle(db, update, state, error, at)


def settle(
    db: sqlite3.Connection, update: UpdateId, state: UpdateState, error: str, at: datetime, why: str = ""
) -> None:
    """Say how an update stands from now on, with why, and judge the claims of its order anew."""
    row = row_of(db, update)
    if row["state"] == state:
        return
    settled = to_us(at) if state in (UpdateState.SUCCEEDED, UpdateState.FAILED) else None
    db.execute(
        "UPDATE order_updates SET state = ?, error = ?, settled_at = ?, unread_answer = NULL WHERE id = ?",
        (state, error, settled, update),
    )
    tell_update(db, update, at, (row["state"], state), error or why)
    if state is UpdateState.SUCCEEDED:
        settle_lines(db, row, at)
    follow(db, row["order"], at)


def settle_lines(db: sqlite3.Connection, row: sqlite3.Row, at: datetime) -> None:
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


def fail(db: sqlite3.Connection, update: UpdateId, error: str, at: datetime) -> None:
    """The marketplace says no, however late: the lines are as they were before it."""
    row = row_of(db, update)
    if row["state"] == "failed":
        return
    move_lines_back(db, row, at, error)
    settle(db, update, UpdateState.FAILED, error, at)


def move_lines_back(db: sqlite3.Connection, row: sqlite3.Row, at: datetime, error: str) -> None:
    """Put the lines that an update had moved where they were before it."""
    lines = db.execute(
        "SELECT w.quantity AS units, w.from_state, l.* FROM update_lines w JOIN order_lines l ON l.id = w.line"
        " WHERE w.\"update\" = ? AND w.from_state <> ''",
        (row["id"],),
    ).fetchall()
    db.execute("UPDATE update_lines SET from_state = '' WHERE \"update\" = ?", (row["id"],))
    kind, settled = UpdateKind(row["kind"]), LineState(row["settles_to"]) if row["settles_to"] else None
    for line in lines:
        before = LineState(line["from_state"])
        stands = undone(
            *(standing(line), kind, line["units"], before),
            settled=settled,
            ours_since=_rebase(db, row, line["id"], before),
        )
        if stands == standing(line):
            continue
        put_standing(db, line, stands, _stood_since(db, row["order"], line["ref"], stands.state, at))
        moved = (line["state"], stands.state)
        tell(db, at, row["account"], ("order", row["order"]), f"line {line['ref']}", moved=moved, why=error)
    touched(db, row["account"], row["order"], at)


def _stood_since(db: sqlite3.Connection, order: int, ref: str, state: LineState, at: datetime) -> datetime:
    """Since when a line that comes back to a state came to it last: a no of the marketplace gives nobody more time."""
    if state is LineState.NEW:
        row = db.execute("SELECT coalesce(ordered_at, received_at) FROM orders WHERE id = ?", (order,)).fetchone()
    else:
        # When it came to it from an earlier one: to come back to it counts no more than this.
        earlier = [each.value for each in LineState if each is not state and reachable(each, state)]
        row = db.execute(
            "SELECT max(at) FROM events WHERE subject = 'order' AND subject_id = ? AND what = ? AND \"to\" = ?"
            ' AND "from" IN (SELECT value FROM json_each(?))',
            (order, f"line {ref}", state, json.dumps(earlier)),
        ).fetchone()
    # Where the event is past its retention, nobody knows any more.
    first: datetime | None = from_us(row[0])
    return at if first is None else first


def _rebase(db: sqlite3.Connection, row: sqlite3.Row, line: int, before: LineState) -> bool:
    """Let what we moved a line for later have begun where an update that is undone began; whether there was any.

    So a line comes back all the way, in whatever order the errors of its updates are learnt (J13).
    """
    led_to = {LEADS_TO[UpdateKind(row["kind"])].value, row["settles_to"]}
    if row["kind"] == UpdateKind.CANCELLATION:
        led_to.add(LineState.SHIPPED.value)
    later = db.execute(
        'SELECT w."update", w.from_state FROM update_lines w JOIN order_updates u ON u.id = w."update"'
        " WHERE w.line = ? AND w.from_state <> '' AND u.created_at > ?",
        (line, row["created_at"]),
    ).fetchall()
    db.executemany(
        'UPDATE update_lines SET from_state = ? WHERE "update" = ? AND line = ?',
        [(before, each["update"], line) for each in later if each["from_state"] in led_to],
    )
    return bool(later)


def keep_answers(db: sqlite3.Connection, account: AccountName, delivery: Delivery[UpdateAnswer], at: datetime) -> bool:
    """Keep answers and apply them; False when they had to be set aside."""
    kept = record(db, account, DeliveryKind.UPDATE_ANSWER, delivery.file, keep(db, delivery.content, at), at)
    if kept.known and kept.state is not DeliveryState.KEPT:
        return kept.state is DeliveryState.APPLIED
    answers = (delivery.body,) if isinstance(delivery.body, Unreadable) else delivery.body
    faults = [fault for answer in answers if (fault := _apply_answer(db, account, answer, at))]
    move(db, kept.id, DeliveryState.SET_ASIDE if faults else DeliveryState.APPLIED, "; ".join(faults))
    return not faults


def doubt_answers(
    db: sqlite3.Connection, account: AccountName, delivery: Delivery[UpdateAnswer], why: Unforeseen, at: datetime
) -> None:
    """Set answers aside that could not be applied; a person says what became of their updates (J13).

    Only what cannot but work is done here, because what should be done has just failed.
    """
    kept = record(db, account, DeliveryKind.UPDATE_ANSWER, delivery.file, keep(db, delivery.content, at), at)
    set_aside(db, kept.id, delivery.file.name, [why])
    for answer in () if isinstance(delivery.body, Unreadable) else delivery.body:
        row = None if isinstance(answer, Unreadable) else _named(db, account, answer.update_name)
        if row is not None and row["state"] in (UpdateState.SENT, UpdateState.IN_DOUBT):
            text = f"its answer {delivery.file.name} could not be applied: {why}"
            db.execute(
                "UPDATE order_updates SET state = 'in_doubt', error = ?, unread_answer = ? WHERE id = ?",
                (text, kept.id, row["id"]),
            )
            tell_update(db, row["id"], at, (row["state"], UpdateState.IN_DOUBT), text)


def _named(db: sqlite3.Connection, account: str, name: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        # The last condition is the partial index's own: without it SQLite walks through every update.
        "SELECT * FROM order_updates WHERE account = ? AND name = ? AND name <> ''",
        (account, name),
    ).fetchone()
    return row


def _apply_answer(db: sqlite3.Connection, account: str, answer: UpdateAnswer | Unreadable, at: datetime) -> str:
    """Settle the update that an answer names; returns why that was not possible, or nothing."""
    if isinstance(answer, Unreadable):
        return str(answer)
    row = _named(db, account, answer.update_name)
    if row is None:
        return f"no update of ours is called {answer.update_name}"
    if answer.accepted:
        move_lines(db, row, at)
        settle(db, UpdateId(row["id"]), UpdateState.SUCCEEDED, "", at)
    else:
        fail(db, UpdateId(row["id"]), answer.text, at)
    return ""
