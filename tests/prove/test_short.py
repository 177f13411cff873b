"""The methods of `make prove` in a short form: a few seeds, a few points, every mistake still where it can be made."""

import shutil
from pathlib import Path

import pytest

from tests.prove import crashpoints, properties
from tests.prove.document import DOCUMENT, written
from tests.prove.flow import traces
from tests.prove.mutants import MUTANTS, ROOT, Mutant, apply
from tests.prove.simulation import simulate


@pytest.mark.parametrize("marketplace", ["laredoute", "johnlewis"])
async def test_a_simulated_day_keeps_every_promise(marketplace: str) -> None:  # L8 J7 D2 D9
    figures = await simulate(marketplace, 2, 1)
    assert figures.broken == []
    assert figures.counts["simulated hours"] == 24
    assert figures.counts["feeds received"] > 0
    assert figures.counts["quiet moments compared"] > 0


async def test_a_seed_replays_exactly() -> None:
    told: list[list[str]] = [[], []]
    for each in told:
        await simulate("johnlewis", 5, 0.5, each.append)
    assert told[0] == told[1]
    assert len(told[0]) > 10


@pytest.mark.slow
@pytest.mark.skipif(not traces(), reason="strace is not here: scripts/install-test-servers")
@pytest.mark.parametrize(("call", "number"), [("fdatasync", 40), ("sendto", 60)])
async def test_killed_at_a_point_the_process_keeps_every_promise(call: str, number: int) -> None:  # L8 L13 J7 D9
    figures = await crashpoints.kill_at(call, number)
    assert figures.broken == []
    assert figures.counts[f"killed at {call}"] == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mistake_can_still_be_made(mutant: Mutant, tmp_path: Path) -> None:
    """Where code moved, its mutant moves with it; `make prove` lets the tests find them all."""
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutant.file, copy)
    apply(mutant, tmp_path)
    assert copy.read_bytes() != (ROOT / mutant.file).read_bytes()
    assert all((ROOT / test).exists() for test in mutant.tests if test.startswith("tests/"))


def test_the_page_of_promises_is_what_was_measured() -> None:
    assert DOCUMENT.read_text("utf-8") == written(), "run python -m tests.prove document"


def test_the_examples_of_a_property_are_counted() -> None:
    figures = properties.run("files that were read or refused in words", 2)
    assert figures.broken == []
    assert figures.counts["files that were read or refused in words"] > 20
