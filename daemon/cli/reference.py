"""`sellerd reference`: the marketplace's own codes and the sales, against which things are checked (L4, C3)."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.failures import REFUSED
from daemon.cli.files import blocks, columns_option
from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, json_option, print_json, print_table, rows_options
from daemon.cli.progress import counted, working
from daemon.cli.site import Site, account_option, address, asynchronous

if TYPE_CHECKING:
    from daemon.seller.columns import Column

_SHOWN = 20
_KINDS = ("categories", "attributes", "brands", "sales")


@click.group(cls=Noun)
def reference() -> None:
    """Import and list the marketplace's codes, and the sales of the year; without a command: list."""


def _columns() -> "Mapping[Any, Sequence[Column]]":
    from daemon.seller.reference import REFERENCE_COLUMNS

    return REFERENCE_COLUMNS


@reference.command(
    "import", epilog=examples("sellerd reference import categories categories.csv --account laredoute-fr")
)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.csv")
@account_option
@columns_option(_columns)
@json_option
@click.pass_obj
@asynchronous
async def import_codes(site: Site, *, kind: str, file: Path, account: str, as_json: bool) -> None:
    """Take over a whole list of codes, or of sales, from a CSV file, in the place of the one before.

    With one bad row, nothing is taken over. Otherwise every listing is judged anew: what was held back and is good now
    goes, what waits and is wrong now is held back, and what the marketplace has already is told.
    """
    async with site.control() as control:
        with working(f"importing {kind}", file.stat().st_size) as progress:  # noqa: ASYNC240 - a look, no wait
            content = counted(blocks(file), progress)
            report = await control.bring(address("accounts", account, "reference", kind), content)
    if as_json:
        print_json(**report)
    else:
        _tell(report)
    listings = report["listings"] or {}
    if report["refused"] or listings.get("held_back") or listings.get("doubtful"):
        raise click.exceptions.Exit(REFUSED)


def _tell(report: Mapping[str, Any]) -> None:
    shortly = _SHOWN if sys.stdout.isatty() else None
    if report["faults"]:
        click.echo(f"{report['refused']} of {report['rows']} rows are wrong, and nothing was taken over:")
        names = ("line", "column", "value", "problem", "fix")
        print_table(names, [[fault[name] for name in names] for fault in report["faults"][:shortly]], empty="")
        return
    listings = report["listings"]
    click.echo(f"{report['rows']} rows were taken over.")
    if listings is None:
        click.echo("Promotions that name a sale are judged by them when they begin; those in force, by the next feed.")
        return
    freed, held_back = listings["freed"], listings["held_back"]
    click.echo(f"{listings['judged']} listings: {freed} can be sent now, {held_back} are held back now.")
    if listings["doubtful"]:
        click.echo(f"{listings['doubtful']} that the marketplace has, or has rejected, would not be sent as they are:")
        told = [
            (each["sku"], fault["field"], fault["text"], fault["fix"])
            for each in listings["told"][:shortly]
            for fault in each["faults"]
        ]
        print_table(["sku", "field", "problem", "fix"], told, empty="")


@reference.command("list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@account_option
@click.option("--find", default="", help="Only those in whose codes or names this stands.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, by code.")
@click.option("--after", default="", help="Go on behind this code: the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_codes(
    site: Site, *, kind: str | None, account: str, find: str, limit: int, after: str, as_json: bool
) -> None:
    """List the codes of one kind; without a kind, which lists were imported and when."""
    from daemon.model import AccountName
    from daemon.store.reference import ReferenceKind

    async with site.reading(account) as store:
        if kind is None:
            lists = [
                {"kind": each.kind.value, "size": each.size, "imported_at": each.imported_at.isoformat()}
                for each in await store.reference.lists(AccountName(account))
            ]
            found: list[dict[str, Any]] = lists
        else:
            found = await store.reference.codes(
                AccountName(account), ReferenceKind(kind), find=find, limit=limit, after=after
            )
    if as_json:
        print_json(**{"codes" if kind else "lists": found})
        return
    columns = list(found[0]) if found else ["code"]
    rows = [[_cell(row[column]) for column in columns] for row in found]
    empty = "No such code was imported." if kind else "No list was imported, so codes are not checked."
    print_table(columns, rows, empty=empty)


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
