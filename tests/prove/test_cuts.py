"""The cuts of `make prove` in a short form: a few bytes of each message."""

import pytest

from tests.cable import Ending
from tests.openssh import available
from tests.prove.cuts import OVER_HTTP, OVER_SSH, SOMETIMES, Piece, cut
from tests.prove.figures import Figures


async def _both_ways(flow: str, every: int) -> Figures:
    figures = await cut(Piece(flow, "up", Ending.RESET, every=every))
    figures.add(await cut(Piece(flow, "down", Ending.CLOSE, every=every)))
    return figures


@pytest.mark.parametrize("flow", OVER_HTTP)
async def test_a_request_that_is_cut_is_told_by_its_true_name_and_not_sent_twice(flow: str) -> None:  # L8 L13
    figures = await _both_ways(flow, 211)
    assert figures.broken == []
    assert figures.counts[f"cuts of {flow}"] > 5


@pytest.mark.skipif(not available(), reason="sshd is not here: scripts/install-test-servers")
@pytest.mark.parametrize("flow", OVER_SSH)
async def test_a_file_that_is_cut_is_never_taken_half(flow: str) -> None:  # J3 J5 J8 D9
    figures = await _both_ways(flow, 211)
    assert figures.broken == []
    assert figures.counts[f"cuts of {flow}"] > 5


async def test_every_kind_of_outcome_is_met() -> None:
    met: set[str] = set()
    for flow in ("offer feed", "request over TLS"):
        met |= set((await _both_ways(flow, 97)).hit)
    assert met >= SOMETIMES
