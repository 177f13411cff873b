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
_DELAYS = ("delays laredoute", "delays johnlewis")
_CORPUS = tuple(
    ("corpus", f"bad files told, {place}")
    for place in (
        *("orders of John Lewis", "requests to cancel", "errors of stock files", "reports as CSV", "reports as XML"),
        *("orders of La Redoute", "stock files of the seller", "workbooks of the seller"),
    )
)
_GAPS = (("simulation laredoute", "pairs of offer feeds, an hour apart or more"),)

PROMISES = (
    Promise(
        "Two stock or price feeds of one La Redoute account never come less than an hour apart.",
        (*_GAPS, *_KILLED),
        ("tests/store/test_gate.py", "tests/jobs/test_properties.py", "tests/test_crash.py"),
        "Moving the database to another host while the old one still runs is only refused where both see one disk.",
    ),
    Promise(
        "With the marketplace up, what changes is in an accepted feed within an hour and one tick.",
        (*((name, "changes received") for name in _DELAYS), *_QUIET),
        ("tests/prove/test_delays.py", "tests/jobs/test_laredoute.py"),
        "Measured while the marketplace answers within its half hour; a feed that it leaves unanswered for longer holds the"
        " next one back, two hours at most.",
    ),
    Promise(
        "A stock that goes to zero, or an ended listing, is in the very next feed.",
        tuple((name, "zeros and ends in the very next feed") for name in _DELAYS),
        ("tests/prove/test_delays.py", "tests/store/test_feeds.py"),
        "Where more than one file's worth of listings sell out at once, they fill the next files before anything else.",
        "Zeros that come in numbers that look like a mistake wait for a person, four hours at most (the change guard).",
    ),
    Promise(
        "A feed whose fate is not known is never sent again by itself; no request with a body is sent twice.",
        (("simulation laredoute", "feeds received"), *_KILLED),
        ("tests/transports/test_http.py", "tests/jobs/test_crash_points.py"),
        "A cut at every byte of request and reply is not measured yet.",
        "A stock file of The Edge that was torn lapses at once and goes out again whole, under a new name.",
    ),
    Promise(
        "A marker stands only beside a file that is whole.",
        (),
        ("tests/transports/test_sftp.py",),
        "A cut at every byte, against several servers, is not measured yet.",
        "John Lewis's stock file has no marker and may not be renamed: half of it can be taken. It is sent in one go,"
        " its size is compared, and what was cut goes out again.",
    ),
    Promise(
        "No name is used twice, and nothing at the marketplace is overwritten.",
        (("names", "names given"), *_UPDATES, *_KILLED),
        ("tests/prove/test_names.py", "tests/jobs/test_properties.py"),
        "A database that was put back, on a machine whose clock was set back behind it as well, knows no better.",
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
        (("corpus", "files cut at a byte"),),
        ("tests/prove/test_corpus.py", "tests/fuzz/test_readers.py", "tests/marketplaces/edge/test_sections.py"),
        "A CSV of the seller's does not say where it ends: one that was cut between two rows is a shorter one.",
    ),
    Promise(
        "The same name with other content is noticed, kept and shown, and overwrites no order that moved on.",
        (),
        ("tests/jobs/test_johnlewis_order_files.py",),
        "An order file is left alone until the second in which it was written is over, by our clock: behind a server whose"
        " clock is wrong by more, a change of the same size within that second is not noticed. Reports do not wait.",
    ),
    Promise(
        "One bad file, name or row is set aside with its reason and holds up nothing behind it.",
        _CORPUS,
        ("tests/prove/test_corpus.py", "tests/jobs/test_nothing_blocks.py", "tests/seller/test_imports.py"),
        "A report that says nothing at all is not told as such: its feed goes unanswered, and that is.",
    ),
    Promise(
        "The order in which answers arrive does not matter; no answer undoes a newer change.",
        (
            ("permutations", "sequences played"),
            ("permutations", "newer changes that no answer undid"),
            *_QUIET,
        ),
        ("tests/prove/test_permutations.py", "tests/store/test_late_answers.py", "tests/store/test_machines.py"),
        "Where a no to a first stock file comes after its silence was taken for a yes, the listing is in Error, and stays"
        " known as once integrated. Of two verdicts on one feed, the one that came later counts.",
    ),
    Promise(
        "No status goes backwards but where a no undoes what had moved it; an order has one open update.",
        (
            *((name, "events") for name in SIMULATIONS),
            ("properties", "sequences of calls that store and model were compared by"),
        ),
        ("tests/store/test_machines.py", "tests/jobs/test_properties.py", "tests/rules/test_moves.py"),
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
        (),
        ("tests/transports/test_sftp.py", "tests/transports/test_http.py", "tests/transports/test_handshake.py"),
        "The twelve ways to hang are not run as one matrix yet.",
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
        (
            *((name, "log lines without a canary") for name in (*SIMULATIONS, "crashpoints")),
            *((name, "values of records without a canary") for name in SIMULATIONS),
        ),
        ("tests/test_secrecy.py", "tests/prove/test_canaries.py", "tests/test_logs.py"),
        "Secrets that the configuration takes from the environment stand in the environment of the process, which its own"
        " user can read; credentials of systemd and files do not.",
    ),
    Promise(
        "Nothing is said to a peer whose host key or certificate is not the one that was pinned.",
        (),
        ("tests/transports/test_sftp.py", "tests/transports/test_http.py", "tests/test_hostkeys.py"),
        "The matrix of bad certificates is not complete yet.",
    ),
    Promise(
        "What a marketplace or a seller sends cannot leave its folder, eat the memory or stop what comes after it.",
        (
            *_CORPUS,
            ("properties", "files that were read or refused in words"),
        ),
        (
            *("tests/prove/test_corpus.py", "tests/fuzz/test_readers.py", "tests/fuzz/test_atheris.py"),
            *("tests/seller/test_spreadsheets.py", "tests/web/rest/test_schema.py"),
        ),
        "A day of fuzzing for each reader was not run yet (`make fuzz READER=…`).",
    ),
    Promise(
        "Personal data ends when the account says so, everywhere.",
        tuple((name, "customers forgotten, with their bytes") for name in SIMULATIONS),
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
