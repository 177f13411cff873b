"""What has come of the test orders of an account so far: the facts that its rehearsal goes by (guide J, account)."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.model import (
    AccountName,
    ClaimState,
    FeedState,
    LineState,
    OrderNumber,
    UpdateKind,
    UpdateState,
)
from daemon.store.database import Database
from daemon.store.deliveries import SHOWN_STATE, DeliveryKind, DeliveryState

#: of each kind of thing the newest so many
_MOST = 200


@dataclass(frozen=True, slots=True)
class RehearsedLine:
    """One line of a test order and what became of its units."""

    order: OrderNumber
    ref: str
    state: LineState
    quantity: int
    shipped: int
    cancelled: int
    refunded: int

    @property
    def left(self) -> int:
        """The units that have neither left nor been cancelled."""
        return self.quantity - self.shipped - self.cancelled


@dataclass(frozen=True, slots=True)
class RehearsedOrder:
    """One test order, the file that it came in, and why it is not whole where it is not."""

    number: OrderNumber
    file_name: str
    incomplete: str
    lines: Sequence[RehearsedLine]


@dataclass(frozen=True, slots=True)
class RehearsedUpdate:
    """One update of a test order; `units` are those that it speaks of, `ordered` those of the whole order."""

    order: OrderNumber
    kind: UpdateKind
    state: UpdateState
    name: str
    error: str
    units: int
    ordered: int


@dataclass(frozen=True, slots=True)
class RehearsedFeed:
    """One feed and how many of its objects were accepted and rejected."""

    name: str
    state: FeedState
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class RehearsedFile:
    """One file that came in, and why it was set aside where it was."""

    kind: DeliveryKind
    name: str
    state: DeliveryState
    reason: str


@dataclass(frozen=True, slots=True)
class RehearsedClaim:
    """One request of the marketplace to cancel, and why it stands as it does."""

    id: int
    order: OrderNumber
    state: ClaimState
    why: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Everything that the test orders of one account have come to, the newest first."""

    orders: Sequence[RehearsedOrder] = ()
    updates: Sequence[RehearsedUpdate] = ()
    feeds: Sequence[RehearsedFeed] = ()
    files: Sequence[RehearsedFile] = ()
    claims: Sequence[RehearsedClaim] = ()

    @property
    def lines(self) -> list[RehearsedLine]:
        """The lines of all orders that are whole."""
        return [line for order in self.orders if not order.incomplete for line in order.lines]


class Rehearsals:
    """How far the rehearsals of all accounts are, which is nothing but what the other tables hold of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, account: AccountName) -> Rehearsed:
        """What is there of one account, in one look."""
        return await self._database.read(lambda db: _facts(db, account))


def _facts(db: sqlite3.Connection, account: AccountName) -> Rehearsed:
    return Rehearsed(
        orders=_orders(db, account), updates=_updates(db, account), feeds=_feeds(db, account),
        files=_files(db, account), claims=_claims(db, account),
    )  # fmt: skip


def _orders(db: sqlite3.Connection, account: AccountName) -> list[RehearsedOrder]:
    return [
        RehearsedOrder(OrderNumber(row["number"]), row["name"] or "", row["incomplete"], _lines(db, row))
        for row in db.execute(
            "SELECT o.*, d.name FROM orders o LEFT JOIN deliveries d ON d.id = o.delivery WHERE o.account = ?"
            " ORDER BY o.id DESC LIMIT ?",
            (account, _MOST),
        ).fetchall()
    ]


def _lines(db: sqlite3.Connection, order: sqlite3.Row) -> list[RehearsedLine]:
    rows = db.execute('SELECT * FROM order_lines WHERE "order" = ? ORDER BY position', (order["id"],)).fetchall()
    return [
        RehearsedLine(
            *(OrderNumber(order["number"]), row["ref"], LineState(row["state"]), row["quantity"]),
            *(row["shipped"], row["cancelled"], row["refunded"]),
        )
        for row in rows
    ]


def _updates(db: sqlite3.Connection, account: AccountName) -> list[RehearsedUpdate]:
    rows = db.execute(
        "SELECT u.*, o.number,"
        ' (SELECT sum(quantity) FROM update_lines WHERE "update" = u.id) AS units,'
        ' (SELECT sum(quantity) FROM order_lines WHERE "order" = o.id) AS ordered'
        ' FROM order_updates u JOIN orders o ON o.id = u."order" WHERE u.account = ? ORDER BY u.id DESC LIMIT ?',
        (account, _MOST),
    ).fetchall()
    return [
        RehearsedUpdate(
            *(OrderNumber(row["number"]), UpdateKind(row["kind"]), UpdateState(row["state"]), row["name"]),
            *(row["error"], row["units"] or 0, row["ordered"] or 0),
        )
        for row in rows
    ]


def _feeds(db: sqlite3.Connection, account: AccountName) -> list[RehearsedFeed]:
    rows = db.execute("SELECT * FROM feeds WHERE account = ? ORDER BY id DESC LIMIT ?", (account, _MOST)).fetchall()
    return [RehearsedFeed(row["name"], FeedState(row["state"]), row["accepted"], row["rejected"]) for row in rows]


def _files(db: sqlite3.Connection, account: AccountName) -> list[RehearsedFile]:
    rows = db.execute(
        f"SELECT *, {SHOWN_STATE} AS shown FROM deliveries WHERE account = ? ORDER BY id DESC LIMIT ?",  # noqa: S608
        (account, _MOST),
    ).fetchall()
    return [
        RehearsedFile(DeliveryKind(row["kind"]), row["name"], DeliveryState(row["shown"]), row["reason"])
        for row in rows
    ]


def _claims(db: sqlite3.Connection, account: AccountName) -> list[RehearsedClaim]:
    rows = db.execute("SELECT * FROM claims WHERE account = ? ORDER BY id DESC LIMIT ?", (account, _MOST)).fetchall()
    return [RehearsedClaim(row["id"], OrderNumber(row["number"]), ClaimState(row["state"]), row["why"]) for row in rows]
