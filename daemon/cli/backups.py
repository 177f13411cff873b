"""`sellerd backup` and `sellerd restore`: copies of the database, proven, and put back (promise P29)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun, examples
from daemon.cli.output import json_option, print_facts, print_json, print_table, rows_options
from daemon.cli.progress import working
from daemon.cli.site import Site, address, asynchronous

if TYPE_CHECKING:
    from daemon.store.backups import Backup

_file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.db")


@click.group("backup", cls=Noun, default="create")
def backup() -> None:
    """Copy the database while everything goes on, list copies, prove one; without a command: create."""


@backup.command("create", epilog=examples("sellerd backup", "sellerd backup create --output /mnt/safe/sellerd.db"))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Put a copy of it here as well.")
@json_option
@click.pass_obj
@asynchronous
async def create(site: Site, *, output: Path | None, as_json: bool) -> None:
    """Copy the database as it is now, checked, into the folder of backups; a running daemon makes it itself.

    A backup is one file (mode 0600) with a manifest beside it, and nothing waits for it. It holds everything, names and
    addresses of customers too: keep it accordingly. Secrets are not in the database; keep the configuration apart.
    """
    async with site.control() as control:
        with working("copying the database"):
            made: dict[str, Any] = (await control.tell(address("backups")))["backup"]
    if output is not None:
        from daemon.store.backups import copy_out

        copy_out(Path(made["path"]), output)
        made["path"] = str(output)
    if as_json:
        print_json(backup=made)
        return
    click.echo(f"{made['path']}: {made['size']} bytes, as of {made['made_at']}")


@backup.command("list", epilog=examples("sellerd backup list --json"))
@rows_options
@click.pass_obj
@asynchronous
async def list_backups(site: Site, *, as_json: bool) -> None:
    """List the backups in their folder, the newest first."""
    from daemon.store.backups import listed

    found = [each.as_dict() for each in listed(site.backups)]
    if as_json:
        print_json(backups=found)
        return
    columns = ["made_at", "size", "schema", "sellerd", "path"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="There is no backup yet.")


@backup.command("verify", epilog=examples("sellerd backup verify /var/lib/sellerd/backups/sellerd-20260302T120000Z.db"))
@_file_argument
@json_option
@click.pass_obj
@asynchronous
async def verify(site: Site, *, file: Path, as_json: bool) -> None:  # noqa: ARG001 - as every command
    """Prove that FILE.db can be put back: its bytes, its consistency, and a rehearsal in a folder of its own.

    Nothing of this installation is touched. Ends with 1 when it could not be put back.
    """
    await _prove(file, as_json=as_json)


@click.command(
    "restore",
    epilog=examples(
        "sellerd restore --verify sellerd-20260302T120000Z.db",
        "systemctl stop sellerd && sellerd restore sellerd-20260302T120000Z.db && systemctl start sellerd",
    ),
)
@_file_argument
@click.option("--verify", "only_verify", is_flag=True, help="Only prove that it could be put back, as backup verify.")
@json_option
@click.pass_obj
@asynchronous
async def restore(site: Site, *, file: Path, only_verify: bool, as_json: bool) -> None:
    """Put a backup in the place of the database, when it is proven and no daemon runs; the old one is kept beside it.

    The restored database does not know what was sent since the backup. So every gate starts its time again, and order
    updates that waited then are asked about, or wait for a person (sellerd orders resolve), before they are sent. What
    the seller brought since must be brought again, and orders that a marketplace has let go since are not in it.
    """
    if only_verify:
        await _prove(file, as_json=as_json)
        return
    from daemon.clock import read_clocks
    from daemon.store import open_store
    from daemon.store.backups import put_back

    known = await _examined(file)
    with working("putting the database back"):
        aside = await put_back(file, site.database, read_clocks().at)
        async with open_store(site.database) as store:
            sizes = await store.views.sizes()
    if as_json:
        print_json(restored=known.as_dict(), kept=None if aside is None else str(aside), holds=sizes)
        return
    click.echo(f"The database is that of {known.as_dict()['made_at']} now: {_counted(sizes)}.")
    if aside is not None:
        click.echo(f"The one before is kept as {aside}; remove it when it is not needed, customers stand in it.")
    click.echo("Every gate starts its time again. Import stock and prices anew, then: systemctl start sellerd")


async def _examined(file: Path) -> "Backup":
    from daemon.store.backups import examined

    with working("reading the backup"):
        found = await examined(file)
    if found.problems or found.backup is None:
        raise Failure("\n".join(["this backup cannot be put back:", *(f"  {it}" for it in found.problems)]), REFUSED)
    return found.backup


async def _prove(file: Path, *, as_json: bool) -> None:
    from daemon.store.backups import rehearsed

    known = await _examined(file)
    with working("rehearsing"):
        sizes = await rehearsed(file)
    if as_json:
        print_json(backup=known.as_dict(), ok=True, holds=sizes)
        return
    said = known.as_dict()
    print_facts([(name, said[name]) for name in ("path", "made_at", "size", "sha256", "schema", "sellerd")])
    click.echo(f"It can be put back: {_counted(sizes)}.")


def _counted(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sizes.items())
