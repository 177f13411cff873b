"""What happened, when, to whom and why (D8): written inside the transaction that made it happen."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from daemon.store.filling import insert
from daemon.store.times import to_us

Subject = Literal["listing", "feed", "order", "account"]


class Event(NamedTuple):
    """What happened to whom; `moved` is from which state to which."""

    subject: tuple[Subject, int]
    what: str
    moved: tuple[str, str] = ("", "")
    why: str = ""


def tell(
    db: sqlite3.Connection,
    at: datetime,
    account: str,
    subject: tuple[Subject, int],
    what: str,
    *,
    moved: tuple[str, str] = ("", ""),
    why: str = "",
) -> None:
    """Leave one event; `moved` is from which state to which."""
    tell_all(db, at, account, [Event(subject, what, moved, why)])


def tell_all(db: sqlite3.Connection, at: datetime, account: str, events: Iterable[Event]) -> None:
    """Leave events, in their order."""
    instant = to_us(at)
    insert(
        db,
        "events",
        ("at", "account", "subject", "subject_id", "what", '"from"', '"to"', "why"),
        [(instant, account, *event.subject, event.what, *event.moved, event.why) for event in events],
    )
