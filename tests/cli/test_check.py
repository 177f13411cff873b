"""`sellerd accounts check`: an account proven by itself, and by asking a far side over its real wires."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from daemon.hostkeys import FILE_NAME
from daemon.sandbox import Sandbox
from tests.cli.conftest import Say, answer

Findings = dict[str, dict[str, str]]


def findings(result: Result) -> Findings:
    return {each["what"]: each for each in answer(result)["findings"]}


def test_a_right_account_is_proven_by_itself(say: Say, sandbox: Sandbox) -> None:  # D3
    result = say("accounts", "check", "laredoute", "--json")
    assert result.exit_code == 0, result.output
    found = findings(result)
    # Where product safety goes out is not public, so that nobody can say that it is right.
    assert {what for what, each in found.items() if each["verdict"] != "ok"} == {"product safety"}
    assert found["product safety"]["found"].startswith("kept, and not sent for want of an attribute: manufacturer, ")
    assert set(found) >= {
        "login.password",
        "tokens.create_items",
        "sftp.password",
        "time zone",
        "tracking_url",
        "errors",
    }
    assert found["sftp: host key of 127.0.0.1"]["found"].startswith("trusted: SHA256:")
    assert found["tracking_url"]["found"] == "parcel 123 gets https://track.example.test/123"
    assert sandbox.laredoute.feeds == []


def test_both_sides_are_asked_and_nothing_is_changed_there(say: Say, sandbox: Sandbox) -> None:  # L1
    before = sandbox.laredoute.state()
    result = say("accounts", "check", "laredoute", "--connect", "--json")
    assert result.exit_code == 0, result.output
    found = findings(result)
    assert found["injection service"]["found"] == "answers as version 1.0"
    assert found["orders service"]["found"] == "answers, and takes the token"
    assert found["SFTP folder reports"]["found"] == "reports holds 0 files"
    # What only a feed or an update would show is said to be so.
    unproven = {what for what, each in found.items() if each["verdict"] == "unproven"}
    assert unproven == {"product safety", "token create_items", "token update_orders", "vendor_id"}
    assert sandbox.laredoute.state() == before


def test_an_account_of_files_is_asked_folder_by_folder(say: Say, sandbox: Sandbox) -> None:  # J1
    result = say("accounts", "check", "johnlewis", "--connect", "--json")
    found = findings(result)
    assert found["folder order_download"]["found"] == "/live/incoming holds 0 files"
    assert {what for what, each in found.items() if each["verdict"] == "unproven"} == {"right to write"}
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("secret", "wrong", "keys"),
    [
        ("login", "injection service", "login.user, login.password, urls.offers"),
        ("read-orders", "orders service", "tokens.read_orders"),
        ("sftp", "SFTP folder reports", "sftp, folders.reports"),
    ],
)
def test_a_wrong_secret_is_named_by_its_key(
    say: Say, sandbox: Sandbox, tmp_path: Path, secret: str, wrong: str, keys: str
) -> None:  # D10
    (tmp_path / "secrets" / f"laredoute-{secret}").write_text("made up and wrong\n")
    result = say("accounts", "check", "laredoute", "--connect", "--json")
    assert result.exit_code == 1
    found = findings(result)
    assert [what for what, each in found.items() if each["verdict"] == "wrong"] == [wrong]
    assert keys in found[wrong]["fix"]


def test_a_refused_login_is_tried_once(say: Say, sandbox: Sandbox, tmp_path: Path) -> None:  # D10
    (tmp_path / "secrets" / "johnlewis-sftp").write_text("made up and wrong\n")
    found = findings(say("accounts", "check", "johnlewis", "--connect", "--json"))
    verdicts = [each["verdict"] for what, each in found.items() if what.startswith("folder")]
    assert verdicts.count("wrong") == 1
    assert "not tried, because of folder order_download" in found["folder stock_update"]["found"]


def test_a_folder_that_is_not_there_is_named(say: Say, sandbox: Sandbox) -> None:
    (sandbox.laredoute.files / "reports").rmdir()
    result = say("accounts", "check", "laredoute", "--connect")
    assert result.exit_code == 1
    assert "SFTP folder reports\twrong" in result.output
    assert "folders.reports" in result.output


def test_a_server_that_is_not_there_is_told(say: Say, sandbox: Sandbox, config_path: Path) -> None:
    url = sandbox.describe()["laredoute"]["offers_url"]
    config_path.write_text(config_path.read_text().replace(url, "http://127.0.0.1:1/File/1.0"))
    found = findings(say("accounts", "check", "laredoute", "--connect", "--json"))
    assert found["injection service"]["verdict"] == "wrong"
    assert "look at the network" in found["injection service"]["fix"]
    assert found["orders service"]["verdict"] == "ok"


def test_what_is_wrong_in_the_files_is_told_at_once(say: Say, sandbox: Sandbox, config_path: Path) -> None:  # D3
    text = config_path.read_text().replace('vendor_id = "1001"', 'vendor_id = "1001"\ntime_zone = "Europe/Pariss"')
    config_path.write_text(text.replace('{ file = "secrets/laredoute-create-items" }', '{ file = "no-such-file" }'))
    result = say("accounts", "check", "laredoute", "--json")
    assert result.exit_code == 1
    told = [each["found"] for each in answer(result)["findings"]]
    assert len(told) == 2
    assert any("Europe/Paris" in each and "did you mean" in each for each in told)
    assert any("tokens.create_items" in each and "cannot read" in each for each in told)
    # The other account is none of its business.
    assert say("accounts", "check", "johnlewis").exit_code == 0


def test_a_bad_key_is_told(say: Say, config_path: Path, sandbox: Sandbox, tmp_path: Path) -> None:  # D3
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n")
    (tmp_path / "key").chmod(0o600)
    user = f'user = "{sandbox.describe()["laredoute"]["sftp"]["user"]}"'
    config_path.write_text(config_path.read_text().replace(user, f'{user}\nprivate_key = {{ file = "key" }}'))
    result = say("accounts", "check", "laredoute", "--json")
    assert result.exit_code == 1
    (wrong,) = [each for each in answer(result)["findings"] if each["verdict"] == "wrong"]
    assert "sftp.private_key" in wrong["found"]
    assert "nonsense" not in result.output


def test_an_empty_token_is_told(say: Say, config_path: Path, sandbox: Sandbox, tmp_path: Path) -> None:  # D3
    (tmp_path / "secrets" / "laredoute-update-orders").write_text("")
    result = say("accounts", "check", "laredoute", "--json")
    assert result.exit_code == 1
    (wrong,) = [each for each in answer(result)["findings"] if each["verdict"] == "wrong"]
    assert "tokens.update_orders" in wrong["found"]
    assert "is empty" in wrong["found"]


def test_an_untrusted_server_is_told(say: Say, sandbox: Sandbox, tmp_path: Path) -> None:  # D10
    (tmp_path / "state" / FILE_NAME).unlink()
    result = say("accounts", "check", "laredoute", "--json")
    assert result.exit_code == 1
    wrong = {what: each for what, each in findings(result).items() if each["verdict"] == "wrong"}
    assert set(wrong) == {"sftp: host key of 127.0.0.1"}
    assert "sellerd accounts trust laredoute" in wrong["sftp: host key of 127.0.0.1"]["fix"]


def test_no_secret_is_ever_shown(say: Say, sandbox: Sandbox) -> None:  # D3
    there = sandbox.settings.laredoute
    for output in (
        say("accounts", "check", "laredoute", "--connect").output,
        say("accounts", "check", "laredoute").output,
    ):
        for secret in (there.http.password, there.sftp.password, there.items_key, there.read_orders_key):
            assert secret not in output


def test_an_account_that_is_not_there(say: Say) -> None:
    result = say("accounts", "check", "nobody")
    assert result.exit_code == 1
    assert "there is no account nobody" in result.output


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[[error]]\ncode = 'X17'\n", "none of gloss, cause and fix says anything"),
        ("[[error]]\ntext = '('\ngloss = 'x'\n", "entry 1: text is no regular expression"),
        ("[[error]]\ncod = 'X'\ngloss = 'x'\n", "cod is not known; did you mean code?"),
        ("[error]\n", "write [[error]] in double brackets"),
        ("nonsense", "is not TOML"),
        (None, "cannot read"),
    ],
)
def test_a_wrong_catalogue_is_a_configuration_problem(
    say: Say, sandbox: Sandbox, config_path: Path, tmp_path: Path, content: str | None, told: str
) -> None:  # D3 L17
    if content is not None:
        (tmp_path / "errors.toml").write_text(content)
    with config_path.open("a") as config:
        config.write('[accounts.laredoute.report]\ncatalogue = "errors.toml"\n')
    result = say("check-config")
    assert result.exit_code == 78
    assert "accounts.laredoute.report.catalogue" in result.output
    assert told in result.output
    checked: Any = json.loads(say("accounts", "check", "laredoute", "--json").stdout)
    assert not checked["ok"]
