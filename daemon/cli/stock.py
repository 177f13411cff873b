"""`sellerd stock`: the stock of an account as a whole (guide J3, L6)."""

import click

from daemon.cli.noun import examples
from daemon.cli.output import json_option, print_json
from daemon.cli.site import Site, account_option, address, asynchronous


@click.group()
def stock() -> None:
    """Send the stock of an account; `sellerd import stock` brings it in."""


@stock.command(
    epilog=examples("sellerd stock push --account johnlewis-gb", "sellerd stock push --account johnlewis-gb --full")
)
@account_option
@click.option("--full", is_flag=True, help="Send the stock of every listing, not only what has changed.")
@json_option
@click.pass_obj
@asynchronous
async def push(site: Site, *, account: str, full: bool, as_json: bool) -> None:
    """Send the stock that has changed now, or with --full that of every listing.

    The gate stays what it is: a feed that may not leave yet waits all the same. A listing whose stock was rejected too
    often in a row is left out until it is mended or unblocked.
    """
    async with site.control() as control:
        answer = await control.tell(address("accounts", account, "stock", "push"), {"full": full})
    if as_json:
        print_json(**answer)
        return
    if full:
        click.echo(f"The stock of {answer['pending']} listings of {account} is to be sent.")
    if answer["waits"]:
        click.echo(f"No turn begins now: {answer['waits']}.")
    else:
        click.echo(f"offers of {account} has its turn now; see: sellerd feeds list --account {account}")
