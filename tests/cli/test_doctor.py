"""`sellerd doctor`: what is wrong with an installation, each with what to do."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal

from daemon.clock import read_clocks
from daemon.config import load
from daemon.model import AccountName
from daemon.sandbox import Sandbox
from daemon.store import open_store
from tests.cli.conftest import CLOSED, RunningDaemon, Say, answer
from tests.cli.test_commands import imported


def diagnosed(say: Say, *words: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for finding in answer(say("doctor", "--json", *words))["findings"]:
        found.setdefault(finding["what"], []).append(finding)
    return found


def changed(config_path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(load(config_path).database)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_what_is_well_is_told_only_when_asked_for(say: Say) -> None:  # S3
    imported(say)
    assert say("backup").exit_code == 0

    found = diagnosed(say, "--offline")

    for what in ("schema", "integrity", "references", "kept bytes", "log of the database", "backups"):
        assert [each["verdict"] for each in found[what]] == ["ok"], found[what]
    assert all(each["fix"] for kind in found.values() for each in kind if each["verdict"] in ("wrong", "doubtful"))
    assert "integrity" not in say("doctor", "--offline").output
    assert "integrity\tok" in say("doctor", "--offline", "--all").output
    assert found["daemon"][0]["found"] == "none answers"


def test_a_fresh_installation_is_doubtful_and_not_wrong(say: Say, config_path: Path) -> None:  # S3
    result = say("doctor", "--offline", "--json")
    wrong = [each for each in answer(result)["findings"] if each["verdict"] == "wrong"]
    assert [each["what"] for each in wrong] == ["state folder"]
    load(config_path).database.parent.mkdir(mode=0o700)
    result = say("doctor", "--offline", "--json")
    assert (result.exit_code, answer(result)["ok"]) == (0, True)


def test_a_wrong_configuration_and_open_files_are_wrong(say: Say, config_path: Path) -> None:  # D3
    imported(say)
    database = load(config_path).database
    database.chmod(0o644)
    config_path.chmod(0o666)
    config_path.write_text(config_path.read_text().replace("Europe/London", "London"))

    result = say("doctor", "--offline", "--json")

    found = answer(result)
    wrong = {each["found"]: each["fix"] for each in found["findings"] if each["verdict"] == "wrong"}
    assert (result.exit_code, found["ok"]) == (1, False)
    assert wrong[f"others may open {database}, where customers stand"] == f"chmod 0600 {database}"
    assert wrong[f"{config_path} can be changed by others"] == f"chmod go-w {config_path}"
    assert any("time_zone" in text for text in wrong)


def test_a_damaged_database_is_found(say: Say, config_path: Path) -> None:  # S3
    imported(say)
    database = load(config_path).database
    content = bytearray(database.read_bytes())
    with closing(sqlite3.connect(database)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'listings_by_ean'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    start = (page - 1) * size
    content[start + 200 : start + size] = bytes(size - 200)
    database.write_bytes(content)

    found = diagnosed(say, "--offline")

    bad = [each for each in (*found.get("integrity", []), *found.get("database", [])) if each["verdict"] == "wrong"]
    assert bad
    assert "sellerd restore" in bad[0]["fix"]


def test_a_newer_and_an_older_schema_are_told_apart(say: Say, config_path: Path) -> None:  # S3
    imported(say)
    changed(config_path, "DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
    assert diagnosed(say, "--offline")["schema"][0]["found"] == "1 migrations are due"
    changed(config_path, "INSERT INTO migrations VALUES (9999, '9999_later.sql', 'x', '')")
    assert diagnosed(say, "--offline")["schema"][0]["verdict"] == "wrong"


def test_bytes_that_are_not_what_was_kept_are_found(say: Say, config_path: Path, portal: BlockingPortal) -> None:  # D7
    imported(say)

    async def keep() -> None:
        async def content() -> Any:
            yield b"what was sent"

        async with open_store(load(config_path).database) as store:
            await store.payloads.write(content(), read_clocks().at)

    portal.call(keep)
    assert diagnosed(say, "--offline")["kept bytes"][0]["found"] == "1 were read back, and are what was kept"
    changed(config_path, "UPDATE payload_chunks SET deflated = x'00'")
    assert diagnosed(say, "--offline")["kept bytes"][0]["verdict"] == "wrong"


def test_a_gate_and_a_clock_that_are_ahead_are_found(say: Say, config_path: Path) -> None:  # L8
    imported(say)
    now = read_clocks()
    year = timedelta(days=365) // timedelta(microseconds=1)
    ahead = int(now.at.timestamp() * 1_000_000) + year
    changed(
        config_path,
        f"INSERT INTO gates VALUES ('redoute', 'offer', '{now.boot_id}', {now.boot_ns + year * 1000}, {ahead}, 1, NULL)",
        f"INSERT INTO jobs (account, job, last_started_at) VALUES ('redoute', 'offers', {ahead})",
    )

    found = diagnosed(say, "--offline")

    assert "longer than any may" in found["gate of redoute"][0]["found"]
    assert any("ahead of the clock" in each["found"] for each in found["clock"])


def test_flows_that_fail_rest_or_are_held_are_told(
    say: Say, config_path: Path, portal: BlockingPortal
) -> None:  # D10 D13
    imported(say)

    async def happen() -> None:
        now = read_clocks().at
        async with open_store(load(config_path).database) as store:
            for job, ending in (("offers", "failed"), ("orders", "done"), ("reports", "done")):
                run = await store.runs.started(AccountName("redoute"), job, now)
                at = now - timedelta(days=3) if job == "reports" else now
                await store.runs.ended(run, ending, 0, "no route", None, at)  # type: ignore[arg-type]
            await store.pauses.pause(AccountName("redoute"), ["items"], "prices are being checked", None, now)
            await store.accounts.hold(AccountName("lewis"), "the password was refused", now)

    portal.call(happen)
    found = diagnosed(say, "--offline")

    assert "no route" in found["redoute offers"][0]["found"]
    assert found["redoute orders"][0]["verdict"] == "ok"
    assert "comes every 0:05:00" in found["redoute reports"][0]["found"]
    assert found["redoute items"][0]["fix"] == "sellerd jobs resume items --account redoute"
    assert found["lewis offers"][0]["found"] == "the account needs a person"


def test_an_old_or_cut_backup_is_found(say: Say, config_path: Path) -> None:  # S3
    imported(say)
    made = Path(answer(say("backup", "--json"))["backup"]["path"])
    made.write_bytes(made.read_bytes()[:-1])
    assert diagnosed(say, "--offline")["backups"][0]["verdict"] == "wrong"
    shutil.rmtree(made.parent)
    assert diagnosed(say, "--offline")["backups"][0]["fix"] == "sellerd backup"


def test_a_running_daemon_says_how_it_is(say: Say, running: RunningDaemon) -> None:  # D5
    assert diagnosed(say, "--offline")["daemon"][0]["verdict"] == "ok"
    running.reasons = ("the scheduler ticked last 16 s ago",)
    assert diagnosed(say, "--offline")["daemon"][0]["found"] == "the scheduler ticked last 16 s ago"


def test_servers_are_greeted_and_with_connect_logged_in_to(say: Say, sandbox: Sandbox) -> None:  # S3
    found = diagnosed(say)
    servers = [what for what in found if what.startswith(("laredoute: ", "johnlewis: "))]
    assert {each["verdict"] for what in servers for each in found[what]} == {"ok"}
    assert "laredoute: sftp (127.0.0.1)" in found
    connected = diagnosed(say, "--connect")
    assert connected["laredoute: orders service"][0]["found"] == "answers, and takes the token"
    assert say("doctor", "--connect", "--offline").exit_code == 2


def test_a_server_with_another_key_and_one_that_is_not_there_are_wrong(
    say: Say, sandbox: Sandbox, config_path: Path
) -> None:  # S3
    far = sandbox.describe()["johnlewis"]["sftp"]
    known_hosts = load(config_path).known_hosts
    text = known_hosts.read_text()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    known_hosts.write_text(text.replace(far["host_key"].split()[1], other))
    assert "another host key" in diagnosed(say)["johnlewis: sftp (127.0.0.1)"][0]["found"]
    known_hosts.write_text(text.replace(f":{far['port']} ", f":{CLOSED} "))
    config_path.write_text(config_path.read_text().replace(f"port = {far['port']}", f"port = {CLOSED}"))
    assert "look at the network" in diagnosed(say)["johnlewis: sftp (127.0.0.1)"][0]["fix"]
