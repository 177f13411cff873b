"""The command line: every noun is a module of its own, loaded only when it is used."""

from importlib import import_module
from pathlib import Path

import click

from daemon.cli.failures import EXIT_CODES, told
from daemon.cli.noun import Suggesting

#: name → module, the command in it, and what `--help` says of it
_COMMANDS = {
    "run": ("daemon.cli.run", "run", "Run the daemon in the foreground, as the service does."),
    "reload": ("daemon.cli.run", "reload", "Let the running daemon take over the changed configuration."),
    "check-config": ("daemon.cli.run", "check_config", "Say everything that is wrong with the configuration."),
    "status": ("daemon.cli.status", "status", "Show how every account stands."),
    "accounts": ("daemon.cli.accounts", "accounts", "List and check accounts, trust their servers, release held ones."),
    "import": ("daemon.cli.imports", "import_", "Bring in listings, stock, prices, promotions or dispatches."),
    "listings": ("daemon.cli.listings", "listings", "List and show listings, check them, and try failed ones again."),
    "stock": ("daemon.cli.stock", "stock", "Send the stock that has changed, or all of it."),
    "reference": ("daemon.cli.reference", "reference", "Import and list the marketplace's own codes."),
    "orders": ("daemon.cli.orders", "orders", "List, show, export and decide orders."),
    "claims": ("daemon.cli.claims", "claims", "List, show, accept and close requests of the marketplace to cancel."),
    "feeds": ("daemon.cli.feeds", "feeds", "List and show what was sent, and what came of it."),
    "gate": ("daemon.cli.status", "gate", "Show when the next feed may leave, and why not before."),
    "deliveries": (
        "daemon.cli.status",
        "deliveries",
        "Show what came in and could not be read, try it again, or close it.",
    ),
    "guard": ("daemon.cli.guard", "guard", "See what looks like a mistake, and say whether it is meant."),
    "alerts": ("daemon.cli.alerts", "alerts", "Show what is wrong, and try whether alerts arrive."),
    "jobs": ("daemon.cli.jobs", "jobs", "List jobs, give one a turn now, pause and resume them."),
    "backup": ("daemon.cli.backups", "backup", "Copy the database while everything goes on, list and prove copies."),
    "restore": ("daemon.cli.backups", "restore", "Put a backup in the place of the database."),
    "doctor": ("daemon.cli.doctor", "doctor", "Look at everything that may be wrong, and say what to do."),
    "plan": ("daemon.cli.plan", "plan", "Show what would be sent next, and send nothing."),
    "users": ("daemon.cli.access", "users", "Say who may sign in to the pages, and as what."),
    "tokens": ("daemon.cli.access", "tokens", "Make and revoke the tokens that programs sign in with."),
    "audit": ("daemon.cli.access", "audit", "Show who did what, when, from where, and what came of it."),
    "webhooks": ("daemon.cli.webhooks", "webhooks", "Show who is told of events, and tell them once more."),
    "completion": ("daemon.cli.completion", "completion", "Let the shell complete words of sellerd."),
    "sandbox": ("daemon.cli.sandbox", "sandbox", "Run marketplaces for trying things out, on this machine."),
    "demo": ("daemon.cli.demo", "demo", "Show everything at work against the sandbox, in about a minute."),
}


class _Commands(Suggesting):
    """The commands by name; `--help` loads none of them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        with told():
            return super().invoke(ctx)


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="SELLERD_CONFIG",
    help="The configuration; without it ./config.toml, then /etc/sellerd/config.toml.",
)
@click.version_option(package_name="sellerd", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Keep listings, stock, prices and orders in step with La Redoute and John Lewis."""
    from daemon.cli.site import Site

    ctx.obj = Site(config)
