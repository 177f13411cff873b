"""The real daemon for minutes on end at a hundredfold pace, with faults at the far sides: memory, files, threads (P22)."""

import logging
import random
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from time import monotonic
from typing import Any

import anyio
import httpx

from tests.prove.figures import Figures
from tests.prove.flow import SETTLES_WITHIN, Flow, flow
from tests.prove.method import Method, Result
from tests.prove.month import LOG_LIMIT
from tests.prove.weights import Weight, grown, weigh
from tests.test_crash import EANS, INTERVAL, PARTS
from tests.test_daemon_process import Process

#: how often the process is weighed, and how often the far sides get another fault, in seconds
WEIGHED_EVERY, FAULT_EVERY = 2, 5
_REDOUTE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("answer_500", {"on": "any", "after_apply": True}),
    ("cut_connection", {"on": "any", "after_apply": False}),
    ("lose_report", {"kind": "any"}),
    ("repeat_report", {"kind": "any", "same_name": True}),
    ("cut_download", {}),
)
_LEWIS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cut_upload", {"after": 40}),
    ("cut_download", {}),
    ("wrong_checksum", {}),
    ("half_file", {"missing": "marker"}),
    ("repeat_order_file", {"same_name": True, "changed": False}),
)


async def _sells_and_ships(told: Flow, chance: random.Random) -> None:
    """Stock changes, customers order, and everything that may be shipped is."""
    number = 0
    while True:
        number += 1
        for name, skus in (("redoute", EANS), ("lewis", PARTS)):
            rows = "".join(f"{sku},{chance.randrange(1, 9)}\n" for sku in skus)
            await told.imports(name, "stock", f"sku,stock\n{rows}")
        if number % 4 == 0 and set(told.sandbox.laredoute.offers) == set(EANS.values()):
            told.sandbox.laredoute.place_order([(EANS["LAMP-1"], 1)])
            told.sandbox.johnlewis.place_order(PARTS["CHAIR-1"], 1)
        await told.ships()
        await told.goes_on()
        await anyio.sleep(0.5)


async def _has_faults(told: Flow, chance: random.Random, figures: Figures) -> None:
    while True:
        await anyio.sleep(FAULT_EVERY)
        for side, faults in ((told.sandbox.laredoute, _REDOUTE), (told.sandbox.johnlewis, _LEWIS)):
            name, parameters = chance.choice(faults)
            side.faults.add(name, **parameters)
            figures.hit[f"fault {name} asked for"] += 1


async def _weighs(told: Flow, process: Process, minutes: float, weights: list[Weight], figures: Figures) -> None:
    log, until = told.database.with_name("sellerd.db-wal"), monotonic() + 60 * minutes
    while monotonic() < until:
        weights.append(weigh(process.pid))
        figures.counts["times weighed"] += 1
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            figures.broken.append(f"the log of the database has {log.stat().st_size} bytes")
        # Whoever asks for the health and the metrics is a part of the load too.
        try:
            await told.site.health()
            await told.site.control("GET", "/metrics")
        except httpx.HTTPError as error:
            figures.hit[f"health was not told in time: {type(error).__name__}"] += 1
        await anyio.sleep(WEIGHED_EVERY)


async def soak(minutes: float, seed: int = 0) -> Figures:
    """Run for so many minutes, and say what grew."""
    chance, figures, weights = random.Random(f"soak {seed}"), Figures(), list[Weight]()
    async with flow() as told:
        # What the far side does after the deadline of a send nobody can know, and a busy machine is slow to serve it.
        told.site.write(told.configuration.replace('deadline = "1s"', 'deadline = "5s"'))
        told.site.deadline = round(60 * minutes) + SETTLES_WITHIN
        async with told.site.running(**told.secrets) as process, anyio.create_task_group() as group:
            group.start_soon(_sells_and_ships, told, chance)
            group.start_soon(_has_faults, told, chance, figures)
            await _weighs(told, process, minutes, weights, figures)
            group.cancel_scope.cancel()
        figures.broken += grown(weights, "soak")
        figures.broken += told.too_close()
        gaps = told.sandbox.laredoute.offer_gaps(all_requests=True)
        figures.counts["pairs of offer feeds, an interval apart or more"] += sum(gap >= INTERVAL for gap in gaps)
        figures.counts["minutes"] += round(minutes)
        ((turns,),) = await told.rows("SELECT count(*) FROM job_runs")
        ((orders,),) = await told.rows("SELECT count(*) FROM orders")
        figures.counts["turns"] += turns
        figures.counts["orders"] += orders
        for name in ("memory_kib", "files", "threads"):
            held = [getattr(each, name) for each in weights[len(weights) // 3 :]]
            figures.counts[f"{name} at least, after the first third"] += min(held)
            figures.counts[f"{name} at most, after the first third"] += max(held)
    return figures


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=60, help="how long")


def _measure(asked: Namespace) -> Iterator[Result]:
    # The sandbox's servers log every client that goes away.
    logging.disable(logging.CRITICAL)
    figures = anyio.run(soak, asked.minutes)
    yield Result("soak", f"python -m tests.prove soak --minutes {asked.minutes:g}", figures)


METHOD = Method(
    "soak",
    "the real process works at a hundredfold pace while the far sides have faults, and is weighed every two seconds",
    _options,
    _measure,
)
