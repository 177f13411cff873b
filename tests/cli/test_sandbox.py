"""`sellerd sandbox`: what it is told on the command line is how it behaves."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.config import load
from daemon.model import AccountName


async def described(folder: Path, *options: str) -> Any:
    """What a sandbox with these options says of itself once it answers; it ends cleanly when it is asked to."""
    ready = folder / "ready.json"
    command = (sys.executable, "-m", "daemon", "sandbox", "--dir", str(folder), "--json-ready", str(ready))
    with anyio.fail_after(30):
        async with await anyio.open_process((*command, *options), stdout=subprocess.DEVNULL) as process:
            while not ready.exists():
                assert process.returncode is None
                await anyio.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    return json.loads(ready.read_text("utf-8"))["laredoute"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), (False, None, None)),
        (("--review", "--brand", "B2", "--brand", "B1", "--jam-within", "1.5"), (True, ["B1", "B2"], 1.5)),
    ],
)
async def test_it_is_as_strict_as_it_is_told(tmp_path: Path, options: tuple[str, ...], told: Any) -> None:
    laredoute = await described(tmp_path, *options)
    assert (laredoute["review"], laredoute["brands"], laredoute["jam_within"]) == told


async def test_it_configures_an_account_at_each_of_its_sides(tmp_path: Path) -> None:
    tried = tmp_path / "try"
    there = await described(tmp_path, "--configure", str(tried))

    accounts = load(tried / "config.toml").accounts
    assert sorted(accounts) == ["johnlewis", "laredoute"]
    assert accounts[AccountName("laredoute")].service_urls == {
        f"urls.{name}": there[f"{name}_url"] for name in ("items", "offers", "orders")
    }
    assert accounts[AccountName("laredoute")].sftp_logins["sftp"].port == there["sftp"]["port"]

    before = (tried / "config.toml").read_bytes()
    again = [sys.executable, "-m", "daemon", "sandbox", "--dir", str(tmp_path), "--configure", str(tried)]
    refused = await anyio.run_process(again, check=False)
    said = f"Error: {tried} is not empty; name a new folder, or one that is\n"
    assert (refused.returncode, refused.stderr.decode()) == (2, said)
    assert (tried / "config.toml").read_bytes() == before
