"""One account's way into a retailer on The Edge: which file lies where, what its name means, and when it is whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import TypeVar

from daemon.errors import NotAllowed, Refused, Unreadable
from daemon.marketplaces import Check, FeedFile, Inbox, Marketplace, Report, Spool
from daemon.marketplaces.edge.cancellations import read_cancellation
from daemon.marketplaces.edge.inventory import InventoryFile, inventory_name, read_errors
from daemon.marketplaces.edge.orders import UnitPrice, read_order
from daemon.marketplaces.edge.settings import IN_USE, EdgeSettings, Folder, Label
from daemon.marketplaces.edge.updates import read_error, reported_update, update_name, write_update
from daemon.marketplaces.logins import sftp_login
from daemon.marketplaces.reading import read_or_say_why
from daemon.model import (
    AnswerLine,
    CancellationRequest,
    Delivery,
    Feed,
    Order,
    OrderUpdate,
    RemoteFile,
    UpdateAnswer,
    UpdateKind,
    Whereabouts,
)
from daemon.settings import SftpTable
from daemon.transports.sftp import Body, Fetched, FileGone, Put, Sftp

_MIB = 1 << 20
# One order in a file, and the reason for one refusal: what is longer is something else.
_LONGEST_ORDER = 4 * _MIB
_LONGEST_ERROR = _MIB
# A row for each listing; a million of them with a long reason each.
_LONGEST_REPORT = 512 * _MIB

_SENT_TO: Mapping[UpdateKind, Label] = {
    UpdateKind.ACKNOWLEDGEMENT: "order_acknowledge",
    UpdateKind.DISPATCH: "order_shipment",
    UpdateKind.CANCELLATION: "order_cancel",
    UpdateKind.REFUND: "order_refund",
}

T = TypeVar("T")


class Edge:
    """A Marketplace whose every message is a file (J1). Nothing is connected before it is needed.

    `host_keys` are public keys pinned elsewhere than in the settings: for every login, or by the place of a login in
    the configuration as `EdgeSettings.sftp_logins` names it. Folders that share a login share its connections.
    """

    def __init__(self, settings: EdgeSettings, *, host_keys: Mapping[str, Sequence[str]] | Sequence[str] = ()) -> None:
        self._settings = settings
        self._sftps: dict[SftpTable, Sftp] = {}
        pinned: dict[SftpTable, list[str]] = {}
        for place, table in settings.sftp_logins.items():
            found = host_keys.get(place, ()) if isinstance(host_keys, Mapping) else host_keys
            pinned.setdefault(table, []).extend(found)
        for table, keys in pinned.items():
            self._sftps[table] = Sftp(sftp_login(table, keys))
        self._download = settings.folder("order_download")
        self._requests = settings.folder("cancellation_request")
        #: how files without markers stood when they were listed last, by folder and kind
        self._stood: dict[tuple[str, str], frozenset[RemoteFile]] = {}

    def feed_name(self, feed: Feed) -> str:
        """`inventory-<20 digits>.csv` (J3)."""
        return inventory_name(feed)

    def write_feed(self, feed: Feed) -> FeedFile:
        """The stock file (J3)."""
        return InventoryFile(self._settings, feed.opened_at)

    async def send_feed(self, feed: Feed, spool: Spool) -> str:
        """Write the stock file straight to its name: it is picked up as soon as it appears (J3)."""
        how = Put.MARKER if self._settings.stock.marker else Put.AT_ONCE
        await self._put(self._settings.folder("stock_update"), feed.name, Body(spool.length, spool.chunks), how)
        return ""

    async def reports(self, inbox: Inbox) -> AsyncGenerator[Report, None]:
        """Every stock error that is not kept yet (J4); no marker stands beside one, and a marker is none."""
        folder = self._settings.folder("stock_update_error")
        sftp = self._sftps[folder.login]
        listed = [file for file in await sftp.list(folder.path) if not file.name.endswith(self._settings.marker)]
        for file in await inbox.unread(listed):
            yield Report(file, _chunks(sftp, file))

    def read_report(self, file: RemoteFile, chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[AnswerLine], None]:
        """The listings that an error file rejects, or the whole feed; Unreadable when it names no feed of ours (J4)."""
        return read_errors(file.name, chunks, self._settings)

    async def orders(
        self,
        inbox: Inbox,
        since: datetime,  # noqa: ARG002 (files wait for us; there is nothing to ask for)
        now: datetime,
    ) -> AsyncGenerator[Delivery[Order], None]:
        """Every order whose marker stands in the same listing (J5), one in a file; the marker itself is never read.

        Where a retailer leaves no markers, a file counts once it stands as it did in the listing before (J15). One that
        was written in this very second waits for the next turn: written once more, it would pass for the same (J14).
        """
        async with aclosing(self._whole(inbox, self._download, "order-", self._read_order, now)) as deliveries:
            async for delivery in deliveries:
                yield delivery

    async def claims(self, inbox: Inbox) -> AsyncGenerator[Delivery[CancellationRequest], None]:
        """Every request to cancel whose marker stands in the same listing (J12), one in a file."""
        async with aclosing(self._whole(inbox, self._requests, "cancel-", self._read_request)) as deliveries:
            async for delivery in deliveries:
                yield delivery

    def read_orders(self, file: RemoteFile, content: bytes) -> tuple[Order | Unreadable, ...] | Unreadable:  # noqa: ARG002
        """An order file that is kept."""
        return _read(content, self._read_order)[1]

    def read_claims(
        self, file: RemoteFile, content: bytes
    ) -> tuple[CancellationRequest | Unreadable, ...] | Unreadable | None:
        """A request to cancel that is kept; its place and its name say that it is one."""
        if file.folder != self._requests.path or not file.name.startswith("cancel-"):
            return None
        return _read(content, self._read_request)[1]

    def read_update_answer(
        self, file: RemoteFile, content: bytes
    ) -> tuple[UpdateAnswer | Unreadable, ...] | Unreadable:
        """An error of an update that is kept; its name says of which."""
        return _read(content, partial(read_error, file.name))[1]

    def update_name(self, update: OrderUpdate) -> str:
        """`order-<20 digits>.ack`, `dispatch-<20 digits>.txt` or `cancel-<20 digits>.ack` (J7 to J10)."""
        return update_name(update)

    def write_update(self, update: OrderUpdate) -> bytes:
        """The file of an update (J7 to J10); raises NotAllowed for a carrier that is not in the map."""
        return write_update(update, self._settings)

    async def send_update(self, update: OrderUpdate, content: bytes) -> None:
        """Write the file, then its marker, which is what makes it count, unless the retailer wants none (J15)."""
        await self._put(self._update_folder(update), update.name, content, self._how_updates_go)

    async def find_update(self, update: OrderUpdate) -> Whereabouts:
        """Look for what the sending left: a marker or an error means arrived, a file without its marker never counted.

        Where there are no markers, the file itself means arrived if it is whole. Of half of one it is not known what is
        made of it; nothing at all is no answer, because it is not known what The Edge does with a file that it took
        (Edge section 1, archiving).
        """
        folder = self._update_folder(update)
        marker = f"{update.name}{self._settings.marker}"
        # A file that was refused is renamed beside its error (Edge section 7).
        gone = {marker, f"{marker}.failed", f"{update.name}.failed"}
        there = await self._sftps[folder.login].exists(folder.path, [update.name, *sorted(gone)])
        if there & gone or await self._has_error(update):
            return Whereabouts.ARRIVED
        if self._how_updates_go is Put.AT_ONCE:
            return Whereabouts.ARRIVED if await self._stands_whole(folder, update) else Whereabouts.UNKNOWN
        return Whereabouts.ABSENT if there else Whereabouts.UNKNOWN

    async def _stands_whole(self, folder: Folder, update: OrderUpdate) -> bool:
        try:
            length = len(self.write_update(update))
        except NotAllowed:
            # Written before the settings changed: it cannot be compared any more.
            return False
        listed = await self._sftps[folder.login].list(folder.path)
        return any((file.name, file.size) == (update.name, length) for file in listed)

    async def update_answers(self, inbox: Inbox) -> AsyncGenerator[Delivery[UpdateAnswer], None]:
        """Every error of an update, `X.err` with its marker (J13). There is no positive answer: silence is one."""
        for folder, listed in await self._listed_errors():
            sftp = self._sftps[folder.login]
            wait = self._settings.updates.marker
            whole = self._marked(listed, lambda name: name.endswith(".err"), wait=wait)
            async with aclosing(sftp.read_many(await inbox.unread(whole), limit=_LONGEST_ERROR)) as fetched:
                async for file, outcome in fetched:
                    if isinstance(outcome, FileGone):
                        continue
                    content, body = _read(outcome, partial(read_error, file.name))
                    if isinstance(body, Unreadable):
                        # That it is there is a no, whatever it says: silence would be taken for a yes.
                        text = f"refused by The Edge, whose report cannot be read: {body}"
                        body = (UpdateAnswer(reported_update(file.name), accepted=False, text=text),)
                    yield Delivery(file, content, body)

    async def confirm(self, file: RemoteFile) -> None:
        """Put an order or a request away with its marker as the account says (J14); errors stay there, remembered.

        The marker goes last: one that is left alone by a crash says nothing, and goes when this is done again. Where
        another file has come under the name meanwhile, that one and its marker wait to be read.
        """
        place = self._requests if file.name.startswith("cancel-") else self._download
        if file.folder != place.path or self._settings.after_keeping == "leave":
            return
        sftp = self._sftps[place.login]
        if await sftp.is_other(file):
            return
        processed = f"{file.folder}/{self._settings.processed}"
        for name in (file.name, f"{file.name}{self._settings.marker}"):
            if self._settings.after_keeping == "move":
                await sftp.move(file.folder, name, processed, beside=True)
            else:
                await sftp.remove(file.folder, name)

    def checks(self, now: datetime) -> Sequence[Check]:  # noqa: ARG002 - nothing here goes by the time
        """A listing of each folder in use; whether a folder may be written to, only a file would show."""
        settings = self._settings
        sides: dict[SftpTable, str] = {}
        for place, table in settings.sftp_logins.items():
            sides.setdefault(table, place)
        found = [
            Check(
                f"folder {label}",
                sides[folder.login],
                (sides[folder.login], f"paths.{label}", "root"),
                partial(self._listed, folder),
            )
            for label in IN_USE
            for folder in [settings.folder(label)]
        ]
        note = "that stock and updates of orders may be written, only a file shows, and that writes"
        errors = Check("folders of errors", sides[settings.sftp], ("sftp", "paths.update_errors"), self._errors_listed)
        return [*found, errors, Check("right to write", sides[settings.sftp], ("sftp", "paths"), note=note)]

    async def _listed(self, folder: Folder) -> str:
        listed = await self._sftps[folder.login].list(folder.path)
        return f"{folder.path} holds {len(listed)} files"

    async def _errors_listed(self) -> str:
        return f"there: {', '.join(folder.path for folder, _ in await self._listed_errors())}"

    async def aclose(self) -> None:
        """End the connections at once."""
        for sftp in self._sftps.values():
            await sftp.aclose()

    async def _put(self, folder: Folder, name: str, content: bytes | Body, how: Put) -> None:
        await self._sftps[folder.login].put(folder.path, name, content, how=how, marker=self._settings.marker)

    def _update_folder(self, update: OrderUpdate) -> Folder:
        if update.kind is UpdateKind.CANCELLATION and update.in_answer:
            return self._settings.folder("cancellation_acknowledgement")
        return self._settings.folder(_SENT_TO[update.kind])

    async def _whole(
        self, inbox: Inbox, place: Folder, prefix: str, read: Callable[[bytes], T], now: datetime | None = None
    ) -> AsyncGenerator[Delivery[T], None]:
        """Every file of a kind that is not kept yet and is there whole; with `now`, but those just written."""
        sftp = self._sftps[place.login]
        listed = await sftp.list(place.path)
        wait = self._settings.wait_for_marker
        whole = self._marked(listed, lambda name: name.startswith(prefix) and name.endswith(".txt"), wait=wait)
        if not wait:
            # One that is moved away while it is still being written would never be whole.
            before = self._stood.get((place.path, prefix), frozenset())
            self._stood[place.path, prefix] = frozenset(whole)
            whole = [file for file in whole if file in before]
        if now is not None:
            whole = [file for file in whole if not file.may_change_unseen(now)]
        unread = await inbox.unread(whole, cleared=self._settings.after_keeping != "leave")
        async with aclosing(sftp.read_many(unread, limit=_LONGEST_ORDER)) as fetched:
            async for file, outcome in fetched:
                if isinstance(outcome, FileGone):
                    continue
                content, body = _read(outcome, read)
                yield Delivery(file, content, body)

    @property
    def _how_updates_go(self) -> Put:
        return Put.MARKER if self._settings.updates.marker else Put.AT_ONCE

    def _marked(self, listed: Sequence[RemoteFile], wanted: Callable[[str], bool], *, wait: bool) -> list[RemoteFile]:
        """The wanted files; where we are to wait for markers, those beside which one stands."""
        names = {file.name for file in listed}
        found = [file for file in listed if wanted(file.name)]
        return [file for file in found if f"{file.name}{self._settings.marker}" in names] if wait else found

    def _read_order(self, content: bytes) -> Order:
        settings = self._settings
        unit_price = UnitPrice(settings.unit_price_column, settings.currency)
        return read_order(content, zone=settings.zone, city_column=settings.city_column, unit_price=unit_price)

    def _read_request(self, content: bytes) -> CancellationRequest:
        return read_cancellation(content, reason_columns=self._settings.cancellations.reason_columns)

    async def _has_error(self, update: OrderUpdate) -> bool:
        return any(
            reported_update(file.name) == update.name
            for _, listed in await self._listed_errors()
            for file in listed
            if file.name.endswith(".err")
        )

    async def _listed_errors(self) -> list[tuple[Folder, list[RemoteFile]]]:
        """The files of every error folder that is there; raises Refused when none of them is."""
        listed = []
        refused = Refused("no folder is configured for the errors of updates")
        for folder in self._settings.update_error_folders:
            try:
                listed.append((folder, await self._sftps[folder.login].list(folder.path)))
            except Refused as error:
                # Where John Lewis puts them is not known (Edge section 7): one of the guesses may be missing.
                refused = error
        if not listed:
            raise refused
        return listed


def _chunks(sftp: Sftp, file: RemoteFile) -> Callable[[], AsyncIterator[bytes]]:
    return lambda: sftp.stream(file, limit=_LONGEST_REPORT)


def _read(outcome: Fetched, read: Callable[[bytes], T]) -> tuple[bytes, tuple[T | Unreadable, ...] | Unreadable]:
    """The bytes of a fetched file and what they say; a file that could not be fetched has none."""
    if not isinstance(outcome, bytes):
        return b"", Unreadable(str(outcome))
    body = read_or_say_why(partial(read, outcome))
    return outcome, body if isinstance(body, Unreadable) else (body,)


_: type[Marketplace] = Edge
