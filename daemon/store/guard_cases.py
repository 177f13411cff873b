"""The cases of the change guard as a person sees them, and what is decided of them."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.errors import NotAllowed
from daemon.model import AccountName, Sku
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.holds import GUARDED, GuardRule, close_cases, end_holds
from daemon.store.plain import View, instants, some
from daemon.store.times import from_us, iso, to_us


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One case: how many parts it holds, of how many that it has ever held, and since when; `closed_at` once none."""

    id: int
    account: AccountName
    rule: GuardRule
    opened_at: datetime
    closed_at: datetime | None
    held: int
    total: int

    def as_dict(self) -> View:
        """As it is shown."""
        return {
            "id": self.id,
            "account": self.account,
            "rule": self.rule.value,
            "opened_at": iso(to_us(self.opened_at)),
            "closed_at": None if self.closed_at is None else iso(to_us(self.closed_at)),
            "held": self.held,
            "total": self.total,
        }


class Guard:
    """Everything that was ever held back, and what was decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cases(
        self, account: AccountName | None = None, *, closed: bool = False, limit: int = 100
    ) -> list[Suspicion]:
        """The cases, the newest first: those that wait for a person, or all."""
        return await self._database.read(lambda db: _cases(db, account, closed=closed, limit=limit))

    async def case(self, case: int, *, limit: int = 100, after: int = 0) -> tuple[Suspicion, list[View]] | None:
        """One case with a page of what it holds or held, by number behind `after`; None when there is none."""

        def work(db: sqlite3.Connection) -> tuple[Suspicion, list[View]] | None:
            found = _case(db, case)
            return None if found is None else (found, _holds(db, case, limit, after))

        return await self._database.read(work)

    async def approve(self, case: int, skus: Sequence[Sku] | None, by: str, why: str, at: datetime) -> int:
        """What a case holds is meant: it leaves with the next feed. Returns how many parts.

        `skus` are those of it that are meant, None all. Raises NotAllowed where it holds nothing of the kind.
        """
        return await self._database.write(lambda db: _decide(db, case, skus, "approved", (by, why), at))

    async def reject(self, case: int, skus: Sequence[Sku] | None, by: str, why: str, at: datetime) -> int:
        """What a case holds is a mistake: its parts are in Error until other values come. Otherwise as `approve`."""
        return await self._database.write(lambda db: _decide(db, case, skus, "rejected", (by, why), at))


_CASES = (
    "SELECT c.*, (SELECT count(*) FROM guard_holds h WHERE h.guard_case = c.id AND h.state = 'held') AS held,"
    " (SELECT count(*) FROM guard_holds h WHERE h.guard_case = c.id) AS total FROM guard_cases c"
)


def _cases(db: sqlite3.Connection, account: AccountName | None, *, closed: bool, limit: int) -> list[Suspicion]:
    rows = db.execute(
        f"{_CASES} WHERE (:account IS NULL OR c.account = :account) AND (:closed OR c.closed_at IS NULL)"
        " ORDER BY c.id DESC LIMIT :limit",
        {"account": account, "closed": closed, "limit": limit},
    ).fetchall()
    return [_suspicion(row) for row in rows]


def _case(db: sqlite3.Connection, case: int) -> Suspicion | None:
    row = db.execute(f"{_CASES} WHERE c.id = ?", (case,)).fetchone()
    return None if row is None else _suspicion(row)


def _suspicion(row: sqlite3.Row) -> Suspicion:
    return Suspicion(
        *(row["id"], AccountName(row["account"]), GuardRule(row["rule"])),
        *(from_us(row["opened_at"]), from_us(row["closed_at"]), row["held"], row["total"]),
    )


def _holds(db: sqlite3.Connection, case: int, limit: int, after: int) -> list[View]:
    rows = db.execute(
        "SELECT h.*, l.sku, l.stock, l.price_minor, l.ended FROM guard_holds h JOIN listings l ON l.id = h.listing"
        " WHERE h.guard_case = ? AND h.id > ? ORDER BY h.id LIMIT ?",
        (case, after, limit),
    ).fetchall()
    return [
        {
            **some(row, "id", "sku", "part", "state", "decided_by", "decided_why"),
            **instants(row, "held_at", "decided_at"),
            "was": row["was_price_minor"] if row["part"] == "price" else row["was_stock"],
            "becomes": _becomes(row),
        }
        for row in rows
    ]


def _becomes(row: sqlite3.Row) -> int:
    """What would be sent: units, or minor units of money."""
    ordinary, _, reduced = str(row["value"]).partition("/")
    return int(reduced or ordinary)


def _decide(
    db: sqlite3.Connection, case: int, skus: Sequence[Sku] | None, state: str, said: tuple[str, str], at: datetime
) -> int:
    found = _case(db, case)
    if found is None:
        raise NotAllowed(f"there is no case {case}; see: sellerd guard list")
    by, why = said
    became, error = "pending", ""
    if state == "rejected":
        became, error = "error", f"held back by the guard, and rejected by {by}" + (f": {why}" if why else "")
    named = {
        "at": to_us(at),
        "account": found.account,
        "case": case,
        "became": became,
        "error": error,
        "skus": None if skus is None else json.dumps(skus),
    }
    if missing := _missing(db, named):
        raise NotAllowed(f"case {case} does not hold {', '.join(missing)}; see: sellerd guard show {case}")
    which = "guard_case = :case AND state = 'held'"
    if skus is not None:
        which += (
            " AND listing IN (SELECT id FROM listings WHERE account = :account"
            " AND sku IN (SELECT value FROM json_each(:skus)))"
        )
    for part in GUARDED:
        db.execute(
            f"UPDATE listings SET {part}_hold = NULL, {part}_state = :became, {part}_error = :error"  # noqa: S608
            f" WHERE id IN (SELECT listing FROM guard_holds WHERE {which} AND part = '{part}')",
            named,
        )
    number = end_holds(db, which, named, state=state, became=became, why=why, by=by)
    if not number:
        raise NotAllowed(f"case {case} holds nothing any more")
    tell(
        *(db, at, found.account, ("account", 0), f"guard case {case}"),
        moved=("held", state),
        why=f"{number} parts ({found.rule}) by {by}: {why}",
    )
    close_cases(db, named)
    return number


def _missing(db: sqlite3.Connection, named: Mapping[str, object]) -> list[str]:
    """The SKUs of a decision of which its case holds nothing."""
    rows = db.execute(
        "SELECT value FROM json_each(:skus) WHERE value NOT IN (SELECT l.sku FROM guard_holds h"
        " JOIN listings l ON l.id = h.listing WHERE h.guard_case = :case AND h.state = 'held')",
        named,
    ).fetchall()
    return [row["value"] for row in rows]
