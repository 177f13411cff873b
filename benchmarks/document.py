"""docs/benchmarks.md, written from the figures that were measured last."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MEASURED = Path(__file__).parent / "measured"
DOCUMENT = ROOT / "docs" / "benchmarks.md"

_HEAD = """\
# Benchmarks

What sellerd costs beside what people would use instead. `make bench` installs the peers, lets each take turns with us
in one run (A B A B …), and writes this page. Ratios are what counts: seconds are those of one machine.
"""


def keep(family: str, told: dict[str, Any]) -> None:
    """Put the figures of a family in the place of its former ones."""
    (MEASURED / f"{family}.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", "utf-8")


def measured() -> dict[str, Any]:
    """The figures of every family, by its name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(MEASURED.glob("*.json"))}


def written() -> str:
    """The whole page."""
    return "\n\n".join([_HEAD.rstrip(), *(_family(name, told) for name, told in measured().items())]) + "\n"


def _family(name: str, told: dict[str, Any]) -> str:
    table = [
        "| work | beside | ours | peer's | ratio | target | our memory | |",
        "|-|-|-|-|-|-|-|-|",
        *map(_row, told["rows"]),
    ]
    return "\n\n".join([f"## {name.capitalize()}", f"{told['machine']}; {told['runs']} runs each.", "\n".join(table)])


def _row(row: dict[str, Any]) -> str:
    met = "met" if row["met"] else "**missed**"
    if "ratio" not in row:
        return (
            f"| {row['work']} | | {row['figure']:.2f} {row['unit']} | | | ≤ {row['target']:g} {row['unit']} | | {met} |"
        )
    limit = "" if row["memory"] is None else f" (≤ {row['memory']:g})"
    return (
        f"| {row['work']} | {row['peer']} | {row['ours']['wall']:.2f} s | {row['theirs']['wall']:.2f} s |"
        f" {row['ratio']:.2f} × | ≤ {row['target']:g} × | {row['ours']['memory']:.0f} MiB{limit} | {met} |"
    )
