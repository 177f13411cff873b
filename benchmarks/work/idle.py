"""Ten accounts with nothing to do, the real process against the sandbox.

The peer is an interpreter that has imported every library that our process has, and waits:
`python -m benchmarks.work.idle wait`. Which those are, a daemon like it says: `… libraries FOLDER`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import anyio

from benchmarks.pairs import Bench, Trial, Wanted
from benchmarks.site import Site, cpu_seconds, resident_mib, sandbox
from daemon.main import run

ACCOUNTS, SECONDS = 10, 300
#: until every job has had its first turn and every connection stands
_SETTLING_SECONDS = 20
_NOT_LIBRARIES = ("daemon", "benchmarks", "__main__")


def rows(bench: Bench) -> Iterator[Trial]:
    """Memory as a ratio, and CPU in a hundredth of a core."""
    yield Trial(
        lambda: measure(bench.folder, bench.size(SECONDS)),
        [
            Wanted("ratio", f"memory of {ACCOUNTS} idle accounts beside the libraries alone", "×", 1.3, "idle"),
            Wanted("cpu", f"CPU of {ACCOUNTS} idle accounts", "% of a core", 0.5, "idle"),
            Wanted("ours", "our memory", "MiB", None),
            Wanted("theirs", "the libraries' memory", "MiB", None),
        ],
        most=3,
    )


def measure(folder: Path, seconds: int) -> Mapping[str, float]:
    """Let the daemon stand for a while; the peer stands beside it."""
    with sandbox(folder) as described:
        site = Site(folder, ACCOUNTS, described)
        with _libraries(folder / "like") as peer, site.running() as process:
            site.wait_until_ready()
            time.sleep(_SETTLING_SECONDS)
            before, at = cpu_seconds(process.pid), time.perf_counter()
            time.sleep(seconds)
            cpu = 100 * (cpu_seconds(process.pid) - before) / (time.perf_counter() - at)
            ours, theirs = resident_mib(process.pid), resident_mib(peer.pid)
    return {"ratio": ours / theirs, "cpu": cpu, "ours": ours, "theirs": theirs}


@contextmanager
def _libraries(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An interpreter that has imported the same libraries."""
    command = [sys.executable, "-m", "benchmarks.work.idle"]
    names = subprocess.run([*command, "libraries", str(folder)], check=True, stdout=subprocess.PIPE).stdout
    with subprocess.Popen([*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        peer.stdin.write(names)
        peer.stdin.flush()
        peer.stdout.readline()
        yield peer


async def tell_libraries(folder: Path) -> None:
    """Run a daemon for a while, and print every module that it has and that is no part of it."""
    ready = anyio.Event()

    async def end() -> None:
        await ready.wait()
        await anyio.sleep(_SETTLING_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    with sandbox(folder) as described:
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            await run(Site(folder, ACCOUNTS, described).config, ready=ready.set)
    print(*(name for name in sys.modules if name.partition(".")[0] not in _NOT_LIBRARIES))


def wait() -> None:
    """Import what is named on stdin, say so, and wait until stdin ends."""
    for name in sys.stdin.readline().split():
        import_module(name)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["libraries", folder]:
            anyio.run(tell_libraries, Path(folder))
        case _:
            wait()
