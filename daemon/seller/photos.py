"""Photos looked at where they lie: can they be read, and are they large enough (consumer rule C6).

Asked for by a person and never by a job: the URLs are the seller's own and may lead anywhere, so they are asked as
`transports/outward.py` asks, and no more is read than the size of a picture needs.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from anyio import CapacityLimiter, create_task_group

from daemon.errors import MarketplaceError, NotAllowed, TransportError
from daemon.model import AccountName, Photo, PhotoTerms, Sku
from daemon.rules.pictures import ENOUGH, Size, read_size
from daemon.seller.judging import limits_of
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.transports.outward import Outward

#: listings looked at before the next are fetched, and pictures at a time: whoever keeps them is not to be overrun
_BATCH = 50
_AT_A_TIME = 4
_DEADLINE_SECONDS = 30
_FOUND = frozenset({200, 206})


class PhotoVerdict(StrEnum):
    """How a photo is: OK; SMALL holds it back at the marketplace; MEAGRE is less than wanted; UNREAD shows nothing."""

    OK = "ok"
    SMALL = "small"
    MEAGRE = "meagre"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class PhotoFinding:
    """One photo of one listing, its size where it could be read, and what is wrong with it."""

    sku: Sku
    rank: int
    url: str
    verdict: PhotoVerdict
    width: int | None = None
    height: int | None = None
    problem: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it holds the photo back, as far as we can see."""
        return self.verdict in (PhotoVerdict.SMALL, PhotoVerdict.UNREAD)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def outward_of(account: AccountSettings) -> Outward:
    """The way to an account's photos: on the public internet, and for an account at the sandbox in our own network."""
    return Outward(anybody=True, private=account.environment == "sandbox")


async def check_photos(
    store: Store, account: AccountSettings, skus: Sequence[Sku] | None, outward: Outward
) -> AsyncIterator[list[PhotoFinding]]:
    """Look at the photos of these listings, or of all, some listings at a time, by SKU.

    Raises NotAllowed where the account has not switched it on, or its marketplace takes no items.
    """
    limits_of(account)
    terms = account.photo_terms
    if terms is None:
        raise NotAllowed(
            f"the photos of {account.name} are not to be looked at: sellerd would ask every URL of its listings. To let"
            f" it, write in [accounts.{account.name}.items.photos]: check = true"
        )
    after = ""
    while page := await store.items.page(AccountName(account.name), skus=skus, after=after, limit=_BATCH):
        after = page[-1].sku
        photos = [(stored.sku, photo) for stored in page for photo in stored.item.photos]
        looked = await _look(outward, {photo.url for _, photo in photos}, terms)
        yield [_finding(sku, photo, *looked[photo.url]) for sku, photo in photos]


Looked = tuple[PhotoVerdict, Size | None, str]


async def _look(outward: Outward, urls: set[str], terms: PhotoTerms) -> dict[str, Looked]:
    found: dict[str, Looked] = {}
    limiter = CapacityLimiter(_AT_A_TIME)

    async def one(url: str) -> None:
        async with limiter:
            found[url] = await _look_at(outward, url, terms)

    async with create_task_group() as group:
        for url in sorted(urls):
            group.start_soon(one, url)
    return found


async def _look_at(outward: Outward, url: str, terms: PhotoTerms) -> Looked:
    try:
        reply = await outward.head_of(url, ENOUGH, deadline=_DEADLINE_SECONDS)
    except (TransportError, MarketplaceError) as error:
        return PhotoVerdict.UNREAD, None, f"it cannot be read: {error}"
    if reply.status not in _FOUND:
        return PhotoVerdict.UNREAD, None, f"its server answers with status {reply.status}"
    try:
        size = read_size(reply.body)
    except ValueError as error:
        return PhotoVerdict.UNREAD, None, f"what lies there {error}"
    least = min(size.width, size.height)
    if least < terms.least:
        return PhotoVerdict.SMALL, size, f"it is {size}, and at least {terms.least} x {terms.least} is taken"
    if least < terms.wanted:
        return PhotoVerdict.MEAGRE, size, f"it is {size}, and {terms.wanted} x {terms.wanted} is wanted for zooming"
    return PhotoVerdict.OK, size, ""


def _finding(sku: Sku, photo: Photo, verdict: PhotoVerdict, size: Size | None, problem: str) -> PhotoFinding:
    width, height = (size.width, size.height) if size else (None, None)
    return PhotoFinding(sku, photo.rank, photo.url, verdict, width, height, problem)
