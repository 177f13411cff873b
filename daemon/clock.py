"""Read the clocks: the one place that asks the kernel what time it is for a turn (house law 10)."""

import ctypes
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from daemon.model import Moment

_STA_UNSYNC = 0x40
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_clocks() -> Moment:
    """The clocks as they stand now (L8)."""
    return Moment(
        at=datetime.now(UTC),
        boot_id=_boot_id(),
        boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        synchronised=_synchronised(),
    )


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text("ascii").strip()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _synchronised() -> bool:
    # struct timex is at most 256 bytes everywhere; `modes` (an unsigned int, 0 = only ask) stands first, and `status`
    # follows four longs after it. Reading needs no privilege.
    buffer = ctypes.create_string_buffer(512)
    if _libc().adjtimex(buffer) < 0:
        return False
    word = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, 5 * word).value
    return not status & _STA_UNSYNC
