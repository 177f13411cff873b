"""Listings, stock, prices, promotions and dispatches from files and streams; every bad row is told (S1)."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from anyio import create_task_group, to_thread

from daemon.errors import DaemonError, NotAllowed
from daemon.model import AccountName, ListingFault, Part, Sku
from daemon.seller.batches import Batch, ReadBatch, RowResult, Rows
from daemon.seller.cells import fault_at
from daemon.seller.columns import SKU, ImportKind, open_import
from daemon.seller.differences import Difference, changes
from daemon.seller.dispatches import Dispatches
from daemon.seller.intakes import NO_VERDICT, SMALL_BATCH, Intake, Listings, Prices, Promotions, Stock, Took
from daemon.seller.rows import Fault, FaultCode, Table
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.changes import Change
from daemon.store.seen import Seen
from daemon.store.snapshots import Rehearsal

#: Faults told one by one; a file with more of them is mended in portions.
MOST_TOLD = 10_000


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

    `doubtful` are those that are sent with warnings. Of a dry run, `differences` tell what it would change. Of each,
    the first 10,000 are told; `refused`, `not_ready`, `warned` and `differing` count all.
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
    dry_run: bool = False
    differing: int = 0
    ignored_columns: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    incomplete: list[Incomplete] = field(default_factory=list)
    doubtful: list[Doubtful] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch by what they did, and keep what there is to tell of them."""
        self.count(batch)
        for row in batch.told.values():
            if len(self.faults) < MOST_TOLD:
                self.faults.extend(row.faults)
            if row.reason and len(self.incomplete) < MOST_TOLD:
                self.incomplete.append(Incomplete(row.line, row.key, row.reason, row.not_ready))
            if row.warnings and len(self.doubtful) < MOST_TOLD:
                self.doubtful.append(Doubtful(row.line, row.key, row.warnings))
            self.differences += row.differences[: MOST_TOLD - len(self.differences)]

    def count(self, batch: Batch) -> None:
        """Count the rows of a batch by what they did."""
        self.rows += len(batch)
        for change, rows in Counter(batch.changes).items():
            what = change or "refused"
            setattr(self, what, getattr(self, what) + rows)
        for row in batch.told.values():
            self.not_ready += bool(row.reason)
            self.warned += bool(row.warnings)
            self.differing += len(row.differences)

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {"version": 1, **asdict(self)}


async def import_file(
    store: Store, account: AccountSettings, kind: ImportKind, file: BinaryIO, at: datetime, *, dry_run: bool = False
) -> ImportReport:
    """Take over a CSV or XLSX file in batches of rows, each batch whole; a bad row never blocks the others (S1).

    A dry run tells what the file would do, field by field, and changes nothing. `file` must be able to seek. Raises
    Unreadable when it is no such table at all, NotAllowed when the marketplace takes nothing of this kind, StoreError
    when the database fails: the batches before that stay.
    """
    check_kind(account, kind)
    with await to_thread.run_sync(open_import, kind, file) as table:
        report = ImportReport(account.name, kind, dry_run=dry_run, ignored_columns=table.ignored)
        async for batch in import_rows(store, account, kind, table, at, dry_run=dry_run):
            report.add(batch)
    return report


def check_kind(account: AccountSettings, kind: ImportKind) -> None:
    """Raise NotAllowed when the account's marketplace takes nothing of this kind."""
    priced = any(Part.PRICE in rule.parts for rule in account.feed_rules.values())
    if kind in (ImportKind.PRICES, ImportKind.PROMOTIONS) and not priced:
        raise NotAllowed(f"{account.marketplace} takes no {kind} from the seller, so {account.name} has none to import")


async def import_rows(
    store: Store, account: AccountSettings, kind: ImportKind, table: Table, at: datetime, *, dry_run: bool = False
) -> AsyncIterator[Batch]:
    """Take over the rows of an open table: what each did, in their order, a batch after its transaction has ended.

    Raises StoreError when the database fails: the batches before that stay.
    """
    rehearsal = Rehearsal(store.database, AccountName(account.name)) if dry_run else None
    into = Store(rehearsal) if rehearsal else store
    intake = _intake(kind, into, account, at)
    # What a dry run compares are whole listings.
    size = SMALL_BATCH if dry_run else intake.batch
    with closing(Seen()) as seen:
        read = partial(to_thread.run_sync, Rows(intake, table, seen).next_batch, size)
        batch = await read()
        while batch.lines:
            done, batch, fault = await _while_reading(read, partial(_put, store, intake, batch, rehearsal))
            yield done
            if fault is not None:
                raise fault


async def _while_reading(
    read: Callable[[], Awaitable[ReadBatch]], put: Callable[[], Awaitable[Batch]]
) -> tuple[Batch, ReadBatch, DaemonError | None]:
    """Store a batch and read the next at the same time; what is wrong with the next stops nothing of this one."""
    following = ReadBatch()
    fault: DaemonError | None = None

    async def read_on() -> None:
        nonlocal following, fault
        try:
            following = await read()
        except DaemonError as error:
            fault = error

    try:
        async with create_task_group() as group:
            group.start_soon(read_on)
            done = await put()
    except ExceptionGroup as errors:
        # Of one that waits for none, its error is told as it is.
        raise errors.exceptions[0] from None
    return done, following, fault


def _intake(kind: ImportKind, store: Store, account: AccountSettings, at: datetime) -> Intake[Any]:
    match kind:
        case ImportKind.LISTINGS:
            return Listings(store, account, at)
        case ImportKind.STOCK:
            return Stock(store, account, at)
        case ImportKind.PRICES:
            return Prices(store, account, at)
        case ImportKind.PROMOTIONS:
            return Promotions(store, account, at)
        case ImportKind.DISPATCHES:
            return Dispatches(store, account, at)


class _Good(NamedTuple):
    """A row that the file shows no fault of, with what it brings."""

    line: int
    key: str
    value: Any


async def _put(store: Store, intake: Intake[Any], read: ReadBatch, rehearsal: Rehearsal | None) -> Batch:
    good = read.good()
    async with store.importing(intake.name):
        if rehearsal is not None:
            rehearsal.skus = list({Sku(read.keys[place]) for place in good}) if intake.key == SKU.name else []
        took = await intake.put(read.ready) if read.values else []
    if rehearsal is None and took and not read.refused and _is_plain(took[0]) and took == took[:1] * len(took):
        # In most batches all do the same.
        return Batch(read.lines, read.keys, [took[0].change] * len(took), {})
    changes: list[Change | None] = [None] * len(read.lines)
    told = dict(read.refused)
    for place, each, value in zip(good, took, read.values, strict=True):
        changes[place] = each.change
        if rehearsal is None and _is_plain(each):
            continue
        told[place] = result = _result(intake, _Good(read.lines[place], read.keys[place], value), each, rehearsal)
        changes[place] = result.change
    return Batch(read.lines, read.keys, changes, dict(sorted(told.items())))


def _result(intake: Intake[Any], row: _Good, took: Took, rehearsal: Rehearsal | None) -> RowResult:
    fault = _refusals(intake, row, took)
    if fault:
        return RowResult(row.line, row.key, None, fault)
    verdict = took.verdict
    differences = list(_differences(intake, row, took, rehearsal)) if rehearsal is not None else []
    return RowResult(
        row.line,
        row.key,
        took.change,
        (),
        took.reason,
        verdict.faults if took.reason else (),
        verdict.warnings,
        differences,
    )


def _is_plain(took: Took) -> bool:
    """Whether there is no more to tell of what a row did."""
    plain = took.change in (Change.CHANGED, Change.UNCHANGED, Change.CREATED)
    return plain and took.verdict is NO_VERDICT and not took.reason


def _refusals(intake: Intake[Any], row: _Good, took: Took) -> list[Fault]:
    def fault(problem: str, fix: str, column: str, value: str, code: FaultCode) -> list[Fault]:
        return [fault_at(row.line, intake.key, row.key, problem, fix, column, value, code)]

    match took.change:
        case None:
            return fault(took.reason, took.fix, intake.key, row.key, "not_allowed")
        case Change.IMMUTABLE:
            faults = took.verdict.faults
            return [Fault(row.line, each.text, each.fix, each.field, sku=row.key, code="immutable") for each in faults]
        case Change.UNKNOWN:
            problem, fix = "this account has no such listing", "import its listing first, or mend the SKU"
            return fault(problem, fix, SKU.name, row.key, "unknown_sku")
        case Change.TAKEN:
            return fault(took.reason, took.fix, "channel_item_id", "", "number_taken")
        case Change.OVERLAPS:
            problem = f"another promotion of this SKU is in its way: {took.reason}"
            return fault(problem, "move the one or the other, or cancel that one first", "start", "", "overlaps")
        case _:
            return []


def _differences(intake: Intake[Any], row: _Good, took: Took, rehearsal: Rehearsal) -> Iterator[Difference]:
    if took.told:
        yield Difference(row.line, row.key, intake.kind, "", took.told)
    if took.change is Change.UNCHANGED:
        return
    before, after = rehearsal.before.get(Sku(row.key)), rehearsal.after.get(Sku(row.key))
    for name, old, new in changes(before, after):
        # Another row of the same file may change another promotion of the same SKU.
        if intake.kind is not ImportKind.PROMOTIONS or _is_of(name, row):
            yield Difference(row.line, row.key, name, old, new)


def _is_of(name: str, row: _Good) -> bool:
    starts_at: datetime = row.value.promotion.starts_at
    return name == f"promotion from {starts_at.isoformat()}"
