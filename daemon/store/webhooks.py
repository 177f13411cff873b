"""Messages to the receivers of webhooks: made of events, each once, and kept until they are delivered or given up."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from daemon.errors import NotAllowed
from daemon.rules.webhooks import next_try, rest, type_of
from daemon.store.database import Database
from daemon.store.times import from_us, to_us

#: events looked at in one transaction
BATCH = 5_000
#: a receiver who was not configured for so long is told nothing of the time between
FORGOTTEN = timedelta(days=3)
#: how often the presence of a receiver is written down
_SEEN_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receiver wants to hear; an empty collection is everything."""

    name: str
    types: Collection[str] = ()
    accounts: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is sent; `payload` is its body, `attempts` how often it was tried."""

    id: int
    message: str
    payload: str
    attempts: int


class Webhooks:
    """Every receiver that was ever configured, and what he was told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def collect(self, receiver: Wanted, at: datetime) -> int:
        """Make messages of the events that have happened since, up to 5,000; returns how many events were looked at.

        A receiver who is new, or was away for three days, hears of what happens from now on.
        """
        # Looking first, because a transaction every few seconds for nothing would wear the disk.
        if not await self._database.read(lambda db: _is_behind(db, receiver.name, at)):
            return 0
        return await self._database.write(lambda db: _collect(db, receiver, at))

    async def due(self, name: str, at: datetime, limit: int = 100) -> list[Message]:
        """The messages whose turn it is, the oldest first; none while the receiver rests."""

        def work(db: sqlite3.Connection) -> list[Message]:
            rows = db.execute(
                "SELECT m.* FROM webhook_messages m JOIN webhook_receivers r ON r.name = m.receiver"
                " WHERE m.receiver = ? AND m.state = 'pending' AND m.due_at <= ? AND coalesce(r.rests_until, 0) <= ?"
                " ORDER BY m.event LIMIT ?",
                (name, to_us(at), to_us(at), limit),
            ).fetchall()
            return [Message(row["id"], row["message"], row["payload"], row["attempts"]) for row in rows]

        return await self._database.read(work)

    async def delivered(self, name: str, message: int, at: datetime) -> None:
        """He has it, so he is there."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE webhook_messages SET state = 'delivered', attempts = attempts + 1, settled_at = ?,"
                " last_error = '' WHERE id = ?",
                (to_us(at), message),
            )
            db.execute(
                "UPDATE webhook_receivers SET failures = 0, failing_since = NULL, rests_until = NULL, last_error = ''"
                " WHERE name = ? AND failures > 0",
                (name,),
            )

        await self._database.write(work)

    async def failed(self, name: str, message: Message, error: str, at: datetime, *, gone: bool, alone: bool) -> None:
        """It was not taken, and is tried again later, or given up.

        `gone`: he wants none any more. `alone`: this message is at fault and not the receiver, who needs no rest.
        """

        def work(db: sqlite3.Connection) -> None:
            again = None if gone else next_try(message.attempts + 1, at)
            db.execute(
                "UPDATE webhook_messages SET attempts = attempts + 1, last_error = ?, due_at = ?, state = ?,"
                " settled_at = ? WHERE id = ?",
                (
                    *(error, to_us(again or at), "pending" if again else "given_up"),
                    *(None if again else to_us(at), message.id),
                ),
            )
            if alone:
                return
            row = db.execute("SELECT failures FROM webhook_receivers WHERE name = ?", (name,)).fetchone()
            failures = row["failures"] + 1
            db.execute(
                "UPDATE webhook_receivers SET failures = ?, failing_since = coalesce(failing_since, ?),"
                " rests_until = ?, last_error = ? WHERE name = ?",
                (failures, to_us(at), to_us(at + rest(failures)), error, name),
            )

        await self._database.write(work)

    async def replay(self, name: str, since: datetime, at: datetime) -> int:
        """Tell a receiver of everything since an instant once more; returns how many events that may be.

        Each message keeps its id. Raises NotAllowed when he was never told anything.
        """

        def work(db: sqlite3.Connection) -> int:
            row = db.execute("SELECT last_event FROM webhook_receivers WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise NotAllowed(f"the webhook {name} was never told anything; it begins with the next event")
            first = db.execute("SELECT min(id) FROM events WHERE at >= ?", (to_us(since),)).fetchone()[0]
            if first is None or first > row["last_event"]:
                return 0
            db.execute(
                "UPDATE webhook_receivers SET last_event = ?, seen_at = ?, rests_until = NULL WHERE name = ?",
                (first - 1, to_us(at), name),
            )
            return int(row["last_event"] - first + 1)

        return await self._database.write(work)

    async def receivers(self) -> list[dict[str, Any]]:
        """Every receiver: how many messages stand how, and whether he can be reached."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute(
                "SELECT r.*, (SELECT max(id) FROM events) AS newest,"
                " count(m.id) FILTER (WHERE m.state = 'pending') AS pending,"
                " count(m.id) FILTER (WHERE m.state = 'delivered') AS delivered,"
                " count(m.id) FILTER (WHERE m.state = 'given_up') AS given_up"
                " FROM webhook_receivers r LEFT JOIN webhook_messages m ON m.receiver = r.name"
                " GROUP BY r.name ORDER BY r.name"
            ).fetchall()
            return [
                {
                    **{key: row[key] for key in ("name", "pending", "delivered", "given_up", "failures", "last_error")},
                    "events_behind": max((row["newest"] or 0) - row["last_event"], 0),
                    **{key: _iso(row[key]) for key in ("failing_since", "rests_until")},
                }
                for row in rows
            ]

        return await self._database.read(work)

    async def messages(
        self, name: str, *, state: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[dict[str, Any]]:
        """What a receiver was told, the newest first."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute(
                "SELECT * FROM webhook_messages WHERE receiver = :name AND (:state IS NULL OR state = :state)"
                " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
                {"name": name, "state": state, "before": before, "limit": limit},
            ).fetchall()
            names = ("id", "message", "type", "account", "state", "attempts", "last_error")
            return [
                {
                    **{key: row[key] for key in names},
                    **{key: _iso(row[key]) for key in ("created_at", "settled_at")},
                    "due_at": _iso(row["due_at"]) if row["state"] == "pending" else None,
                    "payload": json.loads(row["payload"]),
                }
                for row in rows
            ]

        return await self._database.read(work)

    async def prune(self, before: datetime) -> int:
        """Forget messages that were settled long ago; how many there were."""
        sql = "DELETE FROM webhook_messages WHERE settled_at < ?"
        return await self._database.write(lambda db: db.execute(sql, (to_us(before),)).rowcount)


def _iso(value: int | None) -> str | None:
    instant = from_us(value)
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _newest(db: sqlite3.Connection) -> int:
    return db.execute("SELECT max(id) FROM events").fetchone()[0] or 0


def _is_behind(db: sqlite3.Connection, name: str, at: datetime) -> bool:
    row = db.execute("SELECT last_event, seen_at FROM webhook_receivers WHERE name = ?", (name,)).fetchone()
    if row is None or to_us(at) - row["seen_at"] > _SEEN_EVERY // timedelta(microseconds=1):
        return True
    # Where the record has forgotten everything, its numbers begin anew.
    return _newest(db) != int(row["last_event"])


def _collect(db: sqlite3.Connection, receiver: Wanted, at: datetime) -> int:
    row = db.execute("SELECT * FROM webhook_receivers WHERE name = ?", (receiver.name,)).fetchone()
    newest = _newest(db)
    if row is None or to_us(at) - row["seen_at"] > FORGOTTEN // timedelta(microseconds=1):
        db.execute(
            "INSERT INTO webhook_receivers (name, last_event, seen_at) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET last_event = excluded.last_event, seen_at = excluded.seen_at",
            (receiver.name, newest, to_us(at)),
        )
        return 0
    last = min(row["last_event"], newest)
    upto = min(newest, last + BATCH)
    for event in db.execute(_WORTH, (last, upto)).fetchall():
        told = type_of(event["subject"], event["what"], event["to"], event["why"])
        if told and _is_wanted(receiver, told, event["account"]):
            _put(db, receiver.name, told, event, at)
    db.execute(
        "UPDATE webhook_receivers SET last_event = ?, seen_at = ? WHERE name = ?", (upto, to_us(at), receiver.name)
    )
    return int(upto - last)


#: events that may be worth a message; a feed of a catalogue leaves one of each listing, and they are not
_WORTH = (
    "SELECT e.*, o.number, l.sku FROM events e"
    " LEFT JOIN orders o ON e.subject = 'order' AND o.id = e.subject_id"
    " LEFT JOIN listings l ON e.subject = 'listing' AND l.id = e.subject_id"
    " WHERE e.id > ? AND e.id <= ? AND (e.subject <> 'listing' OR e.\"to\" IN ('error', 'rejected', 'blocked')"
    " OR (e.what = 'imported' AND e.why <> '')) ORDER BY e.id"
)


def _is_wanted(receiver: Wanted, told: str, account: str) -> bool:
    return (not receiver.types or told in receiver.types) and (not receiver.accounts or account in receiver.accounts)


def _put(db: sqlite3.Connection, name: str, told: str, event: sqlite3.Row, at: datetime) -> None:
    payload = {"type": told, "timestamp": _iso(event["at"]), "data": _data(event)}
    db.execute(
        "INSERT INTO webhook_messages (receiver, event, message, type, account, payload, due_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (receiver, event) DO UPDATE SET state = 'pending',"
        " attempts = 0, due_at = excluded.due_at, settled_at = NULL",
        (
            *(name, event["id"], f"evt_{event['at']}_{event['id']}", told, event["account"]),
            *(json.dumps(payload, ensure_ascii=False, separators=(",", ":")), to_us(at), to_us(at)),
        ),
    )


def _data(event: sqlite3.Row) -> dict[str, Any]:
    """What has moved, by ids; no reason is given, since a marketplace's own words may hold anything."""
    data = {"account": event["account"]}
    here = f"/api/v1/accounts/{quote(event['account'], safe='')}"
    match event["subject"]:
        case "order":
            data |= {"order": event["number"], "link": f"{here}/orders/{quote(event['number'] or '', safe='')}"}
        case "listing":
            data |= {"sku": event["sku"], "link": f"{here}/listings/{quote(event['sku'] or '', safe='')}"}
        case "feed":
            data |= {"feed": event["subject_id"], "link": f"/api/v1/feeds/{event['subject_id']}"}
        case _:
            data["link"] = here
    return {**data, "what": event["what"], "from": event["from"], "to": event["to"]}
