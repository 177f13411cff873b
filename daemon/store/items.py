"""Items as they are kept, to be judged by our own rules once more, and what that changes (L4, L5)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName, Item, ListingFault, Part, Sku, SyncState
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.listing_columns import item_from_json, warnings_to_json
from daemon.store.listings import find
from daemon.store.rejections import rejected
from daemon.store.times import to_us


@dataclass(frozen=True, slots=True)
class Stored:
    """The item of a listing as it is kept. `held_back` says that our own rules keep it from being sent."""

    sku: Sku
    item: Item
    revision: int
    state: SyncState
    error: str
    held_back: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the rules say now of a listing as it was kept at this revision: its faults as one text, and its warnings.

    `told` are the warnings where the item cannot be held back any more, because the marketplace has it.
    """

    sku: Sku
    revision: int
    error: str
    warnings: Sequence[ListingFault]
    told: Sequence[ListingFault]


class Items:
    """The items of listings, page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, account: AccountName, *, skus: Sequence[Sku] | None = None, after: str = "", limit: int = 1_000
    ) -> list[Stored]:
        """Items by SKU, behind `after`: those of `skus`, or all."""
        return await self._database.read(lambda db: _items(db, account, skus, after, limit))

    async def rejudge(self, account: AccountName, verdicts: Sequence[Verdicts], at: datetime) -> tuple[int, int]:
        """Apply what the rules say now to listings that have not changed since: how many are freed, how many held back.

        Only what waits to be sent, or was held back before, moves; what the marketplace has, or has rejected, is told.
        """

        def work(db: sqlite3.Connection) -> tuple[int, int]:
            moved = [_rejudge(db, account, verdict, at) for verdict in verdicts]
            return moved.count("pending"), moved.count("error")

        return await self._database.write(work)


def _items(db: sqlite3.Connection, account: str, skus: Sequence[Sku] | None, after: str, limit: int) -> list[Stored]:
    rows = db.execute(
        "SELECT l.sku, l.item, l.item_revision, l.item_state, l.item_error, r.listing IS NOT NULL AS rejected"
        " FROM listings l"
        " LEFT JOIN rejections r ON r.listing = l.id AND r.part = 'item' AND r.revision = l.item_revision"
        " WHERE l.account = :account AND l.sku > :after"
        " AND (:skus IS NULL OR l.sku IN (SELECT value FROM json_each(:skus))) ORDER BY l.sku LIMIT :limit",
        {"account": account, "after": after, "skus": None if skus is None else json.dumps(skus), "limit": limit},
    ).fetchall()
    return [
        Stored(
            Sku(row["sku"]),
            item_from_json(row["item"]),
            row["item_revision"],
            SyncState(row["item_state"]),
            row["item_error"],
            held_back=row["item_state"] == SyncState.ERROR and not row["rejected"],
        )
        for row in rows
    ]


def _rejudge(db: sqlite3.Connection, account: AccountName, verdict: Verdicts, at: datetime) -> str:
    """Where the item part has moved to; empty where it stays."""
    kept = find(db, account, verdict.sku)
    if kept is None or kept["item_revision"] != verdict.revision:
        return ""
    held_back = kept["item_state"] == SyncState.ERROR and Part.ITEM not in rejected(db, kept["id"])
    ours = held_back or kept["item_state"] == SyncState.PENDING
    warnings = warnings_to_json(verdict.warnings if ours else verdict.told)
    db.execute("UPDATE listings SET warnings = ? WHERE id = ?", (warnings, kept["id"]))
    if not ours or kept["item_error"] == verdict.error:
        return ""
    state = "error" if verdict.error else "pending"
    db.execute(
        "UPDATE listings SET item_state = ?, item_error = ?, item_revision = item_revision + 1, changed_at = ?"
        " WHERE id = ?",
        (state, verdict.error, to_us(at), kept["id"]),
    )
    moved = (kept["item_state"], state)
    why = verdict.error or "the imported codes know it now"
    tell(db, at, account, ("listing", kept["id"]), Part.ITEM, moved=moved, why=why)
    return state if state != kept["item_state"] else ""
