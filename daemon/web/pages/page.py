"""What every page has: who looks at it and when, its template, its forms, and how it tells what came of an action."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from daemon.errors import DaemonError, StoreError
from daemon.model import Moment
from daemon.store.users import Right
from daemon.web.access import is_mark_of, mark_of, note_of
from daemon.web.api.asking import Control, Now
from daemon.web.caller import Caller, TheCaller
from daemon.web.pages import charts, words
from daemon.web.state import Watched

R = TypeVar("R")

#: forms hold a few choices and one listing a row of a page
_MOST_FIELDS = 2_000
#: how long the outcome of an action is worth telling when its page is opened again
_NEWS_SECONDS = 300

_NAVIGATION = (
    ("/", "Overview"),
    ("/alerts", "Alerts"),
    ("/listings", "Listings"),
    ("/guard", "Guard"),
    ("/feeds", "Feeds"),
    ("/orders", "Orders"),
    ("/claims?state=open", "Claims"),
    ("/deliveries?state=set_aside", "Set aside"),
    ("/audit", "Audit"),
    ("/system", "System"),
)


#: what others do, and how the daemon is set up
_FOR_OPERATORS = ("/audit", "/system")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("daemon.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.globals |= {"charts": charts}
    return environment


_TEMPLATES = _environment()


class Served(Control, Watched, Protocol):
    """A daemon that is asked everything."""


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page."""

    request: Request
    caller: Caller
    control: Served
    now: Moment

    def may(self, right: str) -> bool:
        """Whether whoever looks may do that; templates leave out what he may not."""
        return self.caller.may(Right(right))

    async def show(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """The page made of a template."""
        news = await self._news()
        text = _TEMPLATES.get_template(template).render(
            page=self,
            here=self.request.url.path,
            navigation=[item for item in _NAVIGATION if item[0] not in _FOR_OPERATORS or self.may("operate")],
            now=self.now.at,
            zones={str(name): account.time_zone for name, account in self.control.config.accounts.items()},
            currencies={str(name): account.currency for name, account in self.control.config.accounts.items()},
            accounts=[str(name) for name in self.control.config.accounts],
            news=news,
            address=self.address,
            **values,
        )
        return HTMLResponse(text, status)

    def address(self, path: str | None = None, /, **changes: object) -> str:
        """A permalink: this page's own address with some of its query changed; None and "" leave out."""
        query = {} if path is not None else dict(self.request.query_params)
        query.pop("done", None)
        query |= {name: str(value) for name, value in changes.items() if value not in (None, "")}
        for name, value in changes.items():
            if value in (None, ""):
                query.pop(name, None)
        return (path or self.request.url.path) + (f"?{urlencode(query)}" if query else "")

    @staticmethod
    def minutes(value: float) -> str:
        """A number of minutes as a chart writes it."""
        return words.span(timedelta(minutes=value))

    @property
    def mark(self) -> str:
        """What a script of the page sends as x-csrf-token to the REST interface."""
        return mark_of(self.caller)

    def marks(self) -> Markup:
        """The hidden fields of a form: it is of our page, and it is sent once."""
        template = Markup('<input type="hidden" name="mark" value="{}"><input type="hidden" name="form" value="{}">')
        return template.format(self.mark, secrets.token_urlsafe(16))

    async def form(self) -> FormData:
        """What was filled in."""
        return await self.request.form(max_fields=_MOST_FIELDS, max_files=0)

    async def act(self, work: Callable[[], Awaitable[R]], told: Callable[[R], str], back: str) -> Response:
        """Do what a form asks, once however often it is sent, and go `back` to a page that tells what came of it.

        What is refused is told there as well; only a database that fails is not.
        """
        note = note_of(self.request)
        mark = str((await self.form()).get("form", ""))
        audit = self.control.store.audit
        if not await audit.claim(note.entry, mark or secrets.token_urlsafe(16)):
            first = await audit.by_form(mark)
            note.outcome, note.detail = "refused", "the same form was sent before; it was not done twice"
            return _go(back, first["id"] if first else note.entry)
        try:
            note.detail = told(await work())
            note.outcome = "done"
        except StoreError:
            raise
        except DaemonError as error:
            note.outcome, note.detail = "refused", str(error)
        except HTTPException as error:
            note.outcome, note.detail = "refused", str(error.detail)
        except ValidationError as error:
            note.outcome, note.detail = "refused", _in_words(error)
        return _go(back, note.entry)

    async def _news(self) -> Mapping[str, Any] | None:
        """What came of the action that has led here, for who did it, and not for ever."""
        number = self.request.query_params.get("done", "")
        if not number.isdecimal() or len(number) > 18:
            return None
        entry = await self.control.store.audit.entry(int(number))
        if entry is None or entry["who"] != self.caller.name or not entry["detail"]:
            return None
        return entry if words.age(entry["at"], self.now.at).total_seconds() < _NEWS_SECONDS else None


def _go(back: str, entry: int) -> Response:
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}done={entry}", 303)


def _in_words(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())


def _page(request: Request, caller: TheCaller, now: Now) -> Page:
    return Page(request, caller, request.app.state.control, now)


ThePage = Annotated[Page, Depends(_page)]


async def only_our_forms(page: ThePage) -> None:
    """Raise HTTPException (403) for a form that was not made for whoever sends it; every page depends on this."""
    if page.request.method in ("GET", "HEAD") or page.request.url.path == "/login":
        return
    if not is_mark_of(page.caller, str((await page.form()).get("mark", ""))):
        raise HTTPException(403, "this page was open for too long: go back, load it again, and try once more")
