"""What people ask about orders, as plain values: how they stand, what is wrong with them, what happened (L12, J6).

Personal data is in what is asked for with `personal`, and nowhere else (D12).
"""

import json
import sqlite3
from datetime import datetime, timedelta

from daemon.model import AccountName, Deadlines, LineState, OrderNumber, Severity, Timeliness
from daemon.rules.deadlines import due_at, timeliness, worst
from daemon.store import claim_views
from daemon.store.order_errors import OPEN
from daemon.store.plain import PAGE, View, instants, some, timeline
from daemon.store.standings import waiting_line
from daemon.store.times import from_us, iso, to_us


def _deadlines(db: sqlite3.Connection, account: str) -> Deadlines:
    spans = "SELECT accept_within, ship_within, warn_before FROM accounts WHERE name = ?"
    return Deadlines(*(timedelta(microseconds=span) for span in db.execute(spans, (account,)).fetchone()))


def orders_by_timeliness(
    db: sqlite3.Connection, now: datetime, account: str | None = None
) -> dict[Timeliness, dict[str, list[int]]]:
    """The orders that wait for the seller, by how they stand against their deadlines and by account."""
    orders: dict[tuple[str, int], list[Timeliness]] = {}
    deadlines: dict[str, Deadlines] = {}
    for row in db.execute(
        'SELECT o.account, o.id, l.state, l.since FROM order_lines l JOIN orders o ON o.id = l."order"'  # noqa: S608 - our own words
        f" WHERE {waiting_line('l')} AND (:account IS NULL OR o.account = :account)",
        {"account": account},
    ).fetchall():
        if row["account"] not in deadlines:
            deadlines[row["account"]] = _deadlines(db, row["account"])
        terms = deadlines[row["account"]]
        due = due_at(LineState(row["state"]), from_us(int(row["since"])), terms)
        orders.setdefault((row["account"], row["id"]), []).append(timeliness(due, now, terms))
    found: dict[Timeliness, dict[str, list[int]]] = {}
    for (name, order), lines in orders.items():
        found.setdefault(worst(lines), {}).setdefault(name, []).append(order)
    return found


def waiting(db: sqlite3.Connection, now: datetime) -> dict[tuple[str, str], int]:
    """How many orders that wait for the seller stand how against their deadlines, by account and timeliness."""
    names = [row["name"] for row in db.execute("SELECT name FROM accounts ORDER BY name").fetchall()]
    found = orders_by_timeliness(db, now)
    return {(name, each.value): len(found.get(each, {}).get(name, ())) for name in names for each in Timeliness}


def order_errors(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many things are wrong with orders, by account and severity (J6)."""
    names = [row["name"] for row in db.execute("SELECT name FROM accounts ORDER BY name").fetchall()]
    counts = {(name, each.value): 0 for name in names for each in Severity}
    for row in db.execute(
        'SELECT o.account, e.severity, count(*) AS n FROM order_errors e JOIN orders o ON o.id = e."order"'  # noqa: S608 - our own words
        f" WHERE {OPEN} GROUP BY o.account, e.severity"
    ).fetchall():
        counts[row["account"], row["severity"]] = row["n"]
    return counts


def _errors_of(db: sqlite3.Connection, order: int) -> list[View]:
    """What is or was wrong with an order, the worst first; `open` says whether it still waits for somebody."""
    rows = db.execute(
        f'SELECT e.*, {OPEN} AS "open" FROM order_errors e WHERE e."order" = ?'  # noqa: S608 - our own words
        " ORDER BY e.severity <> 'high', e.id",
        (order,),
    ).fetchall()
    return [
        {
            **some(row, "severity", "kind", "line", "text"),
            "open": bool(row["open"]),
            **instants(row, "raised_at", "mended_at"),
        }
        for row in rows
    ]


def order(db: sqlite3.Connection, row: sqlite3.Row, *, personal: bool, now: datetime | None = None) -> View:
    """The order of a row with its lines and what is wrong with it; with `now`, how it stands against its deadlines."""
    deadlines = _deadlines(db, row["account"])
    lines = db.execute(
        'SELECT o.*, l.sku FROM order_lines o LEFT JOIN listings l ON l.id = o.listing WHERE o."order" = ?'
        " ORDER BY o.position",
        (row["id"],),
    ).fetchall()
    view = {
        **some(row, "id", "account", "number", "incomplete", "shipping_method", "payment_method"),
        **instants(row, "ordered_at", "received_at", "changed_at"),
        "test": bool(row["test"]),
        "lines": [_line(line, deadlines, now, personal=personal) for line in lines],
        "errors": _errors_of(db, row["id"]),
        "stuck": claim_views.stuck(db, row["id"]),
    }
    dues = [line["due_at"] for line in view["lines"] if line["due_at"]]
    view["due_at"] = min(dues, default=None)
    if now is not None:
        view["timeliness"] = worst(Timeliness(line["timeliness"]) for line in view["lines"]).value
    if personal:
        # Fields that we have no word for may hold anything, a name or a telephone number too.
        view |= {"extra": json.loads(row["extra"]), **_customers(db, row["id"])}
    return view


def _line(row: sqlite3.Row, deadlines: Deadlines, now: datetime | None, *, personal: bool) -> View:
    names = ("ref", "quantity", "shipped", "cancelled", "refunded", "state", "sku", "ean", "channel_item_id", "title")
    due = due_at(LineState(row["state"]), from_us(int(row["since"])), deadlines)
    view = some(row, *names, "price_minor", "currency") | instants(row, "since")
    view["due_at"] = None if due is None else iso(to_us(due))
    if now is not None:
        view["timeliness"] = timeliness(due, now, deadlines).value
    return view | ({"extra": json.loads(row["extra"])} if personal else {})


def _customers(db: sqlite3.Connection, order: int) -> View:
    row = db.execute('SELECT shipping, billing FROM customers WHERE "order" = ?', (order,)).fetchone()
    return {
        "shipping": json.loads(row["shipping"]) if row else None,
        "billing": json.loads(row["billing"]) if row and row["billing"] else None,
    }


def order_whole(
    db: sqlite3.Connection, account: AccountName, number: OrderNumber, *, personal: bool, now: datetime | None
) -> View | None:
    """One order with its updates, claims and timeline; None when there is none."""
    row = db.execute("SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)).fetchone()
    if row is None:
        return None
    updates = db.execute(
        "SELECT u.*, p.size AS bytes FROM order_updates u LEFT JOIN payloads p ON p.id = u.payload"
        ' WHERE u."order" = ? ORDER BY u.id',
        (row["id"],),
    ).fetchall()
    came = db.execute("SELECT * FROM deliveries WHERE id = ?", (row["delivery"],)).fetchone()
    return {
        **order(db, row, personal=personal, now=now),
        "received": {**some(came, "id", "folder", "name", "size"), **instants(came, "received_at")} if came else None,
        "erased": _erased(db, row["id"]),
        "updates": [_update(db, update) for update in updates],
        "claims": claim_views.claims(db, account, order=row["id"], limit=PAGE, now=now),
        "timeline": timeline(db, "order", row["id"]),
    }


def _erased(db: sqlite3.Connection, order: int) -> View | None:
    """When and why the customer was erased on request; None when nobody asked (D12)."""
    row = db.execute('SELECT at, reason FROM erasures WHERE "order" = ? ORDER BY id DESC LIMIT 1', (order,)).fetchone()
    return None if row is None else {**instants(row, "at"), "reason": row["reason"]}


def _update(db: sqlite3.Connection, row: sqlite3.Row) -> View:
    lines = db.execute(
        "SELECT l.ref, u.quantity, u.reason, u.out_of_stock FROM update_lines u JOIN order_lines l ON l.id = u.line"
        ' WHERE u."update" = ? ORDER BY l.position',
        (row["id"],),
    ).fetchall()
    return {
        **some(row, "id", "kind", "state", "name", "error", "bytes", "claim", "resends"),
        **instants(row, "created_at", "sent_at", "settled_at"),
        "parcel": _parcel(row["parcel"]),
        "cancels": bool(row["cancels"]),
        "lines": [
            {**some(line, "ref", "quantity", "reason"), "out_of_stock": bool(line["out_of_stock"])} for line in lines
        ],
    }


def _parcel(text: str | None) -> View | None:
    if text is None:
        return None
    parcel: View = json.loads(text)
    return {**parcel, "shipped_at": iso(parcel["shipped_at"])}


def whole_order(db: sqlite3.Connection, row: sqlite3.Row) -> View:
    """An order with personal data, as `export_orders` gives it."""
    return order(db, row, personal=True)


def order_page(db: sqlite3.Connection, sql: str, values: View) -> tuple[list[View], View]:
    """A page of orders with personal data, and the place to go on from (S2)."""
    rows = db.execute(sql, values).fetchall()
    last = rows[-1] if rows else None
    place = {"changed": last["changed_at"], "id": last["id"]} if last else {}
    return [order(db, row, personal=True) for row in rows], place
