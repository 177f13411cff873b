"""The configuration of logging: JSON lines for machines, colours for a terminal, nothing secret in either (D12)."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import IO, Any, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

_QUIET = ("httpx", "httpcore", "asyncssh", "apscheduler", "aiosqlite", "asyncio", "uvicorn")
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_SECRET_WORDS = ("password", "passphrase", "token", "secret", "apikey", "api_key", "authorization", "private_key")


def configure(level: str, form: Literal["auto", "json", "console"], stream: IO[str] | None = None) -> None:
    """Log to `stream` (stderr) from `level` on. Called again it changes both, for loggers in use too (trap G2)."""
    stream = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not stream.isatty())
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
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, *_renderers(as_json)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What the transports' libraries tell at INFO holds URLs and logins (trap E3).
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def redact(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Mask whatever stands under a name that sounds secret, at any depth."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: object, value: Any) -> Any:
    if isinstance(key, str) and any(word in key.lower().replace("-", "_") for word in _SECRET_WORDS):
        return "***"
    if isinstance(value, Mapping):
        return {inner: _masked(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    return value


def _renderers(as_json: bool) -> list[Processor]:
    # Local variables hold passwords and addresses: no traceback shows them (trap G1).
    if as_json:
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        return [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_one_line, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _one_line(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line break in a value would let it pass for a line of its own, an escape steer the terminal (trap G3)."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], value)
    return event
