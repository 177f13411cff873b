"""Run a program that does not outlive the one that started it: `leash.py PARENT PROGRAM ARGUMENT…`.

It stands alone, so that it starts in no time: it asks the kernel for a SIGTERM at its parent's death, however that
dies, and becomes the program, which inherits the wish.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, program: list[str]) -> None:
    """Become `program`, on the leash of the process `parent`."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        sys.exit(f"leash: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the kernel was asked.
    if os.getppid() == parent:
        os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
