"""`sellerd users`, `tokens` and `audit`: who may do what over the web, and who did what."""

import sys
from datetime import timedelta

import click

from daemon.cli.failures import USAGE, Failure
from daemon.cli.noun import Noun
from daemon.cli.output import LIMIT, NUMBER, json_option, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous
from daemon.cli.values import Span

_ROLES = ("viewer", "operator", "admin")
_SCOPES = ("read", "personal", "operate", "administer", "metrics")

_password_option = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from the first line of the input."
)


@click.group(cls=Noun)
def users() -> None:
    """Say who may sign in to the pages: a viewer looks, an operator acts, an admin manages users and tokens too."""


@users.command("list")
@rows_options
@click.pass_obj
@asynchronous
async def list_users(site: Site, *, as_json: bool) -> None:
    """List who may sign in."""
    async with site.reading() as store:
        found = await store.users.list()
    if as_json:
        print_json(users=found)
        return
    columns = ["name", "role", "personal", "sessions", "created_at", "signed_in_at"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="Nobody can sign in yet.")


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="viewer", show_default=True, help="What the user may do.")
@click.option("--no-personal-data", "blind", is_flag=True, help="Hide customers and their addresses from the user.")
@_password_option
@click.pass_obj
@asynchronous
async def add(site: Site, *, name: str, role: str, blind: bool, from_stdin: bool) -> None:
    """Let NAME sign in; the password is asked for."""
    password = _password(from_stdin=from_stdin)
    async with site.control() as control:
        said = {"name": name, "password": password, "role": role, "personal": not blind}
        await control.tell(address("users"), said)
    click.echo(f"{name} may sign in as {role}.")


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), help="What the user may do from now on.")
@click.option("--personal-data/--no-personal-data", "personal", default=None, help="Show or hide customers.")
@click.pass_obj
@asynchronous
async def change(site: Site, *, name: str, role: str | None, personal: bool | None) -> None:
    """Give NAME another role, or the sight of customers; open sessions have it at once."""
    async with site.control() as control:
        await control.tell(address("users", name, "change"), {"role": role, "personal": personal})
    click.echo(f"{name} is changed.")


@users.command()
@click.argument("name")
@_password_option
@click.pass_obj
@asynchronous
async def passwd(site: Site, *, name: str, from_stdin: bool) -> None:
    """Give NAME another password, and end every session under it."""
    password = _password(from_stdin=from_stdin)
    async with site.control() as control:
        await control.tell(address("users", name, "password"), {"password": password})
    click.echo(f"{name} has another password, and is signed out everywhere.")


@users.command()
@click.argument("name")
@click.pass_obj
@asynchronous
async def remove(site: Site, name: str) -> None:
    """Let NAME sign in no more, and end every session under it."""
    async with site.control() as control:
        await control.tell(address("users", name, "remove"))
    click.echo(f"{name} may sign in no more.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password at; use --password-stdin", USAGE)
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


@click.group(cls=Noun)
def tokens() -> None:
    """Make and revoke the tokens that programs sign in with: Authorization: Bearer TOKEN."""


@tokens.command("list")
@rows_options
@click.pass_obj
@asynchronous
async def list_tokens(site: Site, *, as_json: bool) -> None:
    """List tokens: what each may do, when it ends, when it was used last; never what it is."""
    async with site.reading() as store:
        found = await store.tokens.list()
    if as_json:
        print_json(tokens=found)
        return
    columns = ["name", "scopes", "created_at", "expires_at", "used_at", "revoked_at"]
    rows = [[row["name"], " ".join(row["scopes"]), *(row[column] for column in columns[2:])] for row in found]
    print_table(columns, rows, empty="There is no token.")


@tokens.command()
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, required=True, help="What it may do.")
@click.option("--expires", type=Span(), help="For so long it counts, such as 90d; without it, until it is revoked.")
@json_option
@click.pass_obj
@asynchronous
async def create(site: Site, *, name: str, scopes: tuple[str, ...], expires: timedelta | None, as_json: bool) -> None:
    """Make a token for the program NAME, and print it: it is shown this once.

    read looks, personal sees customers, operate acts, administer manages users and tokens, metrics is for Prometheus.
    """
    from daemon.clock import read_clocks

    ends = read_clocks().at + expires if expires is not None else None
    async with site.control() as control:
        said = {"name": name, "scopes": list(scopes), "expires_at": ends.isoformat() if ends else None}
        made = await control.tell(address("tokens"), said)
    if as_json:
        print_json(**{key: value for key, value in made.items() if key != "version"})
        return
    click.echo(made["token"])


@tokens.command()
@click.argument("name")
@click.pass_obj
@asynchronous
async def revoke(site: Site, name: str) -> None:
    """Let the token NAME count no more."""
    async with site.control() as control:
        await control.tell(address("tokens", name, "revoke"))
    click.echo(f"{name} counts no more.")


@click.group(cls=Noun)
def audit() -> None:
    """Show who did what, when, from where, and what came of it."""


@audit.command("list")
@click.option("--who", default="", help="Only of this user, token or account of the machine.")
@click.option("--find", default="", help="Only where this stands in the address, the action or the outcome.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="At most so many, the newest first.")
@click.option("--before", type=NUMBER, help="Go on behind this entry: the last one of the list before.")
@rows_options
@click.pass_obj
@asynchronous
async def list_audit(site: Site, *, who: str, find: str, limit: int, before: int | None, as_json: bool) -> None:
    """List the audit trail, the newest first."""
    async with site.reading() as store:
        found = await store.audit.list(who=who, find=find, limit=limit, before=before)
    if as_json:
        print_json(audit=found)
        return
    columns = ["id", "at", "who", "how", "address", "action", "path", "outcome", "detail"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="Nobody has done anything yet.")
