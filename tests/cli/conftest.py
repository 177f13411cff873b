"""An installation in a temporary folder, and the command line against it as a person has it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from click.testing import CliRunner, Result
from starlette.applications import Starlette
from starlette.routing import Mount

from daemon.cli import main
from daemon.cli.demo.configuration import write_configuration
from daemon.clock import read_clocks
from daemon.config import Config, load
from daemon.errors import NotAllowed
from daemon.health import Loaded, Verdict
from daemon.hostkeys import FILE_NAME, pin
from daemon.model import AccountName
from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.store import Store, open_store
from daemon.web.api import control_app
from daemon.web.health import routes
from daemon.web.serve import listen_at, serving

CATALOGUE = Path("daemon/cli/demo/catalogue").absolute()
#: a port of the reserved range that nothing listens on
CLOSED = 1

CONFIG = """
[daemon]
state_dir = "state"

[accounts.redoute]
marketplace = "laredoute"
vendor_id = "1001"
login = { user = "SELLER1001-1", password = { env = "MADE_UP" } }
sftp = { host = "127.0.0.1", port = 1, user = "seller", password = { env = "MADE_UP" } }
tracking_url = "https://carrier.example.test/track/{tracking_number}"
[accounts.redoute.tokens]
create_items = { env = "MADE_UP" }
read_orders = { env = "MADE_UP" }
update_orders = { env = "MADE_UP" }
[accounts.redoute.items.safety]
manufacturer = "Exemple SA"
manufacturer_address = "1 rue Basse, 59000 Lille"
manufacturer_email = "contact@maker.example"
manufacturer_country = "FR"

[accounts.lewis]
marketplace = "johnlewis"
time_zone = "Europe/London"
currency = "GBP"
standard_delivery_days = 3
sftp = { host = "127.0.0.1", port = 1, user = "seller", password = { env = "MADE_UP" } }
"""

Say = Callable[..., Result]


@pytest.fixture
def config_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MADE_UP", "made up")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def say(config_path: Path) -> Say:
    """`say("orders", "list")` is `sellerd --config … orders list`."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, ["--config", str(config_path), *map(str, words)])

    return run


def answer(result: Result) -> dict[str, Any]:
    """The JSON of a command."""
    said: dict[str, Any] = json.loads(result.stdout)
    assert said["version"] == 1
    return said


class RunningDaemon:
    """What stands for the daemon: the store, and what it was asked to do."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store = store
        self.config: Config = load(path)
        self.path = path
        self.asked: list[str] = []
        self.reasons: tuple[str, ...] = ()

    async def health(self) -> Verdict:
        now = read_clocks().at
        return Verdict(not self.reasons, self.reasons, Loaded(now), now, now, (), {})

    async def hindrances(self) -> list[str]:
        return list(self.reasons)

    async def figures(self) -> None:
        return None

    async def reload(self) -> list[str]:
        self.asked.append("reload")
        self.config = load(self.path)
        return []

    async def run_now(self, account: AccountName, job: str) -> None:
        if job not in ("orders", "offers"):
            raise NotAllowed(f"{account or 'the site'} has no job {job}")
        self.asked.append(f"{account} {job}")


class _Block:
    """A daemon's socket and database for as long as the block lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> RunningDaemon:
        config = load(self._path)
        self._opening = open_store(config.database)
        daemon = RunningDaemon(await self._opening.__aenter__(), self._path)
        for name, account in config.accounts.items():
            await daemon.store.accounts.configure(name, account.marketplace, "", read_clocks().at)
        app = Starlette(routes=[*routes(daemon), Mount("/", control_app(daemon))])
        self._serving = serving(app, listen_at(config.socket))
        await self._serving.__aenter__()
        return daemon

    async def __aexit__(self, *_: object) -> None:
        await self._serving.__aexit__(None, None, None)
        await self._opening.__aexit__(None, None, None)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def running(config_path: Path, portal: BlockingPortal) -> Iterator[RunningDaemon]:
    """The control interface over its real Unix socket, in a loop of its own."""
    with portal.wrap_async_context_manager(_Block(config_path)) as daemon:
        yield daemon


def configure(folder: Path, sandbox: Sandbox, port: int) -> None:
    """What `sellerd sandbox --configure` writes, and both servers trusted as by `sellerd accounts trust`."""
    told = sandbox.describe()
    write_configuration(folder, told, port)
    for sftp in (told["laredoute"]["sftp"], told["johnlewis"]["sftp"]):
        pin(folder / "state" / FILE_NAME, sftp["host"], sftp["port"], sftp["host_key"])


@pytest.fixture
def sandbox(portal: BlockingPortal, config_path: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """Both marketplaces, and accounts of their names that are configured for them."""
    settings = SandboxSettings(
        root=tmp_path / "sandbox",
        laredoute=LaRedouteSettings(delay=None),
        johnlewis=JohnLewisSettings(poll_every=None),
    )
    with portal.wrap_async_context_manager(Sandbox(settings)) as sandbox:
        configure(tmp_path, sandbox, CLOSED)
        yield sandbox
