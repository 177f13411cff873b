"""The listings: what the seller wants, part by part, each with its state, error and revision (L2, L6, L7, L9)."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from daemon.model import AccountName, Attribute, Item, Money, Part, Photo, Sku
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.times import to_us


class Change(StrEnum):
    """What one imported row did. UNKNOWN: the account has no such SKU."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A listing as the seller gives it; None leaves a value as it is."""

    sku: Sku
    item: Item
    channel_item_id: str | None = None
    ended: bool | None = None
    handling_days: int | None = None


@dataclass(frozen=True, slots=True)
class StockRow:
    """Units in stock of one SKU."""

    sku: Sku
    stock: int


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The selling price of one SKU, and its recommended retail price where there is one."""

    sku: Sku
    price: Money
    rrp: Money | None = None


class Listings:
    """What the seller wants at one marketplace, one row a SKU and account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_items(
        self, account: AccountName, rows: Sequence[ItemRow], at: datetime, faults: Sequence[str], *, item_feed: bool
    ) -> list[Change]:
        """Create or change listings. `faults[i]`, where not empty, puts the item part of row i in Error (L4, J2).

        `item_feed` says whether this marketplace takes items at all; where it does not, the part is Not Needed.
        """
        return await self._database.write(
            lambda db: [
                _put_item(db, account, row, at, fault, item_feed=item_feed)
                for row, fault in zip(rows, faults, strict=True)
            ]
        )

    async def put_stock(self, account: AccountName, rows: Sequence[StockRow], at: datetime) -> list[Change]:
        """Set stock; a new figure makes the stock part Pending (L6)."""
        return await self._database.write(lambda db: [_put_stock(db, account, row, at) for row in rows])

    async def put_prices(self, account: AccountName, rows: Sequence[PriceRow], at: datetime) -> list[Change]:
        """Set prices; a new figure makes the price part Pending (L7)."""
        return await self._database.write(lambda db: [_put_price(db, account, row, at) for row in rows])

    async def retry(self, account: AccountName, sku: Sku, at: datetime) -> bool:
        """Make the parts of a listing that the marketplace turned down Pending again; False when none was.

        An item that stands in Error by our own rules stays there until it is mended: nothing sends it (L4, J2).
        """
        return await self._database.write(lambda db: _retry(db, account, sku, at))


def item_to_json(item: Item) -> str:
    """An item as it is kept; equal items give equal texts."""
    return json.dumps(asdict(item), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def item_from_json(text: str) -> Item:
    """The item that `item_to_json` kept; an empty object is an item of which nothing is known."""
    fields = json.loads(text)
    return Item(
        **{
            **fields,
            "photos": tuple(Photo(**photo) for photo in fields.get("photos", ())),
            "attributes": tuple(Attribute(**attribute) for attribute in fields.get("attributes", ())),
        }
    )


def _find(db: sqlite3.Connection, account: str, sku: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM listings WHERE account = ? AND sku = ?", (account, sku)
    ).fetchone()
    return row


def _put_item(
    db: sqlite3.Connection, account: AccountName, row: ItemRow, at: datetime, fault: str, *, item_feed: bool
) -> Change:
    kept = _find(db, account, row.sku)
    text = item_to_json(row.item)
    state = "error" if fault else "pending" if item_feed else "not_needed"
    if kept is None:
        listing = db.execute(
            "INSERT INTO listings (account, sku, ean, channel_item_id, item, item_state, item_error, item_revision,"
            " ended, end_state, end_revision, handling_days, created_at, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(account, row.sku, row.item.ean, row.channel_item_id or "", text, state, fault),
                *(int(bool(row.ended)), "pending" if row.ended else "not_needed", int(bool(row.ended))),
                *(row.handling_days, to_us(at), to_us(at)),
            ),
        ).fetchone()[0]
        tell(db, at, account, ("listing", listing), "imported", why=fault)
        return Change.CREATED
    changes = [
        _change_item(db, kept, text, row.item.ean, state, fault),
        _change_channel_item_id(db, kept, row.channel_item_id),
        _change_end(db, kept, ended=row.ended),
        _change_handling(db, kept, row.handling_days),
    ]
    told = [change for change in changes if change is not None]
    for what, before, after in told:
        tell(db, at, account, ("listing", kept["id"]), what, moved=(before, after), why=fault)
    if not told:
        return Change.UNCHANGED
    db.execute("UPDATE listings SET changed_at = ? WHERE id = ?", (to_us(at), kept["id"]))
    return Change.CHANGED


_Told = tuple[str, str, str] | None


def _change_item(db: sqlite3.Connection, kept: sqlite3.Row, text: str, ean: str, state: str, fault: str) -> _Told:
    if kept["item"] == text and (fault == kept["item_error"] or not _local_fault_gone(db, kept, fault)):
        return None
    db.execute(
        "UPDATE listings SET item = ?, ean = ?, item_state = ?, item_error = ?, item_revision = item_revision + 1"
        " WHERE id = ?",
        (text, ean, state, fault, kept["id"]),
    )
    return "item", kept["item_state"], state


def _local_fault_gone(db: sqlite3.Connection, kept: sqlite3.Row, fault: str) -> bool:
    """Whether the same item stands differently now by our own rules; a rejection of the marketplace stays (L2)."""
    if fault:
        return True
    if kept["item_state"] != "error":
        return False
    return not _item_rejected(db, kept)


def _item_rejected(db: sqlite3.Connection, kept: sqlite3.Row) -> bool:
    """Whether the marketplace turned the item down as it stands."""
    rejected = db.execute(
        "SELECT 1 FROM feed_objects WHERE listing = ? AND item_revision = ? AND state = 'rejected'",
        (kept["id"], kept["item_revision"]),
    ).fetchone()
    return rejected is not None


def _change_channel_item_id(db: sqlite3.Connection, kept: sqlite3.Row, channel_item_id: str | None) -> _Told:
    if channel_item_id is None or kept["channel_item_id"] == channel_item_id:
        return None
    # Another article number at the marketplace has never heard of our stock, so that must be said again (J2).
    db.execute(
        "UPDATE listings SET channel_item_id = ?,"
        " stock_state = CASE WHEN stock IS NULL THEN stock_state ELSE 'pending' END,"
        " stock_error = '', stock_revision = stock_revision + 1 WHERE id = ?",
        (channel_item_id, kept["id"]),
    )
    return "channel item id", kept["channel_item_id"], channel_item_id


def _change_end(db: sqlite3.Connection, kept: sqlite3.Row, *, ended: bool | None) -> _Told:
    if ended is None or bool(kept["ended"]) == ended:
        return None
    db.execute(
        "UPDATE listings SET ended = ?, end_state = 'pending', end_error = '', end_revision = end_revision + 1"
        " WHERE id = ?",
        (int(ended), kept["id"]),
    )
    return "end", "yes" if kept["ended"] else "no", "yes" if ended else "no"


def _change_handling(db: sqlite3.Connection, kept: sqlite3.Row, handling_days: int | None) -> _Told:
    if handling_days is None or kept["handling_days"] == handling_days:
        return None
    db.execute(
        "UPDATE listings SET handling_days = ?,"
        " stock_state = CASE WHEN stock IS NULL THEN stock_state ELSE 'pending' END,"
        " stock_error = '', stock_revision = stock_revision + 1 WHERE id = ?",
        (handling_days, kept["id"]),
    )
    return "handling days", str(kept["handling_days"] or ""), str(handling_days)


def _put_stock(db: sqlite3.Connection, account: AccountName, row: StockRow, at: datetime) -> Change:
    kept = _find(db, account, row.sku)
    if kept is None:
        return Change.UNKNOWN
    if kept["stock"] == row.stock:
        return Change.UNCHANGED
    db.execute(
        "UPDATE listings SET stock = ?, stock_state = 'pending', stock_error = '',"
        " stock_revision = stock_revision + 1, changed_at = ? WHERE id = ?",
        (row.stock, to_us(at), kept["id"]),
    )
    before = "" if kept["stock"] is None else str(kept["stock"])
    tell(db, at, account, ("listing", kept["id"]), "stock", moved=(before, str(row.stock)))
    return Change.CHANGED


def _put_price(db: sqlite3.Connection, account: AccountName, row: PriceRow, at: datetime) -> Change:
    kept = _find(db, account, row.sku)
    if kept is None:
        return Change.UNKNOWN
    rrp = row.rrp.minor if row.rrp else None
    if (kept["price_minor"], kept["rrp_minor"]) == (row.price.minor, rrp):
        return Change.UNCHANGED
    db.execute(
        "UPDATE listings SET price_minor = ?, rrp_minor = ?, price_state = 'pending', price_error = '',"
        " price_revision = price_revision + 1, changed_at = ? WHERE id = ?",
        (row.price.minor, rrp, to_us(at), kept["id"]),
    )
    before = "" if kept["price_minor"] is None else str(kept["price_minor"])
    tell(db, at, account, ("listing", kept["id"]), "price", moved=(before, str(row.price.minor)))
    return Change.CHANGED


def _retry(db: sqlite3.Connection, account: AccountName, sku: Sku, at: datetime) -> bool:
    kept = _find(db, account, sku)
    if kept is None:
        return False
    failed = [part.value for part in Part if kept[f"{part}_state"] == "error"]
    if Part.ITEM in failed and not _item_rejected(db, kept):
        failed.remove(Part.ITEM)
    for part in failed:
        db.execute(
            f"UPDATE listings SET {part}_state = 'pending', {part}_error = '' WHERE id = ?",  # noqa: S608 - our own names
            (kept["id"],),
        )
        tell(
            db, at, account, ("listing", kept["id"]), part, moved=("error", "pending"), why="another try was asked for"
        )
    return bool(failed)
