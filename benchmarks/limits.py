"""Why a target is missed: the limit that was found, by the key of what is asked."""

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "orders": (
        "Python with the store starts in 0.2 s, three times what the peer takes in all. Of the 0.3 s of CPU after"
        " that, SQLite has 0.1 s, of which it needs 0.05 s also where it copies the same 36,000 rows by itself: as"
        " long as the peer, which has no index, no key and no check. Compressing the files takes 0.02 s. The rest is"
        " Python, 9 us a line: 6 to make a checked order line of what the file says, of which csv takes 0.8, and 3 to"
        " make its row and those of its order. To parse beside SQLite gains nothing: two hundred rows are written in"
        " half a millisecond, and then the interpreter's lock has to come back from the parser, which takes as long."
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
