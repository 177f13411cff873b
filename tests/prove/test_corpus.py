"""Each way to damage a file in each folder, among as many good ones; `make prove` takes a thousand good ones."""

import pytest

from tests.prove.corpus import DAMAGES, PLACES, cuts, folder


@pytest.mark.parametrize("name", PLACES)
async def test_a_bad_file_is_told_and_holds_up_nothing(name: str) -> None:  # D9 J4 J5 J6 J12 J13 L17 S1
    figures = await folder(name, 0)
    assert figures.broken == []
    assert sum(figures.counts.values()) >= 2 * len(DAMAGES)
    assert figures.counts[f"good files worked off, {name}"] >= len(DAMAGES)


def test_what_is_cut_is_never_whole() -> None:  # J6 J12 L17
    figures = cuts(every=11)
    assert figures.broken == []
    assert figures.counts["files cut at a byte"] > 1_000
