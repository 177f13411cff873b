"""The daemon's signals: each is given once, and none finds a moment in which it would kill."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from daemon.main.signals import SIGNALS

_LISTENS_AGAIN_AND_AGAIN = """
import signal, anyio
from daemon.main.signals import SIGNALS, listening

async def main():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    print("begun", flush=True)
    came = 0
    while came < 300:
        with listening() as signals:
            async for _ in signals:
                came += 1
                break

anyio.run(main)
"""
_TELLS = """
import signal, anyio
from daemon.main.signals import listening

async def main():
    with listening() as signals:
        print("begun", flush=True)
        async for number in signals:
            print(number.name, flush=True)
            if number == signal.SIGTERM:
                break

anyio.run(main)
"""


def _started(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def _told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_no_signal_finds_a_moment_in_which_it_kills(number: signal.Signals) -> None:  # P20
    with _started(_LISTENS_AGAIN_AND_AGAIN) as process:
        assert _told(process) == "begun"
        while process.poll() is None:
            os.kill(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.0001)
    assert process.returncode == 0


def test_each_signal_is_given_as_it_comes() -> None:  # D4
    with _started(_TELLS) as process:
        assert _told(process) == "begun"
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(process.pid, number)
            assert _told(process) == number.name
    assert process.returncode == 0
