"""A sandbox as a whole: addresses, logins, folders, levers over HTTP, and what survives a restart."""

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import asyncssh
import httpx
import pytest

from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Login, Sandbox, SandboxSettings, serve
from tests.sandbox.wire import EAN, johnlewis_sftp, laredoute_sftp, put, send_items, send_offers


async def test_it_describes_itself_as_json(sandbox: Sandbox) -> None:
    said = json.loads(json.dumps(sandbox.describe()))

    assert said["laredoute"]["items_url"] == f"{sandbox.http_url}/seller/items"
    assert said["laredoute"]["sftp"]["port"] == sandbox.laredoute_sftp.port != sandbox.johnlewis_sftp.port
    assert said["johnlewis"]["sftp"]["host_key"].startswith("ssh-ed25519 ")
    assert said["laredoute"]["sftp"]["host_key"] != said["johnlewis"]["sftp"]["host_key"]


async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    stop, said = anyio.Event(), list[dict[str, Any]]()

    def ready(description: dict[str, Any]) -> None:
        said.append(description)
        stop.set()

    with anyio.fail_after(30):
        await serve(SandboxSettings(tmp_path), ready=ready, stop=stop)

    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(said[0]["control_url"] + "/state")


async def test_a_client_still_connected_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with AsyncExitStack() as clients:
        with anyio.fail_after(30):
            async with Sandbox(SandboxSettings(tmp_path)) as sandbox:
                client = await clients.enter_async_context(httpx.AsyncClient(trust_env=False))
                await client.get(f"{sandbox.http_url}/sandbox/state")
                files = await clients.enter_async_context(johnlewis_sftp(sandbox))

        with pytest.raises(httpx.ConnectError):
            await client.get(f"{sandbox.http_url}/sandbox/state")
        with pytest.raises(asyncssh.SFTPError):
            await files.listdir("/")


async def test_an_error_inside_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Sandbox(SandboxSettings(tmp_path)):
            raise ZeroDivisionError


async def test_a_restart_keeps_host_keys_and_never_repeats_a_number(tmp_path: Path) -> None:
    settings = SandboxSettings(tmp_path, laredoute=LaRedouteSettings(delay=None))
    keys, batches = [], []
    for _ in range(2):
        async with (
            Sandbox(settings) as sandbox,
            httpx.AsyncClient(base_url=sandbox.http_url, trust_env=False) as client,
        ):
            keys.append((sandbox.laredoute_sftp.host_key, sandbox.johnlewis_sftp.host_key))
            await send_items(client)
            batches.append(sandbox.laredoute.feeds[0].batch_id)

    assert keys[0] == keys[1]
    assert batches == ["B00000001", "B00000002"]
    key = tmp_path / "laredoute" / "host_key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        async with Sandbox(settings):
            pass


async def test_each_login_opens_only_its_own_tree(sandbox: Sandbox) -> None:
    (sandbox.laredoute.files.parent / "secret").write_text("not yours")
    async with laredoute_sftp(sandbox) as files:
        assert await files.realpath("/../../..") == "/"
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await files.stat("../secret")
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await files.symlink("../secret", "/reports/secret")
        await put(files, "/reports/mine.csv", b"kept")
        await files.mkdir("/archive")
        await files.rename("/reports/mine.csv", "/archive/mine.csv")
    address = sandbox.laredoute_sftp
    for user, password in (("seller1001", "wrong"), ("supplier1001", "sandbox-edge")):
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                address.host, address.port, username=user, password=password, client_keys=[], config=None, agent_path=None,
                known_hosts=asyncssh.import_known_hosts(f"[{address.host}]:{address.port} {address.host_key}\n"),
            )  # fmt: skip


async def test_a_key_opens_too(tmp_path: Path) -> None:
    mine, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    login = Login("supplier1001", os.urandom(8).hex(), mine.export_public_key().decode())
    async with Sandbox(SandboxSettings(tmp_path, johnlewis=JohnLewisSettings(sftp=login))) as sandbox:
        address = sandbox.johnlewis_sftp
        known = asyncssh.import_known_hosts(f"[{address.host}]:{address.port} {address.host_key}\n")
        connection = await asyncssh.connect(
            address.host,
            address.port,
            username="supplier1001",
            client_keys=[mine],
            known_hosts=known,
            config=None,
            agent_path=None,
        )
        connection.abort()
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                address.host,
                address.port,
                username="supplier1001",
                client_keys=[other],
                known_hosts=known,
                config=None,
                agent_path=None,
            )


async def test_the_levers_work_over_http(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await send_items(client)
    await send_offers(client)
    await client.post("/sandbox/answers")
    ordered = (await client.post("/sandbox/orders", json={"marketplace": "laredoute", "lines": [[EAN, 2]]})).json()
    moved = await client.post("/sandbox/portal", json={"line": ordered["lines"][0], "status": "Refused"})
    again = await client.post("/sandbox/portal", json={"line": ordered["lines"][0], "status": "Accepted"})
    edge = (
        await client.post(
            "/sandbox/orders", json={"marketplace": "johnlewis", "lines": [["12345678", 2], ["87654321", 1]]}
        )
    ).json()
    asked = await client.post("/sandbox/cancellations", json={"number": edge["number"], "lines": {"1": 1}})

    assert moved.status_code == 200
    assert again.status_code == 409
    assert asked.json()["file_name"].startswith("cancel-")
    state = (await client.get("/sandbox/state")).json()
    assert state["laredoute"]["offers"][EAN]["amount"] == "100.00"
    assert state["laredoute"]["orders"][ordered["number"]]["lines"][0]["status"] == "Refused"
    assert [feed["kind"] for feed in state["laredoute"]["feeds"]] == ["items", "offers"]
    assert state["johnlewis"]["orders"][edge["number"]]["state"] == "new"


@pytest.mark.parametrize("lines", [[], [[EAN]], [[EAN, 0]], [[EAN, "2"]], "all"])
async def test_an_order_without_proper_lines_is_refused(client: httpx.AsyncClient, lines: object) -> None:
    reply = await client.post("/sandbox/orders", json={"marketplace": "laredoute", "lines": lines})

    assert reply.status_code == 400
