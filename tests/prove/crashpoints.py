"""The real daemon, killed at the n-th of its commits, network calls or changes of files, and started again.

`strace` kills the process on its entry into a system call, so n = 1, 2, 3 … are all the points between two calls that
anything outside of the process can notice. What is judged is what the far sides recorded over the main flow.
"""

import logging
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from math import ceil

import anyio

from tests.prove.canaries import heard
from tests.prove.figures import Figures
from tests.prove.flow import PASSES, SETTLES_WITHIN, STRACE, flow, most_by_one_thread, traces
from tests.prove.method import Method, Result, together

#: The calls at which the process is killed: the end of a commit, what becomes of files, every send on a socket. Each
#: with how many are one step: what was written and not yet committed is undone by the log, wherever it ends.
CALLS = {
    "fdatasync": 1,
    "fsync": 1,
    "ftruncate": 1,
    "rename": 1,
    "unlink": 1,
    "connect": 1,
    "sendto": 1,
    "pwrite64": 10,
}


async def count_calls() -> dict[str, int]:
    """How often the thread that makes a call most makes it, in a run that nobody disturbs."""
    async with flow() as told:
        log = told.site.folder / "calls"
        told.site.prefix = [*STRACE, PASSES, "-o", str(log), "-e", f"trace={','.join(CALLS)}"]
        with anyio.fail_after(SETTLES_WITHIN):
            assert await told.runs_until(told.goes_on_until_settled) is None, told.site.errors
        most = most_by_one_thread(log.read_text("utf-8", "replace").splitlines())
    return {call: most[call] for call in CALLS}


async def kill_at(call: str, number: int) -> Figures:
    """Kill the daemon at one point, start it again, and say what of its promises is broken."""
    figures = Figures()
    async with flow() as told:
        told.site.prefix = [
            *(*STRACE, "-o", "/dev/null"),
            *("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"),
        ]
        try:
            with anyio.fail_after(SETTLES_WITHIN):
                code = await told.runs_until(told.goes_on_until_settled)
                died = code is not None
                unrecorded = await told.unrecorded()
                told.site.prefix, said = [], told.site.errors
                if died:
                    await told.runs_until(told.goes_on_until_settled)
                    said += told.site.errors
        except TimeoutError:
            figures.broken.append(f"killed at {call} {number}: it did not settle within {SETTLES_WITHIN} s")
            return figures
        if code not in (None, -signal.SIGKILL):
            figures.broken.append(f"{call} {number}: it was to be killed and ended with {code}: {told.site.errors}")
        figures.counts[f"killed at {call}" if died else f"past the last {call}"] += 1
        figures.counts["points at which it was killed"] += died
        figures.counts["doubts that a person settled"] += told.asked_a_person
        figures.hit["a stock file was taken half or empty, and came again whole"] += told.torn()
        figures.counts["offer feeds received"] += sum(it.kind == "offers" for it in told.sandbox.laredoute.feeds)
        figures.broken += [f"killed at {call} {number}: P8 not recorded: {what}" for what in unrecorded]
        figures.counts["log lines without a canary"] += len(said.splitlines())
        broken = [*await told.broken(), *(f"P25 {what}" for what in heard(said, "the log"))]
        figures.broken += [f"killed at {call} {number}: {what}" for what in broken]
    return figures


def _killed(point: tuple[str, int]) -> Figures:
    # The sandbox's web server logs every client that dies.
    logging.disable(logging.CRITICAL)
    return anyio.run(kill_at, *point)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--every", type=int, default=1, help="each n-th point")
    parser.add_argument("--at", metavar="CALL:N", help="this point alone")


def _measure(asked: Namespace) -> Iterator[Result]:
    again = "python -m tests.prove crashpoints"
    if not traces():
        raise SystemExit("strace is missing or may not trace here: scripts/install-test-servers")
    if asked.at:
        call, _, number = asked.at.partition(":")
        yield Result("crashpoints", f"{again} --at {asked.at}", _killed((call, int(number))), kept=False)
        return
    counted = anyio.run(count_calls)
    points = [
        (call, number) for call, last in counted.items() for number in range(1, last + 1, asked.every * CALLS[call])
    ]
    figures = together(_killed, points, asked.workers)
    figures.counts["points that a run has"] += sum(ceil(last / CALLS[call]) for call, last in counted.items())
    yield Result("crashpoints", f"{again} --every {asked.every}", figures)


METHOD = Method(
    "crashpoints",
    "the real process is killed at each of its commits, network calls and changes of files, and started again",
    _options,
    _measure,
)
