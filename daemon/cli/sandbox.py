"""`sellerd sandbox`: a La Redoute and a John Lewis on this machine, for trying things out."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.failures import USAGE, Failure
from daemon.cli.site import asynchronous

#: of the daemon that --configure configures: the default of `web.listen`
_PAGES_PORT = 8470


@click.command()
@click.option(
    "--dir",
    "root",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for everything that it keeps.",
)
@click.option("--http-port", default=0, help="The port of the services; 0 lets the system choose.")
@click.option(
    "--json-ready",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the addresses, logins and keys here as soon as it answers.",
)
@click.option(
    "--configure",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a config.toml for its two accounts, with their secrets, into this folder, which must be empty.",
)
@click.option("--review", is_flag=True, help="La Redoute looks at every product before it is in the catalogue.")
@click.option(
    "--brand", "brands", multiple=True, help="A brand code the seller is authorised for; without any, all are."
)
@click.option(
    "--jam-within",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Within this, a newer offer feed jams an older one that is not answered yet, for ever.",
)
@asynchronous
async def sandbox(
    *,
    root: Path,
    http_port: int,
    json_ready: Path | None,
    configure: Path | None,
    review: bool,
    brands: tuple[str, ...],
    jam_within: float | None,
) -> None:
    """Run marketplaces for trying things out, on this machine, until Ctrl-C.

    Nothing of it reaches a real marketplace, and all its logins are made up. With --configure an account at each is
    ready to be tried, at the pace of a demo: in that folder, trust its servers, import, run.
    """
    from daemon.cli.demo.configuration import write_configuration
    from daemon.sandbox.server import serve
    from daemon.sandbox.settings import LaRedouteSettings, SandboxSettings

    laredoute = LaRedouteSettings(review=review, brands=frozenset(brands) or None, jam_within=jam_within)
    if configure:
        _make_empty(configure)
    settings = SandboxSettings(root=root, http_port=http_port, laredoute=laredoute)
    stop = anyio.Event()

    def ready(description: dict[str, Any]) -> None:
        if json_ready:
            _write(json_ready, description)
        if configure:
            write_configuration(configure, description, _PAGES_PORT)
        click.echo(json.dumps(description, indent=2))

    async with anyio.create_task_group() as group:
        group.start_soon(_wait_for_end, stop)
        await serve(settings, ready=ready, stop=stop)
        group.cancel_scope.cancel()


def _make_empty(folder: Path) -> None:
    """A folder for a configuration, where none is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Failure(f"{folder} is not empty; name a new folder, or one that is", USAGE)


async def _wait_for_end(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop.set()


def _write(path: Path, description: dict[str, Any]) -> None:
    """Whole or not at all, so that whoever waits for the file reads all of it."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(description, file, indent=2)
    fresh.replace(path)
