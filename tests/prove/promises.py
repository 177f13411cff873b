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
_KILLED = (("crashpoints", "killed at fdatasync"), ("crashpoints", "killed at sendto"))
_GAPS = (("simulation laredoute", "pairs of offer feeds, an hour apart or more"),)
_PROCESS_GAPS = tuple(
    (name, "pairs of offer feeds, an interval apart or more") for name in ("clocks", "reloads", "soak")
)
_SHORT = "tests/prove/test_process.py"

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
        "What a marketplace sent and nobody can read stays told until it is read, for it cannot be put away.",
    ),
    Promise(
        "Every byte that was sent or received can be shown until its retention ends.",
        tuple((name, "arrivals shown byte for byte") for name in MONTHS),
        ("tests/store/test_payloads.py", "tests/store/test_retention.py", _SHORT),
        "Compared are feeds of both sides and updates of John Lewis, as the far side recorded them; not La Redoute's"
        " requests about orders, nor what was received.",
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
