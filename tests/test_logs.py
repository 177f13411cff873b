"""What is told holds nothing secret and nothing personal, and telling it holds up nobody."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
import structlog

from daemon.logs import QueuedLines, Redactor, configure

SECRET = "correct horse"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----"

Told = Callable[[], str]


@pytest.fixture(params=["json", "console"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """Everything that was logged, in either form."""
    root, out = logging.getLogger(), StringIO()
    before = root.handlers, root.level
    configure("debug", request.param, out, secrets=[SECRET, KEY, "abc"])
    yield out.getvalue
    root.handlers, _ = before
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_a_secret_of_the_configuration_is_masked_wherever_it_stands(told: Told) -> None:  # D12 D3
    log = structlog.get_logger("test")
    log.info("the login with %s was refused", SECRET, error=f"530 {SECRET}: no", tried=[{"with": (SECRET,)}])
    log.error("the key is wrong", error=KEY, part=f"near {KEY.splitlines()[1]}")
    logging.getLogger("library").error("cannot use %s", SECRET, extra={"whatever": {"deep": SECRET}})
    logging.getLogger("py.warnings").warning("deprecated: %s", SECRET)
    try:
        refuse()
    except ValueError:
        log.exception("it failed")
        logging.getLogger("library").exception("it failed there")

    assert SECRET not in told()
    assert KEY.splitlines()[1] not in told()
    assert told().count("it failed") == 2
    assert "was refused" in told()
    assert "refused ***" in told()


def refuse() -> None:
    raise ValueError(f"refused {SECRET}") from KeyError(SECRET)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail anna.nobody@post.example.test today", "mail *** today"),
        ("call +33 6 12 34 56 78 or 0044 20 7946 0958", "call *** or ***"),
        ("GET https://user:pass@host.test/x", "GET https://***@host.test/x"),
        ("x-token: t0ken-4711abc", "x-token: ***"),
        ('{"password": "pa55word!"}', '{"password": "***"}'),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: ***"),
        # What looks similar and is none of it.
        ("EAN 3701234567891, order 2000000123", "EAN 3701234567891, order 2000000123"),
        ("UPC 0012345678905", "UPC 0012345678905"),
        ("2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00+00:00"),
        ("the token create_items was refused", "the token create_items was refused"),
        ("feed 00031234567890123456 of 12", "feed 00031234567890123456 of 12"),
        ("inventory-20240115111500000001.csv", "inventory-20240115111500000001.csv"),
        ("127.0.0.1:8470 did not answer within 30 s", "127.0.0.1:8470 did not answer within 30 s"),
    ],
)
def test_what_looks_like_a_login_or_a_person_is_masked_inside_texts(text: str, masked: str) -> None:  # D12
    assert Redactor().text(text) == masked


def test_names_that_say_who_somebody_is_are_masked_and_others_are_not() -> None:  # D12
    event = {
        "customer": {"name": "A. Nobody"},
        "shipping": ["Made Up Lane 5"],
        "contact_phone": "0612345678",
        "postcode": "01000",
        "listen": "127.0.0.1:8470",
        "customers": 5,
        "shipping_method": "Standard",
        "at": object,
    }
    seen = Redactor()(None, "", event)
    assert {name for name, value in seen.items() if value == "***"} == {
        "customer",
        "shipping",
        "contact_phone",
        "postcode",
    }
    assert (seen["customers"], seen["shipping_method"]) == (5, "Standard")


def test_a_short_secret_does_not_blank_out_texts() -> None:
    assert Redactor(["abc"]).text("abcdef") == "abcdef"


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, "", 0, text, None, None)


def test_a_stuck_reader_holds_up_nobody_and_is_told_what_it_missed() -> None:
    read, write = os.pipe()
    lines = QueuedLines(write, most=100)
    os.close(write)
    ended = Event()

    def flood() -> None:
        # More than the pipe and the queue hold: nobody reads yet.
        for number in range(3_000):
            lines.emit(record(f"{number} {'x' * 1_000}"))
        ended.set()

    Thread(target=flood, daemon=True).start()
    assert ended.wait(20)
    assert lines.dropped > 2_000
    with os.fdopen(read) as reader:
        seen: list[str] = []
        reading = Thread(target=lambda: seen.extend(reader), daemon=True)
        reading.start()
        lines.close()
        reading.join(20)
    whole = [line for line in seen if line.endswith("x\n")]
    assert len(whole) + lines.dropped == 3_000
    assert f"{lines.dropped} log lines were dropped" in seen[-1]


def test_a_reader_that_has_gone_away_holds_up_nobody() -> None:
    read, write = os.pipe()
    lines = QueuedLines(write)
    os.close(write)
    os.close(read)
    for number in range(100):
        lines.emit(record(str(number)))
    lines.close()
    assert lines.dropped > 0


def test_json_lines_stay_json_whatever_is_told() -> None:  # D12
    root, out = logging.getLogger(), StringIO()
    before = root.handlers, root.level
    configure("info", "json", out)
    try:
        structlog.get_logger("test").info("two\nlines", path=os.path, found={1, 2}, nested={"a": {"b": b"bytes"}})
        line: dict[str, Any] = json.loads(out.getvalue())
    finally:
        root.handlers, _ = before
        root.setLevel(before[1])
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    assert (line["event"], line["found"]) == ("two\nlines", [1, 2])
