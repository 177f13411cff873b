"""`sellerd listings`: how the listings stand, and another try for those that failed."""

from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, amount, json_option, print_facts, print_json, print_table
from daemon.cli.site import Site, account_option, address, asynchronous

_PARTS = ("item", "stock", "price", "end")
_STATES = ("not_needed", "pending", "sent", "error")


@click.group(cls=Noun)
def listings() -> None:
    """List and show listings, and try failed ones again; without a command: list."""


@listings.command("list")
@account_option
@click.option("--part", type=click.Choice(_PARTS), help="Only by the state of this part.")
@click.option("--state", type=click.Choice(_STATES), help="Only those of which a part is in this state.")
@click.option("--sku", help="Only SKUs that begin so.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, by SKU.")
@click.option("--after", help="Go on behind this SKU: the last one of the list before.")
@json_option
@click.pass_obj
@asynchronous
async def list_listings(
    site: Site,
    *,
    account: str,
    part: str | None,
    state: str | None,
    sku: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List listings by SKU, with the state of each part and what is wrong."""
    from daemon.model import AccountName, Part, Sku

    async with site.reading() as store:
        found = await store.views.listings(
            AccountName(account),
            part=Part(part) if part else None,
            state=state,
            sku=sku,
            limit=limit,
            after=Sku(after) if after else None,
        )
    if as_json:
        print_json(listings=found)
        return
    columns = ["sku", "ean", "channel_item_id", "channel_status", "stock", "price", *_PARTS, "error"]
    print_table(columns, [_row(listing) for listing in found], empty="There is no such listing.")


def _row(listing: dict[str, Any]) -> list[object]:
    parts = listing["parts"]
    errors = "; ".join(f"{part}: {parts[part]['error']}" for part in _PARTS if parts[part]["error"])
    names = ("sku", "ean", "channel_item_id", "channel_status", "stock")
    states = [parts[part]["state"] for part in _PARTS]
    return [*(listing[name] for name in names), amount(listing["price_minor"]), *states, errors]


@listings.command("show")
@account_option
@click.argument("sku")
@json_option
@click.pass_obj
@asynchronous
async def show_listing(site: Site, *, account: str, sku: str, as_json: bool) -> None:
    """Show one listing: what it is, how each part stands, and everything that happened to it."""
    from daemon.model import AccountName, Sku

    async with site.reading() as store:
        found = await store.views.listing(AccountName(account), Sku(sku))
    if found is None:
        raise Failure(
            f"account {account} has no listing {sku}; see: sellerd listings list --account {account}", REFUSED
        )
    if as_json:
        print_json(listing=found)
        return
    _print_listing(found)


def _print_listing(listing: dict[str, Any]) -> None:
    item = listing["item"]
    print_facts(
        [
            *((name, listing[name]) for name in ("account", "sku", "ean", "channel_item_id", "channel_status")),
            *((name, item.get(name)) for name in ("title", "brand", "category", "product_id", "master_sku")),
            *((f"photo {photo['rank']}", photo["url"]) for photo in item.get("photos", [])),
            ("stock", listing["stock"]),
            ("price", amount(listing["price_minor"])),
            ("recommended price", amount(listing["rrp_minor"])),
            ("ended", listing["ended"]),
            ("handling days", listing["handling_days"]),
        ]
    )
    click.echo()
    parts = [(part, how["state"], how["error"]) for part, how in listing["parts"].items()]
    print_table(["part", "state", "error"], parts, empty="")
    click.echo()
    events = [(event["at"], event["what"], event["from"], event["to"], event["why"]) for event in listing["timeline"]]
    print_table(["at", "what", "from", "to", "why"], events, empty="Nothing happened yet.")
    click.echo()
    carried = [
        (feed["feed"], feed["kind"], feed["opened_at"], ", ".join(feed["parts"]), feed["state"], feed["text"])
        for feed in listing["feeds"]
    ]
    print_table(["feed", "kind", "opened_at", "parts", "state", "text"], carried, empty="No feed carried it yet.")


@listings.command("retry")
@account_option
@click.argument("skus", nargs=-1, required=True, metavar="SKU...")
@click.pass_obj
@asynchronous
async def retry(site: Site, *, account: str, skus: tuple[str, ...]) -> None:
    """Send the parts of listings that are in Error once more, as they are.

    Where the marketplace rejected an item for what it says, mend it and import it again instead.
    """
    refused = []
    async with site.control() as control:
        for sku in skus:
            try:
                await control.tell(address("accounts", account, "listings", sku, "retry"))
            except Failure as failure:
                if failure.exit_code != REFUSED:
                    raise
                refused.append(failure.message)
            else:
                click.echo(f"{sku} will be sent again.")
    if refused:
        raise Failure("\n".join(refused), REFUSED)
