"""Values that options take: instants and spans of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click


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
