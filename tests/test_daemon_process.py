"""The daemon as a real process: started, reloaded, stopped, killed, and heard as systemd hears it."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.streams.text import TextReceiveStream

from daemon.store import read_store

pytestmark = pytest.mark.slow

DEADLINE = 30
ROOT = Path(__file__).parent.parent
#: a port of the reserved range that nothing listens on
CLOSED = 1


def account(name: str, port: int = CLOSED) -> str:
    return f"""
[accounts.{name}]
marketplace = "johnlewis"
environment = "sandbox"
standard_delivery_days = 3
every = {{ housekeeping = "1h" }}
sftp = {{ host = "127.0.0.1", port = {port}, user = "supplier", password = {{ env = "MADE_UP" }}, host_keys = ["{KEY}"] }}
"""


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Site:
    """One installation in a folder, and what systemd would hear of its process."""

    def __init__(self, folder: Path, *, grace: str = "30s") -> None:
        self.folder = folder
        #: what the daemon is started by, if not by itself
        self.prefix: list[str] = []
        self.port = free_port()
        self.grace = grace
        self.deadline = DEADLINE
        self.config = folder / "config.toml"
        #: what the last process wrote to its stderr, whole once its block has ended
        self.errors = ""
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._notified.setblocking(False)
        self.write(account("jl"))

    def write(self, accounts: str, *, more: str = "") -> None:
        self.config.write_text(
            f'[daemon]\nstate_dir = "state"\ngrace = "{self.grace}"\n{more}\n'
            f'[web]\nlisten = "127.0.0.1:{self.port}"\n{accounts}',
            "utf-8",
        )

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "PYTHONPATH") or name.startswith("COVERAGE_")
        }
        return {**kept, "MADE_UP": "correct horse", "NOTIFY_SOCKET": str(self.folder / "notify"), **more}

    @asynccontextmanager
    async def running(self, **environment: str) -> AsyncIterator["Process"]:
        """A daemon that said that it is ready; killed at the end of the block if it still runs."""
        async with self.started(**environment) as process:
            await self.heard("READY=1")
            yield process

    @asynccontextmanager
    async def started(self, **environment: str) -> AsyncIterator["Process"]:
        command = [*self.prefix, sys.executable, "-m", "daemon", "run", "--config", str(self.config)]
        self._forget()
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment(**environment),
            cwd=ROOT,
        )
        try:
            with anyio.fail_after(self.deadline):
                async with anyio.create_task_group() as group:
                    group.start_soon(self._read_errors, process)
                    yield Process(process)
                    if process.returncode is None:
                        process.kill()
        finally:
            with anyio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.aclose()

    async def _read_errors(self, process: anyio.abc.Process) -> None:
        assert process.stderr is not None
        self.errors = ""
        async for text in TextReceiveStream(process.stderr):
            self.errors += text

    def _forget(self) -> None:
        """What a process of before said is not heard as another's word."""
        with suppress(BlockingIOError):
            while True:
                self._notified.recv(65536)

    async def heard(self, start: str) -> str:
        """The next notification of which a line begins so; what came before it is gone."""
        while True:
            await anyio.wait_readable(self._notified)
            lines = self._notified.recv(65536).decode().splitlines()
            if any(line.startswith(start) for line in lines):
                return "\n".join(lines)

    async def health(self) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            body: dict[str, Any] = (await client.get(f"http://127.0.0.1:{self.port}/healthz")).json()
            return body

    async def control(self, method: str, path: str, json: object | None = None) -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(uds=str(self.folder / "state" / "control.sock"))
        async with httpx.AsyncClient(base_url="http://sellerd", transport=transport, timeout=DEADLINE) as client:
            return await client.request(method, path, json=json)

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the health until it is as wanted."""
        while not true(body := await self.health()):
            await anyio.sleep(0.05)
        return body

    async def turns(self) -> list[tuple[str, str]]:
        """Every turn of an account's job that was ever recorded: job and outcome."""
        sql = "SELECT job, outcome FROM job_runs WHERE account <> '' ORDER BY id"
        async with read_store(self.folder / "state" / "sellerd.db") as store:
            return [tuple(row) for row in await store.database.read(lambda db: db.execute(sql).fetchall())]

    def close(self) -> None:
        self._notified.close()


class Process:
    """A daemon that was started."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        return await self._process.wait()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """A server that takes connections and says nothing: its port, and a wait for the first of them."""
    reached = anyio.Event()

    async def hold(stream: anyio.abc.SocketStream) -> None:
        reached.set()
        async with stream:
            await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hold)
        yield listener.extra(anyio.abc.SocketAttribute.local_port), reached.wait
        group.cancel_scope.cancel()


async def test_it_says_that_it_is_ready_works_and_ends_cleanly(site: Site) -> None:  # D1 D4 D6
    async with site.running() as process:
        body = await site.until(lambda body: body["accounts"]["jl"]["jobs"]["orders"]["state"] == "failing")
        assert (body["ok"], body["config_ok"]) == (True, True)
        assert (await site.control("GET", "/livez")).text == "ok\n"
        assert (await site.control("GET", "/api/v1/status")).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{site.port}/api/v1/status")).status_code == 401
        assert "1 accounts, 7 jobs, 4 failing, 0 held" in await site.heard("STATUS=1 accounts, 7 jobs, 4 failing")

        process.signal(signal.SIGTERM)
        assert "STATUS=Stopping" in await site.heard("STOPPING=1")
        assert await process.ended() == 0

    assert not (site.folder / "state" / "control.sock").exists()
    assert "correct horse" not in site.errors


async def test_the_watchdog_is_fed(site: Site) -> None:  # D6
    async with site.running(WATCHDOG_USEC="2000000"):
        await site.heard("WATCHDOG=1")
        await site.heard("WATCHDOG=1")


async def test_a_reload_takes_a_good_file_over_and_due_times_stay(site: Site) -> None:  # D4
    async with site.running() as process:
        before = await site.until(lambda body: body["accounts"]["jl"]["jobs"]["housekeeping"]["state"] == "ok")
        site.write(account("jl") + account("jl-two"))

        for _ in range(5):
            process.signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in await site.heard("RELOADING=1")
        await site.heard("READY=1")

        after = await site.until(lambda body: "jl-two" in body["accounts"])
        due = [body["accounts"]["jl"]["jobs"]["housekeeping"]["next_due"] for body in (before, after)]
        assert due[0] == due[1]
        await site.until(lambda body: body["accounts"]["jl-two"]["jobs"]["housekeeping"]["state"] == "ok")

    # The turns of the first account were not given again.
    assert (await site.turns()).count(("housekeeping", "done")) + (await site.turns()).count(
        ("housekeeping", "idle")
    ) == 2


async def test_a_bad_file_keeps_the_old_configuration_and_shows_everywhere(site: Site) -> None:  # D4
    async with site.running() as process:
        site.write(account("jl-two"), more='grase = "1s"')

        process.signal(signal.SIGHUP)
        await site.heard("RELOADING=1")
        await site.heard("READY=1")

        body = await site.until(lambda body: not body["config_ok"])
        assert (body["ok"], list(body["accounts"])) == (True, ["jl"])
        assert body["config_problems"] == [
            f"{site.config}: daemon.grase is not a key that is known here; did you mean grace?"
        ]
        assert "did you mean grace?" in await site.heard("STATUS=1 accounts, 7 jobs")
        assert "sellerd_config_last_reload_successful 0.0" in (await site.control("GET", "/metrics")).text

        refused = await site.control("POST", "/api/v1/reload")
        assert (refused.status_code, refused.json()["problems"]) == (422, body["config_problems"])

        site.write(account("jl-two"))
        assert (await site.control("POST", "/api/v1/reload")).status_code == 200
        assert list((await site.health())["accounts"]) == ["jl-two"]


async def test_what_needs_a_restart_is_refused_at_a_reload(site: Site) -> None:  # D4
    async with site.running():
        site.port, listening = free_port(), site.port
        site.write(account("jl"))
        refused = await site.control("POST", "/api/v1/reload")
        site.port = listening

        assert refused.status_code == 422
        assert "web.listen" in refused.json()["problems"][0]
        assert "needs a restart" in refused.json()["problems"][0]
        assert (await site.health())["ok"]


async def test_a_job_can_be_given_a_turn_now(site: Site) -> None:  # D13
    async with site.running():
        ran = await site.until(lambda body: body["accounts"]["jl"]["jobs"]["housekeeping"]["state"] == "ok")
        first = ran["accounts"]["jl"]["jobs"]["housekeeping"]["last_success"]

        assert (await site.control("POST", "/api/v1/accounts/jl/jobs/housekeeping/run")).is_success
        await site.until(lambda body: body["accounts"]["jl"]["jobs"]["housekeeping"]["last_success"] > first)

        unknown = await site.control("POST", "/api/v1/accounts/jl/jobs/items/run")
        assert (unknown.status_code, "has no job items" in unknown.json()["detail"]) == (409, True)


async def test_a_stop_gives_turns_in_flight_the_grace_and_then_cuts_them(site: Site) -> None:  # D4
    site.grace = "200ms"
    async with silent_server() as (port, reached):
        site.write(account("jl", port))
        async with site.running() as process:
            await reached()
            process.signal(signal.SIGTERM)
            assert await process.ended() == 0

    assert ("orders", "cut") in await site.turns()
    assert "running" not in {outcome for _, outcome in await site.turns()}


async def test_a_second_signal_cuts_at_once(site: Site) -> None:  # D4
    site.grace = "1h"
    async with silent_server() as (port, reached):
        site.write(account("jl", port))
        async with site.running() as process:
            await reached()
            process.signal(signal.SIGTERM)
            await site.heard("STOPPING=1")
            process.signal(signal.SIGINT)
            assert await process.ended() == 0

    assert ("orders", "cut") in await site.turns()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_that_comes_again_and_again_does_not_kill_it_in_its_last_moments(  # P20
    site: Site, number: signal.Signals
) -> None:
    async with site.running() as process:
        process.signal(signal.SIGTERM)
        codes: list[int] = []
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                codes.append(await process.ended())
                group.cancel_scope.cancel()

            group.start_soon(wait)
            while True:
                # Not by the process's own method, which takes its end from whoever waits for that.
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
                await anyio.sleep(0.001)
    assert codes == [0]


async def test_a_reload_waits_for_turns_in_flight_and_then_cuts_them(site: Site) -> None:  # D4
    site.grace = "200ms"
    async with silent_server() as (port, reached):
        site.write(account("jl", port))
        async with site.running():
            await reached()
            site.write(account("jl-two"))

            assert (await site.control("POST", "/api/v1/reload")).status_code == 200

            assert list((await site.health())["accounts"]) == ["jl-two"]
    assert ("orders", "cut") in await site.turns()


async def test_killed_in_the_middle_it_starts_again_by_itself(site: Site) -> None:  # D2
    async with silent_server() as (port, reached):
        site.write(account("jl", port))
        async with site.running() as process:
            await reached()
            while ("orders", "running") not in await site.turns():
                await anyio.sleep(0.02)
            process.signal(signal.SIGKILL)
            assert await process.ended() == -signal.SIGKILL
    assert ("orders", "running") in await site.turns()
    assert (site.folder / "state" / "control.sock").exists()

    async with site.running():
        # What was running was cut, and is due an interval after its start, not at once.
        body = await site.health()
        assert body["ok"]
        assert body["accounts"]["jl"]["jobs"]["orders"]["next_due"] > body["now"]
    assert ("orders", "cut") in await site.turns()
    assert [job for job, _ in await site.turns()].count("orders") == 1


async def test_one_daemon_owns_a_database(site: Site, tmp_path: Path) -> None:  # D2
    async with site.running() as process:
        text = site.config.read_text("utf-8").replace(str(site.port), str(free_port()))
        other = tmp_path / "other.toml"
        other.write_text(text, "utf-8")

        command = [sys.executable, "-m", "daemon", "run", "--config", str(other)]
        second = await anyio.run_process(command, check=False, env=site.environment(), cwd=ROOT)

        assert second.returncode == 75
        assert f"is in use by another sellerd (process {process.pid})" in second.stderr.decode()
        assert (await site.health())["ok"]


async def test_a_wrong_configuration_is_told_whole_and_nothing_is_made(site: Site) -> None:  # D3
    site.write(account("jl").replace("MADE_UP", "NOWHERE") + account("x").replace("standard_", "standart_"))
    async with site.started() as process:
        assert await process.ended() == 78

    assert site.errors.splitlines() == [
        (
            f"sellerd: {site.config}: accounts.jl.sftp.password: the environment has no variable NOWHERE; set it, or use "
            "{ file = … }"
        ),
        f"sellerd: {site.config}: accounts.x.standard_delivery_days is missing; add it",
        (
            f"sellerd: {site.config}: accounts.x.standart_delivery_days is not a key that is known here; did you mean "
            "standard_delivery_days?"
        ),
    ]
    assert not (site.folder / "state").exists()


async def test_an_address_that_is_taken_ends_it_with_the_reason(site: Site) -> None:  # D5
    with socket.create_server(("127.0.0.1", site.port)):
        async with site.started() as process:
            assert await process.ended() == 78

    assert "Address already in use" in site.errors.splitlines()[-1]


async def test_a_failed_disk_ends_it_for_a_clean_start(site: Site) -> None:  # D5
    async with site.running() as process:
        # From here on no file of the process may grow: what a full or failing disk does to it.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert await process.ended() == 70
    assert "the database failed" in site.errors

    async with site.running():
        assert (await site.health())["ok"]


async def test_a_reload_that_is_asked_for_too_early_does_no_harm(site: Site) -> None:  # D4
    async with site.started() as process:
        with anyio.move_on_after(0.3):
            while True:
                await anyio.sleep(0.01)
                if _ignores(process.pid, signal.SIGHUP):
                    process.signal(signal.SIGHUP)
        await site.heard("READY=1")
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0


def _ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process ignores a signal, or catches it."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(status["SigIgn"], 16) | int(status["SigCgt"], 16)) & 1 << (number - 1))


async def test_the_collector_looks_no_more_at_what_was_loaded_at_the_start(site: Site) -> None:
    told = site.folder / "frozen"
    (site.folder / "sitecustomize.py").write_text(
        "import atexit, gc, pathlib\n"
        f"atexit.register(lambda: pathlib.Path({str(told)!r}).write_text(str(gc.get_freeze_count())))\n"
    )
    async with site.running(PYTHONPATH=str(site.folder)) as process:
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0
    assert int(told.read_text()) > 50_000


async def test_a_paused_job_is_shown_everywhere_and_outlives_a_restart(site: Site) -> None:  # D13
    async with site.running() as process:
        said = {"reason": "stock take", "jobs": ["offers"]}
        assert (await site.control("POST", "/api/v1/accounts/jl/pause", json=said)).status_code == 200
        body = await site.until(lambda body: body["accounts"]["jl"]["jobs"]["offers"]["state"] == "paused")
        assert body["accounts"]["jl"]["jobs"]["offers"]["paused_reason"] == "stock take"
        metrics = (await site.control("GET", "/metrics")).text
        assert 'sellerd_job_paused{account="jl",flow="offers"} 1.0' in metrics
        assert 'sellerd_job_state{account="jl",flow="offers",state="paused"} 1.0' in metrics
        while "1 PAUSED" not in await site.heard("STATUS=1 accounts"):
            pass
        refused = await site.control("POST", "/api/v1/accounts/jl/jobs/offers/run")
        assert (refused.status_code, "is paused: stock take" in refused.text) == (409, True)
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0
    async with site.running():
        body = await site.health()
        assert body["accounts"]["jl"]["jobs"]["offers"]["state"] == "paused"
        assert (await site.control("POST", "/api/v1/accounts/jl/resume", json={})).json()["jobs"] == ["offers"]
        await site.until(lambda body: body["accounts"]["jl"]["jobs"]["offers"]["state"] != "paused")
