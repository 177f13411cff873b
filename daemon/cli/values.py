"""Values that options take: instants and spans of time, states, lines of orders."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

Line = dict[str, object]
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")


class Instant(click.ParamType[datetime]):
    """An instant as ISO 8601 text; without an offset it is UTC."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read `2026-03-02T12:00:00+01:00` or `2026-03-02`."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant; write it like 2026-03-02T12:00:00+01:00", param, ctx)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Span(click.ParamType[timedelta]):
    """A span of time as the configuration has it: `30m`, `2h`, `1d`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read `2h` or `1h 30m`."""
        from daemon.settings import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class State(click.ParamType[str]):
    """A state by its word, among `words`, which are asked for when one is said."""

    name = "state"

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take one of them."""
        words = list(self._words())
        if value not in words:
            self.fail(f"{value!r} is no state; there are {', '.join(words)}", param, ctx)
        return str(value)


class LineChoice(click.ParamType[Line]):
    """A line of an order, `REF`, or some of its units, `REF=2`."""

    name = "ref[=qty]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Line:
        """Read one `--line`."""
        if isinstance(value, dict):
            return value
        ref, equals, quantity = value.rpartition("=")
        if not equals:
            return {"ref": value}
        if not ref or not quantity.isascii() or not quantity.isdigit() or int(quantity) == 0:
            self.fail(f"{value!r} is no line; write its reference, or REF=2 for two of its units", param, ctx)
        return {"ref": ref, "quantity": int(quantity)}


class AmountChoice(click.ParamType[Line]):
    """A line of an order by what its units cost, `REF=39.98`."""

    name = "ref=amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Line:
        """Read one `--amount`."""
        if isinstance(value, dict):
            return value
        ref, _, written = value.rpartition("=")
        if not ref or not _AMOUNT.fullmatch(written):
            self.fail(f"{value!r} is no amount of a line; write its reference and the amount, REF=39.98", param, ctx)
        return {"ref": ref, "amount": written}
