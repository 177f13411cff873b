"""`sellerd import`: what the seller brings in CSV and XLSX files, after a dry run where one is wanted (guide S1)."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.failures import REFUSED
from daemon.cli.files import blocks, columns_option, private_target
from daemon.cli.noun import examples
from daemon.cli.output import json_option, print_json, print_table, shown
from daemon.cli.progress import counted, working
from daemon.cli.site import Site, account_option, address, asynchronous

if TYPE_CHECKING:
    from daemon.seller.columns import Column

_SHOWN = 20

Fault = dict[str, Any]


def _columns() -> "Mapping[Any, Sequence[Column]]":
    from daemon.seller.columns import COLUMNS

    return COLUMNS


@click.command(
    "import",
    epilog=examples(
        "sellerd import stock stock.csv --account laredoute-fr",
        "sellerd import prices prices.xlsx --account laredoute-fr --dry-run",
        "sellerd import listings new.csv --account laredoute-fr --bad-rows mend.csv",
    ),
)
@click.argument("kind", type=click.Choice(["listings", "stock", "prices", "promotions", "dispatches"]))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@account_option
@click.option(
    "--bad-rows",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the refused rows here, each with its fault, to be mended and imported again (.xlsx or .csv).",
)
@click.option("--dry-run", is_flag=True, help="Show what the file would change, field by field, and change nothing.")
@columns_option(_columns)
@json_option
@click.pass_obj
@asynchronous
async def import_(
    site: Site, *, kind: str, file: Path, account: str, bad_rows: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Bring in listings, stock, prices, promotions or dispatches from a CSV or XLSX file.

    The first line names the columns, in any order (see --columns). In CSV they are separated by comma, semicolon or
    tab, the letters are UTF-8 or cp1252; of a workbook, the first sheet that shows is read. A bad row is told and left
    out, the others go in. A column that is not in the file leaves its values as they are.
    """
    async with site.control() as control:
        path = address("accounts", account, "imports", kind)
        with working(f"importing {kind}", file.stat().st_size) as progress:  # noqa: ASYNC240 - a look, no wait
            content = counted(blocks(file), progress)
            report = await control.bring(f"{path}?dry_run=true" if dry_run else path, content)
    faults = report["faults"]
    written = _write_bad_rows(kind, file, bad_rows, faults) if bad_rows and faults else 0
    if as_json:
        print_json(**report)
    else:
        _tell(report)
        if written:
            which = "The" if written == report["refused"] else f"The first {written}"
            click.echo(f"{which} refused rows are in {bad_rows}: mend them there and import that file.")
    if report["refused"] or report["not_ready"]:
        raise click.exceptions.Exit(REFUSED)


def _write_bad_rows(kind: str, source: Path, target: Path, faults: Sequence[Fault]) -> int:
    from daemon.seller.badrows import TableFormat, reasons_of, write_bad_rows
    from daemon.seller.columns import ImportKind

    form = TableFormat.XLSX if target.suffix.casefold() == ".xlsx" else TableFormat.CSV
    # Written beside and moved then: the target may be the very file that was imported, mended once already.
    fresh = target.with_name(f"{target.name}.new")
    with source.open("rb") as rows, private_target(fresh) as written:
        count = write_bad_rows(ImportKind(kind), rows, reasons_of(faults), written, form)
    fresh.replace(target)
    return count


def _tell(report: Mapping[str, Any]) -> None:
    for title, near in report["ignored_columns"].items():
        hint = f"; did you mean {near}?" if near else ""
        click.echo(f"note: the column {shown(title)} is not one that is known, and was passed over{hint}", err=True)
    counts = ", ".join(f"{report[what]} {what}" for what in ("created", "changed", "unchanged", "refused"))
    rows = "1 row" if report["rows"] == 1 else f"{report['rows']} rows"
    click.echo(f"{rows}{' would do this' if report['dry_run'] else ''}: {counts}.")
    shortly = _SHOWN if sys.stdout.isatty() else None
    if report["differences"]:
        click.echo("It would change:")
        changed = [
            (each["line"], each["key"], each["field"], each["old"], each["new"])
            for each in report["differences"][:shortly]
        ]
        print_table(["line", "of", "field", "old", "new"], changed, empty="")
        _tell_rest(report["differing"] - len(changed), "--json shows more")
    if report["faults"]:
        told = [
            (
                fault["line"],
                fault["sku"] or fault["order"],
                fault["column"],
                fault["value"],
                fault["problem"],
                fault["fix"],
            )
            for fault in report["faults"][:shortly]
        ]
        print_table(["line", "sku", "column", "value", "problem", "fix"], told, empty="")
        _tell_rest(len(report["faults"]) - len(told), "--bad-rows FILE or --json shows more")
    if report["incomplete"]:
        click.echo(f"{_listings(report['not_ready'])} imported, but cannot be sent as they are:")
        waiting = [(each["line"], each["sku"], each["reason"]) for each in report["incomplete"][:shortly]]
        print_table(["line", "sku", "what is missing"], waiting, empty="")
        _tell_rest(report["not_ready"] - len(waiting), "see: sellerd listings list --state error")
    if report["doubtful"]:
        click.echo(f"{_listings(report['warned'])} imported in which something may be wrong:")
        doubts = [
            (each["line"], each["sku"], warning["field"], warning["text"], warning["fix"])
            for each in report["doubtful"][:shortly]
            for warning in each["warnings"]
        ]
        print_table(["line", "sku", "field", "warning", "fix"], doubts, empty="")
        left = report["warned"] - len(report["doubtful"][:shortly])
        _tell_rest(left, "see: sellerd listings list --warnings")


def _tell_rest(more: int, hint: str) -> None:
    if more > 0:
        click.echo(f"… and {more} more; {hint}")


def _listings(count: int) -> str:
    return "1 listing was" if count == 1 else f"{count} listings were"
