"""What can be wrong enough to tell somebody: each kind of cause with its weight, its meaning and its fix."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from daemon.model import SITE, AccountName


class Severity(StrEnum):
    """CRITICAL: sales or promises are lost while it lasts. WARNING: they will be, if nobody looks."""

    WARNING = "warning"
    CRITICAL = "critical"


class CauseKind(StrEnum):
    """Every kind of cause there is; docs/alerts.md has each with its meaning and its fix."""

    SILENCE = "silence"
    HELD = "held"
    PAUSED = "paused"
    LAPSING = "lapsing"
    ANSWERS_OVERDUE = "answers_overdue"
    PENDING_TOO_LONG = "pending_too_long"
    REJECTIONS = "rejections"
    IN_DOUBT = "in_doubt"
    ORDERS_LATE = "orders_late"
    ORDERS_DUE_SOON = "orders_due_soon"
    ATTENTION = "attention"
    ORDER_ERRORS = "order_errors"
    SET_ASIDE = "set_aside"
    GUARD = "guard"
    SECRET_EXPIRES = "secret_expires"  # noqa: S105 - a kind of cause
    PROCESS = "process"
    DATABASE = "database"
    DISK = "disk"
    CLOCK = "clock"
    CONFIGURATION = "configuration"
    UNTOLD = "untold"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class About:
    """What is to be known of a kind of cause by whoever is told of one."""

    severity: Severity
    meaning: str
    fix: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong now. Two of the same kind, account and subject are the same thing, whatever they say.

    `subject` tells apart what one account may have several of; `text` is a sentence of now, without personal data.
    """

    kind: CauseKind
    text: str
    account: AccountName = SITE
    subject: str = ""
    urgent: bool = False

    @property
    def key(self) -> str:
        """What is the same as long as the cause lasts."""
        return f"{self.kind}:{self.account}:{self.subject}".rstrip(":")

    @property
    def severity(self) -> Severity:
        """Its weight: that of its kind, or more where it says so."""
        return Severity.CRITICAL if self.urgent else ABOUT[self.kind].severity


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

ABOUT: Mapping[CauseKind, About] = {
    CauseKind.SILENCE: About(
        _CRITICAL,
        "Jobs have not succeeded for longer than they may: what they carry stands still.",
        "The text has the last error. Mostly the marketplace or the network is down and it heals by itself; otherwise"
        " mend what the error names. See: sellerd status",
    ),
    CauseKind.HELD: About(
        _CRITICAL,
        "The marketplace refused the login, a key or a token, so the account is left alone.",
        "Put the right secret in place and run: sellerd reload (or: sellerd accounts release NAME)",
    ),
    CauseKind.PAUSED: About(
        _WARNING,
        "A person has paused a job, and nothing of what it carries moves.",
        "Resume it when the reason is gone: sellerd jobs resume JOB --account ACCOUNT",
    ),
    CauseKind.LAPSING: About(
        _WARNING,
        "Feeds were never answered in their time, so what they carried is sent again.",
        "Look whether reports still arrive in the account's folder, and ask the marketplace. See: sellerd feeds list",
    ),
    CauseKind.ANSWERS_OVERDUE: About(
        _WARNING,
        "A feed waits for its answer longer than usual, and holds the next one back.",
        "Nothing, unless it lasts: it lapses by itself. See: sellerd gate",
    ),
    CauseKind.PENDING_TOO_LONG: About(
        _CRITICAL,
        "Changes are due and have not left: the marketplace shows old stock or prices.",
        "Look why no feed leaves: sellerd gate, and sellerd listings explain --account ACCOUNT SKU",
    ),
    CauseKind.REJECTIONS: About(
        _WARNING,
        "The marketplace turns down a large share of what it is sent.",
        "See what it says and what to do about it: sellerd feeds codes",
    ),
    CauseKind.IN_DOUBT: About(
        _CRITICAL,
        "Something may or may not have arrived, and the marketplace cannot be asked.",
        "See the marketplace's own pages, then say what you saw: sellerd orders resolve --account ACCOUNT NUMBER"
        " --arrived (or --again)",
    ),
    CauseKind.ORDERS_LATE: About(
        _CRITICAL,
        "Orders wait for you past their deadline.",
        "Accept, ship or refuse them: sellerd orders list --late",
    ),
    CauseKind.ORDERS_DUE_SOON: About(
        _WARNING,
        "Orders wait for you and their deadline is near.",
        "Accept, ship or refuse them: sellerd orders list",
    ),
    CauseKind.ATTENTION: About(
        _WARNING,
        "Claims or failed order updates wait for a person.",
        "See them and decide: sellerd orders list, sellerd claims list",
    ),
    CauseKind.ORDER_ERRORS: About(
        _WARNING,
        "Something is wrong with orders that sellerd cannot mend by itself.",
        "See which, and why: sellerd orders list --errors",
    ),
    CauseKind.SET_ASIDE: About(
        _WARNING,
        "Something came in that cannot be read; it is kept, and what stands behind it goes on.",
        "See the reason: sellerd deliveries. Mend it and retry, or let it be sent again and close it.",
    ),
    CauseKind.GUARD: About(
        _CRITICAL,
        "Changes look like a mistake at machine speed and wait for a person; held zeros may be sold meanwhile.",
        "See them and decide: sellerd guard list, then sellerd guard approve or reject",
    ),
    CauseKind.SECRET_EXPIRES: About(
        _WARNING,
        "A password, key or token of the account ends soon.",
        "Renew it, put it in place, write its new date under expires, and run: sellerd reload",
    ),
    CauseKind.PROCESS: About(
        _CRITICAL,
        "The daemon cannot do its work: its scheduler stands still, its loop is blocked, or a turn hangs.",
        "systemd restarts it by itself; where that does not help, see its log: journalctl -u sellerd",
    ),
    CauseKind.DATABASE: About(
        _CRITICAL,
        "The database does not answer, cannot be written, or its log grows without end.",
        "Free space and look at the disk; who holds a long read open may be another program on sellerd.db.",
    ),
    CauseKind.DISK: About(
        _WARNING,
        "The disk of the state folder is nearly full; full, nothing can be recorded, so nothing is sent.",
        "Free space, or shorten payload_retention and run: sellerd jobs run housekeeping --account ACCOUNT",
    ),
    CauseKind.CLOCK: About(
        _WARNING,
        "The kernel does not call its clock synchronised: after a reboot every hour starts again, and deadlines drift.",
        "Run a time service, such as chrony or systemd-timesyncd, and check: timedatectl",
    ),
    CauseKind.CONFIGURATION: About(
        _WARNING,
        "The last reload was refused: what stands in the files is not what runs.",
        "Mend what it names and run: sellerd check-config, then sellerd reload",
    ),
    CauseKind.UNTOLD: About(
        _WARNING,
        "Notices cannot be delivered, so somebody does not hear of what is wrong.",
        "Mend the mail server or the webhook, and try it: sellerd alerts test",
    ),
    CauseKind.ENDED: About(
        _WARNING,
        "The daemon ended because its storage failed, and has started again.",
        "Look at the disk and at the log from before: journalctl -u sellerd, and sellerd doctor",
    ),
}
