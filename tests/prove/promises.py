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
_KILLED = (("crashpoints", "points at which it was killed"),)
_FAULTS = (("faults", "faults"),)
_CUT = (("powercut", "disks after a cut"),)
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
        (
            *(*_UPDATES, *_KILLED, ("faults", "failing syncs")),
            ("powercut", "effects that were on the disk before they left"),
        ),
        (
            *("tests/jobs/test_properties.py", "tests/store/test_database.py", "tests/store/test_updates.py"),
            *("tests/prove/test_faults.py", "tests/prove/test_powercut.py"),
        ),
        "",
        "La Redoute knows no key for a request: an update that may have arrived is in doubt, the order is asked for,"
        " and where that cannot tell, a person decides.",
    ),
    Promise(
        "A file at the marketplace is moved or deleted only after its bytes are stored.",
        (*_RESTARTS, *_KILLED, *_FAULTS),
        ("tests/jobs/test_crash_points.py", "tests/jobs/test_nothing_blocks.py", "tests/prove/test_faults.py"),
    ),
    Promise(
        "What is not whole is not taken: no marker, no reading; another line count, an incomplete order that says so.",
        (),
        ("tests/marketplaces/edge/test_orders.py", "tests/marketplaces/edge/test_sections.py"),
        "A cut of every sample at every byte is not counted here yet.",
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
        ("tests/test_crash.py", "tests/prove/test_short.py"),
        "Enumerated are the calls that somebody outside can notice: commits, what becomes of files, connections, sends;"
        " of the writes before a commit each tenth.",
    ),
    Promise(
        "A disk that fails closes everything: no acknowledgement, no feed, and a clean start when it is back. A power cut"
        " takes nothing that was reported, and a reader that stays stops nobody.",
        (*_FAULTS, *_CUT, ("backups", "copies made, examined and put back")),
        (
            *("tests/test_runner.py", "tests/prove/test_faults.py", "tests/prove/test_powercut.py"),
            *("tests/prove/test_backups.py", "tests/store/test_database.py"),
        ),
        "A cut is modelled from the calls on the files (lost, torn and reordered writes), not made on a real disk. While a"
        " reader stays, erased data stays in the log too; the job that erases says so, and the next one empties it.",
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
        (),
        ("tests/test_logs.py", "tests/test_runner.py"),
        "Canaries in every fault test are not planted yet.",
    ),
    Promise(
        "Nothing is said to a peer whose host key or certificate is not the one that was pinned.",
        (),
        ("tests/transports/test_sftp.py", "tests/transports/test_http.py", "tests/test_hostkeys.py"),
        "The matrix of bad certificates is not complete yet.",
    ),
    Promise(
        "What a marketplace or a seller sends cannot leave its folder, eat the memory or stop what comes after it.",
        (),
        ("tests/fuzz/test_readers.py", "tests/fuzz/test_atheris.py", "tests/seller/test_spreadsheets.py"),
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
