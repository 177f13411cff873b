"""The same thing is said in the same words to every command."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from anyio.from_thread import BlockingPortal

from daemon.cli import main
from daemon.cli.output import LIMIT, NUMBER
from daemon.config import load
from daemon.model import AccountName
from daemon.store import open_store
from tests.cli.conftest import CATALOGUE, Say
from tests.seller.conftest import NOON


def commands(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)
        else:
            yield " ".join([*words, name]), command


COMMANDS = dict(commands(main))


def options(command: click.Command) -> set[str]:
    return {word for parameter in command.params if isinstance(parameter, click.Option) for word in parameter.opts}


def test_an_account_is_named_by_its_option() -> None:  # S3
    arguments = [(name, each) for name, command in COMMANDS.items() for each in command.params]
    assert [name for name, each in arguments if each.name == "account" and not isinstance(each, click.Option)] == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith(" list")])
def test_every_list_comes_in_every_form(name: str) -> None:  # S3
    assert options(COMMANDS[name]) >= {"--json", "--format", "--output"}


@pytest.mark.parametrize("name", [name for name in COMMANDS if "--limit" in options(COMMANDS[name])])
def test_every_list_that_is_cut_goes_on(name: str) -> None:  # S3
    bounded = {
        "plan",
        "guard list",
        "guard show",
    }  # A plan is made anew each time; cases are few and decided in one go.
    assert options(COMMANDS[name]) & {"--before", "--after"} or name in bounded


def test_what_has_a_number_is_asked_for_within_what_the_database_can_count() -> None:  # S3
    numbers = [
        (name, each.type)
        for name, command in COMMANDS.items()
        for each in command.params
        if isinstance(each.type, click.IntRange | click.types.IntParamType)
        and {"--http-port", "--timeout"}.isdisjoint(each.opts)
    ]
    assert [name for name, taken in numbers if taken not in (LIMIT, NUMBER)] == []


@pytest.mark.parametrize("words", [["listings", "show"], ["listings", "retry"], ["orders", "accept"]], ids=" ".join)
def test_a_word_in_another_encoding_is_told_in_a_sentence(say: Say, words: list[str]) -> None:
    assert say("import", "stock", CATALOGUE / "laredoute-stock.csv", "--account", "redoute").exit_code == 1
    latin = os.fsdecode("CAFÉ".encode("latin-1"))
    result = say(*words, latin, "--account", "redoute")
    assert result.exit_code == 2
    assert result.stderr == "Error: a word of the command is not UTF-8 text; let the terminal write UTF-8\n"


def test_an_option_takes_the_same_everywhere() -> None:  # S3
    taken: dict[str, dict[str, list[str]]] = {}
    for name, command in COMMANDS.items():
        for each in command.params:
            if isinstance(each, click.Option) and each.opts[0] in (
                "--limit",
                "--before",
                "--reason",
                "--account",
                "--since",
            ):
                taken.setdefault(each.opts[0], {}).setdefault(str(each.type.to_info_dict()), []).append(name)
    assert {word: len(types) for word, types in taken.items()} == dict.fromkeys(taken, 1), taken
    assert not [name for name, command in COMMANDS.items() if "--why" in options(command)]


@pytest.mark.parametrize(
    "words",
    [
        *(["listings", "list"], ["listings", "show", "X"], ["listings", "export"], ["reference", "list"]),
        *(
            ["orders", "list"],
            ["orders", "show", "X"],
            ["orders", "export"],
            ["claims", "list"],
            ["claims", "show", "1"],
        ),
        *(["feeds", "list"], ["feeds", "codes"], ["deliveries"], ["guard"]),
    ],
    ids=" ".join,
)
def test_a_question_about_an_account_that_nobody_knows_is_not_answered_with_nothing(
    say: Say, words: list[str], config_path: Path, portal: BlockingPortal
) -> None:  # S3
    async def once_there() -> None:
        async with open_store(load(config_path).database) as store:
            await store.accounts.configure(AccountName("gone"), "laredoute", "", NOON)

    portal.call(once_there)
    mistyped = say(*words, "--account", "reduote")
    assert (mistyped.exit_code, mistyped.stdout) == (1, "")
    assert mistyped.stderr == "Error: there is no account reduote; there are gone, lewis, redoute\n"
    for known in ("redoute", "gone"):
        assert "there is no account" not in say(*words, "--account", known).stderr
