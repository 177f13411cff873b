"""Methods that live a story by a seed: their arguments, one seed that is told, or many that are counted."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import anyio

from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together

SIDES = ("laredoute", "johnlewis")
NEVER: Mapping[str, frozenset[str]] = MappingProxyType({})
Story = Callable[..., Coroutine[Any, Any, Figures]]


def seeded(
    name: str,
    about: str,
    story: Story,
    *,
    seeds: int,
    days: float | None = None,
    sometimes: Mapping[str, frozenset[str]] = NEVER,
) -> Method:
    """A method of `story(side, seed, [days,] tell)`; `seeds` and `days` are its long form.

    Without `days` a story has a length of its own. `sometimes` is what the runs of a side must really have met.
    """

    def options(parser: ArgumentParser) -> None:
        parser.add_argument("--marketplace", choices=SIDES, help="one side alone")
        parser.add_argument("--seeds", type=int, default=seeds, help="how many stories on each side")
        if days is not None:
            parser.add_argument("--days", type=float, default=days, help="how many days each")
        parser.add_argument("--seed", type=int, help="this seed alone")
        parser.add_argument("--tell", action="store_true", help="tell what happens, with --seed")

    def measure(asked: Namespace) -> Iterator[Result]:
        length, more = ((), "") if days is None else ((asked.days,), f" --days {asked.days:g}")
        for side in [asked.marketplace] if asked.marketplace else SIDES:
            again = f"python -m tests.prove {name} --marketplace {side}"
            if asked.seed is not None:
                figures = anyio.run(partial(story, side, asked.seed, *length, print if asked.tell else _silent))
                print(dict(figures.counts), dict(figures.hit), sep="\n")
                yield Result(f"{name} {side}", f"{again} --seed {asked.seed}", figures, kept=False)
                continue
            figures = together(partial(_lived, story, side, length), range(asked.seeds), asked.workers)
            figures.broken += [
                f"the run never met: {what}" for what in figures.missed(sometimes.get(side, frozenset()))
            ]
            yield Result(f"{name} {side}", f"{again} --seeds {asked.seeds}{more}", figures)

    return Method(name, about, options, measure)


def _lived(story: Story, side: str, length: tuple[float, ...], seed: int) -> Figures:
    return anyio.run(partial(story, side, seed, *length, _silent))


def _silent(_: str) -> None:
    pass
