"""What is installed where sellerd runs is what its tests ran with."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def pins(name: str) -> dict[str, set[str]]:
    """Each pin of a lock file with its hashes."""
    found: dict[str, set[str]] = {}
    pin = ""
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if match := re.match(r"([a-z0-9._-]+)(?:\[[a-z]+\])?==(\S+)", line):
            pin = f"{match[1]}=={match[2]}"
            found[pin] = set()
        found.get(pin, set()).update(re.findall(r"--hash=(\S+)", line))
    return found


def test_what_runs_is_what_was_tested() -> None:
    everything, runs = pins("requirements.lock"), pins("requirements-run.lock")
    assert {pin: hashes for pin, hashes in runs.items() if everything.get(pin) != hashes} == {}
    assert all(runs.values())


def test_the_tools_of_who_works_on_it_are_not_installed_where_it_runs() -> None:
    names = {pin.split("==")[0] for pin in pins("requirements-run.lock")}
    assert {"asyncssh", "apscheduler", "hatchling", "editables"} <= names
    assert names.isdisjoint({"atheris", "hypothesis", "mypy", "playwright", "pytest", "ruff", "schemathesis"})
