"""What commands print: tables on a terminal, plain lines in a pipe, JSON for programs."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

#: rows of one answer: as many as the database gives at once, behind which `--before` and `--after` go on
LIMIT = click.IntRange(min=1, max=1_000)
#: the number of a row in the database
NUMBER = click.IntRange(min=1, max=(1 << 63) - 1)

_ESCAPES = dict.fromkeys([*range(32), *range(127, 160)], " ")


def json_option(command: F) -> F:
    """`--json`: the answer for programs, in a form that stays."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, whose form stays the same.")(command)


def print_json(**answer: object) -> None:
    """One JSON document; `version` says which form it has."""
    click.echo(json.dumps({"version": 1, **answer}, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under their columns; in a pipe tab-separated under one header line, and `empty` goes to a terminal only."""
    texts = [[shown(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in texts:
            click.echo("\t".join(row))
        return
    if not texts:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Names and values one below the other; what is empty is left out."""
    given = [(name, shown(value)) for name, value in facts if value not in (None, "", [])]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        click.echo(f"{name.ljust(width)}  {value}")


def shown(value: object) -> str:
    """A value as one line of text: what a marketplace wrote can neither break lines nor steer a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).translate(_ESCAPES)


def amount(minor: int | None, currency: str = "") -> str:
    """Minor units as people write them; empty for none."""
    return "" if minor is None else f"{minor // 100}.{minor % 100:02d} {currency}".rstrip()
