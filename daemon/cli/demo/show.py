"""The demo from its start to its end: a folder, the processes, the script, the judgement, and nothing left behind."""

import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio import CancelScope, create_task_group, open_signal_receiver, to_thread
from rich.console import Console

from daemon.cli.demo.levers import Levers
from daemon.cli.demo.milestones import CHECKS, ENDED, Tally
from daemon.cli.demo.screen import Screen
from daemon.cli.demo.script import WANTED, Seller, play, prepare
from daemon.cli.demo.stage import Stage
from daemon.cli.demo.watch import Eyes, Watch
from daemon.cli.failures import FINE, INTERRUPTED, REFUSED, USAGE, Failure
from daemon.errors import DaemonError, leaves
from daemon.store import read_store
from daemon.transports.http import HttpClient

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_SOCKET = 107


@dataclass(slots=True)
class Performance:
    """What became of one demo; `checks` are judged when everything is over."""

    tally: Tally = field(default_factory=lambda: Tally(WANTED))
    checks: Tally = field(default_factory=lambda: Tally(WANTED, CHECKS))
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def missing(self) -> list[str]:
        """What should have been seen and was not."""
        return [milestone.title for milestone in (*self.tally.missing, *self.checks.missing)]


async def show(*, once: bool, timeout: float, folder: Path | None) -> int:
    """Run a demo and give its exit code; raises Failure when `folder` cannot be used."""
    place = await to_thread.run_sync(_made, folder)
    performance, stage, screen = Performance(), Stage(place), Screen(Console(highlight=False))
    limit = anyio.move_on_after(timeout if once else None)
    async with _interruptible() as interrupt:
        try:
            with screen, limit, interrupt:
                await _perform(stage, screen, performance, once=once)
        except* (Failure, DaemonError) as group:
            performance.failures += [str(leaf) for leaf in leaves(group)]
        performance.interrupted = interrupt.cancelled_caught
        if limit.cancelled_caught:
            performance.failures.append(f"not everything was seen within {timeout:g} s")
        # A daemon that has not got as far as to take signals over yet ends by them.
        if (exit_code := stage.exit_codes.get("sellerd", 0)) not in (0, -signal.SIGTERM):
            performance.failures.append(f"the daemon ended with exit code {exit_code}")
        code = _told(screen, performance, stage, once=once)
        if folder is not None or code == REFUSED:
            screen.say(f"The folder {place} is kept; what happened is in sellerd.log and sandbox.log there.")
        else:
            await to_thread.run_sync(shutil.rmtree, place)
    return code


async def _perform(stage: Stage, screen: Screen, performance: Performance, *, once: bool) -> None:
    """Everything until the end of the daemon; with `once` it ends by itself, otherwise by being cancelled."""
    began = anyio.current_time()
    seller = Seller(stage, screen)
    seller.says(f"$ cd {stage.folder}")
    async with HttpClient() as client, stage.sandbox() as sandbox:
        levers = Levers(client, sandbox["control_url"])
        await prepare(seller, levers, sandbox)
        async with read_store(stage.database) as store:
            watch = Watch(Eyes(store, client, stage.health_url, levers), performance.tally, screen, began)
            await watch.look()
            async with stage.daemon() as process, create_task_group() as group:
                group.start_soon(watch.go_on, process)
                await play(seller, levers, watch)
                await watch.until(lambda _: performance.tally.missing == [ENDED])
                if not once:
                    seller.says(f"That was all. It goes on until Ctrl-C. The pages are at {stage.pages_url}")
                    seller.says("In another terminal:")
                    seller.says(f"$ cd {stage.folder} && {Path(sys.executable).with_name('sellerd')} status")
                    await anyio.sleep_forever()
                group.cancel_scope.cancel()
            last = await watch.look(stage.exit_codes["sellerd"])
            performance.checks.judge(last, anyio.current_time() - began)


def _told(screen: Screen, performance: Performance, stage: Stage, *, once: bool) -> int:
    """Tell how it ended, and give the exit code."""
    if once:
        screen.sum_up(performance.tally, performance.checks)
    for failure in performance.failures:
        screen.fail(failure)
    if performance.failures:
        return REFUSED
    if performance.interrupted:
        screen.say(f"Everything has ended: {', '.join(stage.exit_codes) or 'nothing was started'}.")
        return INTERRUPTED if once else FINE
    return REFUSED if performance.missing else FINE


@asynccontextmanager
async def _interruptible() -> AsyncIterator[CancelScope]:
    """A scope that the first signal to end cancels; later ones change nothing, everything is being ended by then."""
    scope = CancelScope()
    with open_signal_receiver(*_ENDINGS) as signals:
        async with create_task_group() as group:
            group.start_soon(_cancel_at, signals, scope)
            yield scope
            group.cancel_scope.cancel()


async def _cancel_at(signals: AsyncIterator[signal.Signals], scope: CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


def _made(folder: Path | None) -> Path:
    """The folder of a demo, for its owner alone."""
    if folder is None:
        place = Path(tempfile.mkdtemp(prefix="sellerd-demo-"))
    else:
        place = folder.absolute()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise Failure(f"{folder} is not empty; name a new folder, or one that is", USAGE)
    if len(bytes(place / "state" / "control.sock")) > _LONGEST_SOCKET:
        raise Failure(f"{place} is too long a path for the control socket in it; name a shorter one", USAGE)
    return place
