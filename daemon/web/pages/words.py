"""How values are written on pages: instants in an account's zone with their age, money, states, sizes."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: state → how it looks: ok, busy, warn, bad or quiet. The word itself is always shown with it
_TONES: Mapping[str, str] = {
    **dict.fromkeys(("ok", "done", "accepted", "answered", "succeeded", "applied", "shipped", "completed"), "ok"),
    **dict.fromkeys(("open", "active", "in_time", "offer_integrated", "approved"), "ok"),
    **dict.fromkeys(
        ("pending", "sent", "sending", "running", "to_ship", "waiting", "kept", "product_integrated"), "busy"
    ),
    **dict.fromkeys(("to_cancel", "refunding", "begun", "new"), "busy"),
    **dict.fromkeys(
        ("never", "due_soon", "held", "lapsed", "in_doubt", "closed", "cut", "paused", "incomplete"), "warn"
    ),
    **dict.fromkeys(
        ("error", "failed", "failing", "late", "rejected", "refused", "set_aside", "refund_refused", "too_late"),
        "bad",
    ),
}


def instant(text: str | datetime | None) -> datetime | None:
    """An instant of the store's answers."""
    return datetime.fromisoformat(text) if isinstance(text, str) else text


def age(text: str | datetime, now: datetime) -> timedelta:
    """How long ago it was; negative where it is still to come."""
    return now - (datetime.fromisoformat(text) if isinstance(text, str) else text)


def span(length: timedelta) -> str:
    """A length of time in one or two words: 45 s, 12 min, 3 h, 5 d."""
    length = abs(length)
    if length < _MINUTE:
        return f"{length.total_seconds():.0f} s"
    if length < 2 * _HOUR:
        return f"{length // _MINUTE} min"
    if length < 2 * _DAY:
        return f"{length // _HOUR} h"
    return f"{length // _DAY} d"


def ago(text: str | datetime | None, now: datetime) -> str:
    """How long ago, or in how long; empty for nothing."""
    if not text:
        return ""
    passed = age(text, now)
    if abs(passed) < timedelta(seconds=1):
        return "just now"
    return f"{span(passed)} ago" if passed > timedelta() else f"in {span(passed)}"


def when(text: str | datetime | None, now: datetime, zone: str = "UTC") -> Markup:
    """An instant as people read it, in the zone, with its age; the whole of it is in the title."""
    found = instant(text)
    if found is None:
        return Markup('<span class="none">–</span>')
    local = found.astimezone(ZoneInfo(zone))
    same_day = local.date() == now.astimezone(ZoneInfo(zone)).date()
    short = f"{local:%H:%M}" if same_day else f"{local.day} {local:%b %H:%M}"
    if abs(now - found) > timedelta(days=300):
        short = f"{local.day} {local:%b %Y}"
    template = Markup('<time datetime="{}" title="{}">{} <span class="age">{}</span></time>')
    return template.format(
        found.astimezone(UTC).isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S} {zone}", short, ago(found, now)
    )


def state(word: str | None, text: str = "") -> Markup:
    """A state as a mark with its word; colour is never all that tells it."""
    if not word:
        return Markup('<span class="none">–</span>')
    shown = text or spoken(word)
    return Markup('<span class="state {}">{}</span>').format(_TONES.get(word, "quiet"), shown)


def spoken(word: str) -> str:
    """A word of the program as people say it."""
    return word.replace("_", " ")


def moved(value: str, what: str) -> str:
    """What an event moved from or to; the price of a listing is noted in minor units."""
    return money(int(value)) if what == "price" and value.isdecimal() else spoken(value)


def money(minor: int | None, currency: str = "") -> str:
    """Minor units as people write them; empty for none."""
    return "" if minor is None else f"{minor // 100}.{minor % 100:02d} {currency}".rstrip()


def plainly(value: Any, now: datetime, zone: str = "UTC") -> Any:
    """A value of an explanation as people read it: yes and no, instants in their zone, names with their values."""
    match value:
        case bool():
            return "yes" if value else "no"
        case str() if _INSTANT.fullmatch(value):
            return when(value, now, zone)
        case Mapping():
            template = Markup('<span class="pair">{} {}</span>')
            return Markup(" ").join(
                template.format(spoken(name), plainly(each, now, zone)) for name, each in value.items()
            )
        case list():
            return ", ".join(map(str, value))
        case _:
            return value


def number(value: int | None) -> str:
    """A count with its thousands apart."""
    return "" if value is None else f"{value:,}".replace(",", "\u202f")


def size(value: int | None) -> str:
    """Bytes as people say them."""
    if value is None:
        return ""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:,} {unit}"
        value //= 1024
    return f"{value:,} GiB"


def dash(value: Any) -> Any:
    """A dash where there is nothing."""
    return Markup('<span class="none">–</span>') if value in (None, "", [], {}) else value


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago,
    "when": when,
    "state": state,
    "spoken": spoken,
    "money": money,
    "moved": moved,
    "number": number,
    "plainly": plainly,
    "size": size,
    "dash": dash,
    "span": span,
}
