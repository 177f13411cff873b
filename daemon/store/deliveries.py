"""Everything that came in: kept before it is confirmed, once each, set aside when it cannot be read (D9, J14, L17)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import NewType

from daemon.errors import NotAllowed, Unforeseen, Unreadable
from daemon.model import AccountName, PayloadId, RemoteFile
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.filling import insert
from daemon.store.times import from_us, to_us

DeliveryId = NewType("DeliveryId", int)

#: names in one question
_LOOKED_UP = 5_000


class DeliveryKind(StrEnum):
    """What a delivery brings; an order is one, or what the marketplace asks about one (J12)."""

    ORDER = "order"
    REPORT = "report"
    UPDATE_ANSWER = "update_answer"


class DeliveryState(StrEnum):
    """KEPT: its bytes are here. APPLIED: its work is done. WAITING: for its feed to turn up. SET_ASIDE: see why.

    CLOSED stands aside as well, and is told no more: a person has seen it. What it speaks of stays as it was.
    """

    KEPT = "kept"
    APPLIED = "applied"
    WAITING = "waiting"
    SET_ASIDE = "set_aside"
    CLOSED = "closed"


#: the state of a row as people are shown it; the column `state` of what is closed still says that it stands aside
SHOWN_STATE = f"CASE WHEN closed_at IS NULL THEN state ELSE '{DeliveryState.CLOSED}' END"
#: what stands aside and is told; the partial index is of those that are kept, wait or stand aside
STANDS_ASIDE = "state = 'set_aside' AND closed_at IS NULL"


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """One delivery as it is kept; `known` says that the very same had been kept before."""

    id: DeliveryId
    file: RemoteFile
    payload: PayloadId
    state: DeliveryState
    received_at: datetime
    known: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What a batch of deliveries brought: what was never seen, what has moved, and what could not be read.

    `surprises` are the faults of our own among the reasons for that.
    """

    new: int = 0
    moved: int = 0
    set_aside: tuple[str, ...] = ()
    surprises: tuple[Unforeseen, ...] = ()

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(
            *(self.new + other.new, self.moved + other.moved),
            *(self.set_aside + other.set_aside, self.surprises + other.surprises),
        )


class Deliveries:
    """The files and replies of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def inbox(self, account: AccountName) -> "AccountInbox":
        """What one account's marketplace may ask: which files are new."""
        return AccountInbox(self._database, account)

    async def keep(
        self, account: AccountName, kind: DeliveryKind, file: RemoteFile, payload: PayloadId, at: datetime
    ) -> KeptDelivery:
        """Remember a delivery whose bytes are kept already."""
        return await self._database.write(lambda db: record(db, account, kind, file, payload, at))

    async def move(self, delivery: DeliveryId, state: DeliveryState, reason: str = "") -> None:
        """Say how a delivery stands now."""
        await self._database.write(lambda db: move(db, delivery, state, reason))

    async def try_again(self, delivery: DeliveryId) -> tuple[AccountName, DeliveryKind]:
        """Let something that was set aside, or closed, be read again from its kept bytes, at the next turn of its job.

        What could not be fetched has no bytes: it is forgotten, and fetched anew. Raises NotAllowed where nothing of
        that number is set aside, where the retention of its bytes has ended, or where an update is in doubt because of
        what was never fetched.
        """
        return await self._database.write(lambda db: _try_again(db, delivery))

    async def close(self, delivery: DeliveryId, by: str, why: str, at: datetime) -> AccountName:
        """A person has seen something that was set aside, and nothing more is to come of it: it is told no more.

        Its bytes are kept as long as any; a feed whose silence it has put in doubt stays so. Returns whose it is.
        Raises NotAllowed where nothing of that number is set aside.
        """
        return await self._database.write(lambda db: _close(db, delivery, by, why, at))

    async def unsettled(self, account: AccountName, kind: DeliveryKind) -> list[KeptDelivery]:
        """Deliveries that are kept but not applied: a crash came between, or their feed was unknown."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM deliveries WHERE account = ? AND kind = ? AND state IN ('kept', 'waiting')"
                # The partial index's own words, so that SQLite uses it.
                " AND (state = 'kept' OR state = 'waiting' OR state = 'set_aside') ORDER BY id",
                (account, kind),
            ).fetchall()
        )
        return [_kept(row) for row in rows]

    async def unconfirmed(self, account: AccountName) -> list[KeptDelivery]:
        """Deliveries whose work is done and whose files still wait to be confirmed at the marketplace."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM deliveries WHERE account = ? AND state = 'applied' AND confirmed_at IS NULL ORDER BY id",
                (account,),
            ).fetchall()
        )
        return [_kept(row) for row in rows]

    async def confirmed(self, deliveries: Sequence[DeliveryId], at: datetime) -> None:
        """The marketplace has been told, or the account says to leave the files."""
        await self._database.write(
            lambda db: (
                db.executemany(
                    "UPDATE deliveries SET confirmed_at = ? WHERE id = ?",
                    [(to_us(at), delivery) for delivery in deliveries],
                ).rowcount
            )
        )


class AccountInbox:
    """What is known of the files of one account's servers."""

    def __init__(self, database: Database, account: AccountName) -> None:
        self._database = database
        self._account = account

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        """Those of `files` that are not kept as they stand now; a changed size or time makes a file new again.

        Where confirming clears a file away, `cleared`, one that stands there after it was put back, by hand say, with
        the time that it had: what is in it now, only its bytes tell (J14).
        """
        known: set[tuple[str, str, int, int | None]] = set()
        # Only what is listed is looked up: every file that ever came is still remembered, and those are many more.
        for start in range(0, len(files), _LOOKED_UP):
            some = files[start : start + _LOOKED_UP]
            rows = await self._database.read(partial(_known_files, account=self._account, files=some))
            known.update(tuple(row)[:4] for row in rows if not (cleared and row["confirmed_at"]))
        return [file for file in files if _identity(file) not in known]


def _known_files(db: sqlite3.Connection, account: str, files: Sequence[RemoteFile]) -> list[sqlite3.Row]:
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(file.folder, []).append(file.name)
    return [
        row
        for folder, listed in names.items()
        for row in db.execute(
            "SELECT folder, name, size, modified_at, confirmed_at FROM deliveries WHERE account = ? AND folder = ?"
            " AND name IN (SELECT value FROM json_each(?))",
            (account, folder, json.dumps(listed)),
        ).fetchall()
    ]


def known_names(db: sqlite3.Connection, account: str, files: Sequence[RemoteFile]) -> set[tuple[str, str]]:
    """The folders and names of those files under which something was kept before, whatever it was."""
    return {(row["folder"], row["name"]) for row in _known_files(db, account, files)}


def record_applied(
    db: sqlite3.Connection,
    account: AccountName,
    kind: DeliveryKind,
    files: Sequence[tuple[RemoteFile, PayloadId]],
    at: datetime,
) -> list[DeliveryId]:
    """Remember files under whose names nothing was kept before, their work done in the caller's transaction."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM deliveries").fetchone()
    ids = [DeliveryId(last + place) for place in range(1, len(files) + 1)]
    insert(
        db,
        "deliveries",
        ("id", "account", "kind", "folder", "name", "size", "modified_at", "payload", "state", "received_at"),
        [
            (delivery, account, kind, *_identity(file), payload, DeliveryState.APPLIED, to_us(at))
            for delivery, (file, payload) in zip(ids, files, strict=True)
        ],
    )
    return ids


def record(
    db: sqlite3.Connection, account: AccountName, kind: DeliveryKind, file: RemoteFile, payload: PayloadId, at: datetime
) -> KeptDelivery:
    """Remember a delivery inside the caller's transaction; the same name with the same content is one row."""
    _, _, _, modified_at = _identity(file)
    row = db.execute(
        "SELECT * FROM deliveries WHERE account = ? AND folder = ? AND name = ? AND payload = ?",
        (account, file.folder, file.name, payload),
    ).fetchone()
    if row is not None:
        # The same once more is a file that lies there again, to be confirmed again.
        db.execute(
            "UPDATE deliveries SET size = ?, modified_at = ?, confirmed_at = NULL WHERE id = ?"
            # A reply of a service lies nowhere.
            " AND (size <> ? OR modified_at IS NOT ? OR (confirmed_at IS NOT NULL AND folder <> 'reply'))",
            (file.size, modified_at, row["id"], file.size, modified_at),
        )
        return replace(_kept(row), file=file, known=True)
    delivery = db.execute(
        "INSERT INTO deliveries (account, kind, folder, name, size, modified_at, payload, state, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'kept', ?) RETURNING id",
        (account, kind, file.folder, file.name, file.size, modified_at, payload, to_us(at)),
    ).fetchone()[0]
    return KeptDelivery(DeliveryId(delivery), file, payload, DeliveryState.KEPT, at)


def _try_again(db: sqlite3.Connection, delivery: DeliveryId) -> tuple[AccountName, DeliveryKind]:
    row = db.execute(
        "SELECT d.*, p.size AS bytes, EXISTS (SELECT 1 FROM payload_chunks c WHERE c.payload = p.id) AS there"
        " FROM deliveries d JOIN payloads p ON p.id = d.payload WHERE d.id = ?",
        (delivery,),
    ).fetchone()
    if row is None:
        raise NotAllowed(f"there is no delivery {delivery}")
    if row["state"] != DeliveryState.SET_ASIDE:
        raise NotAllowed(f"delivery {delivery} is {row['state']}, not set aside; there is nothing to try again")
    if row["bytes"] and not row["there"]:
        raise NotAllowed(f"the bytes of delivery {delivery} are kept no more; the marketplace must give it again")
    # An empty file is here whole: what it put in doubt goes on pointing at it.
    if row["bytes"] or not row["size"]:
        move(db, delivery, DeliveryState.KEPT)
        db.execute("UPDATE deliveries SET closed_at = NULL, closed_by = '', closed_why = '' WHERE id = ?", (delivery,))
    else:
        if db.execute("SELECT 1 FROM order_updates WHERE unread_answer = ?", (delivery,)).fetchone() is not None:
            # To forget it would make silence a yes (J13).
            raise NotAllowed(f"an update is in doubt because of delivery {delivery}: say first what became of that one")
        db.execute("DELETE FROM deliveries WHERE id = ?", (delivery,))
    return AccountName(row["account"]), DeliveryKind(row["kind"])


def _close(db: sqlite3.Connection, delivery: DeliveryId, by: str, why: str, at: datetime) -> AccountName:
    row = db.execute(
        f"SELECT account, {SHOWN_STATE} AS shown FROM deliveries WHERE id = ?",  # noqa: S608 - our own words
        (delivery,),
    ).fetchone()
    if row is None:
        raise NotAllowed(f"there is no delivery {delivery}")
    if row["shown"] != DeliveryState.SET_ASIDE:
        raise NotAllowed(f"delivery {delivery} is {row['shown']}, not set aside; there is nothing to close")
    db.execute(
        "UPDATE deliveries SET closed_at = ?, closed_by = ?, closed_why = ? WHERE id = ?",
        (to_us(at), by, why, delivery),
    )
    moved, told = (DeliveryState.SET_ASIDE, DeliveryState.CLOSED), f"by {by}{f': {why}' if why else ''}"
    tell(db, at, row["account"], ("account", 0), f"delivery {delivery}", moved=moved, why=told)
    return AccountName(row["account"])


def move(db: sqlite3.Connection, delivery: DeliveryId, state: DeliveryState, reason: str = "") -> None:
    """Say how a delivery stands now, inside the caller's transaction."""
    db.execute("UPDATE deliveries SET state = ?, reason = ? WHERE id = ?", (state, reason, delivery))


def set_aside(db: sqlite3.Connection, delivery: DeliveryId, name: str, faults: Sequence[str | Unreadable]) -> Kept:
    """Leave a delivery in sight with what is wrong with it."""
    reason = "; ".join(map(str, faults))
    move(db, delivery, DeliveryState.SET_ASIDE, reason)
    return Kept(set_aside=(f"{name}: {reason}",), surprises=tuple(it for it in faults if isinstance(it, Unforeseen)))


def other_content(db: sqlite3.Connection, account: AccountName, file: RemoteFile, payload: PayloadId) -> bool:
    """Whether a file of this name was kept before with other bytes (J14)."""
    # A reply of a service is never the same twice; only files are held to their names.
    if file.folder == "reply":
        return False
    row = db.execute(
        "SELECT 1 FROM deliveries WHERE account = ? AND folder = ? AND name = ? AND payload <> ? AND state = 'applied'",
        (account, file.folder, file.name, payload),
    ).fetchone()
    return row is not None


def _identity(file: RemoteFile) -> tuple[str, str, int, int | None]:
    return file.folder, file.name, file.size, None if file.modified_at is None else to_us(file.modified_at)


def _kept(row: sqlite3.Row) -> KeptDelivery:
    file = RemoteFile(row["folder"], row["name"], row["size"], from_us(row["modified_at"]))
    state = DeliveryState(row["state"])
    return KeptDelivery(DeliveryId(row["id"]), file, PayloadId(row["payload"]), state, from_us(row["received_at"]))
