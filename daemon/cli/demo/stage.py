"""The processes of the demo: a sandbox, a daemon, the commands of the seller; none of them outlives the demo."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio import CancelScope, fail_after, move_on_after
from anyio.abc import Process

import daemon
from daemon.cli.demo import leash
from daemon.cli.demo.configuration import write_configuration
from daemon.cli.demo.snapshot import View
from daemon.cli.failures import REFUSED, Failure

_START_SECONDS = 30.0
#: longer than the grace of the daemon
_END_SECONDS = 25.0
_LOOK_SECONDS = 0.05


class Stage:
    """The folder of one demo, and what is started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "state" / "sellerd.db"
        #: of what has ended, by name
        self.exit_codes: dict[str, int] = {}
        self.logs = {"sandbox": folder / "sandbox.log", "sellerd": folder / "sellerd.log"}
        self._port = _free_port()
        # The commands find ./config.toml; what lies in the folder is never imported (-P).
        sources = str(Path(daemon.__file__).parent.parent)
        self._environment = {**os.environ, "PYTHONPATH": sources}
        self._environment.pop("SELLERD_CONFIG", None)

    @property
    def health_url(self) -> str:
        """Where the daemon says how it is."""
        return f"http://127.0.0.1:{self._port}/healthz"

    @property
    def pages_url(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self._port}/"

    @asynccontextmanager
    async def sandbox(self) -> AsyncIterator[View]:
        """The marketplaces, and their description; config.toml and the secrets for them are written."""
        ready = self.folder / "sandbox.json"
        arguments = ("sandbox", "--dir", "marketplaces", "--json-ready", ready.name)
        async with self._running("sandbox", *arguments) as process:
            description: View = json.loads(await _appeared(ready, process, self.logs["sandbox"]))
            write_configuration(self.folder, description, self._port)
            yield description

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Process]:
        """The daemon, just started."""
        async with self._running("sellerd", "run", "--config", "config.toml") as process:
            yield process

    async def command(self, *arguments: str) -> str:
        """Run `sellerd` as the seller would, and return what it prints; raises Failure when it says no."""
        done = await anyio.run_process(
            self._leashed(arguments),
            stderr=subprocess.STDOUT,
            check=False,
            cwd=self.folder,
            env=self._environment,
            start_new_session=True,
        )
        printed = done.stdout.decode("utf-8", "replace").rstrip()
        if done.returncode != 0:
            raise Failure(f"{shown(arguments)} ended with {done.returncode}:\n{printed}", REFUSED)
        return printed

    @asynccontextmanager
    async def _running(self, name: str, *arguments: str) -> AsyncIterator[Process]:
        """A process that writes to its log, ended by SIGTERM with the block; Ctrl-C reaches us alone."""
        with self.logs[name].open("ab") as log:
            process = await anyio.open_process(
                self._leashed(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with CancelScope(shield=True):
                self.exit_codes[name] = await _ended(process)

    def _leashed(self, arguments: Sequence[str]) -> list[str]:
        program = [sys.executable, "-P", "-m", "daemon", *arguments]
        return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *program]


async def _ended(process: Process) -> int:
    """End a process by SIGTERM, and by SIGKILL when that takes too long; gives its exit code."""
    with suppress(ProcessLookupError):
        process.terminate()
    with move_on_after(_END_SECONDS):
        return await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()


def shown(arguments: Sequence[str]) -> str:
    """A command as the seller types it."""
    return shlex.join(["sellerd", *arguments])


async def _appeared(path: Path, process: Process, log: Path) -> str:
    """Wait for a file that a process writes when it is ready, and read it."""
    try:
        with fail_after(_START_SECONDS):
            while not await anyio.Path(path).exists():
                if process.returncode is not None:
                    raise Failure(f"the sandbox ended with {process.returncode}; see {log}", REFUSED)
                await anyio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise Failure(f"the sandbox did not start within {_START_SECONDS:g} s; see {log}", REFUSED) from None
    return await anyio.Path(path).read_text("utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
