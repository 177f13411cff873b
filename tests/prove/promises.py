"""The thirty promises: each with its sentence, what shows it, and what is not shown or cannot be promised."""

from dataclasses import dataclass

SIMULATIONS = ("simulation laredoute", "simulation johnlewis")
MONTHS = ("month laredoute", "month johnlewis")


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
_DELAYS = ("delays laredoute", "delays johnlewis")
_CORPUS = tuple(
    ("corpus", f"bad files told, {place}")
    for place in (
        *("orders of John Lewis", "requests to cancel", "errors of stock files", "reports as CSV", "reports as XML"),
        *("orders of La Redoute", "stock files of the seller", "workbooks of the seller"),
    )
)
_GAPS = (("simulation laredoute", "pairs of offer feeds, an hour apart or more"),)
_PROCESS_GAPS = tuple(
    (name, "pairs of offer feeds, an interval apart or more") for name in ("clocks", "reloads", "soak")
)
_SHORT = "tests/prove/test_process.py"
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
        (*_GAPS, *_PROCESS_GAPS, *_KILLED),
        ("tests/store/test_gate.py", "tests/jobs/test_properties.py", "tests/test_crash.py", _SHORT),
        "Moving the database to another host while the old one still runs is only refused where both see one disk. A boot"
        " clock that a container shifts under one boot id would count as time that has passed.",
        "Until when La Redoute works at a request that we gave up at its deadline (ten minutes), nobody tells us: the hour"
        " counts from that deadline.",
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
        (("corpus", "files cut at a byte"), *_CUT_ORDERS),
        (
            *("tests/prove/test_corpus.py", "tests/prove/test_cuts.py", "tests/fuzz/test_readers.py"),
            "tests/marketplaces/edge/test_sections.py",
        ),
        "A CSV of the seller's does not say where it ends: one that was cut between two rows is a shorter one.",
    ),
    Promise(
        "The same name with other content is noticed, kept and shown, and overwrites no order that moved on.",
        (("rewrites", "pairs that differ"), ("rewrites", "incomplete orders completed")),
        ("tests/jobs/test_johnlewis_order_files.py", "tests/prove/test_rewrites.py"),
        "An order file is left alone until the second in which it was written is over, by our clock: behind a server whose"
        " clock is wrong by more, a change of the same size within that second is not noticed. Reports do not wait. Where files"
        ' are left where they lie (`after_keeping = "leave"`), one that is written over with the same size and given its old'
        " time is not noticed.",
    ),
    Promise(
        "One bad file, name or row is set aside with its reason and holds up nothing behind it.",
        _CORPUS,
        (
            *("tests/prove/test_corpus.py", "tests/jobs/test_nothing_blocks.py", "tests/jobs/test_unforeseen.py"),
            "tests/seller/test_imports.py",
        ),
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
        (("hangs", "calls that hung"), ("hangs", "ways to hang"), ("faults", "disks that hung")),
        (
            *("tests/prove/test_hangs.py", "tests/prove/test_faults.py"),
            *("tests/transports/test_sftp.py", "tests/transports/test_http.py"),
        ),
        "A disk that blocks a call is no far side: everybody waits for the database then, and where it lasts the watchdog"
        " ends the process. It is held by strace here: a real one may keep even a killed process until it wakes up. A look-up of a name cannot be cut short: nobody waits for it, but a stop does, for as long as the system's"
        " resolver has patience.",
    ),
    Promise(
        "The clock keeps ticking: a stumbling scheduler goes on, one that stands still is ended by the watchdog.",
        (*_HOURS, ("clocks", "steps of the wall clock"), *((name, "jobs watched for starving") for name in MONTHS)),
        ("tests/test_daemon_process.py", "tests/test_health.py", _SHORT),
        "In the simulation the scheduler is replaced by its rules in virtual time; clocks has the real one.",
    ),
    Promise(
        "A reload is taken over whole or not at all; gates and due times stay.",
        (("reloads", "reloads"), ("reloads", "gaps of a steady job")),
        ("tests/test_daemon_process.py", _SHORT),
        "What is compared is which jobs of which accounts run, and when they are due; not every setting by itself.",
        "A file that was written half and happens to be a whole configuration is taken over as it stands: write it"
        " beside, check it (`sellerd check-config --config`), then rename it.",
    ),
    Promise(
        "SIGTERM ends it cleanly within its grace.",
        (("stops", "stops"), ("stops", "ended within a second")),
        ("tests/test_daemon_process.py", _SHORT),
        "In the first moments of a start, before the signal has a receiver, it ends the process by itself, without code 0;"
        " the next start finds nothing to mend.",
    ),
    Promise(
        "A second daemon on the same data refuses to start and says who runs.",
        (("starts", "races"), ("starts", "took over after a kill")),
        ("tests/store/test_database.py", "tests/test_daemon_process.py", _SHORT),
        "A start that meets a command which has the database for a moment ends with 75 too; systemd starts it again.",
    ),
    Promise(
        "Memory, files and threads stay bounded.",
        (*((name, "simulated days") for name in MONTHS), ("soak", "minutes"), ("reloads", "times weighed")),
        (_SHORT,),
        "The soak of the real process takes an hour, not days; the month is simulated, with the far side in one process.",
    ),
    Promise(
        "Health tells the truth about every fault, quickly, without names of customers.",
        (("health", "faults"), *((name, "outages told and recovered once") for name in MONTHS)),
        ("tests/test_health.py", "tests/web/test_health.py", "tests/test_vigil.py", _SHORT),
        "That the loop or the scheduler stands still is told to the judge by figures, not made; clocks lets a real"
        " scheduler stand still. The time of an answer during a fault is not measured.",
    ),
    Promise(
        "Every byte that was sent or received can be shown until its retention ends.",
        (
            *((name, "arrivals shown byte for byte") for name in MONTHS),
            ("month laredoute", "requests about orders shown but for their key"),
            *((name, "received files shown byte for byte") for name in MONTHS),
        ),
        ("tests/store/test_payloads.py", "tests/store/test_retention.py", _SHORT),
        "Compared is what the far side recorded, or has lying there still; not the replies of La Redoute's services, which"
        " it does not record.",
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
        (("strangers", "strangers met"), ("strangers", "friends met")),
        ("tests/prove/test_strangers.py", "tests/transports/test_sftp.py", "tests/test_hostkeys.py"),
        "Whether a certificate was revoked is not asked. No certificate or host key signed with SHA-1 is shown, because"
        " nothing here signs so any more: OpenSSL's own level refuses the one, the other is not asked for. A server may still"
        " agree on keys by group 14 with SHA-1, for its key signs that.",
    ),
    Promise(
        "What a marketplace or a seller sends cannot leave its folder, eat the memory or stop what comes after it.",
        (
            *_CORPUS,
            ("properties", "files that were read or refused in words"),
            ("hostile", "hostile answers"),
            ("hostile", "hostile entries of folders"),
        ),
        (
            *("tests/prove/test_corpus.py", "tests/prove/test_hostile.py", "tests/fuzz/test_readers.py"),
            *("tests/fuzz/test_atheris.py", "tests/seller/test_spreadsheets.py", "tests/web/rest/test_schema.py"),
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
        tuple((f"restores {side}", "databases put back") for side in ("laredoute", "johnlewis")),
        ("tests/jobs/test_restore.py", "tests/store/test_generation.py", _SHORT),
        'In the stories files of John Lewis are left where they lie (`after_keeping = "leave"`), and nobody announces'
        " promotions.",
        "John Lewis cannot be asked what it was told: the acknowledgement of an order whose file is older than the"
        " restart is in doubt, and a person says. What was dispatched since the backup only the seller knows. A copy of"
        " a whole machine takes its mark along, and nothing can notice it.",
    ),
    Promise(
        "It has no rights beyond its work: systemd's exposure of the unit is at most 2.0.",
        (),
        ("tests/test_systemd.py",),
    ),
)
