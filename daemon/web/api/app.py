"""The application of the REST interface: its routers, its limits and how its errors are told."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.clock import read_clocks
from daemon.errors import DaemonError
from daemon.model import Moment
from daemon.web.access import Access, Door
from daemon.web.api import (
    access,
    accounts,
    alerts,
    backups,
    bulk,
    claims,
    erasures,
    feeds,
    guard,
    imports,
    jobs,
    listings,
    order_changes,
    orders,
    problems,
    promotions,
    reference,
    site,
    states,
    stock,
    webhooks,
)
from daemon.web.api.asking import Control
from daemon.web.api.description import Described
from daemon.web.passwords import Passwords

#: bytes of one import file
LARGEST_IMPORT = 1 << 30

#: bytes of one stream of rows: a million listings with their descriptions
LARGEST_STREAM = 1 << 32

#: bytes of any other request
LARGEST_REQUEST = 1 << 20

#: one module of routes per noun, one a line
_NOUNS = (
    site,
    states,
    accounts,
    listings,
    stock,
    imports,
    bulk,
    promotions,
    reference,
    order_changes,
    orders,
    claims,
    feeds,
    jobs,
    alerts,
    guard,
    webhooks,
    backups,
    erasures,
    access,
)


def control_app(control: Control, clocks: Callable[[], Moment] = read_clocks, door: Door = "socket") -> FastAPI:
    """The application over one running daemon, or over what stands in for it when none runs.

    `door` is the way in to it: the control socket and the command line itself may do everything.
    """
    app = Described(
        title="sellerd",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            DaemonError: problems.tell_fault,
            HTTPException: problems.tell_http,
            RequestValidationError: problems.tell_invalid,
            ClientDisconnect: problems.tell_nobody,
            Exception: problems.tell_unforeseen,
        },
    )
    app.add_middleware(_Limit)
    # What is added last comes first: nothing is read of a request that may not be asked.
    app.add_middleware(Access, daemon=control, clocks=clocks, door=door)
    app.state.control = control
    app.state.clocks = clocks
    app.state.passwords = Passwords()
    # Two imports of one account at a time would each fill the columns that they lack from before the other.
    app.state.importing = {}
    for noun in _NOUNS:
        app.include_router(noun.router)
    return app


#: where files and streams are brought, which are spooled to the disk
_LARGER = {"/bulk/": LARGEST_STREAM, "/imports/": LARGEST_IMPORT, "/reference/": LARGEST_IMPORT}


class _Limit:
    """Ends a request whose body is longer than it may be, before it is held in memory; an import is, on disk."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        size, path = 0, scope.get("path", "")
        limit = next((most for part, most in _LARGER.items() if part in path), LARGEST_REQUEST)

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(413, f"the request is longer than {limit} bytes")
            return message

        await self._app(scope, counted, send)
