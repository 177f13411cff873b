"""What `sellerd doctor` looks at, thing by thing: each finding with what to do about it."""

import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from daemon.cli.failures import Failure
from daemon.cli.proofs import Finding, Verdict, by_asking, by_itself
from daemon.cli.site import Site
from daemon.config import Config, check, host_keys, load
from daemon.crontab import intervals, site_timetable
from daemon.errors import AccessDenied, StoreError, TransportError
from daemon.health import JobHealth, JobVerdict, Loaded, Snapshot, Vitals, judge
from daemon.hostkeys import pinned
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import AccountName, FeedKind, Moment
from daemon.rules.gate import wait
from daemon.settings import AccountSettings, SftpTable
from daemon.store import Store, read_store
from daemon.store.backups import listed
from daemon.store.checkup import Checkup
from daemon.transports.handshake import addresses_of, greet
from daemon.transports.sftp import offered_host_keys

_MIB = 1 << 20
#: with less room than this nothing can be relied on; with less than that it is time to look
_NO_ROOM, _LITTLE_ROOM = 100 * _MIB, 1024 * _MIB
#: a log that is longer than this is not folded back
_LONG_LOG = 64 * _MIB
#: the clock may stand so far before the newest instant that the database knows
_CLOCK_SLACK = timedelta(minutes=5)
#: a certificate that ends sooner than this
_SOON = timedelta(days=14)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_UNITS = ("/etc/systemd/system/sellerd.service", "/lib/systemd/system/sellerd.service")
_SYSTEMD_RUNS = Path("/run/systemd/system")


def _ok(what: str, found: str) -> Finding:
    return Finding(what, Verdict.OK, found)


def _wrong(what: str, found: str, fix: str) -> Finding:
    return Finding(what, Verdict.WRONG, found, fix)


def _doubtful(what: str, found: str, fix: str) -> Finding:
    return Finding(what, Verdict.DOUBTFUL, found, fix)


def configuration(path: Path) -> tuple[Config | None, list[Finding]]:
    """The configuration itself; None where it cannot be taken over."""
    found = check(path)
    findings = [
        _wrong("configuration", problem, "mend that key; see: sellerd check-config") for problem in found.problems
    ]
    findings += [
        _doubtful("configuration", warning, "mend it, or leave it as it is meant") for warning in found.warnings
    ]
    with_secrets = [path, *sorted((path.parent / "accounts.d").glob("*.toml"))]
    for file in with_secrets:
        if file.exists() and file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            findings.append(_wrong("configuration", f"{file} can be changed by others", f"chmod go-w {file}"))
    if found.problems:
        return None, findings
    config = load(path)
    if not findings:
        findings.append(_ok("configuration", f"{path} is right: {len(config.active_accounts)} accounts are active"))
    return config, findings


def folder(state_dir: Path, database: Path) -> Iterator[Finding]:
    """The folder of the database, who may look into it, and the room on its disk."""
    what = "state folder"
    if not state_dir.is_dir():
        yield _wrong(what, f"{state_dir} is not there", "start the daemon once, or make it for the daemon's user")
        return
    if not os.access(state_dir, os.W_OK | os.X_OK):
        yield _doubtful(
            what, f"{state_dir} cannot be written by you", "run this as the daemon's user: sudo -u sellerd …"
        )
    for path in (state_dir, database, database.with_suffix(".mark"), state_dir / "known_hosts"):
        if path.exists() and path.stat().st_mode & _OTHERS:
            mode = "0700" if path.is_dir() else "0600"
            yield _wrong(what, f"others may open {path}, where customers stand", f"chmod {mode} {path}")
    free = shutil.disk_usage(state_dir).free
    size = database.stat().st_size if database.exists() else 0
    found = f"{free // _MIB} MiB are free, and the database has {size // _MIB}"
    if free < _NO_ROOM:
        yield _wrong("disk", found, "make room: a full disk ends the daemon")
    elif free < max(_LITTLE_ROOM, 2 * size):
        yield _doubtful("disk", found, "make room: a backup needs as much as the database has")
    else:
        yield _ok("disk", found)


def clock(now: Moment) -> Iterator[Finding]:
    """Whether the kernel calls its clock synchronised: only then does a gate survive a restart of the machine (L8)."""
    if now.synchronised:
        yield _ok("clock", f"synchronised; it is {now.at:%Y-%m-%d %H:%M:%S} UTC")
    else:
        yield _doubtful(
            "clock",
            f"the kernel does not call it synchronised; it says {now.at:%Y-%m-%d %H:%M:%S} UTC",
            "let systemd-timesyncd or chrony run; until then every gate starts its time again when the machine does",
        )
    if not now.boot_id or not now.boot_ns:
        yield _wrong(
            "clock", "the boot-time clock or the boot id cannot be read", "mount /proc; see the unit's ProcSubset"
        )


async def database(path: Path, now: Moment, config: Config | None, *, quick: bool) -> AsyncIterator[Finding]:
    """The database: its form, its pages, its references, the bytes that it keeps, and how each flow stands."""
    if not await anyio.Path(path).exists():
        yield _doubtful("database", f"{path} is not there yet", "start the daemon once, or import something")
        return
    try:
        async with read_store(path) as store:
            checkup = Checkup(store.database)
            schema = await checkup.schema()
            if schema.unknown:
                yield _wrong("schema", f"a newer sellerd wrote {', '.join(schema.unknown)}", "upgrade sellerd")
                return
            if schema.missing:
                yield _doubtful(
                    "schema", f"{len(schema.missing)} migrations are due", "start the daemon: it makes them"
                )
                return
            yield _ok("schema", "it is that of this sellerd")
            async for finding in _pages(checkup, path, quick=quick):
                yield finding
            async for finding in _clocks_and_gates(checkup, now, config):
                yield finding
            async for finding in _flows(store, now, config):
                yield finding
    except StoreError as error:
        yield _wrong("database", str(error), "look at the disk; put back a backup: sellerd restore")


async def _pages(checkup: Checkup, path: Path, *, quick: bool) -> AsyncIterator[Finding]:
    damage = await checkup.damage(quick=quick)
    for problem in damage:
        yield _wrong("integrity", problem, "stop the daemon, look at the disk, put back a backup: sellerd restore")
    if not damage:
        yield _ok("integrity", "every page is as it should be" + (" (looked at quickly)" if quick else ""))
    if not quick:
        broken = await checkup.broken_references()
        for problem in broken:
            yield _wrong("references", problem, "keep a copy of the database and tell the makers of sellerd")
        if not broken:
            yield _ok("references", "every row that is referred to is there")
    sample = await checkup.payloads()
    if sample.damaged:
        names = ", ".join(map(str, sample.damaged))
        yield _wrong("kept bytes", f"payloads {names} are not what was kept", "look at the disk; put back a backup")
    else:
        yield _ok("kept bytes", f"{sample.read} were read back, and are what was kept")
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LONG_LOG:
        yield _doubtful(
            "log of the database", f"{size // _MIB} MiB wait to be folded back", "sellerd jobs run housekeeping"
        )
    else:
        yield _ok("log of the database", f"{size // _MIB} MiB")


async def _clocks_and_gates(checkup: Checkup, now: Moment, config: Config | None) -> AsyncIterator[Finding]:
    latest = await checkup.last_instant()
    if latest is not None and latest > now.at + _CLOCK_SLACK:
        yield _wrong(
            "clock",
            f"the database knows of {latest:%Y-%m-%d %H:%M:%S} UTC, which is ahead of the clock",
            "set the clock; a database that was written with a wrong one rights itself when that time has come",
        )
    accounts: Mapping[AccountName, AccountSettings] = config.accounts if config else {}
    for account, kind, gate in await checkup.gates():
        settings = accounts.get(AccountName(account))
        rule = settings.feed_rules.get(FeedKind(kind)) if settings else None
        left = wait(gate, now)
        if rule is not None and left is not None and left > rule.deadline + rule.interval:
            yield _wrong(
                f"gate of {account}",
                f"{kind} feeds would wait until {now.at + left:%Y-%m-%d %H:%M:%S} UTC, longer than any may",
                "let the clock be right; the next turn brings the gate back to its interval",
            )


async def _flows(store: Store, now: Moment, config: Config | None) -> AsyncIterator[Finding]:
    if config is None:
        return
    held = await store.accounts.held()
    snapshot = Snapshot(await store.runs.snapshot(), held, pauses=await store.pauses.in_force(now.at))
    every = intervals(config)
    for job in judge(snapshot, Vitals(now.at, timedelta(), timedelta()), Loaded(now.at), every, now.at).jobs:
        yield _flow(job, every[job.account][job.job], now.at)
    for account in (await store.views.status(now))["accounts"]:
        if account["set_aside"]:
            found = f"{account['set_aside']} deliveries could not be read"
            yield _doubtful(f"deliveries of {account['name']}", found, "sellerd deliveries")
        if account["updates_in_doubt"]:
            found = f"of {account['updates_in_doubt']} order updates nobody knows whether they arrived"
            yield _doubtful(
                f"orders of {account['name']}", found, "look at the marketplace, then: sellerd orders resolve"
            )


def _flow(job: JobVerdict, every: timedelta, now: datetime) -> Finding:
    what = f"{job.account} {job.job}".strip()
    if job.state is JobHealth.HELD:
        return _wrong(what, "the account needs a person", f"sellerd accounts check {job.account} --connect")
    if job.pause is not None:
        return _doubtful(what, f"paused: {job.pause.reason}", job.pause.resumed_by)
    if job.state is JobHealth.FAILING:
        since = "" if job.failing_since is None else f" since {job.failing_since:%Y-%m-%d %H:%M} UTC"
        return _wrong(what, f"it fails{since}: {job.error}", "see what it says; docs/troubleshooting.md")
    if job.last_success is None:
        return _doubtful(what, "it has not succeeded yet", "start the daemon, and see: sellerd jobs list")
    if now - job.last_success > 2 * every + timedelta(hours=1):
        found = f"it succeeded last at {job.last_success:%Y-%m-%d %H:%M} UTC, and comes every {every}"
        return _wrong(what, found, "see whether the daemon runs: systemctl status sellerd")
    return _ok(what, f"it succeeded last at {job.last_success:%Y-%m-%d %H:%M} UTC")


def backups(place: Path, now: datetime, config: Config | None) -> Iterator[Finding]:
    """How old the newest copy of the database is, and whether its file is whole by its length."""
    every = site_timetable(config)["backup"].every if config and config.backup.keep else None
    try:
        found = listed(place)
    except OSError as error:
        yield _doubtful("backups", f"{place} cannot be read: {error.strerror}", "run this as the daemon's user")
        return
    if not found:
        fix = "sellerd backup" if every else "sellerd backup, and backup.keep in the configuration for one a day"
        yield _doubtful("backups", f"there is none in {place}", fix)
        return
    newest = found[0]
    age = now - newest.made_at
    if not newest.path.exists() or newest.path.stat().st_size != newest.size:
        yield _wrong("backups", f"{newest.path} is not whole", "sellerd backup; then see to the disk")
    elif age > 2 * (every or timedelta(days=7)):
        yield _wrong(
            "backups", f"the newest is of {newest.made_at:%Y-%m-%d %H:%M} UTC", "sellerd backup; sellerd jobs list"
        )
    else:
        yield _ok("backups", f"{len(found)} of them, the newest of {newest.made_at:%Y-%m-%d %H:%M} UTC")


async def running(site: Site) -> AsyncIterator[Finding]:
    """Whether a daemon answers, and what it says of itself."""
    fix = "systemctl start sellerd; journalctl -u sellerd"
    try:
        async with site.daemon() as control:
            if control is None:
                yield _doubtful("daemon", "none answers", fix)
                return
            verdict = await control.health()
    except Failure as failure:
        yield _wrong("daemon", f"it cannot do its work: {failure.message}", fix)
        return
    for problem in verdict["config_problems"]:
        yield _wrong("daemon", f"it runs with an older configuration: {problem}", "mend that, then: sellerd reload")
    for reason in verdict["reasons"]:
        yield _wrong("daemon", reason, fix)
    if verdict["ok"]:
        yield _ok("daemon", f"it works, since {verdict['started_at']}")


def service() -> Iterator[Finding]:
    """Whether systemd starts it when the machine starts."""
    if not _SYSTEMD_RUNS.exists() or shutil.which("systemctl") is None:
        yield Finding("service", Verdict.UNPROVEN, "systemd does not run here", "see docs/operations.md")
        return
    if not any(Path(unit).exists() for unit in _UNITS):
        yield _doubtful("service", "there is no sellerd.service", "install it: docs/operations.md")
        return
    for question, fix in (("is-enabled", "systemctl enable sellerd"), ("is-active", "systemctl start sellerd")):
        said = subprocess.run(
            ["systemctl", question, "sellerd"], capture_output=True, text=True, check=False, timeout=30
        )
        if said.returncode:
            yield _doubtful("service", f"{question}: {said.stdout.strip() or said.stderr.strip()}", fix)
        else:
            yield _ok("service", f"{question}: {said.stdout.strip()}")


async def far_sides(config: Config, now: datetime, *, connect: bool) -> AsyncIterator[Finding]:
    """The servers of every active account: found, greeted, and, when asked for, logged in to."""
    for name, account in config.active_accounts.items():
        for finding in by_itself(account, config.known_hosts, now):
            if finding.verdict is Verdict.WRONG:
                yield Finding(f"{name}: {finding.what}", finding.verdict, finding.found, finding.fix)
        for place, login in {
            (each.host, each.port): (place, each) for place, each in account.sftp_logins.items()
        }.values():
            yield await _sftp(name, place, login, pinned(config.known_hosts, login.host, login.port))
        for url in dict.fromkeys(account.service_urls.values()):
            yield await _service(name, url, now)
        if connect:
            async for finding in _logins(config, account, now):
                yield Finding(f"{name}: {finding.what}", finding.verdict, finding.found, finding.fix)


async def _sftp(name: str, place: str, login: SftpTable, trusted: Sequence[str]) -> Finding:
    what = f"{name}: {place} ({login.host})"
    try:
        addresses = await addresses_of(login.host, login.port)
        offered = await offered_host_keys(login.host, login.port)
    except TransportError as error:
        return _wrong(what, str(error), "look at the network, the firewall, and host and port of the login")
    known = {" ".join(key.split()[:2]) for key in (*login.host_keys, *trusted)}
    if not known:
        return _wrong(what, "no host key is trusted", f"compare and trust it: sellerd accounts trust {name}")
    if not known & {" ".join(key.line.split()[:2]) for key in offered}:
        return _wrong(
            what,
            f"it shows another host key than the trusted one: {', '.join(key.fingerprint for key in offered)}",
            f"ask the marketplace whether it has changed it; then: sellerd accounts trust {name}",
        )
    return _ok(what, f"at {', '.join(addresses)}, with the host key that is trusted")


async def _service(name: str, url: str, now: datetime) -> Finding:
    host = url.split("/")[2]
    what = f"{name}: {host}"
    try:
        greeting = await greet(url)
    except AccessDenied as error:
        return _wrong(
            what, str(error), "look at the machine's certificates (ca-certificates), then ask the marketplace"
        )
    except TransportError as error:
        return _wrong(what, str(error), "look at the network and the firewall, then at urls of the account")
    if greeting.valid_until is not None and greeting.valid_until - now < _SOON:
        ends = f"its certificate ends at {greeting.valid_until:%Y-%m-%d} UTC"
        return _doubtful(what, ends, "nothing yet: the marketplace renews it; ask it when it does not")
    return _ok(what, f"at {', '.join(greeting.addresses)}, {greeting.version or 'without TLS'}")


async def _logins(config: Config, account: AccountSettings, now: datetime) -> AsyncIterator[Finding]:
    way = DIALECTS[account.speaks].open(account, host_keys(config, account))
    try:
        async for finding in by_asking(way.checks(now)):
            yield finding
    finally:
        await way.aclose()
