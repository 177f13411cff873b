"""Feeds from claim to answer (L2, L6-L9, L16; house laws 3, 4 and 6): the name of each method is what has happened.

How one is claimed is said in `opening.py`, what it carries in `feed_objects.py`, what becomes of it in `feed_fates.py`
and `settling.py`, and the gate that they share in `gates.py`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial

from daemon.model import (
    AccountName,
    Feed,
    FeedId,
    FeedKind,
    FeedObject,
    FeedRule,
    GuardTerms,
    Moment,
    OfferTerms,
    PayloadId,
    UsualRow,
)
from daemon.store.database import Database
from daemon.store.feed_fates import doubt, lapse, recover, refuse, sent, silent, spool, withdraw
from daemon.store.feed_objects import read_objects, write_rows
from daemon.store.gates import GateClosed, unanswered
from daemon.store.opening import open_feed
from daemon.store.settling import Settlement, settle_silent

#: objects of one transaction where silence settles a feed: memory and the writer's time stay bounded
_SILENT = 5_000


class Feeds:
    """Every feed that was ever opened, and the gates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        account: AccountName,
        rule: FeedRule,
        now: Moment,
        terms: OfferTerms = OfferTerms(),  # noqa: B008 - frozen
        limits: GuardTerms = GuardTerms(),  # noqa: B008 - frozen
    ) -> Feed | GateClosed | None:
        """Claim the next feed of this kind: everything due, at the values of now; None when nothing is due (L8).

        Before that, promotions begin and end, what `terms` and open orders change is made Pending (L6, L10, L11), and
        what looks like a mistake by `limits` is held back (`store/guard.py`).
        The claim closes the gate until the send must be over and the interval has passed after it.
        """
        return await self._database.claim(lambda db: open_feed(db, account, rule, now, terms, limits))

    def objects(self, feed: Feed, currency: str) -> AsyncIterator[list[FeedObject]]:
        """What the feed carries, in batches."""
        return read_objects(self._database, feed, currency)

    def rows(
        self, feed: Feed, currency: str, usual: UsualRow | None, write: Callable[[Sequence[FeedObject]], bytes]
    ) -> AsyncIterator[bytes]:
        """The rows of everything that the feed carries, in pieces.

        Those of usual listings are written by the database as `usual` says, the others by `write`; nothing of it is
        done in the loop's own thread, so that a large feed does not keep it from its other accounts.
        """
        return write_rows(self._database, feed, currency, usual, write)

    async def unanswered(self, account: AccountName, kind: FeedKind) -> tuple[FeedId, datetime] | None:
        """The last feed of this kind that is not answered yet: its number, and since when."""
        return await self._database.read(lambda db: unanswered(db, account, kind))

    async def spooled(self, feed: Feed, name: str, payload: PayloadId, at: datetime) -> Feed:
        """The exact bytes are kept: from here on they may have left (house law 6)."""
        return await self._database.write(lambda db: spool(db, feed, name, payload, at))

    async def sent(self, feed: Feed, rule: FeedRule, remote_ref: str, now: Moment) -> None:
        """The marketplace has it: the interval counts from now (L8)."""
        await self._database.write(lambda db: sent(db, feed, rule, remote_ref, now))

    async def in_doubt(self, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
        """It may have arrived. The gate stays as the claim set it: the far side may take it up to the deadline.

        Where the machine stood still in the middle of the send, that deadline is over: the interval counts from now.
        """
        await self._database.write(lambda db: doubt(db, feed, rule, error, now))

    async def refused(self, feed: Feed, rule: FeedRule, error: str, now: Moment) -> None:
        """The marketplace turned the whole feed down: its parts are Pending again, and the gate counts it as sent."""
        await self._database.write(lambda db: refuse(db, feed, rule, error, now))

    async def withdrawn(self, feed: Feed, error: str, now: Moment) -> None:
        """Nothing left us: its parts are Pending again, and the gate is given back."""
        await self._database.write(lambda db: withdraw(db, feed.id, error, now))

    async def recover(self, now: Moment) -> int:
        """After a start: what was being sent is in doubt; what was not even spooled never left (house law 6)."""
        return await self._database.write(lambda db: recover(db, now))

    async def lapse(self, account: AccountName, rule: FeedRule, now: Moment) -> list[Feed]:
        """Feeds whose answer did not come in its time: their parts are Pending again (L8)."""
        return await self._database.write(lambda db: lapse(db, account, rule, now))

    async def settle_silent(self, account: AccountName, rule: FeedRule, now: Moment) -> int:
        """Where silence means yes: accept what stood unanswered for long enough (J4); returns how many objects."""
        if rule.silence_is_yes is None:
            return 0
        wait = rule.silence_is_yes
        settled = 0
        for feed in await self._database.read(lambda db: silent(db, account, rule.kind, wait, now.at)):
            settlement = Settlement(account, feed, rule.kind, now.at)
            after: int | None = 0
            while after is not None:
                work = partial(settle_silent, settlement=settlement, after=after, most=_SILENT)
                count, after = await self._database.write(work)
                settled += count
        return settled
