"""`sellerd feeds`: what was sent, and what came of it (guide L16)."""

import sys
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, NUMBER, amount, json_option, print_facts, print_json, print_table
from daemon.cli.site import Site, asynchronous


@click.group(cls=Noun)
def feeds() -> None:
    """List and show what was sent, and what came of it; without a command: list."""


@feeds.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this feed: the last one of the list before.")
@json_option
@click.pass_obj
@asynchronous
async def list_feeds(site: Site, *, account: str | None, limit: int, before: int | None, as_json: bool) -> None:
    """List feeds, the newest first."""
    from daemon.model import AccountName, FeedId

    async with site.reading() as store:
        name = AccountName(account) if account else None
        found = await store.views.feeds(name, limit=limit, before=FeedId(before) if before else None)
    if as_json:
        print_json(feeds=found)
        return
    columns = ["id", "account", "kind", "state", "size", "accepted", "rejected", "opened_at", "sent_at", "error"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="Nothing was sent yet.")


@feeds.command("show")
@click.argument("feed", type=NUMBER, metavar="ID")
@click.option("--payload", is_flag=True, help="Write the exact bytes that were sent to standard output.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many of its listings.")
@click.option("--after", help="Go on behind this SKU: the last one of the page before.")
@json_option
@click.pass_obj
@asynchronous
async def show_feed(site: Site, *, feed: int, payload: bool, limit: int, after: str | None, as_json: bool) -> None:
    """Show a feed: its timeline, what it carried, and what came of each listing."""
    from daemon.model import FeedId, Sku

    if payload:
        await _write_payload(site, feed)
        return
    async with site.reading() as store:
        found = await store.views.feed(FeedId(feed), limit=limit, after=Sku(after) if after else None)
    if found is None:
        raise Failure(f"there is no feed {feed}; see: sellerd feeds list", REFUSED)
    if as_json:
        print_json(feed=found)
        return
    _print_feed(found)


async def _write_payload(site: Site, feed: int) -> None:
    from daemon.model import FeedId

    async with site.reading() as store:
        kept = await store.views.feed_payload(FeedId(feed))
        if kept is None:
            raise Failure(
                f"no bytes of feed {feed} are kept: it was not written, or their retention has ended", REFUSED
            )
        async for chunk in store.payloads.chunks(kept):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _print_feed(feed: dict[str, Any]) -> None:
    names = ("id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error")
    print_facts([(name, feed[name]) for name in (*names, "opened_at", "sent_at", "closed_at")])
    click.echo()
    events = [(event["at"], event["what"], event["from"], event["to"], event["why"]) for event in feed["timeline"]]
    print_table(["at", "what", "from", "to", "why"], events, empty="Nothing happened yet.")
    click.echo()
    carried = [
        (
            *(row["sku"], ", ".join(row["parts"]), row["stock"], amount(row["price_minor"])),
            *("yes" if row["ended"] else "", row["state"], row["code"], row["text"]),
        )
        for row in feed["objects"]
    ]
    columns = ["sku", "parts", "stock", "price", "ended", "state", "code", "text"]
    print_table(columns, carried, empty="It carries nothing more.")
