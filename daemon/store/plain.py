"""Rows as plain values, for everything that is shown: columns by name, instants as texts, what happened."""

import sqlite3
from typing import Any

from daemon.store.times import iso

View = dict[str, Any]

#: things of one page, unless told otherwise
PAGE = 100

_TIMELINE = 200


def some(row: sqlite3.Row, *names: str) -> View:
    """These columns as they are."""
    return {name: row[name] for name in names}


def instants(row: sqlite3.Row, *names: str) -> View:
    """These columns as ISO 8601 in UTC."""
    return {name: iso(row[name]) for name in names}


def timeline(db: sqlite3.Connection, subject: str, subject_id: int) -> list[View]:
    """The newest 200 events of one subject, the oldest of them first."""
    rows = db.execute(
        "SELECT * FROM events WHERE subject = ? AND subject_id = ? ORDER BY id DESC LIMIT ?",
        (subject, subject_id, _TIMELINE),
    ).fetchall()
    return [{**instants(row, "at"), **some(row, "what", "from", "to", "why")} for row in reversed(rows)]
