"""The gate that the feeds of one kind share: a row that says when the next one may leave (L8, house laws 3 and 7).

It goes by `rules/gate.py`, and is asked and moved on in the transaction that opens a feed.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.model import AccountName, Feed, FeedId, FeedKind, FeedRule, Moment
from daemon.rules.gate import Gate, closed_for, nanoseconds, wait
from daemon.store.generation import restored_at
from daemon.store.times import from_us, to_us

#: feeds that wait for something; the same words as the partial index of the schema, so that SQLite uses it
OPEN_FEED = "state IN ('sending', 'sent', 'in_doubt')"


@dataclass(frozen=True, slots=True)
class GateClosed:
    """Something is due, and no feed may leave before `until`; `reason` is a sentence for people."""

    until: datetime
    reason: str


def gate_closed(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> GateClosed | None:
    """Why the next feed of this kind may not leave now, and until when; None where it may."""
    until = _opens_at(db, account, rule, now)
    if rule.one_at_a_time and (waiting := unanswered(db, account, rule.kind)) is not None:
        feed, since = waiting
        lapses = since + rule.patience
        reason = f"feed {feed} is not answered yet; it lapses at {lapses:%Y-%m-%d %H:%M:%S} UTC"
        return GateClosed(max(lapses, until or lapses), reason)
    if until is not None:
        return GateClosed(until, f"the last {rule.kind} feed left less than {rule.interval} ago")
    return _name_taken(db, account, rule.kind, now.at)


def unanswered(db: sqlite3.Connection, account: AccountName, kind: FeedKind) -> tuple[FeedId, datetime] | None:
    """The last feed of this kind that is not answered yet: its number, and since when."""
    row = db.execute(
        "SELECT id, coalesce(sent_at, opened_at) AS since FROM feeds"  # noqa: S608 - our own words
        f" WHERE account = ? AND kind = ? AND {OPEN_FEED} ORDER BY id DESC LIMIT 1",
        (account, kind),
    ).fetchone()
    return None if row is None else (FeedId(row["id"]), from_us(row["since"]))


def close_gate(
    db: sqlite3.Connection, account: AccountName, rule: FeedRule, left: timedelta, now: Moment, feed: FeedId | None
) -> None:
    """Let no feed of this kind leave for as long as `left`, because of `feed`; without an interval there is no gate."""
    if not rule.interval:
        return
    gate = closed_for(left, now)
    db.execute(
        "INSERT INTO gates (account, kind, boot_id, opens_boot_ns, opens_at, synchronised, feed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, kind) DO UPDATE SET boot_id = excluded.boot_id,"
        " opens_boot_ns = excluded.opens_boot_ns, opens_at = excluded.opens_at,"
        " synchronised = excluded.synchronised, feed = excluded.feed",
        (account, rule.kind, gate.boot_id, gate.opens_boot_ns, to_us(gate.opens_at), int(gate.synchronised), feed),
    )


def hold_gate(db: sqlite3.Connection, feed: Feed, rule: FeedRule, now: Moment) -> None:
    """Keep the gate of a feed closed for the interval from now at least."""
    row = db.execute("SELECT * FROM gates WHERE account = ? AND kind = ?", (feed.account, feed.kind)).fetchone()
    left = None if row is None else wait(read_gate(row), now)
    if left is None or left < rule.interval:
        close_gate(db, feed.account, rule, rule.interval, now, feed.id)


def give_gate_back(db: sqlite3.Connection, feed: int, now: Moment) -> None:
    """Open the gate that a feed has closed: it was open when the feed claimed it, and nothing has passed since."""
    db.execute(
        "UPDATE gates SET boot_id = ?, opens_boot_ns = ?, opens_at = ?, synchronised = ? WHERE feed = ?",
        (now.boot_id, now.boot_ns - nanoseconds(timedelta(microseconds=1)), to_us(now.at), now.synchronised, feed),
    )


def read_gate(row: sqlite3.Row) -> Gate:
    """The gate of a row."""
    return Gate(row["boot_id"], row["opens_boot_ns"], from_us(row["opens_at"]), bool(row["synchronised"]))


def _opens_at(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> datetime | None:
    """When the gate opens, None where it stands open; it is put down in the clocks of this boot."""
    if not rule.interval:
        return None
    row = db.execute("SELECT * FROM gates WHERE account = ? AND kind = ?", (account, rule.kind)).fetchone()
    if row is None:
        if restored_at(db) is None:
            return None
        # The database that this one replaced may have sent the first one (P29).
        close_gate(db, account, rule, rule.interval, now, None)
        return now.at + rule.interval
    gate = read_gate(row)
    told = wait(gate, now)
    if told is not None and told <= timedelta():
        return None
    # A trusted wall clock may still have been set back by years between two boots; no claim reaches further than this.
    left = rule.interval if told is None else min(told, rule.deadline + rule.interval)
    if gate.boot_id != now.boot_id or left != told:
        # From here on it goes by the clock of this boot; otherwise a wrong wall clock would be asked again and again.
        close_gate(db, account, rule, left, now, row["feed"])
    return now.at + left


def _name_taken(db: sqlite3.Connection, account: AccountName, kind: FeedKind, at: datetime) -> GateClosed | None:
    """A name tells the second in which its feed was opened, and no two feeds may have the same (Sell-R A7)."""
    second = at.replace(microsecond=0)
    following = second + timedelta(seconds=1)
    row = db.execute(
        "SELECT name FROM feeds WHERE account = ? AND kind = ? AND name <> '' AND opened_at >= ? AND opened_at < ?",
        (account, kind, to_us(second), to_us(following)),
    ).fetchone()
    return None if row is None else GateClosed(following, f"{row['name']} was opened in this very second")
