"""`sellerd status`, `gate` and `deliveries`: how things stand."""

from typing import Any

import click

from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, NUMBER, json_option, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous

View = dict[str, Any]


@click.command(epilog=examples("sellerd status", "sellerd status --json | jq '.accounts[].held'"))
@json_option
@click.pass_obj
@asynchronous
async def status(site: Site, *, as_json: bool) -> None:
    """Show how every account stands: what waits, what failed, what needs a person."""
    from daemon.clock import read_clocks

    async with site.reading() as store:
        found = await store.views.status(read_clocks())
    if as_json:
        print_json(**found)
        return
    rows = [row for account in found["accounts"] for row in _account_rows(account)]
    if rows:
        rows += _job_rows("", found["site"]["jobs"])
    print_table(["account", "what", "how", "detail"], rows, empty="There is no account yet.")


def _account_rows(account: View) -> list[tuple[object, ...]]:
    name = account["name"]
    rows: list[tuple[object, ...]] = []
    if account["held"]:
        rows.append((name, "account", "NEEDS A PERSON", f"since {account['held_at']}: {account['held_reason']}"))
    for pause in account["pauses"]:
        what = f"job {pause['job']}" if pause["job"] else "all jobs"
        until = pause["until"] or "it is resumed"
        rows.append((name, what, "PAUSED", f"since {pause['paused_at']} until {until}: {pause['reason']}"))
    rows += _job_rows(name, account["jobs"])
    for part, states in account["listings"].items():
        told = ", ".join(f"{count} {state}" for state, count in states.items() if count)
        rows.append((name, f"listings: {part}", told or "none", ""))
    if account["order_lines"]:
        told = ", ".join(f"{count} {state}" for state, count in account["order_lines"].items())
        rows.append((name, "order lines", told, ""))
    rows += _order_rows(name, account)
    rows += [(name, f"gate {gate['kind']}", _gate_state(gate), gate["why"]) for gate in account["gates"]]
    if account["set_aside"]:
        rows.append((name, "set aside", account["set_aside"], "see: sellerd deliveries"))
    rows += [
        (name, f"claims {state}", count, f"see: sellerd claims list --state {state}")
        for state, count in account["claims"].items()
        if count
    ]
    if account["updates_failed"]:
        rows.append((name, "order updates failed", account["updates_failed"], "see: sellerd orders list --stuck"))
    if account["updates_in_doubt"]:
        rows.append((name, "order updates in doubt", account["updates_in_doubt"], "see: sellerd orders list --stuck"))
    return rows


def _order_rows(name: str, account: View) -> list[tuple[object, ...]]:
    waiting, errors = account["orders_waiting"], account["order_errors"]
    rows = [
        (name, "orders late", waiting["late"], "see: sellerd orders list --late"),
        (name, "orders due soon", waiting["due_soon"], ""),
        *(
            (name, f"order errors: {severity}", count, "see: sellerd orders list --errors")
            for severity, count in errors.items()
        ),
    ]
    return [row for row in rows if row[2]]


def _job_rows(account: str, jobs: list[View]) -> list[tuple[object, ...]]:
    return [
        (
            account,
            f"job {job['job']}",
            f"failing ({job['failures']})" if job["failing_since"] else "ok",
            _job_detail(job),
        )
        for job in jobs
    ]


def _job_detail(job: View) -> str:
    if job["failing_since"]:
        return f"since {job['failing_since']}: {job['last_error']}"
    done = f"last done {job['last_succeeded_at']}" if job["last_succeeded_at"] else "never done yet"
    return f"{done}; held until {job['held_until']}" if job["held_until"] else done


def _gate_state(gate: View) -> str:
    if gate["open"]:
        return "open"
    return f"closed until {gate['until']}" if gate["until"] else "closed"


@click.command(epilog=examples("sellerd gate"))
@rows_options
@click.pass_obj
@asynchronous
async def gate(site: Site, *, as_json: bool) -> None:
    """Show when the next stock and price feed of each account may leave, and why not before."""
    from daemon.clock import read_clocks

    async with site.reading() as store:
        found = await store.views.gates(read_clocks())
    if as_json:
        print_json(gates=found)
        return
    rows = [(row["account"], row["kind"], _gate_state(row), row["why"]) for row in found]
    print_table(["account", "feeds", "gate", "why"], rows, empty="No gate was ever closed: nothing was sent yet.")


@click.group(cls=Noun)
def deliveries() -> None:
    """Show what came in and could not be read, and try it again; without a command: list."""


@deliveries.command(
    "list", epilog=examples("sellerd deliveries --account johnlewis-gb", "sellerd deliveries --all --format csv")
)
@click.option("--account", help="Only of this account.")
@click.option("--all", "everything", is_flag=True, help="Also what was read well.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this delivery: the id of the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_deliveries(
    site: Site, *, account: str | None, everything: bool, limit: int, before: int | None, as_json: bool
) -> None:
    """Show what came in and could not be read, with the reason; it still lies at the marketplace."""
    from daemon.model import AccountName

    async with site.reading(account) as store:
        name = AccountName(account) if account else None
        state = None if everything else "set_aside"
        found = await store.views.deliveries(name, state=state, limit=limit, before=before)
    if as_json:
        print_json(deliveries=found)
        return
    columns = ["id", "account", "received_at", "kind", "folder", "name", "state", "reason"]
    rows = [[row[column] for column in columns] for row in found]
    print_table(columns, rows, empty="Everything that came in was read.")


@deliveries.command()
@click.argument("number", metavar="ID", type=NUMBER)
@click.pass_obj
@asynchronous
async def retry(site: Site, number: int) -> None:
    """Read ID again from its kept bytes, after what kept it from being read was mended: a configuration, say."""
    async with site.control() as control:
        done = await control.tell(address("deliveries", number, "retry"))
    when = "now" if done["now"] else "at the next turn"
    click.echo(f"{done['job']} of {done['account']} reads it again {when}; see: sellerd deliveries")
