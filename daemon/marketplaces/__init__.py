"""The seam: what a marketplace must be able to do, in verbs of the trade. One package here for each wire.

Adding a marketplace touches its package, one entry in `dialects.py`, one group in `crontab.py`, its tests, one table of
`config.toml` and one page of docs: docs/adding-a-marketplace.md does it. A job that needs to ask which marketplace it
works for shows that this seam is wrong.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from daemon.errors import Unreadable
from daemon.model import (
    AnswerLine,
    CancellationRequest,
    Delivery,
    Feed,
    FeedObject,
    Order,
    OrderUpdate,
    RemoteFile,
    UpdateAnswer,
    UsualRow,
    Whereabouts,
)


@dataclass(frozen=True, slots=True)
class Spool:
    """The exact bytes of one feed as they were committed before sending; `chunks()` may be called again."""

    length: int
    chunks: Callable[[], AsyncIterator[bytes]]


class Inbox(Protocol):
    """What is known of the files of an account's servers; the store is one."""

    async def unread(self, files: Sequence[RemoteFile], *, cleared: bool = False) -> list[RemoteFile]:
        """Those of `files`, in their order, that are not kept yet as they stand now (name, size, time).

        `cleared` says that what was confirmed is gone from there: what stands there all the same has come again.
        """
        ...


class FeedFile(Protocol):
    """One feed as bytes: `head()`, then `rows()` for each batch, then `tail()`. Pure.

    `usual` is the same as `rows()` for usual listings, as data, so that the store can write millions of them by itself;
    None leaves all to `rows()`.
    """

    @property
    def usual(self) -> UsualRow | None:
        """How the row of a usual listing is written."""
        ...

    def head(self) -> bytes:
        """What stands before the first row."""
        ...

    def rows(self, batch: Sequence[FeedObject]) -> bytes:
        """The rows of one batch."""
        ...

    def tail(self) -> bytes:
        """What stands after the last row."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """An answer file that lies at the marketplace, read as a stream: it may answer a million listings."""

    file: RemoteFile
    chunks: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Check:
    """One look at a far side that changes nothing there.

    `probe` returns what it found as a sentence, or raises TransportError or MarketplaceError; without one, `note` says
    why it cannot be proven without writing. `keys` are the keys of the account that it depends on. Checks of one `side`
    share a login: when it is refused once, it is not tried again.
    """

    name: str
    side: str
    keys: tuple[str, ...]
    probe: Callable[[], Awaitable[str]] | None = None
    note: str = ""


class Marketplace(Protocol):
    """One account's way into one marketplace. Every await raises TransportError or MarketplaceError, nothing else."""

    def feed_name(self, feed: Feed) -> str:
        """The file name of a feed, unique for ever (made from its kind and `opened_at`). Pure."""
        ...

    def write_feed(self, feed: Feed) -> FeedFile:
        """Listings to bytes, in batches. Pure."""
        ...

    async def send_feed(self, feed: Feed, spool: Spool) -> str:
        """Send the spooled bytes under `feed.name`; returns the marketplace's own handle ("" where it gives none).

        Raises Unreachable when nothing was delivered, Unconfirmed when it may have been, Refused when it was turned
        down, AccessDenied when a person is needed.
        """
        ...

    def reports(self, inbox: Inbox) -> AsyncGenerator[Report, None]:
        """Every answer file that is not kept yet, oldest name first."""
        ...

    def read_report(self, file: RemoteFile, chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[AnswerLine], None]:
        """The lines of a kept report in batches of at most 1,000; raises Unreadable with line and field."""
        ...

    def orders(self, inbox: Inbox, since: datetime, now: datetime) -> AsyncGenerator[Delivery[Order], None]:
        """Every delivery of orders that is not kept yet, and what the marketplace answers when asked since `since`."""
        ...

    def claims(self, inbox: Inbox) -> AsyncGenerator[Delivery[CancellationRequest], None]:
        """Every request of the marketplace about an order that is not kept yet; none where it asks nothing (J12)."""
        ...

    def read_orders(self, file: RemoteFile, content: bytes) -> tuple[Order | Unreadable, ...] | Unreadable:
        """What a kept delivery of orders says, by the configuration of now (D9). Pure."""
        ...

    def read_claims(
        self, file: RemoteFile, content: bytes
    ) -> tuple[CancellationRequest | Unreadable, ...] | Unreadable | None:
        """What a kept request of the marketplace says, None where the file is none (D9). Pure."""
        ...

    def read_update_answer(
        self, file: RemoteFile, content: bytes
    ) -> tuple[UpdateAnswer | Unreadable, ...] | Unreadable:
        """What a kept answer to an update says, by the configuration of now (D9). Pure."""
        ...

    def update_name(self, update: OrderUpdate) -> str:
        """The name of an order update, unique for ever (made from its kind and `created_at`). Pure."""
        ...

    def write_update(self, update: OrderUpdate) -> bytes:
        """An order update as bytes, without secrets (they are put in when it is sent). Pure."""
        ...

    async def send_update(self, update: OrderUpdate, content: bytes) -> None:
        """Send an update as written under `update.name`; raises as `send_feed` does."""
        ...

    async def find_update(self, update: OrderUpdate) -> Whereabouts:
        """Ask whether an update whose sending was cut is there; a marketplace that cannot be asked says UNKNOWN."""
        ...

    def update_answers(self, inbox: Inbox) -> AsyncGenerator[Delivery[UpdateAnswer], None]:
        """Every answer to an order update that is not kept yet."""
        ...

    async def confirm(self, file: RemoteFile) -> None:
        """The file is in our store: do with it what the account says (leave, move, delete). Gone already is fine."""
        ...

    def checks(self, now: datetime) -> Sequence[Check]:
        """What proves that its logins and folders are right, in the order in which to try them."""
        ...

    async def aclose(self) -> None:
        """End its connections at once, waiting for nobody."""
        ...
