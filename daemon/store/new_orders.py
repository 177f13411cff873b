"""Orders and lines that are new here, written a set at a time: a statement for each table, whatever their number."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import NamedTuple

from daemon.model import Customer, LineState, Order, OrderFault, OrderLine
from daemon.rules.moves import Standing, told
from daemon.store.claim_fates import match_waiting
from daemon.store.deliveries import DeliveryId
from daemon.store.events import Event, tell_all
from daemon.store.order_errors import Fault, raise_errors
from daemon.store.standings import change_stamp, open_line
from daemon.store.times import to_us

_OF_CUSTOMER = [field.name for field in fields(Customer)]


class NewLine(NamedTuple):
    """A line that joins an order, in its place there, in its state since then as far as we know."""

    order: int
    position: int
    line: OrderLine
    since: datetime


def insert_orders(
    db: sqlite3.Connection, account: str, orders: Sequence[tuple[Order, DeliveryId]], at: datetime
) -> None:
    """Keep orders of which none is here, inside the caller's transaction."""
    # The numbers that SQLite would give them: within a transaction nobody else takes one.
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM orders").fetchone()
    ids = range(last + 1, last + 1 + len(orders))
    stamp = change_stamp(db, account, at)
    db.executemany(
        "INSERT INTO orders (id, account, number, ordered_at, received_at, changed_at, incomplete, test,"
        " shipping_method, payment_method, extra, delivery) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(row_id, account, order.number, None if order.ordered_at is None else to_us(order.ordered_at)),
                *(to_us(at), stamp + place, order.incomplete, int(order.test), order.shipping_method),
                *(order.payment_method, text_of(order.extra), delivery),
            )
            for place, (row_id, (order, delivery)) in enumerate(zip(ids, orders, strict=True))
        ],
    )
    numbered = [(row_id, order) for row_id, (order, _) in zip(ids, orders, strict=True)]
    put_customers(db, numbered)
    insert_lines(
        db,
        account,
        [
            NewLine(row_id, position, line, order.ordered_at or at)
            for row_id, order in numbered
            for position, line in enumerate(order.lines)
        ],
    )
    tell_all(
        db,
        at,
        account,
        [
            Event(("order", row_id), "received", ("", summary(order.lines)), why=order.incomplete)
            for row_id, order in numbered
        ],
    )
    incomplete = [
        Fault(row_id, OrderFault.INCOMPLETE, order.incomplete) for row_id, order in numbered if order.incomplete
    ]
    raise_errors(db, account, incomplete, at)
    flag_unknown(db, account, ids, at)
    match_waiting(db, account, {order.number: row_id for row_id, order in numbered}, at)


def put_customers(db: sqlite3.Connection, orders: Sequence[tuple[int, Order]]) -> None:
    """Say who gets the goods of orders; what was said before is replaced."""
    db.executemany(
        'INSERT INTO customers ("order", shipping, billing) VALUES (?, ?, ?)'
        ' ON CONFLICT ("order") DO UPDATE SET shipping = excluded.shipping, billing = excluded.billing',
        [
            (row_id, customer_text(order.shipping), None if order.billing is None else customer_text(order.billing))
            for row_id, order in orders
        ],
    )


def insert_lines(db: sqlite3.Connection, account: str, lines: Sequence[NewLine]) -> None:
    """Let lines join their orders, each with the listing that it is about where one is known."""
    listing = _listings(db, account, [new.line for new in lines])
    stands = {
        (state, quantity): told(Standing(LineState.NEW, quantity), state)
        for state, quantity in {(new.line.state, new.line.quantity) for new in lines}
    }
    db.executemany(
        'INSERT INTO order_lines ("order", ref, position, quantity, shipped, cancelled, refunded, state, since, ean,'
        " channel_item_id, listing, title, price_minor, currency, extra)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            _row(new, stands[new.line.state, new.line.quantity], listing.get((new.line.channel_item_id, new.line.ean)))
            for new in lines
        ],
    )


def flag_unknown(db: sqlite3.Connection, account: str, orders: Sequence[int], at: datetime) -> None:
    """Open lines whose article no listing has are kept, and a person is told of each."""
    sql = (
        'SELECT l."order", l.ref, l.channel_item_id, l.ean FROM order_lines l'  # noqa: S608 - our own words
        f' WHERE l."order" IN (SELECT value FROM json_each(?)) AND l.listing IS NULL AND {open_line("l")}'
        ' ORDER BY l."order", l.position'
    )
    faults = []
    for order, ref, channel_item_id, ean in db.execute(sql, (json.dumps(list(orders)),)):
        named = [("channel item id", channel_item_id), ("EAN", ean)]
        if article := " or the ".join(f"{name} {value}" for name, value in named if value):
            faults.append(Fault(order, OrderFault.UNKNOWN_LISTING, f"no listing has the {article}", line=ref))
    raise_errors(db, account, faults, at)


def _row(new: NewLine, stands: Standing, listing: int | None) -> tuple[str | int | None, ...]:
    order, position, line, since = new
    price = line.unit_price
    return (
        *(order, line.ref, position, line.quantity, stands.shipped, stands.cancelled, stands.refunded),
        *(stands.state, to_us(since), line.ean, line.channel_item_id, listing, line.title),
        *(None if price is None else price.minor, "" if price is None else price.currency, text_of(line.extra)),
    )


def _listings(db: sqlite3.Connection, account: str, lines: Sequence[OrderLine]) -> dict[tuple[str, str], int]:
    """(channel item id, EAN) → the listing that a line with them is about, for those that have one."""
    wanted = {(line.channel_item_id, line.ean) for line in lines}
    by_number = _known(db, account, "channel_item_id", {number for number, _ in wanted})
    by_ean = _known(db, account, "ean", {ean for _, ean in wanted})
    # The retailer may still name a number that it has changed since (J2).
    former = _former(db, account, {number for number, _ in wanted if number not in by_number})
    found = {}
    for number, ean in wanted:
        listing = by_number.get(number) or by_ean.get(ean) or former.get(number)
        if listing is not None:
            found[number, ean] = listing
    return found


def _known(db: sqlite3.Connection, account: str, column: str, values: set[str]) -> dict[str, int]:
    sql = (
        f"SELECT {column}, min(id) FROM listings WHERE account = ?"  # noqa: S608 - our own words
        # The last condition is the partial index's own: without it SQLite walks through every listing.
        f" AND {column} IN (SELECT value FROM json_each(?)) AND {column} <> '' GROUP BY {column}"
    )
    values = values - {""}
    return dict(db.execute(sql, (account, _json(values))).fetchall()) if values else {}


def _former(db: sqlite3.Connection, account: str, numbers: set[str]) -> dict[str, int]:
    sql = (
        "SELECT channel_item_id, listing FROM former_numbers WHERE account = ?"
        " AND channel_item_id IN (SELECT value FROM json_each(?)) ORDER BY until"
    )
    return dict(db.execute(sql, (account, _json(numbers))).fetchall()) if numbers else {}


def _json(values: set[str]) -> str:
    return json.dumps(sorted(values))


def customer_text(customer: Customer) -> str:
    """A customer as it is kept."""
    return json.dumps({name: getattr(customer, name) for name in _OF_CUSTOMER}, ensure_ascii=False)


def text_of(extra: Mapping[str, str]) -> str:
    """The fields that we have no word for, as they are kept."""
    return json.dumps(dict(extra), ensure_ascii=False) if extra else "{}"


def summary(lines: Sequence[OrderLine]) -> str:
    """The states of some lines, for an event."""
    return ", ".join(sorted({line.state for line in lines}))
