"""What the overview draws: the last turns, days of feeds and orders, deadlines, and how fresh the stock is."""

import sqlite3
from datetime import datetime, timedelta
from typing import Any

from daemon.model import AccountName, Deadlines, LineState
from daemon.rules.deadlines import due_at, timeliness
from daemon.store.database import Database
from daemon.store.standings import waiting_line
from daemon.store.times import from_us, iso, to_us

View = dict[str, Any]

_DAY = timedelta(days=1) // timedelta(microseconds=1)
_MOST = 1_000
#: a pending stock is fresh within one interval of the gate, late after three
_FRESH, _LATE = timedelta(hours=1), timedelta(hours=3)


class Overview:
    """Read-only figures over all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turns(
        self,
        account: AccountName | None = None,
        *,
        job: str = "",
        outcome: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[View]:
        """Turns of jobs, the newest first; `before` is the last of the page before, outcome "!idle" all but idle."""
        sql = (
            "SELECT * FROM job_runs WHERE (:account IS NULL OR account = :account) AND (:job = '' OR job = :job)"
            " AND (:outcome = '' OR outcome = :outcome OR (:outcome = '!idle' AND outcome <> 'idle'))"
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        )
        values = {"account": account, "job": job, "outcome": outcome, "before": before, "limit": min(limit, _MOST)}
        rows = await self._database.read(lambda db: db.execute(sql, values).fetchall())
        names = ("id", "account", "job", "outcome", "done", "note")
        return [
            {
                **{name: row[name] for name in names},
                "started_at": iso(row["started_at"]),
                "ended_at": iso(row["ended_at"]),
                "seconds": None if row["ended_at"] is None else (row["ended_at"] - row["started_at"]) / 1e6,
            }
            for row in rows
        ]

    async def feed_days(self, now: datetime, days: int) -> list[View]:
        """Objects accepted and rejected, feeds that lapsed, and the mean time to an answer, by UTC day."""
        sql = (
            f"SELECT opened_at / {_DAY} AS day, sum(accepted) AS accepted, sum(rejected) AS rejected,"  # noqa: S608 - a number
            " sum(CASE WHEN state = 'lapsed' THEN 1 ELSE 0 END) AS lapsed, count(*) AS feeds,"
            " avg(CASE WHEN state = 'answered' THEN closed_at - sent_at END) AS answer_us"
            " FROM feeds WHERE opened_at >= ? GROUP BY day ORDER BY day"
        )
        rows = await self._database.read(lambda db: db.execute(sql, (_first(now, days) * _DAY,)).fetchall())
        names = ("accepted", "rejected", "lapsed", "feeds")
        empty: View = {**dict.fromkeys(names, 0), "answer_seconds": None}
        found = {
            row["day"]: {
                **{name: row[name] or 0 for name in names},
                "answer_seconds": None if row["answer_us"] is None else row["answer_us"] / 1e6,
            }
            for row in rows
        }
        return [{"day": _date(day), **found.get(day, empty)} for day in _days(now, days)]

    async def order_days(self, now: datetime, days: int) -> list[View]:
        """Orders that came in, by UTC day and account, oldest first."""
        sql = (
            f"SELECT received_at / {_DAY} AS day, account, count(*) AS n FROM orders WHERE received_at >= ?"  # noqa: S608 - a number
            " GROUP BY day, account"
        )
        rows = await self._database.read(lambda db: db.execute(sql, (_first(now, days) * _DAY,)).fetchall())
        found: dict[int, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["day"], {})[row["account"]] = row["n"]
        return [{"day": _date(day), "orders": found.get(day, {})} for day in _days(now, days)]

    async def stock_freshness(self, now: datetime) -> list[View]:
        """Listings by account and how their stock stands: in step, waiting (an hour, three, longer), in error."""
        sql = (
            "SELECT account, sum(CASE WHEN stock_state = 'not_needed' THEN 1 ELSE 0 END) AS in_step,"
            " sum(CASE WHEN stock_state = 'error' THEN 1 ELSE 0 END) AS error,"
            " sum(CASE WHEN stock_state IN ('pending', 'sent') AND changed_at > :fresh THEN 1 ELSE 0 END) AS fresh,"
            " sum(CASE WHEN stock_state IN ('pending', 'sent') AND changed_at <= :fresh AND changed_at > :late"
            " THEN 1 ELSE 0 END) AS waiting,"
            " sum(CASE WHEN stock_state IN ('pending', 'sent') AND changed_at <= :late THEN 1 ELSE 0 END) AS late"
            " FROM listings GROUP BY account ORDER BY account"
        )
        values = {"fresh": to_us(now - _FRESH), "late": to_us(now - _LATE)}
        rows = await self._database.read(lambda db: db.execute(sql, values).fetchall())
        return [dict(row) for row in rows]

    async def database(self) -> View:
        """The schema, the library and the size of the database itself."""

        def work(db: sqlite3.Connection) -> View:
            last = db.execute("SELECT name, applied_at FROM migrations ORDER BY number DESC LIMIT 1").fetchone()
            return {
                "schema": last["name"].removesuffix(".sql"),
                "applied_at": last["applied_at"],
                "sqlite": sqlite3.sqlite_version,
            }

        return await self._database.read(work)

    async def deadlines(self, now: datetime, limit: int) -> list[View]:
        """The orders that wait for the seller and have a deadline, the next to run out first."""
        return await self._database.read(lambda db: _deadlines(db, now, limit))


def _deadlines(db: sqlite3.Connection, now: datetime, limit: int) -> list[View]:
    micro = timedelta(microseconds=1)
    terms = {
        row["name"]: Deadlines(*(row[name] * micro for name in ("accept_within", "ship_within", "warn_before")))
        for row in db.execute("SELECT * FROM accounts").fetchall()
    }
    first: dict[tuple[str, str], tuple[datetime, LineState]] = {}
    for row in db.execute(
        'SELECT o.account, o.number, l.state, l.since FROM order_lines l JOIN orders o ON o.id = l."order"'  # noqa: S608 - our own words
        f" WHERE {waiting_line('l')}"
    ).fetchall():
        state = LineState(row["state"])
        due = due_at(state, from_us(int(row["since"])), terms[row["account"]])
        place = (row["account"], row["number"])
        if due is not None and (place not in first or due < first[place][0]):
            first[place] = (due, state)
    soonest = sorted(first.items(), key=lambda entry: entry[1][0])[:limit]
    return [
        {
            "account": account,
            "number": number,
            "state": state.value,
            "due_at": iso(to_us(due)),
            "timeliness": timeliness(due, now, terms[account]).value,
        }
        for (account, number), (due, state) in soonest
    ]


def _first(now: datetime, days: int) -> int:
    return to_us(now) // _DAY - days + 1


def _days(now: datetime, days: int) -> range:
    return range(_first(now, days), _first(now, 0))


def _date(day: int) -> str:
    return from_us(day * _DAY).date().isoformat()
