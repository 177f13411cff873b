"""The whole timetable on one page: the site's jobs, and by what an account speaks its own: how often, and what for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from daemon.config import Config
from daemon.jobs import Job, SiteJob
from daemon.jobs.backups import back_up
from daemon.jobs.claims import read_claims
from daemon.jobs.feeds import send_items, send_offers
from daemon.jobs.folders import exchange_files
from daemon.jobs.housekeeping import tidy, tidy_site
from daemon.jobs.notices import ping, tell
from daemon.jobs.orders import download_orders
from daemon.jobs.reports import read_reports
from daemon.jobs.updates import send_refunds, send_updates
from daemon.jobs.webhooks import tell_receivers
from daemon.model import SITE, AccountName


@dataclass(frozen=True, slots=True)
class Row:
    """One job and how often it comes."""

    job: Job
    every: timedelta


def _keeps_backups(config: Config) -> bool:
    return config.backup.keep > 0


def _always(_: Config) -> bool:
    return True


def _tells(config: Config) -> bool:
    return bool(config.alerts.ways)


def _pings(config: Config) -> bool:
    return config.alerts.ping is not None


def _has_webhooks(config: Config) -> bool:
    return any(hook.active for hook in config.webhooks)


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One job that belongs to no account, how often it comes, and whether a configuration has a use for it."""

    job: SiteJob
    every: timedelta
    wanted: Callable[[Config], bool] = _always


_15_SECONDS = timedelta(seconds=15)
_MINUTE = timedelta(minutes=1)
_5_MINUTES, _10_MINUTES, _15_MINUTES = timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=15)
_20_MINUTES = timedelta(minutes=20)
_DAY = timedelta(days=1)

#: what belongs to no account; a turn of the same job never overlaps another here either
SITE_CRONTAB: Mapping[str, SiteRow] = {
    "alerts": SiteRow(tell, _MINUTE, _tells),  # notices by mail and webhook (D11); a new one does not wait for this
    "webhooks": SiteRow(tell_receivers, _15_SECONDS, _has_webhooks),  # receivers of webhooks hear what happened (S3)
    "ping": SiteRow(ping, _5_MINUTES, _pings),  # somebody outside hears of it when we fall silent
    "housekeeping": SiteRow(tidy_site, _DAY),  # what nobody's retention covers (D7)
    "backup": SiteRow(back_up, _DAY, _keeps_backups),  # a checked copy of the database, the newest ones kept (P29)
}

CRONTAB: Mapping[str, Mapping[str, Row]] = {
    # La Redoute
    "sellr": {
        "items": Row(send_items, _15_MINUTES),  # list and update items (L2)
        "offers": Row(send_offers, _15_MINUTES),  # stock, price, end and first offers, one feed an hour (L6-L9)
        "reports": Row(read_reports, _5_MINUTES),  # what came of the feeds (L2, L17)
        "orders": Row(download_orders, _10_MINUTES),  # orders are downloaded (L12)
        "updates": Row(send_updates, _10_MINUTES),  # accept, refuse, ship (L13, L18)
        "refunds": Row(send_refunds, _20_MINUTES),  # cancel and refund (L14)
        "exchange": Row(
            exchange_files, _MINUTE
        ),  # files dropped in and orders laid out, where there are folders (S1, S2)
        "housekeeping": Row(tidy, _DAY),  # retention of bytes and of personal data (D7, D12)
    },
    # John Lewis, and other retailers on The Edge (J15)
    "edge": {
        "offers": Row(send_offers, _15_MINUTES),  # stock (J3)
        "reports": Row(read_reports, _5_MINUTES),  # stock errors, and silence that means yes (J4)
        "orders": Row(download_orders, _10_MINUTES),  # orders with their marker (J5)
        "updates": Row(send_updates, _10_MINUTES),  # acknowledge, dispatch (J7, J8), and errors of all updates (J13)
        "claims": Row(read_claims, _10_MINUTES),  # requests to cancel, accepted by rule or by a person (J12)
        "refunds": Row(send_refunds, _10_MINUTES),  # cancel before and refund after dispatch (J9, J10)
        "exchange": Row(exchange_files, _MINUTE),
        "housekeeping": Row(tidy, _DAY),
    },
}


def timetable(config: Config) -> dict[AccountName, dict[str, Row]]:
    """The jobs of every active account, each as often as the account wants it."""
    return {
        name: {
            job: Row(row.job, account.every.get(job, row.every))
            for job, row in CRONTAB[account.speaks].items()
            if job != "exchange" or account.exchange.used
        }
        for name, account in config.active_accounts.items()
    }


def site_timetable(config: Config) -> dict[str, SiteRow]:
    """The jobs of no account that this configuration has a use for, each as often as it wants them."""
    return {
        job: replace(row, every=config.every.get(job, row.every))
        for job, row in SITE_CRONTAB.items()
        if row.wanted(config)
    }


def intervals(config: Config) -> dict[AccountName, dict[str, timedelta]]:
    """How often every job comes: those of the site under `SITE`, and those of the active accounts."""
    rows = {name: {job: row.every for job, row in jobs.items()} for name, jobs in timetable(config).items()}
    return {SITE: {job: row.every for job, row in site_timetable(config).items()}, **rows}
