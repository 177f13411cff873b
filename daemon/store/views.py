"""Questions that people ask: how things stand and what happened, as plain values, each one short read.

Instants are ISO 8601 texts in UTC; money is integer minor units, of a listing in its account's currency; what is paged
goes on behind the key of the last thing of the page before. Personal data is in what `order(…, personal=True)` and
`export_orders` give, and nowhere else (D12).
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.model import (
    AccountName,
    FeedId,
    Item,
    Levies,
    Moment,
    OrderNumber,
    Part,
    PayloadId,
    Sku,
    StockExtras,
    StockKnobs,
    Timeliness,
)
from daemon.rules.quotes import unquoted
from daemon.store import claim_views, feed_views, listing_views, order_views, plain, status_views
from daemon.store.database import Database
from daemon.store.deliveries import SHOWN_STATE, DeliveryState
from daemon.store.listing_columns import extras_of, item_from_json, knobs_of, levies_of
from daemon.store.listing_views import BLOCKED, REJECTED
from daemon.store.order_errors import OPEN
from daemon.store.plain import instants, some
from daemon.store.times import to_us

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
        return await self._database.read(lambda db: status_views.status(db, now))

    async def sizes(self) -> dict[str, int]:
        """How many accounts, listings, feeds and orders there are."""
        tables = ("accounts", "listings", "feeds", "orders")
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)  # noqa: S608 - our own words
        rows = await self._rows(f"SELECT {counts}")
        return {table: rows[0][table] for table in tables}

    async def gates(self, now: Moment) -> list[View]:
        """Every gate that was ever closed: open now, or until when not, and by which feed (L8)."""
        return await self._database.read(lambda db: status_views.gates(db, now))

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
        return [feed_views.feed(row) for row in rows]

    async def feed(self, feed: FeedId, *, limit: int = PAGE, after: Sku | None = None) -> View | None:
        """One feed with its timeline and a page of its objects, by SKU; None when there is none (L16)."""
        return await self._database.read(lambda db: feed_views.feed_whole(db, feed, min(limit, MOST), after))

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
            f"SELECT *, {REJECTED} FROM listings WHERE account = :account AND (:state IS NULL OR {condition})"  # noqa: S608 - names of our own enum
            f" AND (NOT :warned OR warnings <> '[]' OR price_warning <> '') AND (NOT :blocked OR {BLOCKED})"
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
        return [listing_views.listing(row) for row in rows]

    async def listing(self, account: AccountName, sku: Sku) -> View | None:
        """One listing with its item, its timeline and the feeds that carried it; None when there is none (D8)."""
        return await self._database.read(lambda db: listing_views.listing_whole(db, account, sku))

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
