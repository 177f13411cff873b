"""The listings: what the seller wants, part by part, each with its state, error and revision (L2, L6, L7, L9)."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from daemon.model import (
    AccountName,
    ChannelStatus,
    Item,
    Levies,
    ListingFault,
    Money,
    Part,
    Sku,
    StockExtras,
    StockKnobs,
    SyncState,
)
from daemon.rules.listing import immutable_changes
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.figures import Figures, put_figures, without_repeats
from daemon.store.listing_columns import (
    KNOBS,
    Columns,
    extras_of,
    extras_to_json,
    item_from_json,
    item_to_json,
    knob_columns,
    knobs_of,
    levies_of,
    levy_columns,
    warnings_to_json,
)
from daemon.store.orders import match_lines
from daemon.store.rejections import rejected
from daemon.store.times import to_us


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A listing as the seller gives it; None leaves a value as it is. `knobs` are all its own stock knobs.

    `levies` are its own VAT rate and its eco-contribution, `extras` what its stock says besides.
    """

    sku: Sku
    item: Item
    channel_item_id: str | None = None
    ended: bool | None = None
    handling_days: int | None = None
    knobs: StockKnobs | None = None
    levies: Levies | None = None
    extras: StockExtras | None = None


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
        self,
        account: AccountName,
        rows: Sequence[ItemRow],
        at: datetime,
        faults: Sequence[str],
        *,
        item_feed: bool,
        warnings: Sequence[Sequence[ListingFault]] = (),
        own_numbers: bool = False,
    ) -> list[Change]:
        """Create or change listings. `faults[i]`, where not empty, puts the item part of row i in Error (L4, J2).

        `item_feed` says whether this marketplace takes items at all; where it does not, the part is Not Needed.
        `warnings[i]` are kept with the listing. A row that would change what cannot change once the product is created
        is not applied at all (L4). With `own_numbers`, neither is a row whose channel item id another listing has once
        all of them are applied: numbers may be swapped, and never shared (J2).
        """
        doubts = warnings or [()] * len(rows)

        def work(db: sqlite3.Connection) -> list[Change]:
            taken = _taken(db, account, rows) if own_numbers else set()
            return [
                Change.TAKEN
                if row.sku in taken
                else _put_item(db, account, row, at, (fault, doubt), item_feed=item_feed)
                for row, fault, doubt in zip(rows, faults, doubts, strict=True)
            ]

        return await self._database.write(work)

    async def holders(self, account: AccountName, numbers: Sequence[str]) -> dict[str, Sku]:
        """Which listing has each of these channel item ids now."""
        return await self._database.read(lambda db: _holders(db, account, numbers))

    async def recommended(self, account: AccountName, skus: Sequence[Sku]) -> dict[Sku, int]:
        """The recommended retail prices of those of these listings that have one, in minor units."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT sku, rrp_minor FROM listings WHERE account = ? AND rrp_minor IS NOT NULL"
                " AND sku IN (SELECT value FROM json_each(?))",
                (account, json.dumps(skus)),
            ).fetchall()
        )
        return {Sku(row["sku"]): row["rrp_minor"] for row in rows}

    async def put_stock(self, account: AccountName, figures: Figures, at: datetime) -> list[Change]:
        """Set the units in stock of listings; a new figure makes the stock part Pending (L6)."""
        return await self._database.write(lambda db: put_figures(db, account, Part.STOCK, figures, at))

    async def put_prices(self, account: AccountName, rows: Iterable[PriceRow], at: datetime) -> list[Change]:
        """Set prices; a new figure makes the price part Pending (L7)."""
        given = ((row.sku, (row.price.minor, row.rrp.minor if row.rrp else None)) for row in rows)

        def work(db: sqlite3.Connection) -> list[Change]:
            sets = without_repeats(given)
            return [change for figures in sets for change in put_figures(db, account, Part.PRICE, figures, at)]

        return await self._database.write(work)


def find(db: sqlite3.Connection, account: str, sku: str) -> sqlite3.Row | None:
    """One listing as it is kept; None where there is none."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM listings WHERE account = ? AND sku = ?", (account, sku)
    ).fetchone()
    return row


def _put_item(
    db: sqlite3.Connection,
    account: AccountName,
    row: ItemRow,
    at: datetime,
    verdict: tuple[str, Sequence[ListingFault]],
    *,
    item_feed: bool,
) -> Change:
    fault, warnings = verdict[0], warnings_to_json(verdict[1])
    item = {
        "item": item_to_json(row.item),
        "ean": row.item.ean,
        "item_state": "error" if fault else "pending" if item_feed else "not_needed",
        "item_error": fault,
    }
    kept = find(db, account, row.sku)
    if kept is None:
        _create(db, account, row, {**item, "warnings": warnings}, at)
        return Change.CREATED
    if item_feed and kept["item"] != item["item"] and _guarded(kept, row.item):
        return Change.IMMUTABLE
    if kept["warnings"] != warnings:
        db.execute("UPDATE listings SET warnings = ? WHERE id = ?", (warnings, kept["id"]))
    said = _said(row)
    new = [name for name, value in said.items() if kept[name] != value]
    if _differs(db, kept, item):
        new += item
    if not new:
        return Change.UNCHANGED
    _change(db, kept, said | item, new, at)
    return Change.CHANGED


def _create(db: sqlite3.Connection, account: AccountName, row: ItemRow, item: Mapping[str, str], at: datetime) -> None:
    values = {
        "account": account,
        "sku": row.sku,
        "created_at": to_us(at),
        "changed_at": to_us(at),
        **item,
        "item_revision": 1,
        **_said(row),
        **({"end_state": "pending", "end_revision": 1} if row.ended else {}),
    }
    listing = db.execute(
        f"INSERT INTO listings ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id",  # noqa: S608 - our own names
        tuple(values.values()),
    ).fetchone()[0]
    tell(db, at, account, ("listing", listing), "imported", why=item["item_error"])
    match_lines(db, account, listing, at)


def _change(
    db: sqlite3.Connection, kept: sqlite3.Row, wanted: Mapping[str, Any], new: Sequence[str], at: datetime
) -> None:
    """Give a listing those columns of what is wanted that are new; the parts that say them are Pending."""
    listing, account = kept["id"], kept["account"]
    if "channel_item_id" in new and kept["channel_item_id"]:
        db.execute(
            "INSERT INTO former_numbers (listing, account, channel_item_id, until) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (listing, channel_item_id) DO UPDATE SET until = excluded.until",
            (listing, account, kept["channel_item_id"], to_us(at)),
        )
    changes = [*(f"{name} = :{name}" for name in new), "changed_at = :changed_at"]
    changes += [_SAID_ANEW[part] for part, names in _SAID_BY.items() if not names.isdisjoint(new)]
    db.execute(
        f"UPDATE listings SET {', '.join(changes)} WHERE id = :id",  # noqa: S608 - our own names
        {**wanted, "changed_at": to_us(at), "id": listing},
    )
    for value in _VALUES:
        if not value.columns.isdisjoint(new):
            why = wanted["item_error"] if value is _ITEM else ""
            moved = (value.told(kept), value.told(wanted))
            tell(db, at, account, ("listing", listing), value.what, moved=moved, why=why)
    match_lines(db, account, listing, at)


def _differs(db: sqlite3.Connection, kept: sqlite3.Row, item: Mapping[str, str]) -> bool:
    """Whether an item is another than the one kept, or stands differently now by our own rules.

    Of the same item, a rejection of the marketplace stays (L2).
    """
    if kept["item"] != item["item"]:
        return True
    if kept["item_error"] == item["item_error"]:
        return False
    return item["item_error"] != "" or (kept["item_state"] == "error" and Part.ITEM not in rejected(db, kept["id"]))


def _guarded(kept: sqlite3.Row, wanted: Item) -> bool:
    """Whether the marketplace has created the product, or is about to, and this would change what then cannot (L4)."""
    created = kept["channel_status"] != ChannelStatus.ABSENT or kept["item_state"] == SyncState.SENT
    return created and bool(immutable_changes(item_from_json(kept["item"]), wanted))


def _holders(db: sqlite3.Connection, account: AccountName, numbers: Sequence[str]) -> dict[str, Sku]:
    rows = db.execute(
        "SELECT channel_item_id, sku FROM listings WHERE account = ? AND channel_item_id <> ''"
        " AND channel_item_id IN (SELECT value FROM json_each(?))",
        (account, json.dumps(numbers)),
    ).fetchall()
    return {row["channel_item_id"]: Sku(row["sku"]) for row in rows}


def _taken(db: sqlite3.Connection, account: AccountName, rows: Sequence[ItemRow]) -> set[Sku]:
    """The SKUs of rows whose number another listing keeps, or that an earlier row wants as well.

    A refused row keeps its own number, which may refuse others in turn.
    """
    wanted = {row.sku: row.channel_item_id for row in rows if row.channel_item_id}
    holders = _holders(db, account, list(wanted.values()))
    refused: set[Sku] = set()
    while True:
        firsts: dict[str, Sku] = {}
        more = set()
        for sku, number in wanted.items():
            holder = holders.get(number, sku)
            kept = holder != sku and (holder in refused or wanted.get(holder, number) == number)
            if sku not in refused and (kept or firsts.setdefault(number, sku) != sku):
                more.add(sku)
        if not more:
            return refused
        refused |= more


def _said(row: ItemRow) -> dict[str, Any]:
    """The columns of what a row says beside its item; what it leaves as it is has none."""
    plain = {"channel_item_id": row.channel_item_id, "ended": row.ended, "handling_days": row.handling_days}
    said: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    if row.knobs is not None:
        said |= knob_columns(row.knobs)
    if row.levies is not None:
        said |= levy_columns(row.levies)
    if row.extras is not None:
        said["stock_extras"] = extras_to_json(row.extras)
    return said


#: what each part says to the marketplace of these values, so that it is Pending when one of them changes; to another
#: article number nobody has ever said our stock (J2)
_SAID_BY = {
    Part.ITEM: frozenset({"item"}),
    Part.STOCK: frozenset({"channel_item_id", "handling_days", "stock_extras", *KNOBS}),
    Part.PRICE: frozenset({"vat_bp", "eco_minor"}),
    Part.END: frozenset({"ended"}),
}
_PENDING = "{0}_state = CASE WHEN {1} IS NULL THEN {0}_state ELSE 'pending' END, {0}_error = ''"
#: the assignments for a part that has something new to say, if there is anything yet; how an item stands, our rules say
_SAID_ANEW = {
    Part.ITEM: "item_revision = item_revision + 1",
    Part.STOCK: f"stock_revision = stock_revision + 1, {_PENDING.format('stock', 'stock')}",
    Part.PRICE: f"price_revision = price_revision + 1, {_PENDING.format('price', 'price_minor')}",
    Part.END: "end_revision = end_revision + 1, end_state = 'pending', end_error = ''",
}


@dataclass(frozen=True, slots=True)
class _Value:
    """What one event tells of: some columns of a listing, as they were and as they are."""

    what: str
    columns: frozenset[str]
    told: Callable[[Columns], str]


def _spoken(value: StockKnobs | StockExtras | Levies) -> str:
    return ", ".join(f"{name} {said}" for name, said in asdict(value).items() if said not in (None, ""))


def _days(row: Columns) -> str:
    return "" if row["handling_days"] is None else str(row["handling_days"])


_ITEM = _Value("item", frozenset({"item"}), lambda row: str(row["item_state"]))
_VALUES = (
    _ITEM,
    _Value("channel item id", frozenset({"channel_item_id"}), lambda row: str(row["channel_item_id"])),
    _Value("end", frozenset({"ended"}), lambda row: "yes" if row["ended"] else "no"),
    _Value("handling days", frozenset({"handling_days"}), _days),
    _Value("stock knobs", frozenset(KNOBS), lambda row: _spoken(knobs_of(row))),
    _Value(
        *("VAT rate and eco-contribution", frozenset({"vat_bp", "eco_minor", "epr_code"})),
        lambda row: _spoken(levies_of(row)),
    ),
    _Value("stock extras", frozenset({"stock_extras"}), lambda row: _spoken(extras_of(row["stock_extras"]))),
)
