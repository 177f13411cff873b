"""`sellerd guard`: what looks like a mistake and waits for a person."""

from typing import Any

import click

from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, NUMBER, json_option, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous

_RULES = {
    "price_fall": "prices that fall too far",
    "price_rise": "prices that rise absurdly",
    "promotion_fall": "promotions that take too much off",
    "mass_zero": "too many stocks going to zero",
    "mass_end": "too many listings ending",
}

case_argument = click.argument("case", type=NUMBER)
sku_option = click.option("--sku", "skus", multiple=True, help="Only this listing of the case; may be given again.")
reason_option = click.option("--reason", default="", help="Why, for the others and for later.")


@click.group(cls=Noun)
def guard() -> None:
    """See what the change guard holds back, and say whether it is meant; docs/alerts.md has its rules."""


@guard.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--all", "everything", is_flag=True, help="Also what is decided.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@rows_options
@click.pass_obj
@asynchronous
async def list_cases(site: Site, *, account: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """Show the cases that wait for a person."""
    from daemon.model import AccountName

    async with site.reading(account) as store:
        name = AccountName(account) if account else None
        found = [case.as_dict() for case in await store.guard.cases(name, closed=everything, limit=limit)]
    if as_json:
        print_json(cases=found)
        return
    rows = [(case["id"], case["account"], _RULES[case["rule"]], case["held"], case["opened_at"]) for case in found]
    print_table(["case", "account", "what", "held", "since"], rows, empty="Nothing is held back.")


@guard.command()
@case_argument
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many listings.")
@json_option
@click.pass_obj
@asynchronous
async def show(site: Site, *, case: int, limit: int, as_json: bool) -> None:
    """Show what CASE holds: what the marketplace has, and what would be sent."""
    from daemon.cli.failures import REFUSED, Failure

    async with site.reading() as store:
        found = await store.guard.case(case, limit=limit)
    if found is None:
        raise Failure(f"there is no case {case}; see: sellerd guard list --all", REFUSED)
    if as_json:
        print_json(case=found[0].as_dict(), holds=found[1])
        return
    suspicion, holds = found
    rows = [(hold["sku"], hold["part"], _amount(hold, "was"), _amount(hold, "becomes"), _state(hold)) for hold in holds]
    print_table(["sku", "part", "now", "becomes", "state"], rows, empty="It never held anything.")
    if suspicion.held:
        verbs = f"sellerd guard approve {case}, or: sellerd guard reject {case}"
        click.echo(f"{suspicion.held} of {suspicion.total} wait: {verbs}")


def _amount(hold: dict[str, Any], name: str) -> str:
    value = hold[name]
    if value is None:
        return ""
    return f"{value // 100}.{value % 100:02}" if hold["part"] == "price" else str(value)


def _state(hold: dict[str, Any]) -> str:
    by = f" by {hold['decided_by']}" if hold["decided_by"] else ""
    return f"{hold['state']}{by}" + (f": {hold['decided_why']}" if hold["decided_why"] else "")


@guard.command()
@case_argument
@sku_option
@reason_option
@click.pass_obj
@asynchronous
async def approve(site: Site, case: int, skus: tuple[str, ...], reason: str) -> None:
    """Say that what CASE holds is meant: it leaves with the next feed."""
    await _decide(site, case, "approve", skus, reason)


@guard.command()
@case_argument
@sku_option
@reason_option
@click.pass_obj
@asynchronous
async def reject(site: Site, case: int, skus: tuple[str, ...], reason: str) -> None:
    """Say that what CASE holds is a mistake: the marketplace keeps what it has until other values come."""
    await _decide(site, case, "reject", skus, reason)


async def _decide(site: Site, case: int, verb: str, skus: tuple[str, ...], why: str) -> None:
    async with site.control() as control:
        said = await control.tell(address("guard", case, verb), {"skus": list(skus) or None, "why": why})
    parts = said["approved" if verb == "approve" else "rejected"]
    click.echo(f"{parts} {'parts are' if parts != 1 else 'part is'} {'approved' if verb == 'approve' else 'rejected'}.")
