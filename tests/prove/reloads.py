"""The real daemon, reloaded again and again while it works: each configuration is taken over whole or not at all (P19).

Good, bad and half-written files come in turns, by SIGHUP and by `sellerd reload`'s own request, while stock changes and
feeds leave. What is judged is the far side's record, the daemon's own record of its turns, and what it shows of itself.
"""

import logging
import random
import signal
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import httpx

from daemon.crontab import CRONTAB
from daemon.store.times import from_us
from tests.prove.figures import Figures
from tests.prove.flow import SETTLES_WITHIN, Flow, flow
from tests.prove.method import Method, Result
from tests.prove.weights import Weight, grown, weigh
from tests.test_crash import EANS, INTERVAL
from tests.test_daemon_process import Process, account

#: a job that must neither be lost nor be given twice, and how late it may be while reloads wait for turns in flight
STEADY = timedelta(seconds=15)
LATE = timedelta(seconds=10)
#: how often the process is weighed
WEIGHED_EVERY = 10
#: an account more, which a taken file must bring with all of its jobs
MORE = ("third", "fourth", "fifth")


@dataclass
class Storm:
    """Reloads of one running daemon; `runs` is the text of the configuration that it should be running."""

    told: Flow
    process: Process
    chance: random.Random
    runs: str
    figures: Figures = field(default_factory=Figures)
    weights: list[Weight] = field(default_factory=list)
    #: when housekeeping is due, by account
    due: dict[str, str] = field(default_factory=dict)
    #: when an account was found not to be configured
    away: dict[str, list[datetime]] = field(default_factory=lambda: {"redoute": [], "lewis": []})

    async def reload(self, number: int) -> None:
        """Write one drawn file, have it read, and compare what runs with it."""
        kind = self.chance.choice(["good", "good", "bad", "half"])
        self._write(kind)
        written = self.told.site.config.read_text("utf-8")
        taken = await self._by_signal() if self.chance.random() < 0.5 else await self._by_request()
        body = await self.told.site.health()
        if taken:
            self.runs = written
        self.figures.counts[f"{kind} files taken over" if taken else f"{kind} files refused"] += 1
        self.figures.counts["reloads"] += 1
        whole = self._whole(kind, taken) and shown(body) == described(self.runs)
        if not whole or body["config_ok"] != taken:
            self.figures.broken.append(f"reload {number}: {kind}, taken {taken}, but it runs {shown(body)}")
        self._due_times_stay(number, body)
        if number % WEIGHED_EVERY == 0:
            self.weights.append(weigh(self.process.pid))

    def _write(self, kind: str) -> None:
        more = self.chance.sample(MORE, self.chance.randint(0, len(MORE)))
        text = base(self.told) + "".join(account(name) for name in more)
        site = self.told.site
        site.write(text, more='grase = "1s"' if kind == "bad" else "")
        if kind == "half":
            whole = site.config.read_bytes()
            site.config.write_bytes(whole[: self.chance.randrange(1, len(whole))])

    def _whole(self, kind: str, taken: bool) -> bool:
        """Half a file may happen to be a whole one; what is no TOML, or has an unknown key, never is."""
        if kind == "half":
            try:
                tomllib.loads(self.told.site.config.read_text("utf-8"))
            except ValueError:
                return not taken
            return True
        return taken == (kind == "good")

    async def _by_signal(self) -> bool:
        before = (await self.told.site.health())["config_read_at"]
        for _ in range(self.chance.choice([1, 1, 5])):
            self.process.signal(signal.SIGHUP)
        self.figures.hit["a storm of signals"] += 1
        # Every reading of the file says when it was, taken over or refused.
        body = await self.told.site.until(lambda body: body["config_read_at"] > before)
        before = ""
        while before != body["config_read_at"]:
            before = body["config_read_at"]
            await anyio.sleep(0.1)
            body = await self.told.site.health()
        return bool(body["config_ok"])

    async def _by_request(self) -> bool:
        reply = await self.told.site.control("POST", "/api/v1/reload")
        if reply.status_code not in {httpx.codes.OK, httpx.codes.UNPROCESSABLE_ENTITY}:
            self.figures.broken.append(f"a reload was answered {reply.status_code}: {reply.text}")
        return reply.status_code == httpx.codes.OK

    def _due_times_stay(self, number: int, body: Mapping[str, Any]) -> None:
        """A reload moves no due time of a job that is a day away."""
        for name, away in self.away.items():
            if name not in body["accounts"]:
                away.append(datetime.now(UTC))
                continue
            due = body["accounts"][name]["jobs"]["housekeeping"]["next_due"]
            if self.due.setdefault(name, due) != due:
                self.figures.broken.append(f"reload {number} moved housekeeping of {name} to {due}")

    async def turns_stay_in_step(self) -> None:
        """No turn was lost, given twice or cut, but while its account was not configured."""
        for name, away in self.away.items():
            told = await self.told.rows(
                f"SELECT started_at FROM job_runs WHERE account = '{name}' AND job = 'refunds' ORDER BY id"
            )
            started = [from_us(at) for (at,) in told]
            for before, after in pairwise(started):
                gone = any(before <= moment <= after for moment in away)
                self.figures.counts["gaps of a steady job"] += not gone
                if not gone and not STEADY - LATE <= after - before <= STEADY + LATE:
                    self.figures.broken.append(f"refunds of {name} came {after - before} after {before:%H:%M:%S}")
        cut = await self.told.rows("SELECT job, started_at FROM job_runs WHERE outcome = 'cut'")
        self.figures.broken += [f"a turn of {job} was cut at {at}" for job, at in cut]


def base(told: Flow) -> str:
    """The two accounts of the flow, with a job that comes at a steady pace."""
    steady = told.configuration.replace('refunds = "1s"', f'refunds = "{STEADY.seconds}s"')
    # What the far side does after the deadline of a send nobody can know, and a busy machine is slow to serve it.
    return steady.replace('deadline = "1s"', 'deadline = "5s"')


def described(text: str) -> dict[str, list[str]]:
    """The jobs by account of what stands in a configuration file."""
    speaks = {"laredoute": "sellr", "johnlewis": "edge"}
    return {
        name: sorted(CRONTAB[speaks[table["marketplace"]]].keys() - {"exchange"})
        for name, table in tomllib.loads(text).get("accounts", {}).items()
    }


def shown(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """The jobs by account of what the daemon says that it runs."""
    return {name: sorted(told["jobs"]) for name, told in body["accounts"].items()}


async def _sells(told: Flow, chance: random.Random) -> None:
    """Stock changes all the time; while an account is not configured, nobody is there to take it."""
    while True:
        rows = "".join(f"{sku},{chance.randrange(1, 9)}\n" for sku in EANS)
        with suppress(httpx.HTTPError):
            await told.imports("redoute", "stock", f"sku,stock\n{rows}")
        await anyio.sleep(0.3)


async def reload_often(count: int, seed: int = 0) -> Figures:
    """Reload one daemon so many times under load, then let everything come to its end."""
    chance = random.Random(f"reloads {seed}")
    async with flow() as told:
        told.site.deadline = 60 + 2 * count + SETTLES_WITHIN
        told.site.write(base(told))
        async with told.site.running(**told.secrets) as process:
            storm = Storm(told, process, chance, told.site.config.read_text("utf-8"))
            await told.site.until(
                lambda body: all(each["jobs"]["housekeeping"]["state"] == "ok" for each in body["accounts"].values())
            )
            async with anyio.create_task_group() as group:
                group.start_soon(_sells, told, chance)
                for number in range(1, count + 1):
                    await storm.reload(number)
                group.cancel_scope.cancel()
            told.site.write(base(told))
            await told.site.control("POST", "/api/v1/reload")
            for sku in EANS:
                await told.imports("redoute", "stock", f"sku,stock\n{sku},9\n")
            try:
                with anyio.fail_after(SETTLES_WITHIN):
                    await told.goes_on_until_settled()
            except TimeoutError:
                storm.figures.broken.append(f"seed {seed}: it did not settle after its reloads")
            figures = storm.figures
            figures.broken += [*await told.broken(), *told.too_close()]
            await storm.turns_stay_in_step()
        gaps = told.sandbox.laredoute.offer_gaps(all_requests=True)
        figures.counts["pairs of offer feeds, an interval apart or more"] += sum(gap >= INTERVAL for gap in gaps)
        if len(storm.weights) >= 30:
            figures.broken += grown(storm.weights, "reloads")
        figures.counts["times weighed"] += len(storm.weights)
    return figures


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--reloads", type=int, default=1_000, help="how many reloads of one process")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn by")


def _measure(asked: Namespace) -> Iterator[Result]:
    # The sandbox's servers log every client that goes away.
    logging.disable(logging.CRITICAL)
    figures = anyio.run(reload_often, asked.reloads, asked.seed)
    yield Result("reloads", f"python -m tests.prove reloads --reloads {asked.reloads}", figures)


METHOD = Method(
    "reloads",
    "the real process is given good, bad and half-written configurations in turns while it works, by signal and by request",
    _options,
    _measure,
)
