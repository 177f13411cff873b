"""What every request asks of the daemon: its store and configuration, the account of its path, and the moment."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, BinaryIO, Protocol, TypeVar

from anyio import Lock, to_thread
from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from daemon.config import Config
from daemon.model import AccountName, Moment
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.store.requests import RequestKey
from daemon.store.views import MOST, View

R = TypeVar("R")

#: what the database can hold as a number
MOST_ROWS = (1 << 63) - 1

Limit = Annotated[int, Query(ge=1, le=MOST)]
Before = Annotated[int | None, Query(ge=1, le=MOST_ROWS)]


class Control(Protocol):
    """What these requests need of the running daemon; without one, the command line puts something in its place."""

    @property
    def store(self) -> Store:
        """The open database."""
        ...

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        ...

    async def reload(self) -> list[str]:
        """Read the configuration again (D4); returns its problems, none when it was applied. Raises NotAllowed."""
        ...

    async def run_now(self, account: AccountName, job: str) -> None:
        """Give a job of an account, or of `SITE`, a turn now (D13); raises NotAllowed."""
        ...


class Body(BaseModel):
    """The body of a request; a field that is not known is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC; raises ValueError where there is none."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such instant in UTC") from None


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


def _now(request: Request) -> Moment:
    now: Moment = request.app.state.clocks()
    return now


TheControl = Annotated[Control, Depends(_control)]
Now = Annotated[Moment, Depends(_now)]


def _account(name: Annotated[str, Path(alias="account")], control: TheControl) -> AccountSettings:
    account = control.config.accounts.get(AccountName(name))
    if account is None:
        known = ", ".join(sorted(control.config.accounts)) or "none"
        raise HTTPException(404, f"there is no account {name}; configured are: {known}")
    return account


Account = Annotated[AccountSettings, Depends(_account)]


def name_of(account: AccountSettings) -> AccountName:
    """The name of an account, as the store takes it."""
    return AccountName(account.name)


def found_or_404(view: View | None, otherwise: str) -> View:
    """What was found; raises HTTPException (404) with `otherwise` when nothing was."""
    if view is None:
        raise HTTPException(404, otherwise)
    return view


async def spool(request: Request, file: BinaryIO) -> None:
    """Write the body of a request to a file, and go back to its start."""
    async for chunk in request.stream():
        await to_thread.run_sync(file.write, chunk)
    file.seek(0)


def importing(request: Request, account: AccountSettings) -> Lock:
    """The lock that lets one file of an account in at a time: two would each fill their gaps from before the other."""
    lock: Lock = request.app.state.importing.setdefault(account.name, Lock())
    return lock


class Once:
    """Does what a request asks once, however often the request comes with the same `Idempotency-Key`.

    Without a key it is done each time.
    """

    def __init__(self, store: Store, keyed: tuple[RequestKey, Response, datetime] | None) -> None:
        """`keyed` is the key, the answer that says whether it is one of an earlier time, and the moment."""
        self._store = store
        self._keyed = keyed

    async def do(self, change: Callable[[Store], Awaitable[R]], answer: Callable[[R], View]) -> View:
        """The answer to what `change` did, in one transaction of the store that it is given.

        Where it raises, nothing is kept, and the key is free for another try. Raises KeyUsed.
        """
        if self._keyed is None:
            return answer(await change(self._store))
        key, response, at = self._keyed
        told, before = await self._store.requests.once(key, lambda db: change(Store(db)), answer, at)
        if before:
            response.headers["Idempotency-Replayed"] = "true"
        return told


def each_time(control: Control) -> Once:
    """For requests that carry no key, a page's say: what they ask is done each time."""
    return Once(control.store, None)


async def _once(
    request: Request,
    response: Response,
    account: Account,
    control: TheControl,
    now: Now,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern="^[!-~]+$",
            description="A text of your own choice. The same request once more with the same key is answered as the"
            " first time and does nothing; another request with it is refused. Kept for seven days.",
        ),
    ] = None,
) -> Once:
    if key is None:
        return each_time(control)
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return Once(control.store, (RequestKey(name_of(account), key, sha256(asked).hexdigest()), response, now.at))


TheOnce = Annotated[Once, Depends(_once)]
