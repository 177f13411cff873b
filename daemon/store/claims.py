"""What a marketplace asks about orders: each request kept once as a claim, whatever repeats (J12, J14)."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NewType

from daemon.errors import NotAllowed, Unreadable
from daemon.model import AccountName, CancellationRequest, ClaimState, Delivery
from daemon.store.claim_fates import follow, meant, put_fate
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
from daemon.store.payloads import keep
from daemon.store.standings import change_stamp
from daemon.store.times import to_us

ClaimId = NewType("ClaimId", int)

_CLOSABLE = (ClaimState.OPEN, ClaimState.TOO_LATE, ClaimState.WAITING, ClaimState.INCOMPLETE)


class Claims:
    """Every claim of every account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self,
        account: AccountName,
        deliveries: Sequence[Delivery[CancellationRequest]],
        at: datetime,
        *,
        answer_within: timedelta = timedelta(),
    ) -> Kept:
        """Keep requests and the claims that they are in one transaction; the same again changes nothing (D9).

        A claim should be answered within `answer_within`; zero is no deadline.
        """
        by = at + answer_within if answer_within else None

        def work(db: sqlite3.Connection) -> Kept:
            return sum((_keep(db, account, delivery, at, by) for delivery in deliveries), Kept())

        return await self._database.write(work)

    async def close(self, account: AccountName, claim: ClaimId, reason: str, at: datetime) -> None:
        """A person has seen a claim for which nothing is to be sent; raises NotAllowed where that cannot be."""

        def work(db: sqlite3.Connection) -> None:
            row = claim_of(db, account, claim)
            if row["state"] not in _CLOSABLE:
                raise NotAllowed(f"claim {claim} is {row['state']}; closed can be one that is {' or '.join(_CLOSABLE)}")
            put_fate(db, row, ClaimState.CLOSED, reason or row["why"], at)

        await self._database.write(work)


def claim_of(db: sqlite3.Connection, account: AccountName, claim: ClaimId) -> sqlite3.Row:
    """The row of a claim; raises NotAllowed when the account has none of that number."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM claims WHERE account = ? AND id = ?", (account, claim)
    ).fetchone()
    if row is None:
        raise NotAllowed(f"account {account} has no claim {claim}; see: sellerd claims list --account {account}")
    return row


def _keep(
    db: sqlite3.Connection,
    account: AccountName,
    delivery: Delivery[CancellationRequest],
    at: datetime,
    by: datetime | None,
) -> Kept:
    payload = keep(db, delivery.content, at)
    other = other_content(db, account, delivery.file, payload)
    kept = record(db, account, DeliveryKind.ORDER, delivery.file, payload, at)
    if kept.known and kept.state is not DeliveryState.KEPT:
        return Kept()
    if isinstance(delivery.body, Unreadable):
        return set_aside(db, kept.id, delivery.file.name, [delivery.body])
    requests = [entry for entry in delivery.body if isinstance(entry, CancellationRequest)]
    if other and not all(_incomplete(db, account, request) for request in requests):
        return set_aside(db, kept.id, delivery.file.name, ["a file of this name with other content was kept before"])
    result = sum((_put(db, account, request, kept.id, at, by) for request in requests), Kept())
    faults = [entry for entry in delivery.body if isinstance(entry, Unreadable)]
    if faults:
        return result + set_aside(db, kept.id, delivery.file.name, faults)
    move(db, kept.id, DeliveryState.APPLIED)
    return result


def _put(
    db: sqlite3.Connection,
    account: AccountName,
    request: CancellationRequest,
    delivery: DeliveryId,
    at: datetime,
    by: datetime | None,
) -> Kept:
    """The claim that a request is: a new one, one that was incomplete, or the same one again."""
    if (incomplete := _incomplete(db, account, request)) is not None:
        return _correct(db, incomplete, request, delivery, at)
    if (same := _same(db, account, request)) is not None and not request.incomplete:
        db.execute("UPDATE claims SET repeats = repeats + 1, repeated_at = ? WHERE id = ?", (to_us(at), same["id"]))
        return Kept()
    order = db.execute("SELECT id FROM orders WHERE account = ? AND number = ?", (account, request.order)).fetchone()
    row = db.execute(
        'INSERT INTO claims (account, kind, number, "order", state, why, doubt, reason, extra, delivery, received_at,'
        " changed_at, answer_by) VALUES (?, 'cancel', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (
            *(account, request.order, None if order is None else order["id"], *_first_state(request)),
            *(_doubt(db, account, request), request.reason, _text(request), delivery),
            *(to_us(at), to_us(at), None if by is None else to_us(by)),
        ),
    ).fetchone()
    _put_lines(db, row["id"], request)
    _judge(db, row, at)
    return Kept(new=1)


def _correct(
    db: sqlite3.Connection, row: sqlite3.Row, request: CancellationRequest, delivery: DeliveryId, at: datetime
) -> Kept:
    """A further delivery of a request that was incomplete takes its place."""
    db.execute("DELETE FROM claim_lines WHERE claim = ?", (row["id"],))
    db.execute(
        "UPDATE claims SET state = ?, why = ?, reason = ?, extra = ?, delivery = ?, changed_at = ? WHERE id = ?",
        (*_first_state(request), request.reason, _text(request), delivery, to_us(at), row["id"]),
    )
    _put_lines(db, row["id"], request)
    _judge(db, row, at)
    return Kept() if request.incomplete else Kept(moved=1)


def _first_state(request: CancellationRequest) -> tuple[ClaimState, str]:
    if request.incomplete:
        return ClaimState.INCOMPLETE, request.incomplete
    return ClaimState.WAITING, "its order is not here"


def _put_lines(db: sqlite3.Connection, claim: int, request: CancellationRequest) -> None:
    db.executemany(
        "INSERT INTO claim_lines (claim, ref, quantity, channel_item_id, reason) VALUES (?, ?, ?, ?, ?)",
        [(claim, line.ref, line.quantity, line.channel_item_id, line.reason) for line in request.lines],
    )


def _judge(db: sqlite3.Connection, claim: sqlite3.Row, at: datetime) -> None:
    order = claim["order"]
    if order is None:
        return
    db.execute("UPDATE orders SET changed_at = ? WHERE id = ?", (change_stamp(db, claim["account"], at), order))
    follow(db, order, at)


def _incomplete(db: sqlite3.Connection, account: AccountName, request: CancellationRequest) -> sqlite3.Row | None:
    """The claim of the same order that waits for a corrected request."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM claims WHERE account = ? AND number = ? AND state = 'incomplete' ORDER BY id LIMIT 1",
        (account, request.order),
    ).fetchone()
    return row


def _same(db: sqlite3.Connection, account: AccountName, request: CancellationRequest) -> sqlite3.Row | None:
    """The claim that asked for just the same, unless it was answered and as many units are left once more."""
    asked = {(line.ref, line.quantity) for line in request.lines}
    for claim in _earlier(db, account, request):
        lines = db.execute("SELECT ref, quantity FROM claim_lines WHERE claim = ?", (claim["id"],)).fetchall()
        if {(line["ref"], line["quantity"]) for line in lines} != asked:
            continue
        if claim["state"] == ClaimState.ANSWERED and all(line.possible == line.asked for line in meant(db, claim)[0]):
            return None
        return claim
    return None


def _doubt(db: sqlite3.Connection, account: AccountName, request: CancellationRequest) -> str:
    """Why no rule may accept a request: whether it asks for more, or for the same once more, nobody knows."""
    refs = {line.ref for line in request.lines}
    for claim in _earlier(db, account, request):
        lines = db.execute("SELECT ref FROM claim_lines WHERE claim = ?", (claim["id"],)).fetchall()
        if both := refs & {line["ref"] for line in lines}:
            return f"line {', '.join(sorted(both))} was asked for before, in claim {claim['id']}"
    return ""


def _earlier(db: sqlite3.Connection, account: AccountName, request: CancellationRequest) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM claims WHERE account = ? AND number = ? AND state <> 'incomplete' ORDER BY id DESC",
        (account, request.order),
    ).fetchall()


def _text(request: CancellationRequest) -> str:
    return json.dumps(dict(request.extra), ensure_ascii=False)
