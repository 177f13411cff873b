"""One account's way into La Redoute: which message goes where, and what an answer means for what was sent."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

from daemon.errors import DaemonError, MarketplaceError, Refused, TransportError, Unconfirmed, Unreachable, Unreadable
from daemon.marketplaces import Check, FeedFile, Inbox, Marketplace, Report, Spool
from daemon.marketplaces.logins import sftp_login
from daemon.marketplaces.reading import read_or_say_why
from daemon.marketplaces.sellr import checks, envelopes, items, offers, orders, reports, xmlread
from daemon.marketplaces.sellr.settings import SellrSettings
from daemon.marketplaces.sellr.wire import utc
from daemon.marketplaces.sellr.xmlread import Node
from daemon.model import (
    AnswerLine,
    CancellationRequest,
    Delivery,
    Feed,
    FeedKind,
    Order,
    OrderUpdate,
    RemoteFile,
    UpdateAnswer,
    Whereabouts,
)
from daemon.transports.http import Body, HttpClient, Reply
from daemon.transports.sftp import FileGone, Sftp

#: the folder that stands for replies of the HTTP service (daemon.model.RemoteFile)
REPLY_FOLDER = "reply"

# Bounds on what is held in memory at once: a reply to a send says little, orders of a fortnight may be many.
_SHORT_REPLY = 4 << 20
_ORDERS = 64 << 20
_REPORT = 2 << 30

T = TypeVar("T")


class Sellr:
    """One account at La Redoute (the seam's Marketplace). Nothing is connected before it is needed.

    `host_keys` are keys of the SFTP server pinned elsewhere than in the settings, alone or by the place of their login
    (`SellrSettings.sftp_logins`); those and the settings' own are accepted.
    """

    def __init__(self, settings: SellrSettings, *, host_keys: Mapping[str, Sequence[str]] | Sequence[str] = ()) -> None:
        self._settings = settings
        pinned = host_keys.get("sftp", ()) if isinstance(host_keys, Mapping) else host_keys
        self._http = HttpClient(user=settings.login.user, password=settings.login.password.reveal())
        self._sftp = Sftp(sftp_login(settings.sftp, pinned))

    def feed_name(self, feed: Feed) -> str:
        """`<vendorId>.<FlowName>.<FlowVersion>.<yyyy-MM-dd-HH-mm-ss>.xml`, in UTC (A7); for items the name is ours."""
        flow = self._settings.offers if feed.kind is FeedKind.OFFER else self._settings.items
        stamp = f"{utc(feed.opened_at):%Y-%m-%d-%H-%M-%S}"
        return f"{self._settings.vendor_id}.{flow.flow_name}.{flow.flow_version}.{stamp}.xml"

    def write_feed(self, feed: Feed) -> FeedFile:
        """The item file (A4) or the offer file (A5)."""
        if feed.kind is FeedKind.OFFER:
            return offers.SellerOfferRequest(self._settings, feed)
        return items.VendorItems(self._settings)

    async def send_feed(self, feed: Feed, spool: Spool) -> str:
        """Send the file in its envelope; returns the BatchId of the reply, empty where it gives none."""
        settings = self._settings
        if feed.kind is FeedKind.OFFER:
            message = envelopes.with_plain_file(feed.name, offers.ACTION, offers.request(settings, feed), spool)
            url, action, deadline = settings.urls.offers, offers.ACTION, settings.offers.deadline
            read: Callable[[Node], str] = offers.read_reply
        else:
            root = items.request(settings.tokens.create_items.reveal())
            message = envelopes.with_base64_file(feed.name, root, spool)
            url, action, deadline = settings.urls.items, items.ACTION, settings.items.deadline
            read = items.read_reply
        headers = {"content-type": message.content_type, "soapaction": f'"{action}"'}
        body = Body(message.length, message.chunks)
        return await self._send(url, headers, body, deadline.total_seconds(), read)

    async def reports(self, inbox: Inbox) -> AsyncGenerator[Report, None]:
        """Every report that is not kept yet, oldest name first (L17)."""
        globs = self._settings.report.globs
        listed = await self._sftp.list(self._settings.folders.reports)
        wanted = [file for file in listed if any(fnmatchcase(file.name.lower(), glob.lower()) for glob in globs)]
        for file in await inbox.unread(sorted(wanted, key=_by_name), cleared=self._clears):
            yield Report(file, self._chunks(file))

    def _chunks(self, file: RemoteFile) -> Callable[[], AsyncIterator[bytes]]:
        return lambda: self._sftp.stream(file, limit=_REPORT)

    def read_report(self, file: RemoteFile, chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[AnswerLine], None]:
        """The lines of a kept report, CSV or XML (L17)."""
        return reports.read_report(self._settings, file, chunks)

    async def orders(self, inbox: Inbox, since: datetime, now: datetime) -> AsyncGenerator[Delivery[Order], None]:
        """Ask for the orders of the period, and read where the account says that answers come (`orders.source`, A9.3).

        Requests go by API whatever the source is (L1). When asking fails, the files are read all the same, and the
        failure is raised at the end.
        """
        failed: DaemonError | None = None
        source = self._settings.orders.source
        try:
            asked = await self._retrieve(since, now)
            read = self._read(asked)
        except DaemonError as error:
            failed = error
        else:
            if source != "sftp" and read:
                yield Delivery(RemoteFile(REPLY_FOLDER, "RetrieveByStatus", len(asked.body)), asked.body, read)
        if source != "reply":
            async with aclosing(self._order_files(inbox, now)) as deliveries:
                async for delivery in deliveries:
                    yield delivery
        if failed is not None:
            raise failed

    async def _order_files(self, inbox: Inbox, now: datetime) -> AsyncGenerator[Delivery[Order], None]:
        failed: MarketplaceError | None = None
        listed = await self._sftp.list(self._settings.folders.orders)
        listed = [file for file in listed if not file.may_change_unseen(now)]
        unread = await inbox.unread(sorted(listed, key=_by_name), cleared=self._clears)
        async with aclosing(self._sftp.read_many(unread, limit=_ORDERS)) as fetched:
            async for file, content in fetched:
                if isinstance(content, bytes):
                    yield Delivery(file, content, self._read_file(content))
                elif file.size > _ORDERS:
                    yield Delivery(file, b"", Unreadable(f"longer than the {_ORDERS} bytes that are read"))
                elif not isinstance(content, FileGone):
                    # Still being written, or not ours to read: it stays there for the next turn, and is told.
                    failed = failed or content
        if failed is not None:
            raise failed

    def _read_file(self, content: bytes) -> tuple[Order | Unreadable, ...] | Unreadable:
        try:
            return self._read(Reply(200, {}, content))
        except Refused as error:
            return Unreadable(f"holds a fault instead of orders: {error}")

    def _read(self, reply: Reply) -> tuple[Order | Unreadable, ...] | Unreadable:
        """What a retrieval gave; raises Refused where that is a fault."""
        return read_or_say_why(lambda: orders.read_orders(self._settings, _root(reply)))

    def read_orders(self, file: RemoteFile, content: bytes) -> tuple[Order | Unreadable, ...] | Unreadable:  # noqa: ARG002
        """The orders of a file or reply that is kept."""
        return self._read_file(content)

    def read_claims(self, file: RemoteFile, content: bytes) -> None:
        """None: La Redoute asks for nothing."""

    def read_update_answer(
        self,
        file: RemoteFile,  # noqa: ARG002
        content: bytes,  # noqa: ARG002
    ) -> tuple[UpdateAnswer | Unreadable, ...] | Unreadable:
        """None are kept: an update is answered in the reply."""
        return Unreadable("an update is answered in the reply here")

    async def claims(self, inbox: Inbox) -> AsyncGenerator[Delivery[CancellationRequest], None]:  # noqa: ARG002
        """None: La Redoute asks for nothing, it moves the lines itself (L12)."""
        nothing: tuple[Delivery[CancellationRequest], ...] = ()
        for each in nothing:
            yield each

    def update_name(self, update: OrderUpdate) -> str:
        """`order-update-` and 20 digits of UTC, down to the microsecond."""
        return f"order-update-{utc(update.created_at):%Y%m%d%H%M%S%f}"

    def write_update(self, update: OrderUpdate) -> bytes:
        """The UpdateRequest, without its key (A6)."""
        return orders.write_update(self._settings, update)

    async def send_update(self, update: OrderUpdate, content: bytes) -> None:  # noqa: ARG002 - the name is not told
        """Send an update; the reply is the answer."""
        request = orders.with_key(content, self._settings.tokens.update_orders.reveal())
        deadline = self._settings.orders.deadline.total_seconds()
        await self._send(self._settings.urls.orders, _soap_11(orders.UPDATE), request, deadline, orders.read_reply)

    async def find_update(self, update: OrderUpdate) -> Whereabouts:
        """Ask for the order, and judge by the states of its lines."""
        # The marketplace goes by when the order was placed; a refund may come long after that.
        since = update.created_at - self._settings.open_order_lookback
        reply = await self._retrieve(since, update.created_at + self._settings.order_lookback)
        read = self._read(reply)
        return Whereabouts.UNKNOWN if isinstance(read, Unreadable) else orders.whereabouts(update, read)

    async def update_answers(self, inbox: Inbox) -> AsyncGenerator[Delivery[UpdateAnswer], None]:  # noqa: ARG002
        """None: an update is answered in the reply."""
        nothing: tuple[Delivery[UpdateAnswer], ...] = ()
        for delivery in nothing:
            yield delivery

    async def confirm(self, file: RemoteFile) -> None:
        """Leave the file, move it to the archive folder or delete it (`after_keeping`, L17)."""
        if file.folder == REPLY_FOLDER:
            return
        if self._settings.after_keeping == "archive":
            await self._sftp.move(file.folder, file.name, self._settings.folders.archive, beside=True)
        elif self._settings.after_keeping == "delete":
            await self._sftp.remove(file.folder, file.name)

    @property
    def _clears(self) -> bool:
        """Whether a confirmed file is gone from its folder."""
        return self._settings.after_keeping != "leave"

    def checks(self, now: datetime) -> Sequence[Check]:
        """The version of the injection service, orders of an empty period, and a listing of each folder in use."""
        login = ("login.user", "login.password")
        folders = ["reports"]
        if self._settings.orders.source != "reply":
            folders.append("orders")
        if self._settings.after_keeping == "archive":
            folders.append("archive")
        return [
            Check("injection service", "http", (*login, "urls.offers"), self._version),
            Check(
                "orders service", "http", (*login, "tokens.read_orders", "urls.orders"), partial(self._no_orders, now)
            ),
            *(
                Check(f"SFTP folder {key}", "sftp", ("sftp", f"folders.{key}"), partial(self._listed, key))
                for key in folders
            ),
            Check("token create_items", "http", ("tokens.create_items",), note="only an item feed shows it: a write"),
            Check("token update_orders", "http", ("tokens.update_orders",), note="only an update shows it: a write"),
            Check("vendor_id", "http", ("vendor_id",), note="only a feed shows that it belongs to this login: a write"),
        ]

    async def _version(self) -> str:
        headers = {
            "content-type": f'application/soap+xml; charset=UTF-8; action="{checks.VERSION}"',
            "soapaction": f'"{checks.VERSION}"',
        }
        reply = await self._http.post(
            self._settings.urls.offers,
            headers=headers,
            body=checks.version_request(),
            deadline=self._settings.orders.deadline.total_seconds(),
            limit=_SHORT_REPLY,
        )
        _judge(reply, Unreachable)
        return f"answers as version {checks.read_version(_root(reply))}"

    async def _no_orders(self, now: datetime) -> str:
        """Ask for the orders of a period that has no length: the token is looked at, and nothing is handed out."""
        read = self._read(await self._retrieve(now, now))
        if isinstance(read, Unreadable):
            raise read
        return "answers, and takes the token"

    async def _listed(self, key: str) -> str:
        folder = getattr(self._settings.folders, key)
        return f"{folder} holds {len(await self._sftp.list(folder))} files"

    async def aclose(self) -> None:
        """End the connections at once."""
        try:
            await self._sftp.aclose()
        finally:
            await self._http.aclose()

    async def _retrieve(self, since: datetime, until: datetime) -> Reply:
        """Ask for orders; a reply that is no success is Refused, or Unreachable where it says nothing."""
        request = orders.retrieve(self._settings, since, until)
        reply = await self._http.post(
            self._settings.urls.orders,
            headers=_soap_11(orders.RETRIEVE),
            body=orders.with_key(request, self._settings.tokens.read_orders.reveal()),
            deadline=self._settings.orders.deadline.total_seconds(),
            limit=_ORDERS,
        )
        # Nothing is changed by asking: whatever became of the request, it may be forgotten.
        _judge(reply, Unreachable)
        return reply

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes | Body, deadline: float, read: Callable[[Node], T]
    ) -> T:
        """Send what changes something there: an answer that cannot be read leaves open whether it was taken."""
        try:
            reply = await self._http.post(url, headers=headers, body=body, deadline=deadline, limit=_SHORT_REPLY)
            _judge(reply, Unconfirmed)
            return read(_root(reply))
        except Unreadable as error:
            raise Unconfirmed(f"sent, but the reply cannot be understood: {error}") from error


def _judge(reply: Reply, silent: type[TransportError]) -> None:
    """Raise what a reply without success means: Refused with its fault or for a 4xx, `silent` for another 5xx."""
    if 200 <= reply.status < 300:
        return
    try:
        told = envelopes.fault(_root(reply))
    except Unreadable:
        told = None
    if told is not None:
        raise Refused(told.text, told.code)
    if 400 <= reply.status < 500:
        raise Refused(f"turned down with status {reply.status} and no fault that can be read", str(reply.status))
    raise silent(f"answered with status {reply.status} and no fault that can be read")


def _root(reply: Reply) -> Node:
    return xmlread.read(envelopes.root_part(reply.headers.get("content-type", ""), reply.body))


def _soap_11(action: str) -> dict[str, str]:
    return {"content-type": "text/xml; charset=UTF-8", "soapaction": f'"{action}"'}


def _by_name(file: RemoteFile) -> str:
    return file.name


_: type[Marketplace] = Sellr
