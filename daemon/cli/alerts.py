"""`sellerd alerts`: what is wrong, that somebody has seen it, and whether the ways out work (D5, D11)."""

from typing import Any

import click

from daemon.cli.failures import UNREACHABLE, Failure
from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, NUMBER, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous

_COLUMNS = ["id", "severity", "account", "kind", "since", "times", "what"]


@click.group(cls=Noun)
def alerts() -> None:
    """Show what is wrong, say that you have seen it, and try the ways out; docs/alerts.md has every cause."""


@alerts.command("list", epilog=examples("sellerd alerts", "sellerd alerts list --all --format csv"))
@click.option("--all", "everything", is_flag=True, help="Also what is resolved, the newest first.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="With --all, at most so many.")
@click.option(
    "--before", type=NUMBER, help="With --all, go on behind this alert: the id of the last one of the list before."
)
@rows_options
@click.pass_obj
@asynchronous
async def list_alerts(site: Site, *, everything: bool, limit: int, before: int | None, as_json: bool) -> None:
    """Show what is wrong now, the gravest first."""
    async with site.reading() as store:
        found = await (store.alerts.page(limit, before) if everything else store.alerts.open())
    shown = [alert.as_dict() for alert in found]
    if as_json:
        print_json(alerts=shown)
        return
    print_table(_COLUMNS, [_row(alert) for alert in shown], empty="Nothing is wrong.")


def _row(alert: dict[str, Any]) -> list[object]:
    what = alert["text"]
    if alert["resolved_at"]:
        what = f"(resolved {alert['resolved_at']}) {what}"
    elif alert["acknowledged_at"]:
        what = f"(seen by {alert['acknowledged_by']}) {what}"
    cells = [alert[name] for name in ("id", "severity", "account", "kind", "first_seen_at", "times")]
    return [*cells, what]


@alerts.command()
@click.argument("alert", type=NUMBER)
@click.option("--reason", default="", help="Why, for the others and for later.")
@click.pass_obj
@asynchronous
async def acknowledge(site: Site, alert: int, reason: str) -> None:
    """Say that you have seen ALERT: it is not told again while it lasts, only its end."""
    async with site.control() as control:
        said = await control.tell(address("alerts", alert, "acknowledge"), {"why": reason})
    click.echo(f"Alert {alert} is acknowledged: {said['alert']['text']}")


@alerts.command()
@click.pass_obj
@asynchronous
async def test(site: Site) -> None:
    """Send a test by every way that is configured, and say whether it arrived there."""
    async with site.control() as control:
        ways = (await control.tell(address("alerts", "test")))["ways"]
    for way, fault in ways.items():
        click.echo(f"{way}: {fault or 'delivered'}")
    if any(ways.values()):
        raise Failure("not every way out works", UNREACHABLE)
