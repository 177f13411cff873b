#!/usr/bin/env python3
"""Write docs/command-line.md and docs/sellerd.1 from the commands themselves: every verb, option and example."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from daemon import __version__
from daemon.cli import _COMMANDS, main
from daemon.cli.failures import EXIT_CODES

DOCS = Path(__file__).resolve().parent.parent / "docs"

HEAD = """# The command line

Written from the commands themselves by `scripts/write_command_reference.py`; `man sellerd` says the same, and so does
`--help` behind every word. Nouns have verbs (`sellerd orders list`), and most nouns list without one.

The command line finds the configuration at `--config`, in `$SELLERD_CONFIG`, in `./config.toml` or in
`/etc/sellerd/config.toml`. Questions are answered from the database beside whoever writes it. Changes go through the
running daemon, and straight into the database when none runs. Run it as the daemon's user:
`sudo -u sellerd sellerd status`.

## For scripts

- `--json` prints one JSON document. Its `version` is the number of its form: within a version, fields are added and
  never renamed, removed or given another meaning. Instants are ISO 8601 in UTC, money is whole cents (`price_minor`)
  in the account's currency.
- Commands that list rows take `--format table|csv|json|xlsx` and `--output FILE`. Without them a terminal gets a table,
  and a pipe tab-separated lines under one line of column names.
- Progress of long work is told on a terminal's standard error only. Results go to standard output.
- An account is named by `--account`, and a question about one that nobody knows is refused: an empty answer says that
  there is nothing.
- What is paged goes on behind the last row: `--after` its SKU or code, `--before` its id.
- `sellerd completion bash|zsh|fish` prints what the shell needs to complete words.

| exit code | means |
|---|---|
"""


def page() -> str:
    """docs/command-line.md, whole."""
    lines = [HEAD + "\n".join(f"| {code} | {meaning} |" for code, meaning in _exit_codes()), ""]
    lines += ["## Commands", ""]
    lines += [f"- [`sellerd {name}`](#sellerd-{name}): {text}" for name, (_, _, text) in _COMMANDS.items()]
    for name in _COMMANDS:
        lines += ["", f"## sellerd {name}", ""]
        for path, command, ctx in _walk(name):
            lines += _section(path, command, ctx, top=path == name)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def manual() -> str:
    """docs/sellerd.1, whole."""
    lines = [
        f'.TH SELLERD 1 "" "sellerd {__version__}" "User Commands"',
        ".SH NAME",
        "sellerd \\- keep listings, stock, prices and orders in step with marketplaces",
        ".SH SYNOPSIS",
        ".B sellerd",
        "[\\-\\-config FILE] COMMAND [ARGUMENT]...",
        ".SH DESCRIPTION",
        _roff("One daemon that keeps a seller's listings, stock, prices and orders in step with marketplaces, and the"),
        _roff("commands to ask it and to tell it. Questions are answered from the database beside whoever writes it;"),
        _roff("changes go through the running daemon, and straight into the database when none runs."),
        ".SH COMMANDS",
    ]
    for name in _COMMANDS:
        for path, command, ctx in _walk(name):
            lines += [f".SS sellerd {_roff(path)}", *_manual_section(path, command, ctx)]
    lines.append(".SH EXIT STATUS")
    for code, meaning in _exit_codes():
        lines += [".TP", f".B {code}", _roff(meaning)]
    lines += [
        ".SH FILES",
        ".TP",
        ".I /etc/sellerd/config.toml",
        "The configuration; ./config.toml comes before it, and \\-\\-config before both.",
        ".TP",
        ".I /var/lib/sellerd",
        "The database, its backups, the trusted host keys and the control socket.",
        ".SH ENVIRONMENT",
        ".TP",
        ".B SELLERD_CONFIG",
        "The configuration, where \\-\\-config does not name it.",
    ]
    return "\n".join(lines) + "\n"


def _walk(name: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command and the verbs under it, each with its words and a context in which it can be asked."""
    root = click.Context(main, info_name="sellerd", help_option_names=["-h", "--help"])
    command = main.get_command(root, name)
    if command is None:
        return
    ctx = click.Context(command, info_name=name, parent=root)
    yield name, command, ctx
    if isinstance(command, click.Group):
        for verb in command.list_commands(ctx):
            inner = command.get_command(ctx, verb)
            if inner is not None and not inner.hidden:
                yield f"{name} {verb}", inner, click.Context(inner, info_name=verb, parent=ctx)


def _section(path: str, command: click.Command, ctx: click.Context, *, top: bool) -> list[str]:
    lines = [] if top else [f"### sellerd {path}", ""]
    lines += [_text(command), ""]
    if isinstance(command, click.Group):
        return lines
    lines += ["```console", f"$ {_usage(path, command, ctx)}", "```", ""]
    if options := list(_options(command, ctx)):
        lines += [
            "| option | meaning |",
            "|---|---|",
            *(f"| {_code(how)} | {_cell(what)} |" for how, what in options),
            "",
        ]
    if shown := _examples(command):
        lines += ["```console", *(f"$ {line}" for line in shown), "```", ""]
    return lines


def _manual_section(path: str, command: click.Command, ctx: click.Context) -> list[str]:
    lines = [_roff(_text(command).replace("\n\n", "\n.PP\n"))]
    if isinstance(command, click.Group):
        return lines
    lines += [".PP", f".B {_roff(_usage(path, command, ctx))}"]
    for how, what in _options(command, ctx):
        lines += [".TP", f".B {_roff(how)}", _roff(what)]
    if shown := _examples(command):
        lines += [".PP", "Examples:", ".nf", *(f"  {_roff(line)}" for line in shown), ".fi"]
    return lines


def _text(command: click.Command) -> str:
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _usage(path: str, command: click.Command, ctx: click.Context) -> str:
    pieces = command.collect_usage_pieces(ctx)
    return " ".join(["sellerd", path, *pieces])


def _options(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option) and not parameter.hidden and (told := parameter.get_help_record(ctx)):
            yield told


def _examples(command: click.Command) -> list[str]:
    lines = (command.epilog or "").replace("\b", "").splitlines()
    return [line.strip() for line in lines if line.strip() and line.strip() != "Examples:"]


def _exit_codes() -> Iterator[tuple[str, str]]:
    for line in EXIT_CODES.splitlines():
        if found := re.fullmatch(r"\s*(\d+)\s+(.*)", line):
            yield found[1], found[2]


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        f"\\&{line}" if line.startswith(("'", ".")) and not line.startswith(".PP") else line
        for line in escaped.splitlines()
    )


WRITTEN = {DOCS / "command-line.md": page, DOCS / "sellerd.1": manual}

if __name__ == "__main__":
    for path, write in WRITTEN.items():
        path.write_text(write(), "utf-8")
        sys.stdout.write(f"{path} written\n")
