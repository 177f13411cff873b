"""How each kind of file goes into the store: a row to a value, a batch of values to what each did (guide S1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from daemon.model import (
    AccountName,
    FeedKind,
    Item,
    Levies,
    ListingFault,
    Money,
    Promotion,
    Sale,
    Sku,
    StockExtras,
    StockKnobs,
)
from daemon.rules import listing as rules
from daemon.rules import safety, sales
from daemon.rules.listing import Verdict
from daemon.rules.promotions import window_fault
from daemon.seller import cells as parse
from daemon.seller.cells import Cells
from daemon.seller.columns import KEYS, SKU, ImportKind
from daemon.seller.extras import extras
from daemon.seller.levies import levies, sale
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.changes import Change
from daemon.store.figures import Figures
from daemon.store.listings import ItemRow, PriceRow
from daemon.store.promotions import PromotionRow
from daemon.store.views import Known

#: fields of an item that are texts and go in as they stand
_TEXTS = (
    *("category", "product_id", "master_sku", "title", "description", "brand", "catalogue_id"),
    "manufacturer_part_number",
    *safety.FIELDS,
)

NO_VERDICT = Verdict()

#: Rows of one transaction, so that the writer is never busy for long: of those that are taken one by one, and of those
#: that are taken in sets.
SMALL_BATCH, LARGE_BATCH = 1_000, 10_000

R = TypeVar("R")


class Took(NamedTuple):
    """What one row did: why it cannot be sent, if so, and what the rules say of it.

    `change` is None where it was refused: then `reason` says why, and `fix` what to do.
    """

    change: Change | None
    reason: str = ""
    verdict: Verdict = NO_VERDICT
    fix: str = ""
    told: str = ""


#: what of a row there is nothing to tell but its change
_TOOK = {change: Took(change) for change in Change}


class Intake(Generic[R]):
    """One kind of file on its way into the store."""

    kind: ImportKind
    #: the columns that no two rows of a file have the same; none where any two may
    unique: tuple[str, ...] = (SKU.name,)
    #: rows of one transaction
    batch = SMALL_BATCH

    def __init__(self, store: Store, account: AccountSettings, at: datetime) -> None:
        self.store = store
        self.account = account
        self.name = AccountName(account.name)
        self.at = at
        #: the column by which a row is told
        self.key = KEYS[self.kind]

    def check_key(self, cells: Cells) -> None:
        """Leave a fault in `cells` where the key is none."""
        cells.read(self.key, parse.sku)

    def value(self, cells: Cells) -> R:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        raise NotImplementedError

    def usual(self, cells: Mapping[str, Sequence[str]]) -> Sequence[R]:
        """The values of rows whose cells, by column, need no second look (`Column.usual`); the key alone is unique."""
        raise NotImplementedError

    def ready(self, keys: Sequence[str], values: Sequence[R]) -> Any:  # noqa: ARG002 - most values have theirs
        """What `put` takes of the rows of a batch; this is done while the batch before it is stored."""
        return values

    async def put(self, ready: Any) -> list[Took]:
        """Store a batch: what each of its values did."""
        raise NotImplementedError


class Stock(Intake[int]):
    """Units in stock (L6)."""

    kind = ImportKind.STOCK
    batch = LARGE_BATCH

    def value(self, cells: Cells) -> int:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        return cells.read("stock", parse.stock) or 0

    def usual(self, cells: Mapping[str, Sequence[str]]) -> Sequence[int]:
        """The values of rows whose cells need no second look."""
        return list(map(int, cells["stock"]))

    def ready(self, keys: Sequence[str], values: Sequence[int]) -> Figures:
        """What `put` takes of the rows of a batch, in which no SKU comes twice."""
        return Figures(dict(zip(keys, values, strict=True)))

    async def put(self, ready: Figures) -> list[Took]:
        """Store a batch: what each did."""
        return [_TOOK[change] for change in await self.store.listings.put_stock(self.name, ready, self.at)]


@dataclass(frozen=True, slots=True)
class _PriceCells:
    sku: Sku
    price: int
    rrp: int | None
    rrp_given: bool


class Prices(Intake[_PriceCells]):
    """Prices and recommended prices; without a column rrp, that one stays (L7)."""

    kind = ImportKind.PRICES
    batch = LARGE_BATCH

    def value(self, cells: Cells) -> _PriceCells:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        price, rrp = cells.read("price", parse.price), cells.read("rrp", parse.rrp)
        if price is not None and rrp and rrp < price:
            cells.fault("rrp", "the recommended price is lower than the selling price", "raise it, or leave it empty")
        return _PriceCells(Sku(cells.key), price or 0, rrp or None, rrp_given=rrp is not None)

    async def put(self, values: Sequence[_PriceCells]) -> list[Took]:
        """Store a batch: what each did."""
        unsaid = [value.sku for value in values if not value.rrp_given]
        kept = await self.store.listings.recommended(self.name, unsaid) if unsaid else {}
        rows = [PriceRow(value.sku, self._money(value.price), self._rrp(value, kept)) for value in values]
        return [_TOOK[change] for change in await self.store.listings.put_prices(self.name, rows, self.at)]

    def _rrp(self, value: _PriceCells, kept: Mapping[Sku, int]) -> Money | None:
        minor = value.rrp if value.rrp_given else kept.get(value.sku)
        return None if minor is None else self._money(minor)

    def _money(self, minor: int) -> Money:
        return Money(minor, self.account.currency)


class Promotions(Intake[PromotionRow]):
    """Promotions; each is known by its SKU and its start (L11)."""

    kind = ImportKind.PROMOTIONS
    unique = (SKU.name, "start")

    def value(self, cells: Cells) -> PromotionRow:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        cancelled = cells.read("cancel", parse.yes_or_no) or False
        price = cells.read("price", parse.rrp if cancelled else parse.price)
        instant = partial(parse.instant, zone=self.account.zone)
        start, end = cells.read("start", instant) or self.at, cells.read("end", instant)
        if price is None and not cancelled and not cells.faults:
            cells.fault("price", "there is no column price", "add it: what the buyer pays in the promotion")
        if end and not cells.faults and (fault := window_fault(start, end)):
            cells.fault("end", fault, "write the first instant after the promotion")
        promotion = Promotion(
            Money(price or 0, self.account.currency),
            start,
            end or start,
            cells.read("nature", parse.nature) or "",
            cells.read("sale", sale) or "",
        )
        return PromotionRow(Sku(cells.key), promotion, cancelled)

    async def put(self, values: Sequence[PromotionRow]) -> list[Took]:
        """Store a batch: what each did."""
        verdicts = await self._verdicts(values)
        done = await self.store.promotions.put(self.name, values, self.at)
        return [Took(*change, verdict) for change, verdict in zip(done, verdicts, strict=True)]

    async def _verdicts(self, values: Sequence[PromotionRow]) -> list[Verdict]:
        """What the sale will be held against, told at once; its policy decides when it begins."""
        named = [row.sku for row in values if row.promotion.sale and not row.cancelled]
        if not named:
            return [NO_VERDICT] * len(values)
        known = await self.store.reference.sales(self.name)
        first = await self.store.values.on_offer_since(self.name, named)
        return [NO_VERDICT if row.cancelled else self._verdict(row, known, first) for row in values]

    def _verdict(self, row: PromotionRow, known: Mapping[str, Sale], first: Mapping[Sku, datetime]) -> Verdict:
        promotion = row.promotion
        found = sales.verdict(
            promotion, known.get(promotion.sale), self.at, first.get(row.sku), self.account.offer_terms
        )
        fix = "mend it, or leave its sale empty; see: sellerd reference list sales"
        return Verdict(warnings=[ListingFault("sale", "C3", found.text, fix)] if found.text else [])


@dataclass(frozen=True, slots=True)
class _ListingCells:
    sku: Sku
    item: Mapping[str, Any]
    channel_item_id: str | None
    ended: bool | None
    handling_days: int | None
    knobs: Mapping[str, int | None]
    levies: Mapping[str, Any]
    extras: Mapping[str, str]


class Listings(Intake[_ListingCells]):
    """Listings, judged by the rules before they are kept (L4, L5, J2)."""

    kind = ImportKind.LISTINGS

    def __init__(self, store: Store, account: AccountSettings, at: datetime) -> None:
        super().__init__(store, account, at)
        self._verdicts: dict[Sku, Verdict] = {}

    def value(self, cells: Cells) -> _ListingCells:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        item: dict[str, Any] = {name: text for name in _TEXTS if (text := cells.read(name, str)) is not None}
        item["ean"] = cells.read("ean", parse.ean)
        item["attributes"] = cells.read("attributes", parse.attributes)
        item["photos"] = parse.photos(cells)
        return _ListingCells(
            Sku(cells.key),
            {name: value for name, value in item.items() if value is not None},
            cells.read("channel_item_id", parse.channel_item_id) or None,
            cells.read("end", parse.yes_or_no),
            cells.read("handling_days", parse.days),
            parse.knobs(cells),
            levies(cells, self.account.vat_territory),
            extras(cells),
        )

    async def put(self, values: Sequence[_ListingCells]) -> list[Took]:
        """Store a batch: what each did."""
        known = await self.store.views.known(self.name, [value.sku for value in values])
        rows = [_item_row(value, known.get(value.sku)) for value in values]
        await self._judge(rows)
        reasons = [self._reason(row, known.get(row.sku)) for row in rows]
        warnings = [self._verdict(row.sku).warnings for row in rows]
        changes = await self.store.listings.put_items(
            *(self.name, rows, self.at, reasons),
            item_feed=self._item_feed,
            warnings=warnings,
            own_numbers=self._own_numbers,
        )
        for row, change in zip(rows, changes, strict=True):
            if change is Change.IMMUTABLE:
                self._verdicts[row.sku] = Verdict(rules.immutable_changes(known[row.sku].item, row.item))
        holders = await self._holders(rows, changes)
        return [
            self._two_on_one(row, holders) if change is Change.TAKEN else Took(change, reason, self._verdict(row.sku))
            for row, change, reason in zip(rows, changes, reasons, strict=True)
        ]

    async def _holders(self, rows: Sequence[ItemRow], changes: Sequence[Change]) -> Mapping[str, Sku]:
        """Whose the numbers are of the rows that were refused for them: kept already, or wanted by an earlier row."""
        put = list(zip(rows, changes, strict=True))
        numbers = [row.channel_item_id or "" for row, change in put if change is Change.TAKEN]
        if not numbers:
            return {}
        # In a rehearsal, what the good rows would have taken is not kept.
        here = {row.channel_item_id or "": row.sku for row, change in put if change is not Change.TAKEN}
        return await self.store.listings.holders(self.name, numbers) | here

    @staticmethod
    def _two_on_one(row: ItemRow, holders: Mapping[str, Sku]) -> Took:
        holder = holders.get(row.channel_item_id or "", "another listing")
        reason = f"the number {row.channel_item_id} is that of {holder}, and {row.sku} would have it too"
        fix = "give each its own number; one that has moved is free once the other SKU is imported with its new one"
        return Took(Change.TAKEN, reason, fix=fix)

    def _verdict(self, sku: Sku) -> Verdict:
        return self._verdicts.get(sku, NO_VERDICT)

    async def _judge(self, rows: Sequence[ItemRow]) -> None:
        self._verdicts = {}
        limits = self.account.item_limits
        if limits is not None:
            reference = await self.store.reference.known(self.name, [row.item for row in rows])
            self._verdicts = {row.sku: rules.judge(row.sku, row.item, reference, limits) for row in rows}

    @property
    def _item_feed(self) -> bool:
        return FeedKind.ITEM in self.account.feed_rules

    @property
    def _own_numbers(self) -> bool:
        """Whether no two listings may have the same article number of the marketplace (J2)."""
        return any(rule.needs_channel_item_id for rule in self.account.feed_rules.values())

    def _reason(self, row: ItemRow, known: Known | None) -> str:
        """Why it cannot be sent: one marketplace wants whole items (L4), another only its own article number (J2)."""
        if self.account.item_limits is not None:
            return self._verdict(row.sku).error
        return self.account.listing_fault(row.sku, row.channel_item_id or (known.channel_item_id if known else ""))


def _item_row(value: _ListingCells, known: Known | None) -> ItemRow:
    kept, kept_knobs = (known.item, known.knobs) if known else (Item(), StockKnobs())
    kept_levies = known.levies if known else Levies()
    fields = {name: getattr(kept, name) for name in Item.__slots__} | dict(value.item)
    knobs = replace(kept_knobs, **value.knobs) if value.knobs else None
    own = replace(kept_levies, **value.levies) if value.levies else None
    kept_extras = known.extras if known else StockExtras()
    besides = replace(kept_extras, **value.extras) if value.extras else None
    plain = (value.sku, Item(**fields), value.channel_item_id, value.ended, value.handling_days)
    return ItemRow(*plain, knobs, own, besides)
