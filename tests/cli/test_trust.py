"""Trusting the SSH server of an account, against a real one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal

from daemon.hostkeys import pinned
from daemon.model import AccountName
from daemon.sandbox import Sandbox, SandboxSettings
from tests.cli.conftest import RunningDaemon, Say
from tests.seller.conftest import NOON


@pytest.fixture
def port(portal: BlockingPortal, config_path: Path, tmp_path: Path) -> Iterator[int]:
    """The port of the sandbox's La Redoute, which the configuration names from here on."""
    with portal.wrap_async_context_manager(Sandbox(SandboxSettings(root=tmp_path / "sandbox"))) as sandbox:
        port = int(sandbox.describe()["laredoute"]["sftp"]["port"])
        config_path.write_text(config_path.read_text().replace("port = 1,", f"port = {port},", 1))
        yield port


def fingerprint(output: str) -> str:
    return next(word for word in output.split() if word.startswith("SHA256:"))


def test_a_key_is_trusted_by_its_fingerprint_alone(say: Say, port: int, tmp_path: Path) -> None:  # D10
    known_hosts = tmp_path / "state" / "known_hosts"
    asked = say("accounts", "trust", "redoute")
    assert asked.exit_code == 1
    assert "nothing was trusted" in asked.output
    wrong = say("accounts", "trust", "redoute", "--fingerprint", "SHA256:made-up")
    assert wrong.exit_code == 1
    assert pinned(known_hosts, "127.0.0.1", port) == ()
    done = say("accounts", "trust", "redoute", "--fingerprint", fingerprint(asked.output), "--login", "sftp")
    assert done.exit_code == 0, done.output
    assert len(pinned(known_hosts, "127.0.0.1", port)) == 1
    assert "accounts trust redoute" not in say("check-config").output


def test_a_held_account_is_tried_again_when_its_server_is_trusted(
    say: Say, port: int, running: RunningDaemon, portal: BlockingPortal
) -> None:  # D10
    portal.call(running.store.accounts.hold, AccountName("redoute"), "no key of this server is trusted", NOON)
    done = say("accounts", "trust", "redoute", "--yes")
    assert done.exit_code == 0, done.output
    assert running.asked == ["reload"]
    assert portal.call(running.store.accounts.held) == {}


@pytest.mark.slow
async def test_the_sandbox_says_where_it_is_and_ends_when_asked(tmp_path: Path) -> None:  # S3
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-c", "from daemon.cli import main; main()", "sandbox"]
    started = await anyio.open_process(
        [*command, "--dir", str(tmp_path / "sandbox"), "--json-ready", str(ready)], stdout=subprocess.PIPE
    )
    async with started as process:
        assert process.stdout is not None
        with anyio.fail_after(30):
            await process.stdout.receive()
        assert json.loads(ready.read_text())["laredoute"]["vendor_id"]
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(30):
            async for _ in process.stdout:
                pass
            assert await process.wait() == 0
