"""The daemon as a process: configuration → store → work until the end, with an exit code (D1, D6)."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anyio

from daemon import logs, notify
from daemon.config import Config
from daemon.errors import ConfigError, StoreError, StoreInUse, leaves
from daemon.main.exits import CLEAN, CONFIG, IN_USE, LAST_RESORT, STORAGE, end_in
from daemon.main.running import Daemon
from daemon.main.setup import Opens, Setup, configure_log, open_way
from daemon.store import open_store
from daemon.transports.names import look_up_side_by_side


def main_run(config_path: Path) -> int:
    """Run the daemon as this process; returns its exit code."""
    # A reload asked for too early would end the process (trap D3).
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = anyio.run(run, config_path)
    logs.finish()
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        end_in(LAST_RESORT, code)
    return code


def _nothing() -> None:
    """What is called where nobody asks for a call."""


async def run(
    config_path: Path,
    *,
    ready: Callable[[], None] = _nothing,
    opens: Opens = open_way,
) -> int:
    """Run the daemon until a signal ends it, the last thing that this process does. Returns the exit code.

    `ready` is called once it works. `opens` gives each account its way, where far sides are simulated. Every problem
    that keeps it from running is written to stderr, one sentence a line.
    """
    look_up_side_by_side()
    try:
        setup = Setup.read(config_path, opens)
        _make_state_folder(setup.config)
    except ConfigError as error:
        return _give_up(CONFIG, *error.problems)
    config = setup.config
    configure_log(config)
    code, causes, daemon = CLEAN, list[BaseException](), None
    try:
        async with open_store(config.database) as store:
            daemon = Daemon(config_path, setup, store, opens)
            code = await daemon.live(ready)
    except* (ConfigError, StoreError) as group:
        causes = list(leaves(group))
    finally:
        if daemon is not None:
            daemon.disarm()
    if not causes:
        return code
    if any(isinstance(cause, ConfigError) for cause in causes):
        return _give_up(CONFIG, *map(str, causes))
    return _give_up(IN_USE if isinstance(causes[0], StoreInUse) else STORAGE, *map(str, causes))


def _give_up(code: int, *sentences: str) -> int:
    for sentence in sentences:
        sys.stderr.write(f"sellerd: {sentence}\n")
    notify.notify(f"STATUS=Not running: {sentences[0]}")
    return code


def _make_state_folder(config: Config) -> None:
    folder = config.daemon.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [f"daemon.state_dir = {folder}: {error.strerror}; choose a folder that we may make"]
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError([f"daemon.state_dir = {folder}: we may not write there; run as its owner, or choose another"])
