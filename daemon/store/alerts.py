"""What is wrong and since when (first seen, last seen, how often), what was told of it, and to whom (D5, D11).

A cause is open from the first judgement that finds it until it was away for long enough; one that comes back before
that is the same alert. What changed is put into one notice, and every way out has a delivery of it that is tried until
it succeeds or is given up.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from daemon.errors import NotAllowed
from daemon.model import AccountName
from daemon.rules.causes import Cause, CauseKind, Severity
from daemon.store.database import Database
from daemon.store.times import from_us, to_us

Way = Literal["mail", "webhook"]
NoticeEntry = Mapping[str, Any]

#: a first failure is tried again after this, each further one after twice as long, up to the second
_RETRY, _LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Alert:
    """One cause as long as it lasts; `times` is how often it came, `away_since` is set while it is not there."""

    id: int
    kind: CauseKind
    account: AccountName
    severity: Severity
    text: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    away_since: datetime | None
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    acknowledged_why: str

    def as_dict(self) -> dict[str, Any]:
        """As it is shown: instants as ISO 8601 texts in UTC."""
        instants = ("first_seen_at", "last_seen_at", "away_since", "resolved_at", "acknowledged_at")
        return {
            "id": self.id,
            "kind": self.kind.value,
            "account": self.account,
            "severity": self.severity.value,
            "text": self.text,
            "times": self.times,
            **{name: _iso(getattr(self, name)) for name in instants},
            "acknowledged_by": self.acknowledged_by,
            "acknowledged_why": self.acknowledged_why,
        }


@dataclass(frozen=True, slots=True)
class News:
    """What one judgement changed."""

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told at one time; each entry is an alert with its `change`: opened, still or resolved."""

    id: int
    made_at: datetime
    entries: tuple[NoticeEntry, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The notices that one way could not deliver: how many, since when, and what went wrong last."""

    notices: int
    since: datetime
    error: str


class Alerts:
    """Every alert that there was, and the notices of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def observe(self, causes: Iterable[Cause], at: datetime, calm: timedelta) -> News:
        """Take over what one judgement found; what was away for `calm` is resolved."""
        found = {cause.key: cause for cause in causes}
        return await self._database.write(lambda db: _observe(db, found, at, calm))

    async def compose(
        self, ways: Sequence[Way], at: datetime, *, gather: timedelta, apart: timedelta, repeat: timedelta
    ) -> Notice | None:
        """Put what changed into one notice for every way; None while there is nothing, or it is too early.

        A change waits for others for `gather`, and a notice for the one before for `apart`. What stays open is told
        again after `repeat` (zero: never) unless a person has acknowledged it. What came and went in between is told
        to nobody; with no way out there is no notice, and everything counts as told.
        """
        return await self._database.write(lambda db: _compose(db, ways, at, gather, apart, repeat))

    async def waiting(self, way: Way, at: datetime, limit: int = 50) -> list[Notice]:
        """The notices that are due on a way, the oldest first."""

        def work(db: sqlite3.Connection) -> list[Notice]:
            rows = db.execute(
                "SELECT n.* FROM notice_deliveries d JOIN notices n ON n.id = d.notice"
                " WHERE d.way = ? AND d.state = 'waiting' AND d.next_at <= ? ORDER BY n.id LIMIT ?",
                (way, to_us(at), limit),
            ).fetchall()
            return [Notice(row["id"], from_us(row["made_at"]), tuple(json.loads(row["entries"]))) for row in rows]

        return await self._database.read(work)

    async def delivered(self, way: Way, notices: Sequence[Notice], at: datetime) -> None:
        """These notices have arrived."""
        await self._database.write(
            lambda db: (
                db.executemany(
                    "UPDATE notice_deliveries SET state = 'delivered', attempts = attempts + 1, ended_at = ?,"
                    " error = '' WHERE notice = ? AND way = ? AND state = 'waiting'",
                    [(to_us(at), notice.id, way) for notice in notices],
                ).rowcount
            )
        )

    async def failed(
        self, way: Way, notices: Sequence[Notice], error: str, at: datetime, give_up: timedelta
    ) -> datetime | None:
        """These could not be delivered: each is tried again later and later, and given up in the end.

        Returns when the next of them is due; None when all were given up.
        """
        return await self._database.write(lambda db: _failed(db, way, notices, error, at, give_up))

    async def abandon(self, way: Way, at: datetime) -> None:
        """A way is not configured any more: nothing waits for it."""
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE notice_deliveries SET state = 'given_up', ended_at = ?, error = 'not configured any more'"
                    " WHERE way = ? AND state = 'waiting'",
                    (to_us(at), way),
                ).rowcount
            )
        )

    async def backlog(self, at: datetime) -> dict[str, Backlog]:
        """By way what failed at least twice and still waits, or was given up within a day and nothing arrived since."""
        return await self._database.read(lambda db: _backlog(db, at))

    async def open(self) -> list[Alert]:
        """What is wrong now, the gravest first and then the oldest."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM alerts WHERE resolved_at IS NULL ORDER BY severity, first_seen_at, id"
            ).fetchall()
        )
        return [_alert(row) for row in rows]

    async def page(self, limit: int, before: int | None = None) -> list[Alert]:
        """Every alert that there was, the newest first."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM alerts WHERE id < ? ORDER BY id DESC LIMIT ?", (before or 2**63 - 1, limit)
            ).fetchall()
        )
        return [_alert(row) for row in rows]

    async def acknowledge(self, alert: int, by: str, why: str, at: datetime) -> Alert | None:
        """A person has seen it: it is not told again while it lasts. None when there is none.

        Raises NotAllowed for one that is resolved, or was acknowledged before.
        """

        def work(db: sqlite3.Connection) -> Alert | None:
            row = db.execute("SELECT * FROM alerts WHERE id = ?", (alert,)).fetchone()
            if row is None:
                return None
            if row["resolved_at"] is not None:
                raise NotAllowed(f"alert {alert} is resolved; there is nothing left to acknowledge")
            if row["acknowledged_at"] is not None:
                raise NotAllowed(f"alert {alert} was acknowledged by {row['acknowledged_by']} already")
            changed = db.execute(
                "UPDATE alerts SET acknowledged_at = ?, acknowledged_by = ?, acknowledged_why = ? WHERE id = ?"
                " RETURNING *",
                (to_us(at), by, why, alert),
            ).fetchone()
            return _alert(changed)

        return await self._database.write(work)

    async def well(self, at: datetime) -> None:
        """The daemon is able to do its work now."""
        await self._database.write(lambda db: db.execute("UPDATE vigil SET well_at = ?", (to_us(at),)).rowcount)

    async def well_at(self) -> datetime | None:
        """When the daemon last was; None when it never said so."""
        row = await self._database.read(lambda db: db.execute("SELECT well_at FROM vigil").fetchone())
        at: datetime | None = from_us(row["well_at"])
        return at

    async def prune(self, before: datetime) -> int:
        """Forget alerts that were resolved before an instant, and the notices of that time; returns how many alerts."""

        def work(db: sqlite3.Connection) -> int:
            db.execute(
                "DELETE FROM notices WHERE made_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM notice_deliveries d WHERE d.notice = notices.id AND d.state = 'waiting')",
                (to_us(before),),
            )
            return db.execute("DELETE FROM alerts WHERE resolved_at < ?", (to_us(before),)).rowcount

        return await self._database.write(work)


def _observe(db: sqlite3.Connection, found: Mapping[str, Cause], at: datetime, calm: timedelta) -> News:
    now = to_us(at)
    known = {row["cause"]: row for row in db.execute("SELECT * FROM alerts WHERE resolved_at IS NULL").fetchall()}
    for key in found.keys() & known.keys():
        cause, row = found[key], known[key]
        # A cause that has become graver is told anew, and what was acknowledged was something smaller.
        worse = cause.severity is Severity.CRITICAL and row["severity"] != Severity.CRITICAL
        db.execute(
            "UPDATE alerts SET severity = ?, text = ?, last_seen_at = ?, times = times + (away_since IS NOT NULL),"
            " away_since = NULL, told = CASE WHEN ? THEN '' ELSE told END,"
            " acknowledged_at = CASE WHEN ? THEN NULL ELSE acknowledged_at END WHERE id = ?",
            (cause.severity, cause.text, now, worse, worse, row["id"]),
        )
    for key in known.keys() - found.keys():
        db.execute("UPDATE alerts SET away_since = coalesce(away_since, ?) WHERE id = ?", (now, known[key]["id"]))
    opened = [
        db.execute(
            "INSERT INTO alerts (cause, kind, account, severity, text, first_seen_at, last_seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
            (key, cause.kind, cause.account, cause.severity, cause.text, now, now),
        ).fetchone()
        for key, cause in found.items()
        if key not in known
    ]
    # A wall clock that was set back must not keep anything open for ever.
    resolved = db.execute(
        "UPDATE alerts SET resolved_at = ? WHERE resolved_at IS NULL AND away_since IS NOT NULL"
        " AND (away_since <= ? OR away_since > ?) RETURNING *",
        (now, to_us(at - calm), now),
    ).fetchall()
    return News(tuple(map(_alert, opened)), tuple(map(_alert, resolved)))


_NEW = "resolved_at IS NULL AND away_since IS NULL AND told <> 'open'"
_STILL = (
    "resolved_at IS NULL AND away_since IS NULL AND told = 'open' AND acknowledged_at IS NULL"
    " AND :repeat > 0 AND told_at <= :now - :repeat"
)
_OVER = "resolved_at IS NOT NULL AND told = 'open'"
_CHANGE = f"CASE WHEN {_OVER} THEN 'resolved' WHEN told = 'open' THEN 'still' ELSE 'opened' END"


def _compose(
    db: sqlite3.Connection, ways: Sequence[Way], at: datetime, gather: timedelta, apart: timedelta, repeat: timedelta
) -> Notice | None:
    named = {"now": to_us(at), "repeat": _us(repeat)}
    rows = db.execute(
        f"SELECT *, {_CHANGE} AS change FROM alerts WHERE ({_NEW}) OR ({_STILL}) OR ({_OVER})"  # noqa: S608
        " ORDER BY severity, first_seen_at, id",
        named,
    ).fetchall()
    if not rows or not _is_time(db, rows, at, gather, apart):
        return None
    db.execute(
        "UPDATE alerts SET told = CASE WHEN resolved_at IS NULL THEN 'open' ELSE 'resolved' END, told_at = :now"  # noqa: S608
        f" WHERE ({_NEW}) OR ({_STILL}) OR ({_OVER})",
        named,
    )
    if not ways:
        return None
    entries = tuple({"change": row["change"], **_alert(row).as_dict()} for row in rows)
    notice = Notice(
        db.execute(
            "INSERT INTO notices (made_at, entries) VALUES (?, ?) RETURNING id",
            (to_us(at), json.dumps(entries, ensure_ascii=False)),
        ).fetchone()[0],
        at,
        entries,
    )
    db.executemany(
        "INSERT INTO notice_deliveries (notice, way, next_at) VALUES (?, ?, ?)",
        [(notice.id, way, to_us(at)) for way in ways],
    )
    return notice


def _is_time(
    db: sqlite3.Connection, rows: Sequence[sqlite3.Row], at: datetime, gather: timedelta, apart: timedelta
) -> bool:
    now = to_us(at)
    told = db.execute("SELECT max(told_at) FROM alerts").fetchone()[0]
    if told is not None and now - _us(apart) < told <= now:
        return False
    return any(_is_ripe(row, now, _us(gather)) for row in rows)


def _is_ripe(row: sqlite3.Row, now: int, gather: int) -> bool:
    """Whether a change has waited for others for long enough; what was told before does not wait."""
    since: int = row["resolved_at"] if row["resolved_at"] is not None else row["first_seen_at"]
    return row["change"] == "still" or not now - gather < since <= now


def _failed(
    db: sqlite3.Connection, way: Way, notices: Sequence[Notice], error: str, at: datetime, give_up: timedelta
) -> datetime | None:
    following = []
    for notice in notices:
        place = (notice.id, way)
        row = db.execute(
            "SELECT attempts FROM notice_deliveries WHERE notice = ? AND way = ? AND state = 'waiting'", place
        ).fetchone()
        if row is None:
            continue
        state = "given_up" if at - notice.made_at >= give_up else "waiting"
        # Compared before it is doubled too often for a number of days.
        again = at + (_RETRY * 2 ** row["attempts"] if row["attempts"] < 6 else _LONGEST_RETRY)
        db.execute(
            "UPDATE notice_deliveries SET state = ?, attempts = attempts + 1, next_at = ?, error = ?,"
            " ended_at = CASE WHEN ? = 'given_up' THEN ? END WHERE notice = ? AND way = ?",
            (state, to_us(again), error, state, to_us(at), *place),
        )
        if state == "waiting":
            following.append(again)
    return min(following, default=None)


def _backlog(db: sqlite3.Connection, at: datetime) -> dict[str, Backlog]:
    rows = db.execute(
        "SELECT d.way, count(*) AS notices, min(n.made_at) AS since,"
        " (SELECT l.error FROM notice_deliveries l WHERE l.way = d.way AND l.error <> ''"
        " ORDER BY l.notice DESC LIMIT 1) AS error"
        " FROM notice_deliveries d JOIN notices n ON n.id = d.notice"
        " WHERE (d.state = 'waiting' AND d.attempts >= 2)"
        " OR (d.state = 'given_up' AND d.attempts > 0 AND d.ended_at >= ?"
        " AND NOT EXISTS (SELECT 1 FROM notice_deliveries s WHERE s.way = d.way AND s.state = 'delivered'"
        " AND s.ended_at >= d.ended_at))"
        " GROUP BY d.way",
        (to_us(at - timedelta(days=1)),),
    ).fetchall()
    return {row["way"]: Backlog(row["notices"], from_us(row["since"]), row["error"] or "") for row in rows}


def _alert(row: sqlite3.Row) -> Alert:
    return Alert(
        id=row["id"],
        kind=CauseKind(row["kind"]),
        account=AccountName(row["account"]),
        severity=Severity(row["severity"]),
        text=row["text"],
        times=row["times"],
        first_seen_at=from_us(row["first_seen_at"]),
        last_seen_at=from_us(row["last_seen_at"]),
        away_since=from_us(row["away_since"]),
        resolved_at=from_us(row["resolved_at"]),
        acknowledged_at=from_us(row["acknowledged_at"]),
        acknowledged_by=row["acknowledged_by"],
        acknowledged_why=row["acknowledged_why"],
    )


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds").replace("+00:00", "Z")
