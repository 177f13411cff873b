"""What every method of `make prove` is: a name, what it does, its options, and how it measures."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.prove.figures import Figures


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run: `name` is the method, and its variant where it has some; `kept` whether the page takes it.

    `command` is what runs it again.
    """

    name: str
    command: str
    figures: Figures
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Method:
    """One method: `about` stands on the page of promises, `options` adds its arguments, `measure` runs it.

    The defaults of the arguments are the long form.
    """

    name: str
    about: str
    options: Callable[[ArgumentParser], None]
    measure: Callable[[Namespace], Iterator[Result]]


def together(work: Callable[[Any], Figures], given: Iterable[Any], workers: int) -> Figures:
    """The figures of every run together, as many at a time as there are workers; told on stderr as they come."""
    total, given = Figures(), list(given)
    with ProcessPoolExecutor(workers) as pool:
        for done, figures in enumerate(pool.map(work, given), 1):
            total.add(figures)
            for text in figures.broken:
                print(f"BROKEN {text}", file=sys.stderr)
            print(f"\r{done} of {len(given)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total
