"""A backup of the working process, beside a reader that holds an old state; the log is gone when the reader is."""

import pytest

from tests.prove.backups import beside

pytestmark = pytest.mark.slow


async def test_backups_of_the_working_process_are_whole_beside_a_long_reader() -> None:  # D7
    figures = await beside(2)

    assert figures.broken == []
    assert figures.counts["copies made, examined and put back"] == 2
    assert figures.hit["the log was truncated once nobody read it"] == 1
