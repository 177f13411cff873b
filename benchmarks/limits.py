"""Why a target is missed: the limit that was found, by the key of what is asked."""

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "orders": (
        "Python with the store starts in 0.2 s, three times what the peer takes in all. Of the 0.6 s of CPU after that,"
        " 0.15 s go into parsing and 0.3 s into SQLite, 0.22 s of them for the 20,000 lines: half of that for their"
        " partial indexes, a quarter for CHECK constraints. SQLite copies the same 36,000 rows in 0.14 s by itself,"
        " without Python: 2.3 times the peer, which has no index, no key and no check. To parse beside it gains"
        " nothing: each row takes the interpreter's lock once, and waits until the parser lets go of it."
    ),
    "report": (
        "SQLite's one writer, and how many rows it writes. For each line the peer writes one row besides its import; we"
        " write the listing, its feed object, an event with its index, and the price charged. The sqlite3 command line"
        " by itself, told to find the same objects and to write the same rows into the same tables in one transaction,"
        " takes 8.3 us a line: 2.1 times the peer, where we take 9.0. Of those, 1.7 go into finding out what the line"
        " means and whether its revision is the one that was sent, 1.5 into the listing, 0.9 each into its object and"
        " the price, 0.8 into the event, 1.0 into the commit, the rest into what is counted and into Python. Reading"
        " the report, 2 us a line, goes on beside it; Python's start, half a second, does not."
    ),
}
