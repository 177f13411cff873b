"""Orders and lines that are new here, written a set at a time: few statements for each table, whatever their number."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from daemon.model import Customer, LineState, Order, OrderFault, OrderLine
from daemon.rules.moves import Standing, told
from daemon.store.claim_fates import match_waiting
from daemon.store.deliveries import DeliveryId
from daemon.store.events import Event, tell_all
from daemon.store.filling import insert
from daemon.store.order_errors import Fault, raise_first
from daemon.store.standings import OPEN_STATES, change_stamp
from daemon.store.times import to_us

#: made once: `json.dumps` would make one anew for each text
_json_of = json.JSONEncoder(ensure_ascii=False).encode
_OF_CUSTOMER = [field.name for field in fields(Customer)]
_ORDER = (
    *("id", "account", "number", "ordered_at", "received_at", "changed_at", "incomplete", "test"),
    *("shipping_method", "payment_method", "extra", "delivery"),
)
_LINE = (
    *('"order"', "ref", "position", "quantity", "shipped", "cancelled", "refunded", "state", "since", "ean"),
    *("channel_item_id", "listing", "title", "price_minor", "currency", "extra"),
)


class NewLines(NamedTuple):
    """Lines that join an order, from a place in it on, in their states since then as far as we know."""

    order: int
    first: int
    lines: Sequence[OrderLine]
    since: datetime


def insert_orders(
    db: sqlite3.Connection, account: str, orders: Sequence[tuple[Order, DeliveryId]], at: datetime
) -> None:
    """Keep orders of which none is here, inside the caller's transaction."""
    # The numbers that SQLite would give them: within a transaction nobody else takes one.
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM orders").fetchone()
    ids = range(last + 1, last + 1 + len(orders))
    stamp = change_stamp(db, account, at)
    numbered = [(row_id, order) for row_id, (order, _) in zip(ids, orders, strict=True)]
    insert(
        db,
        "orders",
        _ORDER,
        [
            (
                *(row_id, account, order.number, None if order.ordered_at is None else to_us(order.ordered_at)),
                *(to_us(at), stamp + place, order.incomplete, int(order.test), order.shipping_method),
                *(order.payment_method, text_of(order.extra), delivery),
            )
            for place, (row_id, (order, delivery)) in enumerate(zip(ids, orders, strict=True))
        ],
    )
    put_customers(db, numbered)
    joining = [NewLines(row_id, 0, order.lines, order.ordered_at or at) for row_id, order in numbered]
    unknown = insert_lines(db, account, joining)
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
    raise_first(db, account, [*incomplete, *unknown], at)
    match_waiting(db, account, {order.number: row_id for row_id, order in numbered}, at)


def put_customers(db: sqlite3.Connection, orders: Sequence[tuple[int, Order]]) -> None:
    """Say who gets the goods of orders of whom nothing is said here."""
    insert(
        db,
        "customers",
        ('"order"', "shipping", "billing"),
        [
            (row_id, customer_text(order.shipping), None if order.billing is None else customer_text(order.billing))
            for row_id, order in orders
        ],
    )


def insert_lines(db: sqlite3.Connection, account: str, joining: Sequence[NewLines]) -> list[Fault]:
    """Let lines join their orders, each with the listing that it is about where one is known.

    Gives what is to be told of them: an open line whose article no listing has is kept, and a person should see it.
    """
    listings = _listings(db, account, {(line.channel_item_id, line.ean) for new in joining for line in new.lines})
    rows: list[tuple[str | int | None, ...]] = []
    faults = []
    for order, first, lines, since in joining:
        since_us = to_us(since)
        for position, line in enumerate(lines, first):
            stands, price = _at_first_sight(line.state, line.quantity), line.unit_price
            listing, fault = listings[line.channel_item_id, line.ean]
            minor, currency = (None, "") if price is None else (price.minor, price.currency)
            rows.append(
                (
                    *(order, line.ref, position, line.quantity, *stands, since_us, line.ean),
                    *(line.channel_item_id, listing, line.title, minor, currency, text_of(line.extra)),
                )
            )
            if fault and stands[-1] in OPEN_STATES:
                faults.append(Fault(order, OrderFault.UNKNOWN_LISTING, fault, line.ref))
    insert(db, "order_lines", _LINE, rows)
    return faults


@lru_cache(maxsize=1_000)
def _at_first_sight(state: LineState, quantity: int) -> tuple[int, int, int, str]:
    """How a new line stands of which the marketplace tells a state: shipped, cancelled, refunded, its state."""
    stands = told(Standing(LineState.NEW, quantity), state)
    return stands.shipped, stands.cancelled, stands.refunded, stands.state.value


def _listings(
    db: sqlite3.Connection, account: str, articles: set[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int | None, str]]:
    """(channel item id, EAN) → the listing that a line with them is about; where none is, what is to be told of it."""
    by_number = _known(db, account, "channel_item_id", {number for number, _ in articles})
    by_ean = _known(db, account, "ean", {ean for _, ean in articles})
    # The retailer may still name a number that it has changed since (J2).
    former = _former(db, account, {number for number, _ in articles if number not in by_number})
    found = {}
    for number, ean in articles:
        listing = by_number.get(number) or by_ean.get(ean) or former.get(number)
        named = " or the ".join(f"{name} {it}" for name, it in (("channel item id", number), ("EAN", ean)) if it)
        found[number, ean] = listing, f"no listing has the {named}" if named and listing is None else ""
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
    return _json_of({name: getattr(customer, name) for name in _OF_CUSTOMER})


def text_of(extra: Mapping[str, str]) -> str:
    """The fields that we have no word for, as they are kept."""
    return _json_of(dict(extra)) if extra else "{}"


def summary(lines: Sequence[OrderLine]) -> str:
    """The states of some lines, for an event."""
    return ", ".join(sorted({line.state for line in lines}))
