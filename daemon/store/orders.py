"""Orders as they came in: each kept once, whatever repeats; lines follow the marketplace forward (L12, J5, J6, J14)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from daemon.errors import Unreadable
from daemon.model import AccountName, Customer, Delivery, LineState, Order, OrderLine
from daemon.rules.moves import Standing, told
from daemon.store.database import Database
from daemon.store.deliveries import DeliveryId, DeliveryKind, DeliveryState, move, record
from daemon.store.events import tell
from daemon.store.payloads import keep
from daemon.store.times import from_us, to_us


@dataclass(frozen=True, slots=True)
class Kept:
    """What a batch of deliveries brought: orders never seen, orders that moved, and what could not be read."""

    new: int = 0
    moved: int = 0
    set_aside: tuple[str, ...] = ()

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.new + other.new, self.moved + other.moved, self.set_aside + other.set_aside)


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
            return len(closed)

        return await self._database.write(work)


def _keep(db: sqlite3.Connection, account: AccountName, delivery: Delivery[Order], at: datetime) -> Kept:
    payload = keep(db, delivery.content, at)
    other = _other_content(db, account, delivery, payload)
    kept = record(db, account, DeliveryKind.ORDER, delivery.file, payload, at)
    if kept.known and kept.state is not DeliveryState.KEPT:
        return Kept()
    if isinstance(delivery.body, Unreadable):
        return _set_aside(db, kept.id, delivery.file.name, str(delivery.body))
    orders = [entry for entry in delivery.body if isinstance(entry, Order)]
    if other and not all(_is_incomplete(db, account, order) for order in orders):
        return _set_aside(db, kept.id, delivery.file.name, "a file of this name with other content was kept before")
    result, faults = Kept(), [str(entry) for entry in delivery.body if isinstance(entry, Unreadable)]
    for order in orders:
        put = _put_alone(db, account, order, kept.id, at)
        if isinstance(put, Kept):
            result += put
        else:
            faults.append(put)
    if faults:
        # What could be read is in; the delivery stays in sight with what could not.
        return result + _set_aside(db, kept.id, delivery.file.name, "; ".join(faults))
    move(db, kept.id, DeliveryState.APPLIED)
    return result


def _set_aside(db: sqlite3.Connection, delivery: DeliveryId, name: str, reason: str) -> Kept:
    move(db, delivery, DeliveryState.SET_ASIDE, reason)
    return Kept(set_aside=(f"{name}: {reason}",))


def _other_content(db: sqlite3.Connection, account: AccountName, delivery: Delivery[Order], payload: int) -> bool:
    # A reply of a service is never the same twice; only files are held to their names (J14).
    if delivery.file.folder == "reply":
        return False
    row = db.execute(
        "SELECT 1 FROM deliveries WHERE account = ? AND folder = ? AND name = ? AND payload <> ? AND state = 'applied'",
        (account, delivery.file.folder, delivery.file.name, payload),
    ).fetchone()
    return row is not None


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


def standing(row: sqlite3.Row) -> Standing:
    """How the line of a row stands."""
    return Standing(LineState(row["state"]), row["quantity"], row["shipped"], row["cancelled"], row["refunded"])


def put_standing(db: sqlite3.Connection, row: sqlite3.Row, stands: Standing, at: datetime) -> None:
    """Let the line of a row stand like that from now on; a state that it has already it keeps since when it has it."""
    db.execute(
        "UPDATE order_lines SET state = ?, shipped = ?, cancelled = ?, refunded = ?, since = ? WHERE id = ?",
        (
            *(stands.state, stands.shipped, stands.cancelled, stands.refunded),
            *(row["since"] if stands.state == row["state"] else to_us(at), row["id"]),
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
    return None


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
    return moved


def change_stamp(db: sqlite3.Connection, account: str, at: datetime) -> int:
    """The `changed_at` of an order that changes now: behind every one that is kept already.

    `at` was read at the top of a turn, which may end long after another change was seen; whoever goes on from the
    last change that he saw must neither miss this one nor see one twice (S2).
    """
    last = db.execute("SELECT max(changed_at) FROM orders WHERE account = ?", (account,)).fetchone()[0]
    return max(to_us(at), (last or 0) + 1)


def _customer(customer: Customer) -> str:
    return json.dumps(asdict(customer), ensure_ascii=False)


def _text(extra: Mapping[str, str]) -> str:
    return json.dumps(dict(extra), ensure_ascii=False)


def _summary(lines: Sequence[OrderLine]) -> str:
    return ", ".join(sorted({line.state for line in lines}))
