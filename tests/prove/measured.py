"""The figures that were measured last, a file for each method."""

import json
from pathlib import Path
from typing import Any

from tests.prove.method import Result

FOLDER = Path(__file__).parent / "measured"


def measured() -> dict[str, Any]:
    """The command, counts, hits and breaches of every method, by its name."""
    return {told.pop("name"): told for told in map(_read, sorted(FOLDER.glob("*.json")))}


def keep(result: Result) -> None:
    """Put the figures of a method in the place of its former ones."""
    figures = result.figures
    told = {
        "name": result.name,
        "command": result.command,
        "counts": dict(figures.counts),
        "hit": dict(figures.hit),
        "broken": sorted(figures.broken),
    }
    path = FOLDER / f"{result.name.replace(' ', '-')}.json"
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", "utf-8")


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))
