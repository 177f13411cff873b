"""`sellerd doctor`: everything that may be wrong with this installation, each with what to do (guide S3)."""

from collections.abc import AsyncIterator

import click

from daemon.cli.failures import REFUSED
from daemon.cli.noun import examples
from daemon.cli.output import json_option, print_json, print_table
from daemon.cli.progress import working
from daemon.cli.proofs import Finding, Verdict
from daemon.cli.site import Site, asynchronous


@click.command(
    epilog=examples(
        "sellerd doctor", "sellerd doctor --connect", "sellerd doctor --offline --quick --json | jq .findings"
    )
)
@click.option("--offline", is_flag=True, help="Leave the marketplaces' servers alone.")
@click.option("--connect", is_flag=True, help="Log in at the marketplaces too, and look without changing anything.")
@click.option("--quick", is_flag=True, help="Leave out what takes long with a large database.")
@click.option("--all", "everything", is_flag=True, help="Tell what is well too.")
@json_option
@click.pass_obj
@asynchronous
async def doctor(site: Site, *, offline: bool, connect: bool, quick: bool, everything: bool, as_json: bool) -> None:
    """Look at everything that may be wrong, and say of each thing what to do; nothing is changed.

    The configuration and its secrets, the folder and the disk, the database, its bytes and its backups, the clock, the
    daemon and each flow of each account, the marketplaces' servers (without a login), the service. It works beside a
    running daemon and without one. Ends with 1 when something is wrong; what is only doubtful does not count.
    """
    if offline and connect:
        raise click.UsageError("--offline leaves the servers alone, --connect logs in: give one of them")
    found = []
    with working("looking"):
        async for finding in _findings(site, offline=offline, connect=connect, quick=quick):
            found.append(finding)  # noqa: PERF401 - they come one by one, each when it is known
    wrong = [finding for finding in found if finding.verdict is Verdict.WRONG]
    doubtful = [finding for finding in found if finding.verdict is Verdict.DOUBTFUL]
    if as_json:
        print_json(ok=not wrong, findings=[finding.as_dict() for finding in found])
    else:
        told = found if everything else [*wrong, *doubtful]
        rows = [(finding.what, finding.verdict, finding.found, finding.fix) for finding in told]
        print_table(["what", "how", "found", "fix"], rows, empty="Everything is well.")
        well = len(found) - len(wrong) - len(doubtful)
        click.echo(f"{len(wrong)} wrong, {len(doubtful)} doubtful, {well} well.", err=True)
    if wrong:
        raise click.exceptions.Exit(REFUSED)


async def _findings(site: Site, *, offline: bool, connect: bool, quick: bool) -> AsyncIterator[Finding]:
    from daemon.cli import diagnosis
    from daemon.clock import read_clocks

    now = read_clocks()
    config, findings = diagnosis.configuration(site.config_path)
    for finding in findings:
        yield finding
    for finding in diagnosis.folder(site.state_dir, site.database):
        yield finding
    for finding in diagnosis.clock(now):
        yield finding
    async for finding in diagnosis.database(site.database, now, config, quick=quick):
        yield finding
    for finding in diagnosis.backups(site.backups, now.at, config):
        yield finding
    async for finding in diagnosis.running(site):
        yield finding
    for finding in diagnosis.service():
        yield finding
    if config is not None and not offline:
        async for finding in diagnosis.far_sides(config, now.at, connect=connect):
            yield finding
