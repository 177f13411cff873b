"""The documents say what the program does."""

import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from daemon.cli import _COMMANDS, main
from daemon.cli.site import Site

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_configuration_reference_is_what_the_program_takes() -> None:  # D3
    script = runpy.run_path(str(ROOT / "scripts" / "write_configuration_reference.py"))
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == script["written"](), (
        "run scripts/write_configuration_reference.py"
    )


def test_the_command_reference_is_what_the_commands_say() -> None:  # S3
    script = runpy.run_path(str(ROOT / "scripts" / "write_command_reference.py"))
    for path, written in script["WRITTEN"].items():
        assert path.read_text("utf-8") == written(), "run scripts/write_command_reference.py"


def test_the_manual_is_one_that_man_can_show() -> None:  # S3
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    shown = subprocess.run(
        ["groff", "-k", "-man", "-Tutf8", "-ww", str(ROOT / "docs" / "sellerd.1")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    assert "sellerd orders ship" in re.sub(".\x08", "", shown.stdout)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        place, _, anchor = target.partition("#")
        if "://" in place:
            continue
        to = document.parent / place if place else document
        assert to.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor in _anchors(to), f"{document.name} links to {target}"


def _anchors(document: Path) -> set[str]:
    """What can be linked to in a document: its headings, as those who show Markdown write them, and its own marks."""
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {heading.replace(" ", "-") for heading in headings} | set(re.findall(r'(?:id|name)="([^"]+)"', text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(document: Path) -> None:  # S3
    for noun in re.findall(r"`sellerd(?: --config \S+)? ([a-z-]+)", document.read_text("utf-8")):
        assert noun in _COMMANDS, f"{document.name} names `sellerd {noun}`"


#: what an example leaves to the reader
_LEFT_OPEN = ("does not exist", "is not a valid", "is not one of", "is no instant")


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name != "command-line.md"], ids=lambda p: p.name
)
def test_commands_are_taken_as_they_are_printed(document: Path) -> None:  # S3
    """Each line of a console that calls sellerd: its nouns, verbs, options and what each must have."""
    for line in re.findall(r"^\s*[$#] (?:sudo -u sellerd )?sellerd (.+)$", document.read_text("utf-8"), re.MULTILINE):
        words = shlex.split(re.split(r" > | && | \| ", line)[0].replace("…", "x"), comments=True)
        try:
            _parsed(words)
        except click.UsageError as error:
            told = error.format_message()
            assert any(each in told for each in _LEFT_OPEN), f"{document.name}: sellerd {line}: {told}"


def _parsed(words: list[str]) -> None:
    """Read a command as the command line does, and run nothing."""
    command: click.Command = main
    context = click.Context(main, info_name="sellerd", obj=Site(ROOT / "config.toml"))
    while isinstance(command, click.Group):
        verb = words[0] if words and not words[0].startswith("-") else getattr(command, "default", "")
        if words[:1] == [verb]:
            words = words[1:]
        elif not verb:
            return  # sellerd --version and the like
        _, found, _ = command.resolve_command(context, [verb])
        assert found is not None
        context = click.Context(found, parent=context, info_name=verb)
        command = found
    command.make_context(command.name, words, parent=context.parent)


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_explains_itself(command: str) -> None:  # S3
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
