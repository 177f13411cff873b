"""`sellerd jobs`: the work of the accounts and of the site, out of turn, paused and resumed (guide D13)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from daemon.cli.failures import REFUSED, Failure
from daemon.cli.noun import Noun, examples
from daemon.cli.output import print_json, print_table, rows_options
from daemon.cli.site import Site, account_option, address, asynchronous
from daemon.cli.values import Instant, Span

Row = dict[str, Any]


@click.group(cls=Noun)
def jobs() -> None:
    """List jobs, give one a turn now, pause and resume them; without a command: list."""


@jobs.command("list", epilog=examples("sellerd jobs list", "sellerd jobs list --account laredoute-fr --json"))
@click.option("--account", help="Only of this account.")
@rows_options
@click.pass_obj
@asynchronous
async def list_jobs(site: Site, *, account: str | None, as_json: bool) -> None:
    """List the jobs of the site and of every account: how each stands, how often it comes, what holds it."""
    found = [row for row in await _rows(site) if account in (None, row["account"])]
    if account is not None and not found:
        raise Failure(f"there is no active account {account}; see: sellerd accounts list", REFUSED)
    if as_json:
        print_json(jobs=found)
        return
    columns = ["account", "job", "state", "every", "last_succeeded_at", "next_due", "detail"]
    print_table(columns, [[row[column] for column in columns] for row in found], empty="No account is active.")


async def _rows(site: Site) -> list[Row]:
    """Every job of the site and of every active account, whether or not it ever ran."""
    from daemon.clock import read_clocks
    from daemon.crontab import intervals
    from daemon.health import Loaded, Snapshot, Vitals, judge

    every = intervals(site.config())
    now = read_clocks().at
    snapshot = Snapshot()
    if site.database.exists():
        async with site.reading() as store:
            states, held = await store.runs.snapshot(), await store.accounts.held()
            snapshot = Snapshot(states, held, pauses=await store.pauses.in_force(now))
    # Nobody knows from here since when a daemon runs, so that nothing is called late by its absence.
    verdict = judge(snapshot, Vitals(now, timedelta(), timedelta()), Loaded(now), every, now)
    return [
        {
            "account": job.account,
            "job": job.job,
            "state": job.state.value,
            "every": _span(every[job.account][job.job]),
            "last_succeeded_at": _iso(job.last_success),
            "next_due": _iso(job.next_due),
            "paused_until": _iso(job.pause.until if job.pause else None),
            "detail": job.pause.reason if job.pause else job.error,
        }
        for job in verdict.jobs
    ]


@jobs.command(
    "run", epilog=examples("sellerd jobs run reports --account laredoute-fr", "sellerd jobs run housekeeping")
)
@click.argument("job")
@click.option("--account", help="The account; without it, JOB is one of the site.")
@click.pass_obj
@asynchronous
async def run_job(site: Site, *, job: str, account: str | None) -> None:
    """Let the daemon run JOB now: sellerd jobs list names those of the site and of each account.

    The gate stays what it is: a feed that may not leave yet waits all the same.
    """
    async with site.control() as control:
        await control.tell(address(*(("accounts", account) if account else ("site",)), "jobs", job, "run"))
    click.echo(f"{job} of {account or 'the site'} has its turn now; see: sellerd status")


@jobs.command(
    "pause",
    epilog=examples(
        'sellerd jobs pause offers --account laredoute-fr --reason "prices are being checked" --for 2h',
        'sellerd jobs pause --account johnlewis-gb --reason "stock take"',
    ),
)
@click.argument("names", nargs=-1, metavar="[JOB]...")
@account_option
@click.option("--reason", required=True, help="Why; everybody who looks sees it.")
@click.option("--for", "span", type=Span(), help="For so long, such as 2h; then they run again by themselves.")
@click.option("--until", type=Instant(), help="Until this instant, such as 2026-03-02T18:00:00+01:00.")
@click.pass_obj
@asynchronous
async def pause(
    site: Site, *, account: str, names: tuple[str, ...], reason: str, span: timedelta | None, until: datetime | None
) -> None:
    """Let each JOB of an account rest, or without one all of them, until they are resumed or the time is over.

    A turn in flight ends as it would. What is due waits in its rows, and nothing is lost. A paused job is shown by
    status, /healthz and the metrics, and its log line is a warning.
    """
    if span is not None and until is not None:
        raise click.UsageError("--for says how long, --until says when it ends: give one of them")
    end = datetime.now(UTC) + span if span is not None else until
    said = {"reason": reason, "jobs": list(names) or None, "until": end.isoformat() if end else None}
    async with site.control() as control:
        answer = await control.tell(address("accounts", account, "pause"), said)
    lasts = f"until {end.isoformat(timespec='seconds')}" if end else "until they are resumed"
    click.echo(f"{', '.join(answer['jobs'])} of {account} are paused {lasts}.")


@jobs.command("resume", epilog=examples("sellerd jobs resume offers --account laredoute-fr"))
@click.argument("names", nargs=-1, metavar="[JOB]...")
@account_option
@click.pass_obj
@asynchronous
async def resume(site: Site, *, account: str, names: tuple[str, ...]) -> None:
    """Let each paused JOB of an account run again, or without one all of them; each has a turn at once."""
    async with site.control() as control:
        answer = await control.tell(address("accounts", account, "resume"), {"jobs": list(names) or None})
    freed = ", ".join(answer["jobs"])
    click.echo(f"{freed} of {account} run again." if freed else f"Jobs of {account} are still held by another pause.")


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(every: timedelta) -> str:
    seconds = int(every.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
