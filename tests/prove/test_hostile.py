"""Every server of `make prove` that means harm, met once."""

import pytest

from tests.prove.hostile import FOLDERS, SERVERS, meet


@pytest.mark.parametrize("name", SERVERS)
async def test_harm_ends_by_the_deadline_in_little_memory(name: str) -> None:  # D9
    figures = await meet(name)
    assert figures.broken == []
    assert figures.counts["hostile answers"] > 0


@pytest.mark.parametrize("name", FOLDERS)
async def test_good_files_are_taken_from_among_bad_ones(name: str) -> None:  # D9 J5 L17
    figures = await meet(name)
    assert figures.broken == []
    assert figures.counts["hostile entries of folders"] > 30
