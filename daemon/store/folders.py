"""What is known of the seller's folders: which files were seen and taken, and which orders were laid out (S1, S2)."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.order_views import whole_order
from daemon.store.plain import View
from daemon.store.times import from_us, to_us


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it lies there: when its size, its time or its place on disk change, it is still being written."""

    name: str
    size: int
    modified_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken from an inbox; `report` is empty while its import has not ended."""

    id: int
    name: str
    taken_at: datetime
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LaidOut:
    """An order that is to be laid in the outbox, as of its change at `changed_at` (UTC microseconds)."""

    id: int
    changed_at: int
    order: View


class Folders:
    """The seller's folders as the daemon left them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unchanged(self, account: AccountName, looks: Sequence[Look]) -> set[str]:
        """The names of those files that look as they did the last time; how they look now is kept for the next."""
        rows = await self._database.read(
            lambda db: db.execute("SELECT * FROM folder_looks WHERE account = ?", (account,)).fetchall()
        )
        before = {Look(row["name"], row["size"], row["modified_ns"], row["inode"]) for row in rows}

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM folder_looks WHERE account = ?", (account,))
            db.executemany(
                "INSERT INTO folder_looks VALUES (?, ?, ?, ?, ?)",
                [(account, look.name, look.size, look.modified_ns, look.inode) for look in looks],
            )

        if before != set(looks):
            await self._database.write(work)
        return {look.name for look in looks if look in before}

    async def take(
        self, account: AccountName, kind: str, look: Look, sha256: str, at: datetime, *, by_content: bool
    ) -> Taken:
        """Take a file, or find the time at which it was taken before.

        It is the same where its content is (`by_content`); otherwise its name and its own time must be the same too,
        because a figure may come back to what it was.
        """

        def work(db: sqlite3.Connection) -> Taken:
            row = db.execute(
                "SELECT * FROM folder_imports WHERE account = :account AND kind = :kind AND sha256 = :sha256"
                " AND (:by_content OR (name = :name AND modified_ns = :modified_ns)) ORDER BY id LIMIT 1",
                {
                    "account": account,
                    "kind": kind,
                    "sha256": sha256,
                    "by_content": by_content,
                    "name": look.name,
                    "modified_ns": look.modified_ns,
                },
            ).fetchone()
            row = (
                row
                or db.execute(
                    "INSERT INTO folder_imports (account, kind, name, sha256, modified_ns, taken_at)"
                    " VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
                    (account, kind, look.name, sha256, look.modified_ns, to_us(at)),
                ).fetchone()
            )
            report = json.loads(row["report"]) if row["finished_at"] is not None else {}
            return Taken(row["id"], row["name"], from_us(int(row["taken_at"])), report)

        return await self._database.write(work)

    async def finished(self, taken: int, report: dict[str, Any], at: datetime) -> None:
        """The import of a file has ended, well or not."""
        text = json.dumps(report, ensure_ascii=False)
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE folder_imports SET finished_at = ?, report = ? WHERE id = ?", (to_us(at), text, taken)
                ).rowcount
            )
        )

    async def to_lay_out(self, account: AccountName, at: datetime, *, changes: bool, limit: int = 100) -> list[LaidOut]:
        """Whole orders that came in since there is an outbox and are not in it yet; with `changes`, changed ones."""

        def work(db: sqlite3.Connection) -> list[LaidOut]:
            db.execute("INSERT INTO folder_outboxes VALUES (?, ?) ON CONFLICT DO NOTHING", (account, to_us(at)))
            rows = db.execute(
                "SELECT o.* FROM orders o JOIN folder_outboxes b ON b.account = o.account"
                ' LEFT JOIN folder_orders f ON f."order" = o.id'
                " WHERE o.account = :account AND o.incomplete = '' AND o.received_at >= b.since"
                ' AND (f."order" IS NULL OR (:changes AND f.changed_at < o.changed_at))'
                " ORDER BY o.changed_at, o.id LIMIT :limit",
                {"account": account, "changes": changes, "limit": limit},
            ).fetchall()
            return [LaidOut(row["id"], row["changed_at"], whole_order(db, row)) for row in rows]

        return await self._database.write(work)

    async def laid_out(self, orders: Collection[LaidOut]) -> None:
        """These orders lie in the outbox."""
        await self._database.write(
            lambda db: (
                db.executemany(
                    'INSERT INTO folder_orders VALUES (?, ?) ON CONFLICT ("order") DO UPDATE'
                    " SET changed_at = excluded.changed_at",
                    [(order.id, order.changed_at) for order in orders],
                ).rowcount
            )
        )

    async def prune(self, account: AccountName, before: datetime) -> int:
        """Forget files that were taken long ago; how many there were."""
        sql = "DELETE FROM folder_imports WHERE account = ? AND finished_at < ?"
        return await self._database.write(lambda db: db.execute(sql, (account, to_us(before))).rowcount)
