"""The gate of the web: who asks, whether they may, from where, and the audit trail of everything they change.

Nothing is reachable that is not let through here, so that a route that is added is guarded from its first day: reading
wants the right to read, changing the right to operate, and what is listed below more or less than that.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal, Protocol
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.config import Config, ProxyTable, WebTable
from daemon.errors import StoreError
from daemon.model import Moment
from daemon.store import Store
from daemon.store.audit import Action, AuditId, Outcome
from daemon.store.users import EVERY_RIGHT, Right, Role, rights_of
from daemon.web.caller import SCOPE, Caller
from daemon.web.problems import BY_STATUS, problem
from daemon.web.serve import user_name

#: the key of what the audit trail says of a request, in its scope
NOTE = "sellerd.note"

Door = Literal["socket", "here", "web"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: whoever reaches the port may ask these
_OPEN = frozenset({"/livez", "/readyz", "/healthz", "/login"})
_OPEN_FOLDER = "/static/"
#: asked by whoever watches over machines, by whatever name they know them
_ANY_HOST = frozenset({"/livez", "/readyz"})
#: one's own business: being signed in is enough
_OWN = ("/logout", "/account")
#: reading these wants the right to operate, for they tell what others do and how the daemon is set up
_OPERATORS_READ = ("/audit", "/system", "/api/v1/audit")
_ADMINS = ("/api/v1/backups", "/api/v1/users", "/api/v1/tokens", "/api/v1/reload", "/users", "/tokens", "/system")

_NOBODY = Caller("nobody", "none", "", frozenset())
#: forms of who has no session are marked with this, so they end with the process
_KEY = secrets.token_bytes(32)

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guarded(Protocol):
    """What the gate asks of the daemon."""

    @property
    def store(self) -> Store:
        """The open database."""
        ...

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        ...


@dataclass(slots=True)
class Note:
    """What the audit trail says of one request; whoever answers it may say more than the status does."""

    entry: AuditId
    outcome: Outcome | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Peer:
    """From where a request comes, and whether by TLS; `vouched` is whom a trusted proxy says it has signed in."""

    address: str
    https: bool
    vouched: str = ""


class Access:
    """Lets requests through to `app`, or answers them itself."""

    def __init__(self, app: ASGIApp, daemon: Guarded, clocks: Callable[[], Moment], door: Door) -> None:
        self._app = app
        self._daemon = daemon
        self._clocks = clocks
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        peer = self._peer(request)
        scope["scheme"] = "https" if peer.https else "http"
        told = _Telling(send, https=peer.https, static=_is_open_file(request.url.path))
        entry = None
        try:
            refusal = await self._judge(request, peer)
            if refusal is None and _is_an_action(request) and not self._is_open(request.url.path):
                entry = await self._begin(request, scope[SCOPE])
        except StoreError as error:
            refusal = _problem(503, str(error))
        if refusal is not None:
            await refusal(scope, receive, told)
        elif entry is None:
            await self._app(scope, receive, told)
        else:
            await self._audited(request, entry, receive, told)

    # Who asks

    def _peer(self, request: Request) -> _Peer:
        client = request.client.host if request.client else ""
        proxy = self._web.proxy
        if self._door != "web" or proxy is None or not _is_one_of(client, proxy.addresses):
            return _Peer(client, https=False)
        headers = request.headers
        # The last one is what the proxy has seen itself; those before it are hearsay.
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        vouched = headers.getlist(proxy.user_header) if proxy.user_header else []
        return _Peer(
            _plain_address(forwarded) or client,
            https=headers.get("x-forwarded-proto", "").strip().lower() == "https",
            vouched=vouched[0].strip() if len(vouched) == 1 else "",
        )

    @property
    def _web(self) -> WebTable:
        return self._daemon.config.web

    async def _caller(self, request: Request, peer: _Peer) -> Caller | None:
        """Who asks, None where nobody has signed in."""
        if self._door == "socket":
            return Caller(peer.address or user_name(os.getuid()), "socket", "", EVERY_RIGHT)
        if self._door == "here":
            return Caller(user_name(os.getuid()), "here", "", EVERY_RIGHT)
        if "authorization" in request.headers:
            return await self._by_token(request.headers["authorization"], peer)
        if peer.vouched and self._web.proxy is not None:
            return await self._by_proxy(peer, self._web.proxy)
        if self._web.auth == "none":
            return Caller("anybody", "none", peer.address, EVERY_RIGHT)
        return await self._by_session(request, peer)

    async def _by_token(self, authorization: str, peer: _Peer) -> Caller | None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = await self._daemon.store.tokens.find(text.strip(), self._clocks().at)
        return Caller(token.name, "token", peer.address, token.rights) if token else None

    async def _by_proxy(self, peer: _Peer, proxy: ProxyTable) -> Caller:
        user = await self._daemon.store.users.find(peer.vouched)
        rights = user.rights if user else rights_of(Role(proxy.role), personal=proxy.personal)
        return Caller(peer.vouched, "proxy", peer.address, rights)

    async def _by_session(self, request: Request, peer: _Peer) -> Caller | None:
        token = request.cookies.get(cookie_name(https=peer.https))
        if not token:
            return None
        user = await self._daemon.store.sessions.find(
            token,
            self._clocks().at,
            idle=self._web.session_idle,
            lifetime=self._web.session_lifetime,
            # A page that refreshes itself is nobody at work.
            touch="x-live" not in request.headers,
        )
        return Caller(user.name, "session", peer.address, user.rights, token) if user else None

    # Whether they may

    async def _judge(self, request: Request, peer: _Peer) -> Response | None:
        """The answer to whoever may not ask this; None when they may, and then the caller stands in the scope."""
        path = request.url.path
        if self._door == "web" and path not in _ANY_HOST and not self._is_our_host(request.headers.get("host", "")):
            return PlainTextResponse("this is not the address of sellerd; see web.hosts in its configuration\n", 400)
        if self._door == "web" and _crosses_sites(request):
            return _problem(403, "another site has sent this; open the page of sellerd itself")
        if self._is_open(path):
            request.scope[SCOPE] = Caller(_NOBODY.name, "none", peer.address, frozenset())
            return None
        caller = await self._caller(request, peer)
        if caller is None:
            return _challenge(request)
        request.scope[SCOPE] = caller
        wanted = right_wanted(request.method, path)
        if wanted is not None and not caller.may(wanted):
            return await self._refuse(request, caller, wanted)
        if _lacks_mark(request, caller):
            return _problem(403, "a browser must send x-csrf-token with this; see docs/web.md")
        return None

    def _is_open(self, path: str) -> bool:
        if path in _OPEN or path.startswith(_OPEN_FOLDER):
            return True
        return path == "/metrics" and (self._door != "web" or self._web.metrics_open)

    def _is_our_host(self, host: str) -> bool:
        # A name can be made to point anywhere by whoever owns it (DNS rebinding); an address cannot.
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.removeprefix("[").removesuffix("]").lower()
        try:
            ip_address(name)
        except ValueError:
            return name == "localhost" or name in self._web.hosts
        return True

    async def _refuse(self, request: Request, caller: Caller, wanted: Right) -> Response:
        detail = f"{caller.name} may not do this: it wants the right to {wanted}"
        if request.method not in _SAFE:
            entry = await self._begin(request, caller)
            await self._daemon.store.audit.end(
                entry, "", "refused", self._clocks().at, f"without the right to {wanted}"
            )
        if _wants_a_page(request):
            return PlainTextResponse(f"{detail}\n", 403)
        return _problem(403, detail)

    # What they did

    async def _begin(self, request: Request, caller: Caller) -> AuditId:
        action = Action(caller.name, caller.how, caller.address, request.url.path)
        now = self._clocks().at
        return await self._daemon.store.audit.begin(action, now, forget_before=now - self._web.audit_retention)

    async def _audited(self, request: Request, entry: AuditId, receive: Receive, told: "_Telling") -> None:
        note = request.scope[NOTE] = Note(entry)

        async def end(status: int) -> None:
            outcome = note.outcome or _outcome(status)
            name = _name_of(request.scope.get("endpoint"))
            # A database that has failed ends the daemon, and this stays `begun`: nobody knows what came of it.
            with suppress(StoreError):
                await self._daemon.store.audit.end(entry, name, outcome, self._clocks().at, note.detail)

        # Whoever has the answer finds it in the trail already.
        told.before = end
        try:
            await self._app(request.scope, receive, told)
        except BaseException:
            note.outcome = "failed"
            await end(500)
            raise


class _Telling:
    """Passes the answer on with the headers that keep browsers careful; `before` is done with its status first."""

    def __init__(self, send: Send, *, https: bool, static: bool) -> None:
        self._send = send
        self._https = https
        self._static = static
        self.before: Callable[[int], Awaitable[None]] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.before is not None:
                await self.before(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "public, max-age=3600" if self._static else "no-store")
            if self._https:
                headers.setdefault("strict-transport-security", "max-age=31536000")
        await self._send(message)


def right_wanted(method: str, path: str) -> Right | None:
    """What asking this takes; None where being signed in is enough."""
    if _is_under(path, _OWN):
        return None
    if path == "/metrics":
        return Right.METRICS
    if method in _SAFE:
        if _is_under(path, _OPERATORS_READ):
            return Right.OPERATE
        return Right.ADMINISTER if _is_under(path, _ADMINS) else Right.READ
    return Right.ADMINISTER if _is_under(path, _ADMINS) else Right.OPERATE


def mark_of(caller: Caller) -> str:
    """What forms and scripts of this caller's own pages send along, and no other site can know."""
    if caller.session:
        return hashlib.sha256(f"form {caller.session}".encode()).hexdigest()
    return hmac.new(_KEY, f"{caller.how} {caller.name}".encode(), "sha256").hexdigest()


def is_mark_of(caller: Caller, mark: str) -> bool:
    """Whether a form was made for this caller."""
    return hmac.compare_digest(mark_of(caller).encode(), mark.encode())


def cookie_name(*, https: bool) -> str:
    """The name of the session's cookie; behind TLS one that a browser takes from this very host by TLS alone."""
    return "__Host-sellerd" if https else "sellerd"


def note_of(request: Request) -> Note:
    """What the audit trail will say of this request."""
    note: Note = request.scope[NOTE]
    return note


def remark(scope: Mapping[str, Any], detail: str) -> None:
    """Let the audit trail say why something was refused, where there is an entry for it."""
    note = scope.get(NOTE)
    if isinstance(note, Note) and not note.detail:
        note.detail = detail


def _is_under(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _is_an_action(request: Request) -> bool:
    """Whether the audit trail has it: whatever changes something, and customers' data that leave as a whole."""
    return request.method not in _SAFE or "/orders-export" in request.url.path or "/order-export/" in request.url.path


def _is_open_file(path: str) -> bool:
    return path.startswith(_OPEN_FOLDER)


def _is_one_of(client: str, addresses: tuple[str, ...]) -> bool:
    return _plain_address(client) in addresses


def _plain_address(text: str) -> str:
    """An IP address in its plain form, one that is mapped into IPv6 as what it is; empty for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _crosses_sites(request: Request) -> bool:
    """Whether a browser says that another site makes it change something."""
    if request.method in _SAFE:
        return False
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host", "")


def _lacks_mark(request: Request, caller: Caller) -> bool:
    """Whether REST is changed by a browser's session without the mark; forms carry theirs in the body (pages)."""
    if request.method in _SAFE or caller.how not in ("session", "proxy") or not request.url.path.startswith("/api/"):
        return False
    return not is_mark_of(caller, request.headers.get("x-csrf-token", ""))


def _wants_a_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _challenge(request: Request) -> Response:
    """Ask who it is: a browser by the page for it, a program by status 401."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    place = f"/login?next={quote(back, safe='')}" if request.method in _SAFE else "/login"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    if _wants_a_page(request):
        return RedirectResponse(place, 303)
    reply = _problem(401, "send a token: Authorization: Bearer sellerd_… (sellerd tokens create)")
    reply.headers["www-authenticate"] = 'Bearer realm="sellerd"'
    return reply


def _problem(status: int, detail: str) -> Response:
    return problem(status, BY_STATUS[status], detail)


def _outcome(status: int) -> Outcome:
    if status >= 500:
        return "failed"
    return "refused" if status >= 400 else "done"


def _name_of(endpoint: object) -> str:
    """A route's function as the audit trail calls it: orders.accept."""
    module, name = getattr(endpoint, "__module__", ""), getattr(endpoint, "__name__", "")
    return f"{module.rpartition('.')[2]}.{name}" if name else ""
