"""What Prometheus scrapes: read by its own parser, named by its rules, bounded, and used by the dashboard and the rules."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from daemon.health import Build, Figures, JobHealth, JobVerdict, Loaded, Machine, Verdict
from daemon.model import SITE, AccountName, FeedKind
from daemon.rules.causes import CauseKind, Severity
from daemon.rules.spread import Spread
from daemon.store.alerts import Alert
from daemon.store.facts import AccountFacts
from daemon.store.holds import GuardRule
from daemon.transports.calls import OUTCOMES, calls
from daemon.web.metrics import render

DOCS = Path(__file__).parents[2] / "docs"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LR = AccountName("lr")


def spread(*seconds: float) -> Spread:
    found = Spread()
    for each in seconds:
        found.add(each)
    return found


def alert(kind: CauseKind, severity: Severity) -> Alert:
    return Alert(1, kind, LR, severity, "text", 1, NOON, NOON, None, None, None, "", "")


def job(account: AccountName, name: str) -> JobVerdict:
    return JobVerdict(account, name, JobHealth.OK, NOON, timedelta(), NOON, None, None, "")


VERDICT = Verdict(
    *(True, (), Loaded(NOON), NOON, NOON, (job(LR, "orders"), job(SITE, "alerts")), {}),
    waiting={("lr", "late"): 1},
    order_errors={("lr", "high"): 1},
    attention={("lr", "claims_open"): 1},
    alerts=(alert(CauseKind.HELD, Severity.CRITICAL), alert(CauseKind.DISK, Severity.WARNING)),
)
FACTS = AccountFacts(
    lapsed=1,
    accepted=90,
    rejected=10,
    set_aside=2,
    in_doubt=3,
    in_doubt_since=NOON,
    held={GuardRule.MASS_ZERO: (40, NOON)},
    waiting_since=NOON - HOUR,
    unanswered_since={FeedKind.OFFER: NOON - HOUR},
    pending_since={FeedKind.ITEM: NOON - HOUR},
)
FIGURES = Figures(
    *({("lr", "stock", "pending"): 3}, {("lr", "offer", "sent"): 1}, {("lr", "offer"): NOON}),
    *({("lr", "orders", "done"): 2}, {("missed",): 1}, {("lr", "known"): 7}),
    log_lines_dropped=5,
    build=Build("0.1.0", "3.11.7", "3.40.1", "0014"),
    accounts={LR: FACTS},
    machine=Machine(100, 50, 30, 7, NOON, None),
    undelivered={"mail": 2},
    durations={("lr", "orders"): spread(0.05, 0.2, 3.0, 4000.0)},
    calls=calls(),
    in_flight=2,
    lag=timedelta(milliseconds=250),
)
#: everything that a label may be; no listing, order, feed, address or text is among them
LABELS = {
    *("account", "flow", "state", "outcome", "kind", "part", "timeliness", "what", "severity", "event", "catalogue"),
    *("protocol", "rule", "way", "version", "python", "sqlite", "schema", "le"),
}


def scraped(verdict: Verdict = VERDICT, figures: Figures | None = FIGURES) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(render(verdict, figures).decode())}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    found = [
        each.value
        for family in families.values()
        for each in family.samples
        if (each.name, each.labels) == (sample, labels)
    ]
    assert len(found) == 1, (sample, labels, found)
    return float(found[0])


def test_everything_that_alerts_need_is_a_metric() -> None:  # D5
    found = scraped()

    assert value(found, "sellerd_alerts_open", kind="held", severity="critical") == 1
    assert value(found, "sellerd_alerts_open", kind="clock", severity="warning") == 0
    assert value(found, "sellerd_feed_answers_last_day", account="lr", outcome="rejected") == 10
    assert (
        value(found, "sellerd_pending_oldest_timestamp_seconds", account="lr", kind="item") == (NOON - HOUR).timestamp()
    )
    assert (
        value(found, "sellerd_feed_unanswered_timestamp_seconds", account="lr", kind="offer")
        == (NOON - HOUR).timestamp()
    )
    assert value(found, "sellerd_orders_oldest_waiting_timestamp_seconds", account="lr") == (NOON - HOUR).timestamp()
    assert value(found, "sellerd_updates_in_doubt", account="lr") == 3
    assert value(found, "sellerd_deliveries_set_aside", account="lr") == 2
    assert value(found, "sellerd_guard_held_parts", account="lr", rule="mass_zero") == 40
    assert value(found, "sellerd_guard_held_parts", account="lr", rule="price_fall") == 0
    assert value(found, "sellerd_database_log_bytes") == 7
    assert value(found, "sellerd_disk_free_bytes") == 50
    assert value(found, "sellerd_clock_synchronised") == 0
    assert value(found, "sellerd_event_loop_lag_seconds") == 0.25
    assert value(found, "sellerd_turns_in_flight") == 2
    assert value(found, "sellerd_notices_undelivered", way="mail") == 2
    assert value(found, "sellerd_build_info", version="0.1.0", python="3.11.7", sqlite="3.40.1", schema="0014") == 1


def test_how_long_turns_take_is_a_histogram() -> None:
    found = scraped()
    at = {"account": "lr", "flow": "orders"}

    counts = [
        (sample.labels["le"], sample.value)
        for sample in found["sellerd_turn_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert counts[:4] == [("0.05", 1), ("0.25", 2), ("1.0", 2), ("5.0", 3)]
    assert counts[-2:] == [("1800.0", 3), ("+Inf", 4)]
    assert [count for _, count in counts] == sorted(count for _, count in counts)
    assert value(found, "sellerd_turn_duration_seconds_count", **at) == 4
    assert value(found, "sellerd_turn_duration_seconds_sum", **at) == pytest.approx(4003.25)


def test_names_follow_the_rules_of_prometheus() -> None:
    for name, family in scraped().items():
        assert re.fullmatch(r"sellerd_[a-z][a-z_]*[a-z]", name), name
        assert family.documentation.endswith("."), name
        assert family.type in ("gauge", "counter", "histogram"), name
        # The parser names a counter without its suffix; nothing else may have it.
        assert not name.endswith("_total"), name
        assert not re.search(
            r"_(count|sum|bucket|info_info|milliseconds|minutes|hours|days|kb|mb|mib|percent)$", name
        ), name
        if family.type == "counter":
            assert all(sample.name == f"{name}_total" for sample in family.samples), name
        if "timestamp" in name:
            assert name.endswith("_timestamp_seconds"), name
        assert family.samples, name
        for sample in family.samples:
            assert set(sample.labels) <= LABELS, sample


def test_no_text_and_no_name_of_anything_numerous_is_a_label() -> None:
    many = Figures(
        *({("lr", "stock", "pending"): 1_000_000}, {}, {}, {}, {}, {}),
        accounts={LR: AccountFacts(set_aside=100_000, in_doubt=50_000)},
    )
    noisy = Verdict(
        *(True, (), Loaded(NOON), NOON, NOON, (job(LR, "orders"),), {}),
        alerts=tuple(
            Alert(
                n, CauseKind.SECRET_EXPIRES, LR, Severity.WARNING, f"text {n}", 1, NOON, NOON, None, None, None, "", ""
            )
            for n in range(500)
        ),
    )

    few = sum(len(family.samples) for family in scraped(noisy, many).values())

    assert few == sum(len(family.samples) for family in scraped(Verdict(*_plain(noisy)), many).values())
    assert few < 200


def _plain(verdict: Verdict) -> tuple[Any, ...]:
    return (verdict.ok, verdict.reasons, verdict.config, verdict.at, verdict.started_at, verdict.jobs, verdict.held)


def test_every_series_stands_once() -> None:
    for family in scraped().values():
        places = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(places) == len(set(places)), family.name


def test_counters_and_histograms_only_grow_while_the_process_runs() -> None:
    durations = {("lr", "orders"): spread(1.0)}
    figures = Figures({}, {}, {}, {("lr", "orders", "done"): 1}, {}, durations=durations, calls=calls())
    before = dict(_growing(scraped(VERDICT, figures)))
    durations["lr", "orders"].add(2.0)

    after = dict(_growing(scraped(VERDICT, figures)))

    assert before.keys() <= after.keys()
    assert all(after[place] >= before[place] for place in before)
    # Each outcome is there from the first scrape on, at zero, so that a rate can be taken of its first.
    assert {outcome for name, *rest in after if "calls" in name for _, outcome in rest if outcome in OUTCOMES} == set(
        OUTCOMES
    )


def _growing(families: dict[str, Metric]) -> Iterator[tuple[tuple[Any, ...], float]]:
    for family in families.values():
        if family.type in ("counter", "histogram"):
            for sample in family.samples:
                yield (sample.name, *sorted(sample.labels.items())), sample.value


#: what stands in a query and is no metric: PromQL's own words, and labels
_WORDS = {
    *("sum", "max", "min", "count", "by", "on", "rate", "increase", "time", "histogram_quantile", "clamp_min", "or"),
    *("and", "unless", "without", "ignoring", "group_left", "label_values", "query_result", "up", "absent", "changes"),
    *("vector", "topk", "sort_desc", "avg_over_time", "max_over_time", "delta", "bool", "job", "instance", "interval"),
}


def names_in(query: str) -> set[str]:
    """The metrics that a query names."""
    bare = re.sub(r'"[^"]*"', "", query)
    return {word for word in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare) if word.startswith("sellerd")}


def exposed() -> set[str]:
    return {sample.name for family in scraped().values() for sample in family.samples}


def labels_of(name: str) -> set[str]:
    return {
        label
        for family in scraped().values()
        for sample in family.samples
        if sample.name == name
        for label in sample.labels
    }


def test_the_dashboard_asks_for_what_is_there() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    variables = [each["definition"] for each in dashboard["templating"]["list"] if each["type"] == "query"]

    assert len(panels) >= 15
    assert dashboard["uid"] == "sellerd"
    for query in [*queries, *variables]:
        named = names_in(query)
        assert named, query
        assert named <= exposed(), (query, named - exposed())
        _check_labels(query, named)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert all(panel["title"] and panel["targets"] for panel in panels)
    # Every metric that there is stands somewhere on it, or in the rules.
    shown = {name for query in [*queries, *(rule["expr"] for rule in rules())] for name in names_in(query)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    wanted = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed()}
    assert wanted - families == set()


def _check_labels(query: str, named: set[str]) -> None:
    known = set().union(*(labels_of(name) for name in named)) | {"le", "instance"}
    for inside in re.findall(r"\{([^}]*)\}", query):
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|=|!=)", inside):
            assert label in known, (query, label)
    for inside in re.findall(r"(?:by|on|without)\s*\(([^)]*)\)", query):
        for label in filter(None, (each.strip() for each in inside.split(","))):
            assert label in known, (query, label)


def rules() -> list[dict[str, str]]:
    """The alert rules, read without a YAML library: the file keeps to one form, which this holds it to."""
    found: list[dict[str, str]] = []
    for line in (DOCS / "prometheus-rules.yml").read_text("utf-8").splitlines():
        begin = re.fullmatch(r"      - alert: (\w+)", line)
        key = re.fullmatch(r"        (expr|for): (.+)", line)
        inner = re.fullmatch(r"          (severity|summary|description): (.+)", line)
        if begin:
            found.append({"alert": begin[1]})
        elif key:
            found[-1][key[1]] = key[2]
        elif inner:
            found[-1][inner[1]] = inner[2]
        else:
            assert line in (
                "groups:",
                "  - name: sellerd",
                "    rules:",
                "        labels:",
                "        annotations:",
                "",
            ) or (line.startswith("#")), line
    return found


def test_the_alert_rules_ask_for_what_is_there() -> None:
    found = rules()

    assert len(found) >= 15
    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert set(rule) == {"alert", "expr", "for", "severity", "summary", "description"}, rule
        assert re.fullmatch(r"\d+[smhd]", rule["for"]), rule
        assert rule["severity"] in ("warning", "critical"), rule
        named = names_in(rule["expr"])
        assert named <= exposed(), rule
        assert named or "up{" in rule["expr"], rule
        _check_labels(rule["expr"], named)
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule
        for label in re.findall(r"\$labels\.(\w+)", rule["summary"] + rule["description"]):
            assert label in set().union(*(labels_of(name) for name in named)) | {"instance", "job"}, rule
