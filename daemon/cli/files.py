"""What the commands that take a CSV file share: its columns told on request, and its bytes in blocks."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from daemon.cli.output import print_table

if TYPE_CHECKING:
    from daemon.seller.columns import Column

_BLOCK = 1 << 18


def columns_option(columns: Callable[[], "Mapping[Any, Iterable[Column]]"]) -> Callable[..., Any]:
    """The option `--columns`, which shows the columns of each kind of file; they are asked for only then."""

    def show(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if not wanted or ctx.resilient_parsing:
            return
        rows = [
            (
                *(kind, column.name, "yes" if column.required else "", column.meaning, column.example),
                ", ".join(column.also),
            )
            for kind, known in columns().items()
            for column in known
        ]
        print_table(["file", "column", "required", "meaning", "example", "also called"], rows, empty="")
        ctx.exit()

    return click.option(
        "--columns",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the columns of each kind of file and stop.",
    )


async def blocks(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file, a block at a time, so that a large one is never held whole."""
    async with await anyio.open_file(path, "rb") as file:
        while block := await file.read(_BLOCK):
            yield block
