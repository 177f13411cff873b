"""Why a target is missed: the limit that was found, by the key of what is asked."""

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "orders": (
        "Python's start, 0.5 to 0.6 s, is eight times what the peer takes in all; a running daemon takes half."
        " Of that half second of CPU, 0.14 s go into parsing and 0.25 s into SQLite, which copies the same 36,000 rows"
        " with their indexes and foreign keys in 0.14 s by itself, without Python: 2.3 times the peer, which has none."
    ),
    "stock-feed": (
        "Python's start, about 0.5 s, is nearly one run of the peer. The work itself is 1.0 to 1.2 s, twice the peer:"
        " 1 us of SQL a row, in equal parts for finding what the feed carries of it, for its text, and for seeing that"
        " nothing in it wants quotes; hashing and compressing go on beside it."
    ),
    "report": (
        "SQLite's one writer. For each line the peer writes one row besides its import; we write the listing, its feed"
        " object, an event with its index, and the price charged, after finding out what the line means and whether its"
        " revision is still the one that was sent. Each row costs 1.4 to 2.5 us of CPU in SQLite itself, a third of it"
        " for CHECK constraints, and no two can be written at once. Reading the report, 2 us a line, goes on beside it."
    ),
    "import": (
        "SQLite's one writer. The usual rows of a file never become rows of Python: to read one takes 2 us beside the"
        " writing, half of them the interpreter's. Of 5.3 us of CPU a row in the writer, 0.9 find and compare the"
        " listing, 1.0 are its event with the index, 2.4 the listing with its CHECKs and its index of what is due, 1.0 the"
        " log; the peer tells no event and keeps no old figure. SQLite's command line, given our statements for the"
        " whole file at once, takes 1.36 times the peer's CPU."
    ),
}
