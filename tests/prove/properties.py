"""The property tests that run on every change, with many more examples, drawn anew each time.

Each is one sentence about all inputs; hypothesis looks for the shortest input that breaks it, and prints it.
"""

import os
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.prove.figures import Figures
from tests.prove.method import Method, Result, together

ROOT = Path(__file__).parents[2]
#: what is measured by which files
TESTS: Mapping[str, str] = {
    "sequences of calls that store and model were compared by": "tests/store/test_machines.py",
    "stories that were played to their end": "tests/jobs/test_properties.py",
    "files that were read or refused in words": "tests/fuzz/test_readers.py",
    "requests that the REST interface answered as it is described": "tests/web/rest/test_schema.py",
}
_EXAMPLES = re.compile(r"(\d+) (?:passing,|requests answered as described)")


def run(what: str, examples: int) -> Figures:
    """Run one file of tests; every example that passed is counted."""
    figures = Figures()
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "--hypothesis-show-statistics"]
    done = subprocess.run(
        [*command, TESTS[what]],
        cwd=ROOT,
        env={**os.environ, "SELLERD_EXAMPLES": str(examples)},
        capture_output=True,
        text=True,
        check=False,
    )
    figures.counts[what] += sum(map(int, _EXAMPLES.findall(done.stdout)))
    if not figures.counts[what] or done.returncode:
        figures.broken.append(f"{TESTS[what]}: {done.stdout[-1_500:]}")
    return figures


def _run(given: tuple[str, int]) -> Figures:
    return run(*given)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--examples", type=int, default=1_000, help="how many examples of each property")


def _measure(asked: Namespace) -> Iterator[Result]:
    figures = together(_run, [(what, asked.examples) for what in TESTS], asked.workers)
    yield Result("properties", f"python -m tests.prove properties --examples {asked.examples}", figures)


METHOD = Method(
    "properties",
    "sentences about all inputs, tried with a thousand examples each: the store beside small models of it, whole stories,"
    " files of any bytes, and requests made up from the description of the REST interface",
    _options,
    _measure,
)
