"""What marketplaces said of rejected listings, verbatim and counted, so that nothing unknown is lost (L17)."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from daemon.model import AccountName
from daemon.store.database import Database
from daemon.store.times import from_us, to_us

#: different texts of one account that are kept; a marketplace may write a new one for every listing
MOST = 1_000
#: what stands for the texts beyond those
OTHERS = "(other texts)"


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """One code with its text as it was told, how often, and when first and last; both may be empty."""

    account: AccountName
    code: str
    text: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


class Codes:
    """The errors that were told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, account: AccountName | None = None) -> list[AnswerCode]:
        """Those of one account or of all, the latest first."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM answer_codes WHERE (:account IS NULL OR account = :account)"
                " ORDER BY last_seen_at DESC, account, code, text",
                {"account": account},
            ).fetchall()
        )
        return [
            AnswerCode(
                AccountName(row["account"]),
                row["code"],
                row["text"],
                row["count"],
                from_us(row["first_seen_at"]),
                from_us(row["last_seen_at"]),
            )
            for row in rows
        ]


def count_codes(db: sqlite3.Connection, feed: int, at: datetime) -> None:
    """Count what the rows of `temp.applied` say, inside the transaction that settles them: so each counts once.

    A good answer counts when it says something, a rejection always; silence that was taken for a yes says nothing.
    """
    account = db.execute("SELECT account FROM feeds WHERE id = ?", (feed,)).fetchone()[0]
    kept: int = db.execute("SELECT count(*) FROM answer_codes WHERE account = ?", (account,)).fetchone()[0]
    known = "EXISTS (SELECT 1 FROM answer_codes c WHERE c.account = :account AND c.code = a.code AND c.text = a.text)"
    told = "NOT a.alike AND NOT (a.code = 'silence' AND a.text = '')"
    # Of those that are new, as many as there is room for, in the order in which they were told.
    new = (
        f"SELECT a.code, a.text FROM temp.applied a WHERE {told} AND NOT {known}"  # noqa: S608 - our own words
        " GROUP BY a.code, a.text ORDER BY min(a.n) LIMIT :room"
    )
    db.execute(
        "INSERT INTO answer_codes (account, code, text, count, first_seen_at, last_seen_at)"  # noqa: S608 - our own words
        f" SELECT :account, a.code, CASE WHEN {known} OR (a.code, a.text) IN ({new}) THEN a.text ELSE :others END,"
        f" count(*), :at, :at FROM temp.applied a WHERE {told}"
        " GROUP BY 2, 3"
        " ON CONFLICT (account, code, text) DO UPDATE SET count = count + excluded.count,"
        " last_seen_at = max(last_seen_at, excluded.last_seen_at)",
        {"account": account, "others": OTHERS, "at": to_us(at), "room": max(0, MOST - kept)},
    )
