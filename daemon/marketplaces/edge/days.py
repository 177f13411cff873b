"""The days on which goods leave and arrive, as an account on The Edge says them (guide J7, J8)."""

import re
from datetime import date, datetime, time
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from daemon.rules.calendar import WEEKDAYS, Calendar, Weekday, place_fault
from daemon.settings import Table


def _written_day(value: object) -> object:
    """A day as TOML has it, or as a text; a number would be taken for seconds since 1970."""
    if isinstance(value, str | date) and not isinstance(value, datetime):
        return value
    raise ValueError('a day is written like "2026-12-24"')


def _written_time(value: object) -> object:
    if (isinstance(value, str) and re.fullmatch("[0-9]{2}:[0-9]{2}(:[0-9]{2})?", value)) or isinstance(value, time):
        return value
    raise ValueError('a time of day is written like "15:00", by the clock of the account\'s time zone')


Day = Annotated[date, BeforeValidator(_written_day)]
ClockTime = Annotated[time, BeforeValidator(_written_time)]


class CalendarTable(Table):
    """The days on which goods leave and arrive, for the dates of acknowledgements and dispatches (J7, J8).

    Handling is counted in working days: those of `working_days` that are no public holiday and not `closed`; `worked`
    are working days all the same. An order that comes at `cut_off` or later, or on no working day, counts from the next
    one. Delivery is counted in days on which carriers deliver: `delivery_days` of the week, where they are others than
    `working_days`, without the public holidays.
    """

    working_days: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1)
    delivery_days: tuple[Weekday, ...] = ()
    #: whose public holidays, as ISO 3166 has it: a country such as "FR", or a part of one such as "GB-ENG"
    holidays: str = ""
    closed: tuple[Day, ...] = ()
    worked: tuple[Day, ...] = ()
    cut_off: ClockTime | None = None

    @field_validator("holidays")
    @classmethod
    def _known_holidays(cls, holidays: str) -> str:
        if holidays and (fault := place_fault(holidays)):
            raise ValueError(fault)
        return holidays

    @model_validator(mode="after")
    def _either(self) -> Self:
        if both := set(self.closed) & set(self.worked):
            raise ValueError(f"{min(both)} is both closed and worked; keep one of the two")
        return self

    @property
    def dispatching(self) -> Calendar:
        """The days on which goods leave."""
        country, _, part = self.holidays.partition("-")
        weekdays = frozenset(self.working_days)
        return Calendar(weekdays, country, part, frozenset(self.closed), frozenset(self.worked), self.cut_off)

    @property
    def delivering(self) -> Calendar:
        """The days on which they arrive; the seller's own closed days are none of the carrier's."""
        country, _, part = self.holidays.partition("-")
        return Calendar(frozenset(self.delivery_days or self.working_days), country, part)
