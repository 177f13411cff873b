"""Nouns and verbs of the command line: without a verb a noun lists, and a word that is none gets a suggestion."""

from difflib import get_close_matches
from typing import Any

import click


class Suggesting(click.Group):
    """A group that says what may have been meant where there is no such command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; raises UsageError with what is near to it."""
        known = self.list_commands(ctx)
        word = args[0]
        if word not in known and not word.startswith("-"):
            near = get_close_matches(word, known, n=3, cutoff=0.5) or [
                each for each in known if each.startswith(word[:3])
            ]
            meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
            raise click.UsageError(f"No such command {word!r}: {meant}", ctx)
        return super().resolve_command(ctx, args)


class Noun(Suggesting):
    """A group whose verb is `list` where none is given: `sellerd feeds --json` is `sellerd feeds list --json`.

    `default` names another verb for that.
    """

    def __init__(self, *args: Any, default: str = "list", **more: Any) -> None:
        super().__init__(*args, **more)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in where the first word is an option, or there is none."""
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        # A shell that completes asks for the verbs.
        if not asks_for_help and not ctx.resilient_parsing and (not args or args[0].startswith("-")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def examples(*commands: str) -> str:
    """The end of a command's help: how it is typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)
