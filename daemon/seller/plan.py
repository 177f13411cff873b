"""What the next feeds and order updates of an account would say, against what was said last; nothing is sent (S3)."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Self

from anyio import to_thread

from daemon.errors import NotAllowed
from daemon.marketplaces import Marketplace
from daemon.model import AccountName, Feed, FeedKind, FeedObject, FeedRule, Moment, Part
from daemon.seller.differences import item_fields
from daemon.settings import AccountSettings
from daemon.store.gates import GateClosed
from daemon.store.imagined import ImaginedStore, Sent
from daemon.store.times import iso, to_us
from daemon.store.update_rows import DueUpdate

View = dict[str, Any]


@dataclass(slots=True)
class Plan:
    """How a plan is made: of whose account, at what moment, how many listings of a feed are told, where bytes go."""

    store: ImaginedStore
    account: AccountSettings
    marketplace: Marketplace
    now: Moment
    limit: int = 100
    #: a folder for the exact bytes, None for none
    folder: Path | None = None
    written: list[str] = field(default_factory=list)

    @property
    def name(self) -> AccountName:
        """The account's name."""
        return AccountName(self.account.name)

    async def made(self) -> View:
        """Everything: feeds in the order in which their jobs come, then order updates."""
        feeds = [found for kind, rule in self.account.feed_rules.items() if (found := await self._feed(kind, rule))]
        return {
            "account": self.account.name,
            "as_of": iso(to_us(self.now.at)),
            "feeds": feeds,
            "updates": await self._updates(),
        }

    async def _feed(self, kind: FeedKind, rule: FeedRule) -> View | None:
        feeds, said = self.store.feeds, (self.account.offer_terms, self.account.guard.terms)
        found = await feeds.open(self.name, rule, self.now, *said)
        closed = None
        if isinstance(found, GateClosed):
            closed = found
            await self.store.open_gate(self.name, kind)
            found = await feeds.open(self.name, rule, self.now, *said)
        if not isinstance(found, Feed):
            return None
        feed = replace(found, name=self.marketplace.feed_name(found))
        told: list[View] = []
        parts: Counter[str] = Counter()
        content = _Content(self.folder / feed.name if self.folder else None)
        with content:
            async for piece in self._bytes(feed, kind, told, parts):
                content.write(piece)
        if content.path is not None:
            self.written.append(str(content.path))
        return {
            "kind": kind.value,
            "name": feed.name,
            "leaves_at": None if closed is None else iso(to_us(closed.until)),
            "waits_for": "" if closed is None else closed.reason,
            "listings": feed.size,
            "parts": {part.value: parts[part] for part in Part if parts[part]},
            "bytes": content.size,
            "sha256": content.digest.hexdigest(),
            "objects": told,
            "more": feed.size - len(told),
        }

    async def _bytes(self, feed: Feed, kind: FeedKind, told: list[View], parts: Counter[str]) -> AsyncIterator[bytes]:
        file = self.marketplace.write_feed(feed)
        yield file.head()
        async for batch in self.store.feeds.objects(feed, self.account.currency):
            parts.update(part.value for each in batch for part in each.parts)
            shown = batch[: max(0, self.limit - len(told))]
            last = await self.store.last_sent(self.name, kind, [each.sku for each in shown])
            told += [_object(each, kind, last.get(each.sku)) for each in shown]
            # In a thread, as when it is sent: a large feed takes its time.
            yield await to_thread.run_sync(file.rows, batch)
        yield file.tail()

    async def _updates(self) -> list[View]:
        updates, moves, at = self.store.updates, self.account.legal_moves, self.now.at
        found = [_update(due, "in doubt: the marketplace is asked first") for due in await updates.in_doubt(self.name)]
        await updates.doubt_restored(self.name, self.marketplace.update_name, at)
        known = {due.id for due in await updates.in_doubt(self.name)}
        if self.account.acknowledges:
            await updates.acknowledge_new(self.name, moves, at)
        if self.account.accepts_in_stock:
            await updates.accept_in_stock(self.name, moves, at)
        for due in await updates.due(self.name):
            if due.id in known:
                continue
            if overtaken := await updates.overtaken(due.id, moves, at):
                found.append(_update(due, overtaken))
            else:
                found.append(self._written(due))
        return found

    def _written(self, due: DueUpdate) -> View:
        name = self.marketplace.update_name(due.update)
        try:
            content = self.marketplace.write_update(replace(due.update, name=name))
        except NotAllowed as error:
            return _update(due, f"would fail: {error}")
        with _Content(self.folder / name if self.folder else None) as written:
            written.write(content)
        if written.path is not None:
            self.written.append(str(written.path))
        return {**_update(due, ""), "name": name, "bytes": written.size, "sha256": written.digest.hexdigest()}


class _Content:
    """The bytes of one file as they come: counted, hashed, and written where a place is given (mode 0600)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.size = 0
        self.digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self.path is not None:
            self.path.touch(mode=0o600)
            self._file = self.path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self.digest.update(piece)
        if self._file is not None:
            self._file.write(piece)


def _object(each: FeedObject, kind: FeedKind, last: Sent | None) -> View:
    return {
        "sku": each.sku,
        "parts": sorted(part.value for part in each.parts),
        "changes": _item_changes(each, last) if kind is FeedKind.ITEM else _changes(each, last),
        "last_feed": None if last is None else last.feed,
        "last_sent_at": None if last is None else iso(to_us(last.opened_at)),
    }


def _item_changes(each: FeedObject, last: Sent | None) -> list[View]:
    """Each column of the catalogue part that is another than what was said last; nothing where that is unknown."""
    if last is not None and last.item is None:
        return []
    before = item_fields(last.item) if last is not None and last.item is not None else {}
    after = item_fields(each.item)
    return [
        {"field": name, "before": before.get(name) or None, "after": after.get(name) or None}
        for name in {**before, **after}
        if before.get(name, "") != after.get(name, "")
    ]


def _changes(each: FeedObject, last: Sent | None) -> list[View]:
    """Each figure that the feed says, where it is another than the last one that was said; money in minor units."""
    said: Sequence[tuple[str, object, object]] = (
        ("stock", last and last.stock, each.stock),
        ("price_minor", last and last.price_minor, each.price.minor if each.price else None),
        ("rrp_minor", last and last.rrp_minor, each.rrp.minor if each.rrp else None),
        ("ended", last.ended if last else None, each.ended),
    )
    return [{"field": name, "before": before, "after": after} for name, before, after in said if before != after]


def _update(due: DueUpdate, note: str) -> View:
    lines = [{"ref": line.ref, "quantity": line.quantity} for line in due.update.lines]
    return {"order": due.update.order, "kind": due.update.kind.value, "lines": lines, "note": note}
