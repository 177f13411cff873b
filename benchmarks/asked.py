"""What is asked of speed and scale, row by row; a measured row says by its key which of these it answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """One row of what is asked: the work, what stands beside it, and the most that it may take."""

    key: str
    work: str
    beside: str
    target: str


_LFTP = "`lftp mirror` at its best parallelism, and `sqlite3 .import`"

ASKED: tuple[Asked, ...] = (
    Asked(
        "fetch-loopback",
        "Fetch 2,000 order files of 1.6 KB with markers from OpenSSH's sftp-server on loopback, parse, store durably",
        _LFTP,
        "≤ 0.85 ×, moonshot 0.6 ×",
    ),
    Asked("fetch-20ms", "The same at 20 ms round trip", _LFTP, "≤ 0.35 ×, moonshot 0.2 ×"),
    Asked("fetch-20ms-serial", "The same at 20 ms round trip", "a paramiko script, serial", "≤ 0.03 ×"),
    Asked(
        "poll-loopback",
        "A poll that finds 20,000 files, all seen before, on loopback",
        "`lftp` listing the same folder",
        "≤ 1.5 ×",
    ),
    Asked("poll-20ms", "The same at 20 ms round trip", "`lftp` listing the same folder", "≤ 1.5 ×"),
    Asked(
        "orders",
        "Parse and store 2,000 order files from disk (20,000 lines), `synchronous=FULL`",
        "`sqlite3 .import` of them joined",
        "≤ 3 ×",
    ),
    Asked(
        "stock-feed",
        "A million-listing stock feed, store to spool (hashed, compressed)",
        "`sqlite3` writing the same rows as CSV",
        "≤ 2.5 ×, peak ≤ 120 MiB",
    ),
    Asked(
        "offer-feed",
        "A million-listing Sell-R offer feed, store to spool",
        "a script with lxml's incremental `xmlfile`",
        "≤ 0.3 ×, peak ≤ 120 MiB",
    ),
    Asked(
        "report",
        "A million-line report settled onto a million listings, feed objects and events included",
        "`sqlite3 .import` and one `UPDATE … FROM` of the listings alone",
        "≤ 1.5 ×, peak ≤ 150 MiB",
    ),
    Asked(
        "import",
        "Import of a million stock rows from CSV: validated, diffed, committed",
        "the same `.import` and update",
        "≤ 1.5 ×",
    ),
    Asked(
        "accounts",
        "5,000 accounts at the guide's cadence (simulated far sides)",
        "one core",
        "≤ 40 % on average, 99th percentile of lateness ≤ 2 s, memory ≤ 600 MiB",
    ),
    Asked(
        "idle",
        "Idle, 10 accounts",
        "an interpreter that has imported the same libraries",
        "≤ 1.3 × memory, ≤ 0.5 % of a core",
    ),
    Asked("start", "Start to `/readyz`, a million listings in the store", "", "≤ 1.5 s"),
    Asked(
        "one-change",
        "One stock change to its row in the next feed, among 1,000,000 listings",
        "the same with 1,000 listings",
        "≤ 1.5 ×",
    ),
)
