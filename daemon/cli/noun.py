"""A noun of the command line: without a verb, it lists."""

from typing import Any

import click


class Noun(click.Group):
    """A group whose verb is `list` where none is given: `sellerd feeds --json` is `sellerd feeds list --json`.

    `default` names another verb for that.
    """

    def __init__(self, *args: Any, default: str = "list", **more: Any) -> None:
        super().__init__(*args, **more)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in where the first word is an option, or there is none."""
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_for_help and (not args or args[0].startswith("-")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def examples(*commands: str) -> str:
    """The end of a command's help: how it is typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)
