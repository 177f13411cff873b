"""/metrics in the Prometheus text format.

Labels are accounts (empty: the site), jobs, kinds, parts and states, so they are bounded.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from daemon.health import Figures, JobHealth, Verdict
from daemon.model import SITE

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_Place = TypeVar("_Place", bound=tuple[str, ...])


def render(verdict: Verdict, figures: Figures | None) -> bytes:
    """One scrape. Without figures the counts are left out, and `sellerd_up` says that something is wrong."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape([*_process(verdict), *_jobs(verdict), *(_counts(figures) if figures else [])]))
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
        _gauge("sellerd_job_state", "1 for the state that a job is in.", states, "account", "job", "state"),
        _gauge("sellerd_job_paused", "Whether a person has paused a job.", paused, "account", "job"),
        _gauge("sellerd_job_lag_seconds", "How long ago a job should have started.", lags, "account", "job"),
        _gauge("sellerd_job_last_success_timestamp_seconds", "When a job succeeded last.", succeeded, "account", "job"),
    ]


def _counts(figures: Figures) -> list[Metric]:
    gates = {place: opens.timestamp() if opens else 0.0 for place, opens in figures.gates.items()}
    return [
        _counter("sellerd_job_runs", "Turns by outcome.", figures.turns, "account", "job", "outcome"),
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
