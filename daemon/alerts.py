"""From how things stand to what is wrong: the causes of alerts at one instant. Pure (D5, D11)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from daemon.alerting import AlertsTable
from daemon.health import JobHealth, JobVerdict, Machine, Verdict
from daemon.model import SITE, AccountName, FeedKind, GuardTerms, Timeliness
from daemon.rules.causes import Cause, CauseKind
from daemon.settings import ThresholdsTable
from daemon.store.alerts import Backlog
from daemon.store.claim_views import NEEDS_A_PERSON
from daemon.store.facts import AccountFacts
from daemon.store.holds import VANISHING, GuardRule
from daemon.store.pauses import Pause

#: a job is silent after this many of its intervals, and never sooner than its threshold
_INTERVALS = 4
_MIB = 1 << 20
#: an end by a failed storage is worth a word for this long
_ENDED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Watched:
    """One account with what is worth an alert there; `expires` names its secrets and when they end."""

    thresholds: ThresholdsTable
    facts: AccountFacts = field(default_factory=AccountFacts)
    guard: GuardTerms = field(default_factory=GuardTerms)
    expires: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Everything that is judged. `every` is how often the jobs come, `backlog` what could not be told, by way."""

    verdict: Verdict
    site: AlertsTable
    accounts: Mapping[AccountName, Watched]
    every: Mapping[AccountName, Mapping[str, timedelta]]
    machine: Machine = field(default_factory=Machine)
    backlog: Mapping[str, Backlog] = field(default_factory=dict)

    @cached_property
    def jobs(self) -> Mapping[AccountName, Sequence[JobVerdict]]:
        """The jobs of each account: looked through once, and not once for each of some thousand accounts."""
        return self.verdict.by_account()

    @cached_property
    def order_errors(self) -> Counter[str]:
        """How many things are wrong with the orders of each account, likewise."""
        found = Counter[str]()
        for (account, _), number in self.verdict.order_errors.items():
            found[account] += number
        return found


def judge(facts: Facts, now: datetime) -> set[Cause]:
    """What is wrong at `now`.

    What follows from something greater is not told beside it: a held account is not silent too, and while the process
    cannot work, nothing that stands still is a cause of its own.
    """
    found = {cause for rule in _SITE_RULES for cause in rule(facts, now)}
    for name, watched in facts.accounts.items():
        for rule in _ACCOUNT_RULES:
            found.update(rule(name, watched, facts, now))
    return found


# The site


def _process(facts: Facts, _: datetime) -> Iterator[Cause]:
    reasons = [reason for reason in facts.verdict.reasons if not reason.startswith(_DATABASE)]
    if reasons and reasons != ["the daemon is stopping"]:
        yield Cause(CauseKind.PROCESS, "; ".join(reasons))


_DATABASE = "the database"


def _database(facts: Facts, _: datetime) -> Iterator[Cause]:
    reasons = [reason for reason in facts.verdict.reasons if reason.startswith(_DATABASE)]
    if reasons:
        yield Cause(CauseKind.DATABASE, "; ".join(reasons))
    log, limit = facts.machine.log_bytes, facts.site.log_mib
    if limit and log is not None and log > limit * _MIB:
        yield Cause(CauseKind.DATABASE, f"the log of the database has {log // _MIB} MiB", subject="log")


def _disk(facts: Facts, _: datetime) -> Iterator[Cause]:
    size, free, site = facts.machine.disk_bytes, facts.machine.disk_free_bytes, facts.site
    if size is None or free is None:
        return
    percent = free * 100 / max(size, 1)
    # A large disk has room long after it is nearly full, a small one is full long before: whichever is kinder.
    limits = [limit for limit in (size * site.disk_free_percent // 100, site.disk_free_mib * _MIB) if limit]
    if limits and free < min(limits):
        text = f"{free // _MIB} MiB ({percent:.0f} %) are free on the disk of the state folder"
        yield Cause(CauseKind.DISK, text, urgent=free < min(limits) // 4)


def _clock(facts: Facts, now: datetime) -> Iterator[Cause]:
    since = facts.machine.unsynchronised_since
    if facts.site.unsynchronised and since is not None and now - since >= facts.site.unsynchronised:
        yield Cause(CauseKind.CLOCK, f"the clock has not been synchronised since {_at(since)} at least")


def _configuration(facts: Facts, _: datetime) -> Iterator[Cause]:
    loaded = facts.verdict.config
    if not loaded.ok:
        more = f" (and {len(loaded.problems) - 1} more)" if len(loaded.problems) > 1 else ""
        yield Cause(CauseKind.CONFIGURATION, f"the reload of {_at(loaded.at)} was refused: {loaded.problems[0]}{more}")


def _untold(facts: Facts, _: datetime) -> Iterator[Cause]:
    for way, backlog in facts.backlog.items():
        if way not in facts.site.ways:
            # What waited was given up with the way, and nothing will ever arrive there.
            continue
        text = f"{_count(backlog.notices, 'notice')} not delivered by {way} since {_at(backlog.since)}: {backlog.error}"
        yield Cause(CauseKind.UNTOLD, text, subject=way)


def _ended(facts: Facts, now: datetime) -> Iterator[Cause]:
    at = facts.machine.ended_at
    if at is not None and timedelta() <= now - at < _ENDED_FOR:
        yield Cause(CauseKind.ENDED, f"the daemon ended at {_at(at)} because its storage failed")


def _site_silence(facts: Facts, now: datetime) -> Iterator[Cause]:
    yield from _silence_of(SITE, facts.site.site_silence, facts, now)
    yield from _paused_of(SITE, facts)


# An account


def _held(name: AccountName, _: Watched, facts: Facts, _now: datetime) -> Iterator[Cause]:
    if (held := facts.verdict.held.get(name)) is not None:
        yield Cause(CauseKind.HELD, f"{name} needs a person since {_at(held[0])}: {_short(held[1])}", name)


def _paused(name: AccountName, _: Watched, facts: Facts, _now: datetime) -> Iterator[Cause]:
    yield from _paused_of(name, facts)


def _paused_of(name: AccountName, facts: Facts) -> Iterator[Cause]:
    """A paused job is loud everywhere (D13): one cause for all jobs of an account that one pause holds."""
    held: dict[Pause, list[str]] = {}
    for job in facts.jobs.get(name, ()):
        if job.pause is not None:
            held.setdefault(job.pause, []).append(job.job)
    for pause, jobs in held.items():
        until = f"until {_at(pause.until)}" if pause.until else "until somebody resumes it"
        text = f"{', '.join(jobs)}{f' of {name}' if name else ''} paused {until}: {_short(pause.reason)}"
        yield Cause(CauseKind.PAUSED, text, name, pause.job)


def _silence(name: AccountName, watched: Watched, facts: Facts, now: datetime) -> Iterator[Cause]:
    yield from _silence_of(name, watched.thresholds.silence, facts, now)


def _silence_of(name: AccountName, limit: timedelta, facts: Facts, now: datetime) -> Iterator[Cause]:
    if not limit or facts.verdict.reasons:
        return
    silent = [job for job in facts.jobs.get(name, ()) if _is_silent(job, limit, facts, now)]
    if silent:
        jobs = ", ".join(sorted(job.job for job in silent))
        since = min(job.last_success or facts.verdict.started_at for job in silent)
        errors = "; ".join(dict.fromkeys(_short(job.error) for job in silent if job.error))
        text = f"no success of {jobs} {f'of {name} ' if name else ''}since {_at(since)}"
        yield Cause(CauseKind.SILENCE, f"{text}: {errors}" if errors else text, name)


def _is_silent(job: JobVerdict, limit: timedelta, facts: Facts, now: datetime) -> bool:
    if job.state is JobHealth.HELD or job.pause is not None:
        return False
    every = facts.every.get(job.account, {}).get(job.job, timedelta())
    # What was missed while no daemon ran is not this one's silence.
    since = max(job.last_success or facts.verdict.started_at, facts.verdict.started_at)
    return now - since >= max(limit, _INTERVALS * every)


def _lapsing(name: AccountName, watched: Watched, _: Facts, _now: datetime) -> Iterator[Cause]:
    least, lapsed = watched.thresholds.lapsed_feeds, watched.facts.lapsed
    if least and lapsed >= least:
        yield Cause(CauseKind.LAPSING, f"{_count(lapsed, 'feed')} of {name} lapsed within a day", name)


def _overdue(name: AccountName, watched: Watched, _: Facts, now: datetime) -> Iterator[Cause]:
    waited = _waiting(watched.facts.unanswered_since, watched.thresholds.answers_overdue, now)
    for kind, since in waited:
        yield Cause(
            CauseKind.ANSWERS_OVERDUE, f"an {kind} feed of {name} has had no answer since {_at(since)}", name, kind
        )


def _pending(name: AccountName, watched: Watched, facts: Facts, now: datetime) -> Iterator[Cause]:
    if name in facts.verdict.held:
        return
    for kind, since in _waiting(watched.facts.pending_since, watched.thresholds.pending, now):
        text = f"{kind} changes of {name} are due since {_at(since)} and have not left"
        yield Cause(CauseKind.PENDING_TOO_LONG, text, name, kind)


def _waiting(since: Mapping[FeedKind, datetime], limit: timedelta, now: datetime) -> list[tuple[FeedKind, datetime]]:
    return [(kind, at) for kind, at in since.items() if limit and now - at >= limit]


def _rejections(name: AccountName, watched: Watched, _: Facts, _now: datetime) -> Iterator[Cause]:
    limits, facts = watched.thresholds, watched.facts
    answers = facts.accepted + facts.rejected
    if not limits.rejections_percent or facts.rejected < limits.rejections_least:
        return
    if facts.rejected * 100 >= limits.rejections_percent * answers:
        yield Cause(CauseKind.REJECTIONS, f"{facts.rejected} of {answers} answers for {name} within a day reject", name)


def _in_doubt(name: AccountName, watched: Watched, _: Facts, now: datetime) -> Iterator[Cause]:
    limit, since = watched.thresholds.in_doubt, watched.facts.in_doubt_since
    if limit and since is not None and now - since >= limit:
        updates = _count(watched.facts.in_doubt, "order update")
        yield Cause(CauseKind.IN_DOUBT, f"{updates} of {name} in doubt since {_at(since)}", name)


def _orders(name: AccountName, watched: Watched, facts: Facts, _now: datetime) -> Iterator[Cause]:
    if not watched.thresholds.orders:
        return
    for kind, timeliness, text in (
        (CauseKind.ORDERS_LATE, Timeliness.LATE, "past a deadline"),
        (CauseKind.ORDERS_DUE_SOON, Timeliness.DUE_SOON, "close to a deadline"),
    ):
        if number := facts.verdict.waiting.get((name, timeliness), 0):
            yield Cause(kind, f"{_count(number, 'order')} of {name} {text}", name)


def _attention(name: AccountName, watched: Watched, facts: Facts, _now: datetime) -> Iterator[Cause]:
    """Claims and failed updates; those in doubt have a cause of their own."""
    if not watched.thresholds.orders:
        return
    attention = facts.verdict.attention
    claims = sum(attention.get((name, f"claims_{state}"), 0) for state in NEEDS_A_PERSON)
    failed = attention.get((name, "updates_failed"), 0)
    told = [_count(number, what) for number, what in ((claims, "claim"), (failed, "failed order update")) if number]
    if told:
        yield Cause(CauseKind.ATTENTION, f"{' and '.join(told)} of {name} wait for a person", name)


def _order_errors(name: AccountName, watched: Watched, facts: Facts, _now: datetime) -> Iterator[Cause]:
    if watched.thresholds.orders and (number := facts.order_errors[name]):
        yield Cause(CauseKind.ORDER_ERRORS, f"{_count(number, 'thing')} wrong with orders of {name}", name)


def _set_aside(name: AccountName, watched: Watched, _: Facts, _now: datetime) -> Iterator[Cause]:
    if watched.thresholds.set_aside and watched.facts.set_aside:
        things = _count(watched.facts.set_aside, "delivery", "deliveries")
        yield Cause(CauseKind.SET_ASIDE, f"{things} of {name} cannot be read", name)


_HELD = {
    GuardRule.PRICE_FALL: "price falls",
    GuardRule.PRICE_RISE: "price rises",
    GuardRule.PROMOTION_FALL: "promotions",
    GuardRule.MASS_ZERO: "stocks going to zero",
    GuardRule.MASS_END: "listings ending",
}


def _guard(name: AccountName, watched: Watched, _: Facts, _now: datetime) -> Iterator[Cause]:
    for rule, (parts, since) in watched.facts.held.items():
        text = f"the guard holds {parts} {_HELD[rule]} of {name} back since {_at(since)}"
        if rule in VANISHING:
            text += ": where they are true, what is not there is being sold"
            if watched.guard.zero_expiry:
                text += f"; they leave by themselves at {_at(since + watched.guard.zero_expiry)}"
        yield Cause(CauseKind.GUARD, text, name, rule)


def _expiring(name: AccountName, watched: Watched, _: Facts, now: datetime) -> Iterator[Cause]:
    notice = watched.thresholds.expiry_notice
    for secret, ends in watched.expires.items():
        left = (ends - now.date()).days
        if notice and left <= notice.days:
            how = f"ends on {ends}" if left >= 0 else f"ended on {ends}"
            yield Cause(CauseKind.SECRET_EXPIRES, f"{secret} of {name} {how}", name, secret, urgent=left < 0)


_SiteRule = Callable[[Facts, datetime], Iterator[Cause]]
_AccountRule = Callable[[AccountName, Watched, Facts, datetime], Iterator[Cause]]

_SITE_RULES: tuple[_SiteRule, ...] = (
    *(_process, _database, _disk, _clock, _configuration, _untold, _ended, _site_silence),
)
_ACCOUNT_RULES: tuple[_AccountRule, ...] = (
    *(_held, _paused, _silence, _lapsing, _overdue, _pending, _rejections, _in_doubt, _orders, _attention),
    *(_order_errors, _set_aside, _guard, _expiring),
)


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:199]}…"
