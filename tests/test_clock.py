"""The clocks that the gate goes by."""

import time
from datetime import UTC

from daemon.clock import read_clocks


def test_the_boot_clock_goes_on_within_one_boot() -> None:  # L8
    first, second = read_clocks(), read_clocks()
    assert first.boot_id == second.boot_id
    assert len(first.boot_id) == 36
    assert first.boot_ns < second.boot_ns
    assert abs(second.boot_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 60 * 10**9
    assert first.at.tzinfo is UTC
