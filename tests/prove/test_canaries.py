"""The canaries are heard where they sing: in every form, in a log, in a file."""

import base64
from pathlib import Path

import pytest
import structlog

from tests.prove.canaries import PEOPLE, SECRETS, assert_clean, canary_bytes_in, found, listening


@pytest.mark.parametrize(
    "text",
    [
        "the password is sandbox-http, they say",
        '{"city": "rue de l\'\\u00c9glise"}',
        "https://example.test/?street=rue%20de%20l%27%C3%89glise",
        base64.b64encode(b"SELLER1001-1:sandbox-http").decode(),
        "relay-7@example.test",
    ],
    ids=["plain", "JSON", "URL", "login", "mail address"],
)
def test_a_canary_is_heard_in_every_form(text: str) -> None:  # D12
    assert found(text)
    with pytest.raises(AssertionError, match="in the log: "):
        assert_clean(text, "the log")


def test_what_is_logged_holds_no_secret_and_what_is_clean_is_counted() -> None:  # D12
    with listening() as told:
        structlog.get_logger("test").info("refused", error=f"530 {SECRETS[0]}")
        structlog.get_logger("test").debug("nothing")
    assert assert_clean(told()) == 2
    assert "refused" in told()


def test_people_are_found_in_files(tmp_path: Path) -> None:  # D12
    held, clean = tmp_path / "held", tmp_path / "clean"
    held.write_text(f"… {PEOPLE[1]} …", "utf-8")
    clean.write_bytes(b"\0\1")
    assert canary_bytes_in(held, clean) == {"held": [PEOPLE[1]]}
