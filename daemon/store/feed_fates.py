"""What becomes of an open feed but an answer: sent, in doubt, turned down, given back, lapsed (L8; house laws 3 and 6).

What comes late never moves a feed back: each change asks first how the feed stands.
"""

import sqlite3
from datetime import datetime, timedelta

from daemon.errors import StoreError
from daemon.model import AccountName, Feed, FeedId, FeedKind, FeedRule, FeedState, Moment, Part, PayloadId
from daemon.store.events import tell
from daemon.store.gates import OPEN_FEED, close_gate, give_gate_back, hold_gate
from daemon.store.settling import close_feed
from daemon.store.times import from_us, to_us

#: nobody knows yet whether the marketplace has it
_UNCERTAIN = (FeedState.SENDING, FeedState.IN_DOUBT)
# Something came that speaks of a feed and cannot be read, and nothing better came under its name.
_UNREAD = (
    "EXISTS (SELECT 1 FROM feed_deliveries r JOIN deliveries d ON d.id = r.delivery"
    " WHERE r.feed = feeds.id AND d.state = 'set_aside' AND NOT EXISTS (SELECT 1 FROM deliveries n"
    " WHERE n.account = d.account AND n.folder = d.folder AND n.name = d.name AND n.id > d.id AND n.state = 'applied'))"
)


def spool(db: sqlite3.Connection, feed: Feed, name: str, payload: PayloadId, at: datetime) -> Feed:
    """Record the exact bytes; raises StoreError where the feed is not being sent any more."""
    changed = db.execute(
        "UPDATE feeds SET name = ?, payload = ?, spooled_at = ? WHERE id = ? AND state = 'sending'",
        (name, payload, to_us(at), feed.id),
    ).rowcount
    if changed != 1:
        raise StoreError(f"feed {feed.id} is not being sent any more")
    return Feed(feed.id, feed.account, feed.kind, feed.state, feed.opened_at, feed.size, name)


def sent(db: sqlite3.Connection, feed: Feed, rule: FeedRule, remote_ref: str, now: Moment) -> None:
    """The marketplace has it, under a name of its own."""
    # Its report may have been faster than the reply; the handle is kept all the same, for what else names it (L17).
    db.execute("UPDATE feeds SET remote_ref = ?, sent_at = ? WHERE id = ?", (remote_ref, to_us(now.at), feed.id))
    before = _state(db, feed.id)
    if before in _UNCERTAIN:
        db.execute("UPDATE feeds SET state = 'sent', error = '' WHERE id = ?", (feed.id,))
        tell(db, now.at, feed.account, ("feed", feed.id), "sent", moved=(before, FeedState.SENT), why=remote_ref)
    close_gate(db, feed.account, rule, rule.interval, now, feed.id)


def doubt(db: sqlite3.Connection, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
    """It may have arrived; the gate stays as the claim set it, and closed for the interval at least."""
    if _state(db, feed.id) is FeedState.SENDING:
        close_feed(db, feed.id, FeedState.IN_DOUBT, error, now.at)
    hold_gate(db, feed, rule, now)


def refuse(db: sqlite3.Connection, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
    """The marketplace turned the whole feed down, and the gate counts it as sent."""
    if _state(db, feed.id) in _UNCERTAIN:
        _give_back(db, feed.id, FeedState.REFUSED, error, now.at)
    close_gate(db, feed.account, rule, rule.interval, now, feed.id)


def withdraw(db: sqlite3.Connection, feed: int, error: str, now: Moment) -> None:
    """Nothing left us: the gate is given back, too."""
    if _state(db, feed) in _UNCERTAIN:
        _give_back(db, feed, FeedState.WITHDRAWN, error, now.at)
        give_gate_back(db, feed, now)


def recover(db: sqlite3.Connection, now: Moment) -> int:
    """Nobody sends any more what was being sent; returns how many feeds."""
    rows = db.execute(f"SELECT id, spooled_at FROM feeds WHERE state = 'sending' AND {OPEN_FEED}").fetchall()  # noqa: S608
    for row in rows:
        _abandon(db, row, "the daemon ended", now)
    return len(rows)


def lapse(db: sqlite3.Connection, account: AccountName, rule: FeedRule, now: Moment) -> list[Feed]:
    """Give up what was not answered in its time; returns those feeds."""
    # A send ends by its deadline; one that still stands long after could not record its end, and nobody else will.
    for row in _beyond(db, account, rule.kind, "state = 'sending'", 2 * rule.deadline, now.at):
        _abandon(db, row, "its turn ended", now)
    if rule.tearable:
        for row in db.execute(
            "SELECT id FROM feeds WHERE account = ? AND kind = ? AND state = 'in_doubt'", (account, rule.kind)
        ).fetchall():
            let_torn_lapse(db, row["id"], now.at)
    # Where silence is a yes, a feed that is known to be there never lapses; one in doubt does, and is said again.
    patience = rule.silence_is_yes or rule.patience
    states = "state = 'in_doubt'" if rule.silence_is_yes is not None else "state IN ('sent', 'in_doubt')"
    rows = _beyond(db, account, rule.kind, states, patience, now.at)
    for row in rows:
        _give_back(db, row["id"], FeedState.LAPSED, f"no answer within {patience}", now.at)
    if rule.silence_is_yes is not None:
        unread = _beyond(db, account, rule.kind, f"state = 'sent' AND {_UNREAD}", rule.patience, now.at)
        for row in unread:
            why = f"no answer that can be read within {rule.patience}"
            _give_back(db, row["id"], FeedState.LAPSED, why, now.at)
        rows += unread
    return [_feed(row) for row in rows]


def let_torn_lapse(db: sqlite3.Connection, feed: int, at: datetime) -> None:
    """Half of this feed may be there: its parts are Pending again, so that the next turn sends them whole (J3)."""
    if _state(db, feed) is FeedState.IN_DOUBT:
        _give_back(db, feed, FeedState.LAPSED, "its sending was cut; it is sent again whole", at)


def silent(db: sqlite3.Connection, account: AccountName, kind: FeedKind, wait: timedelta, at: datetime) -> list[FeedId]:
    """The feeds that stood unanswered for as long as `wait` since they were sent; an answer nobody can read is one."""
    rows = _beyond(db, account, kind, f"state = 'sent' AND NOT {_UNREAD}", wait, at)
    return [FeedId(row["id"]) for row in rows]


def _state(db: sqlite3.Connection, feed: int) -> FeedState:
    return FeedState(db.execute("SELECT state FROM feeds WHERE id = ?", (feed,)).fetchone()["state"])


def _abandon(db: sqlite3.Connection, row: sqlite3.Row, why: str, now: Moment) -> None:
    """Nobody sends this feed any more: unspooled it never left, spooled it is in doubt (house law 6)."""
    if row["spooled_at"] is None:
        withdraw(db, row["id"], f"{why} before anything was sent", now)
    else:
        close_feed(db, row["id"], FeedState.IN_DOUBT, f"{why} while it was being sent", now.at)


def _give_back(db: sqlite3.Connection, feed: int, state: FeedState, why: str, at: datetime) -> None:
    """Close a feed of which nothing came: its parts are Pending again, where nothing newer has happened to them."""
    columns = ", ".join(
        f"{p}_state = CASE WHEN o.{p}_revision = listings.{p}_revision AND {p}_state = 'sent'"
        f" THEN 'pending' ELSE {p}_state END"
        for p in Part
    )
    db.execute(
        f"UPDATE listings SET {columns} FROM feed_objects o"  # noqa: S608 - names of our own enum
        " WHERE o.feed = ? AND o.state = 'sent' AND listings.id = o.listing",
        (feed,),
    )
    ended = "lapsed" if state is FeedState.LAPSED else "withdrawn"
    db.execute(
        'INSERT INTO events (at, account, subject, subject_id, what, "from", "to", why)'
        " SELECT ?, f.account, 'listing', o.listing, f.kind || ' feed ' || f.id, 'sent', 'pending', ?"
        " FROM feed_objects o JOIN feeds f ON f.id = o.feed WHERE o.feed = ? AND o.state = 'sent'",
        (to_us(at), ended, feed),
    )
    db.execute("UPDATE feed_objects SET state = ? WHERE feed = ? AND state = 'sent'", (ended, feed))
    close_feed(db, feed, state, why, at)


def _beyond(
    db: sqlite3.Connection, account: str, kind: FeedKind, states: str, limit: timedelta, at: datetime
) -> list[sqlite3.Row]:
    """The open feeds that were sent `limit` ago or earlier, or so far ahead that the wall clock was set back since."""
    return db.execute(
        f"SELECT * FROM feeds WHERE account = ? AND kind = ? AND {OPEN_FEED} AND {states}"  # noqa: S608
        " AND coalesce(sent_at, opened_at) NOT BETWEEN ? AND ?",
        (account, kind, to_us(at - limit) + 1, to_us(at + limit)),
    ).fetchall()


def _feed(row: sqlite3.Row) -> Feed:
    return Feed(
        FeedId(row["id"]),
        AccountName(row["account"]),
        FeedKind(row["kind"]),
        FeedState(row["state"]),
        from_us(row["opened_at"]),
        row["size"],
        row["name"],
        row["remote_ref"],
    )
