"""`sellerd demo`: sandbox marketplaces, a daemon, a seller and customers, and everything that happens, to be seen."""

from pathlib import Path

import click

from daemon.cli.site import asynchronous

_SECONDS = 180


@click.command()
@click.option(
    "--once", is_flag=True, help="Run to the end by itself, and tell by the exit code whether all of it worked."
)
@click.option("--timeout", default=_SECONDS, show_default=True, help="With --once: give up after so many seconds.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Use this folder, which must be empty, and keep it; without it, a temporary one that is removed.",
)
@asynchronous
async def demo(*, once: bool, timeout: int, folder: Path | None) -> None:
    """Show everything at work against the sandbox, in about a minute.

    Two marketplaces are started on this machine, a catalogue is imported, the daemon sends it, customers order, the
    seller ships. Then it goes on until Ctrl-C. Nothing leaves this machine, and nothing is left behind.
    """
    from daemon.cli.demo.show import show

    code = await show(once=once, timeout=timeout, folder=folder)
    if code:
        raise click.exceptions.Exit(code)
