"""What commands print: tables on a terminal, plain lines in a pipe, JSON for programs."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

#: rows of one answer: as many as the database gives at once, behind which `--before` and `--after` go on
LIMIT = click.IntRange(min=1, max=1_000)
#: the number of a row in the database
NUMBER = click.IntRange(min=1, max=(1 << 63) - 1)

_META = "daemon.cli.output"
_ESCAPES = dict.fromkeys([*range(32), *range(127, 160)], " ")


def json_option(command: F) -> F:
    """`--json`: the answer for programs, in a form that stays."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_wants_json, help="Print JSON, whose form stays the same."
    )(command)


def rows_options(command: F) -> F:
    """`--json`, `--format` and `--output`, of commands that list rows."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["table", "csv", "json", "xlsx"]),
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="How rows are printed; without it a table on a terminal, tab-separated lines in a pipe.",
    )
    output = click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Into this file (mode 0600), by its ending .csv, .json or .xlsx where --format is not said.",
    )
    return json_option(form(output(command)))


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    ctx.meta[f"{_META}.{parameter.name}"] = value


def _wants_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    wanted = _form(ctx)
    if value and wanted not in (None, "json"):
        raise click.UsageError("--json and --format say different things: give one of them", ctx)
    if value:
        ctx.meta[f"{_META}.form"] = "json"
    return value or wanted == "json"


def _form(ctx: click.Context) -> str | None:
    """How rows are wanted; None for what fits where they go."""
    said: str | None = ctx.meta.get(f"{_META}.form")
    output: Path | None = ctx.meta.get(f"{_META}.output")
    if said is None and output is not None:
        said = output.suffix.lower().removeprefix(".")
        if said not in ("csv", "json", "xlsx"):
            raise click.UsageError(f"{output} ends in no .csv, .json or .xlsx: say --format", ctx)
    return said


@contextmanager
def _target() -> Iterator[BinaryIO]:
    """Where a whole answer goes as bytes: standard output, or a file that is there once it is whole."""
    ctx = click.get_current_context(silent=True)
    output: Path | None = None if ctx is None else ctx.meta.get(f"{_META}.output")
    if output is None:
        yield sys.stdout.buffer
        return
    fresh = output.with_name(f".{output.name}.part")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        fresh.replace(output)
    finally:
        fresh.unlink(missing_ok=True)


def print_json(**answer: object) -> None:
    """One JSON document; `version` is the number of its form."""
    text = json.dumps({"version": 1, **answer}, ensure_ascii=False, indent=2)
    with _target() as target:
        target.write(f"{text}\n".encode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under their columns; in a pipe tab-separated under one header line, and `empty` goes to a terminal only."""
    ctx = click.get_current_context(silent=True)
    form = None if ctx is None else _form(ctx)
    if form == "csv":
        _print_csv(columns, rows)
    elif form == "xlsx":
        _print_xlsx(columns, rows)
    elif form == "table" or sys.stdout.isatty():
        _print_for_people(columns, rows, empty)
    else:
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(map(shown, row)))


def _print_for_people(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console().print(table)


def _print_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from daemon.seller.exports import harmless

    text = StringIO(newline="")
    # Numbers stay numbers, a negative one too; only a text can come to life as a formula.
    csv.writer(text).writerows(
        [columns, *([harmless(shown(cell)) if isinstance(cell, str) else shown(cell) for cell in row] for row in rows)]
    )
    with _target() as target:
        # The mark at the start tells spreadsheets that it is UTF-8.
        target.write(f"\ufeff{text.getvalue()}".encode())


def _print_xlsx(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from daemon.seller.spreadsheets import write_spreadsheet

    with _target() as target:
        if target.isatty():
            raise click.UsageError("a workbook is nothing for a terminal: say --output FILE.xlsx, or send it elsewhere")
        book = BytesIO()
        write_spreadsheet(book, "sellerd", columns, [[_cell(cell) for cell in row] for row in rows])
        target.write(book.getvalue())


def _cell(value: object) -> str | int | bool | None:
    return value if value is None or isinstance(value, bool | int) else shown(value)


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
