"""Orders as they came in: each kept once, whatever repeats; lines follow the marketplace forward (L12, J5, J6, J14)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from daemon.errors import Unreadable, unforeseen
from daemon.model import AccountName, Delivery, Order, OrderFault, OrderLine
from daemon.rules.moves import told
from daemon.store.claim_fates import follow, forget_requests
from daemon.store.database import Database
from daemon.store.deliveries import (
    DeliveryId,
    DeliveryKind,
    DeliveryState,
    Kept,
    known_names,
    move,
    other_content,
    record,
    record_applied,
    set_aside,
)
from daemon.store.events import tell
from daemon.store.new_orders import (
    NewLines,
    customer_text,
    insert_lines,
    insert_orders,
    put_customers,
    summary,
    text_of,
)
from daemon.store.order_errors import mend, raise_error, raise_errors
from daemon.store.payloads import keep, keep_all
from daemon.store.standings import change_stamp, open_line, put_standing, standing
from daemon.store.times import from_us, to_us

#: customers of one transaction
_ERASED_AT_ONCE = 500


class Orders:
    """Every order of every account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, account: AccountName, deliveries: Sequence[Delivery[Order]], at: datetime) -> Kept:
        """Keep deliveries, bytes and orders together in one transaction; the same again changes nothing (D9)."""
        return await self._database.write(lambda db: _keep_all(db, account, deliveries, at))

    async def oldest_open(self, account: AccountName) -> datetime | None:
        """When the oldest order that is still open was placed; None where none is."""
        sql = (
            "SELECT min(coalesce(o.ordered_at, o.received_at)) FROM orders o WHERE +o.account = ?"  # noqa: S608 - our own words
            f' AND o.id IN (SELECT l."order" FROM order_lines l WHERE {open_line("l")})'
        )
        row = await self._database.read(lambda db: db.execute(sql, (account,)).fetchone())
        oldest: int | None = row[0]
        return from_us(oldest)

    async def erase_customers(self, account: AccountName, before: datetime) -> int:
        """Forget who got the goods of orders that were closed before then; their figures stay (D12)."""
        sql = (
            'SELECT o.id FROM orders o JOIN customers c ON c."order" = o.id WHERE o.account = ?'  # noqa: S608 - our own words
            f' AND o.changed_at < ? AND NOT EXISTS (SELECT 1 FROM order_lines l WHERE l."order" = o.id'
            f" AND {open_line('l')}) LIMIT ?"
        )

        def work(db: sqlite3.Connection) -> int:
            closed = db.execute(sql, (account, to_us(before), _ERASED_AT_ONCE)).fetchall()
            for (order,) in closed:
                db.execute('DELETE FROM customers WHERE "order" = ?', (order,))
                # Columns that we have no word for may hold anything, so they go too.
                db.execute("UPDATE orders SET extra = '{}' WHERE id = ?", (order,))
                db.execute("UPDATE order_lines SET extra = '{}' WHERE \"order\" = ?", (order,))
            forget_requests(db, account, before, [order for (order,) in closed])
            return len(closed)

        erased = 0
        while count := await self._database.write(work):
            erased += count
        return erased


def _keep_all(
    db: sqlite3.Connection, account: AccountName, deliveries: Sequence[Delivery[Order]], at: datetime
) -> Kept:
    """What is new through and through goes in as one set, which is nearly all; the rest one after the other."""
    new, rest = _parted(db, account, deliveries)
    result = Kept()
    db.execute("SAVEPOINT new_orders")
    try:
        result = _keep_new(db, account, new, at)
    except Exception as error:
        if _of_the_disk(error):
            raise
        # One that cannot be kept takes none with it (D9), so here each goes alone.
        db.execute("ROLLBACK TO new_orders")
        rest = list(deliveries)
    # Not in a `finally`: where the disk fails the savepoint is gone, and that must not hide why.
    db.execute("RELEASE new_orders")
    return sum((_keep(db, account, delivery, at) for delivery in rest), result)


def _parted(
    db: sqlite3.Connection, account: AccountName, deliveries: Sequence[Delivery[Order]]
) -> tuple[list[tuple[Delivery[Order], list[Order]]], list[Delivery[Order]]]:
    """The deliveries that are whole, of names and orders that neither the store nor one before has; and the others."""
    names = known_names(db, account, [delivery.file for delivery in deliveries])
    numbers = _known_numbers(db, account, [order.number for delivery in deliveries for order in _orders(delivery)])
    new, rest = [], []
    for delivery in deliveries:
        orders = _orders(delivery)
        name = (delivery.file.folder, delivery.file.name)
        whole = not isinstance(delivery.body, Unreadable) and len(orders) == len(delivery.body)
        said = {order.number for order in orders}
        if whole and name not in names and len(said) == len(orders) and not said & numbers:
            new.append((delivery, orders))
        else:
            rest.append(delivery)
        names.add(name)
        numbers |= said
    return new, rest


def _orders(delivery: Delivery[Order]) -> list[Order]:
    body = delivery.body
    return [] if isinstance(body, Unreadable) else [entry for entry in body if isinstance(entry, Order)]


def _known_numbers(db: sqlite3.Connection, account: str, numbers: Sequence[str]) -> set[str]:
    rows = db.execute(
        "SELECT number FROM orders WHERE account = ? AND number IN (SELECT value FROM json_each(?))",
        (account, json.dumps(numbers)),
    ).fetchall()
    return {row["number"] for row in rows}


def _keep_new(
    db: sqlite3.Connection,
    account: AccountName,
    deliveries: Sequence[tuple[Delivery[Order], list[Order]]],
    at: datetime,
) -> Kept:
    payloads = keep_all(db, [delivery.content for delivery, _ in deliveries], at)
    files = [(delivery.file, payload) for (delivery, _), payload in zip(deliveries, payloads, strict=True)]
    ids = record_applied(db, account, DeliveryKind.ORDER, files, at)
    orders = [(order, kept) for kept, (_, of_it) in zip(ids, deliveries, strict=True) for order in of_it]
    insert_orders(db, account, orders, at)
    return Kept(new=len(orders))


def _keep(db: sqlite3.Connection, account: AccountName, delivery: Delivery[Order], at: datetime) -> Kept:
    payload = keep(db, delivery.content, at)
    other = other_content(db, account, delivery.file, payload)
    kept = record(db, account, DeliveryKind.ORDER, delivery.file, payload, at)
    if kept.known and kept.state is not DeliveryState.KEPT:
        return Kept()
    if isinstance(delivery.body, Unreadable):
        return set_aside(db, kept.id, delivery.file.name, [delivery.body])
    orders = _orders(delivery)
    if other and not all(_is_incomplete(db, account, order) for order in orders):
        return _contradicted(db, account, orders, kept.id, delivery.file.name, at)
    result = Kept()
    faults: list[str | Unreadable] = [entry for entry in delivery.body if isinstance(entry, Unreadable)]
    for order in orders:
        put = _put_alone(db, account, order, kept.id, at)
        if isinstance(put, Kept):
            result += put
        else:
            faults.append(put)
    if faults:
        # What could be read is in; the delivery stays in sight with what could not.
        return result + set_aside(db, kept.id, delivery.file.name, faults)
    move(db, kept.id, DeliveryState.APPLIED)
    return result


def _contradicted(
    db: sqlite3.Connection, account: str, orders: Sequence[Order], delivery: DeliveryId, name: str, at: datetime
) -> Kept:
    """A file came again under its name and says something else: the orders stay as they are, and a person is told."""
    reason = "a file of this name with other content was kept before"
    for order in orders:
        if row := _find(db, account, order.number):
            raise_error(db, account, row["id"], OrderFault.OTHER_CONTENT, f"{name}: {reason}", at)
    return set_aside(db, delivery, name, [reason])


def _is_incomplete(db: sqlite3.Connection, account: AccountName, order: Order) -> bool:
    row = _find(db, account, order.number)
    return row is not None and row["incomplete"] != ""


def _find(db: sqlite3.Connection, account: str, number: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)
    ).fetchone()
    return row


def _put_alone(
    db: sqlite3.Connection, account: AccountName, order: Order, delivery: DeliveryId, at: datetime
) -> Kept | str | Unreadable:
    """Keep one order, or say why it cannot be kept: it never takes the others of its transaction with it (D9)."""
    put: Kept | str | Unreadable
    db.execute("SAVEPOINT one_order")
    try:
        put = _put(db, account, order, delivery, at)
    except (sqlite3.IntegrityError, OverflowError) as error:
        db.execute("ROLLBACK TO one_order")
        put = f"order {order.number} cannot be kept: {error}"
    except Exception as error:
        if _of_the_disk(error):
            raise
        put = unforeseen(error)
        db.execute("ROLLBACK TO one_order")
    db.execute("RELEASE one_order")
    return put


def _of_the_disk(error: Exception) -> bool:
    """Whether the database failed, and not what was to be kept in it: then its savepoints are gone, too."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError)


def _put(db: sqlite3.Connection, account: AccountName, order: Order, delivery: DeliveryId, at: datetime) -> Kept | str:
    row = _find(db, account, order.number)
    if row is None:
        insert_orders(db, account, [(order, delivery)], at)
        return Kept(new=1)
    if row["incomplete"] and not order.incomplete:
        return _replace(db, row, order, delivery, at)
    if order.sent_once:
        return _put_again(db, row, order, delivery, at)
    return Kept(moved=1) if _follow(db, account, row, order, at) else Kept()


def match_lines(db: sqlite3.Connection, account: str, listing: int, at: datetime) -> None:
    """Give lines that waited for a listing the one that is known now, inside the caller's transaction."""
    known = db.execute("SELECT channel_item_id, ean FROM listings WHERE id = ?", (listing,)).fetchone()
    for column in ("channel_item_id", "ean"):
        if not known[column]:
            continue
        for line in db.execute(
            'SELECT l.id, l."order", l.ref FROM order_lines l JOIN orders o ON o.id = l."order"'  # noqa: S608 - our own words
            # The first two are the partial index's own words.
            f" WHERE l.listing IS NULL AND l.{column} <> '' AND l.{column} = ? AND o.account = ?",
            (known[column], account),
        ).fetchall():
            db.execute("UPDATE order_lines SET listing = ? WHERE id = ?", (listing, line["id"]))
            mend(db, account, line["order"], OrderFault.UNKNOWN_LISTING, at, line=line["ref"])
            db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, account, at), line["order"]))


def _replace(db: sqlite3.Connection, row: sqlite3.Row, order: Order, delivery: DeliveryId, at: datetime) -> Kept:
    """Another delivery of an incomplete order takes its place (J6); nothing has been done with it yet.

    Whoever was erased meanwhile is not brought back by it (D12).
    """
    erased = db.execute('SELECT 1 FROM erasures WHERE "order" = ?', (row["id"],)).fetchone() is not None
    if erased:
        order = replace(order, extra={}, lines=tuple(line._replace(extra={}) for line in order.lines))
    for table in ("order_lines", "customers"):
        db.execute(f'DELETE FROM {table} WHERE "order" = ?', (row["id"],))  # noqa: S608 - our own words
    mend(db, row["account"], row["id"], OrderFault.UNKNOWN_LISTING, at)
    db.execute(
        "UPDATE orders SET incomplete = ?, ordered_at = ?, test = ?, changed_at = ?, extra = ?, delivery = ?"
        " WHERE id = ?",
        (
            *(order.incomplete, None if order.ordered_at is None else to_us(order.ordered_at), int(order.test)),
            *(change_stamp(db, row["account"], at), text_of(order.extra), delivery, row["id"]),
        ),
    )
    if not erased:
        put_customers(db, [(row["id"], order)])
    since = order.ordered_at or at
    unknown = insert_lines(db, row["account"], [NewLines(row["id"], 0, order.lines, since)])
    if order.incomplete:
        raise_error(db, row["account"], row["id"], OrderFault.INCOMPLETE, order.incomplete, at)
    else:
        mend(db, row["account"], row["id"], OrderFault.INCOMPLETE, at)
        tell(db, at, row["account"], ("order", row["id"]), "completed", moved=("incomplete", summary(order.lines)))
    raise_errors(db, row["account"], unknown, at)
    follow(db, row["id"], at)
    return Kept(moved=1)


def _put_again(
    db: sqlite3.Connection, row: sqlite3.Row, order: Order, delivery: DeliveryId, at: datetime
) -> Kept | str:
    """The order is there, and comes once and whole: nothing changes, and what says something else is told (J14)."""
    differing = _differences(db, row, order)
    if row["incomplete"]:
        changed = differing or row["incomplete"] != order.incomplete
        return _replace(db, row, order, delivery, at) if changed else Kept()
    if order.incomplete:
        return f"order {order.number} is kept whole already, and this is not: {order.incomplete}"
    if not differing:
        return Kept()
    text = f"it came again and says something else, which changes nothing: {'; '.join(differing)}"
    raise_error(db, row["account"], row["id"], OrderFault.OTHER_CONTENT, text, at)
    return f"order {order.number}: {text}"


def _differences(db: sqlite3.Connection, row: sqlite3.Row, order: Order) -> list[str]:
    """Where an order says something else than what is kept of it, without personal data."""
    kept = {
        line["ref"]: line for line in db.execute('SELECT * FROM order_lines WHERE "order" = ?', (row["id"],)).fetchall()
    }
    said = {line.ref: line for line in order.lines}
    found = [f"line {ref} is not in it" for ref in kept if ref not in said]
    found += [f"line {ref} is new" for ref in said if ref not in kept]
    both = [(kept[ref], said[ref]) for ref in said if ref in kept]
    for ours, theirs in both:
        found += _line_differences(ours, theirs)
    customer = db.execute('SELECT * FROM customers WHERE "order" = ?', (row["id"],)).fetchone()
    if customer is None:
        # They were erased (D12): nobody can say any more whether they are the same.
        return found
    if customer["shipping"] != customer_text(order.shipping):
        found.append("another recipient or address")
    ordered_at = None if order.ordered_at is None else to_us(order.ordered_at)
    same = (row["extra"], row["ordered_at"]) == (text_of(order.extra), ordered_at) and all(
        (ours["title"], ours["extra"]) == (theirs.title, text_of(theirs.extra)) for ours, theirs in both
    )
    return found if same else [*found, "another field"]


def _line_differences(ours: sqlite3.Row, theirs: OrderLine) -> list[str]:
    values = (
        ("quantity", ours["quantity"], theirs.quantity),
        ("channel item id", ours["channel_item_id"], theirs.channel_item_id),
        ("EAN", ours["ean"], theirs.ean),
    )
    return [
        f"line {theirs.ref}: {name} {here or 'empty'} here, {there or 'empty'} there"
        for name, here, there in values
        if here != there
    ]


def _follow(db: sqlite3.Connection, account: AccountName, row: sqlite3.Row, order: Order, at: datetime) -> bool:
    kept = {
        line["ref"]: line for line in db.execute('SELECT * FROM order_lines WHERE "order" = ?', (row["id"],)).fetchall()
    }
    moved = False
    for position, line in enumerate(order.lines):
        ours = kept.get(line.ref)
        if ours is None:
            unknown = insert_lines(db, account, [NewLines(row["id"], len(kept) + position, [line], at)])
            raise_errors(db, account, unknown, at)
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
