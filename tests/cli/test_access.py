"""`sellerd users`, `tokens`, `audit` and `deliveries retry`, with a daemon and without one."""

from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal
from click.testing import CliRunner

from daemon.cli import main
from daemon.clock import read_clocks
from daemon.errors import Unreadable
from daemon.model import AccountName, Delivery, Order, RemoteFile
from tests.cli.conftest import RunningDaemon, Say, answer

PASSWORD = "correct horse battery"


def add(config: Path, name: str, *words: str, password: str = PASSWORD) -> tuple[int, str]:
    said = CliRunner().invoke(
        main, ["--config", str(config), "users", "add", name, "--password-stdin", *words], input=f"{password}\n"
    )
    return said.exit_code, said.output


def test_users_come_change_and_go(config_path: Path, say: Say, running: RunningDaemon) -> None:  # S3
    assert add(config_path, "anna", "--role", "admin") == (0, "anna may sign in as admin.\n")
    assert "there is a user anna already" in add(config_path, "anna")[1]
    code, told = add(config_path, "bert", "--no-personal-data")
    assert (code, told) == (0, "bert may sign in as viewer.\n")
    users = {row["name"]: (row["role"], row["personal"]) for row in answer(say("users", "--json"))["users"]}
    assert users == {"anna": ("admin", True), "bert": ("viewer", False)}
    assert say("users", "change", "bert", "--role", "operator", "--personal-data").exit_code == 0
    assert answer(say("users", "--json"))["users"][1]["role"] == "operator"
    assert say("users", "remove", "bert").exit_code == 0
    assert "there is no user bert" in say("users", "remove", "bert").output


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "annaannaanna"])
def test_passwords_that_are_easy_to_guess_are_refused(config_path: Path, password: str) -> None:  # S3
    code, told = add(config_path, "annaannaanna", password=password)
    assert code == 1
    assert "password" in told


def test_users_are_added_before_the_daemon_has_ever_run(config_path: Path, say: Say) -> None:  # S3
    assert add(config_path, "anna", "--role", "admin")[0] == 0
    assert "anna" in say("users").output
    entry = answer(say("audit", "--json"))["audit"][0]
    assert (entry["how"], entry["action"], entry["outcome"]) == ("here", "access.add_user", "done")
    assert PASSWORD not in str(entry)


def test_a_password_is_never_taken_from_the_command_line(config_path: Path, say: Say) -> None:  # D12
    said = say("users", "add", "anna")
    assert said.exit_code == 2
    assert "--password-stdin" in said.output


def test_a_token_is_shown_once(say: Say, running: RunningDaemon) -> None:  # S3
    made = say("tokens", "create", "shop", "--scope", "read", "--scope", "operate", "--expires", "90d")
    token = made.output.strip()
    assert token.startswith("sellerd_")
    listed = say("tokens")
    assert "shop\toperate read" in listed.output
    assert token not in listed.output
    assert "there is a token shop already" in say("tokens", "create", "shop", "--scope", "read").output
    assert say("tokens", "create", "x", "--scope", "read", "--expires", "soon").exit_code == 2
    assert say("tokens", "revoke", "shop").exit_code == 0
    assert "there is no token shop that counts" in say("tokens", "revoke", "shop").output
    trail = say("audit", "list", "--find", "tokens")
    assert "access.revoke_token" in trail.output
    assert token not in trail.output


def test_what_stands_aside_is_tried_again(say: Say, running: RunningDaemon, portal: BlockingPortal) -> None:  # D9
    file = RemoteFile("orders", "bad.xml", 3)
    bad: Delivery[Order] = Delivery(file, b"bad", Unreadable("no element Order"))
    portal.call(running.store.orders.keep, AccountName("redoute"), [bad], read_clocks().at)
    number = answer(say("deliveries", "--json"))["deliveries"][0]["id"]
    assert "orders of redoute reads it again now" in say("deliveries", "retry", number).output
    assert running.asked == ["redoute orders"]
    assert "is kept, not set aside" in say("deliveries", "retry", number).output


def test_what_stands_aside_is_closed(say: Say, running: RunningDaemon, portal: BlockingPortal) -> None:  # D9
    bad: list[Delivery[Order]] = [
        Delivery(RemoteFile("orders", f"bad-{number}.xml", 3), b"bad", Unreadable("no element Order"))
        for number in (1, 2)
    ]
    portal.call(running.store.orders.keep, AccountName("redoute"), bad, read_clocks().at)
    numbers = [each["id"] for each in answer(say("deliveries", "--json"))["deliveries"]]
    closed = say("deliveries", "close", *numbers, "--reason", "sent again")
    assert closed.output == "".join(f"Delivery {number} is closed.\n" for number in numbers)
    assert answer(say("deliveries", "--json"))["deliveries"] == []
    everything = answer(say("deliveries", "--all", "--json"))["deliveries"]
    assert [(each["state"], each["closed_why"]) for each in everything] == [("closed", "sent again")] * 2
    assert "is closed, not set aside" in say("deliveries", "close", numbers[0]).output
    trail = say("audit", "list", "--find", "feeds.close")
    assert f"/api/v1/deliveries/{numbers[0]}/close" in trail.output
