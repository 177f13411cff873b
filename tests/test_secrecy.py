"""A whole run of the daemon with planted secrets and customers: neither is in any log line, answer or error (D12)."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from daemon.sandbox import JohnLewisSettings, LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.settings import Login
from tests.cli.conftest import CATALOGUE, configure
from tests.test_daemon_process import ROOT, Process, Site

pytestmark = pytest.mark.slow

SECRETS = tuple(f"pl4nted-{what}-4711" for what in ("http", "sftp", "items", "read", "update", "edge"))
#: what the sandbox's made-up customers are told by, and what is planted into a file that cannot be read
PEOPLE = (
    *("Essai", "rue de l'Église", "Bâtiment B", "relais-", "0100000000", "Sonner", "Bourg-en-Bresse"),
    *("Test Street", "Testtown", "TE1 1ST", "01632960000", "relay-", "Planted Lane 9"),
)
_GOLDEN = ROOT / "tests" / "marketplaces" / "edge" / "golden" / "order-20240115101500000001.txt"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.deadline = 300
    yield site
    site.close()


@asynccontextmanager
async def far_sides(site: Site) -> AsyncIterator[Sandbox]:
    """Both marketplaces, and a configuration with their planted secrets in files, logging everything."""
    http, sftp, items, read, update, edge = SECRETS
    settings = SandboxSettings(
        root=site.folder / "sandbox",
        laredoute=LaRedouteSettings(
            http=Login("SELLER1001-1", http),
            sftp=Login("seller1001", sftp),
            items_key=items,
            read_orders_key=read,
            update_orders_key=update,
            delay=0.05,
        ),
        johnlewis=JohnLewisSettings(sftp=Login("supplier1001", edge)),
    )
    async with Sandbox(settings) as sandbox:
        configure(site.folder, sandbox, site.port)
        text = site.config.read_text("utf-8").replace('auth = "none"', 'auth = "password"')
        more = '[log]\nlevel = "debug"\nformat = "json"\n[every]\nhousekeeping = "1s"\n'
        site.config.write_text(f"{text}\n{more}", "utf-8")
        yield sandbox


async def happens(site: Site, sandbox: Sandbox) -> None:
    """Everything that tells something: listings, orders, a decision, a file that nobody can read, faults of all kinds."""
    for account, kind in (
        *(("laredoute", "listings"), ("laredoute", "stock"), ("laredoute", "prices")),
        *(("johnlewis", "listings"), ("johnlewis", "stock")),
    ):
        content = (CATALOGUE / f"{account}-{kind}.csv").read_bytes()
        reply = await asked(site, "POST", f"/api/v1/accounts/{account}/imports/{kind}", content=content)
        assert reply.status_code == 200, reply.text
    sandbox.laredoute.place_order([("3701234567891", 1)], "R-1")
    sandbox.johnlewis.place_order("12345678", 2, number="J-1")
    await orders_are(site, {"R-1", "J-1"})
    # The address stands where a number should: what quotes it is kept with the delivery, and told to nobody else.
    torn = sandbox.johnlewis.files / "live" / "incoming" / "order-20240115101500000099.txt"
    text = _GOLDEN.read_text("utf-8").replace('"12345678","2"', '"12345678","Planted Lane 9"')
    torn.write_text(text, "utf-8")
    torn.with_name(f"{torn.name}.DONE").touch()
    while not (await asked(site, "GET", "/api/v1/deliveries?state=set_aside")).json()["deliveries"]:
        await anyio.sleep(0.05)
    await asked(site, "POST", "/api/v1/accounts/laredoute/orders/R-1/accept", json={})
    sandbox.laredoute.faults.add("cut_connection", after_apply=True)
    for side in (sandbox.laredoute, sandbox.johnlewis):
        side.faults.add("refuse_login", times=None)
    await asked(site, "POST", "/api/v1/accounts/laredoute/orders/R-1/cancel", json={"reason": "no such line"})
    while not any(each["held"] for each in (await asked(site, "GET", "/api/v1/status")).json()["accounts"]):
        await anyio.sleep(0.05)


async def orders_are(site: Site, numbers: set[str]) -> None:
    while {each["number"] for each in (await asked(site, "GET", "/api/v1/orders")).json()["orders"]} != numbers:
        await anyio.sleep(0.05)


async def asked(site: Site, method: str, path: str, **more: Any) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(uds=str(site.folder / "state" / "control.sock"))
    async with httpx.AsyncClient(base_url="http://sellerd", transport=transport, timeout=30) as client:
        return await client.request(method, path, **more)


async def answers_without_the_right(site: Site) -> dict[str, str]:
    """Every address that can be read, asked by a program that may not see customers; what it was told."""
    said = {"name": "looker", "scopes": ["read", "metrics"]}
    token = (await asked(site, "POST", "/api/v1/tokens", json=said)).json()["token"]
    (feed, *_) = (await asked(site, "GET", "/api/v1/feeds")).json()["feeds"]
    values = {
        "{feed}": str(feed["id"]),
        "{delivery}": "1",
        "{sku}": "LAMPE-CHENE",
        "{kind}": "categories",
    }
    paths = []
    for path, methods in (await asked(site, "GET", "/api/v1/openapi.json")).json()["paths"].items():
        if "get" not in methods:
            continue
        for name, value in values.items():
            path = path.replace(name, value)
        for account, number in (("laredoute", "R-1"), ("johnlewis", "J-1")):
            paths.append(path.replace("{account}", account).replace("{number}", number))
    paths += ["/", "/orders", "/deliveries", "/system", "/healthz", "/readyz", "/metrics", "/nonsense"]
    found = {}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{site.port}", trust_env=False, headers={"authorization": f"Bearer {token}"}
    ) as client:
        for path in dict.fromkeys(paths):
            for query in ("", "?personal=true"):
                reply = await client.get(path + query)
                assert reply.status_code < 500, path
                found[path + query] = reply.text
    return found


def told_by_commands(site: Site) -> str:
    """What the command line prints that nobody asked personal data of, errors too."""
    printed = []
    for words in (
        *(["status"], ["orders", "list"], ["orders", "show", "--account", "laredoute", "R-1"], ["deliveries"]),
        *(["jobs"], ["doctor", "--connect"], ["accounts", "check", "laredoute", "--connect"]),
        *(["orders", "ship", "--account", "laredoute", "R-9", "--carrier", "c", "--tracking", "t"], ["feeds", "codes"]),
        *(["check-config"], ["accounts", "list"], ["plan", "--account", "laredoute"]),
    ):
        command = [sys.executable, "-m", "daemon", "--config", str(site.config), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=site.environment(), timeout=120
        )
        printed.append(done.stdout + done.stderr)
    return "\n".join(printed)


def planted_in(text: str) -> list[str]:
    return [each for each in (*SECRETS, *PEOPLE) if each in text or json.dumps(each)[1:-1] in text]


async def test_nothing_planted_is_told_to_anybody(site: Site) -> None:  # D12 D3
    async with far_sides(site) as sandbox, site.running() as process:
        await happens(site, sandbox)
        # It is there: whoever may see it, does.
        whole = (await asked(site, "GET", "/api/v1/accounts/laredoute/orders/R-1?personal=true")).text
        assert "rue de l'Église" in whole
        answers = await answers_without_the_right(site)
        printed = await anyio.to_thread.run_sync(told_by_commands, site)
        # Whoever may list the processes of the machine reads their words, and the owner their environment (P25).
        seen = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        await end(process)

    lines = site.errors.splitlines()
    assert len(lines) > 50
    assert all(json.loads(line) for line in lines)
    assert [line for line in lines if planted_in(line)] == []
    assert len(answers) > 40
    assert {path: found for path, body in answers.items() if (found := planted_in(body))} == {}
    assert planted_in(printed) == []
    assert b"sellerd" in seen or b"daemon" in seen
    assert planted_in(seen.decode("utf-8", "replace")) == []


async def end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
