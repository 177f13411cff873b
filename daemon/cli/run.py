"""`sellerd run`, `reload` and `check-config`: the daemon itself and its configuration."""

from pathlib import Path

import click

from daemon.cli.failures import CONFIG, Failure
from daemon.cli.noun import examples
from daemon.cli.output import json_option, print_json
from daemon.cli.site import Site, address, asynchronous

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration, as before the command.",
)


@click.command(epilog=examples("sellerd run --config /etc/sellerd/config.toml"))
@_config_option
@click.pass_obj
def run(site: Site, config: Path | None) -> None:
    """Run the daemon in the foreground, as the service does.

    SIGHUP reloads the configuration, SIGTERM and Ctrl-C end it when the work in flight is done.
    """
    from daemon.main import main_run

    raise click.exceptions.Exit(main_run(config or site.config_path))


@click.command(epilog=examples("sellerd check-config && sellerd reload"))
@click.pass_obj
@asynchronous
async def reload(site: Site) -> None:
    """Let the running daemon take over the changed configuration.

    Waits until that is done. A wrong configuration changes nothing; what is wrong with it is told.
    """
    async with site.control() as control:
        await control.tell(address("reload"))
    click.echo("The new configuration runs.")


@click.command("check-config", epilog=examples("sellerd check-config", "sellerd check-config --json | jq .problems"))
@_config_option
@json_option
@click.pass_obj
def check_config(site: Site, *, config: Path | None, as_json: bool) -> None:
    """Say everything that is wrong with the configuration, all at once, and what to do."""
    from daemon.config import check

    path = config or site.config_path
    found = check(path)
    if as_json:
        print_json(config=str(path), problems=list(found.problems), warnings=list(found.warnings))
        if found.problems:
            raise click.exceptions.Exit(CONFIG)
        return
    for warning in found.warnings:
        click.echo(f"note: {warning}")
    if found.problems:
        raise Failure("the configuration is wrong:\n" + "\n".join(f"  {it}" for it in found.problems), CONFIG)
    click.echo(f"{path} is right.")
