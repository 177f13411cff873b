"""Several starts at one instant on one database, by mistake: one serves, the others say who runs and end (P21).

Then whoever serves is killed, and the next start takes over at once; and a command that writes comes at the very
moment of a start.
"""

import logging
import random
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import anyio
import httpx
from anyio.streams.text import TextReceiveStream

from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together
from tests.test_daemon_process import ROOT, Site, account, free_port

#: a race is decided within so many seconds, on a machine that does other things too
DECIDED_WITHIN = 180
#: the exit code of who finds the database in use (`docs/commands.md`)
IN_USE = 75


class Racer:
    """One start with a configuration of its own over the folder that all share."""

    def __init__(self, site: Site, number: int) -> None:
        self.site = site
        self.port = free_port()
        self.config = site.folder / f"racer-{number}.toml"
        self.config.write_text(site.config.read_text("utf-8").replace(str(site.port), str(self.port)), "utf-8")
        self.process: anyio.abc.Process | None = None
        self.said = ""

    async def run(self) -> None:
        """Start, and listen until it ends."""
        command = [sys.executable, "-m", "daemon", "run", "--config", str(self.config)]
        self.process = await anyio.open_process(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.site.environment(), cwd=ROOT
        )
        assert self.process.stderr is not None
        async for text in TextReceiveStream(self.process.stderr):
            self.said += text
        await self.process.wait()

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    @property
    def ended(self) -> int | None:
        return self.process.returncode if self.process is not None else None

    async def serves(self) -> bool:
        """Whether it answers, and finds that it can do its work."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == httpx.codes.OK
        return False

    def kill(self) -> None:
        """End it without warning, if it still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


async def _race(site: Site, racers: list[Racer], figures: Figures, name: str) -> None:
    """Start all at once; when one serves and the others have ended, judge, and leave the winner running."""
    async with AsyncExitStack() as cleared:
        for racer in racers:
            cleared.callback(racer.kill)
        async with anyio.create_task_group() as group:
            for racer in racers:
                group.start_soon(racer.run)
            with anyio.move_on_after(DECIDED_WITHIN) as limit:
                while True:
                    serving = [racer for racer in racers if await racer.serves()]
                    losers = [racer for racer in racers if racer.ended is not None]
                    if serving and len(losers) + len(serving) >= len(racers):
                        break
                    await anyio.sleep(0.05)
            _judge(serving, losers, racers, figures, name, undecided=limit.cancelled_caught)
            await _taken_over(site, serving, figures, name)
            for racer in racers:
                racer.kill()


def _judge(
    serving: list[Racer], losers: list[Racer], racers: list[Racer], figures: Figures, name: str, *, undecided: bool
) -> None:
    figures.counts["races"] += 1
    figures.counts["starts"] += len(racers)
    if undecided or len(serving) != 1:
        codes = [racer.ended for racer in racers]
        figures.broken.append(f"{name}: {len(serving)} of {len(racers)} serve, the others ended with {codes}")
        return
    for racer in losers:
        named = re.search(r"in use by another sellerd \(process (\d+|unknown)\)", racer.said)
        if racer.ended != IN_USE or named is None:
            figures.broken.append(f"{name}: a loser ended with {racer.ended}: {racer.said[-200:]}")
            continue
        right = named[1] == str(serving[0].pid)
        figures.counts["told who runs" if right else "told wrongly who runs"] += 1
        if not right:
            figures.broken.append(f"{name}: {named[0]}, but {serving[0].pid} serves")


async def _taken_over(site: Site, serving: list[Racer], figures: Figures, name: str) -> None:
    """Killed, whoever served leaves nothing that the next start would stumble over."""
    if len(serving) != 1:
        return
    serving[0].kill()
    async with anyio.create_task_group() as group:
        following = Racer(site, 99)
        began = monotonic()
        group.start_soon(following.run)
        with anyio.move_on_after(DECIDED_WITHIN):
            while not await following.serves() and following.ended is None:
                await anyio.sleep(0.02)
        if following.ended is not None or monotonic() - began >= DECIDED_WITHIN:
            figures.broken.append(f"{name}: after a kill the next start did not serve: {following.said[-200:]}")
        else:
            figures.counts["took over after a kill"] += 1
        following.kill()


async def _beside_a_command(site: Site, chance: random.Random, figures: Figures, name: str) -> None:
    """A command that writes, at a drawn moment of a start: it goes through whole, or says why not and nothing is done."""
    racer = Racer(site, 50)
    async with anyio.create_task_group() as group:
        group.start_soon(racer.run)
        await anyio.sleep(chance.uniform(0, 1.5))
        reason = f"race {chance.randrange(10**9)}"
        program = [sys.executable, "-m", "daemon", "--config", str(racer.config)]
        command = [*program, "jobs", "pause", "offers", "--account", "jl"]
        said = await anyio.run_process(
            [*command, "--reason", reason], check=False, env=site.environment(), cwd=ROOT, stderr=subprocess.STDOUT
        )
        with anyio.move_on_after(DECIDED_WITHIN):
            while not await racer.serves() and racer.ended is None:
                await anyio.sleep(0.05)
        figures.counts["commands beside a start"] += 1
        if racer.ended == IN_USE:
            # The command had the database for a moment; systemd starts the daemon again.
            figures.hit["a start found a command at work"] += 1
        elif not await racer.serves():
            figures.broken.append(f"{name}: beside a command the daemon ended with {racer.ended}: {racer.said[-200:]}")
        else:
            shown = (await site.control("GET", "/healthz")).json()["accounts"]["jl"]["jobs"]["offers"]
            held = shown["paused_reason"] == reason
            figures.hit["a command went through" if held else "a command was turned down"] += 1
            if held != (said.returncode == 0) or said.returncode not in {0, IN_USE, 69}:
                figures.broken.append(
                    f"{name}: the command said {said.returncode}, held {held}: {said.stdout[-200:]!r}"
                )
        racer.kill()


async def race(seed: int) -> Figures:
    """One race of two or of five, and a command beside a start."""
    chance, figures = random.Random(f"starts {seed}"), Figures()
    with TemporaryDirectory() as folder:
        site = Site(Path(folder))
        try:
            site.write(account("jl"))
            racers = [Racer(site, number) for number in range(5 if seed % 5 == 0 else 2)]
            await _race(site, racers, figures, f"race {seed}")
            await _beside_a_command(site, chance, figures, f"race {seed}")
        finally:
            site.close()
    return figures


def _raced(seed: int) -> Figures:
    logging.disable(logging.CRITICAL)
    return anyio.run(race, seed)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--races", type=int, default=1_000, help="how many races; each fifth is one of five starts")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(_raced, range(asked.races), asked.workers)
    yield Result("starts", f"python -m tests.prove starts --races {asked.races}", figures)


METHOD = Method(
    "starts",
    "two or five real processes are started at once on one database, the one that serves is killed, and commands that"
    " write come at the moment of a start",
    _options,
    _measure,
)
