"""`sellerd listings`: how the listings stand, what is wrong with them, and another try for those that failed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.files import private_target
from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, amount, json_option, print_facts, print_json, print_table, rows_options, shown
from daemon.cli.photos import check_photos
from daemon.cli.progress import working
from daemon.cli.site import Control, Site, account_option, address, asynchronous

_PARTS = ("item", "stock", "price", "end")
_STATES = ("not_needed", "pending", "sent", "error")


@click.group(cls=Noun)
def listings() -> None:
    """List, show and export listings, check them, and try failed ones again; without a command: list."""


listings.add_command(check_photos)


@listings.command(
    "list",
    epilog=examples(
        "sellerd listings list --account laredoute-fr --state error",
        "sellerd listings list --account laredoute-fr --limit 1000 --output listings.xlsx",
    ),
)
@account_option
@click.option("--part", type=click.Choice(_PARTS), help="Only by the state of this part.")
@click.option("--state", type=click.Choice(_STATES), help="Only those of which a part is in this state.")
@click.option("--sku", help="Only SKUs that begin so.")
@click.option("--warnings", "warned", is_flag=True, help="Only those in which something is doubtful, and what.")
@click.option("--blocked", is_flag=True, help="Only those that were rejected too often in a row with the same words.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, by SKU.")
@click.option("--after", help="Go on behind this SKU: the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_listings(
    site: Site,
    *,
    account: str,
    part: str | None,
    state: str | None,
    sku: str | None,
    warned: bool,
    blocked: bool,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List listings by SKU, with the state of each part and what is wrong."""
    from daemon.model import AccountName, Part, Sku
    from daemon.seller.advice import advise_listing

    async with site.reading(account) as store:
        found = await store.views.listings(
            AccountName(account),
            part=Part(part) if part else None,
            state=state,
            sku=sku,
            limit=limit,
            after=Sku(after) if after else None,
            warned=warned,
            blocked=blocked,
        )
    explain = site.explain()
    found = [advise_listing(listing, explain) for listing in found]
    if as_json:
        print_json(listings=found)
        return
    if warned:
        _print_warnings(found)
        return
    columns = ["sku", "ean", "channel_item_id", "channel_status", "stock", "price", *_PARTS, "error"]
    print_table(columns, [_row(listing) for listing in found], empty="There is no such listing.")


def _print_warnings(listings: Sequence[dict[str, Any]]) -> None:
    rows = [
        (listing["sku"], warning["field"], warning["rule"], warning["text"], warning["fix"])
        for listing in listings
        for warning in listing["warnings"]
    ]
    print_table(["sku", "field", "rule", "warning", "fix"], rows, empty="Nothing is doubtful.")


def _row(listing: dict[str, Any]) -> list[object]:
    parts = listing["parts"]
    errors = "; ".join(f"{parts[part]['error_name']}: {_error(parts[part])}" for part in _PARTS if parts[part]["error"])
    names = ("sku", "ean", "channel_item_id", "channel_status", "stock")
    states = [_state(listing, part) for part in _PARTS]
    return [*(listing[name] for name in names), amount(listing["price_minor"]), *states, errors]


def _state(listing: Mapping[str, Any], part: str) -> str:
    """The state of a part, and whether the change guard holds it back."""
    state: str = listing["parts"][part]["state"]
    return f"{state} (held)" if part in listing["held"] else state


def _error(part: Mapping[str, Any]) -> str:
    error = f"{part['error']} [{part['advice']['gloss']}]" if part["advice"] else part["error"]
    return f"{error} (blocked: {part['blocked']})" if part["blocked"] else error


@listings.command(
    "export", epilog=examples("sellerd listings export --account laredoute-fr --format xlsx --output listings.xlsx")
)
@account_option
@click.option("--format", "form", type=click.Choice(["csv", "json", "xlsx"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file (mode 0600).")
@click.pass_obj
@asynchronous
async def export(site: Site, *, account: str, form: str, output: Path | None) -> None:
    """Export all listings by the columns of the import files, so that what is mended there can be imported again."""
    from daemon.model import AccountName
    from daemon.seller.exports import ExportFormat, listings_as

    async with site.reading(account) as store:
        with private_target(output) as target, working("exporting listings") as progress:
            async for piece in listings_as(ExportFormat(form), store.snapshots.pages(AccountName(account))):
                target.write(piece)
                progress.add(len(piece))


@listings.command("show", epilog=examples("sellerd listings show --account laredoute-fr LAMP-1"))
@account_option
@click.argument("sku")
@json_option
@click.pass_obj
@asynchronous
async def show_listing(site: Site, *, account: str, sku: str, as_json: bool) -> None:
    """Show one listing: what it is, how each part stands, and everything that happened to it."""
    from daemon.model import AccountName, Sku
    from daemon.seller.advice import advise_listing

    async with site.reading(account) as store:
        found = await store.views.listing(AccountName(account), Sku(sku))
    if found is None:
        raise Failure(
            f"account {account} has no listing {sku}; see: sellerd listings list --account {account}", REFUSED
        )
    found = advise_listing(found, site.explain())
    if as_json:
        print_json(listing=found)
        return
    _print_listing(found)


def _more(part: Mapping[str, Any]) -> tuple[str, str]:
    from daemon.seller.advice import in_words

    return in_words(part["advice"]), part["blocked"]


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
            *((name.replace("_", " "), text) for name, text in listing["stock_extras"].items()),
            *(
                ("former channel_item_id", f"{each['channel_item_id']} until {each['until']}")
                for each in listing["former_channel_item_ids"]
            ),
            ("VAT rate", listing["vat_rate"]),
            ("eco-contribution", amount(listing["eco_contribution_minor"])),
            ("EPR category", listing["epr_code"]),
        ]
    )
    click.echo()
    parts = [
        (part, _state(listing, part), how["error"] and f"{how['error_name']}: {how['error']}", *_more(how))
        for part, how in listing["parts"].items()
    ]
    print_table(["part", "state", "error", "in English", "blocked"], parts, empty="")
    if listing["warnings"]:
        click.echo()
        _print_warnings([listing])
    if promotions := [each for each in listing["promotions"] if not each["withdrawn_at"]]:
        click.echo()
        windows = [
            (amount(each["price_minor"]), each["starts_at"], each["ends_at"], each["nature"], each["sale"])
            for each in promotions
        ]
        print_table(["promotion", "from", "until", "nature", "sale"], windows, empty="")
    click.echo()
    events = [
        (event["at"], event["what"], *(_moved(event, end) for end in ("from", "to")), event["why"])
        for event in listing["timeline"]
    ]
    print_table(["at", "what", "from", "to", "why"], events, empty="Nothing happened yet.")
    click.echo()
    carried = [
        (
            *(feed["feed"], feed["kind"], feed["opened_at"], ", ".join(feed["parts"]), feed["sent"], feed["state"]),
            *(feed["code"], feed["text"], feed["received"] and feed["received"]["name"]),
        )
        for feed in listing["feeds"]
    ]
    columns = ["feed", "kind", "opened_at", "parts", "sent", "state", "code", "text", "received"]
    print_table(columns, carried, empty="No feed carried it yet.")


def _moved(event: Mapping[str, str], end: str) -> str:
    """What an event moved from or to; a price is noted in minor units."""
    value = event[end]
    return amount(int(value)) if event["what"] == "price" and value.isdecimal() else value


@listings.command("explain", epilog=examples("sellerd listings explain --account laredoute-fr LAMP-1"))
@account_option
@click.argument("sku")
@json_option
@click.pass_obj
@asynchronous
async def explain(site: Site, *, account: str, sku: str, as_json: bool) -> None:
    """Say what of a listing would be sent now, and why: the inputs, the rule and the value of each field."""
    async with site.control() as control:
        answer = await control.ask(address("accounts", account, "listings", sku, "explain"))
    if as_json:
        print_json(explanation=answer["explanation"])
        return
    found = answer["explanation"]
    rows = [
        (each["field"], _inputs(each["inputs"]), each["rule"], _value(each["field"], each["value"]))
        for each in found["fields"]
    ]
    print_table(["field", "inputs", "rule", "value sent"], rows, empty="")
    click.echo()
    parts = [(part["part"], part["state"], part["due"], part["why"], part["error"]) for part in found["parts"]]
    print_table(["part", "state", "due", "why not", "error"], parts, empty="")
    click.echo()
    gates = [(gate["kind"], gate["open"], gate["until"], gate["why"]) for gate in found["gates"]]
    print_table(["gate", "open", "until", "why"], gates, empty="")


_MONEY = frozenset({"price", "rrp", "lowest_of_30_days", "net_price", "eco_contribution"})


def _inputs(given: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {f'({_inputs(value)})' if isinstance(value, dict) else _value(name, value)}"
        for name, value in given.items()
        if value not in (None, "", [])
    )


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['start']} to {value['end']}"
    if isinstance(value, list):
        return " and ".join(map(str, value))
    if name in _MONEY:
        return amount(value) or "none"
    return "none" if value is None else shown(value)


@listings.command("retry", epilog=examples("sellerd listings retry --account laredoute-fr LAMP-1 LAMP-2"))
@account_option
@click.argument("skus", nargs=-1, required=True, metavar="SKU...")
@click.pass_obj
@asynchronous
async def retry(site: Site, *, account: str, skus: tuple[str, ...]) -> None:
    """Send the parts of listings that the marketplace rejected once more, as they are.

    Where it rejected an item for what it says, mend it and import it again instead. What it has rejected too often in a
    row with the same words is blocked until it changes; see unblock.
    """
    await _again(site, account, skus, "retry")


@listings.command("unblock")
@account_option
@click.argument("skus", nargs=-1, required=True, metavar="SKU...")
@click.pass_obj
@asynchronous
async def unblock(site: Site, *, account: str, skus: tuple[str, ...]) -> None:
    """Send the blocked parts of listings once more, when what was wrong at the marketplace is mended."""
    await _again(site, account, skus, "unblock")


async def _again(site: Site, account: str, skus: tuple[str, ...], verb: str) -> None:
    refused = []
    async with site.control() as control:
        for sku in skus:
            try:
                await control.tell(address("accounts", account, "listings", sku, verb))
            except Failure as failure:
                if failure.exit_code != REFUSED:
                    raise
                refused.append(failure.message)
            else:
                click.echo(f"{sku} will be sent again.")
    if refused:
        raise Failure("\n".join(refused), REFUSED)


@listings.command("validate")
@account_option
@click.argument("skus", nargs=-1, metavar="[SKU]...")
@rows_options
@click.pass_obj
@asynchronous
async def validate(site: Site, *, account: str, skus: tuple[str, ...], as_json: bool) -> None:
    """Show everything that is wrong with listings, and everything doubtful, by the rules and codes of now.

    Nothing is changed and nothing is sent. Without a SKU, every listing is looked at.
    """
    async with site.control() as control:
        judged, found = 0, []
        async for page in _verdicts(control, account, skus):
            judged += len(page)
            found += [listing for listing in page if listing["faults"] or listing["warnings"]]
    wrong = [listing for listing in found if listing["faults"]]
    if as_json:
        print_json(judged=judged, listings=found)
    else:
        rows = [
            (each["sku"], kind, problem["field"], problem["rule"], problem["text"], problem["fix"])
            for each in found
            for kind, name in (("error", "faults"), ("warning", "warnings"))
            for problem in each[name]
        ]
        print_table(["sku", "kind", "field", "rule", "problem", "fix"], rows, empty="Nothing is wrong.")
        doubtful = sum(bool(each["warnings"]) for each in found)
        click.echo(f"{judged} listings: {len(wrong)} would not be sent, {doubtful} have warnings.", err=True)
    if wrong:
        raise click.exceptions.Exit(REFUSED)


async def _verdicts(control: Control, account: str, skus: Sequence[str]) -> AsyncIterator[list[dict[str, Any]]]:
    path = address("accounts", account, "validation")
    for sku in skus:
        yield (await control.ask(path, sku=sku))["listings"]
    after: str | None = None if skus else ""
    while after is not None:
        answer = await control.ask(path, after=after, limit="1000")
        yield answer["listings"]
        after = answer["next"]
