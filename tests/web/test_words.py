"""How pages write instants, states, money and charts."""

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup, escape

from daemon.web.pages import words
from daemon.web.pages.charts import Series, bars, shares

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=45), "45 s ago"),
        (timedelta(minutes=90), "90 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=5), "5 d ago"),
        (timedelta(minutes=-10), "in 10 min"),
    ],
)
def test_ages(passed: timedelta, told: str) -> None:  # S3
    assert words.ago(NOW - passed, NOW) == told


def test_instants_are_in_the_zone_of_the_account() -> None:  # S3
    shown = words.when("2026-03-02T11:30:00.000Z", NOW, "Europe/Paris")
    assert ">12:30 <" in shown
    assert 'title="2026-03-02 12:30:00 Europe/Paris"' in shown
    assert "30 min ago" in shown
    # The day is that of the zone, not of UTC.
    assert ">1 Mar 23:30 <" in words.when("2026-03-01T22:30:00.000Z", NOW, "Europe/Paris")
    assert ">2 Mar 2024 <" in words.when("2024-03-02T11:30:00.000Z", NOW, "Europe/London")
    assert "–" in words.when(None, NOW)


def test_what_is_unknown_is_shown_as_text() -> None:  # S3
    assert words.state("<b>") == Markup('<span class="state quiet">&lt;b&gt;</span>')
    assert words.state("offer_integrated") == Markup('<span class="state ok">offer integrated</span>')
    assert "&lt;i&gt;" in escape(words.plainly({"x": "<i>"}, NOW))
    assert words.plainly(value=False, now=NOW) == "no"


def test_figures() -> None:  # S3
    assert words.money(4990, "EUR") == "49.90 EUR"
    assert words.money(None) == ""
    assert words.number(1234567) == "1\u202f234\u202f567"
    assert [words.size(value) for value in (None, 0, 2048, 5 << 20, 3 << 30)] == ["", "0 B", "2 KiB", "5 MiB", "3 GiB"]


def test_a_timeline_tells_a_price_as_people_write_it() -> None:  # S3
    assert [words.moved(value, "price") for value in ("", "5990", "not_needed")] == ["", "59.90", "not needed"]
    assert words.moved("5990", "stock") == "5990"


def test_charts_tell_their_figures_in_words() -> None:  # S3
    days = ["2026-03-01", "2026-03-02"]
    chart = bars("Answers", days, [Series("accepted", "s-ok", [3, 5]), Series("<rejected>", "s-bad", [0, 1])])
    assert 'aria-label="Answers, 2 days up to 2026-03-02; on the last: 5 accepted, 1 &lt;rejected&gt;"' in chart
    assert chart.count("<title>") == 2
    assert "style=" not in chart
    assert "nothing yet" in bars("Answers", [], [])
    row = shares("Stock", [("in step", "s-ok", 3), ("late", "s-warn", 0), ("error", "s-bad", 1)])
    assert 'aria-label="Stock: 3 in step, 0 late, 1 error"' in row
    assert row.count("<rect") == 2
    assert 'width="75.00"' in row
