"""The pieces of the configuration: durations, time zones, and secrets that are never written in it."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from daemon.settings import Duration, Secret, TimeZone, parse_duration


class Form(BaseModel):
    """One field of each kind."""

    every: Duration = timedelta(0)
    zone: TimeZone = "UTC"
    password: Secret | None = None


def problem(**given: object) -> str:
    with pytest.raises(ValidationError) as raised:
        Form.model_validate(given)
    return str(raised.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h 30m", timedelta(minutes=90)),
        ("2 d", timedelta(days=2)),
        ("500ms", timedelta(milliseconds=500)),
    ],
)
def test_durations_are_number_and_unit(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("given", ["", "15", "1 week", "-5m", 900, "1h-"])
def test_a_wrong_duration_is_told_with_examples(given: object) -> None:  # D3
    assert 'such as "30s", "15m"' in problem(every=given)


@pytest.mark.parametrize("given", ["36501d", "9999999999999d", "876001h"])
def test_a_duration_that_no_instant_could_bear_is_refused(given: str) -> None:  # D3
    assert 'write "36500d" or less' in problem(every=given)


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_an_empty_secret_is_a_forgotten_one(tmp_path: Path, content: str) -> None:  # D3
    path = tmp_path / "password"
    path.write_text(content, newline="")
    path.chmod(0o600)
    assert problem(password={"file": str(path)}).endswith(f"{path} is empty; put the secret in it")
    os.environ["SELLERD_TEST_SECRET"] = ""
    try:
        assert "SELLERD_TEST_SECRET of the environment is empty" in problem(password={"env": "SELLERD_TEST_SECRET"})
    finally:
        del os.environ["SELLERD_TEST_SECRET"]


def test_a_mistyped_time_zone_is_told_with_the_likely_one() -> None:  # D3
    assert "did you mean Europe/Paris" in problem(zone="Europe/Pariss")


def test_a_secret_comes_from_a_file_without_the_newline_of_the_editor(tmp_path: Path) -> None:  # D3
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    form = Form.model_validate({"password": {"file": "password"}}, context={"folder": tmp_path})
    assert form.password is not None
    assert form.password.reveal() == "correct horse"
    assert "correct" not in f"{form!r} {form.password} {form.model_dump_json()}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:  # D3
    path = tmp_path / "password"
    path.write_text("correct horse")
    path.chmod(mode)
    told = problem(password={"file": str(path)})
    assert f"chmod 600 {path}" in told
    assert "correct" not in told


def test_a_secret_comes_from_the_environment_or_is_missed_by_name() -> None:  # D3
    os.environ["SELLERD_TEST_SECRET"] = "correct horse"
    try:
        form = Form.model_validate({"password": {"env": "SELLERD_TEST_SECRET"}})
    finally:
        del os.environ["SELLERD_TEST_SECRET"]
    assert form.password == Secret("correct horse")
    assert "SELLERD_TEST_SECRET" in problem(password={"env": "SELLERD_TEST_SECRET"})


def test_a_secret_comes_from_a_credential_of_systemd(tmp_path: Path) -> None:  # D3 D6
    (tmp_path / "redoute-password").write_text("correct horse")
    assert "LoadCredential=redoute-password" in problem(password={"credential": "redoute-password"})
    os.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    try:
        form = Form.model_validate({"password": {"credential": "redoute-password"}})
    finally:
        del os.environ["CREDENTIALS_DIRECTORY"]
    assert form.password == Secret("correct horse")


@pytest.mark.parametrize("given", ["correct horse", {}, {"file": "a", "env": "b"}, {"vault": "a"}, {"file": ""}, 7])
def test_a_secret_written_in_the_configuration_is_refused_and_not_repeated(given: object) -> None:  # D3
    with pytest.raises(ValidationError) as raised:
        Form.model_validate({"password": given})
    (error,) = raised.value.errors()
    assert "correct horse" not in error["msg"]
