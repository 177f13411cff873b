"""`sellerd accounts`: who sells where, whose server is trusted, who needs a person, what is proven (guide D10)."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun, examples
from daemon.cli.output import json_option, print_json, print_table, rows_options
from daemon.cli.site import Site, address, asynchronous

if TYPE_CHECKING:
    from daemon.cli.proofs import Finding
    from daemon.marketplaces import Marketplace
    from daemon.seller.rehearsal import Step
    from daemon.settings import AccountSettings, SftpTable
    from daemon.transports.sftp import HostKey


@click.group(cls=Noun)
def accounts() -> None:
    """List accounts, check them, trust their servers, release held ones."""


@accounts.command("list", epilog=examples("sellerd accounts --json"))
@rows_options
@click.pass_obj
@asynchronous
async def list_accounts(site: Site, *, as_json: bool) -> None:
    """List the configured accounts, and which of them need a person."""
    config = site.config()
    # Without a database the daemon has not run yet, and nobody is held.
    held = await _held(site) if site.database.exists() else {}
    found = [
        {
            "name": account.name,
            "marketplace": account.marketplace,
            "environment": account.environment,
            "active": account.active,
            "held": account.name in held,
            "held_reason": held.get(account.name, ""),
        }
        for account in config.accounts.values()
    ]
    if as_json:
        print_json(accounts=found)
        return
    columns = ["name", "marketplace", "environment", "active", "held", "held_reason"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="No account is configured.")


async def _held(site: Site) -> dict[str, str]:
    async with site.reading() as store:
        return {str(name): reason for name, (_, reason) in (await store.accounts.held()).items()}


@accounts.command(epilog=examples("sellerd accounts check laredoute-fr --connect"))
@click.argument("name")
@click.option("--connect", is_flag=True, help="Log in on each side as well, and look without changing anything there.")
@click.option(
    "--uat", is_flag=True, help="Walk the test orders of a test account: what is proven, and what comes next."
)
@json_option
@click.pass_obj
@asynchronous
async def check(site: Site, *, name: str, connect: bool, uat: bool, as_json: bool) -> None:
    """Prove an account: its configuration by itself, and with --connect each login; say what to mend.

    With --uat the test orders of an account with environment = "uat" are walked step by step, from the folders to
    refunds and errors; it goes by what has happened already, so say it again after each step.

    Ends with 1 when anything is wrong. What only a feed or an update could show is told as unproven, and is not wrong.
    """
    from daemon.cli.proofs import Verdict

    if uat:
        await _rehearse(site, name, as_json=as_json)
        return

    findings = [finding async for finding in _findings(site, name, connect=connect)]
    wrong = [finding for finding in findings if finding.verdict is Verdict.WRONG]
    if as_json:
        print_json(account=name, ok=not wrong, findings=[finding.as_dict() for finding in findings])
    else:
        rows = [(finding.what, finding.verdict, finding.found, finding.fix) for finding in findings]
        print_table(["what", "how", "found", "fix"], rows, empty="")
    if wrong:
        raise click.exceptions.Exit(REFUSED)


async def _rehearse(site: Site, name: str, *, as_json: bool) -> None:
    from daemon.cli.rehearsing import NothingKept, look_at
    from daemon.clock import read_clocks
    from daemon.model import AccountName
    from daemon.seller.rehearsal import StepState, complete, rehearse
    from daemon.store.rehearsals import Rehearsed

    account, now = _rehearsed(site, name), read_clocks().at
    async with _way_to(site, account) as way:
        if site.database.exists():
            async with site.reading() as store:
                look = await look_at(way, store.deliveries.inbox(AccountName(name)), now)
                facts = await store.rehearsals.facts(AccountName(name))
        else:
            look, facts = await look_at(way, NothingKept(), now), Rehearsed()
    steps = rehearse(name, facts, look, f"{account.update_answer_wait.total_seconds() / 60:g} minutes")
    if as_json:
        print_json(account=name, complete=complete(steps), steps=[step.as_dict() for step in steps])
    else:
        rows = [(f"{step.name} (optional)" if step.optional else step.name, *_told(step)) for step in steps]
        print_table(["step", "how", "found", "next"], rows, empty="")
    if any(step.state is StepState.WRONG for step in steps):
        raise click.exceptions.Exit(REFUSED)


def _told(step: "Step") -> tuple[object, ...]:
    return step.state, step.found, step.next


def _rehearsed(site: Site, name: str) -> "AccountSettings":
    """The account, where it is one for test orders; raises Failure."""
    from daemon.config import examine

    found = examine(site.config_path, name)
    if found is None:
        raise Failure(f"there is no account {name}; see: sellerd accounts list", REFUSED)
    account, problems = found
    if account is None or problems:
        raise Failure("\n".join(problems), REFUSED)
    if not account.has_test_tree:
        raise Failure(f"{account.marketplace} has no test tree, so there is nothing to rehearse", REFUSED)
    if account.environment != "uat":
        raise Failure(
            f'{name} is a {account.environment} account: only one with environment = "uat" is rehearsed', REFUSED
        )
    return account


async def _findings(site: Site, name: str, *, connect: bool) -> "AsyncIterator[Finding]":
    from daemon.cli.proofs import by_asking, by_itself, of_problems
    from daemon.clock import read_clocks
    from daemon.config import examine
    from daemon.hostkeys import FILE_NAME

    found = examine(site.config_path, name)
    if found is None:
        raise Failure(f"there is no account {name}; see: sellerd accounts list", REFUSED)
    account, problems = found
    for finding in of_problems(problems):
        yield finding
    if account is None:
        return
    now, known_hosts = read_clocks().at, site.state_dir / FILE_NAME
    for finding in by_itself(account, known_hosts, now):
        yield finding
    if not connect:
        return
    async with _way_to(site, account) as way:
        async for finding in by_asking(way.checks(now)):
            yield finding


@asynccontextmanager
async def _way_to(site: Site, account: "AccountSettings") -> "AsyncIterator[Marketplace]":
    from daemon.hostkeys import FILE_NAME, pinned
    from daemon.marketplaces.dialects import DIALECTS

    known_hosts = site.state_dir / FILE_NAME
    try:
        keys = {place: pinned(known_hosts, login.host, login.port) for place, login in account.sftp_logins.items()}
    except (OSError, ValueError):
        keys = {}  # Without keys no SFTP connection is made, and that is told.
    way = DIALECTS[account.speaks].open(account, keys)
    try:
        yield way
    finally:
        await way.aclose()


@accounts.command(epilog=examples("sellerd accounts release laredoute-fr"))
@click.argument("name")
@click.pass_obj
@asynchronous
async def release(site: Site, name: str) -> None:
    """Try a held account again, when what was wrong at the marketplace is mended."""
    async with site.control() as control:
        await control.tell(address("accounts", name, "release"))
    click.echo(f"{name} is tried again at its next turn.")


@accounts.command(
    epilog=examples(
        "sellerd accounts trust johnlewis-gb --fingerprint SHA256:kV1xK3…", "sellerd accounts trust laredoute-fr"
    )
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Trust every key that is shown, without a question.")
@click.option("--fingerprint", help="Trust the key with this fingerprint (SHA256:…) alone, as the marketplace told it.")
@click.option("--login", "place", help="Only the server of this login, such as sftp; without it, of every login.")
@click.pass_obj
@asynchronous
async def trust(site: Site, *, name: str, yes: bool, fingerprint: str | None, place: str | None) -> None:
    """Trust the SSH server of an account by its host key.

    The keys shown are those that the server, or whoever stands between, offers: compare the fingerprints with what the
    marketplace told you.
    """
    config = site.config()
    account = next((each for each in config.accounts.values() if each.name == name), None)
    if account is None:
        raise Failure(f"there is no account {name}; see: sellerd accounts list", REFUSED)
    offered = [(login, key) for login in _logins(account, place) for key in await _offered(login)]
    chosen = [(login, key) for login, key in offered if fingerprint in (None, key.fingerprint)]
    rows = [(f"{login.host}:{login.port}", key.algorithm, key.fingerprint) for login, key in offered]
    print_table(["server", "key", "fingerprint"], rows, empty="")
    if not chosen:
        raise Failure(f"no server shows a key with the fingerprint {fingerprint}; nothing was trusted", REFUSED)
    if not yes and fingerprint is None:
        _confirm()
    _pin(site, chosen)
    told = "1 key is" if len(chosen) == 1 else f"{len(chosen)} keys are"
    click.echo(f"{told} trusted from now on.")
    await _try_again(site, name)


def _logins(account: "AccountSettings", place: str | None) -> list["SftpTable"]:
    logins = account.sftp_logins
    if place is not None and place not in logins:
        raise Failure(f"{account.name} has no login {place}; it has {', '.join(logins)}", REFUSED)
    wanted = logins.values() if place is None else [logins[place]]
    return list({(login.host, login.port): login for login in wanted}.values())


async def _offered(login: "SftpTable") -> list["HostKey"]:
    from daemon.transports.sftp import offered_host_keys

    return await offered_host_keys(login.host, login.port)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Failure(
            "nothing was trusted: compare the fingerprints, then say --fingerprint SHA256:… or --yes", REFUSED
        )
    if not click.confirm("Are these the fingerprints that the marketplace told you?"):
        raise Failure("nothing was trusted", REFUSED)


def _pin(site: Site, chosen: "list[tuple[SftpTable, HostKey]]") -> None:
    from daemon.hostkeys import FILE_NAME, pin

    for login, key in chosen:
        pin(site.state_dir / FILE_NAME, login.host, login.port, key.line)


async def _try_again(site: Site, name: str) -> None:
    """Let a running daemon know: the keys are read with the configuration, and a held account has waited for them."""
    async with site.daemon() as control:
        if control is None:
            return
        await control.tell(address("reload"))
        held: dict[str, Any] = {row["name"]: row for row in (await control.ask(address("status")))["accounts"]}
        if held.get(name, {}).get("held"):
            await control.tell(address("accounts", name, "release"))
    click.echo("The running daemon knows it.")
