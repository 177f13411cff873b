"""Instants as the database keeps them: integers of UTC microseconds."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """An aware instant as microseconds since 1970 in UTC, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


@overload
def from_us(value: int) -> datetime: ...
@overload
def from_us(value: None) -> None: ...
def from_us(value: int | None) -> datetime | None:
    """The instant of a column, None where it is null."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def iso(value: int | None) -> str | None:
    """A column's instant as ISO 8601 in UTC, to the millisecond."""
    instant = from_us(value)
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
