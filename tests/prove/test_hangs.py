"""The ways to hang of `make prove`, once each."""

import pytest

from tests.openssh import available
from tests.prove.hangs import MODES, hang, hang_at_names, names_available


@pytest.mark.skipif(not available(), reason="sshd is not here: scripts/install-test-servers")
@pytest.mark.parametrize("mode", MODES)
async def test_whatever_hangs_ends_by_its_deadline_and_holds_up_nobody(mode: str) -> None:  # D2
    figures = await hang(mode)
    assert figures.broken == []
    assert figures.counts["calls that hung"] > 0


@pytest.mark.skipif(not names_available(), reason="no network of our own can be made here")
def test_a_name_server_that_never_answers_holds_up_nobody() -> None:  # D2
    figures = hang_at_names()
    assert figures.broken == []
    assert figures.counts["calls that hung"] == 45
