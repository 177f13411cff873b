"""/metrics in the Prometheus text format.

Labels are accounts (empty: the site), jobs, kinds, parts and states, so they are bounded. A job is a `flow` there:
Prometheus itself calls what it scrapes a job.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from daemon.health import Figures, JobHealth, Verdict
from daemon.model import SITE, AccountName, FeedKind
from daemon.rules.causes import CauseKind, Severity
from daemon.rules.spread import Spread
from daemon.store.holds import GuardRule

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_Place = TypeVar("_Place", bound=tuple[str, ...])


def render(verdict: Verdict, figures: Figures | None) -> bytes:
    """One scrape. Without figures the counts are left out, and `sellerd_up` says that something is wrong."""
    registry = CollectorRegistry(auto_describe=False)
    families = [*_process(verdict), *_jobs(verdict), *_alerts(verdict)]
    if figures is not None:
        families += [*_counts(figures), *_accounts(figures), *_itself(figures)]
    registry.register(_Scrape(families))
    return generate_latest(registry)


class _Scrape(Collector):
    """What was measured once, for a registry that lasts as long as one answer."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _process(verdict: Verdict) -> list[Metric]:
    return [
        _gauge("sellerd_up", "Whether the process can do its work.", {(): float(verdict.ok)}),
        _gauge("sellerd_start_time_seconds", "When the process started.", {(): verdict.started_at.timestamp()}),
        _gauge(
            "sellerd_config_last_reload_successful",
            "Whether the configuration in the files is the one that runs.",
            {(): float(verdict.config.ok)},
        ),
        _gauge(
            "sellerd_config_last_reload_timestamp_seconds",
            "When the configuration was read last.",
            {(): verdict.config.at.timestamp()},
        ),
    ]


def _jobs(verdict: Verdict) -> list[Metric]:
    succeeded = {(job.account, job.job): job.last_success.timestamp() for job in verdict.jobs if job.last_success}
    lags = {(job.account, job.job): job.lag.total_seconds() for job in verdict.jobs}
    states = {
        (job.account, job.job, state.value): float(job.state is state) for job in verdict.jobs for state in JobHealth
    }
    paused = {(job.account, job.job): float(job.pause is not None) for job in verdict.jobs}
    accounts = {job.account for job in verdict.jobs if job.account != SITE}
    held = {(account,): float(account in verdict.held) for account in sorted(accounts)}
    return [
        _gauge("sellerd_account_held", "Whether an account needs a person.", held, "account"),
        _gauge(
            "sellerd_orders_waiting",
            "Orders that wait for the seller, by how they stand against their deadlines.",
            verdict.waiting,
            "account",
            "timeliness",
        ),
        _gauge(
            "sellerd_attention",
            "Claims and order updates that wait for a person, by what they are.",
            verdict.attention,
            "account",
            "what",
        ),
        _gauge(
            "sellerd_order_errors",
            "Things that are wrong with orders and wait for somebody.",
            verdict.order_errors,
            "account",
            "severity",
        ),
        _gauge("sellerd_job_state", "1 for the state that a job is in.", states, "account", "flow", "state"),
        _gauge("sellerd_job_paused", "Whether a person has paused a job.", paused, "account", "flow"),
        _gauge("sellerd_job_lag_seconds", "How long ago a job should have started.", lags, "account", "flow"),
        _gauge(
            "sellerd_job_last_success_timestamp_seconds", "When a job succeeded last.", succeeded, "account", "flow"
        ),
    ]


def _alerts(verdict: Verdict) -> list[Metric]:
    there = Counter((alert.kind.value, alert.severity.value) for alert in verdict.alerts)
    # Each kind always, so that an alert can be made of one that has never been.
    open_ones = {(kind.value, how.value): float(there[kind.value, how.value]) for kind in CauseKind for how in Severity}
    return [_gauge("sellerd_alerts_open", "What is wrong now, by kind of cause.", open_ones, "kind", "severity")]


def _accounts(figures: Figures) -> list[Metric]:
    facts = figures.accounts
    answers = {
        (name, outcome): float(getattr(each, outcome))
        for name, each in facts.items()
        for outcome in ("accepted", "rejected", "lapsed")
    }
    held = {
        (name, rule.value): float(each.held.get(rule, (0,))[0]) for name, each in facts.items() for rule in GuardRule
    }
    return [
        _gauge(
            "sellerd_feed_answers_last_day",
            "Listings that the feeds of a day had accepted or rejected, and feeds that lapsed.",
            answers,
            "account",
            "outcome",
        ),
        _gauge(
            "sellerd_pending_oldest_timestamp_seconds",
            "Since when the change is due that has waited longest for its feed; no sample where none waits.",
            _instants({name: each.pending_since for name, each in facts.items()}),
            "account",
            "kind",
        ),
        _gauge(
            "sellerd_feed_unanswered_timestamp_seconds",
            "Since when the oldest feed without an answer waits; no sample where none does.",
            _instants({name: each.unanswered_since for name, each in facts.items()}),
            "account",
            "kind",
        ),
        _gauge(
            "sellerd_orders_oldest_waiting_timestamp_seconds",
            "Since when the order line waits for the seller that has waited longest; no sample where none does.",
            {(name,): each.waiting_since.timestamp() for name, each in facts.items() if each.waiting_since},
            "account",
        ),
        _gauge(
            "sellerd_updates_in_doubt",
            "Order updates that may or may not have arrived.",
            {(name,): float(each.in_doubt) for name, each in facts.items()},
            "account",
        ),
        _gauge(
            "sellerd_deliveries_set_aside",
            "Things that came in and cannot be read.",
            {(name,): float(each.set_aside) for name, each in facts.items()},
            "account",
        ),
        _gauge("sellerd_guard_held_parts", "Parts that the change guard holds back.", held, "account", "rule"),
    ]


def _instants(by_account: Mapping[AccountName, Mapping[FeedKind, datetime]]) -> dict[tuple[str, str], float]:
    return {
        (name, kind.value): since.timestamp() for name, kinds in by_account.items() for kind, since in kinds.items()
    }


def _itself(figures: Figures) -> list[Metric]:
    build, machine = figures.build, figures.machine
    bytes_of = {
        "sellerd_disk_bytes": ("Size of the disk of the state folder.", machine.disk_bytes),
        "sellerd_disk_free_bytes": ("What is free on it for us.", machine.disk_free_bytes),
        "sellerd_database_bytes": ("Size of the database file.", machine.database_bytes),
        "sellerd_database_log_bytes": ("Size of its write-ahead log.", machine.log_bytes),
    }
    trusted = float(machine.unsynchronised_since is None)
    return [
        _gauge(
            "sellerd_build_info",
            "What runs: always 1.",
            {(build.version, build.python, build.sqlite, build.schema): 1.0},
            *("version", "python", "sqlite", "schema"),
        ),
        *(_gauge(name, text, {(): float(size)}) for name, (text, size) in bytes_of.items() if size is not None),
        _gauge("sellerd_clock_synchronised", "Whether the kernel trusts its clock.", {(): trusted}),
        _gauge(
            "sellerd_event_loop_lag_seconds",
            "How long the event loop stood still, at worst in the last few seconds.",
            {(): figures.lag.total_seconds()},
        ),
        _gauge("sellerd_turns_in_flight", "Turns that are being run.", {(): float(figures.in_flight)}),
        _histogram("sellerd_turn_duration_seconds", "How long turns take.", figures.durations, "account", "flow"),
        _counter(
            "sellerd_transport_calls",
            "Calls to marketplaces, mail servers and webhooks, by how they ended.",
            figures.calls,
            "protocol",
            "outcome",
        ),
        _gauge(
            "sellerd_notices_undelivered",
            "Notices that could not be delivered, by way.",
            {(way,): float(number) for way, number in figures.undelivered.items()},
            "way",
        ),
    ]


def _counts(figures: Figures) -> list[Metric]:
    gates = {place: opens.timestamp() if opens else 0.0 for place, opens in figures.gates.items()}
    return [
        _counter("sellerd_job_runs", "Turns by outcome.", figures.turns, "account", "flow", "outcome"),
        _counter("sellerd_log_lines_dropped", "Log lines that nobody read in time.", {(): figures.log_lines_dropped}),
        _counter("sellerd_scheduler_events", "What the scheduler reported.", figures.scheduler_events, "event"),
        _gauge("sellerd_gate_open_timestamp_seconds", "When a gate opens; 0 is open.", gates, "account", "kind"),
        _gauge("sellerd_listings", "Listings by part and state.", figures.listings, "account", "part", "state"),
        _gauge("sellerd_feeds", "Feeds by state.", figures.feeds, "account", "kind", "state"),
        _gauge(
            "sellerd_answers",
            "Answers with an error, by whether the catalogue of errors knows it.",
            figures.answers,
            "account",
            "catalogue",
        ),
    ]


def _gauge(name: str, text: str, values: Mapping[_Place, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for place, value in values.items():
        family.add_metric(place, value)
    return family


def _counter(name: str, text: str, values: Mapping[_Place, float], *labels: str) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for place, value in values.items():
        family.add_metric(place, value)
    return family


def _histogram(name: str, text: str, values: Mapping[_Place, Spread], *labels: str) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for place, spread in values.items():
        family.add_metric(place, list(spread.cumulative()), spread.total)
    return family
