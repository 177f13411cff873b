"""What the commands that take or write a file share: columns told on request, bytes in blocks, private targets."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

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


def private_target(output: Path | None) -> "BinaryIO | nullcontext[BinaryIO]":
    """The file that an export goes to, for its owner alone from the first byte on; without one, standard output."""
    if output is None:
        return nullcontext(sys.stdout.buffer)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")
