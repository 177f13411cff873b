"""What people ask about feeds, as plain values: how one stands, what it carried, who answered it (L16)."""

import sqlite3

from daemon.model import FeedId, Part, Sku
from daemon.store.deliveries import SHOWN_STATE
from daemon.store.plain import View, instants, some, timeline


def feed_whole(db: sqlite3.Connection, number: FeedId, limit: int, after: Sku | None) -> View | None:
    """One feed with its timeline, the files that answered it and a page of its objects, by SKU; None: no such feed."""
    row = db.execute("SELECT * FROM feeds WHERE id = ?", (number,)).fetchone()
    if row is None:
        return None
    objects = db.execute(
        "SELECT o.*, l.sku FROM feed_objects o JOIN listings l ON l.id = o.listing"
        " WHERE o.feed = ? AND (? IS NULL OR l.sku > ?) ORDER BY l.sku LIMIT ?",
        (number, after, after, limit),
    ).fetchall()
    return {
        **feed(row),
        "timeline": timeline(db, "feed", number),
        "received": _received(db, number),
        "objects": [
            {"sku": carried["sku"], **feed_object(carried), "received": carried["delivery"]} for carried in objects
        ],
    }


def feed(row: sqlite3.Row) -> View:
    """A row of feeds as it is shown."""
    return {
        **some(row, "id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error"),
        **instants(row, "opened_at", "spooled_at", "sent_at", "closed_at"),
    }


def feed_object(row: sqlite3.Row) -> View:
    """What a feed carried of one listing, and what came of it."""
    return {
        **some(row, "feed", "ean", "channel_item_id", "stock", "price_minor", "rrp_minor", "state", "code", "text"),
        "promotion": row["promotion"],
        "parts": [part.value for part in Part if row[f"{part}_revision"] is not None],
        "ended": bool(row["ended"]),
        **instants(row, "answered_at"),
    }


def _received(db: sqlite3.Connection, number: FeedId) -> list[View]:
    """The deliveries that spoke of a feed, the oldest first, each with how many of its objects it settled (L16)."""
    rows = db.execute(
        f"SELECT d.*, {SHOWN_STATE} AS shown, r.settled FROM feed_deliveries r JOIN deliveries d ON d.id = r.delivery"  # noqa: S608
        " WHERE r.feed = ? ORDER BY d.id",
        (number,),
    ).fetchall()
    return [
        {**some(row, "id", "folder", "name", "size", "settled"), "state": row["shown"], **instants(row, "received_at")}
        for row in rows
    ]
