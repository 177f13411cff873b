"""On which days a seller works, and which day is so many working days on (guide J7, J8; account of J)."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Literal, get_args

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
#: as `date.weekday` counts them
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

#: where most sellers are: known without the library, which reads the calendars of all countries to say so
SURELY_KNOWN = frozenset({"FR", "GB", "GB-ENG", "GB-NIR", "GB-SCT", "GB-WLS"})

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days: some days of the week, without the public holidays of `country` and without `closed` days.

    `country` and `subdivision` are as ISO 3166 has them; no country has no holidays. `worked` are working days all
    the same. What comes at `cut_off` or later, by the clock of the place, counts as come on the next working day.
    """

    weekdays: frozenset[Weekday] = frozenset(WEEKDAYS)
    country: str = ""
    subdivision: str = ""
    closed: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    cut_off: time | None = None

    def works(self, day: date) -> bool:
        """Whether it is a working day."""
        if day in self.worked:
            return True
        return WEEKDAYS[day.weekday()] in self.weekdays and day not in self.closed and day not in self._holidays

    def counts_from(self, local: datetime) -> date:
        """The working day from which something counts that came at this instant, told in the zone of the place."""
        day = local.date()
        if self.cut_off is not None and self.works(day) and local.time() >= self.cut_off:
            day += _DAY
        return self.on(day, 0)

    def on(self, day: date, days: int) -> date:
        """The working day that comes so many working days after `day`; for 0 the first that is not before it."""
        found = day if days else day - _DAY
        for _ in range(max(days, 1)):
            found += _DAY
            while not self.works(found):
                found += _DAY
        return found

    @property
    def _holidays(self) -> Container[date]:
        return _holidays(self.country, self.subdivision) if self.country else ()


def place_fault(place: str) -> str:
    """What is wrong with a country, or a part of one such as GB-ENG, whose holidays are wanted; empty when nothing."""
    country, _, part = place.partition("-")
    if place in SURELY_KNOWN:
        return ""
    return country_fault(country) or (subdivision_fault(country, part) if part else "")


def country_fault(country: str) -> str:
    """What is wrong with a country whose holidays are wanted, with a near one; empty when they are known."""
    import holidays

    known = holidays.list_supported_countries(include_aliases=False)
    if country in known:
        return ""
    # What most people write for it is no code of ISO 3166.
    meant = "GB" if country.upper() == "UK" else country.upper()
    near = [meant] if meant in known else get_close_matches(meant, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "write its two letters of ISO 3166, such as GB or FR"
    return f'no holidays are known of "{country}"; {hint}'


def subdivision_fault(country: str, subdivision: str) -> str:
    """The same for a part of a country."""
    import holidays

    known = holidays.list_supported_countries(include_aliases=False).get(country, [])
    if subdivision in known:
        return ""
    near = get_close_matches(subdivision.upper(), known, n=1, cutoff=0.5)
    there = f"there are {', '.join(known)}" if known else "it has none; leave it out"
    return f'{country} has no part "{subdivision}"; {f"did you mean {near[0]}?" if near else there}'


@cache
def _holidays(country: str, subdivision: str) -> Container[date]:
    # Here and not above: whoever asks nothing about days need not wait for the calendars of all countries.
    import holidays

    found: Container[date] = holidays.country_holidays(country, subdiv=subdivision or None)
    return found
