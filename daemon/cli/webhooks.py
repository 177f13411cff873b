"""`sellerd webhooks`: who is told of events, whether that works, and telling it once more (guide S3)."""

from datetime import datetime
from typing import Any

import click

from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, NUMBER, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous
from daemon.cli.values import Instant


@click.group(cls=Noun)
def webhooks() -> None:
    """List the receivers of webhooks and what they were told, and tell it once more; without a command: list."""


@webhooks.command("list")
@rows_options
@click.pass_obj
@asynchronous
async def list_webhooks(site: Site, *, as_json: bool) -> None:
    """List the receivers: what waits for each, and since when one cannot be reached."""
    async with site.control() as control:
        found = (await control.ask(address("webhooks")))["webhooks"]
    if as_json:
        print_json(webhooks=found)
        return
    columns = ["name", "host", "pending", "delivered", "given_up", "events_behind", "failing_since", "last_error"]
    rows = [[_name(each), *(each[column] for column in columns[1:])] for each in found]
    print_table(columns, rows, empty="Nobody is told of events; see [[webhooks]] in docs/rest-and-webhooks.md.")


def _name(webhook: dict[str, Any]) -> str:
    return str(webhook["name"]) if webhook["active"] else f"{webhook['name']} (not active)"


@webhooks.command("messages")
@click.argument("name")
@click.option("--state", type=click.Choice(["pending", "delivered", "given_up"]), help="Only those that stand so.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this message: the id of the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def messages(site: Site, *, name: str, state: str | None, limit: int, before: int | None, as_json: bool) -> None:
    """List what the receiver NAME was told, the newest first."""
    given = {"state": state, "limit": str(limit), "before": before and str(before)}
    async with site.control() as control:
        found = (
            await control.ask(
                address("webhooks", name, "messages"), **{key: value for key, value in given.items() if value}
            )
        )["messages"]
    if as_json:
        print_json(messages=found)
        return
    columns = ["id", "created_at", "type", "account", "state", "attempts", "settled_at", "last_error"]
    print_table(columns, [[each[column] for column in columns] for each in found], empty="Nothing was told yet.")


@webhooks.command("replay")
@click.argument("name")
@click.option("--since", type=Instant(), required=True, help="From this instant on, everything.")
@click.pass_obj
@asynchronous
async def replay(site: Site, *, name: str, since: datetime) -> None:
    """Tell the receiver NAME everything since an instant once more; each message keeps its id."""
    async with site.control() as control:
        done = await control.tell(address("webhooks", name, "replay"), {"since": since.isoformat()})
    click.echo(f"{name} is told of {done['events']} events once more, as far as its events and accounts go.")
