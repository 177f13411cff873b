"""The audit trail: who asked for what, when, from where, and what came of it; never customers' data or secrets."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NewType

from daemon.store.database import Database
from daemon.store.times import iso, to_us

AuditId = NewType("AuditId", int)

#: what came of an action; `begun` and no more means that the process ended in the middle of it
Outcome = Literal["begun", "done", "refused", "failed"]

_MOST = 1_000
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody asks for something: `how` is the way in (socket, session, token, …), `path` what it is about."""

    who: str
    how: str
    address: str
    path: str


class Audit:
    """Every action, written before it is done and again after."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, action: Action, at: datetime, *, forget_before: datetime) -> AuditId:
        """An action is about to be done. What began before `forget_before` is forgotten."""

        def work(db: sqlite3.Connection) -> AuditId:
            db.execute("DELETE FROM audit WHERE at < ?", (to_us(forget_before),))
            row = db.execute(
                "INSERT INTO audit (at, who, how, address, path) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (to_us(at), action.who, action.how, action.address, action.path[:_LONGEST]),
            ).fetchone()
            return AuditId(row["id"])

        return await self._database.write(work)

    async def claim(self, entry: AuditId, form: str) -> bool:
        """The action comes from the form with this one-time mark; False when the form was sent before.

        What was refused has changed nothing: its form may be mended and sent again.
        """

        def work(db: sqlite3.Connection) -> bool:
            db.execute("UPDATE audit SET form = NULL WHERE form = ? AND outcome = 'refused'", (form,))
            claimed = db.execute(
                "UPDATE audit SET form = ? WHERE id = ? AND NOT EXISTS (SELECT 1 FROM audit WHERE form = ?)",
                (form, entry, form),
            )
            return claimed.rowcount > 0

        return await self._database.write(work)

    async def end(self, entry: AuditId, action: str, outcome: Outcome, at: datetime, detail: str = "") -> None:
        """What came of it; `action` is its name in the program."""
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE audit SET action = ?, outcome = ?, detail = ?, ended_at = ? WHERE id = ?",
                    (action, outcome, detail[:_LONGEST], to_us(at), entry),
                ).rowcount
            )
        )

    async def by_form(self, form: str) -> dict[str, Any] | None:
        """The entry of the form with this mark."""
        row = await self._database.read(lambda db: db.execute("SELECT * FROM audit WHERE form = ?", (form,)).fetchone())
        return _entry(row) if row else None

    async def entry(self, number: int) -> dict[str, Any] | None:
        """One entry."""
        row = await self._database.read(lambda db: db.execute("SELECT * FROM audit WHERE id = ?", (number,)).fetchone())
        return _entry(row) if row else None

    async def list(
        self,
        *,
        who: str = "",
        outcome: str = "",
        find: str = "",
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Entries, the newest first; `find` looks in path, action and detail, `before` goes on behind a page."""
        sql = (
            "SELECT * FROM audit WHERE (:who = '' OR who = :who) AND (:outcome = '' OR outcome = :outcome)"
            " AND (:find = '' OR instr(lower(path || ' ' || action || ' ' || detail), lower(:find)))"
            " AND at >= :since AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        )
        values = {
            "who": who,
            "outcome": outcome,
            "find": find,
            "since": to_us(since) if since else 0,
            "before": before,
            "limit": min(limit, _MOST),
        }
        rows = await self._database.read(lambda db: db.execute(sql, values).fetchall())
        return [_entry(row) for row in rows]


def _entry(row: sqlite3.Row) -> dict[str, Any]:
    names = ("id", "who", "how", "address", "path", "action", "outcome", "detail")
    return {**{name: row[name] for name in names}, "at": iso(row["at"]), "ended_at": iso(row["ended_at"])}
