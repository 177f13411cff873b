"""The page on adding a marketplace, followed to the letter in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-marketplace.md").read_text("utf-8")

#: a block under the name of a file; further blocks without a name of their own belong to the same file
_BLOCKS = re.compile(r"^```(?P<form>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^(?:In |At the end of )?`(?P<file>[^`\n]+)`(?:, as comments)?:$", re.MULTILINE)


class Block(NamedTuple):
    form: str
    file: str
    text: str


def _blocks() -> list[Block]:
    found = []
    for block in _BLOCKS.finditer(PAGE):
        named = list(_FILE.finditer(PAGE, 0, block.start()))
        found.append(Block(block["form"], named[-1]["file"] if named else "", block["text"]))
    return found


def _changed(text: str, diff: str) -> str:
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, f"the page changes what is not there:\n{before}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))


def _follow(page: list[Block], tree: Path) -> str:
    """Do what the page says in a tree; gives the example of an account."""
    example = ""
    for block in page:
        file = tree / block.file
        match block.form:
            case "python":
                assert not file.exists(), f"{block.file} is there already"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, "utf-8")
            case "diff":
                file.write_text(_changed(file.read_text("utf-8"), block.text), "utf-8")
            case "toml":
                example = block.text
                with file.open("a", encoding="utf-8") as out:
                    out.writelines(f"# {line}".rstrip() + "\n" for line in ["", *example.splitlines()])
    return example


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which the page was followed."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("daemon", "tests", "scripts", "docs", "systemd"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
    for name in ("pyproject.toml", "config.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    account = _follow(_blocks(), tree)
    (tree / "account.toml").write_text(f'[daemon]\nstate_dir = "state"\n{account}', "utf-8")
    return tree


def run(tree: Path, *command: str) -> str:
    """What a program of the tree prints; one that fails fails the test."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "KIOSK_PASSWORD": "secret"}
    done = subprocess.run([sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_names_every_place_that_it_touches() -> None:
    touched = {block.file for block in _blocks() if block.form in {"python", "diff", "toml"}}
    assert touched == {
        *(f"daemon/marketplaces/kiosk/{name}.py" for name in ("__init__", "settings", "messages", "marketplace")),
        "daemon/marketplaces/dialects.py",
        "daemon/crontab.py",
        "config.toml",
        *(f"tests/marketplaces/kiosk/{name}.py" for name in ("__init__", "test_kiosk")),
    }


def test_what_the_page_adds_works_with_every_job(tree: Path) -> None:
    run(tree, "scripts/write_configuration_reference.py")
    assert 'speaks = "kiosk" (marketplace = "kiosk")' in (tree / "docs" / "configuration.md").read_text("utf-8")
    told = run(tree, "-m", "pytest", "-q", "tests/marketplaces/kiosk", "tests/test_config.py")
    assert "passed" in told
    assert "failed" not in told


def test_what_the_page_adds_keeps_the_laws_of_the_house(tree: Path) -> None:
    places = ("daemon/marketplaces", "daemon/crontab.py", "tests/marketplaces/kiosk")
    run(tree, "-m", "ruff", "format", "--check", "--no-cache", *places)
    run(tree, "-m", "ruff", "check", "--no-cache", *places)
    run(tree, "-c", "from importlinter.cli import lint_imports_command as it; it(['--no-cache'])")


def test_the_command_line_serves_what_the_page_adds(tree: Path) -> None:
    sellerd = ("-m", "daemon", "--config", "account.toml")
    assert "account.toml is right" in run(tree, *sellerd, "check-config")
    for kind, rows in (
        ("listings", "sku,title,channel_item_id\nLAMP-1,Lamp,LAMP-1\n"),
        ("stock", "sku,stock\nLAMP-1,5\n"),
        ("prices", "sku,price\nLAMP-1,129.90\n"),
    ):
        (tree / f"{kind}.csv").write_text(rows, "utf-8")
        run(tree, *sellerd, "import", kind, f"{kind}.csv", "--account", "kiosk")
    run(tree, *sellerd, "plan", "--account", "kiosk", "--bytes", "planned")
    (planned,) = (tree / "planned").iterdir()
    assert planned.read_text("utf-8") == "sku,units,price\nLAMP-1,5,129.90\n"
