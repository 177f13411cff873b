"""docs/promises.md, written from the promises and the figures that were measured last."""

from pathlib import Path
from typing import Any

from tests.prove.measured import measured
from tests.prove.methods import METHODS
from tests.prove.mutants import MUTANTS
from tests.prove.promises import PROMISES, Promise
from tests.prove.simulation import SOMETIMES

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "promises.md"

_HEAD = """\
# Promises

What sellerd promises, how each promise is shown, and what came of it. `make prove` runs the methods in their long form and
writes this page; `make test` runs each of them in a short one. Every figure is from the record of the far side (what the
sandbox received, and when), never from our own tables, but where the tables themselves are what is promised.

{methods}

Each says with which command it is run again. Nothing failed in N independent trials means, at 95 %, fewer than 3 in N.
"""


def written() -> str:
    """The whole page."""
    found = measured()
    head = _HEAD.format(methods="\n".join(f"- **{method.name}**: {method.about}." for method in METHODS))
    rows = [_row(number, promise, found) for number, promise in enumerate(PROMISES, 1)]
    table = "\n".join(
        [
            "| | The promise | Shown by `make prove` | Shown on every change by | Not shown, or not promised |",
            "|-|-|-|-|-|",
            *rows,
        ]
    )
    return (
        "\n\n".join([head.rstrip(), "## The thirty", table, _methods(found), _sometimes(found), _mutants(found)]) + "\n"
    )


def _row(number: int, promise: Promise, found: dict[str, Any]) -> str:
    shown = []
    for method, count in promise.shown:
        if method not in found:
            shown.append(f"{method}: not measured yet")
            continue
        broken = len(found[method]["broken"])
        shown.append(f"{broken} broken in {found[method]['counts'].get(count, 0):,} {count} ({method})")
    tests = "<br>".join(f"`{path}`" for path in promise.tests) or "not measured yet"
    words = "<br>".join(
        filter(None, [promise.left, promise.instead and f"Cannot be promised; instead: {promise.instead}"])
    )
    return f"| P{number} | {promise.sentence} | {'<br>'.join(shown) or 'no long form yet'} | {tests} | {words} |"


def _methods(found: dict[str, Any]) -> str:
    parts = ["## The methods, and their figures"]
    for method in sorted(found):
        told = found[method]
        counts = "\n".join(f"- {count:,} {name}" for name, count in sorted(told["counts"].items()))
        broken = "\n".join(f"- **{text}**" for text in told["broken"]) or "- nothing was broken"
        parts.append(f"### {method}\n\n`{told['command']}`\n\n{counts}\n{broken}")
    return "\n\n".join(parts)


def _sometimes(found: dict[str, Any]) -> str:
    rows = []
    for side, wanted in SOMETIMES.items():
        hit = found.get(f"simulation {side}", {}).get("hit", {})
        rows += [f"| {side} | {name} | {hit.get(name, 0) or '**never**'} |" for name in sorted(wanted)]
    return "\n".join(
        [
            "## What the simulation really met",
            "",
            "A long run that never met one of these fails: what did not happen was not survived.",
            "",
            "| Marketplace | What | Times |",
            "|-|-|-|",
            *rows,
            *(f"| any | {what} | {f'by {where}' if where else 'not measured yet'} |" for what, where in _ELSEWHERE),
        ]
    )


#: what a virtual clock cannot meet, with the test that does
_ELSEWHERE = (
    ("a second daemon on one database", "tests/store/test_database.py, tests/test_daemon_process.py"),
    ("a reload while turns are in flight", "tests/test_daemon_process.py"),
    ("a server that hangs in an upload", "tests/prove/test_hangs.py"),
    ("a report for an unknown feed", "tests/jobs/test_reports.py"),
    ("a report that is faster than the reply", "tests/store/test_late_answers.py, and by permutations"),
    ("a send that was given up, and had been taken", "tests/store/test_late_answers.py, and by permutations"),
    ("a disk that hangs", "tests/prove/test_faults.py, and by faults"),
    ("a failing fsync during a claim", "tests/prove/test_faults.py, and by faults"),
    ("a log of the database that was cut by a lost power", "tests/prove/test_powercut.py, and by powercut"),
    ("a log of the database that was truncated", "tests/prove/test_backups.py, and by powercut"),
)


def _mutants(found: dict[str, Any]) -> str:
    hit = found.get("mutants", {}).get("hit", {})
    by = {name.partition(": ")[0]: name.partition(": ")[2] for name in hit}
    rows = [f"| {mutant.name} | `{mutant.file}` | {_noticed(by.get(mutant.name))} |" for mutant in MUTANTS]
    return "\n".join(
        [
            "## Mistakes that the tests notice",
            "",
            f"Each is put into a copy of the tree by `python -m tests.prove mutants`; {len(by)} of {len(MUTANTS)} are noticed.",
            "",
            "| The mistake | Where it is made | Noticed by |",
            "|-|-|-|",
            *rows,
        ]
    )


def _noticed(by: str | None) -> str:
    return "**not noticed yet**" if by is None else f"`{by}`" if "::" in by else by
