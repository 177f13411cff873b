"""What is wrong with orders, as a person should see it: raised once, mended when it is over, never forgotten (J6)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from daemon.model import OrderFault, Severity
from daemon.store.events import Event, tell, tell_all
from daemon.store.filling import insert
from daemon.store.standings import open_line
from daemon.store.times import to_us

_SEVERITY: Mapping[OrderFault, Severity] = {
    OrderFault.INCOMPLETE: Severity.HIGH,
    OrderFault.OTHER_CONTENT: Severity.HIGH,
    OrderFault.UNKNOWN_LISTING: Severity.MEDIUM,
}


class Fault(NamedTuple):
    """What is wrong with an order, or with one of its lines."""

    order: int
    kind: OrderFault
    text: str
    line: str = ""


#: which errors `e` of orders wait for somebody; all but an incomplete order matter only until their lines are done with
OPEN = (
    "e.mended_at IS NULL AND (e.kind = 'incomplete' OR EXISTS (SELECT 1 FROM order_lines x"  # noqa: S608 - our own words
    f' WHERE x."order" = e."order" AND e.line IN (\'\', x.ref) AND {open_line("x")}))'
)


def raise_error(
    db: sqlite3.Connection, account: str, order: int, fault: OrderFault, text: str, at: datetime, *, line: str = ""
) -> None:
    """Let a fault of an order, or of one of its lines, be seen; one that is open already gets the newer text."""
    raise_errors(db, account, [Fault(order, fault, text, line)], at)


def raise_errors(db: sqlite3.Connection, account: str, faults: Sequence[Fault], at: datetime) -> None:
    """Let faults be seen; what was open already with the same words is not told again."""
    if not faults:
        return
    changed = db.execute(
        'INSERT INTO order_errors ("order", line, kind, severity, text, raised_at)'
        " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
        " json_extract(value, '$[3]'), json_extract(value, '$[4]'), ? FROM json_each(?) WHERE true"
        ' ON CONFLICT ("order", line, kind) WHERE mended_at IS NULL'
        " DO UPDATE SET text = excluded.text WHERE text <> excluded.text"
        ' RETURNING "order", kind, text, line',
        (to_us(at), json.dumps([_row(fault) for fault in faults])),
    ).fetchall()
    _tell(db, account, [Fault(order, OrderFault(kind), text, line) for order, kind, text, line in changed], at)


def raise_first(db: sqlite3.Connection, account: str, faults: Sequence[Fault], at: datetime) -> None:
    """Let faults be seen of orders that are new, so that none of theirs can be open already."""
    raised_at = to_us(at)
    columns = ('"order"', "line", "kind", "severity", "text", "raised_at")
    insert(db, "order_errors", columns, [(*_row(fault), raised_at) for fault in faults])
    _tell(db, account, faults, at)


def _row(fault: Fault) -> tuple[int, str, str, str, str]:
    return fault.order, fault.line, fault.kind, _SEVERITY[fault.kind], fault.text


def _tell(db: sqlite3.Connection, account: str, faults: Sequence[Fault], at: datetime) -> None:
    events = [
        Event(("order", order), _what(kind, line), ("", _SEVERITY[kind]), text) for order, kind, text, line in faults
    ]
    tell_all(db, at, account, events)


def mend(
    db: sqlite3.Connection, account: str, order: int, fault: OrderFault, at: datetime, *, line: str | None = None
) -> None:
    """A fault is over: of one line, or wherever in the order it was."""
    for row in db.execute(
        'SELECT * FROM order_errors WHERE "order" = ? AND kind = ? AND mended_at IS NULL AND (? IS NULL OR line = ?)',
        (order, fault, line, line),
    ).fetchall():
        db.execute("UPDATE order_errors SET mended_at = ? WHERE id = ?", (to_us(at), row["id"]))
        tell(db, at, account, ("order", order), _what(fault, row["line"]), moved=(row["severity"], "mended"))


def _what(fault: str, line: str) -> str:
    return f"error {fault}{f' of line {line}' if line else ''}"
