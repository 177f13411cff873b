"""The configuration of logging: JSON lines for machines, colours for a terminal, nothing secret in either (D12).

What is told goes through one redactor, our own lines and those of the libraries alike, tracebacks too. It masks what
stands under a name that sounds secret or personal, every secret of the configuration wherever it stands, and what
looks like a login, an e-mail address or a telephone number inside a text.
"""

import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from typing import IO, Any, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

_QUIET = ("httpx", "httpcore", "asyncssh", "apscheduler", "aiosqlite", "asyncio", "uvicorn", "aiosmtplib", "multipart")
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_SECRET_WORDS = ("password", "passphrase", "token", "secret", "apikey", "api_key", "authorization", "private_key")
#: whole names, or ends of names, of what says who somebody is
_PERSONAL_WORDS = (
    *("customer", "recipient", "shipping", "billing", "shipping_address", "billing_address", "street", "postcode"),
    *("first_name", "last_name", "full_name", "phone", "telephone", "mobile", "email", "e_mail", "mail_address"),
)
_MASK = "***"
#: a shorter secret would blank out half of every text; the configuration has no business with one
_SHORTEST_SECRET = 5

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.])(?:\+|00(?=\d{1,3}[ ./()-]))[1-9]\d{0,2}[ ./()-]?(?:\d[ ./()-]?){6,12}\d(?!\w)")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_SAID_SECRET = re.compile(
    r"(?i)\b(x-token|token|api[_-]?key|password|passwd|passphrase|secret)(\"?'?\s*[:=]\s*[\"']?)[^\s\"'&,;<>]{4,}"
)
_AUTHORIZATION = re.compile(r"(?i)\b(authorization\"?'?\s*[:=]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w+/=.-]{12,}")

#: lines that wait to be written; what comes while so many wait is dropped, and counted
MOST_WAITING = 10_000
#: how long the end of the process waits for them
_PATIENCE_SECONDS = 2.0


def configure(
    level: str,
    form: Literal["auto", "json", "console"],
    stream: IO[str] | None = None,
    *,
    secrets: Iterable[str] = (),
) -> None:
    """Log from `level` on, masking `secrets`. Called again it changes all, for loggers in use too (trap G2).

    To stderr it goes through a bounded queue and a thread of its own, so that whoever reads there too slowly, or not at
    all, holds up nothing (trap G5); to a given `stream` it goes at once.
    """
    as_json = form == "json" or (form == "auto" and not (stream or sys.stderr).isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        # The level is asked of the stdlib logger each time, so that it can change while loggers are in use.
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _stderr() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _tracebacks(as_json),
                Redactor(secrets),
                *_renderers(as_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What the transports' libraries tell at INFO holds URLs and logins (trap E3).
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def lines_dropped() -> int:
    """How many lines found no place in the queue since the process started."""
    return _queued.dropped if _queued is not None else 0


def finish() -> None:
    """Let what waits be written, for a short while; to be called at the end of the process."""
    if _queued is not None:
        _queued.finish()


class Redactor:
    """Masks what nobody may read in a log, at any depth of an event."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may be the beginning of another.
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        # A secret of several lines, a private key say, may be told line by line.
        lines = {line for secret in known for line in secret.splitlines() if len(line) > 4 * _SHORTEST_SECRET}
        self._known = [*known, *(lines - set(known))]

    def __call__(self, _logger: object, _name: str, event: EventDict) -> EventDict:
        """Mask one event."""
        return {key: self._masked(key, value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """Mask one text."""
        for secret in self._known:
            text = text.replace(secret, _MASK)
        text = _LOGIN_IN_URL.sub(_MASK, text)
        text = _AUTHORIZATION.sub(rf"\1{_MASK}", text)
        text = _BEARER.sub(rf"\1 {_MASK}", text)
        text = _SAID_SECRET.sub(rf"\1\2{_MASK}", text)
        return _PHONE.sub(_MASK, _EMAIL.sub(_MASK, text))

    def _masked(self, key: object, value: Any) -> Any:
        if isinstance(key, str) and _sounds_secret(key) and value not in (None, ""):
            return _MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {inner: self._masked(inner, item) for inner, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked("", item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        # Whatever else it is, it is told by its text.
        return self.text(str(value))


def _sounds_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    if any(word in plain for word in _SECRET_WORDS):
        return True
    return any(plain == word or plain.endswith(f"_{word}") for word in _PERSONAL_WORDS)


class QueuedLines(logging.Handler):
    """Hands lines to a thread that writes them to a file descriptor; a full queue drops them, and that is told."""

    def __init__(self, descriptor: int, most: int = MOST_WAITING) -> None:
        super().__init__()
        # A descriptor of its own: whoever writes to stderr otherwise does not wait for the lock of a stuck one.
        self._descriptor = os.dup(descriptor)
        self._lines: queue.Queue[str | None] = queue.Queue(most)
        #: lines that found no place
        self.dropped = 0
        self._told = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put one line into the queue; never waits."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - as every handler of the library: a line that cannot be told ends nothing
            self.handleError(record)

    def finish(self) -> None:
        """Wait for a short while until everything is written."""
        try:
            self._lines.put(None, timeout=_PATIENCE_SECONDS)
        except queue.Full:
            return
        self._thread.join(_PATIENCE_SECONDS)

    def close(self) -> None:
        """Write what waits, for a short while, and let go."""
        self.finish()
        if not self._thread.is_alive():
            os.close(self._descriptor)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            self._put(line)
            if self.dropped > self._told and self._lines.empty():
                self._tell_dropped(self.dropped)
        if self.dropped > self._told:
            self._tell_dropped(self.dropped)

    def _tell_dropped(self, dropped: int) -> None:
        self._told = dropped
        said = "%d log lines were dropped: nobody read them in time"
        self._put(self.format(logging.LogRecord("sellerd", logging.WARNING, "", 0, said, (dropped,), None)))

    def _put(self, line: str) -> None:
        rest = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            # Nobody reads there any more: there is nowhere to say so.
            self.dropped += 1


_queued: QueuedLines | None = None


def _stderr() -> QueuedLines:
    # A process has one stderr, and one thread that writes to it.
    global _queued
    if _queued is None:
        _queued = QueuedLines(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    return _queued


def _tracebacks(as_json: bool) -> Processor:
    # Local variables hold passwords and addresses: no traceback shows them (trap G1).
    if as_json:
        return structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return structlog.processors.format_exc_info


def _renderers(as_json: bool) -> list[Processor]:
    if as_json:
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_one_line, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _one_line(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line break in a value would let it pass for a line of its own, an escape steer the terminal (trap G3)."""
    for key, value in event.items():
        if isinstance(value, str):
            # A traceback has lines of its own; a text in it has none that Python did not make.
            told = value.split("\n") if key == "exception" else [value]
            event[key] = "\n".join(_CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], line) for line in told)
    return event
