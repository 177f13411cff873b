"""`sellerd listings check-photos`: photos looked at where they lie, if the account lets sellerd (consumer rule C6)."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.output import json_option, print_json, print_table
from daemon.cli.progress import working
from daemon.cli.site import Site, account_option, asynchronous

if TYPE_CHECKING:
    from daemon.seller.photos import PhotoFinding


@click.command("check-photos")
@account_option
@click.argument("skus", nargs=-1, metavar="[SKU]...")
@json_option
@click.pass_obj
@asynchronous
async def check_photos(site: Site, *, account: str, skus: tuple[str, ...], as_json: bool) -> None:
    """Ask for each photo of these listings, or of all, and tell which cannot be read or are too small.

    Nothing is changed. The account must have items.photos.check = true. Ends with 1 when a photo cannot be read or is
    smaller than items.photos.least; one that is smaller than items.photos.wanted is told alone.
    """
    looked, listings, told = 0, 0, list["PhotoFinding"]()
    with working("looking at photos"):
        async for page in _pages(site, account, skus):
            looked += len(page)
            listings += len({each.sku for each in page})
            told += [each for each in page if each.problem]
    if as_json:
        print_json(photos=looked, findings=[each.as_dict() for each in told])
    else:
        rows = [(each.sku, each.rank, each.url, each.verdict, each.problem) for each in told]
        print_table(
            ["sku", "photo", "url", "how", "problem"], rows, empty="Every photo can be read and is large enough."
        )
        click.echo(f"{looked} photos of {listings} listings were looked at.", err=True)
    if any(each.wrong for each in told):
        raise click.exceptions.Exit(REFUSED)


async def _pages(site: Site, name: str, skus: tuple[str, ...]) -> "AsyncIterator[list[PhotoFinding]]":
    from daemon.model import AccountName, Sku
    from daemon.seller.photos import check_photos as look
    from daemon.seller.photos import outward_of

    account = site.config().accounts.get(AccountName(name))
    if account is None:
        raise Failure(f"there is no account {name}; see: sellerd accounts list", REFUSED)
    wanted = [Sku(sku) for sku in skus] or None
    async with site.reading() as store:
        if wanted and (unknown := set(wanted) - (await store.views.known(AccountName(name), wanted)).keys()):
            raise Failure(f"account {name} has no listing {', '.join(sorted(unknown))}", REFUSED)
        async for page in look(store, account, wanted, outward_of(account)):
            yield page
