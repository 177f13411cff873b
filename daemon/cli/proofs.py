"""What `sellerd accounts check` proves of one account: by its configuration alone, and by asking each far side."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from daemon.errors import AccessDenied, MarketplaceError, TransportError
from daemon.hostkeys import pinned
from daemon.marketplaces import Check
from daemon.marketplaces.dialects import DIALECTS
from daemon.rules.safety import FIELDS
from daemon.settings import AccountSettings, SftpTable, secrets_in
from daemon.transports.sftp import fingerprint, parse_private_key

_TRUST = "compare the fingerprint with what the marketplace told you: sellerd accounts trust"


class Verdict(StrEnum):
    """UNPROVEN is not wrong: only something that writes could show it, or what it needs is wrong already.

    DOUBTFUL works, and is still worth a look.
    """

    OK = "ok"
    WRONG = "wrong"
    DOUBTFUL = "doubtful"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, what was found, and what to do where it is wrong."""

    what: str
    verdict: Verdict
    found: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def of_problems(problems: Sequence[str]) -> list[Finding]:
    """A configuration that cannot be taken over, sentence by sentence; each says itself what to do."""
    return [Finding("configuration", Verdict.WRONG, problem, "mend that key") for problem in problems]


def by_itself(account: AccountSettings, known_hosts: Path, now: datetime) -> Iterator[Finding]:
    """Everything that the configuration of an account shows without a connection."""
    yield Finding("configuration", Verdict.OK, "every key is known, and each value is of its form")
    if not account.active:
        yield Finding("active", Verdict.UNPROVEN, "the account is not active, so none of its jobs run", "active = true")
    yield Finding("time zone", Verdict.OK, f"{account.time_zone}, where it is {now.astimezone(account.zone):%H:%M} now")
    yield from _secrets(account)
    for place, login in account.sftp_logins.items():
        yield _host_key(account, place, login, known_hosts)
        if login.private_key is not None:
            yield _private_key(place, login)
    yield _tracking(account)
    yield from _catalogue(account)
    yield from _safety(account)


def _secrets(account: AccountSettings) -> Iterator[Finding]:
    for place, secret in secrets_in(account):
        text = secret.reveal()
        if not text.strip():
            yield Finding(place, Verdict.WRONG, "the secret is empty", "write the secret into its file")
        elif not place.endswith("private_key") and (text != text.strip() or not text.isprintable()):
            fix = "write the file anew; an editor or a copy may have added what cannot be seen"
            yield Finding(place, Verdict.WRONG, "the secret begins or ends with a blank, or holds a control sign", fix)
        else:
            yield Finding(place, Verdict.OK, "the secret can be read")


def _host_key(account: AccountSettings, place: str, login: SftpTable, known_hosts: Path) -> Finding:
    what, fix = f"{place}: host key of {login.host}", f"{_TRUST} {account.name}"
    try:
        keys = [*login.host_keys, *pinned(known_hosts, login.host, login.port)]
        shown = [fingerprint(key) for key in dict.fromkeys(keys)]
    except OSError as error:
        return Finding(
            what, Verdict.WRONG, f"{known_hosts} cannot be read: {error.strerror}", "give the user the right"
        )
    except ValueError as error:
        return Finding(what, Verdict.WRONG, f"a trusted key is {error}", fix)
    if not shown:
        return Finding(what, Verdict.WRONG, "no key is trusted, so no connection will be made", fix)
    return Finding(what, Verdict.OK, f"trusted: {', '.join(shown)}")


def _private_key(place: str, login: SftpTable) -> Finding:
    what = f"{place}.private_key"
    passphrase = "" if login.passphrase is None else login.passphrase.reveal()
    try:
        parse_private_key("" if login.private_key is None else login.private_key.reveal(), passphrase)
    except ValueError as error:
        return Finding(what, Verdict.WRONG, str(error), f"look at {place}.private_key and {place}.passphrase")
    return Finding(what, Verdict.OK, "the key can be opened")


def _tracking(account: AccountSettings) -> Finding:
    if not account.tracking_url:
        return Finding("tracking_url", Verdict.OK, "none: a parcel without a URL of its own goes out without one")
    return Finding("tracking_url", Verdict.OK, f"parcel 123 gets {account.tracking_url_of('123')}")


def _catalogue(account: AccountSettings) -> Iterator[Finding]:
    shipped = len(DIALECTS[account.speaks].errors().entries)
    own = getattr(getattr(account, "report", None), "catalogue", None)
    if shipped or own:
        yield Finding(
            "errors", Verdict.OK, f"{shipped} errors are known, and {len(own.entries) if own else 0} by your own file"
        )


def _safety(account: AccountSettings) -> Iterator[Finding]:
    """Which of what product safety asks for has no attribute to go out in: it is kept, and never sent (C9)."""
    terms = account.item_limits.safety if account.item_limits else None
    if terms is None:
        return
    unsent = [name for name in FIELDS if name not in terms.codes]
    if unsent:
        found = f"kept, and not sent for want of an attribute: {', '.join(unsent)}"
        fix = "ask La Redoute for the codes, and write them in items.safety.attributes"
        yield Finding("product safety", Verdict.UNPROVEN, found, fix)
    else:
        yield Finding("product safety", Verdict.OK, "everything that is asked for has an attribute to go out in")


async def by_asking(checks: Sequence[Check]) -> AsyncIterator[Finding]:
    """What the far sides say. A login that was refused is not tried again: that may lock the account."""
    closed: dict[str, str] = {}
    for check in checks:
        keys = ", ".join(check.keys)
        if check.probe is None:
            yield Finding(check.name, Verdict.UNPROVEN, check.note, f"compare with what the marketplace wrote: {keys}")
        elif check.side in closed:
            yield Finding(check.name, Verdict.UNPROVEN, f"not tried, because of {closed[check.side]}", keys)
        else:
            yield await _asked(check, check.probe, keys, closed)


async def _asked(check: Check, probe: Callable[[], Awaitable[str]], keys: str, closed: dict[str, str]) -> Finding:
    try:
        return Finding(check.name, Verdict.OK, await probe())
    except AccessDenied as error:
        closed[check.side] = check.name
        return Finding(check.name, Verdict.WRONG, str(error), f"look at {keys}")
    except TransportError as error:
        return Finding(check.name, Verdict.WRONG, str(error), f"look at the network, then at {keys}")
    except MarketplaceError as error:
        return Finding(check.name, Verdict.WRONG, f"it says: {error}", f"look at {keys}")
