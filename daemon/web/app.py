"""The one application: health, metrics, REST and pages, with the gate in front."""

from collections.abc import Callable

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from daemon.clock import read_clocks
from daemon.errors import DaemonError
from daemon.model import Moment
from daemon.web import health
from daemon.web.access import Door
from daemon.web.api import control_app
from daemon.web.api import problems as of_rest
from daemon.web.pages import (
    accounts,
    alerts,
    audit,
    claims,
    deliveries,
    feeds,
    guard,
    listings,
    orders,
    overview,
    signin,
    system,
)
from daemon.web.pages import problems as of_pages
from daemon.web.pages.page import Served, only_our_forms
from daemon.web.remembered import Remembered

#: pages that refresh themselves take at most a tenth of the database's time
_PATIENCE = 10.0

#: one module of pages per noun
_NOUNS = (overview, alerts, guard, accounts, listings, feeds, orders, claims, deliveries, audit, system, signin)


def whole_app(
    daemon: Served, door: Door, clocks: Callable[[], Moment] = read_clocks, patience: float = _PATIENCE
) -> FastAPI:
    """Everything that is served, for one way in to it; for `patience` see `Remembered`."""
    app = control_app(daemon, clocks, door)
    app.state.overview = Remembered(lambda: overview.figures(daemon.store, clocks()), patience)
    app.router.routes.extend(health.routes(daemon))
    pages = APIRouter(dependencies=[Depends(only_our_forms)], include_in_schema=False)
    for noun in _NOUNS:
        pages.include_router(noun.router)
    app.include_router(pages)
    app.mount("/static", StaticFiles(packages=[("daemon.web.pages", "static")]), name="static")
    for kind in (DaemonError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _tell)
    app.add_exception_handler(Exception, _tell_unforeseen)
    return app


async def _tell(request: Request, error: Exception) -> Response:
    """A problem, as a page where a page was asked for."""
    if request.url.path.startswith("/api/"):
        match error:
            case RequestValidationError():
                return await of_rest.tell_invalid(request, error)
            case HTTPException():
                return await of_rest.tell_http(request, error)
            case _:
                return await of_rest.tell_fault(request, error)
    return await of_pages.tell(request, error)


async def _tell_unforeseen(request: Request, error: Exception) -> Response:
    """An error that nobody expected; the log has it. Plain, for the page that could show it may be what failed."""
    if request.url.path.startswith("/api/"):
        return await of_rest.tell_unforeseen(request, error)
    return PlainTextResponse("sellerd failed at this; its log says why\n", 500)
