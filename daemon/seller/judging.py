"""What the rules say of listings as they are kept: when a person asks, and when codes were imported (L4, L5)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from daemon.errors import NotAllowed
from daemon.model import AccountName, ItemLimits, ListingFault, Sku, SyncState
from daemon.rules.listing import Verdict, judge
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.items import Stored, Verdicts

#: Listings of one transaction: the writer is never busy for long.
BATCH = 1_000
#: Listings told one by one; the counts are of all.
MOST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class Told:
    """A listing that the marketplace has, and that our rules would not send as it is."""

    sku: Sku
    faults: Sequence[ListingFault]


@dataclass(slots=True)
class Rejudged:
    """What judging everything anew did: `freed` are sent now, `held_back` are not any more, `told` is left to a person.

    Of `told`, the first 1,000 are given; `doubtful` counts all.
    """

    judged: int = 0
    freed: int = 0
    held_back: int = 0
    doubtful: int = 0
    told: list[Told] = field(default_factory=list)


def limits_of(account: AccountSettings) -> ItemLimits:
    """What the marketplace allows in an item; raises NotAllowed when it takes no items."""
    if account.item_limits is None:
        raise NotAllowed(f"{account.marketplace} takes no items, so nothing of {account.name} is judged by its rules")
    return account.item_limits


async def validation(
    store: Store, account: AccountSettings, skus: Sequence[Sku] | None, *, after: str = "", limit: int = BATCH
) -> list[dict[str, Any]]:
    """Everything that is wrong with listings and everything doubtful, by SKU behind `after`; changes nothing.

    Raises NotAllowed when the marketplace takes no items.
    """
    limits = limits_of(account)
    page = await store.items.page(AccountName(account.name), skus=skus, after=after, limit=limit)
    return [{"sku": stored.sku, **asdict(verdict)} for stored, verdict in await _judged(store, account, page, limits)]


async def rejudge(store: Store, account: AccountSettings, at: datetime) -> Rejudged:
    """Judge every listing anew: those held back by our own rules may go, those that wait may be held back.

    What the marketplace has already, or has rejected, stays as it stands; what is wrong with it is told, and kept as a
    warning of the listing. Raises NotAllowed when the marketplace takes no items.
    """
    limits, name, done = limits_of(account), AccountName(account.name), Rejudged()
    async for page in _pages(store, name):
        judged = await _judged(store, account, page, limits)
        verdicts = [_as_kept(stored, verdict) for stored, verdict in judged]
        freed, held_back = await store.items.rejudge(name, verdicts, at)
        done.judged += len(page)
        done.freed += freed
        done.held_back += held_back
        out = [Told(stored.sku, verdict.faults) for stored, verdict in judged if verdict.faults and _is_out(stored)]
        done.doubtful += len(out)
        done.told += out[: MOST_TOLD - len(done.told)]
    return done


async def _pages(store: Store, name: AccountName) -> AsyncIterator[list[Stored]]:
    after = ""
    while page := await store.items.page(name, after=after, limit=BATCH):
        yield page
        after = page[-1].sku


async def _judged(
    store: Store, account: AccountSettings, page: Sequence[Stored], limits: ItemLimits
) -> list[tuple[Stored, Verdict]]:
    reference = await store.reference.known(AccountName(account.name), [stored.item for stored in page])
    return [(stored, judge(stored.sku, stored.item, reference, limits)) for stored in page]


def _is_out(stored: Stored) -> bool:
    return not stored.held_back and stored.state is not SyncState.PENDING


def _as_kept(stored: Stored, verdict: Verdict) -> Verdicts:
    known = [replace(fault, text=f"by the rules of now, {fault.text}") for fault in verdict.faults]
    told = [*known, *verdict.warnings]
    return Verdicts(stored.sku, stored.revision, verdict.error, verdict.warnings, told)
