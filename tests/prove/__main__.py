"""Measure what the promises are worth: `python -m tests.prove [METHOD]`; without one, all methods in their long form."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count
from typing import Any

import anyio

from tests.prove import crashpoints, mutants
from tests.prove.document import DOCUMENT, record, written
from tests.prove.figures import Figures
from tests.prove.simulation import SOMETIMES, simulate

SIDES = ("laredoute", "johnlewis")


def _simulated(seed: int, *, side: str, days: float, tell: bool = False) -> Figures:
    return anyio.run(simulate, side, seed, days, print if tell else _silent)


def _silent(_: str) -> None:
    pass


def _killed(point: tuple[str, int]) -> Figures:
    # The sandbox's web server logs every client that dies.
    logging.disable(logging.CRITICAL)
    return anyio.run(crashpoints.kill_at, *point)


def _all(work: Callable[[Any], Figures], given: Iterable[Any], workers: int) -> Figures:
    """The figures of every run together, as many at a time as there are workers."""
    total, given = Figures(), list(given)
    with ProcessPoolExecutor(workers) as pool:
        for done, figures in enumerate(pool.map(work, given), 1):
            total.add(figures)
            for text in figures.broken:
                print(f"BROKEN {text}", file=sys.stderr)
            print(f"\r{done} of {len(given)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total


def _simulation(asked: argparse.Namespace) -> list[str]:
    broken = []
    for side in [asked.marketplace] if asked.marketplace else SIDES:
        if asked.seed is not None:
            figures = _simulated(asked.seed, side=side, days=asked.days, tell=asked.tell)
            print(dict(figures.counts), dict(figures.hit), sep="\n")
            broken += figures.broken
            continue
        run = partial(_simulated, side=side, days=asked.days)
        figures = _all(run, range(asked.seeds), asked.workers)
        figures.broken += [f"the run never met: {name}" for name in figures.missed(SOMETIMES[side])]
        command = f"python -m tests.prove simulation --marketplace {side} --seeds {asked.seeds} --days {asked.days:g}"
        broken += _keep(f"simulation {side}", command, figures)
    return broken


def _crashpoints(asked: argparse.Namespace) -> list[str]:
    if not crashpoints.available():
        return ["strace is missing or may not trace here: scripts/install-test-servers"]
    if asked.at:
        call, _, number = asked.at.partition(":")
        return _killed((call, int(number))).broken
    counted = anyio.run(crashpoints.count_calls)
    points = [(call, number) for call, last in counted.items() for number in range(1, last + 1, asked.every)]
    figures = _all(_killed, points, asked.workers)
    return _keep("crashpoints", f"python -m tests.prove crashpoints --every {asked.every}", figures)


def _mutants(asked: argparse.Namespace) -> list[str]:
    wanted = [mutant for mutant in mutants.MUTANTS if asked.name in mutant.name]
    figures = _all(mutants.killed, wanted, asked.workers)
    if asked.name:
        return figures.broken
    return _keep("mutants", "python -m tests.prove mutants", figures)


def _keep(method: str, command: str, figures: Figures) -> list[str]:
    counts = {"counts": dict(figures.counts), "hit": dict(figures.hit), "broken": sorted(figures.broken)}
    record(method, command, counts)
    return figures.broken


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("method", nargs="?", choices=[*METHODS, "document"], help="one method; all without it")
    parser.add_argument("--workers", type=int, default=cpu_count() or 1, help="how many runs at a time")
    parser.add_argument("--marketplace", choices=SIDES, help="simulation: one side alone")
    parser.add_argument("--seeds", type=int, default=300, help="simulation: how many seeds")
    parser.add_argument("--days", type=float, default=3, help="simulation: how many days each")
    parser.add_argument("--seed", type=int, help="simulation: this seed alone")
    parser.add_argument("--tell", action="store_true", help="simulation: tell what happens, with --seed")
    parser.add_argument("--every", type=int, default=1, help="crashpoints: each n-th point")
    parser.add_argument("--at", metavar="CALL:N", help="crashpoints: this point alone")
    parser.add_argument("--name", default="", help="mutants: those whose name has this in it")
    return parser.parse_args()


METHODS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "simulation": _simulation,
    "crashpoints": _crashpoints,
    "mutants": _mutants,
}


def main() -> int:
    """Run what was asked; 1 where a promise is broken."""
    asked = _arguments()
    if asked.method == "document":
        DOCUMENT.write_text(written(), "utf-8")
        return 0
    methods = [asked.method] if asked.method else list(METHODS)
    broken = [text for method in methods for text in METHODS[method](asked)]
    for text in broken:
        print(text, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
