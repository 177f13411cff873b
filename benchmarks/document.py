"""docs/benchmarks.md, written from the figures that were measured last."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.asked import ASKED, Asked
from benchmarks.limits import LIMITS

ROOT = Path(__file__).parents[1]
MEASURED = Path(__file__).parent / "measured"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
#: what `python -m benchmarks grow` measures, which is plotted and no table
GROWTH = "grow"

_HEAD = """\
# Benchmarks

What sellerd costs beside what people would use instead. `make bench` installs the peers, lets each take turns with us
in one run (A B A B …), takes medians, and writes this page; `make bench ARGS=NAME` measures one family anew. Ratios are
what counts: seconds are those of one machine. Nothing here is a test: none fails because a machine is slow.
"""


def keep(family: str, told: dict[str, Any]) -> None:
    """Put the figures of a family in the place of its former ones."""
    (MEASURED / f"{family}.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", "utf-8")


def measured() -> dict[str, Any]:
    """The figures of every family, by its name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(MEASURED.glob("*.json"))}


def written() -> str:
    """The whole page."""
    found = measured()
    growth = found.pop(GROWTH, None)
    rows = [row for told in found.values() for row in told["rows"]]
    parts = [_HEAD.rstrip(), _asked(rows), *(_family(name, told) for name, told in found.items())]
    return "\n\n".join([*parts, *([_growth(growth)] if growth else [])]) + "\n"


def _asked(rows: list[dict[str, Any]]) -> str:
    table = [
        "| Work | Beside | Asked | Measured | |",
        "|-|-|-|-|-|",
        *(_answer(asked, [row for row in rows if row["asks"] == asked.key]) for asked in ASKED),
    ]
    return "## What is asked, and what came of it\n\n" + "\n".join(table)


def _answer(asked: Asked, rows: list[dict[str, Any]]) -> str:
    came = "<br>".join(_came(row) for row in rows) or "not measured yet"
    return f"| {asked.work} | {asked.beside} | {asked.target} | {came} | {_verdict(asked, rows)} |"


def _came(row: dict[str, Any]) -> str:
    if "ratio" not in row:
        return f"{_figure(row)} ({row['work']})"
    memory = "" if row["memory"] is None else f", {row['ours']['memory']:.0f} MiB"
    return f"{row['ratio']:.2f} × ({row['ours']['wall']:.2f} s and {row['theirs']['wall']:.2f} s){memory}"


def _verdict(asked: Asked, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    if all(row["met"] for row in rows):
        return "met"
    return f"**missed**: {LIMITS.get(asked.key, 'the limit is not known yet')}"


def _family(name: str, told: Mapping[str, Any]) -> str:
    pairs = [row for row in told["rows"] if "ratio" in row]
    figures = [row for row in told["rows"] if "ratio" not in row]
    parts = [f"## {name.capitalize()}", f"{told['machine']}; on {told['on']}; each side ran {_times(told['runs'])}."]
    if pairs:
        head = ["| Work | Beside | Ours | Peer's | Ratio (of each run) | Asked | Our peak | |", "|-|-|-|-|-|-|-|-|"]
        parts.append("\n".join([*head, *map(_pair, pairs)]))
    if figures:
        parts.append("\n".join(["| Figure | Measured | Asked | |", "|-|-|-|-|", *map(_single, figures)]))
    if told.get("note"):
        parts.append(told["note"])
    return "\n\n".join(parts)


def _pair(row: dict[str, Any]) -> str:
    limit = "" if row["memory"] is None else f" (≤ {row['memory']:g})"
    each = f" ({row['ratios'][0]:.2f} to {row['ratios'][-1]:.2f})" if "ratios" in row else ""
    return (
        f"| {row['work']} | {row['peer']} | {row['ours']['wall']:.2f} s | {row['theirs']['wall']:.2f} s |"
        f" {row['ratio']:.2f} ×{each} | ≤ {row['target']:g} × | {row['ours']['memory']:.0f} MiB{limit} | {_met(row)} |"
    )


def _single(row: dict[str, Any]) -> str:
    target = "" if row["target"] is None else f"≤ {row['target']:g} {row['unit']}"
    return f"| {row['work']} | {_figure(row)} | {target} | {'' if row['target'] is None else _met(row)} |"


def _met(row: dict[str, Any]) -> str:
    return "met" if row["met"] else "**missed**"


def _figure(row: dict[str, Any]) -> str:
    return f"{row['figure']:,.{0 if row['figure'] >= 100 else 2}f} {row['unit']}"


def _growth(told: Mapping[str, Any]) -> str:
    plots = [f"![{plot['title']}](images/growth-{name}.svg)" for name, plot in sorted(told["plots"].items())]
    words = (
        "`python -m benchmarks grow` measures each and draws it: what grows with what changed should be a straight line"
        " of slope one here, what has nothing to do with the size of the catalogue should be flat."
    )
    return "\n\n".join(["## How each grows", f"{told['machine']}; on {told['on']}.", words, *plots])


def _times(runs: int) -> str:
    return "once" if runs == 1 else f"{runs} times"
