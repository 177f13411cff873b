"""Order updates from the seller's decision to the marketplace's answer, one open at a time (L13, L14, L18, J7-J11)."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.errors import NotAllowed, Unforeseen
from daemon.model import (
    AccountName,
    ClaimState,
    Delivery,
    LegalMoves,
    OrderNumber,
    OrderUpdate,
    Parcel,
    UpdateAnswer,
    UpdateKind,
    UpdateState,
)
from daemon.store.choices import Choice, answerable, cancelled, in_stock, order_of, overtaken, wanted
from daemon.store.claim_fates import follow
from daemon.store.claims import ClaimId, claim_of
from daemon.store.database import Database
from daemon.store.generation import count_send, doubt_if_restored
from daemon.store.payloads import keep
from daemon.store.times import to_us
from daemon.store.update_fates import (
    doubt_answers,
    fail,
    keep_answers,
    move_lines,
    move_lines_back,
    settle,
    settle_lines,
    settle_open,
)
from daemon.store.update_rows import (
    DueUpdate,
    New,
    UpdateId,
    insert,
    load,
    parcel_from_json,
    row_of,
    tell_update,
)

#: mends the parcel and the reason of a failed update; raises NotAllowed
Mend = Callable[[Parcel | None, str], tuple[Parcel | None, str]]


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """What a request to cancel or refund became: updates in their order, and why other lines were left out (L14)."""

    updates: tuple[OrderUpdate, ...]
    left_out: tuple[str, ...] = ()


class Updates:
    """What the seller decided about orders, and how far it has come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        account: AccountName,
        number: OrderNumber,
        kind: UpdateKind,
        lines: Choice,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        parcel: Parcel | None = None,
        reason: str = "",
        out_of_stock: bool = False,
    ) -> OrderUpdate:
        """Record a decision; it is sent when its turn comes.

        `lines` are references and units, or what those units cost (J10), None being all that are left; no lines at all
        means every line for which the move is legal. Raises NotAllowed, which says why and what would be possible.
        """

        def work(db: sqlite3.Connection) -> OrderUpdate:
            order = order_of(db, account, number)
            chosen, cancels = wanted(db, order, kind, lines, legal_moves), kind is UpdateKind.REFUND
            new = New(kind, chosen, parcel, reason, out_of_stock, cancels)
            return insert(db, order, new, at, legal_moves)

        return await self._database.write(work)

    async def cancel(
        self,
        account: AccountName,
        number: OrderNumber,
        lines: Choice,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        reason: str = "",
    ) -> CancelRequest:
        """Record the one request "cancel or refund" as the updates that it takes, line by line (L14).

        Lines of one order may need different ones: each kind becomes an update of its own, sent one after the other.
        `lines` as in `open`, except that without any a line that cannot be cancelled is left out and told. Raises
        NotAllowed when nothing can be done, or not for every line that was named.
        """

        def work(db: sqlite3.Connection) -> CancelRequest:
            order = order_of(db, account, number)
            chosen, left_out = cancelled(db, order, lines, legal_moves)
            updates = [
                insert(db, order, New(kind, chosen[kind], reason=reason, cancels=True), at, legal_moves)
                for kind in legal_moves.cancels
                if chosen[kind]
            ]
            return CancelRequest(tuple(updates), tuple(left_out))

        return await self._database.write(work)

    async def resend(
        self,
        account: AccountName,
        number: OrderNumber,
        *,
        legal_moves: LegalMoves,
        at: datetime,
        update: UpdateId | None = None,
        mend: Mend = lambda parcel, reason: (parcel, reason),
    ) -> OrderUpdate:
        """Say a failed update again from the record, under a new name, mended (J13, L18).

        Without `update` it is the one that failed, was not said again since and is possible by how its lines stand now.
        Raises NotAllowed, which says why none is, or which there are.
        """

        def work(db: sqlite3.Connection) -> OrderUpdate:
            order = order_of(db, account, number)
            failed, chosen = _resendable(db, order, update, legal_moves)
            said = db.execute('SELECT * FROM update_lines WHERE "update" = ?', (failed["id"],)).fetchall()
            parcel = None if failed["parcel"] is None else parcel_from_json(failed["parcel"])
            parcel, reason = mend(parcel, said[0]["reason"])
            again = New(
                *(UpdateKind(failed["kind"]), chosen, parcel, reason),
                out_of_stock=any(line["out_of_stock"] for line in said),
                cancels=bool(failed["cancels"]),
                claim=failed["claim"],
                resends=failed["id"],
            )
            return insert(db, order, again, at, legal_moves)

        return await self._database.write(work)

    async def accept_claim(
        self, account: AccountName, claim: ClaimId, *, legal_moves: LegalMoves, at: datetime, reason: str = ""
    ) -> CancelRequest:
        """Decide the cancellation that an open claim asks for, of every unit that can still be cancelled (J12, J9).

        Raises NotAllowed when none can be, or the claim is not open.
        """

        def work(db: sqlite3.Connection) -> CancelRequest:
            row = claim_of(db, account, claim)
            if row["state"] != ClaimState.OPEN:
                why = f": {row['why']}" if row["why"] else ""
                raise NotAllowed(f"claim {claim} is {row['state']}{why}; only an open one can be accepted")
            order = order_of(db, account, OrderNumber(row["number"]))
            chosen, left_out = answerable(db, order, _asked(db, claim), legal_moves)
            if not chosen:
                raise NotAllowed("; ".join(left_out))
            return CancelRequest((_answer(db, order, row, chosen, reason, at, legal_moves),), tuple(left_out))

        return await self._database.write(work)

    async def accept_claims(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide the cancellation of every claim beyond doubt, while nothing of its order is on its way (J12).

        Once anything of an order was dispatched, or is about to be, a person decides.
        """

        def work(db: sqlite3.Connection) -> int:
            accepted = 0
            for row in db.execute(_BEYOND_DOUBT, (account,)).fetchall():
                order = order_of(db, account, OrderNumber(row["number"]))
                chosen, left_out = answerable(db, order, _asked(db, row["id"]), legal_moves)
                if not left_out:
                    _answer(db, order, row, chosen, "", at, legal_moves)
                    doubt_if_restored(db, order)
                    accepted += 1
            return accepted

        return await self._database.write(work)

    async def acknowledge_new(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acknowledgement for every complete order that has none (J7)."""
        return await self._decide_new(account, UpdateKind.ACKNOWLEDGEMENT, legal_moves, at)

    async def accept_in_stock(self, account: AccountName, legal_moves: LegalMoves, at: datetime) -> int:
        """Decide an acceptance for every new order whose every new line is in stock, the oldest first (L13).

        In stock is what the listing has, less the units that open orders were promised: those of lines that are
        accepted or to be shipped, or whose acceptance is on its way.
        """
        return await self._decide_new(account, UpdateKind.ACCEPTANCE, legal_moves, at, in_stock)

    async def _decide_new(
        self,
        account: AccountName,
        kind: UpdateKind,
        legal_moves: LegalMoves,
        at: datetime,
        ready: Callable[[sqlite3.Connection, int], bool] = lambda _db, _order: True,
    ) -> int:
        def work(db: sqlite3.Connection) -> int:
            orders = db.execute(
                f"SELECT o.* FROM orders o WHERE +o.account = ? AND o.incomplete = '' AND {_NEW} ORDER BY o.id",  # noqa: S608
                (account,),
            ).fetchall()
            decided = 0
            for order in orders:
                if ready(db, order["id"]):
                    insert(db, order, New(kind, wanted(db, order, kind, None, legal_moves)), at, legal_moves)
                    doubt_if_restored(db, order)
                    decided += 1
            return decided

        return await self._database.write(work)

    async def due(self, account: AccountName, limit: int = 500, *, cancels: bool | None = None) -> list[DueUpdate]:
        """Updates whose turn it is: the oldest of each order that has none open.

        `cancels` gives only those of requests to cancel or refund, or only the others (L14).
        """
        values = (account, cancels, cancels, limit)
        return await self._database.read(lambda db: load(db, f"{_DUE} LIMIT ?", values))

    async def in_doubt(self, account: AccountName, *, cancels: bool | None = None) -> list[DueUpdate]:
        """Updates that may have arrived, so that the marketplace can be asked; `cancels` as in `due`."""
        where = (
            # Where an answer came that could not be applied, to ask would only tell that it was sent.
            f"u.account = ? AND {_UNSETTLED} AND u.state = 'in_doubt' AND u.unread_answer IS NULL"
            " AND (? IS NULL OR u.cancels = ?) ORDER BY u.created_at"
        )
        return await self._database.read(lambda db: load(db, where, (account, cancels, cancels)))

    async def doubt_restored(self, account: AccountName, name_of: Callable[[OrderUpdate], str], at: datetime) -> int:
        """Put in doubt what the database that this one replaced may have sent, each when its turn comes (P29).

        `name_of` gives the name under which it would have been sent. Returns how many.
        """
        doubtful = f"u.account = ? AND u.doubtful = 1 AND {_DUE_NOW}"
        if not await self._database.read(lambda db: load(db, doubtful, (account,))):
            return 0

        def work(db: sqlite3.Connection) -> int:
            due = load(db, doubtful, (account,))
            for one in due:
                name = name_of(one.update)
                db.execute("UPDATE order_updates SET doubtful = 0, name = ? WHERE id = ?", (name, one.id))
                why = "the database was restored from an older one, which may have sent it"
                settle(db, one.id, UpdateState.IN_DOUBT, why, at)
            return len(due)

        return await self._database.write(work)

    async def overtaken(self, update: UpdateId, legal_moves: LegalMoves, at: datetime) -> str:
        """Close a waiting update that has become pointless or illegal; returns why, empty where it may go.

        Lines may have been moved elsewhere, at the seller portal say, since the seller decided (L12).
        """

        def work(db: sqlite3.Connection) -> str:
            row = row_of(db, update)
            why = overtaken(db, row, legal_moves) if row["state"] == UpdateState.PENDING else ""
            if why:
                fail(db, update, why, at)
            return why

        return await self._database.write(work)

    async def sending(self, update: UpdateId, name: str, content: bytes, at: datetime) -> None:
        """Record the exact bytes and the name before the first byte leaves (house law 6)."""

        def work(db: sqlite3.Connection) -> None:
            changed = db.execute(
                "UPDATE order_updates SET state = 'sending', name = ?, payload = ? WHERE id = ? AND state = 'pending'",
                (name, keep(db, content, at), update),
            ).rowcount
            if changed != 1:
                raise NotAllowed("this update is being sent already")
            tell_update(db, update, at, ("pending", "sending"))
            count_send(db)

        await self._database.claim(work)

    async def sent(self, update: UpdateId, answer_wait: timedelta, at: datetime) -> None:
        """It is there: its lines move. Without a wait for an answer it is settled at once."""

        def work(db: sqlite3.Connection) -> None:
            row = row_of(db, update)
            if row["state"] in ("sent", "succeeded", "failed"):
                return
            state = UpdateState.SENT if answer_wait else UpdateState.SUCCEEDED
            db.execute(
                "UPDATE order_updates SET state = ?, error = '', sent_at = ?, settled_at = ? WHERE id = ?",
                (state, to_us(at), None if answer_wait else to_us(at), update),
            )
            move_lines(db, row, at)
            tell_update(db, update, at, (row["state"], state))
            if state is UpdateState.SUCCEEDED:
                settle_lines(db, row, at)
            follow(db, row["order"], at)

        await self._database.write(work)

    async def may_have_arrived(self, update: UpdateId, error: str, at: datetime) -> None:
        """Its sending was cut where nobody knows: it is in doubt until somebody does."""
        await self._database.write(lambda db: settle_open(db, update, UpdateState.IN_DOUBT, error, at))

    async def not_arrived(self, update: UpdateId, error: str, at: datetime) -> None:
        """Nothing reached the marketplace: it waits for the next tick."""
        await self._database.write(lambda db: settle_open(db, update, UpdateState.PENDING, error, at))

    async def failed(self, update: UpdateId, error: str, at: datetime) -> None:
        """The marketplace said no: its lines are as they were before it."""
        await self._database.write(lambda db: fail(db, update, error, at))

    async def keep_answers(self, account: AccountName, delivery: Delivery[UpdateAnswer], at: datetime) -> bool:
        """Keep answers and apply them in one transaction; False when they had to be set aside (J8, D9)."""
        return await self._database.write(lambda db: keep_answers(db, account, delivery, at))

    async def doubt_answers(
        self, account: AccountName, delivery: Delivery[UpdateAnswer], why: Unforeseen, at: datetime
    ) -> None:
        """Answers could not be applied for a reason that nobody foresaw: they are set aside, their updates in doubt."""
        await self._database.write(lambda db: doubt_answers(db, account, delivery, why, at))

    async def settle_silent(self, account: AccountName, answer_wait: timedelta, at: datetime) -> int:
        """Where nothing was said against a sent update for long enough, it has succeeded (J13)."""

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute(
                f"SELECT u.id FROM order_updates u WHERE u.account = ? AND {_UNSETTLED} AND u.state = 'sent'"  # noqa: S608
                # Sent far ahead of now means that the wall clock was set back since.
                " AND u.sent_at NOT BETWEEN ? AND ?",
                (account, to_us(at - answer_wait) + 1, to_us(at + answer_wait)),
            ).fetchall()
            for row in rows:
                settle(db, UpdateId(row["id"]), UpdateState.SUCCEEDED, "", at)
            return len(rows)

        return await self._database.write(work)

    async def recover(self, at: datetime) -> int:
        """After a start: what was being sent is in doubt (house law 6)."""

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute(f"SELECT u.id FROM order_updates u WHERE {_UNSETTLED} AND u.state = 'sending'").fetchall()  # noqa: S608
            for row in rows:
                settle(db, row["id"], UpdateState.IN_DOUBT, "the daemon ended while it was being sent", at)
            return len(rows)

        return await self._database.write(work)

    async def resolve(self, account: AccountName, number: OrderNumber, *, arrived: bool, at: datetime) -> None:
        """A person says what became of an update in doubt; raises NotAllowed when there is none."""

        def work(db: sqlite3.Connection) -> None:
            order = order_of(db, account, number)
            row = db.execute(
                "SELECT * FROM order_updates WHERE \"order\" = ? AND state = 'in_doubt'", (order["id"],)
            ).fetchone()
            if row is None:
                raise NotAllowed(f"order {number} has no update in doubt; nothing to settle")
            if arrived:
                db.execute("UPDATE order_updates SET sent_at = ? WHERE id = ?", (to_us(at), row["id"]))
                move_lines(db, row, at)
            elif row["unread_answer"] is not None:
                # It had arrived, and moved its lines; they are as they were before it is sent once more.
                move_lines_back(db, row, at, "said by a person")
            settle(db, row["id"], UpdateState.SUCCEEDED if arrived else UpdateState.PENDING, "", at, "said by a person")

        await self._database.write(work)


# Once a dispatch of an order was decided, and did not fail, its fulfilment has begun.
_BEYOND_DOUBT = (
    "SELECT * FROM claims c WHERE c.account = ? AND c.state = 'open' AND c.why = ''"
    # The partial index's own words, so that SQLite uses it.
    " AND c.state IN ('incomplete', 'waiting', 'open', 'accepted', 'too_late')"
    ' AND NOT EXISTS (SELECT 1 FROM order_updates u WHERE u."order" = c."order" AND u.kind = \'dispatch\''
    " AND u.state <> 'failed') ORDER BY c.id"
)
_NEW = (
    # The partial index knows those that are new: they are little beside all orders that ever came.
    "o.id IN (SELECT l.\"order\" FROM order_lines l WHERE l.state = 'new')"
    # An update that failed waits for a person: the same would only fail again.
    ' AND NOT EXISTS (SELECT 1 FROM order_updates u WHERE u."order" = o.id)'
)
#: the words of the partial index of the schema, so that SQLite uses it
_UNSETTLED = "u.state IN ('pending', 'sending', 'sent', 'in_doubt')"
_DUE_NOW = (
    f"{_UNSETTLED} AND u.state = 'pending' AND NOT EXISTS (SELECT 1 FROM order_updates v"  # noqa: S608
    ' WHERE v."order" = u."order" AND v.created_at < u.created_at'
    " AND v.state IN ('pending', 'sending', 'sent', 'in_doubt'))"
)
# What may have been sent by a database that this one replaced is asked about first.
_DUE = f"u.account = ? AND {_DUE_NOW} AND u.doubtful = 0 AND (? IS NULL OR u.cancels = ?) ORDER BY u.created_at"


def _resendable(
    db: sqlite3.Connection, order: sqlite3.Row, update: UpdateId | None, legal_moves: LegalMoves
) -> tuple[sqlite3.Row, list[tuple[int, int]]]:
    """The failed update of an order that is to be said again, with its lines as (row, units)."""
    failed = db.execute(
        "SELECT * FROM order_updates u WHERE u.\"order\" = ? AND u.state = 'failed' AND (? IS NULL OR u.id = ?)"
        ' AND NOT EXISTS (SELECT 1 FROM order_updates v WHERE v."order" = u."order" AND v.resends = u.id)'
        " ORDER BY u.id",
        (order["id"], update, update),
    ).fetchall()
    possible, hindrances = [], []
    for row in failed:
        lines = db.execute(
            'SELECT l.ref, w.quantity FROM update_lines w JOIN order_lines l ON l.id = w.line WHERE w."update" = ?'
            " ORDER BY l.position",
            (row["id"],),
        ).fetchall()
        try:
            said = [(line["ref"], line["quantity"]) for line in lines]
            possible.append((row, wanted(db, order, UpdateKind(row["kind"]), said, legal_moves)))
        except NotAllowed as error:
            hindrances.append(f"{row['kind']} {row['id']} cannot be sent again: {error}")
    if len(possible) == 1:
        return possible[0]
    if possible:
        there = ", ".join(f"{row['id']} ({row['kind']}: {row['error']})" for row, _ in possible)
        raise NotAllowed(f"several updates of order {order['number']} failed; say which to send again: {there}")
    nothing = f"order {order['number']} has no failed update to send again"
    raise NotAllowed("; ".join(hindrances) or (f"{nothing} of number {update}" if update else nothing))


def _asked(db: sqlite3.Connection, claim: int) -> list[tuple[str, int]]:
    lines = db.execute("SELECT ref, quantity FROM claim_lines WHERE claim = ? ORDER BY ref", (claim,)).fetchall()
    return [(line["ref"], line["quantity"]) for line in lines]


def _answer(
    db: sqlite3.Connection,
    order: sqlite3.Row,
    claim: sqlite3.Row,
    chosen: list[tuple[int, int]],
    reason: str,
    at: datetime,
    legal_moves: LegalMoves,
) -> OrderUpdate:
    new = New(UpdateKind.CANCELLATION, chosen, reason=reason, cancels=True, claim=claim["id"])
    return insert(db, order, new, at, legal_moves)
