"""`sellerd feeds`: what was sent, and what came of it (guide L16)."""

import sys
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, NUMBER, amount, json_option, print_facts, print_json, print_table, rows_options
from daemon.cli.site import Site, asynchronous


@click.group(cls=Noun)
def feeds() -> None:
    """List and show what was sent, and what came of it; without a command: list."""


@feeds.command("list", epilog=examples("sellerd feeds --account laredoute-fr --limit 10"))
@click.option("--account", help="Only of this account.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this feed: the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_feeds(site: Site, *, account: str | None, limit: int, before: int | None, as_json: bool) -> None:
    """List feeds, the newest first."""
    from daemon.model import AccountName, FeedId

    async with site.reading(account) as store:
        name = AccountName(account) if account else None
        found = await store.views.feeds(name, limit=limit, before=FeedId(before) if before else None)
    if as_json:
        print_json(feeds=found)
        return
    columns = ["id", "account", "kind", "state", "size", "accepted", "rejected", "opened_at", "sent_at", "error"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="Nothing was sent yet.")


@feeds.command("show", epilog=examples("sellerd feeds show 42", "sellerd feeds show 42 --payload > feed.xml"))
@click.argument("feed", type=NUMBER, metavar="ID")
@click.option("--payload", is_flag=True, help="Write the exact bytes that were sent to standard output.")
@click.option("--received", is_flag=True, help="Write the exact bytes that were received for it to standard output.")
@click.option("--delivery", type=NUMBER, help="With --received: of this delivery, where there are several.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many of its listings.")
@click.option("--after", help="Go on behind this SKU: the last one of the page before.")
@json_option
@click.pass_obj
@asynchronous
async def show_feed(
    site: Site,
    *,
    feed: int,
    payload: bool,
    received: bool,
    delivery: int | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Show a feed: its timeline, what was received for it, what it carried, and what came of each listing."""
    from daemon.model import FeedId, Sku
    from daemon.seller.advice import advise_feed

    if payload and (received or delivery is not None):
        raise click.UsageError("--payload is what was sent, --received what came back: say one of them")
    if payload:
        await _write_payload(site, feed)
        return
    if received or delivery is not None:
        await _write_received(site, feed, delivery)
        return
    async with site.reading() as store:
        found = await store.views.feed(FeedId(feed), limit=limit, after=Sku(after) if after else None)
    if found is None:
        raise Failure(f"there is no feed {feed}; see: sellerd feeds list", REFUSED)
    found = advise_feed(found, site.explain())
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


async def _write_received(site: Site, feed: int, delivery: int | None) -> None:
    from daemon.model import FeedId

    async with site.reading() as store:
        found = await store.views.feed(FeedId(feed), limit=1)
        if found is None:
            raise Failure(f"there is no feed {feed}; see: sellerd feeds list", REFUSED)
        there = [report["id"] for report in found["received"]]
        if delivery is None and len(there) > 1:
            told = ", ".join(f"{report['id']} ({report['name']})" for report in found["received"])
            raise Failure(f"feed {feed} was answered by several: say --delivery with one of {told}", REFUSED)
        chosen = delivery if delivery is not None else next(iter(there), None)
        kept = None if chosen is None else await store.views.received_payload(FeedId(feed), chosen)
        if kept is None:
            raise Failure(f"nothing like that was received for feed {feed}; it has {there or 'nothing yet'}", REFUSED)
        async for chunk in store.payloads.chunks(kept):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@feeds.command("codes")
@click.option("--account", help="Only of this account.")
@click.option("--unknown", is_flag=True, help="Only those that no catalogue of errors knows.")
@rows_options
@click.pass_obj
@asynchronous
async def codes(site: Site, *, account: str | None, unknown: bool, as_json: bool) -> None:
    """Show every error that marketplaces told, word for word, how often, and what is known of it.

    What is unknown can be explained in a file of your own: report.catalogue of the account.
    """
    from daemon.model import AccountName
    from daemon.seller.advice import advise_code, in_words

    async with site.reading(account) as store:
        found = await store.codes.all(AccountName(account) if account else None)
    explain = site.explain()
    told = [each for code in found if not (each := advise_code(code, explain))["known"] or not unknown]
    if as_json:
        print_json(codes=told)
        return
    columns = ["account", "code", "text", "count", "first_seen_at", "last_seen_at", "known"]
    rows = [(*(each[column] for column in columns), in_words(each["advice"])) for each in told]
    print_table([*columns, "in English"], rows, empty="No error was told.")


def _print_feed(feed: dict[str, Any]) -> None:
    from daemon.seller.advice import in_words

    names = ("id", "account", "kind", "state", "name", "remote_ref", "size", "accepted", "rejected", "error")
    print_facts([(name, feed[name]) for name in (*names, "opened_at", "sent_at", "closed_at")])
    click.echo()
    events = [(event["at"], event["what"], event["from"], event["to"], event["why"]) for event in feed["timeline"]]
    print_table(["at", "what", "from", "to", "why"], events, empty="Nothing happened yet.")
    click.echo()
    columns = ["id", "folder", "name", "size", "received_at", "state", "settled"]
    received = [[report[column] for column in columns] for report in feed["received"]]
    print_table(["received", *columns[1:]], received, empty="Nothing was received for it yet.")
    click.echo()
    carried = [
        (
            *(row["sku"], ", ".join(row["parts"]), row["stock"], amount(row["price_minor"])),
            *("yes" if row["ended"] else "", row["state"], row["code"], row["text"]),
            *(in_words(row["advice"]), row["received"]),
        )
        for row in feed["objects"]
    ]
    columns = ["sku", "parts", "stock", "price", "ended", "state", "code", "text", "in English", "received"]
    print_table(columns, carried, empty="It carries nothing more.")
