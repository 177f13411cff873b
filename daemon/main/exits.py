"""How the process ends: its exit codes, and by itself where something hangs (trap B4)."""

import os
import threading
from datetime import timedelta

#: exit codes: everything ended as asked; the database failed; another process has it; the configuration is wrong
CLEAN, STORAGE, IN_USE, CONFIG = 0, 70, 75, 78

#: after the grace, this long for everything else to end before the process ends itself
LAST_RESORT = timedelta(seconds=30)


def end_in(delay: timedelta, code: int) -> threading.Timer:
    """End the process after `delay`, whatever hangs; cancel the timer when nothing does."""
    timer = threading.Timer(delay.total_seconds(), os._exit, (code,))
    timer.daemon = True
    timer.start()
    return timer
