"""Questions that people ask: how things stand and what happened, as plain values, each one short read.

Instants are ISO 8601 texts in UTC; money is integer minor units, of a listing in its account's currency; what is paged
goes on behind the key of the last thing of the page before. Personal data is in what `order(…, personal=True)` and
`export_orders` give, and nowhere else (D12).
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from daemon.model import AccountName, FeedId, Item, Moment, OrderNumber, Part, PayloadId, Sku
from daemon.rules.gate import wait
from daemon.store.database import Database
from daemon.store.feeds import read_gate
from daemon.store.listings import item_from_json
from daemon.store.times import from_us, to_us

View = dict[str, Any]

#: Things of one page, unless told otherwise, and at most.
PAGE = 100
MOST = 1_000

_TIMELINE = 200
_OPEN_LINES = "('new', 'accepted', 'to_ship', 'to_cancel', 'refunding')"


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a listing that an import may leave as it is."""

    item: Item
    channel_item_id: str
    rrp_minor: int | None


class Views:
    """Read-only answers for the command line, the REST interface and pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self, now: Moment) -> View:
        """How every account stands: held, jobs, listings by part and state, order lines by state, gates, set aside."""
        return await self._database.read(lambda db: _status(db, now))

    async def gates(self, now: Moment) -> list[View]:
        """Every gate that was ever closed: open now, or until when not, and by which feed (L8)."""
        return await self._database.read(lambda db: _gates(db, now))

    async def feeds(
        self, account: AccountName | None = None, *, limit: int = PAGE, before: FeedId | None = None
    ) -> list[View]:
        """Feeds, the newest first; `before` is the last of the page before (L16)."""
        sql = (
            "SELECT * FROM feeds WHERE (:account IS NULL OR account = :account) AND (:before IS NULL OR id < :before)"
            " ORDER BY id DESC LIMIT :limit"
        )
        rows = await self._rows(sql, account=account, before=before, limit=min(limit, MOST))
        return [_feed(row) for row in rows]

    async def feed(self, feed: FeedId, *, limit: int = PAGE, after: Sku | None = None) -> View | None:
        """One feed with its timeline and a page of its objects, by SKU; None when there is none (L16)."""
        return await self._database.read(lambda db: _feed_whole(db, feed, min(limit, MOST), after))

    async def feed_payload(self, feed: FeedId) -> PayloadId | None:
        """Where the bytes of a feed are kept; None when there are none (D7)."""
        rows = await self._rows("SELECT payload FROM feeds WHERE id = :feed AND payload IS NOT NULL", feed=feed)
        return PayloadId(rows[0]["payload"]) if rows else None

    async def listings(
        self,
        account: AccountName,
        *,
        part: Part | None = None,
        state: str | None = None,
        sku: str | None = None,
        limit: int = PAGE,
        after: Sku | None = None,
    ) -> list[View]:
        """Listings by SKU: those of which `part` (or any part) is in `state`, those whose SKU begins with `sku`."""
        parts = [part] if part else list(Part)
        condition = " OR ".join(f"{name}_state = :state" for name in parts)
        sql = (
            f"SELECT * FROM listings WHERE account = :account AND (:state IS NULL OR {condition})"  # noqa: S608 - names of our own enum
            " AND (:sku IS NULL OR substr(sku, 1, length(:sku)) = :sku) AND (:after IS NULL OR sku > :after)"
            " ORDER BY sku LIMIT :limit"
        )
        rows = await self._rows(sql, account=account, state=state, sku=sku, after=after, limit=min(limit, MOST))
        return [_listing(row) for row in rows]

    async def listing(self, account: AccountName, sku: Sku) -> View | None:
        """One listing with its item, its timeline and the feeds that carried it; None when there is none (D8)."""
        return await self._database.read(lambda db: _listing_whole(db, account, sku))

    async def known(self, account: AccountName, skus: Sequence[Sku]) -> dict[Sku, Known]:
        """What is kept of those of these listings that exist."""
        rows = await self._rows(
            "SELECT sku, item, channel_item_id, rrp_minor FROM listings"
            " WHERE account = :account AND sku IN (SELECT value FROM json_each(:skus))",
            account=account,
            skus=json.dumps(skus),
        )
        return {
            Sku(row["sku"]): Known(item_from_json(row["item"]), row["channel_item_id"], row["rrp_minor"])
            for row in rows
        }

    async def orders(
        self,
        account: AccountName | None = None,
        *,
        state: str | None = None,
        limit: int = PAGE,
        before: int | None = None,
    ) -> list[View]:
        """Orders without personal data, the newest first; those of which a line is in `state`."""
        sql = (
            "SELECT * FROM orders o WHERE (:account IS NULL OR account = :account)"
            ' AND (:state IS NULL OR EXISTS (SELECT 1 FROM order_lines WHERE "order" = o.id AND state = :state))'
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        )
        values = {"account": account, "state": state, "before": before, "limit": min(limit, MOST)}
        return await self._database.read(
            lambda db: [_order(db, row, personal=False) for row in db.execute(sql, values).fetchall()]
        )

    async def order(self, account: AccountName, number: OrderNumber, *, personal: bool) -> View | None:
        """One order with its updates and timeline; None when there is none. `personal` adds who gets it (D12)."""
        return await self._database.read(lambda db: _order_whole(db, account, number, personal=personal))

    async def export_orders(self, account: AccountName, since: datetime | None = None) -> AsyncIterator[list[View]]:
        """Orders that changed at or after `since`, the oldest change first, with personal data, in pages (S2)."""
        sql = (
            "SELECT * FROM orders WHERE account = :account AND (changed_at, id) > (:changed, :id)"
            " ORDER BY changed_at, id LIMIT :limit"
        )
        place = {"changed": to_us(since) if since else 0, "id": 0}
        while True:
            values = {"account": account, "limit": PAGE, **place}
            page, place = await self._database.read(partial(_order_page, sql=sql, values=values))
            if not page:
                return
            yield page

    async def deliveries(
        self, account: AccountName | None = None, *, state: str | None = None, limit: int = PAGE
    ) -> list[View]:
        """What came in, the newest first; `state` set_aside for what could not be read, with the reason (D9)."""
        sql = (
            "SELECT * FROM deliveries WHERE (:account IS NULL OR account = :account)"
            " AND (:state IS NULL OR state = :state) ORDER BY id DESC LIMIT :limit"
        )
        rows = await self._rows(sql, account=account, state=state, limit=min(limit, MOST))
        return [
            {
                **_some(row, "id", "account", "kind", "folder", "name", "size", "state", "reason"),
                **_instants(row, "modified_at", "received_at", "confirmed_at"),
            }
            for row in rows
        ]

    async def _rows(self, sql: str, **values: object) -> list[sqlite3.Row]:
        return await self._database.read(lambda db: db.execute(sql, values).fetchall())


def _some(row: sqlite3.Row, *names: str) -> View:
    return {name: row[name] for name in names}


def _instants(row: sqlite3.Row, *names: str) -> View:
    return {name: _iso(row[name]) for name in names}


def _iso(value: int | None) -> str | None:
    instant = from_us(value)
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _status(db: sqlite3.Connection, now: Moment) -> View:
    gates = _gates(db, now)
    aside = _counts(db, "SELECT account, count(*) AS n FROM deliveries WHERE state = 'set_aside' GROUP BY account")
    doubt = _counts(db, "SELECT account, count(*) AS n FROM order_updates WHERE state = 'in_doubt' GROUP BY account")
    accounts = []
    for row in db.execute("SELECT * FROM accounts ORDER BY name").fetchall():
        name = row["name"]
        accounts.append(
            {
                **_some(row, "name", "marketplace", "held_reason"),
                **_instants(row, "held_at"),
                "held": row["held_at"] is not None,
                "jobs": _jobs(db, name),
                "listings": _parts(db, name),
                "order_lines": _lines_by_state(db, name),
                "gates": [gate for gate in gates if gate["account"] == name],
                "set_aside": aside.get(name, 0),
                "updates_in_doubt": doubt.get(name, 0),
            }
        )
    return {"now": _iso(to_us(now.at)), "accounts": accounts}


def _counts(db: sqlite3.Connection, sql: str) -> dict[str, int]:
    return {row["account"]: row["n"] for row in db.execute(sql).fetchall()}


def _jobs(db: sqlite3.Connection, account: str) -> list[View]:
    rows = db.execute("SELECT * FROM jobs WHERE account = ? ORDER BY job", (account,)).fetchall()
    instants = ("last_started_at", "last_ended_at", "last_succeeded_at", "failing_since", "held_until")
    return [{**_some(row, "job", "failures", "last_error"), **_instants(row, *instants)} for row in rows]


def _parts(db: sqlite3.Connection, account: str) -> dict[str, dict[str, int]]:
    """How many listings stand how, part by part, in one pass over the table."""
    states = ("not_needed", "pending", "sent", "error")
    sums = ", ".join(f"sum({part}_state = '{state}') AS {part}_{state}" for part in Part for state in states)
    row = db.execute(f"SELECT {sums} FROM listings WHERE account = ?", (account,)).fetchone()  # noqa: S608 - our own words
    return {part.value: {state: row[f"{part}_{state}"] or 0 for state in states} for part in Part}


def _lines_by_state(db: sqlite3.Connection, account: str) -> dict[str, int]:
    rows = db.execute(
        'SELECT l.state, count(*) AS n FROM orders o JOIN order_lines l ON l."order" = o.id WHERE o.account = ?'
        " GROUP BY l.state ORDER BY l.state",
        (account,),
    ).fetchall()
    return {row["state"]: row["n"] for row in rows}


def _gates(db: sqlite3.Connection, now: Moment) -> list[View]:
    rows = db.execute(
        "SELECT g.*, f.state AS feed_state FROM gates g LEFT JOIN feeds f ON f.id = g.feed ORDER BY g.account, g.kind"
    ).fetchall()
    return [_gate(row, now) for row in rows]


def _gate(row: sqlite3.Row, now: Moment) -> View:
    left = wait(read_gate(row), now)
    closed = left is None or left > timedelta()
    why = ""
    if left is None:
        why = "the machine was started anew and its clock is not confirmed, so the time starts again with the next turn"
    elif closed:
        why = f"feed {row['feed']} is {row['feed_state']}; the next one keeps its distance" if row["feed"] else ""
    until = _iso(to_us(now.at + left)) if left is not None and closed else None
    return {**_some(row, "account", "kind", "feed"), "open": not closed, "until": until, "why": why}


def _feed(row: sqlite3.Row) -> View:
    return {
        **_some(row, "id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error"),
        **_instants(row, "opened_at", "spooled_at", "sent_at", "closed_at"),
    }


def _feed_whole(db: sqlite3.Connection, feed: FeedId, limit: int, after: Sku | None) -> View | None:
    row = db.execute("SELECT * FROM feeds WHERE id = ?", (feed,)).fetchone()
    if row is None:
        return None
    objects = db.execute(
        "SELECT o.*, l.sku FROM feed_objects o JOIN listings l ON l.id = o.listing"
        " WHERE o.feed = ? AND (? IS NULL OR l.sku > ?) ORDER BY l.sku LIMIT ?",
        (feed, after, after, limit),
    ).fetchall()
    return {
        **_feed(row),
        "timeline": _timeline(db, "feed", feed),
        "objects": [{"sku": carried["sku"], **_feed_object(carried)} for carried in objects],
    }


def _feed_object(row: sqlite3.Row) -> View:
    return {
        **_some(row, "feed", "ean", "channel_item_id", "stock", "price_minor", "rrp_minor", "state", "code", "text"),
        "parts": [part.value for part in Part if row[f"{part}_revision"] is not None],
        "ended": bool(row["ended"]),
        **_instants(row, "answered_at"),
    }


def _listing(row: sqlite3.Row) -> View:
    return {
        **_some(row, "account", "sku", "ean", "channel_item_id", "channel_status", "stock", "price_minor", "rrp_minor"),
        **_some(row, "handling_days"),
        "ended": bool(row["ended"]),
        "parts": {part.value: {"state": row[f"{part}_state"], "error": row[f"{part}_error"]} for part in Part},
        **_instants(row, "created_at", "changed_at"),
    }


def _listing_whole(db: sqlite3.Connection, account: AccountName, sku: Sku) -> View | None:
    row = db.execute("SELECT * FROM listings WHERE account = ? AND sku = ?", (account, sku)).fetchone()
    if row is None:
        return None
    carried = db.execute(
        "SELECT o.*, f.kind, f.opened_at FROM feed_objects o JOIN feeds f ON f.id = o.feed WHERE o.listing = ?"
        " ORDER BY o.feed DESC LIMIT ?",
        (row["id"], PAGE),
    ).fetchall()
    return {
        **_listing(row),
        "item": json.loads(row["item"]),
        "timeline": _timeline(db, "listing", row["id"]),
        "feeds": [{"kind": feed["kind"], **_instants(feed, "opened_at"), **_feed_object(feed)} for feed in carried],
    }


def _timeline(db: sqlite3.Connection, subject: str, subject_id: int) -> list[View]:
    """The newest 200 events of one subject, the oldest of them first."""
    rows = db.execute(
        "SELECT * FROM events WHERE subject = ? AND subject_id = ? ORDER BY id DESC LIMIT ?",
        (subject, subject_id, _TIMELINE),
    ).fetchall()
    return [{**_instants(row, "at"), **_some(row, "what", "from", "to", "why")} for row in reversed(rows)]


def _order(db: sqlite3.Connection, row: sqlite3.Row, *, personal: bool) -> View:
    lines = db.execute(
        'SELECT o.*, l.sku FROM order_lines o LEFT JOIN listings l ON l.id = o.listing WHERE o."order" = ?'
        " ORDER BY o.position",
        (row["id"],),
    ).fetchall()
    view = {
        **_some(row, "id", "account", "number", "incomplete", "shipping_method", "payment_method"),
        **_instants(row, "ordered_at", "received_at", "changed_at"),
        "test": bool(row["test"]),
        "lines": [_line(line, personal=personal) for line in lines],
    }
    if personal:
        # Fields that we have no word for may hold anything, a name or a telephone number too.
        view |= {"extra": json.loads(row["extra"]), **_customers(db, row["id"])}
    return view


def _line(row: sqlite3.Row, *, personal: bool) -> View:
    names = ("ref", "quantity", "shipped", "state", "sku", "ean", "channel_item_id", "title", "price_minor", "currency")
    return _some(row, *names) | ({"extra": json.loads(row["extra"])} if personal else {})


def _customers(db: sqlite3.Connection, order: int) -> View:
    row = db.execute('SELECT shipping, billing FROM customers WHERE "order" = ?', (order,)).fetchone()
    return {
        "shipping": json.loads(row["shipping"]) if row else None,
        "billing": json.loads(row["billing"]) if row and row["billing"] else None,
    }


def _order_whole(db: sqlite3.Connection, account: AccountName, number: OrderNumber, *, personal: bool) -> View | None:
    row = db.execute("SELECT * FROM orders WHERE account = ? AND number = ?", (account, number)).fetchone()
    if row is None:
        return None
    updates = db.execute('SELECT * FROM order_updates WHERE "order" = ? ORDER BY id', (row["id"],)).fetchall()
    return {
        **_order(db, row, personal=personal),
        "updates": [_update(db, update) for update in updates],
        "timeline": _timeline(db, "order", row["id"]),
    }


def _update(db: sqlite3.Connection, row: sqlite3.Row) -> View:
    lines = db.execute(
        "SELECT l.ref, u.quantity, u.reason FROM update_lines u JOIN order_lines l ON l.id = u.line"
        ' WHERE u."update" = ? ORDER BY l.position',
        (row["id"],),
    ).fetchall()
    return {
        **_some(row, "kind", "state", "name", "error"),
        **_instants(row, "created_at", "sent_at", "settled_at"),
        "parcel": _parcel(row["parcel"]),
        "lines": [_some(line, "ref", "quantity", "reason") for line in lines],
    }


def _parcel(text: str | None) -> View | None:
    if text is None:
        return None
    parcel: View = json.loads(text)
    return {**parcel, "shipped_at": _iso(parcel["shipped_at"])}


def _order_page(db: sqlite3.Connection, sql: str, values: View) -> tuple[list[View], View]:
    rows = db.execute(sql, values).fetchall()
    last = rows[-1] if rows else None
    place = {"changed": last["changed_at"], "id": last["id"]} if last else {}
    return [_order(db, row, personal=True) for row in rows], place
