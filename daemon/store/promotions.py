"""The promotions of listings: kept, taken back, and begun and ended at the instants that they name (L11)."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemon.model import AccountName, Promotion, Sku
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import from_us, to_us

#: the promotions that are at another stage than they stood at when they were looked at last, each kind by an index of
#: its own; the two with the later instants are there for a clock that was set back
_MOVED = " UNION ALL ".join(
    f"SELECT id FROM promotions WHERE account = :account AND {moved}"  # noqa: S608 - our own words
    for moved in (
        "withdrawn_at IS NULL AND stage = 'waiting' AND starts_at <= :now",
        "withdrawn_at IS NULL AND stage = 'running' AND ends_at <= :now",
        "withdrawn_at IS NOT NULL AND stage = 'running'",
        "withdrawn_at IS NULL AND stage = 'running' AND starts_at > :now",
        "withdrawn_at IS NULL AND stage = 'over' AND ends_at > :now",
    )
)
_STAGE = (
    "CASE WHEN withdrawn_at IS NOT NULL OR ends_at <= :now THEN 'over' WHEN starts_at <= :now THEN 'running'"
    " ELSE 'waiting' END"
)
_RUNNING = (
    "(SELECT p.id FROM promotions p WHERE p.listing = l.id AND p.stage = 'running' AND p.withdrawn_at IS NULL"
    " ORDER BY p.starts_at LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """A promotion of one SKU; the one that starts at the same instant is changed. `cancelled` takes it back."""

    sku: Sku
    promotion: Promotion
    cancelled: bool = False


class Promotions:
    """Every promotion that was ever imported; one that is changed or taken back stays for the feeds that carried it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, account: AccountName, rows: Sequence[PromotionRow], at: datetime) -> list[tuple[Change, str]]:
        """Keep promotions: what each row did, and for OVERLAPS the one that stands in its way.

        No price is made Pending here: the next offers turn sees which promotion is in force (`begin_and_end`).
        """
        return await self._database.write(lambda db: [_put(db, account, row, at) for row in rows])

    async def page(
        self,
        account: AccountName,
        *,
        sku: Sku | None = None,
        standing: bool = True,
        before: int | None = None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Promotions, the newest first; `standing` leaves out those that were taken back or changed since."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute(
                "SELECT p.*, l.sku, l.promotion AS in_force FROM promotions p JOIN listings l ON l.id = p.listing"
                " WHERE p.account = :account AND (:sku IS NULL OR l.sku = :sku)"
                " AND (NOT :standing OR p.withdrawn_at IS NULL) AND (:before IS NULL OR p.id < :before)"
                " ORDER BY p.id DESC LIMIT :limit",
                {"account": account, "sku": sku, "standing": standing, "before": before, "limit": limit},
            ).fetchall()
            return [_told(row) for row in rows]

        return await self._database.read(work)

    async def next_change(self, account: AccountName, at: datetime) -> datetime | None:
        """When the next promotion begins or ends after `at`, by how they stood when they were looked at last."""

        def work(db: sqlite3.Connection) -> datetime | None:
            found = db.execute(
                "SELECT min(next) FROM (SELECT min(starts_at) AS next FROM promotions WHERE account = :account"
                " AND withdrawn_at IS NULL AND stage = 'waiting' AND starts_at > :at UNION ALL"
                " SELECT min(ends_at) FROM promotions WHERE account = :account"
                " AND withdrawn_at IS NULL AND stage = 'running' AND ends_at > :at) instants",
                {"account": account, "at": to_us(at)},
            ).fetchone()[0]
            return None if found is None else from_us(found)

        return await self._database.read(work)


def _told(row: sqlite3.Row) -> dict[str, Any]:
    names = ("starts_at", "ends_at", "imported_at", "withdrawn_at")
    instants = {name: None if row[name] is None else from_us(int(row[name])).isoformat() for name in names}
    kept = {name: row[name] for name in ("id", "sku", "price_minor", "nature")}
    return {**kept, **instants, "in_force": row["in_force"] == row["id"]}


def _put(db: sqlite3.Connection, account: AccountName, row: PromotionRow, at: datetime) -> tuple[Change, str]:
    found = db.execute("SELECT id FROM listings WHERE account = ? AND sku = ?", (account, row.sku)).fetchone()
    if found is None:
        return Change.UNKNOWN, ""
    listing, wanted = found["id"], row.promotion
    standing = "SELECT * FROM promotions WHERE listing = ? AND withdrawn_at IS NULL"
    kept = db.execute(f"{standing} AND starts_at = ?", (listing, to_us(wanted.starts_at))).fetchone()
    if row.cancelled:
        if kept is None:
            return Change.UNCHANGED, ""
        _withdraw(db, account, kept, at)
        return Change.CHANGED, ""
    if kept is not None and _same(kept, wanted):
        return Change.UNCHANGED, ""
    other = db.execute(
        f"{standing} AND starts_at <> ? AND starts_at < ? AND ends_at > ? ORDER BY starts_at LIMIT 1",
        (listing, to_us(wanted.starts_at), to_us(wanted.ends_at), to_us(wanted.starts_at)),
    ).fetchone()
    if other is not None:
        return Change.OVERLAPS, f"{from_us(other['starts_at']).isoformat()} to {from_us(other['ends_at']).isoformat()}"
    if kept is not None:
        _withdraw(db, account, kept, at)
    db.execute(
        "INSERT INTO promotions (account, listing, price_minor, starts_at, ends_at, nature, sale, imported_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(account, listing, wanted.price.minor, to_us(wanted.starts_at), to_us(wanted.ends_at)),
            *(wanted.nature, wanted.sale, to_us(at)),
        ),
    )
    window = f"{wanted.starts_at.isoformat()} to {wanted.ends_at.isoformat()}"
    tell(db, at, account, ("listing", listing), "promotion imported", moved=("", str(wanted.price.minor)), why=window)
    return Change.CREATED if kept is None else Change.CHANGED, ""


def _same(kept: sqlite3.Row, wanted: Promotion) -> bool:
    now = (wanted.price.minor, to_us(wanted.ends_at), wanted.nature, wanted.sale)
    return (kept["price_minor"], kept["ends_at"], kept["nature"], kept["sale"]) == now


def _withdraw(db: sqlite3.Connection, account: AccountName, kept: sqlite3.Row, at: datetime) -> None:
    db.execute("UPDATE promotions SET withdrawn_at = ? WHERE id = ?", (to_us(at), kept["id"]))
    before = str(kept["price_minor"])
    tell(db, at, account, ("listing", kept["listing"]), "promotion taken back", moved=(before, ""))


def begin_and_end(db: sqlite3.Connection, account: AccountName, at: datetime) -> None:
    """Make the price Pending where another promotion is in force than it was last made Pending for.

    Its start belongs to a window, its end does not. A second time at the same instant changes nothing.
    """
    named = {"account": account, "now": to_us(at)}
    db.execute("CREATE TEMP TABLE moved (id INTEGER PRIMARY KEY, listing INTEGER NOT NULL, stage TEXT NOT NULL)")
    db.execute("CREATE TEMP TABLE turned (listing INTEGER PRIMARY KEY, before TEXT NOT NULL, promotion INTEGER)")
    try:
        moved = db.execute(
            f"INSERT INTO temp.moved SELECT id, listing, {_STAGE} FROM promotions WHERE id IN ({_MOVED})",  # noqa: S608
            named,
        ).rowcount
        if moved:
            _turn(db, named)
    finally:
        db.execute("DROP TABLE temp.moved")
        db.execute("DROP TABLE temp.turned")


def _turn(db: sqlite3.Connection, named: Mapping[str, object]) -> None:
    # Not as joins, for which SQLite would begin with every row there is.
    db.execute(
        "UPDATE promotions SET stage = (SELECT m.stage FROM temp.moved m WHERE m.id = promotions.id)"
        " WHERE id IN (SELECT id FROM temp.moved)"
    )
    db.execute(
        "INSERT INTO temp.turned SELECT id, price_state, running FROM"  # noqa: S608 - our own words
        f" (SELECT l.id, l.price_state, l.promotion, {_RUNNING} AS running FROM listings l"
        "  WHERE l.id IN (SELECT listing FROM temp.moved)) looked_at WHERE promotion IS NOT running"
    )
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
        " SELECT :now, :account, 'listing', listing, 'price', before, 'pending',"
        " CASE WHEN promotion IS NULL THEN 'a promotion ended' ELSE 'a promotion began' END FROM temp.turned",
        named,
    )
    db.execute(
        "UPDATE listings SET promotion = (SELECT t.promotion FROM temp.turned t WHERE t.listing = listings.id),"
        " price_state = 'pending', price_error = '', price_revision = price_revision + 1, changed_at = :now"
        " WHERE id IN (SELECT listing FROM temp.turned)",
        named,
    )
