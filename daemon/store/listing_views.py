"""What people ask about listings, as plain values: how each part stands, what is wrong, what happened (D8, L2, L11)."""

import json
import sqlite3
from dataclasses import fields

from daemon.model import ERROR_NAMES, AccountName, Part, Sku, StockExtras, StockKnobs
from daemon.store.feed_views import feed_object
from daemon.store.holds import held
from daemon.store.listing_columns import extras_of, knobs_of, vat_rate_of
from daemon.store.plain import PAGE, View, instants, some, timeline
from daemon.store.rejections import AS_IT_STANDS

#: columns: how the marketplace has rejected the parts of a listing, as JSON, whatever has changed since
REJECTED = (
    "(SELECT json_group_object(r.part, json_object('revision', r.revision, 'times', r.times,"
    " 'blocked_at', r.blocked_at)) FROM rejections r WHERE r.listing = listings.id) AS rejected,"
    # Its last rejection in the marketplace's words: a part's error is the text alone.
    " (SELECT json_object('code', n.code, 'text', n.text) FROM feed_objects n WHERE n.listing = listings.id"
    " AND n.state = 'rejected' ORDER BY n.feed DESC LIMIT 1) AS rejection"
)
#: the condition that a part was rejected too often as it stands (L2)
BLOCKED = (
    "EXISTS (SELECT 1 FROM rejections r WHERE r.listing = listings.id AND r.blocked_at IS NOT NULL"  # noqa: S608
    f" AND {AS_IT_STANDS})"
)


def listing_whole(db: sqlite3.Connection, account: AccountName, sku: Sku) -> View | None:
    """One listing with its item, promotions, prices, timeline and the feeds that carried it; None: no such listing."""
    row = db.execute(
        f"SELECT *, {REJECTED} FROM listings WHERE account = ? AND sku = ?",  # noqa: S608 - our own words
        (account, sku),
    ).fetchone()
    if row is None:
        return None
    carried = db.execute(
        "SELECT o.*, f.kind, f.opened_at, f.name AS sent, d.name AS received_name, d.received_at"
        " FROM feed_objects o JOIN feeds f ON f.id = o.feed LEFT JOIN deliveries d ON d.id = o.delivery"
        " WHERE o.listing = ? ORDER BY o.feed DESC LIMIT ?",
        (row["id"], PAGE),
    ).fetchall()
    return {
        **listing(row),
        "item": json.loads(row["item"]),
        "former_channel_item_ids": _former_numbers(db, row["id"]),
        "promotions": _promotions(db, row["id"]),
        "prices": _prices(db, row["id"]),
        "timeline": timeline(db, "listing", row["id"]),
        "feeds": [
            {**some(feed, "kind", "sent"), **instants(feed, "opened_at"), **feed_object(feed), **_answer(feed)}
            for feed in carried
        ],
    }


def listing(row: sqlite3.Row) -> View:
    """A row of listings, read with `REJECTED`, as it is shown."""
    # Nearly every listing of a large catalogue has none, and each is told in lists of ten thousands.
    rejected = json.loads(row["rejected"]) if row["rejected"] != "{}" else {}
    return {
        **some(row, "account", "sku", "ean", "channel_item_id", "channel_status", "stock", "price_minor", "rrp_minor"),
        **some(row, "handling_days", "epr_code"),
        "vat_rate": None if row["vat_bp"] is None else f"{vat_rate_of(row['vat_bp']):f}",
        "eco_contribution_minor": row["eco_minor"],
        "ended": bool(row["ended"]),
        "parts": {part.value: _part(row, part, rejected.get(part.value)) for part in Part},
        # A held part is Pending all the same: the guard keeps it from leaving.
        "held": [part.value for part in held(row)],
        "rejection": json.loads(row["rejection"]) if row["rejection"] else None,
        "warnings": [*(json.loads(row["warnings"]) if row["warnings"] != "[]" else ()), *_price_warnings(row)],
        "stock_knobs": _plain(knobs_of(row)),
        "stock_extras": {name: text for name, text in _plain(extras_of(row["stock_extras"])).items() if text},
        **instants(row, "created_at", "changed_at"),
    }


def _part(row: sqlite3.Row, part: Part, rejection: View | None) -> View:
    """How a part stands; `blocked` says why another try would not send it, and is empty where one would."""
    blocked = ""
    if rejection and rejection["blocked_at"] is not None and rejection["revision"] == row[f"{part}_revision"]:
        blocked = f"rejected {rejection['times']} times in a row with the same words"
    return {
        "state": row[f"{part}_state"],
        "error": row[f"{part}_error"],
        "error_name": ERROR_NAMES[part],
        "blocked": blocked,
    }


def _price_warnings(row: sqlite3.Row) -> list[View]:
    """What is doubtful in the reduction of a promotion that goes out all the same (consumer rules C1, C2)."""
    text = row["price_warning"]
    return [{"field": "price", "rule": "C1 to C3", "text": text, "fix": ""}] if text else []


def _plain(value: StockKnobs | StockExtras) -> View:
    """Its fields, which hold nothing that would have to be copied."""
    return {column.name: getattr(value, column.name) for column in fields(value)}


def _former_numbers(db: sqlite3.Connection, listing: int) -> list[View]:
    """The article numbers that it had before, the last of them first (J2)."""
    rows = db.execute("SELECT * FROM former_numbers WHERE listing = ? ORDER BY until DESC", (listing,)).fetchall()
    return [{**some(row, "channel_item_id"), **instants(row, "until")} for row in rows]


def _promotions(db: sqlite3.Connection, listing: int) -> list[View]:
    """The newest promotions of a listing, those that were taken back too, the first to begin first (L11)."""
    rows = db.execute(
        "SELECT * FROM promotions WHERE listing = ? ORDER BY starts_at DESC, id DESC LIMIT ?", (listing, PAGE)
    ).fetchall()
    names = ("starts_at", "ends_at", "imported_at", "withdrawn_at")
    return [{**some(row, "id", "price_minor", "nature", "sale"), **instants(row, *names)} for row in reversed(rows)]


def _prices(db: sqlite3.Connection, listing: int) -> list[View]:
    """The newest prices that customers were charged, the oldest of them first (C1)."""
    rows = db.execute("SELECT * FROM prices WHERE listing = ? ORDER BY since DESC LIMIT ?", (listing, PAGE)).fetchall()
    return [{**some(row, "price_minor", "promotion"), **instants(row, "since")} for row in reversed(rows)]


def _answer(row: sqlite3.Row) -> View:
    """Which received file holds the verdict; `sellerd feeds show ID --received` has its bytes."""
    if row["delivery"] is None:
        return {"received": None}
    return {"received": {"id": row["delivery"], "name": row["received_name"], **instants(row, "received_at")}}
