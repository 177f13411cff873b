"""`sellerd orders`: what was bought, and what the seller decides about it (guide L12 to L14, J7, J8, S2)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.files import private_target
from daemon.cli.noun import Noun, examples
from daemon.cli.output import LIMIT, NUMBER, amount, json_option, print_facts, print_json, print_table, rows_options
from daemon.cli.progress import working
from daemon.cli.site import Site, account_option, address, asynchronous
from daemon.cli.values import AmountChoice, Instant, Line, LineChoice, State


def _line_states() -> Iterable[str]:
    from daemon.model import LineState

    return LineState


_lines_option = click.option(
    "--line",
    "lines",
    multiple=True,
    type=LineChoice(),
    help="Only this line, or so many of its units; may be repeated. Without it, every line for which it is possible.",
)


_amounts_option = click.option(
    "--amount",
    "amounts",
    multiple=True,
    type=AmountChoice(),
    help="So many units of a line as this amount is, REF=39.98: a whole number of them; may be repeated.",
)


@click.group(cls=Noun)
def orders() -> None:
    """List, show, export and decide orders."""


@orders.command(
    "list",
    epilog=examples(
        "sellerd orders list --late",
        "sellerd orders list --stuck",
        "sellerd orders list --account johnlewis-gb --state to_ship --format csv",
    ),
)
@click.option("--account", help="Only of this account.")
@click.option(
    "--state",
    type=State(_line_states),
    help="Only orders of which a line is in this state: new, accepted, to_ship, shipped, …",
)
@click.option("--late", is_flag=True, help="Only orders that should have been accepted or shipped by now.")
@click.option("--errors", is_flag=True, help="Only orders of which something is wrong: incomplete, say.")
@click.option("--stuck", is_flag=True, help="Only orders of which an update failed or is in doubt, and waits for you.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this order: the id of the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_orders(
    site: Site,
    *,
    account: str | None,
    state: str | None,
    late: bool,
    errors: bool,
    stuck: bool,
    limit: int,
    before: int | None,
    as_json: bool,
) -> None:
    """List orders, the newest first, without personal data, and by when the seller should act on them."""
    from daemon.clock import read_clocks
    from daemon.model import AccountName

    async with site.reading(account) as store:
        name = AccountName(account) if account else None
        now = read_clocks().at
        found = await store.views.orders(
            name, state=state, limit=limit, before=before, now=now, late=late, errors=errors, stuck=stuck
        )
    if as_json:
        print_json(orders=found)
        return
    rows = [
        (
            *(order["id"], order["account"], order["number"], order["ordered_at"]),
            ", ".join(f"{line['ref']} {line['quantity']} x {line['state']}" for line in order["lines"]),
            order["shipping_method"],
            _due(order),
            _note(order),
        )
        for order in found
    ]
    columns = ["id", "account", "number", "ordered_at", "lines", "shipping", "due", "note"]
    print_table(columns, rows, empty="There is no such order.")


def _note(order: Mapping[str, Any]) -> str:
    """What is wrong with an order now; in capitals where that is serious."""
    told = ["test"] if order["test"] else []
    for error in order["errors"]:
        if error["open"]:
            kind = error["kind"].upper() if error["severity"] == "high" else error["kind"]
            line = f"line {error['line']}: " if error["line"] else ""
            told.append(f"{kind}: {line}{error['text']}")
    for update in order["stuck"]:
        how = "FAILED" if update["state"] == "failed" else "IN DOUBT"
        told.append(f"{update['kind']} {update['id']} {how}: {update['error']}")
    return "; ".join(told)


def _due(waiting: Mapping[str, Any]) -> str:
    """By when the seller should act on an order or a line, in capitals where that is over; empty where on none."""
    how = {"late": "LATE since ", "due_soon": "soon: ", "in_time": ""}[waiting["timeliness"]]
    return f"{how}{waiting['due_at']}" if waiting["due_at"] else ""


@orders.command("show", epilog=examples("sellerd orders show --account laredoute-fr 2000000123 --personal"))
@account_option
@click.argument("number")
@click.option("--personal", is_flag=True, help="Also who gets it: names, address, telephone.")
@json_option
@click.pass_obj
@asynchronous
async def show_order(site: Site, *, account: str, number: str, personal: bool, as_json: bool) -> None:
    """Show one order: its lines, what was said about it, and everything that happened to it."""
    from daemon.clock import read_clocks
    from daemon.model import AccountName, OrderNumber

    async with site.reading(account) as store:
        name, now = AccountName(account), read_clocks().at
        found = await store.views.order(name, OrderNumber(number), personal=personal, now=now)
    if found is None:
        raise Failure(f"account {account} has no order {number}; see: sellerd orders list --account {account}", REFUSED)
    if as_json:
        print_json(order=found)
        return
    _print_order(found)


def _print_order(order: dict[str, Any]) -> None:
    names = ("account", "number", "ordered_at", "received_at", "incomplete", "shipping_method", "payment_method")
    facts = [(name, order[name]) for name in names]
    for address_of in ("shipping", "billing"):
        for name, value in (order.get(address_of) or {}).items():
            facts.append((f"{address_of} {name}", ", ".join(value) if isinstance(value, list) else value))
    print_facts(facts)
    click.echo()
    lines = [
        (
            *(line["ref"], line["state"], line["quantity"], line["shipped"], line["cancelled"], line["refunded"]),
            *(line["sku"], line["ean"], line["title"], amount(line["price_minor"], line["currency"]), _due(line)),
        )
        for line in order["lines"]
    ]
    columns = ["line", "state", "quantity", "shipped", "cancelled", "refunded", "sku", "ean", "title", "price", "due"]
    print_table(columns, lines, empty="")
    click.echo()
    if order["errors"]:
        errors = [
            (error["severity"], error["kind"], error["line"], error["text"], error["raised_at"], error["mended_at"])
            for error in order["errors"]
        ]
        print_table(["severity", "error", "line", "text", "raised_at", "mended_at"], errors, empty="")
        click.echo()
    updates = [
        (
            *(update["id"], update["created_at"], update["kind"], update["state"]),
            ", ".join(f"{line['ref']}={line['quantity']}" for line in update["lines"]),
            (update["parcel"] or {}).get("tracking_number", ""),
            update["error"],
        )
        for update in order["updates"]
    ]
    print_table(
        ["id", "at", "update", "state", "lines", "tracking", "error"], updates, empty="Nothing was decided yet."
    )
    click.echo()
    if order["claims"]:
        claims = [
            (
                *(claim["id"], claim["received_at"], claim["state"]),
                ", ".join(f"{line['ref']}={line['quantity']}" for line in claim["lines"]),
                claim["why"] or claim["reason"],
            )
            for claim in order["claims"]
        ]
        print_table(["claim", "received_at", "state", "lines", "why"], claims, empty="")
        click.echo()
    events = [(event["at"], event["what"], event["from"], event["to"], event["why"]) for event in order["timeline"]]
    print_table(["at", "what", "from", "to", "why"], events, empty="Nothing happened yet.")


@orders.command(
    "export", epilog=examples("sellerd orders export --account laredoute-fr --since 2026-03-01 --output orders.csv")
)
@account_option
@click.option("--since", type=Instant(), help="Only orders that changed at or after this instant.")
@click.option("--format", "form", type=click.Choice(["csv", "json", "xlsx"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file (mode 0600).")
@click.pass_obj
@asynchronous
async def export(site: Site, *, account: str, since: datetime | None, form: str, output: Path | None) -> None:
    """Export orders with names and addresses, to a file or to standard output: treat it accordingly."""
    from daemon.model import AccountName
    from daemon.seller.exports import ExportFormat, orders_as

    async with site.reading(account) as store:
        pieces = orders_as(ExportFormat(form), store.views.export_orders(AccountName(account), since))
        with private_target(output) as target, working("exporting orders") as progress:
            async for piece in pieces:
                target.write(piece)
                progress.add(len(piece))


@orders.command(epilog=examples("sellerd orders accept --account laredoute-fr 2000000123"))
@account_option
@click.argument("number")
@_lines_option
@click.pass_obj
@asynchronous
async def accept(site: Site, *, account: str, number: str, lines: tuple[Line, ...]) -> None:
    """Accept an order, or some of its lines."""
    await _decide(site, account, number, "accept", {"lines": _chosen(lines)})


@orders.command(epilog=examples("sellerd orders refuse --account laredoute-fr 2000000123 --line 2 --out-of-stock"))
@account_option
@click.argument("number")
@_lines_option
@click.option("--out-of-stock", is_flag=True, help="Because it is out of stock, which the marketplace is told.")
@click.option("--reason", default="", help="Why; kept with the order.")
@click.pass_obj
@asynchronous
async def refuse(
    site: Site, *, account: str, number: str, lines: tuple[Line, ...], out_of_stock: bool, reason: str
) -> None:
    """Refuse an order, or some of its lines."""
    said = {"lines": _chosen(lines), "reason": reason, "out_of_stock": out_of_stock}
    await _decide(site, account, number, "refuse", said)


@orders.command(
    epilog=examples('sellerd orders cancel --account johnlewis-gb 123456 --line 1=2 --reason "the customer called"')
)
@account_option
@click.argument("number")
@_lines_option
@_amounts_option
@click.option("--reason", default="", help="Why; kept with the order, and told to a marketplace that has room for it.")
@click.pass_obj
@asynchronous
async def cancel(
    site: Site, *, account: str, number: str, lines: tuple[Line, ...], amounts: tuple[Line, ...], reason: str
) -> None:
    """Cancel an order or refund it, or some of its lines: whichever is possible for each of them now."""
    async with site.control() as control:
        where = address("accounts", account, "orders", number, "cancel")
        answer = await control.tell(where, {"lines": _chosen((*lines, *amounts)), "reason": reason})
    for update in answer["updates"]:
        _tell(number, update)
    for sentence in answer["left_out"]:
        click.echo(f"Left out: {sentence}.")


@orders.command()
@account_option
@click.argument("number")
@_lines_option
@_amounts_option
@click.option("--reason", default="", help="Why; kept with the order.")
@click.pass_obj
@asynchronous
async def refund(
    site: Site, *, account: str, number: str, lines: tuple[Line, ...], amounts: tuple[Line, ...], reason: str
) -> None:
    """Refund units that have left, by number or by amount; `cancel` takes those that have not left first."""
    await _decide(site, account, number, "refund", {"lines": _chosen((*lines, *amounts)), "reason": reason})


@orders.command()
@account_option
@click.argument("number")
@click.option("--update", type=NUMBER, help="Which, where several failed: its id in `orders show`.")
@click.option("--carrier", help="Another carrier than the recorded one.")
@click.option("--tracking", help="Another tracking number; the URL follows it, unless --url is given.")
@click.option("--url", help="Another tracking URL.")
@click.option("--at", type=Instant(), help="When it left, where that was wrong.")
@click.option("--reason", help="Another comment.")
@click.pass_obj
@asynchronous
async def resend(
    site: Site,
    *,
    account: str,
    number: str,
    update: int | None,
    carrier: str | None,
    tracking: str | None,
    url: str | None,
    at: datetime | None,
    reason: str | None,
) -> None:
    """Say an update that failed again from the record, after mending: as a new one, under a new name."""
    said = {
        "update": update,
        "carrier": carrier,
        "tracking_number": tracking,
        "tracking_url": url,
        "shipped_at": at.isoformat() if at else None,
        "reason": reason,
    }
    await _decide(site, account, number, "resend", said)


@orders.command(
    epilog=examples("sellerd orders ship --account laredoute-fr 2000000123 --carrier Colissimo --tracking 8L00123")
)
@account_option
@click.argument("number")
@click.option("--carrier", required=True, help="The carrier.")
@click.option("--tracking", required=True, help="The tracking number.")
@click.option("--url", default="", help="The tracking URL; without it the account's default template gives one.")
@click.option("--at", type=Instant(), help="When it left; without it, now.")
@_lines_option
@click.pass_obj
@asynchronous
async def ship(
    site: Site,
    *,
    account: str,
    number: str,
    carrier: str,
    tracking: str,
    url: str,
    at: datetime | None,
    lines: tuple[Line, ...],
) -> None:
    """Say that an order has left, or some of its lines or units."""
    said = {
        "carrier": carrier,
        "tracking_number": tracking,
        "tracking_url": url,
        "shipped_at": at.isoformat() if at else None,
        "lines": _chosen(lines),
    }
    await _decide(site, account, number, "ship", said)


@orders.command(epilog=examples("sellerd orders resolve --account johnlewis-gb 123456 --arrived"))
@account_option
@click.argument("number")
@click.option("--arrived/--again", default=None, required=True, help="It is there; or send it once more.")
@click.pass_obj
@asynchronous
async def resolve(site: Site, *, account: str, number: str, arrived: bool) -> None:
    """Settle an update of which nobody knows whether it arrived, after looking at the marketplace."""
    async with site.control() as control:
        await control.tell(address("accounts", account, "orders", number, "resolve"), {"arrived": arrived})
    click.echo("It counts as arrived." if arrived else "It will be sent once more.")


@orders.command(
    "erase",
    epilog=examples('sellerd orders erase --account laredoute-fr 2000000123 --reason "asked on 2 March, ticket 4711"'),
)
@account_option
@click.argument("number")
@click.option("--reason", required=True, help="Why, for the proof; without the name of the customer.")
@click.option("--although-open", is_flag=True, help="Even while a line of the order is open.")
@click.option("--yes", is_flag=True, help="Without a question.")
@click.pass_obj
@asynchronous
async def erase(site: Site, *, account: str, number: str, reason: str, although_open: bool, yes: bool) -> None:
    """Forget the customer of an order for good, on request; the figures of the order stay.

    Names, addresses, unknown fields, reasons and tracking numbers go, and the kept bytes of what brought the order. A
    proof stays, with when and why. What lies at the marketplace, in exports, in outgoing folders and in backups is not
    touched: backups of before end with their rotation, and one that is put back must be erased from again.
    """
    if not yes and not click.confirm(f"Forget the customer of order {number} for good?"):
        raise Failure("nothing was erased", REFUSED)
    async with site.control() as control:
        answer = await control.tell(
            address("accounts", account, "orders", number, "erase"),
            {"reason": reason, "although_open": although_open},
        )
    was = "The customer is" if answer["customer"] else "The customer had been"
    click.echo(f"{was} erased; the bytes of {answer['payloads']} deliveries and updates are gone.")


def _chosen(lines: tuple[Line, ...]) -> list[Line] | None:
    return list(lines) or None


async def _decide(site: Site, account: str, number: str, verb: str, said: Mapping[str, object]) -> None:
    async with site.control() as control:
        answer = await control.tell(address("accounts", account, "orders", number, verb), said)
    _tell(number, answer)


def _tell(number: str, update: Mapping[str, Any]) -> None:
    told = ", ".join(f"{line['ref']} ({line['quantity']})" for line in update["lines"])
    click.echo(f"{update['kind']} of order {number} noted for {told}; it is sent at the next turn.")
