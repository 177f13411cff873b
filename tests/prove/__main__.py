"""Measure what the promises are worth: `python -m tests.prove [METHOD]`; without one, all methods in their long form."""

import argparse
import sys
from os import cpu_count

from tests.prove.document import DOCUMENT, written
from tests.prove.measured import keep
from tests.prove.methods import METHODS


def _arguments() -> list[tuple[argparse.Namespace, str]]:
    """The arguments of every method that is to run, and its name."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parsers = parser.add_subparsers(dest="method", metavar="METHOD")
    parsers.add_parser("document", help="write docs/promises.md from what was measured last")
    for method in METHODS:
        own = parsers.add_parser(method.name, help=method.about)
        own.add_argument("--workers", type=int, default=cpu_count() or 1, help="how many runs at a time")
        method.options(own)
    asked = parser.parse_args()
    names = [asked.method] if asked.method else [method.name for method in METHODS]
    return [(asked if asked.method else parser.parse_args([name]), name) for name in names]


def main() -> int:
    """Run what was asked; 1 where a promise is broken."""
    methods, broken = {method.name: method for method in METHODS}, []
    for asked, name in _arguments():
        if name == "document":
            DOCUMENT.write_text(written(), "utf-8")
            continue
        for result in methods[name].measure(asked):
            broken += result.figures.broken
            if result.kept:
                keep(result)
                DOCUMENT.write_text(written(), "utf-8")
    for text in broken:
        print(text, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
