"""Listings, stock, prices and promotions from the seller's CSV files; every bad row is told (guide S1)."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, Generic, TextIO, TypeVar
from zoneinfo import ZoneInfo

from anyio import to_thread

from daemon.errors import NotAllowed
from daemon.model import (
    AccountName,
    Attribute,
    FeedKind,
    Item,
    ListingFault,
    Money,
    Part,
    Photo,
    Promotion,
    Sku,
    StockExtras,
    StockKnobs,
)
from daemon.rules import listing as rules
from daemon.rules.listing import Verdict
from daemon.rules.promotions import window_fault
from daemon.seller.tables import FAULT_COLUMN, BrokenRow, Fault, Row, Seen, Table
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.listings import Change, ItemRow, PriceRow, StockRow
from daemon.store.promotions import PromotionRow
from daemon.store.views import Known

#: Rows of one transaction: the writer is never busy for long.
BATCH = 1_000
#: Faults told one by one; a file with more of them is mended in portions.
MOST_TOLD = 10_000

_NUMBER = re.compile(r"0*([0-9]{1,9})(?:[.,]0+)?")
_AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?")
_SCIENTIFIC = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_EAN_OF_SPREADSHEET = re.compile(r"([0-9]{13})[.,]0+")
_CODE = re.compile(r"[^=*|;\s]+")
_TIMESTAMP = re.compile(r"([0-9]{9,10})(?:[.,]0+)?")
_MILLISECONDS = re.compile(r"[0-9]{12,13}")
_WITH_A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_LONGEST_NATURE = 50
_LONGEST_WORD = 100
_YES = frozenset({"yes", "y", "true", "1", "oui"})
_NO = frozenset({"no", "n", "false", "0", "non"})
_LONGEST_SKU = 100
_MANY_LINES = ("description",)
#: fields of an item that are texts and go in as they stand
_TEXTS = (
    *("category", "product_id", "master_sku", "title", "description", "brand", "catalogue_id"),
    *("manufacturer", "manufacturer_part_number"),
)

R = TypeVar("R")


class ImportKind(StrEnum):
    """What a file brings."""

    LISTINGS = "listings"
    STOCK = "stock"
    PRICES = "prices"
    PROMOTIONS = "promotions"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an import file, as it is told to people."""

    name: str
    meaning: str
    example: str
    required: bool = False
    #: what other systems call it
    also: tuple[str, ...] = ()


_SKU = Column(
    *("sku", "the seller's own number of the listing", "LAMP-01"),
    required=True,
    also=("seller_sku", "partner_sku", "supplier_sku"),
)

#: The columns of each kind of file, by header name, in any order. A column that is not there leaves its values as they
#: are; an empty cell empties its value, but in channel_item_id, end and handling_days it leaves it as it is.
COLUMNS: Mapping[ImportKind, tuple[Column, ...]] = {
    ImportKind.LISTINGS: (
        _SKU,
        Column("ean", "the EAN-13, as text", "3701234567891", also=("ean_13", "ean13", "barcode", "gtin")),
        Column(
            "channel_item_id",
            "the marketplace's own article number (John Lewis: the Stock Number, 8 digits)",
            "12345678",
            also=(
                "stock_number",
                "jl_stock_number",
                "john_lewis_stock_number",
                "part_number",
                "stock_no",
                "item_number",
            ),
        ),
        Column("category", "the leaf category", "S001"),
        Column("product_id", "what groups the variants of one product", "LAMP"),
        Column("master_sku", "the SKU of the product that this is a variant of", "LAMP-00"),
        Column("title", "the title in French", "Lampe à poser"),
        Column("description", "the description in French, with HTML", "<p>Une lampe en chêne.</p>"),
        Column("brand", "the brand code", "B1234"),
        Column("catalogue_id", "the catalogue id", "C1"),
        Column("manufacturer", "who makes it; cannot change once the product is created", "Exemple SA"),
        Column("manufacturer_part_number", "the maker's own number; cannot change either", "EX-1234"),
        *(
            Column(f"photo_{rank}", "an absolute http(s) URL" + ("; the main photo" if rank == 1 else ""), "https://…")
            for rank in range(1, rules.MOST_PHOTOS + 1)
        ),
        Column(
            "attributes",
            "code=value code|French label, separated by ; (a star behind the code of a variation axis)",
            "A0485*=V123|Rouge; A1303=V77|Bleu nuit",
        ),
        Column("end", "yes ends the listing, no takes that back", "no"),
        Column("handling_days", "days until it leaves the warehouse", "2", also=("handling_time",)),
        Column("back_in_stock_date", "the day on which it is back in stock; empty for none", "2026-12-24"),
        Column("low_stock", "the marketplace's own word for low stock; empty for none", "Y"),
        Column("ring_fenced_units", "units kept for this marketplace; empty for none", "10"),
        Column("standard_lead_time_days", "its usual lead time; empty for the account's", "4"),
        Column("max_lead_time_days", "its longest lead time; empty for none", "14"),
        Column("lead_time_from", "the day from which its lead time holds; empty for none", "2026-12-24"),
        Column("availability_status", "the marketplace's own word; empty for none", "Available"),
        Column("product_status", "the marketplace's own word; empty for none", "Live"),
        Column("safety_stock", "units that are never offered; empty for the account's", "2"),
        Column("stock_percentage", "how much of the rest is offered, 0 to 100; empty for the account's", "80"),
        Column("stock_cap", "units that are offered at most; empty for the account's", "50"),
        Column("stock_threshold", "with fewer units than this, none is offered; empty for the account's", "3"),
    ),
    ImportKind.STOCK: (_SKU, Column("stock", "units in stock", "12", required=True)),
    ImportKind.PRICES: (
        _SKU,
        Column("price", "the selling price, dot or comma, in the account's currency", "49,90", required=True),
        Column("rrp", "the recommended retail price; empty for none", "59.90"),
    ),
    ImportKind.PROMOTIONS: (
        _SKU,
        Column("price", "what the buyer pays in the promotion; may be empty where cancel is yes", "39.90"),
        Column("start", "the first instant, as UNIX timestamp or ISO 8601 (account's time zone)", "1782165600", True),
        Column("end", "the first instant after it, in the same form", "2026-07-21T00:00", True),
        Column("nature", "the marketplace's internal kind of offer; empty for the account's", "Soldes"),
        Column("cancel", "yes takes the promotion back that begins at this start", "no"),
    ),
}


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A listing that was imported but cannot be sent as it is: its item part is in Error."""

    line: int
    sku: str
    reason: str
    faults: Sequence[ListingFault] = ()


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A listing that was imported and is sent, but in which something may be wrong (L5)."""

    line: int
    sku: str
    warnings: Sequence[ListingFault]


@dataclass(slots=True)
class ImportReport:
    """What an import did, in rows; `faults` tell why rows were refused, `incomplete` which listings cannot be sent.

    `doubtful` are those that are sent with warnings. Of each, the first 10,000 are told; `refused`, `not_ready` and
    `warned` count all.
    """

    account: str
    kind: ImportKind
    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    not_ready: int = 0
    warned: int = 0
    ignored_columns: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    incomplete: list[Incomplete] = field(default_factory=list)
    doubtful: list[Doubtful] = field(default_factory=list)

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Count one row as refused, for these reasons."""
        self.refused += 1
        if len(self.faults) < MOST_TOLD:
            self.faults.extend(faults)

    def taken(self, line: int, sku: str, change: Change, reason: str, verdict: Verdict) -> None:
        """Count one row by what it did."""
        if change is Change.IMMUTABLE:
            self.refuse([Fault(line, fault.text, fault.fix, fault.field, sku=sku) for fault in verdict.faults])
            return
        if change is Change.TAKEN:
            fix = "give each its own number; one that has moved is free once the other SKU is imported with its new one"
            self.refuse([Fault(line, reason, fix, "channel_item_id", "", sku)])
            return
        if change is Change.UNKNOWN:
            problem, fix = "this account has no such listing", "import its listing first, or mend the SKU"
            self.refuse([Fault(line, problem, fix, _SKU.name, sku, sku)])
            return
        if change is Change.OVERLAPS:
            problem = f"another promotion of this SKU is in its way: {reason}"
            self.refuse([Fault(line, problem, "move the one or the other, or cancel that one first", "start", "", sku)])
            return
        setattr(self, change, getattr(self, change) + 1)
        if reason:
            self.not_ready += 1
            if len(self.incomplete) < MOST_TOLD:
                self.incomplete.append(Incomplete(line, sku, reason, verdict.faults))
        if verdict.warnings:
            self.warned += 1
            if len(self.doubtful) < MOST_TOLD:
                self.doubtful.append(Doubtful(line, sku, verdict.warnings))

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {"version": 1, **asdict(self)}


async def import_file(
    store: Store, account: AccountSettings, kind: ImportKind, file: BinaryIO, at: datetime
) -> ImportReport:
    """Take over a CSV file in batches of 1,000 rows, each batch whole; a bad row never blocks the others (S1).

    `file` must be able to seek. Raises Unreadable when it is no such table at all, NotAllowed when the marketplace
    takes nothing of this kind, StoreError when the database fails: the batches before that stay.
    """
    priced = any(Part.PRICE in rule.parts for rule in account.feed_rules.values())
    if kind in (ImportKind.PRICES, ImportKind.PROMOTIONS) and not priced:
        raise NotAllowed(f"{account.marketplace} takes no {kind} from the seller, so {account.name} has none to import")
    match kind:
        case ImportKind.LISTINGS:
            return await _take(_Listings(store, account, at), file)
        case ImportKind.STOCK:
            return await _take(_Stock(store, account, at), file)
        case ImportKind.PRICES:
            return await _take(_Prices(store, account, at), file)
        case ImportKind.PROMOTIONS:
            return await _take(_Promotions(store, account, at), file)


def open_table(kind: ImportKind, file: BinaryIO) -> Table:
    """A file of this kind at its first row; raises Unreadable when it is none."""
    columns = COLUMNS[kind]
    required = [column.name for column in columns if column.required]
    also = {name: column.name for column in columns for name in column.also}
    return Table(file, [column.name for column in columns], required, _MANY_LINES, also)


def write_bad_rows(kind: ImportKind, source: BinaryIO, reasons: Mapping[int, str], target: TextIO) -> int:
    """Write those rows of an imported file that were refused, to be mended and imported again; returns how many.

    `reasons` are by file line. The cells are as they were, formulas not disarmed: they go back to whom they came from.
    """
    with open_table(kind, source) as table:
        writer = csv.writer(target, delimiter=table.delimiter)
        kept = [place for place, title in enumerate(table.header) if title.casefold() != FAULT_COLUMN]
        writer.writerow([*(table.header[place] for place in kept), FAULT_COLUMN])
        written = 0
        for row in table:
            line = row.line if isinstance(row, Row) else row.fault.line
            if line in reasons:
                cells = [row.raw[place] if place < len(row.raw) else "" for place in kept]
                writer.writerow([*cells, reasons[line]])
                written += 1
    return written


class _Wrong(Exception):
    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class _Cells:
    """The cells of one row, read one by one; what is wrong is gathered."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.sku = row.cells[_SKU.name]
        self.faults: list[Fault] = []

    def read(self, column: str, parse: Callable[[str], R]) -> R | None:
        """The value of a column, None where the file has no such column or the cell is wrong."""
        cell = self._row.cells.get(column)
        if cell is None:
            return None
        try:
            return parse(cell)
        except _Wrong as wrong:
            self.fault(column, wrong.problem, wrong.fix)
            return None

    def fault(self, column: str, problem: str, fix: str) -> None:
        """Tell what is wrong with a column."""
        value = self._row.cells.get(column, "")
        self.faults.append(Fault(self._row.line, problem, fix, column, value[:200], self.sku))


class _Intake(Generic[R]):
    """How one kind of file goes into the store: a row to a value, a batch of values to what each did."""

    kind: ImportKind
    #: the columns that no two rows of a file have the same
    key: tuple[str, ...] = (_SKU.name,)

    def __init__(self, store: Store, account: AccountSettings, at: datetime) -> None:
        self.store = store
        self.account = account
        self.name = AccountName(account.name)
        self.at = at

    def value(self, cells: _Cells) -> R:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        raise NotImplementedError

    async def put(self, values: Sequence[R]) -> list[tuple[Change, str]]:
        """Store a batch: what each did, and why it cannot be sent, if so."""
        raise NotImplementedError

    def verdict(self, sku: Sku) -> Verdict:  # noqa: ARG002 - of the kinds that are judged
        """What the rules say of a listing of the batch that was stored last."""
        return Verdict()


Numbered = tuple[int, str, R]  # the file line, the SKU and the value of one good row


async def _take(intake: _Intake[R], file: BinaryIO) -> ImportReport:
    with await to_thread.run_sync(open_table, intake.kind, file) as table:
        report = ImportReport(intake.account.name, intake.kind, ignored_columns=table.ignored)
        rows, seen = iter(table), Seen()
        while batch := await to_thread.run_sync(_next_batch, intake, rows, seen):
            await _put(intake, batch, report)
    # Within a batch, what the store refuses is known after what the file shows.
    report.faults.sort(key=lambda fault: fault.line)
    return report


async def _put(intake: _Intake[R], batch: Sequence[Numbered[R] | list[Fault]], report: ImportReport) -> None:
    good: list[Numbered[R]] = []
    for taken in batch:
        report.rows += 1
        if isinstance(taken, list):
            report.refuse(taken)
        else:
            good.append(taken)
    done = await intake.put([value for _, _, value in good]) if good else []
    for (line, sku, _), (change, reason) in zip(good, done, strict=True):
        report.taken(line, sku, change, reason, intake.verdict(Sku(sku)))


def _next_batch(intake: _Intake[R], rows: Iterator[Row | BrokenRow], seen: Seen) -> list[Numbered[R] | list[Fault]]:
    return [_read(intake, row, seen) for row in islice(rows, BATCH)]


def _read(intake: _Intake[R], row: Row | BrokenRow, seen: Seen) -> Numbered[R] | list[Fault]:
    if isinstance(row, BrokenRow):
        return [row.fault]
    cells = _Cells(row)
    cells.read(_SKU.name, _sku)
    value = intake.value(cells)
    key = "\0".join(row.cells[name] for name in intake.key)
    if not cells.faults and (line := seen.before(key, row.line)):
        same = " and ".join("SKU" if name == _SKU.name else name for name in intake.key)
        problem = f"the same {same} is on line {line} already, which was taken"
        cells.fault(_SKU.name, problem, "keep one of the two rows")
    return cells.faults or (row.line, cells.sku, value)


class _Stock(_Intake[StockRow]):
    kind = ImportKind.STOCK

    def value(self, cells: _Cells) -> StockRow:
        return StockRow(Sku(cells.sku), cells.read("stock", _stock) or 0)

    async def put(self, values: Sequence[StockRow]) -> list[tuple[Change, str]]:
        return [(change, "") for change in await self.store.listings.put_stock(self.name, values, self.at)]


@dataclass(frozen=True, slots=True)
class _PriceCells:
    sku: Sku
    price: int
    rrp: int | None
    rrp_given: bool


class _Prices(_Intake[_PriceCells]):
    kind = ImportKind.PRICES

    def value(self, cells: _Cells) -> _PriceCells:
        price, rrp = cells.read("price", _price), cells.read("rrp", _rrp)
        if price is not None and rrp and rrp < price:
            cells.fault("rrp", "the recommended price is lower than the selling price", "raise it, or leave it empty")
        return _PriceCells(Sku(cells.sku), price or 0, rrp or None, rrp_given=rrp is not None)

    async def put(self, values: Sequence[_PriceCells]) -> list[tuple[Change, str]]:
        known = await self.store.views.known(self.name, [value.sku for value in values])
        rows = [PriceRow(value.sku, self._money(value.price), self._rrp(value, known)) for value in values]
        return [(change, "") for change in await self.store.listings.put_prices(self.name, rows, self.at)]

    def _rrp(self, value: _PriceCells, known: Mapping[Sku, Known]) -> Money | None:
        kept = known[value.sku].rrp_minor if value.sku in known else None
        minor = value.rrp if value.rrp_given else kept
        return None if minor is None else self._money(minor)

    def _money(self, minor: int) -> Money:
        return Money(minor, self.account.currency)


class _Promotions(_Intake[PromotionRow]):
    kind = ImportKind.PROMOTIONS
    key = (_SKU.name, "start")

    def value(self, cells: _Cells) -> PromotionRow:
        cancelled = cells.read("cancel", _yes_or_no) or False
        price = cells.read("price", _rrp if cancelled else _price)
        instant = partial(_instant, zone=self.account.zone)
        start, end = cells.read("start", instant) or self.at, cells.read("end", instant)
        if price is None and not cancelled and not cells.faults:
            cells.fault("price", "there is no column price", "add it: what the buyer pays in the promotion")
        if end and not cells.faults and (fault := window_fault(start, end)):
            cells.fault("end", fault, "write the first instant after the promotion")
        promotion = Promotion(
            Money(price or 0, self.account.currency), start, end or start, cells.read("nature", _nature) or ""
        )
        return PromotionRow(Sku(cells.sku), promotion, cancelled)

    async def put(self, values: Sequence[PromotionRow]) -> list[tuple[Change, str]]:
        return await self.store.promotions.put(self.name, values, self.at)


@dataclass(frozen=True, slots=True)
class _ListingCells:
    sku: Sku
    item: Mapping[str, Any]
    channel_item_id: str | None
    ended: bool | None
    handling_days: int | None
    knobs: Mapping[str, int | None]
    extras: Mapping[str, str]


class _Listings(_Intake[_ListingCells]):
    kind = ImportKind.LISTINGS

    def __init__(self, store: Store, account: AccountSettings, at: datetime) -> None:
        super().__init__(store, account, at)
        self._verdicts: dict[Sku, Verdict] = {}

    def value(self, cells: _Cells) -> _ListingCells:
        item: dict[str, Any] = {name: text for name in _TEXTS if (text := cells.read(name, str)) is not None}
        item["ean"] = cells.read("ean", _ean)
        item["attributes"] = cells.read("attributes", _attributes)
        item["photos"] = _photos(cells)
        return _ListingCells(
            Sku(cells.sku),
            {name: value for name, value in item.items() if value is not None},
            cells.read("channel_item_id", _channel_item_id) or None,
            cells.read("end", _yes_or_no),
            cells.read("handling_days", _days),
            _knobs(cells),
            _extras(cells),
        )

    async def put(self, values: Sequence[_ListingCells]) -> list[tuple[Change, str]]:
        known = await self.store.views.known(self.name, [value.sku for value in values])
        rows = [_item_row(value, known.get(value.sku)) for value in values]
        await self._judge(rows)
        reasons = [self._reason(row, known.get(row.sku)) for row in rows]
        warnings = [self.verdict(row.sku).warnings for row in rows]
        changes = await self.store.listings.put_items(
            *(self.name, rows, self.at, reasons),
            item_feed=self._item_feed,
            warnings=warnings,
            own_numbers=self._own_numbers,
        )
        for row, change in zip(rows, changes, strict=True):
            if change is Change.IMMUTABLE:
                self._verdicts[row.sku] = Verdict(rules.immutable_changes(known[row.sku].item, row.item))
        reasons = await self._with_holders(rows, changes, reasons)
        return list(zip(changes, reasons, strict=True))

    async def _with_holders(
        self, rows: Sequence[ItemRow], changes: Sequence[Change], reasons: Sequence[str]
    ) -> list[str]:
        """The reasons, and for a number that another listing has, both of them (J2)."""
        taken = [change is Change.TAKEN for change in changes]
        numbers = [row.channel_item_id or "" for row, each in zip(rows, taken, strict=True) if each]
        holders = await self.store.listings.holders(self.name, numbers) if numbers else {}
        return [
            _two_on_one(row.channel_item_id or "", holders, row.sku) if each else reason
            for row, each, reason in zip(rows, taken, reasons, strict=True)
        ]

    @property
    def _own_numbers(self) -> bool:
        return any(rule.needs_channel_item_id for rule in self.account.feed_rules.values())

    def verdict(self, sku: Sku) -> Verdict:
        """What the rules say of a listing of the batch that was stored last."""
        return self._verdicts.get(sku, Verdict())

    async def _judge(self, rows: Sequence[ItemRow]) -> None:
        self._verdicts = {}
        limits = self.account.item_limits
        if limits is not None:
            reference = await self.store.reference.known(self.name, [row.item for row in rows])
            self._verdicts = {row.sku: rules.judge(row.sku, row.item, reference, limits) for row in rows}

    @property
    def _item_feed(self) -> bool:
        return FeedKind.ITEM in self.account.feed_rules

    def _reason(self, row: ItemRow, known: Known | None) -> str:
        """Why it cannot be sent: one marketplace wants whole items (L4), another only its own article number (J2)."""
        if self.account.item_limits is not None:
            return self.verdict(row.sku).error
        return self.account.listing_fault(row.sku, row.channel_item_id or (known.channel_item_id if known else ""))


def _two_on_one(number: str, holders: Mapping[str, Sku], sku: Sku) -> str:
    # It is nobody's where the listing that gave it up took another one in the same breath.
    holder = holders.get(number, "a listing that was to have another one")
    return f"the number {number} is that of {holder}, and {sku} would have it too; no two listings may have the same"


def _item_row(value: _ListingCells, known: Known | None) -> ItemRow:
    kept, kept_knobs = (known.item, known.knobs) if known else (Item(), StockKnobs())
    fields = {name: getattr(kept, name) for name in Item.__slots__} | dict(value.item)
    knobs = replace(kept_knobs, **value.knobs) if value.knobs else None
    kept_extras = known.extras if known else StockExtras()
    extras = replace(kept_extras, **value.extras) if value.extras else None
    return ItemRow(value.sku, Item(**fields), value.channel_item_id, value.ended, value.handling_days, knobs, extras)


_MOST_STOCK = 999_999_999
#: the columns of a listing's own stock knobs, with what they are called in `StockKnobs` and their highest values
_KNOBS = {
    "safety_stock": ("safety_stock", _MOST_STOCK),
    "stock_percentage": ("percentage", 100),
    "stock_cap": ("cap", _MOST_STOCK),
    "stock_threshold": ("threshold", _MOST_STOCK),
}


def _knobs(cells: _Cells) -> dict[str, int | None]:
    """The knobs of which the file has a column: an empty cell goes back to the account's."""
    found: dict[str, int | None] = {}
    for column, (name, most) in _KNOBS.items():
        given = cells.read(column, partial(_whole, most=most))
        if given is not None:
            found[name] = given if given >= 0 else None
    return found


def _extras(cells: _Cells) -> dict[str, str]:
    """What a stock file may want besides, of which the file has a column; an empty cell empties it."""
    found: dict[str, str] = {}
    for column, parse in _EXTRAS.items():
        given = cells.read(column, parse)
        if given is not None:
            found[column] = given
    return found


def _photos(cells: _Cells) -> tuple[Photo, ...] | None:
    """The photos by rank, None where the file has no photo column; gaps between them are closed."""
    given = [cells.read(f"photo_{rank}", _photo) for rank in range(1, rules.MOST_PHOTOS + 1)]
    if all(url is None for url in given):
        return None
    return tuple(Photo(url, rank) for rank, url in enumerate(filter(None, given), 1))


def _sku(cell: str) -> str:
    if not cell:
        raise _Wrong("the SKU is missing", "write the seller's own number of the listing")
    if len(cell) > _LONGEST_SKU:
        raise _Wrong(f"the SKU has {len(cell)} characters", f"at most {_LONGEST_SKU} are taken")
    return cell


def _stock(cell: str) -> int:
    number = _NUMBER.fullmatch(cell)
    if number is None:
        raise _Wrong("this is not a number of units", "write a whole number from 0 to 999999999, without a unit")
    return int(number[1])


def _whole(cell: str, most: int) -> int:
    """A whole number up to `most`; -1 for an empty cell."""
    number = _NUMBER.fullmatch(cell)
    if cell and (number is None or int(number[1]) > most):
        raise _Wrong(f"this is not a whole number from 0 to {most}", "write one, or nothing for the account's")
    return int(number[1]) if number else -1


def _instant(cell: str, zone: ZoneInfo) -> datetime:
    """A UNIX timestamp in seconds, or ISO 8601; without an offset it is told in the account's time zone."""
    if _SCIENTIFIC.fullmatch(cell):
        raise _Wrong("a spreadsheet has rounded the timestamp", "type it once more in a column formatted as text")
    if _MILLISECONDS.fullmatch(cell):
        raise _Wrong("this timestamp is in milliseconds", "write it in seconds: leave the last three digits out")
    if stamp := _TIMESTAMP.fullmatch(cell):
        return datetime.fromtimestamp(int(stamp[1]), UTC)
    try:
        if _WITH_A_TIME.match(cell):
            instant = datetime.fromisoformat(cell)
            return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        # An overflow is one that UTC has no year for.
        pass
    raise _Wrong(
        "this is no instant", "write a UNIX timestamp in seconds such as 1782165600, or 2026-06-23T00:00+02:00"
    )


def _nature(cell: str) -> str:
    if len(cell) > _LONGEST_NATURE:
        raise _Wrong(f"the nature has {len(cell)} characters", f"at most {_LONGEST_NATURE} are taken")
    return cell


def _price(cell: str) -> int:
    amount = _AMOUNT.fullmatch(cell)
    if amount is None:
        raise _Wrong("this is not an amount", "write it like 49.90 or 49,90, without currency or thousands separator")
    minor = int(amount[1]) * 100 + int((amount[2] or "").ljust(2, "0"))
    if minor == 0:
        raise _Wrong("the amount is zero", "write what the buyer pays; to stop selling, set the stock to 0")
    return minor


def _rrp(cell: str) -> int:
    return _price(cell) if cell else 0


def _ean(cell: str) -> str:
    """An EAN-13, an empty one included; one that a spreadsheet gave a decimal point is mended (S1)."""
    mended = _EAN_OF_SPREADSHEET.fullmatch(cell)
    ean = mended[1] if mended else cell
    if not ean or not (fault := rules.ean_fault(ean)):
        return ean
    if _SCIENTIFIC.fullmatch(cell):
        fix = "its digits are lost: type it once more in a column formatted as text"
        raise _Wrong("a spreadsheet has turned the EAN into a rounded number", fix)
    if re.fullmatch("[0-9]{12}", ean) and not rules.ean_fault(f"0{ean}"):
        raise _Wrong(fault, f"spreadsheets drop a leading zero: write 0{ean} in a column formatted as text")
    raise _Wrong(fault, "copy it once more from the packaging, in a column formatted as text")


def _channel_item_id(cell: str) -> str:
    if _SCIENTIFIC.fullmatch(cell):
        fix = "its digits are lost: type it once more in a column formatted as text"
        raise _Wrong("a spreadsheet has turned the article number into a rounded number", fix)
    mended = re.fullmatch(r"([0-9]+)[.,]0+", cell)
    return mended[1] if mended else cell


def _day(cell: str) -> str:
    """A day as ISO 8601 has it, with the midnight that a spreadsheet adds or without."""
    found = _DAY.fullmatch(cell)
    try:
        return date.fromisoformat(found[1]).isoformat() if found else _empty(cell)
    except ValueError:
        raise _Wrong("there is no such day", "write it like 2026-12-24") from None


def _empty(cell: str) -> str:
    if cell:
        raise _Wrong("this is not a day", "write it like 2026-12-24, or nothing")
    return ""


def _count(cell: str) -> str:
    if not cell:
        return ""
    number = _NUMBER.fullmatch(cell)
    if number is None:
        raise _Wrong("this is not a whole number", "write one from 0 to 999999999, or nothing")
    return str(int(number[1]))


def _word(cell: str) -> str:
    if len(cell) > _LONGEST_WORD:
        raise _Wrong(f"the text has {len(cell)} characters", f"at most {_LONGEST_WORD} are taken")
    return cell


#: the columns of `StockExtras`, and what each may hold
_EXTRAS: Mapping[str, Callable[[str], str]] = {
    "back_in_stock_date": _day,
    "low_stock": _word,
    "ring_fenced_units": _count,
    "standard_lead_time_days": _count,
    "max_lead_time_days": _count,
    "lead_time_from": _day,
    "availability_status": _word,
    "product_status": _word,
}


def _yes_or_no(cell: str) -> bool | None:
    word = cell.casefold()
    if word and word not in _YES | _NO:
        raise _Wrong("this is neither yes nor no", "write yes, no, or nothing")
    return word in _YES if word else None


def _days(cell: str) -> int | None:
    number = _NUMBER.fullmatch(cell)
    if cell and (number is None or int(number[1]) > 365):
        raise _Wrong("this is not a number of days", "write a whole number from 0 to 365, or nothing")
    return int(number[1]) if number else None


def _photo(cell: str) -> str:
    if cell and not rules.is_absolute_url(cell):
        raise _Wrong("this is not an absolute http(s) URL", "write it whole, like https://pictures.example/lamp.jpg")
    return cell


def _attributes(cell: str) -> tuple[Attribute, ...]:
    return tuple(_attribute(written.strip()) for written in cell.split(";") if written.strip())


def _attribute(written: str) -> Attribute:
    # Taken apart by its signs: a pattern with gaps between them would take minutes for a cell full of spaces.
    code, _, rest = (part.strip() for part in written.partition("="))
    value, _, label = (part.strip() for part in rest.partition("|"))
    name = code.removesuffix("*").rstrip()
    if not (_CODE.fullmatch(name) and _CODE.fullmatch(value) and label) or "|" in label:
        raise _Wrong(f"{written[:60]!r} is not an attribute", "write it like A0485*=V123|Rouge; A1303=V77|Bleu")
    return Attribute(name, value, label, declinable=code.endswith("*"))
