"""`sellerd jobs`: the work of the accounts, out of turn (guide D13)."""

import click

from daemon.cli.site import Site, address, asynchronous


@click.group()
def jobs() -> None:
    """Give a job of an account a turn now; `sellerd status` shows how the jobs stand."""


@jobs.command("run")
@click.argument("account")
@click.argument("job")
@click.pass_obj
@asynchronous
async def run_job(site: Site, account: str, job: str) -> None:
    """Let the daemon run JOB of ACCOUNT now: items, offers, reports, orders, updates or housekeeping.

    Its gate stays what it is: a feed that may not leave yet waits all the same.
    """
    async with site.control() as control:
        await control.tell(address("accounts", account, "jobs", job, "run"))
    click.echo(f"{job} of {account} has its turn now; see: sellerd status")
