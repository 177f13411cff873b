"""The documents say what the program does."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import _COMMANDS, main

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
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(document: Path) -> None:  # S3
    for noun in re.findall(r"`sellerd(?: --config \S+)? ([a-z-]+)", document.read_text("utf-8")):
        assert noun in _COMMANDS, f"{document.name} names `sellerd {noun}`"


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_explains_itself(command: str) -> None:  # S3
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
