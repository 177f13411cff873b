"""Tell outwards what is wrong: notices by e-mail and webhook, and the ping that says that we are well."""

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from daemon.alerting import WAYS, AlertsTable, HookTable, MailTable, Way
from daemon.errors import DaemonError, Refused, TransportError
from daemon.jobs import Outcome, SiteRun
from daemon.model import Moment
from daemon.rules.causes import ABOUT, CauseKind
from daemon.rules.signing import signed
from daemon.store.alerts import Notice, NoticeEntry
from daemon.transports.mail import Mail, send_mail
from daemon.transports.outward import Outward

#: a daemon that has not said for so long that it is well does not ping
WELL_FOR = timedelta(minutes=2)
_SUCCESS = range(200, 300)
#: alerts are kept for this long after they are resolved
_KEPT = timedelta(days=90)


class NotTold(TransportError):
    """A notice could not be delivered by one way at least; what could not is tried again."""


async def tell(run: SiteRun) -> Outcome:
    """Deliver the notices that wait, each way by itself: what waits on one way goes out as one message."""
    store, site, now = run.store, run.config.alerts, run.now
    await store.alerts.prune(now.at - _KEPT)
    done, faults, again = 0, [], []
    for way in WAYS:
        if way not in site.ways:
            await store.alerts.abandon(way, now.at)
            continue
        notices = await store.alerts.waiting(way, now.at)
        if not notices:
            continue
        try:
            await send(site, way, notices, now.at)
        except DaemonError as error:
            faults.append(f"{way}: {error}")
            again.append(await store.alerts.failed(way, notices, str(error), now.at, site.give_up))
        else:
            await store.alerts.delivered(way, notices, now.at)
            done += len(notices)
    if faults:
        raise NotTold("; ".join(faults))
    return Outcome(done=done, note=f"{done} notices delivered" if done else "")


async def ping(run: SiteRun) -> Outcome:
    """Ask the address that waits for us to fall silent, but only while the daemon has found itself well just now."""
    table = run.config.alerts.ping
    if table is None:
        return Outcome(note="no ping is configured")
    well_at = await run.store.alerts.well_at()
    if well_at is None or not timedelta() <= run.now.at - well_at <= WELL_FOR:
        return Outcome(note="not asked: the daemon is not well")
    reply = await Outward(private=table.allow_private, authority=table.authority).get(table.url.reveal())
    if reply.status not in _SUCCESS:
        raise Refused(f"the ping was answered with status {reply.status}", code=str(reply.status))
    return Outcome(done=1)


async def try_ways(site: AlertsTable, now: Moment) -> dict[str, str]:
    """Send a message that says that it is a test by every way; returns what went wrong by way, empty where nothing."""
    entry = {
        "change": "test",
        "id": 0,
        "kind": "test",
        "account": "",
        "severity": "warning",
        "text": "This is a test: alerts of sellerd arrive here.",
        "times": 1,
        "first_seen_at": _iso(now.at),
        "last_seen_at": _iso(now.at),
    }
    told: dict[str, str] = {}
    for way in WAYS:
        if way in site.ways:
            told[way] = await _attempt(site, way, [Notice(0, now.at, (entry,))], now.at)
    return told


async def last_words(site: AlertsTable, text: str, at: datetime) -> None:
    """Say by every way that the daemon ends because its storage failed: nothing can be recorded any more."""
    entry = {
        "change": "opened",
        "id": 0,
        "kind": CauseKind.DATABASE.value,
        "account": "",
        "severity": "critical",
        "text": f"The daemon ends because its storage failed: {text}",
        "times": 1,
        "first_seen_at": _iso(at),
        "last_seen_at": _iso(at),
    }
    for way in WAYS:
        if way in site.ways:
            await _attempt(site, way, [Notice(0, at, (entry,))], at)


async def _attempt(site: AlertsTable, way: Way, notices: Sequence[Notice], at: datetime) -> str:
    try:
        await send(site, way, notices, at)
    except DaemonError as error:
        return str(error)
    return ""


async def send(site: AlertsTable, way: Way, notices: Sequence[Notice], at: datetime) -> None:
    """Send notices as one message by one configured way; raises TransportError and MarketplaceError."""
    entries = merged(notices)
    if way == "mail" and site.mail is not None:
        await _by_mail(site.mail, notices, entries, at)
    elif way == "webhook" and site.webhook is not None:
        await _by_webhook(site.webhook, notices, entries, at)


def merged(notices: Sequence[Notice]) -> list[NoticeEntry]:
    """The last that was said of each alert, the gravest first; what opened and is over by now is only over."""
    last: dict[object, NoticeEntry] = {}
    for notice in notices:
        for entry in notice.entries:
            last[entry["id"]] = entry
    return sorted(last.values(), key=lambda entry: (entry["change"] == "resolved", entry["severity"], entry["id"]))


async def _by_mail(table: MailTable, notices: Sequence[Notice], entries: Sequence[NoticeEntry], at: datetime) -> None:
    mail = Mail(
        id=f"sellerd-{_name(notices)}",
        sender=table.sender,
        recipients=table.recipients,
        subject=subject(entries),
        text=text(entries),
        at=at,
    )
    await send_mail(table.server, mail)


async def _by_webhook(
    table: HookTable, notices: Sequence[Notice], entries: Sequence[NoticeEntry], at: datetime
) -> None:
    data = {
        "version": 1,
        "notices": [notice.id for notice in notices],
        "host": socket.gethostname(),
        "alerts": [{**entry, **_about(entry)} for entry in entries],
    }
    body = json.dumps({"type": "alerts", "timestamp": _iso(at), "data": data}, ensure_ascii=False).encode()
    secret = table.secret.reveal() if table.secret is not None else ""
    headers = {"content-type": "application/json", **signed(secret, _name(notices), at, body)}
    outward = Outward(private=table.allow_private, authority=table.authority)
    reply = await outward.post(table.url.reveal(), headers=headers, body=body)
    if reply.status not in _SUCCESS:
        raise Refused(f"the webhook answered with status {reply.status}", code=str(reply.status))


def _name(notices: Sequence[Notice]) -> str:
    """What the same message is called when it is sent again, and no other ever is."""
    return f"{int(notices[0].made_at.timestamp())}-{notices[0].id}-{notices[-1].id}"


def subject(entries: Sequence[NoticeEntry]) -> str:
    """What a message is about, the gravest first."""
    open_ones = [entry for entry in entries if entry["change"] != "resolved"]
    over = len(entries) - len(open_ones)
    if not open_ones:
        first = entries[0]["text"]
        return _line(f"[sellerd] resolved: {first}" if over == 1 else f"[sellerd] {over} resolved: {first}, …")
    head = open_ones[0]
    more = [f"{len(open_ones) - 1} more"] if len(open_ones) > 1 else []
    more += [f"{over} resolved"] if over else []
    return _line(f"[sellerd] {head['severity'].upper()}: {head['text']}") + (f" (+ {', '.join(more)})" if more else "")


_CHANGES = {"opened": "NEW", "still": "STILL THERE", "resolved": "RESOLVED", "test": "TEST"}


def text(entries: Sequence[NoticeEntry]) -> str:
    """A message for people: each alert with since when, how often, what it means and what to do."""
    return "\n\n".join(_paragraph(entry) for entry in entries) + "\n\n-- \nsellerd on " + socket.gethostname() + "\n"


def _paragraph(entry: NoticeEntry) -> str:
    head = f"{_CHANGES[entry['change']]} · {entry['severity']} · {entry['text']}"
    since = f"  since {entry['first_seen_at']}"
    if entry["change"] == "resolved":
        since += f", until {entry['resolved_at']}"
    if entry["times"] > 1:
        since += f", {entry['times']} times"
    about = _about(entry)
    if not about or entry["change"] == "resolved":
        return f"{head}\n{since}"
    return f"{head}\n{since}\n  {about['meaning']}\n  What to do: {about['fix']}"


def _about(entry: NoticeEntry) -> Mapping[str, Any]:
    if entry["kind"] not in set(CauseKind):
        return {}
    about = ABOUT[CauseKind(entry["kind"])]
    return {"meaning": about.meaning, "fix": about.fix}


def _line(words: str) -> str:
    return words if len(words) <= 150 else f"{words[:149]}…"


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
