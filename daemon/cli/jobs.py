"""`sellerd jobs`: the work of the accounts and of the site, out of turn (guide D13)."""

import click

from daemon.cli.site import Site, address, asynchronous


@click.group()
def jobs() -> None:
    """Give a job a turn now; `sellerd status` shows how the jobs stand."""


@jobs.command("run")
@click.argument("words", nargs=-1, required=True, metavar="[ACCOUNT] JOB")
@click.pass_obj
@asynchronous
async def run_job(site: Site, words: tuple[str, ...]) -> None:
    """Let the daemon run JOB of ACCOUNT now: items, offers, reports, orders, updates, refunds or housekeeping.

    Without an account, JOB is one of the site: alerts, ping or housekeeping. The gate stays what it is: a feed that may
    not leave yet waits all the same.
    """
    *account, job = words
    if len(account) > 1:
        raise click.UsageError("name one account and one job: sellerd jobs run ACCOUNT JOB")
    async with site.control() as control:
        await control.tell(address(*(("accounts", *account) if account else ("site",)), "jobs", job, "run"))
    click.echo(f"{job} of {account[0] if account else 'the site'} has its turn now; see: sellerd status")
