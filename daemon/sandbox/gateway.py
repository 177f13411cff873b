"""La Redoute's three services over HTTP: items, file injection and orders (Sell-R A2, A3, A6)."""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from daemon.sandbox import offers, orders
from daemon.sandbox.clock import Moment
from daemon.sandbox.items import read_items
from daemon.sandbox.laredoute import FeedKind, LaRedoute
from daemon.sandbox.soap import MEDIA_TYPES, SOAP_11, SOAP_12, Message, read_message, write_envelope, write_fault
from daemon.sandbox.strict import Mistake, Node, WrongKey

ITEMS_PATH = "/seller/items"
OFFERS_PATH = "/Redcats/File/ESB-TIBCO/File/1.0"
ORDERS_PATH = "/prod/seller/orders/1.2"
ITEMS_ACTION = "http://RedouteFrance/seller/items/1.1"
RETRIEVE_ACTION = "NewOrdersService.RetrieveByStatusRequest"
UPDATE_ACTION = "NewOrdersService.UpdateRequest"

CutLine = Callable[[Scope], None]


@dataclass(frozen=True, slots=True)
class _Taken:
    """How a request with a feed ended."""

    reply: Response
    outcome: str = "accepted"
    batch_id: str = ""
    file_name: str = ""
    size: int = 0
    #: the file that it carried
    content: bytes = b""


class _NoReply(Response):
    """Ends the connection without a byte of reply."""

    def __init__(self, cut_line: CutLine) -> None:
        super().__init__()
        self._cut_line = cut_line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the shape of a reply
        self._cut_line(scope)
        while (await receive())["type"] != "http.disconnect":
            pass


class Gateway:
    """The routes of one La Redoute; `cut_line` ends the connection of a request at once."""

    def __init__(self, laredoute: LaRedoute, cut_line: CutLine) -> None:
        self._laredoute = laredoute
        self._settings = laredoute.settings
        self._cut_line = cut_line
        self.routes = [
            Route(ITEMS_PATH, self._items, methods=["POST"]),
            Route(OFFERS_PATH, self._files, methods=["POST"]),
            Route(ORDERS_PATH, self._orders, methods=["POST"]),
        ]

    async def _items(self, request: Request) -> Response:
        return await self._feed(request, "items", self._take_items)

    async def _files(self, request: Request) -> Response:
        return await self._feed(request, "offers", self._take_file)

    async def _feed(
        self, request: Request, kind: FeedKind, take: Callable[[Mapping[str, str], bytes], Awaitable[_Taken | Response]]
    ) -> Response:
        """Serve a request that brings a feed, with the faults asked for, and note its times."""
        started = Moment.now()
        content = await request.body()
        if not self._logged_in(request):
            return _not_logged_in()
        if spoiled := self._spoil(kind, applied=False):
            self._laredoute.arrived(kind, started, "cut" if isinstance(spoiled, _NoReply) else "failed", "", "", 0, b"")
            return spoiled
        taken = await take(request.headers, content)
        if isinstance(taken, Response):
            return taken
        self._laredoute.arrived(
            *(kind, started, taken.outcome, taken.batch_id, taken.file_name, taken.size, taken.content)
        )
        return self._spoil(kind, applied=True) or taken.reply

    async def _take_items(self, headers: Mapping[str, str], content: bytes) -> _Taken:
        try:
            message = await anyio.to_thread.run_sync(read_message, headers, content, SOAP_11)
            attached = _items_file(message, self._settings.items_key)
            items = await anyio.to_thread.run_sync(read_items, attached, self._settings.vendor_id)
        except WrongKey as error:
            return _Taken(_reply(SOAP_11, write_fault(SOAP_11, str(error)), 403), "refused")
        except Mistake as mistake:
            return _Taken(_reply(SOAP_11, write_fault(SOAP_11, str(mistake)), 500), "refused")
        batch_id = self._laredoute.take_items(items)
        response = Element(f"{{{ITEMS_ACTION}}}injectItemsResponse")
        SubElement(response, "BatchId").text = batch_id
        return _Taken(
            _reply(SOAP_11, write_envelope(SOAP_11, response)), batch_id=batch_id, size=len(items), content=attached
        )

    async def _take_file(self, headers: Mapping[str, str], content: bytes) -> _Taken | Response:
        try:
            message = await anyio.to_thread.run_sync(read_message, headers, content, SOAP_12)
            element = _only(message, "InjectFile_1.0", "GetVersion_1.0")
            if message.action == "InjectFile_1.0":
                return await self._inject(message, element)
            offers.read_version_request(element)
            return _reply(SOAP_12, write_envelope(SOAP_12, offers.write_version()))
        except offers.Turned as turned:
            return _Taken(_reply(SOAP_12, write_envelope(SOAP_12, offers.write_turned(turned))), "refused")
        except Mistake as mistake:
            detail = offers.write_fault_detail(str(mistake))
            return _Taken(_reply(SOAP_12, write_fault(SOAP_12, str(mistake), detail=detail), 400), "refused")

    async def _inject(self, message: Message, element: Element) -> _Taken:
        vendor_id = self._settings.vendor_id
        injection = offers.read_injection(element, vendor_id)
        read = await anyio.to_thread.run_sync(offers.read_attached, message.attachment, injection, vendor_id)
        batch_id = self._laredoute.take_offers(injection, read)
        content = message.attachment.content if message.attachment is not None else b""
        reply = _reply(SOAP_12, write_envelope(SOAP_12, offers.write_injected(batch_id)))
        return _Taken(reply, "accepted", batch_id, injection.file_name, len(read), content)

    async def _orders(self, request: Request) -> Response:
        content = await request.body()
        if not self._logged_in(request):
            return _not_logged_in()
        try:
            message = read_message(request.headers, content, SOAP_11)
            element = _only(message, RETRIEVE_ACTION, UPDATE_ACTION)
        except Mistake as mistake:
            return _reply(SOAP_11, write_fault(SOAP_11, str(mistake)), 500)
        if message.action == UPDATE_ACTION:
            self._laredoute.asked_to_update(content)
        on, serve = ("update", self._update) if message.action == UPDATE_ACTION else ("retrieve", self._retrieve)
        if spoiled := self._spoil(on, applied=False):
            return spoiled
        try:
            response = serve(element)
        except WrongKey as error:
            return _reply(SOAP_11, write_fault(SOAP_11, str(error)), 403)
        except Mistake as mistake:
            return _reply(SOAP_11, write_envelope(SOAP_11, orders.write_inject_fault("ORDER", str(mistake))))
        return self._spoil(on, applied=True) or _reply(SOAP_11, write_envelope(SOAP_11, response))

    def _retrieve(self, element: Element) -> Element:
        retrieval = orders.read_retrieval(element, self._settings.read_orders_key)
        return orders.write_orders(self._laredoute.retrieve(retrieval))

    def _update(self, element: Element) -> Element:
        moves = orders.read_update(element, self._settings.update_orders_key, self._settings.tracking)
        self._laredoute.update(moves)
        return orders.write_updated()

    def _logged_in(self, request: Request) -> bool:
        """Check HTTP Basic, unless a fault refuses the login."""
        if self._laredoute.faults.take("refuse_login", where="http"):
            return False
        login = self._settings.http
        right = b"Basic " + base64.b64encode(f"{login.user}:{login.password}".encode())
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), right)

    def _spoil(self, on: str, *, applied: bool) -> Response | None:
        """Give the reply that a fault asks for at this point of a request, if one does."""
        faults = self._laredoute.faults
        if faults.take("cut_connection", on=on, after_apply=applied):
            return _NoReply(self._cut_line)
        if faults.take("answer_500", on=on, after_apply=applied):
            return PlainTextResponse("Internal Server Error", 500)
        return None


def _items_file(message: Message, key: str) -> bytes:
    """Read the envelope of an item feed and give the attached file. Raises Mistake, WrongKey."""
    if message.action != ITEMS_ACTION:
        raise Mistake(f"the action {message.action} is unknown")
    body = [element for element in message.body if element.tag != "attachment" or len(element) or element.text]
    if [element.tag for element in body] != [f"{{{ITEMS_ACTION}}}injectItems"]:
        raise Mistake(f"the body must hold injectItems in {ITEMS_ACTION}, beside an empty attachment at most")
    with Node(body[0], "").with_attributes() as inject:
        if inject.value("api-key") != key:
            raise WrongKey("api-key not valid")
    file = message.attachment
    if file is None:
        raise Mistake("no attachment came")
    if (file.content_id, file.media_type, file.encoding) != ("<attachment>", "application/octet-stream", "base64"):
        raise Mistake("the attachment must be <attachment>, application/octet-stream, base64")
    return file.content


def _only(message: Message, *actions: str) -> Element:
    """Give the one child of the Body of a message whose action is known. Raises Mistake."""
    if message.action not in actions:
        raise Mistake(f"the action {message.action} is unknown")
    if len(message.body) != 1:
        raise Mistake(f"the Body has {len(message.body)} children; one is expected")
    return message.body[0]


def _reply(version: str, content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type=f"{MEDIA_TYPES[version]}; charset=utf-8")


def _not_logged_in() -> Response:
    return PlainTextResponse("Unauthorized", 401, headers={"WWW-Authenticate": 'Basic realm="Sell-R"'})
