"""`sellerd plan`: what would be sent next, and how it differs from what was sent last; nothing is sent (guide S3)."""

from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.failures import IN_USE, REFUSED, Failure
from daemon.cli.noun import examples
from daemon.cli.output import LIMIT, amount, json_option, print_json, print_table, shown
from daemon.cli.progress import working
from daemon.cli.site import Site, account_option, asynchronous

_MONEY = {"price_minor": "price", "rrp_minor": "recommended price"}
#: characters of one value in a table
_LONGEST = 40


@click.command(
    epilog=examples(
        "sellerd plan --account laredoute-fr", "sellerd plan --account johnlewis-gb --bytes /tmp/next --json"
    ),
)
@account_option
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many listings of each feed.")
@click.option(
    "--bytes",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the exact bytes of each feed and update into this folder.",
)
@json_option
@click.pass_obj
@asynchronous
async def plan(site: Site, *, account: str, limit: int, folder: Path | None, as_json: bool) -> None:
    """Show what the next feeds and order updates of an account would send, and change nothing.

    Each feed with its listings against what was sent last, when its gate lets it leave, and each order update whose
    turn it is. Everything is as of now: what comes in or changes until then is sent as well. The database is opened for
    reading alone, beside a running daemon or without one.
    """
    from daemon.clock import read_clocks
    from daemon.marketplaces.dialects import DIALECTS
    from daemon.model import AccountName
    from daemon.seller.plan import Plan
    from daemon.store.imagined import imagined_store

    settings = site.config().accounts.get(AccountName(account))
    if settings is None:
        raise Failure(f"there is no account {account}; see: sellerd accounts list", REFUSED)
    if folder is not None:
        await anyio.Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    if not site.database.exists():
        raise Failure(f"{site.database} does not exist yet, so nothing would be sent", IN_USE)
    marketplace = DIALECTS[settings.speaks].open(settings, {})
    try:
        async with imagined_store(site.database, AccountName(account)) as store:
            made = Plan(store, settings, marketplace, read_clocks(), limit, folder)
            with working("planning"):
                found = await made.made()
    finally:
        await marketplace.aclose()
    if as_json:
        print_json(plan=found, written=made.written)
        return
    _tell(found)
    for path in made.written:
        click.echo(f"written: {path}")


def _tell(found: dict[str, Any]) -> None:
    for feed in found["feeds"]:
        parts = ", ".join(f"{count} {part}" for part, count in feed["parts"].items())
        click.echo(f"{feed['kind']} feed {feed['name']}: {feed['listings']} listings ({parts}), {feed['bytes']} bytes")
        when = f"not before {feed['leaves_at']}: {feed['waits_for']}" if feed["leaves_at"] else "at its next turn"
        click.echo(f"  it leaves {when}")
        rows = [
            (each["sku"], ", ".join(each["parts"]), _news(feed["kind"], each), each["last_sent_at"] or "never")
            for each in feed["objects"]
        ]
        print_table(["sku", "parts", "changes", "last sent"], rows, empty="")
        if feed["more"]:
            click.echo(f"  … and {feed['more']} more; --limit shows more")
        click.echo()
    rows = [
        (
            *(update["order"], update["kind"]),
            ", ".join(f"{line['ref']}={line['quantity']}" for line in update["lines"]),
            update["note"] or f"{update['bytes']} bytes as {update['name']}",
        )
        for update in found["updates"]
    ]
    if rows:
        print_table(["order", "update", "lines", "what"], rows, empty="")
    if not found["feeds"] and not rows:
        click.echo("Nothing is due: nothing would be sent.")


def _news(kind: str, each: dict[str, Any]) -> str:
    """What is said otherwise than last time; of an item that was never sent, that all of it is new."""
    return "all of it" if kind == "item" and each["last_sent_at"] is None else _changes(each["changes"])


def _changes(changes: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{_MONEY.get(each['field'], each['field'])} {_figure(each, 'before')} → {_figure(each, 'after')}"
        for each in changes
    )


def _figure(change: dict[str, Any], when: str) -> str:
    value = change[when]
    if value is None:
        return "none"
    return amount(value) if change["field"] in _MONEY else _short(shown(value))


def _short(text: str) -> str:
    """A text that may be a whole description, short enough for its column; --json has all of it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
