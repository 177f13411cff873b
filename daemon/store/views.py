"""Questions that people ask: how things stand and what happened, as plain values, each one short read.

Instants are ISO 8601 texts in UTC; money is integer minor units, of a listing in its account's currency; what is paged
goes on behind the key of the last thing of the page before. Personal data is in what `order(…, personal=True)` and
`export_orders` give, and nowhere else (D12).
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial

from daemon.model import (
    ERROR_NAMES,
    SITE,
    AccountName,
    FeedId,
    Item,
    Levies,
    Moment,
    OrderNumber,
    Part,
    PayloadId,
    Severity,
    Sku,
    StockExtras,
    StockKnobs,
    Timeliness,
)
from daemon.rules.gate import wait
from daemon.rules.quotes import unquoted
from daemon.store import claim_views, order_views, plain
from daemon.store.database import Database
from daemon.store.deliveries import SHOWN_STATE, STANDS_ASIDE, DeliveryState
from daemon.store.feeds import read_gate
from daemon.store.generation import restored_at
from daemon.store.guard import GUARDED
from daemon.store.listings import extras_of, item_from_json, knobs_of, levies_of, vat_rate_of
from daemon.store.order_errors import OPEN
from daemon.store.pauses import Pause, pauses_of
from daemon.store.plain import instants, some, timeline
from daemon.store.times import iso, to_us

View = plain.View
#: a change of an order among the others of its account: when (UTC microseconds), and the row of the order
Place = tuple[int, int]

#: Things of one page, unless told otherwise, and at most.
PAGE = plain.PAGE
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a listing that an import may leave as it is."""

    item: Item
    channel_item_id: str
    knobs: StockKnobs
    levies: Levies
    extras: StockExtras


class Views:
    """Read-only answers for the command line, the REST interface and pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self, now: Moment) -> View:
        """How every account stands: held, jobs, listings by part and state, order lines by state, gates, set aside."""
        return await self._database.read(lambda db: _status(db, now))

    async def sizes(self) -> dict[str, int]:
        """How many accounts, listings, feeds and orders there are."""
        tables = ("accounts", "listings", "feeds", "orders")
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)  # noqa: S608 - our own words
        rows = await self._rows(f"SELECT {counts}")
        return {table: rows[0][table] for table in tables}

    async def gates(self, now: Moment) -> list[View]:
        """Every gate that was ever closed: open now, or until when not, and by which feed (L8)."""
        return await self._database.read(lambda db: _gates(db, now))

    async def feeds(
        self,
        account: AccountName | None = None,
        *,
        kind: str = "",
        state: str = "",
        limit: int = PAGE,
        before: FeedId | None = None,
    ) -> list[View]:
        """Feeds, the newest first, of a kind and in a state; `before` is the last of the page before (L16)."""
        sql = (
            "SELECT * FROM feeds WHERE (:account IS NULL OR account = :account) AND (:before IS NULL OR id < :before)"
            " AND (:kind = '' OR kind = :kind) AND (:state = '' OR state = :state) ORDER BY id DESC LIMIT :limit"
        )
        rows = await self._rows(sql, account=account, kind=kind, state=state, before=before, limit=min(limit, MOST))
        return [_feed(row) for row in rows]

    async def feed(self, feed: FeedId, *, limit: int = PAGE, after: Sku | None = None) -> View | None:
        """One feed with its timeline and a page of its objects, by SKU; None when there is none (L16)."""
        return await self._database.read(lambda db: _feed_whole(db, feed, min(limit, MOST), after))

    async def feed_payload(self, feed: FeedId) -> PayloadId | None:
        """Where the bytes of a feed are kept; None when there are none (D7)."""
        rows = await self._rows("SELECT payload FROM feeds WHERE id = :feed AND payload IS NOT NULL", feed=feed)
        return PayloadId(rows[0]["payload"]) if rows else None

    async def received_payload(self, feed: FeedId, delivery: int) -> PayloadId | None:
        """Where the bytes of a delivery that answered a feed are kept; None when it did not answer that feed (L16)."""
        rows = await self._rows(
            "SELECT d.payload FROM feed_deliveries r JOIN deliveries d ON d.id = r.delivery"
            " WHERE r.feed = :feed AND r.delivery = :delivery",
            feed=feed,
            delivery=delivery,
        )
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
        warned: bool = False,
        blocked: bool = False,
        status: str = "",
        error: str = "",
        find: str = "",
    ) -> list[View]:
        """Listings by SKU: those of which `part` (or any part) is in `state`, those whose SKU begins with `sku`.

        `status` is their channel status; `error` stands in the error of a part, `find` in their SKU, EAN, channel item
        id or title, without regard to case. `warned`: only those with warnings; `blocked`: only those of which a part
        was rejected too often (L2).
        """
        parts = [part] if part else list(Part)
        condition = " OR ".join(f"{name}_state = :state" for name in parts)
        sql = (
            f"SELECT *, {_REJECTED} FROM listings WHERE account = :account AND (:state IS NULL OR {condition})"  # noqa: S608 - names of our own enum
            f" AND (NOT :warned OR warnings <> '[]' OR price_warning <> '') AND (NOT :blocked OR {_BLOCKED})"
            " AND (:sku IS NULL OR substr(sku, 1, length(:sku)) = :sku) AND (:after IS NULL OR sku > :after)"
            " AND (:status = '' OR channel_status = :status) AND (:error = '' OR instr(lower(item_error || ' ' ||"
            " stock_error || ' ' || price_error || ' ' || end_error), lower(:error)) > 0)"
            " AND (:find = '' OR instr(lower(sku || ' ' || ean || ' ' || channel_item_id || ' ' ||"
            " coalesce(json_extract(item, '$.title'), '')), lower(:find)) > 0)"
            " ORDER BY sku LIMIT :limit"
        )
        rows = await self._rows(
            sql,
            account=account,
            state=state,
            sku=sku,
            after=after,
            limit=min(limit, MOST),
            warned=warned,
            blocked=blocked,
            status=status,
            error=error,
            find=find,
        )
        return [_listing(row) for row in rows]

    async def listing(self, account: AccountName, sku: Sku) -> View | None:
        """One listing with its item, its timeline and the feeds that carried it; None when there is none (D8)."""
        return await self._database.read(lambda db: _listing_whole(db, account, sku))

    async def known(self, account: AccountName, skus: Sequence[Sku]) -> dict[Sku, Known]:
        """What is kept of those of these listings that exist."""
        rows = await self._rows(
            "SELECT * FROM listings WHERE account = :account AND sku IN (SELECT value FROM json_each(:skus))",
            account=account,
            skus=json.dumps(skus),
        )
        return {
            Sku(row["sku"]): Known(
                item_from_json(row["item"]),
                row["channel_item_id"],
                knobs_of(row),
                levies_of(row),
                extras_of(row["stock_extras"]),
            )
            for row in rows
        }

    async def orders(
        self,
        account: AccountName | None = None,
        *,
        state: str | None = None,
        limit: int = PAGE,
        before: int | None = None,
        now: datetime | None = None,
        late: bool = False,
        errors: bool = False,
        stuck: bool = False,
        find: str = "",
    ) -> list[View]:
        """Orders without personal data, the newest first; those of which a line is in `state`.

        With `now` each says whether it is in time for its deadlines; with `late` too, only those that are not; with
        `errors`, only those of which something is wrong (J6), with `stuck` those of which an update has failed or is in
        doubt and waits for a person (J13). `find` stands in their number, or in the SKU or EAN of a
        line, without regard to case.
        """
        sql = (
            "SELECT * FROM orders o WHERE (:account IS NULL OR account = :account)"  # noqa: S608 - our own words
            ' AND (NOT :stuck OR EXISTS (SELECT 1 FROM order_updates u WHERE u."order" = o.id'
            f" AND {claim_views.STUCK}))"
            f' AND (NOT :errors OR EXISTS (SELECT 1 FROM order_errors e WHERE e."order" = o.id AND {OPEN}))'
            ' AND (:state IS NULL OR EXISTS (SELECT 1 FROM order_lines WHERE "order" = o.id AND state = :state))'
            " AND (:late IS NULL OR id IN (SELECT value FROM json_each(:late)))"
            " AND (:find = '' OR instr(lower(number), lower(:find)) > 0 OR EXISTS (SELECT 1 FROM order_lines f"
            ' LEFT JOIN listings s ON s.id = f.listing WHERE f."order" = o.id'
            " AND instr(lower(coalesce(s.sku, '') || ' ' || f.ean || ' ' || f.channel_item_id), lower(:find)) > 0))"
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        )
        values = {
            "account": account,
            "state": state,
            "before": before,
            "limit": min(limit, MOST),
            "errors": errors,
            "stuck": stuck,
            "find": find,
        }

        def work(db: sqlite3.Connection) -> list[View]:
            ids = None
            if late and now is not None:
                found = order_views.orders_by_timeliness(db, now, account).get(Timeliness.LATE, {})
                ids = json.dumps([order for orders in found.values() for order in orders])
            rows = db.execute(sql, {**values, "late": ids}).fetchall()
            return [order_views.order(db, row, personal=False, now=now) for row in rows]

        return await self._database.read(work)

    async def waiting(self, now: datetime) -> dict[tuple[str, str], int]:
        """How many orders that wait for the seller stand how against their deadlines, by account and timeliness."""
        return await self._database.read(lambda db: order_views.waiting(db, now))

    async def order_errors(self) -> dict[tuple[str, str], int]:
        """How many things are wrong with orders, by account and severity (J6)."""
        return await self._database.read(order_views.order_errors)

    async def order(
        self, account: AccountName, number: OrderNumber, *, personal: bool, now: datetime | None = None
    ) -> View | None:
        """One order with its updates and timeline; None when there is none. `personal` adds who gets it (D12)."""
        return await self._database.read(
            lambda db: order_views.order_whole(db, account, number, personal=personal, now=now)
        )

    async def claims(
        self,
        account: AccountName | None = None,
        *,
        state: str | None = None,
        limit: int = PAGE,
        before: int | None = None,
        now: datetime | None = None,
    ) -> list[View]:
        """Requests of marketplaces about orders, the newest first; with `now` each says whether it is late (J12)."""
        return await self._database.read(
            partial(claim_views.claims, account=account, state=state, limit=min(limit, MOST), before=before, now=now)
        )

    async def claim(
        self, account: AccountName, claim: int, *, personal: bool = False, now: datetime | None = None
    ) -> View | None:
        """One claim with the updates that answered it; None when there is none (J12)."""
        return await self._database.read(lambda db: claim_views.claim(db, account, claim, personal=personal, now=now))

    async def attention(self) -> dict[tuple[str, str], int]:
        """How much waits for a person, by account and what: claims, updates that failed, updates in doubt."""
        return await self._database.read(claim_views.attention)

    async def export_orders(self, account: AccountName, since: datetime | None = None) -> AsyncIterator[list[View]]:
        """Orders that changed at or after `since`, the oldest change first, with personal data, in pages (S2)."""
        sql = (
            "SELECT * FROM orders WHERE account = :account AND (changed_at, id) > (:changed, :id)"
            " ORDER BY changed_at, id LIMIT :limit"
        )
        place = {"changed": to_us(since) if since else 0, "id": 0}
        while True:
            values = {"account": account, "limit": PAGE, **place}
            page, place = await self._database.read(partial(order_views.order_page, sql=sql, values=values))
            if not page:
                return
            yield page

    async def order_changes(
        self, account: AccountName, after: Place, *, personal: bool, limit: int = PAGE
    ) -> tuple[list[View], Place]:
        """Orders that changed behind the place `after`, the oldest change first, and the place to go on from (S2).

        A later change always stands behind every earlier one (`change_stamp`), so that nobody who keeps the last place
        misses a change or sees one twice. An order that changed more than once comes once, as it is now.
        """

        def work(db: sqlite3.Connection) -> tuple[list[View], Place]:
            rows = db.execute(
                "SELECT * FROM orders WHERE account = ? AND (changed_at, id) > (?, ?) ORDER BY changed_at, id LIMIT ?",
                (account, *after, min(limit, MOST)),
            ).fetchall()
            place = (rows[-1]["changed_at"], rows[-1]["id"]) if rows else after
            return [order_views.order(db, row, personal=personal) for row in rows], place

        return await self._database.read(work)

    async def deliveries(
        self,
        account: AccountName | None = None,
        *,
        state: str | None = None,
        kind: str = "",
        find: str = "",
        limit: int = PAGE,
        before: int | None = None,
    ) -> list[View]:
        """What came in, the newest first; `state` set_aside for what could not be read, with the reason (D9).

        The reason quotes nothing of a file that tells of customers: the file itself is for who may see them (D12).
        `find` stands in the name or the reason; `before` is the last of the page before.
        """
        sql = (
            "SELECT * FROM deliveries WHERE (:account IS NULL OR account = :account)"  # noqa: S608 - our own words
            f" AND (:state IS NULL OR {SHOWN_STATE} = :state) AND (:kind = '' OR kind = :kind)"
            " AND (:find = '' OR instr(lower(name || ' ' || reason), lower(:find)) > 0)"
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        )
        rows = await self._rows(
            sql, account=account, state=state, kind=kind, find=find, before=before, limit=min(limit, MOST)
        )
        return [_delivery(row) for row in rows]

    async def delivery(self, delivery: int) -> View | None:
        """One thing that came in, with where its bytes are kept; None when there is none (D9)."""
        rows = await self._rows("SELECT * FROM deliveries WHERE id = :delivery", delivery=delivery)
        return {**_delivery(rows[0]), "payload": rows[0]["payload"]} if rows else None

    async def _rows(self, sql: str, **values: object) -> list[sqlite3.Row]:
        return await self._database.read(lambda db: db.execute(sql, values).fetchall())


def _delivery(row: sqlite3.Row) -> View:
    return {
        **some(row, "id", "account", "kind", "folder", "name", "size", "closed_by", "closed_why"),
        "state": row["state"] if row["closed_at"] is None else DeliveryState.CLOSED.value,
        "reason": unquoted(row["reason"]) if row["kind"] == "order" else row["reason"],
        **instants(row, "modified_at", "received_at", "confirmed_at", "closed_at"),
    }


def _status(db: sqlite3.Connection, now: Moment) -> View:
    gates = _gates(db, now)
    aside = _counts(db, f"SELECT account, count(*) AS n FROM deliveries WHERE {STANDS_ASIDE} GROUP BY account")  # noqa: S608
    waiting = order_views.waiting(db, now.at)
    attention = claim_views.attention(db)
    wrong = order_views.order_errors(db)
    pauses = pauses_of(db, now.at)
    parts = _parts(db)
    accounts = []
    for row in db.execute("SELECT * FROM accounts ORDER BY name").fetchall():
        name = row["name"]
        accounts.append(
            {
                **some(row, "name", "marketplace", "held_reason"),
                **instants(row, "held_at"),
                "held": row["held_at"] is not None,
                "jobs": _jobs(db, name),
                "pauses": [_paused(pause) for pause in pauses.get(name, ())],
                "listings": parts.get(name) or _no_parts(),
                "order_lines": _lines_by_state(db, name),
                "orders_waiting": {each.value: waiting.get((name, each), 0) for each in Timeliness},
                "gates": [gate for gate in gates if gate["account"] == name],
                "set_aside": aside.get(name, 0),
                "updates_in_doubt": attention[name, "updates_in_doubt"],
                "updates_failed": attention[name, "updates_failed"],
                "claims": {state.value: attention[name, f"claims_{state}"] for state in claim_views.NEEDS_A_PERSON},
                "order_errors": {each.value: wrong[name, each.value] for each in Severity},
            }
        )
    return {
        "now": iso(to_us(now.at)),
        "site": {"jobs": _jobs(db, SITE), "restored_at": _restored(db)},
        "accounts": accounts,
    }


def _restored(db: sqlite3.Connection) -> str | None:
    """When it was noticed last that the database had been restored from an older one (P29)."""
    at = restored_at(db)
    return None if at is None else iso(to_us(at))


def _counts(db: sqlite3.Connection, sql: str) -> dict[str, int]:
    return {row["account"]: row["n"] for row in db.execute(sql).fetchall()}


def _jobs(db: sqlite3.Connection, account: str) -> list[View]:
    rows = db.execute("SELECT * FROM jobs WHERE account = ? ORDER BY job", (account,)).fetchall()
    names = ("last_started_at", "last_ended_at", "last_succeeded_at", "failing_since", "held_until")
    return [{**some(row, "job", "failures", "last_error"), **instants(row, *names)} for row in rows]


def _paused(pause: Pause) -> View:
    until = None if pause.until is None else iso(to_us(pause.until))
    return {"job": pause.job, "reason": pause.reason, "paused_at": iso(to_us(pause.paused_at)), "until": until}


_OFFER_PARTS = (Part.STOCK, Part.PRICE, Part.END)
_STATES = ("not_needed", "pending", "sent", "error")


def _any(parts: Iterable[Part], state: str) -> str:
    """In the partial indexes' own words, so that SQLite uses them."""
    return " OR ".join(f"{part}_state = '{state}'" for part in parts)


def _counted(parts: Iterable[Part], state: str, rows: str, condition: str = "") -> tuple[str, str]:
    """A question for the listings of `rows` of which parts are in a state, by account; and that state."""
    sums = ", ".join(f"sum(l.{part}_state = '{state}'{condition.format(part=part)}) AS {part}" for part in parts)
    return state, f"SELECT l.account, {sums} FROM {rows} GROUP BY l.account"  # noqa: S608 - our own words


#: what waits, what is wrong and what is under way, each found by an index that holds little else; a part is Sent as
#: long as a feed that wants an answer carries its revision (house law 4)
_UNSETTLED = (
    _counted([Part.ITEM], "pending", f"listings l WHERE {_any([Part.ITEM], 'pending')}"),
    _counted(_OFFER_PARTS, "pending", f"listings l WHERE {_any(_OFFER_PARTS, 'pending')}"),
    _counted(Part, "error", f"listings l WHERE {_any(Part, 'error')}"),
    _counted(
        Part,
        "sent",
        "feed_objects o JOIN listings l ON l.id = o.listing WHERE o.state = 'sent'"
        " AND o.feed IN (SELECT id FROM feeds WHERE state IN ('sending', 'sent', 'in_doubt'))",
        " AND o.{part}_revision = l.{part}_revision",
    ),
)


def _parts(db: sqlite3.Connection) -> dict[str, dict[str, dict[str, int]]]:
    """How many listings stand how, by account, part and state.

    Only those that are not in order are looked at: a look at every row of a large catalogue takes seconds.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in db.execute("SELECT account, count(*) AS n FROM listings GROUP BY account").fetchall():
        found[row["account"]] = {part.value: {**dict.fromkeys(_STATES, 0), "not_needed": row["n"]} for part in Part}
    for state, sql in _UNSETTLED:
        for row in db.execute(sql).fetchall():
            for part in set(row.keys()) - {"account"}:
                counts = found[row["account"]][part]
                counts[state] += row[part] or 0
                counts["not_needed"] -= row[part] or 0
    return found


def _no_parts() -> dict[str, dict[str, int]]:
    return {part.value: dict.fromkeys(_STATES, 0) for part in Part}


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
        if not row["boot_id"]:
            why = "the database was restored from an older one, so the time starts again with the next turn"
    elif closed:
        why = f"feed {row['feed']} is {row['feed_state']}; the next one keeps its distance" if row["feed"] else ""
    until = iso(to_us(now.at + left)) if left is not None and closed else None
    return {**some(row, "account", "kind", "feed"), "open": not closed, "until": until, "why": why}


def _feed(row: sqlite3.Row) -> View:
    return {
        **some(row, "id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error"),
        **instants(row, "opened_at", "spooled_at", "sent_at", "closed_at"),
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
        "timeline": timeline(db, "feed", feed),
        "received": _received(db, feed),
        "objects": [
            {"sku": carried["sku"], **_feed_object(carried), "received": carried["delivery"]} for carried in objects
        ],
    }


def _received(db: sqlite3.Connection, feed: FeedId) -> list[View]:
    """The deliveries that spoke of a feed, the oldest first, each with how many of its objects it settled (L16)."""
    rows = db.execute(
        "SELECT d.*, r.settled FROM feed_deliveries r JOIN deliveries d ON d.id = r.delivery WHERE r.feed = ?"
        " ORDER BY d.id",
        (feed,),
    ).fetchall()
    return [
        {**some(row, "id", "folder", "name", "size", "state", "settled"), **instants(row, "received_at")}
        for row in rows
    ]


def _feed_object(row: sqlite3.Row) -> View:
    return {
        **some(row, "feed", "ean", "channel_item_id", "stock", "price_minor", "rrp_minor", "state", "code", "text"),
        "promotion": row["promotion"],
        "parts": [part.value for part in Part if row[f"{part}_revision"] is not None],
        "ended": bool(row["ended"]),
        **instants(row, "answered_at"),
    }


def _listing(row: sqlite3.Row) -> View:
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
        "held": [part.value for part in GUARDED if row[f"{part}_hold"] == row[f"{part}_revision"]],
        "rejection": json.loads(row["rejection"]) if row["rejection"] else None,
        "warnings": [*(json.loads(row["warnings"]) if row["warnings"] != "[]" else ()), *_price_warnings(row)],
        "stock_knobs": _plain(knobs_of(row)),
        "stock_extras": {name: text for name, text in _plain(extras_of(row["stock_extras"])).items() if text},
        **instants(row, "created_at", "changed_at"),
    }


def _plain(value: StockKnobs | StockExtras) -> View:
    """Its fields, which hold nothing that would have to be copied."""
    return {column.name: getattr(value, column.name) for column in fields(value)}


def _price_warnings(row: sqlite3.Row) -> list[View]:
    """What is doubtful in the reduction of a promotion that goes out all the same (consumer rules C1, C2)."""
    text = row["price_warning"]
    return [{"field": "price", "rule": "C1 to C3", "text": text, "fix": ""}] if text else []


#: how the marketplace has rejected the parts of a listing, as JSON, whatever has changed since
_REJECTED = (
    "(SELECT json_group_object(r.part, json_object('revision', r.revision, 'times', r.times,"
    " 'blocked_at', r.blocked_at)) FROM rejections r WHERE r.listing = listings.id) AS rejected,"
    # Its last rejection in the marketplace's words: a part's error is the text alone.
    " (SELECT json_object('code', n.code, 'text', n.text) FROM feed_objects n WHERE n.listing = listings.id"
    " AND n.state = 'rejected' ORDER BY n.feed DESC LIMIT 1) AS rejection"
)
_BLOCKED = (
    "EXISTS (SELECT 1 FROM rejections r WHERE r.listing = listings.id AND r.blocked_at IS NOT NULL AND r.revision ="
    " CASE r.part WHEN 'item' THEN item_revision WHEN 'stock' THEN stock_revision WHEN 'price' THEN price_revision"
    " ELSE end_revision END)"
)


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


def _listing_whole(db: sqlite3.Connection, account: AccountName, sku: Sku) -> View | None:
    row = db.execute(
        f"SELECT *, {_REJECTED} FROM listings WHERE account = ? AND sku = ?",  # noqa: S608 - our own words
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
        **_listing(row),
        "item": json.loads(row["item"]),
        "former_channel_item_ids": _former_numbers(db, row["id"]),
        "promotions": _promotions(db, row["id"]),
        "prices": _prices(db, row["id"]),
        "timeline": timeline(db, "listing", row["id"]),
        "feeds": [
            {**some(feed, "kind", "sent"), **instants(feed, "opened_at"), **_feed_object(feed), **_answer(feed)}
            for feed in carried
        ],
    }


def _former_numbers(db: sqlite3.Connection, listing: int) -> list[View]:
    """The article numbers that it had before, the last of them first (J2)."""
    rows = db.execute("SELECT * FROM former_numbers WHERE listing = ? ORDER BY until DESC", (listing,)).fetchall()
    return [{**some(row, "channel_item_id"), **instants(row, "until")} for row in rows]


def _answer(row: sqlite3.Row) -> View:
    """Which received file holds the verdict; `sellerd feeds show ID --received` has its bytes."""
    if row["delivery"] is None:
        return {"received": None}
    return {"received": {"id": row["delivery"], "name": row["received_name"], **instants(row, "received_at")}}


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
