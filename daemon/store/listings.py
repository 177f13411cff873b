"""The listings: what the seller wants, part by part, each with its state, error and revision (L2, L6, L7, L9)."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from daemon.model import (
    AccountName,
    Attribute,
    ChannelStatus,
    Item,
    Levies,
    ListingFault,
    Money,
    Part,
    Photo,
    Sku,
    StockExtras,
    StockKnobs,
    SyncState,
)
from daemon.rules import safety
from daemon.rules.listing import immutable_changes
from daemon.store.changes import Change
from daemon.store.database import Database
from daemon.store.events import tell
from daemon.store.figures import Figures, put_figures, without_repeats
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


#: fields that items did not have from the start: left out where empty, so that an item that was kept before them stays
#: equal to itself, and is not sent again for nothing
_LATER = frozenset(safety.FIELDS) - {"manufacturer"}


_NO_ITEM, _NO_EXTRAS = Item(), StockExtras()


def item_to_json(item: Item) -> str:
    """An item as it is kept; equal items give equal texts."""
    kept = {name: value for name, value in asdict(item).items() if value or name not in _LATER}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def item_from_json(text: str) -> Item:
    """The item that `item_to_json` kept; an empty object is an item of which nothing is known."""
    if text == "{}":
        return _NO_ITEM
    fields = json.loads(text)
    return Item(
        **{
            **fields,
            "photos": tuple(Photo(**photo) for photo in fields.get("photos", ())),
            "attributes": tuple(Attribute(**attribute) for attribute in fields.get("attributes", ())),
        }
    )


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
    kept = find(db, account, row.sku)
    text = item_to_json(row.item)
    fault, warnings = verdict[0], warnings_to_json(verdict[1])
    state = "error" if fault else "pending" if item_feed else "not_needed"
    if kept is None:
        listing = db.execute(
            "INSERT INTO listings (account, sku, ean, channel_item_id, item, item_state, item_error, item_revision,"
            " ended, end_state, end_revision, handling_days, created_at, changed_at, warnings)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(account, row.sku, row.item.ean, row.channel_item_id or "", text, state, fault),
                *(int(bool(row.ended)), "pending" if row.ended else "not_needed", int(bool(row.ended))),
                *(row.handling_days, to_us(at), to_us(at), warnings),
            ),
        ).fetchone()[0]
        if row.knobs is not None:
            _set_knobs(db, listing, row.knobs)
        if row.levies is not None:
            _set_levies(db, listing, row.levies)
        if row.extras is not None:
            _set_extras(db, listing, row.extras)
        tell(db, at, account, ("listing", listing), "imported", why=fault)
        match_lines(db, account, listing, at)
        return Change.CREATED
    if item_feed and kept["item"] != text and _guarded(kept, row.item):
        return Change.IMMUTABLE
    if kept["warnings"] != warnings:
        db.execute("UPDATE listings SET warnings = ? WHERE id = ?", (warnings, kept["id"]))
    changes = [
        _change_item(db, kept, text, row.item.ean, state, fault),
        _change_channel_item_id(db, kept, row.channel_item_id, at),
        _change_end(db, kept, ended=row.ended),
        _change_handling(db, kept, row.handling_days),
        _change_knobs(db, kept, row.knobs),
        _change_levies(db, kept, row.levies),
        _change_extras(db, kept, row.extras),
    ]
    told = [change for change in changes if change is not None]
    for what, before, after in told:
        tell(db, at, account, ("listing", kept["id"]), what, moved=(before, after), why=fault)
    if not told:
        return Change.UNCHANGED
    db.execute("UPDATE listings SET changed_at = ? WHERE id = ?", (to_us(at), kept["id"]))
    match_lines(db, account, kept["id"], at)
    return Change.CHANGED


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
    return kept["item_state"] == "error" and Part.ITEM not in rejected(db, kept["id"])


def _guarded(kept: sqlite3.Row, wanted: Item) -> bool:
    """Whether the marketplace has created the product, or is about to, and this would change what then cannot (L4)."""
    created = kept["channel_status"] != ChannelStatus.ABSENT or kept["item_state"] == SyncState.SENT
    return created and bool(immutable_changes(item_from_json(kept["item"]), wanted))


def warnings_to_json(warnings: Sequence[ListingFault]) -> str:
    """What is doubtful in a listing, as it is kept."""
    return json.dumps([asdict(warning) for warning in warnings], ensure_ascii=False, separators=(",", ":"))


def _change_channel_item_id(
    db: sqlite3.Connection, kept: sqlite3.Row, channel_item_id: str | None, at: datetime
) -> _Told:
    if channel_item_id is None or kept["channel_item_id"] == channel_item_id:
        return None
    if kept["channel_item_id"]:
        db.execute(
            "INSERT INTO former_numbers (listing, account, channel_item_id, until) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (listing, channel_item_id) DO UPDATE SET until = excluded.until",
            (kept["id"], kept["account"], kept["channel_item_id"], to_us(at)),
        )
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


def knobs_of(row: sqlite3.Row) -> StockKnobs:
    """The listing's own stock knobs."""
    return StockKnobs(row["safety_stock"], row["stock_percentage"], row["stock_cap"], row["stock_threshold"])


def _set_knobs(db: sqlite3.Connection, listing: int, knobs: StockKnobs) -> None:
    db.execute(
        "UPDATE listings SET safety_stock = ?, stock_percentage = ?, stock_cap = ?, stock_threshold = ? WHERE id = ?",
        (knobs.safety_stock, knobs.percentage, knobs.cap, knobs.threshold, listing),
    )


def _change_knobs(db: sqlite3.Connection, kept: sqlite3.Row, knobs: StockKnobs | None) -> _Told:
    before = knobs_of(kept)
    if knobs is None or knobs == before:
        return None
    _set_knobs(db, kept["id"], knobs)
    db.execute(
        "UPDATE listings SET stock_state = CASE WHEN stock IS NULL THEN stock_state ELSE 'pending' END,"
        " stock_error = '', stock_revision = stock_revision + 1 WHERE id = ?",
        (kept["id"],),
    )
    return "stock knobs", _spoken(before), _spoken(knobs)


def extras_of(kept: str) -> StockExtras:
    """What a listing says beside its units, from the JSON that is kept."""
    return _NO_EXTRAS if kept == "{}" else StockExtras(**json.loads(kept))


def _set_extras(db: sqlite3.Connection, listing: int, extras: StockExtras) -> None:
    said = {name: text for name, text in asdict(extras).items() if text}
    db.execute("UPDATE listings SET stock_extras = ? WHERE id = ?", (json.dumps(said, ensure_ascii=False), listing))


def _change_extras(db: sqlite3.Connection, kept: sqlite3.Row, extras: StockExtras | None) -> _Told:
    before = extras_of(kept["stock_extras"])
    if extras is None or extras == before:
        return None
    _set_extras(db, kept["id"], extras)
    db.execute(
        "UPDATE listings SET stock_state = CASE WHEN stock IS NULL THEN stock_state ELSE 'pending' END,"
        " stock_error = '', stock_revision = stock_revision + 1 WHERE id = ?",
        (kept["id"],),
    )
    return "stock extras", _told_extras(before), _told_extras(extras)


def _told_extras(extras: StockExtras) -> str:
    return ", ".join(f"{name} {text}" for name, text in asdict(extras).items() if text)


def _spoken(knobs: StockKnobs) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(knobs).items() if value is not None)


def vat_rate_of(basis_points: int | None) -> Decimal | None:
    """A VAT rate as a fraction, from the hundredths of a percent that are kept."""
    return None if basis_points is None else Decimal(basis_points) / 10_000


def levies_of(row: sqlite3.Row) -> Levies:
    """The listing's own VAT rate and its eco-contribution."""
    return Levies(vat_rate_of(row["vat_bp"]), row["eco_minor"], row["epr_code"])


def _set_levies(db: sqlite3.Connection, listing: int, levies: Levies) -> None:
    basis_points = None if levies.vat_rate is None else int(levies.vat_rate * 10_000)
    db.execute(
        "UPDATE listings SET vat_bp = ?, eco_minor = ?, epr_code = ? WHERE id = ?",
        (basis_points, levies.eco_minor, levies.epr_code, listing),
    )


def _change_levies(db: sqlite3.Connection, kept: sqlite3.Row, levies: Levies | None) -> _Told:
    before = levies_of(kept)
    if levies is None or levies == before:
        return None
    _set_levies(db, kept["id"], levies)
    if (levies.vat_rate, levies.eco_minor) != (before.vat_rate, before.eco_minor):
        db.execute(
            "UPDATE listings SET price_state = CASE WHEN price_minor IS NULL THEN price_state ELSE 'pending' END,"
            " price_error = '', price_revision = price_revision + 1 WHERE id = ?",
            (kept["id"],),
        )
    return "VAT rate and eco-contribution", _told_levies(before), _told_levies(levies)


def _told_levies(levies: Levies) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(levies).items() if value not in (None, ""))
