"""Orders as they came in: each kept once, whatever repeats; lines follow the marketplace forward (L12, J5, J6, J14)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from daemon.errors import Unreadable
from daemon.model import AccountName, Customer, Delivery, LineState, Order, OrderLine
from daemon.rules.moves import Standing, told
from daemon.store.claim_fates import follow, match
from daemon.store.database import Database
from daemon.store.deliveries import (
    DeliveryId,
    DeliveryKind,
    DeliveryState,
    Kept,
    move,
    other_content,
    record,
    set_aside,
)
from daemon.store.events import tell
from daemon.store.payloads import keep
from daemon.store.standings import change_stamp, put_standing, standing
from daemon.store.times import from_us, to_us

# A line in one of these still has something before it.
_OPEN = "('new', 'accepted', 'to_ship', 'to_cancel', 'refunding')"


class Orders:
    """Every order of every account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, account: AccountName, deliveries: Sequence[Delivery[Order]], at: datetime) -> Kept:
        """Keep deliveries, bytes and orders together in one transaction; the same again changes nothing (D9)."""

        def work(db: sqlite3.Connection) -> Kept:
            return sum((_keep(db, account, delivery, at) for delivery in deliveries), Kept())

        return await self._database.write(work)

    async def oldest_open(self, account: AccountName) -> datetime | None:
        """When the oldest order that is still open was placed; None where none is."""
        sql = (
            "SELECT min(coalesce(o.ordered_at, o.received_at)) FROM orders o WHERE o.account = ?"  # noqa: S608 - our own words
            f' AND EXISTS (SELECT 1 FROM order_lines l WHERE l."order" = o.id AND l.state IN {_OPEN})'
        )
        row = await self._database.read(lambda db: db.execute(sql, (account,)).fetchone())
        oldest: int | None = row[0]
        return from_us(oldest)

    async def erase_customers(self, account: AccountName, before: datetime) -> int:
        """Forget who got the goods of orders that were closed before then; their figures stay (D12)."""
        sql = (
            'SELECT o.id FROM orders o JOIN customers c ON c."order" = o.id WHERE o.account = ?'  # noqa: S608 - our own words
            f' AND o.changed_at < ? AND NOT EXISTS (SELECT 1 FROM order_lines l WHERE l."order" = o.id'
            f" AND l.state IN {_OPEN})"
        )

        def work(db: sqlite3.Connection) -> int:
            closed = db.execute(sql, (account, to_us(before))).fetchall()
            for (order,) in closed:
                db.execute('DELETE FROM customers WHERE "order" = ?', (order,))
                # Columns that we have no word for may hold anything, so they go too.
                db.execute("UPDATE orders SET extra = '{}' WHERE id = ?", (order,))
                db.execute("UPDATE order_lines SET extra = '{}' WHERE \"order\" = ?", (order,))
                db.execute("UPDATE claims SET extra = '{}' WHERE \"order\" = ?", (order,))
            db.execute(
                "UPDATE claims SET extra = '{}' WHERE account = ? AND \"order\" IS NULL AND changed_at < ?",
                (account, to_us(before)),
            )
            return len(closed)

        return await self._database.write(work)


def _keep(db: sqlite3.Connection, account: AccountName, delivery: Delivery[Order], at: datetime) -> Kept:
    payload = keep(db, delivery.content, at)
    other = other_content(db, account, delivery.file, payload)
    kept = record(db, account, DeliveryKind.ORDER, delivery.file, payload, at)
    if kept.known and kept.state is not DeliveryState.KEPT:
        return Kept()
    if isinstance(delivery.body, Unreadable):
        return set_aside(db, kept.id, delivery.file.name, str(delivery.body))
    orders = [entry for entry in delivery.body if isinstance(entry, Order)]
    if other and not all(_is_incomplete(db, account, order) for order in orders):
        return set_aside(db, kept.id, delivery.file.name, "a file of this name with other content was kept before")
    result, faults = Kept(), [str(entry) for entry in delivery.body if isinstance(entry, Unreadable)]
    for order in orders:
        put = _put_alone(db, account, order, kept.id, at)
        if isinstance(put, Kept):
            result += put
        else:
            faults.append(put)
    if faults:
        # What could be read is in; the delivery stays in sight with what could not.
        return result + set_aside(db, kept.id, delivery.file.name, "; ".join(faults))
    move(db, kept.id, DeliveryState.APPLIED)
    return result


def _is_incomplete(db: sqlite3.Connection, account: AccountName, order: Order) -> bool:
    row = db.execute(
        "SELECT incomplete FROM orders WHERE account = ? AND number = ?", (account, order.number)
    ).fetchone()
    return row is not None and row["incomplete"] != ""


def _put_alone(
    db: sqlite3.Connection, account: AccountName, order: Order, delivery: DeliveryId, at: datetime
) -> Kept | str:
    """Keep one order, or say why it cannot be kept: it never takes the others of its transaction with it (D9)."""
    db.execute("SAVEPOINT one_order")
    try:
        return _put(db, account, order, delivery, at)
    except (sqlite3.IntegrityError, OverflowError) as error:
        db.execute("ROLLBACK TO one_order")
        return f"order {order.number} cannot be kept: {error}"
    finally:
        db.execute("RELEASE one_order")


def _put(db: sqlite3.Connection, account: AccountName, order: Order, delivery: DeliveryId, at: datetime) -> Kept:
    row = db.execute("SELECT * FROM orders WHERE account = ? AND number = ?", (account, order.number)).fetchone()
    if row is None:
        _insert(db, account, order, delivery, at)
        return Kept(new=1)
    if row["incomplete"] and not order.incomplete:
        return _complete(db, row, order, delivery, at)
    return Kept(moved=1) if _follow(db, account, row, order, at) else Kept()


def _insert(db: sqlite3.Connection, account: AccountName, order: Order, delivery: DeliveryId, at: datetime) -> None:
    number = db.execute(
        "INSERT INTO orders (account, number, ordered_at, received_at, changed_at, incomplete, test, shipping_method,"
        " payment_method, extra, delivery) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(account, order.number, None if order.ordered_at is None else to_us(order.ordered_at)),
            *(
                to_us(at),
                change_stamp(db, account, at),
                order.incomplete,
                int(order.test),
                order.shipping_method,
                order.payment_method,
            ),
            *(_text(order.extra), delivery),
        ),
    ).fetchone()[0]
    _put_customer(db, number, order)
    for position, line in enumerate(order.lines):
        _insert_line(db, account, number, position, line, order.ordered_at or at)
    tell(db, at, account, ("order", number), "received", moved=("", _summary(order.lines)), why=order.incomplete)
    match(db, account, order.number, number, at)


def _put_customer(db: sqlite3.Connection, order_id: int, order: Order) -> None:
    db.execute(
        'INSERT INTO customers ("order", shipping, billing) VALUES (?, ?, ?)'
        ' ON CONFLICT ("order") DO UPDATE SET shipping = excluded.shipping, billing = excluded.billing',
        (order_id, _customer(order.shipping), None if order.billing is None else _customer(order.billing)),
    )


def _insert_line(
    db: sqlite3.Connection, account: str, order_id: int, position: int, line: OrderLine, since: datetime
) -> None:
    price = line.unit_price
    stands = told(Standing(LineState.NEW, line.quantity), line.state)
    db.execute(
        'INSERT INTO order_lines ("order", ref, position, quantity, shipped, cancelled, refunded, state, since, ean,'
        " channel_item_id, listing, title, price_minor, currency, extra)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(order_id, line.ref, position, line.quantity, stands.shipped, stands.cancelled, stands.refunded),
            *(stands.state, to_us(since), line.ean, line.channel_item_id, _listing(db, account, line), line.title),
            *(None if price is None else price.minor, "" if price is None else price.currency, _text(line.extra)),
        ),
    )


def _listing(db: sqlite3.Connection, account: str, line: OrderLine) -> int | None:
    for column, value in (("channel_item_id", line.channel_item_id), ("ean", line.ean)):
        if not value:
            continue
        row = db.execute(
            # The last condition is the partial index's own: without it SQLite walks through every listing.
            f"SELECT id FROM listings WHERE account = ? AND {column} = ? AND {column} <> '' ORDER BY id LIMIT 1",  # noqa: S608
            (account, value),
        ).fetchone()
        if row is not None:
            return int(row["id"])
    # The retailer may still name a number that it has changed since (J2).
    row = db.execute(
        "SELECT listing FROM former_numbers WHERE account = ? AND channel_item_id = ? ORDER BY until DESC LIMIT 1",
        (account, line.channel_item_id),
    ).fetchone()
    return None if row is None else int(row["listing"])


def _complete(db: sqlite3.Connection, row: sqlite3.Row, order: Order, delivery: DeliveryId, at: datetime) -> Kept:
    """A corrected delivery of an incomplete order takes its place (J6); nothing has been done with it yet."""
    db.execute('DELETE FROM order_lines WHERE "order" = ?', (row["id"],))
    db.execute(
        "UPDATE orders SET incomplete = '', changed_at = ?, extra = ?, delivery = ? WHERE id = ?",
        (change_stamp(db, row["account"], at), _text(order.extra), delivery, row["id"]),
    )
    _put_customer(db, row["id"], order)
    for position, line in enumerate(order.lines):
        _insert_line(db, row["account"], row["id"], position, line, order.ordered_at or at)
    tell(db, at, row["account"], ("order", row["id"]), "completed", moved=("incomplete", _summary(order.lines)))
    follow(db, row["id"], at)
    return Kept(moved=1)


def _follow(db: sqlite3.Connection, account: AccountName, row: sqlite3.Row, order: Order, at: datetime) -> bool:
    kept = {
        line["ref"]: line for line in db.execute('SELECT * FROM order_lines WHERE "order" = ?', (row["id"],)).fetchall()
    }
    moved = False
    for position, line in enumerate(order.lines):
        ours = kept.get(line.ref)
        if ours is None:
            _insert_line(db, account, row["id"], len(kept) + position, line, at)
            tell(db, at, account, ("order", row["id"]), f"line {line.ref}", moved=("", line.state))
            moved = True
            continue
        stands = told(standing(ours), line.state)
        if stands.state == ours["state"]:
            continue
        put_standing(db, ours, stands, at)
        why = "said by the marketplace"
        tell(db, at, account, ("order", row["id"]), f"line {line.ref}", moved=(ours["state"], stands.state), why=why)
        moved = True
    if moved:
        db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, account, at), row["id"]))
        follow(db, row["id"], at)
    return moved


def _customer(customer: Customer) -> str:
    return json.dumps(asdict(customer), ensure_ascii=False)


def _text(extra: Mapping[str, str]) -> str:
    return json.dumps(dict(extra), ensure_ascii=False)


def _summary(lines: Sequence[OrderLine]) -> str:
    return ", ".join(sorted({line.state for line in lines}))
