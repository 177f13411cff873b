"""Small charts as SVG, drawn here: bars by day, shares in a row, and the figures in words beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _FLOOR = 320, 96, 78


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a chart: its name, the CSS class that paints it, and a figure a day."""

    name: str
    tone: str
    values: Sequence[float]


def _plain(value: float) -> str:
    return f"{value:,.0f}"


def bars(title: str, days: Sequence[str], series: Sequence[Series], form: Callable[[float], str] = _plain) -> Markup:
    """Bars by day, the series of a day on top of each other."""
    totals = [sum(each.values[place] for each in series) for place in range(len(days))]
    highest = max(totals, default=0) or 1
    step = _WIDTH / max(len(days), 1)
    shapes = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            _WIDTH, _HEIGHT, _told(title, days, series, form)
        )
    ]
    for place, day in enumerate(days):
        top = float(_FLOOR)
        for each in series:
            height = each.values[place] / highest * (_FLOOR - 14)
            if height <= 0:
                continue
            top -= height
            shapes.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1"></rect>').format(
                    each.tone, place * step + 1.5, top, step - 3, height
                )
            )
        words = ", ".join(f"{form(each.values[place])} {each.name}" for each in series)
        shapes.append(
            Markup(
                '<rect class="touch" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}: {}</title></rect>'
            ).format(place * step, step, _FLOOR, day, words)
        )
    shapes.append(Markup('<line x1="0" x2="{}" y1="{}" y2="{}"></line>').format(_WIDTH, _FLOOR, _FLOOR))
    if days:
        shapes.append(Markup('<text x="0" y="{}">{}</text>').format(_HEIGHT - 4, days[0][5:]))
        last = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
        shapes.append(last.format(_WIDTH, _HEIGHT - 4, days[-1][5:]))
        shapes.append(Markup('<text x="0" y="9">{}</text>').format(form(max(totals, default=0))))
    shapes.append(Markup("</svg>"))
    return Markup("").join(shapes)


def shares(title: str, parts: Sequence[tuple[str, str, int]]) -> Markup:
    """One row divided into (name, tone, count)."""
    whole = sum(count for _, _, count in parts) or 1
    told = f"{title}: " + ", ".join(f"{count} {name}" for name, _, count in parts)
    head = Markup('<svg class="shares" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">')
    shapes = [head.format(told)]
    left = 0.0
    for name, tone, count in parts:
        width = count / whole * 100
        if width:
            shape = Markup('<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="6"><title>{} {}</title></rect>')
            shapes.append(shape.format(tone, left, width, count, name))
        left += width
    shapes.append(Markup("</svg>"))
    return Markup("").join(shapes)


def _told(title: str, days: Sequence[str], series: Sequence[Series], form: Callable[[float], str]) -> str:
    """The chart in one sentence."""
    if not days:
        return f"{title}: nothing yet"
    latest = ", ".join(f"{form(each.values[-1])} {each.name}" for each in series)
    return f"{title}, {len(days)} days up to {days[-1]}; on the last: {latest}"
