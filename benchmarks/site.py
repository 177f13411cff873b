"""An installation for a benchmark: its configuration with any number of accounts, and our daemon as a process in it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

#: a key of the right form that nobody has
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
_NOWHERE: Mapping[str, Any] = {"host": "127.0.0.1", "port": 1, "user": "seller", "host_key": _KEY}
_PATIENCE_SECONDS = 120.0


class Site:
    """A folder with config.toml, half of its accounts at La Redoute and half at John Lewis."""

    def __init__(self, folder: Path, accounts: int, sandbox: Mapping[str, Any] | None = None) -> None:
        """Without the description of a sandbox, every address leads nowhere."""
        self.folder, self.config = folder, folder / "config.toml"
        self.database = folder / "state" / "sellerd.db"
        self.names = [f"account-{number:04d}" for number in range(accounts)]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        (folder / "accounts.d").mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            '[daemon]\nstate_dir = "state"\n[log]\nlevel = "warning"\n[backup]\nkeep = 0\n'
            f'[web]\nlisten = "127.0.0.1:{self.port}"\n[alerts]\ndisk_free_percent = 0\nunsynchronised = "0s"\n'
        )
        for number, name in enumerate(self.names):
            table = _john_lewis(sandbox) if number % 2 else _la_redoute(sandbox)
            (folder / "accounts.d" / f"{name}.toml").write_text(table)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`sellerd run` in a process of its own, until the end of the block."""
        environment = {**os.environ, "MADE_UP": "made up"}
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "run", "--config", str(self.config)], env=environment
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_SECONDS)

    def wait_until_ready(self) -> float:
        """Ask /readyz until it says yes; returns how many seconds that took."""
        started = time.perf_counter()
        with httpx.Client(trust_env=False) as client:
            while time.perf_counter() - started < _PATIENCE_SECONDS:
                try:
                    if client.get(f"http://127.0.0.1:{self.port}/readyz").is_success:
                        return time.perf_counter() - started
                except httpx.TransportError:
                    pass
                time.sleep(0.005)
        raise SystemExit(f"the daemon was not ready within {_PATIENCE_SECONDS:g} s")


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, Any]]:
    """The marketplaces for trying things out, as a process of their own; gives their description."""
    told = folder / "sandbox.json"
    command = [sys.executable, "-m", "daemon", "sandbox", "--dir", str(folder / "sandbox"), "--json-ready", str(told)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        started = time.perf_counter()
        while not told.exists() and time.perf_counter() - started < _PATIENCE_SECONDS:
            time.sleep(0.05)
        yield json.loads(told.read_text("utf-8"))
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE_SECONDS)


def resident_mib(process: int) -> float:
    """The memory of a process that is in RAM now."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def cpu_seconds(process: int) -> float:
    """The CPU time of all threads of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _la_redoute(sandbox: Mapping[str, Any] | None) -> str:
    side = sandbox["laredoute"] if sandbox else {}
    urls = {what: side.get(f"{what}_url", f"https://127.0.0.1:1/{what}") for what in ("items", "offers", "orders")}
    http = side.get("http", {"user": "SELLER1001-1", "password": "made up"})
    keys = {"create_items": "items_key", "read_orders": "read_orders_key", "update_orders": "update_orders_key"}
    return (
        f'marketplace = "laredoute"\nenvironment = "sandbox"\nvendor_id = "{side.get("vendor_id", "1001")}"\n'
        f'login = {{ user = "{http["user"]}", password = {_secret(http["password"])} }}\n'
        f"tokens = {_table({name: _secret(side.get(key, 'made up')) for name, key in keys.items()})}\n"
        f"urls = {_table({name: json.dumps(url) for name, url in urls.items()})}\n{_sftp(side.get('sftp'))}"
    )


def _john_lewis(sandbox: Mapping[str, Any] | None) -> str:
    side = sandbox["johnlewis"]["sftp"] if sandbox else None
    return f'marketplace = "johnlewis"\nenvironment = "sandbox"\nstandard_delivery_days = 3\n{_sftp(side)}'


def _sftp(side: Mapping[str, Any] | None) -> str:
    side = side or _NOWHERE
    password = _secret(side.get("password", "made up"))
    return (
        f'sftp = {{ host = "{side["host"]}", port = {side["port"]}, user = "{side["user"]}",'
        f' password = {password}, host_keys = ["{side["host_key"]}"] }}\n'
    )


def _secret(text: str) -> str:
    """The secrets of a sandbox are no secrets: they go by the environment, under their own text."""
    name = "MADE_UP" if text == "made up" else f"MADE_UP_{text.upper().replace('-', '_')}"
    os.environ[name] = text
    return f'{{ env = "{name}" }}'


def _table(values: Mapping[str, str]) -> str:
    return f"{{ {', '.join(f'{name} = {value}' for name, value in values.items())} }}"
