"""Where this sellerd lives: its configuration, its database for questions, and its control interface for changes."""

import json
import tomllib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import anyio
import click

from daemon.cli.failures import CONFIG, IN_USE, REFUSED, UNREACHABLE, Failure

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.model import AccountName
    from daemon.seller.advice import Explain
    from daemon.store import Store
    from daemon.transports.http import ControlClient, Reply

_PLACES = (Path("config.toml"), Path("/etc/sellerd/config.toml"))
_STATE_DIR = Path("/var/lib/sellerd")
_BAD_REQUEST = 400
_SERVER_ERROR = 500

Answer = dict[str, Any]


def asynchronous(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let a coroutine be a command."""

    def run(*args: object, **options: object) -> None:
        anyio.run(partial(command, *args, **options))

    return update_wrapper(run, command)


def address(*parts: object) -> str:
    """The path of something on the control interface; whatever a part holds stays one part."""
    return "/api/v1" + ("".join(f"/{quote(str(part), safe='')}" for part in parts) or "/")


class Site:
    """One installation as the command line sees it; nothing is read before it is asked for."""

    def __init__(self, config: Path | None) -> None:
        self._given = config

    @property
    def config_path(self) -> Path:
        """The configuration file; raises Failure when there is none."""
        if self._given is not None:
            return self._given
        for place in _PLACES:
            if place.exists():
                return place
        raise Failure("there is no ./config.toml and no /etc/sellerd/config.toml; name one with --config", CONFIG)

    def config(self) -> "Config":
        """The whole configuration, secrets included; raises ConfigError."""
        from daemon.config import load

        return load(self.config_path)

    @property
    def state_dir(self) -> Path:
        """The state folder, from the configuration alone: who only asks need not be able to read the secrets."""
        return self._folder / (self._path_in("daemon", "state_dir") or _STATE_DIR)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.state_dir / "sellerd.db"

    @property
    def backups(self) -> Path:
        """The folder of the copies of the database."""
        given = self._path_in("backup", "folder")
        return self._folder / given if given else self.state_dir / "backups"

    @property
    def socket(self) -> Path:
        """The control socket."""
        given = self._path_in("web", "socket")
        return self._folder / given if given else self.state_dir / "control.sock"

    @property
    def _folder(self) -> Path:
        return self.config_path.absolute().parent

    @property
    def account_names(self) -> list[str]:
        """The accounts by the files alone, as the state folder is."""
        beside = (self._folder / "accounts.d").glob("*.toml")
        return sorted({*self._table("accounts"), *(path.stem for path in beside)})

    def _path_in(self, table: str, key: str) -> str:
        given = self._table(table).get(key, "")
        if not isinstance(given, str):
            raise Failure(f"{self.config_path}: {table}.{key} is no path; run: sellerd check-config", CONFIG)
        return given

    def _table(self, name: str) -> Mapping[str, Any]:
        try:
            table = tomllib.loads(self.config_path.read_text("utf-8")).get(name, {})
        except OSError as error:
            raise Failure(f"{self.config_path} cannot be read: {error.strerror}", CONFIG) from error
        except (ValueError, RecursionError) as error:
            raise Failure(f"{self.config_path} is not TOML: {error}; run: sellerd check-config", CONFIG) from error
        return table if isinstance(table, dict) else {}

    def explain(self) -> "Explain":
        """What is known of the errors of the accounts' marketplaces; without secrets, and without complaint."""
        from daemon.config import catalogues
        from daemon.model import AccountName
        from daemon.rules.catalogue import Catalogue

        known = catalogues(self.config_path)
        return lambda account, code, text: known.get(AccountName(account), Catalogue()).explain(code, text)

    @asynccontextmanager
    async def reading(self, account: str | None = None) -> "AsyncIterator[Store]":
        """The database for questions, beside whoever writes it.

        Raises Failure where they are about an `account` that is neither configured nor in there: its answers would be
        as empty as those of one for which all is well.
        """
        from daemon.store import read_store

        async with read_store(self.database) as store:
            if account and account not in (known := {*self.account_names, *await store.accounts.names()}):
                there = f"there are {', '.join(sorted(known))}" if known else "none is configured"
                raise Failure(f"there is no account {account}; {there}", REFUSED)
            yield store

    @asynccontextmanager
    async def control(self) -> "AsyncIterator[Control]":
        """The control interface: of the running daemon, or over the database itself when none runs.

        Raises Failure when another process has the database but does not answer.
        """
        silence = await self._silence()
        async with self._in_process(silence) if silence else self._over_socket() as client:
            yield Control(client)

    @asynccontextmanager
    async def daemon(self) -> "AsyncIterator[Control | None]":
        """The control interface of the running daemon, None when none answers."""
        if await self._silence():
            yield None
            return
        async with self._over_socket() as client:
            yield Control(client)

    def _over_socket(self) -> "ControlClient":
        from daemon.transports.http import ControlClient

        return ControlClient.over_socket(self.socket)

    async def _silence(self) -> str:
        """Why no daemon answers on the socket; empty when one does."""
        from daemon.errors import TransportError

        if not self.socket.exists():
            return f"there is no control socket {self.socket}"
        try:
            async with self._over_socket() as client:
                await client.request("GET", address(), deadline=10)
        except TransportError as error:
            return str(error)
        return ""

    @asynccontextmanager
    async def _in_process(self, silence: str) -> "AsyncIterator[ControlClient]":
        from daemon.errors import StoreInUse
        from daemon.store import open_store
        from daemon.transports.http import ControlClient
        from daemon.web.api import control_app

        config = self.config()
        async with AsyncExitStack() as stack:
            try:
                store = await stack.enter_async_context(open_store(config.database))
            except StoreInUse as error:
                raise Failure(f"{error}, and {silence}", IN_USE) from error
            await _configure(store, config)
            app = control_app(WithoutDaemon(store, config), door="here")
            yield await stack.enter_async_context(ControlClient.over_app(app))


async def _configure(store: "Store", config: "Config") -> None:
    """Make the accounts known to the database, as the daemon does when it starts."""
    from daemon.clock import read_clocks
    from daemon.config import fingerprint, host_keys

    now = read_clocks().at
    for name, account in config.accounts.items():
        mark = fingerprint(account, host_keys(config, account))
        await store.accounts.configure(name, account.marketplace, mark, now, account.deadlines)


class WithoutDaemon:
    """What stands in for the daemon when none runs: the store and the configuration, and no jobs."""

    def __init__(self, store: "Store", config: "Config") -> None:
        self.store = store
        self.config = config

    async def reload(self) -> list[str]:
        """There is nothing to reload."""
        from daemon.errors import NotAllowed

        raise NotAllowed("no daemon runs; it reads its configuration when it starts")

    async def run_now(self, account: "AccountName", job: str) -> None:
        """There is nobody to give a turn to."""
        from daemon.errors import NotAllowed

        raise NotAllowed(f"no daemon runs, so {job} of {account or 'the site'} cannot; start it with: sellerd run")


class Control:
    """The control interface: an answer, or a Failure that says why not."""

    def __init__(self, client: "ControlClient") -> None:
        self._client = client

    async def ask(self, path: str, **params: str) -> Answer:
        """Read something."""
        return _answer(await self._client.request("GET", path, params=params))

    async def health(self) -> Answer:
        """What the daemon says of itself, also when it cannot do its work."""
        reply = await self._client.request("GET", "/healthz", deadline=30)
        answer: Answer = json.loads(reply.body)
        return answer

    async def tell(self, path: str, said: Mapping[str, object] | None = None) -> Answer:
        """Decide or change something."""
        return _answer(await self._client.request("POST", path, json=dict(said or {})))

    async def bring(self, path: str, content: AsyncIterator[bytes]) -> Answer:
        """Bring in a CSV file."""
        return _answer(await self._client.request("POST", path, content=content, content_type="text/csv"))


def _answer(reply: "Reply") -> Answer:
    try:
        answer: Answer = json.loads(reply.body)
    except ValueError:
        answer = {}
    if reply.status >= _BAD_REQUEST:
        _fail(reply.status, answer)
    return answer


def _fail(status: int, problem: Answer) -> NoReturn:
    detail = str(problem.get("detail", f"sellerd answered with status {status}; its log says why"))
    if problem.get("title") == "the configuration is wrong":
        raise Failure(f"the configuration is wrong, and the old one still runs:\n{detail}", CONFIG)
    raise Failure(detail, UNREACHABLE if status >= _SERVER_ERROR else REFUSED)


def _only_account(context: click.Context, _: click.Parameter, given: str | None) -> str | None:
    if given is not None or context.resilient_parsing:
        return given
    site: Site = context.obj
    match site.account_names:
        case [only]:
            return only
        case []:
            raise Failure(f"{site.config_path} has no account; see: sellerd check-config", CONFIG)
        case names:
            raise click.UsageError(f"say which account it is about: --account {' or '.join(names)}", context)


account_option = click.option(
    "--account", callback=_only_account, help="The account; may be left out where there is but one."
)
