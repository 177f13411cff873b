"""What happened, when, to whom and why (D8): written inside the transaction that made it happen."""

import sqlite3
from datetime import datetime
from typing import Literal

from daemon.store.times import to_us

Subject = Literal["listing", "feed", "order", "account"]


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
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (to_us(at), account, *subject, what, *moved, why),
    )
