"""The thirty promises: each with its sentence, what shows it, and what is not shown or cannot be promised."""

from dataclasses import dataclass

SIMULATIONS = ("simulation laredoute", "simulation johnlewis")


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise.

    `shown` names counts of methods, each as (method, count); `tests` are files that run on every change; `left` says
    what is not measured yet, `instead` what happens where a marketplace makes the promise impossible.
    """

    sentence: str
    shown: tuple[tuple[str, str], ...] = ()
    tests: tuple[str, ...] = ()
    left: str = ""
    instead: str = ""


_HOURS = tuple((name, "simulated hours") for name in SIMULATIONS)
_ORDERS = tuple((name, "orders") for name in SIMULATIONS)
_RESTARTS = tuple((name, "restarts and crashes") for name in SIMULATIONS)
_UPDATES = (("simulation johnlewis", "order updates received"),)
_QUIET = tuple((name, "quiet moments compared") for name in SIMULATIONS)
_KILLED = (("crashpoints", "killed at fdatasync"), ("crashpoints", "killed at sendto"))
_GAPS = (("simulation laredoute", "pairs of offer feeds, an hour apart or more"),)
_CUT_REQUESTS = tuple(
    ("cuts", f"cuts of {message}") for message in ("offer feed", "item feed", "order update", "request over TLS")
)
_CUT_FILES = tuple(
    ("cuts", f"cuts of {message}")
    for message in (
        "order update with its marker",
        "file that is renamed",
        "stock file",
        "order update without a marker",
    )
)
_CUT_ORDERS = tuple(
    ("cuts", f"cuts of {message}")
    for message in ("orders asked for", "order file and its confirmation", "login by SFTP, listing and download")
)

PROMISES = (
    Promise(
        "Two stock or price feeds of one La Redoute account never come less than an hour apart.",
        (*_GAPS, *_KILLED),
        ("tests/store/test_gate.py", "tests/jobs/test_properties.py", "tests/test_crash.py"),
        "Moving the database to another host while the old one still runs is only refused where both see one disk.",
    ),
    Promise(
        "With the marketplace up, what changes is in an accepted feed within an hour and one tick.",
        _QUIET,
        ("tests/jobs/test_laredoute.py",),
        "The simulation compares both sides whenever nothing waits; the delay of each change is not measured yet.",
    ),
    Promise(
        "A stock that goes to zero, or an ended listing, is in the very next feed.",
        (),
        ("tests/store/test_feeds.py",),
        "Not counted over many changes yet.",
        "Zeros that come in numbers that look like a mistake wait for a person, four hours at most (the change guard).",
    ),
    Promise(
        "A feed whose fate is not known is never sent again by itself; no request with a body is sent twice.",
        (("simulation laredoute", "feeds received"), *_KILLED, *_CUT_REQUESTS),
        ("tests/prove/test_cuts.py", "tests/transports/test_http.py", "tests/jobs/test_crash_points.py"),
        "A request that was cut before its first byte left is in doubt as well: nobody can tell it from one that arrived.",
        "A stock file of The Edge that was torn lapses at once and goes out again whole, under a new name.",
    ),
    Promise(
        "A marker stands only beside a file that is whole.",
        _CUT_FILES,
        ("tests/prove/test_cuts.py", "tests/transports/test_sftp.py"),
        "Shown against OpenSSH and asyncssh's own server; SFTPGo, which can show torn files under their final names, is"
        " not among them.",
        "John Lewis's stock file has no marker and may not be renamed: half of it can be taken. It is sent in one go,"
        " its size is compared, and what was cut goes out again.",
    ),
    Promise(
        "No name is used twice, and nothing at the marketplace is overwritten.",
        (*_UPDATES, *_KILLED),
        ("tests/jobs/test_properties.py",),
    ),
    Promise(
        "Every order that the marketplace offers is stored once: none lost, none doubled.",
        (*_ORDERS, *_KILLED),
        ("tests/jobs/test_properties.py", "tests/jobs/test_johnlewis_order_files.py"),
    ),
    Promise(
        "Nothing is acknowledged before it is on our disk, and nothing is sent twice of an order.",
        (*_UPDATES, *_KILLED),
        ("tests/jobs/test_properties.py", "tests/store/test_database.py", "tests/store/test_updates.py"),
        "Failing fsyncs on the real process are not injected yet.",
        "La Redoute knows no key for a request: an update that may have arrived is in doubt, the order is asked for,"
        " and where that cannot tell, a person decides.",
    ),
    Promise(
        "A file at the marketplace is moved or deleted only after its bytes are stored.",
        (*_RESTARTS, *_KILLED),
        ("tests/jobs/test_crash_points.py", "tests/jobs/test_nothing_blocks.py"),
    ),
    Promise(
        "What is not whole is not taken: no marker, no reading; another line count, an incomplete order that says so.",
        _CUT_ORDERS,
        (
            "tests/prove/test_cuts.py",
            "tests/marketplaces/edge/test_orders.py",
            "tests/marketplaces/edge/test_sections.py",
        ),
        "A file that lies there cut, marker beside it, is cut at every byte by the tests of its readers, not counted here.",
    ),
    Promise(
        "The same name with other content is noticed, kept and shown, and overwrites no order that moved on.",
        (),
        ("tests/jobs/test_johnlewis_order_files.py",),
        "A file with the same name, size and second is not read again, so a change in it is not noticed.",
    ),
    Promise(
        "One bad file, name or row is set aside with its reason and holds up nothing behind it.",
        (),
        ("tests/jobs/test_nothing_blocks.py", "tests/seller/test_imports.py"),
        "Not counted over a large corpus yet.",
    ),
    Promise(
        "The order in which answers arrive does not matter; no answer undoes a newer change.",
        _QUIET,
        ("tests/store/test_late_answers.py", "tests/store/test_feeds.py"),
        "All permutations of six events are not enumerated yet.",
    ),
    Promise(
        "No status goes backwards but where a no undoes what had moved it; an order has one open update.",
        tuple((name, "events") for name in SIMULATIONS),
        ("tests/jobs/test_properties.py", "tests/rules/test_moves.py"),
    ),
    Promise(
        "It may be killed at any moment: it starts again by itself and goes on where it was.",
        (*_KILLED, *_RESTARTS),
        ("tests/test_crash.py",),
        "Two system calls are enumerated (the end of a commit, every send on a socket), not every one.",
    ),
    Promise(
        "A disk that fails closes everything: no acknowledgement, no feed, and a clean start when it is back.",
        (),
        ("tests/test_runner.py",),
        "ENOSPC, EIO and failing fsyncs on the real process are not injected yet.",
    ),
    Promise(
        "Nothing hangs: every call to a marketplace ends by its deadline, and nobody waits for another account.",
        (("hangs", "calls that hung"), ("hangs", "ways to hang")),
        ("tests/prove/test_hangs.py", "tests/transports/test_sftp.py", "tests/transports/test_http.py"),
        "A disk that blocks a write is no far side: everybody waits for the database then, and the watchdog ends the"
        " process. A look-up of a name cannot be cut short: nobody waits for it, but a stop does, for as long as the system's"
        " resolver has patience.",
    ),
    Promise(
        "The clock keeps ticking: a stumbling scheduler goes on, one that stands still is ended by the watchdog.",
        _HOURS,
        ("tests/test_daemon_process.py", "tests/test_health.py"),
        "In the simulation the scheduler is replaced by its rules in virtual time.",
    ),
    Promise(
        "A reload is taken over whole or not at all; gates and due times stay.",
        (),
        ("tests/test_daemon_process.py",),
        "A thousand reloads under load are not run yet.",
    ),
    Promise(
        "SIGTERM ends it cleanly within its grace.",
        (),
        ("tests/test_daemon_process.py",),
        "Not counted at a thousand random moments yet.",
    ),
    Promise(
        "A second daemon on the same data refuses to start and says who runs.",
        (),
        ("tests/store/test_database.py", "tests/test_daemon_process.py"),
        "Races of two starts are not counted yet.",
    ),
    Promise("Memory, files and threads stay bounded.", (), (), "Not measured yet: there was no run of days."),
    Promise(
        "Health tells the truth about every fault, quickly, without names of customers.",
        (),
        ("tests/test_health.py", "tests/web/test_health.py", "tests/test_vigil.py"),
        "The matrix of 25 faults is not run yet.",
    ),
    Promise(
        "Every byte that was sent or received can be shown until its retention ends.",
        (),
        ("tests/store/test_payloads.py", "tests/store/test_retention.py"),
        "Not sampled yet.",
    ),
    Promise(
        "No secret and no customer stands in a log, an error or a process list.",
        (),
        ("tests/test_logs.py", "tests/test_runner.py"),
        "Canaries in every fault test are not planted yet.",
    ),
    Promise(
        "Nothing is said to a peer whose host key or certificate is not the one that was pinned.",
        (("strangers", "strangers met"), ("strangers", "friends met")),
        ("tests/prove/test_strangers.py", "tests/transports/test_sftp.py", "tests/test_hostkeys.py"),
        "Whether a certificate was revoked is not asked. No certificate or host key signed with SHA-1 is shown, because"
        " nothing here signs so any more: OpenSSL's own level refuses the one, the other is not asked for. A server may still"
        " agree on keys by group 14 with SHA-1, for its key signs that.",
    ),
    Promise(
        "What a marketplace or a seller sends cannot leave its folder, eat the memory or stop what comes after it.",
        (("hostile", "hostile answers"), ("hostile", "hostile entries of folders")),
        (
            "tests/prove/test_hostile.py",
            "tests/fuzz/test_readers.py",
            "tests/fuzz/test_atheris.py",
            "tests/seller/test_spreadsheets.py",
        ),
        "A day of fuzzing for each reader was not run yet (`make fuzz READER=…`).",
    ),
    Promise(
        "Personal data ends when the account says so, everywhere.",
        (),
        ("tests/store/test_erasures.py", "tests/store/test_retention.py"),
        "Older backups keep it until they are rotated out.",
    ),
    Promise(
        "A database put back from a backup sends nothing inside the hour, acknowledges nothing wrongly, doubles nothing.",
        (),
        ("tests/jobs/test_restore.py", "tests/store/test_generation.py"),
        "Two hundred restores at random ages are not run yet.",
    ),
    Promise(
        "It has no rights beyond its work: systemd's exposure of the unit is at most 2.0.",
        (),
        ("tests/test_systemd.py",),
    ),
)
