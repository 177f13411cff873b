"""`sellerd claims`: what marketplaces ask about orders, and what the seller says to it (guide J12)."""

from collections.abc import Iterable
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, NUMBER, json_option, print_facts, print_json, print_table, rows_options
from daemon.cli.site import Site, account_option, address, asynchronous
from daemon.cli.values import State


@click.group(cls=Noun)
def claims() -> None:
    """List, show, accept and close requests of the marketplace to cancel."""


def _states() -> Iterable[str]:
    from daemon.model import ClaimState

    return ClaimState


@claims.command("list")
@click.option("--account", help="Only of this account.")
@click.option(
    "--state",
    type=State(_states),
    help="Only those in this state: open, too_late, waiting, incomplete, accepted, answered, …",
)
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this claim: the id of the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_claims(
    site: Site, *, account: str | None, state: str | None, limit: int, before: int | None, as_json: bool
) -> None:
    """List requests to cancel, the newest first: open ones wait for a person, or for the account's rule."""
    from daemon.clock import read_clocks
    from daemon.model import AccountName

    async with site.reading(account) as store:
        name = AccountName(account) if account else None
        found = await store.views.claims(name, state=state, limit=limit, before=before, now=read_clocks().at)
    if as_json:
        print_json(claims=found)
        return
    columns = ["id", "account", "order", "received_at", "state", "lines", "answer by", "why"]
    print_table(columns, [_row(claim) for claim in found], empty="There is no such claim.")


def _row(claim: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(claim["id"], claim["account"], claim["order"], claim["received_at"], claim["state"]),
        ", ".join(f"{line['ref']}={line['quantity']}" for line in claim["lines"]),
        f"{'LATE since ' if claim['late'] else ''}{claim['answer_by'] or ''}",
        claim["why"] or claim["reason"],
    )


@claims.command("show")
@account_option
@click.argument("claim", type=NUMBER)
@click.option("--personal", is_flag=True, help="Also fields of the request that may hold anything.")
@json_option
@click.pass_obj
@asynchronous
async def show_claim(site: Site, *, account: str, claim: int, personal: bool, as_json: bool) -> None:
    """Show one request: what it asks for, what can still be cancelled, and what was answered."""
    from daemon.clock import read_clocks
    from daemon.model import AccountName

    async with site.reading(account) as store:
        found = await store.views.claim(AccountName(account), claim, personal=personal, now=read_clocks().at)
    if found is None:
        raise Failure(f"account {account} has no claim {claim}; see: sellerd claims list --account {account}", REFUSED)
    if as_json:
        print_json(claim=found)
        return
    names = ("id", "account", "order", "kind", "state", "why", "reason", "received_at", "answer_by", "repeats")
    print_facts([*((name, found[name]) for name in names), ("file", found["received"]["name"])])
    print_facts(list(found.get("extra", {}).items()))
    click.echo()
    lines = [(line["ref"], line["quantity"], line["possible"], line["reason"]) for line in found["lines"]]
    print_table(["line", "asked", "can be cancelled", "reason"], lines, empty="")
    click.echo()
    updates = [(each["created_at"], each["name"], each["state"], each["error"]) for each in found["updates"]]
    print_table(["at", "answer", "state", "error"], updates, empty="Nothing was answered yet.")


@claims.command()
@account_option
@click.argument("claim", type=NUMBER)
@click.option("--reason", default="", help="A comment, which the marketplace is told.")
@click.pass_obj
@asynchronous
async def accept(site: Site, *, account: str, claim: int, reason: str) -> None:
    """Cancel what a request asks for, as far as it can still be cancelled. To refuse, dispatch the order."""
    async with site.control() as control:
        answer = await control.tell(address("accounts", account, "claims", str(claim), "accept"), {"reason": reason})
    told = ", ".join(f"{line['ref']} ({line['quantity']})" for line in answer["lines"])
    click.echo(f"Cancellation of order {answer['order']} noted for {told}; it is acknowledged at the next turn.")
    for sentence in answer["left_out"]:
        click.echo(f"Left out: {sentence}.")


@claims.command()
@account_option
@click.argument("claim", type=NUMBER)
@click.option("--reason", default="", help="Why nothing is sent; kept with the claim.")
@click.pass_obj
@asynchronous
async def close(site: Site, *, account: str, claim: int, reason: str) -> None:
    """Say that you have seen a request for which nothing is to be sent: its units had left, or it makes no sense."""
    async with site.control() as control:
        await control.tell(address("accounts", account, "claims", str(claim), "close"), {"reason": reason})
    click.echo(f"Claim {claim} is closed.")
