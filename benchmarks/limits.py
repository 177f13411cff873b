"""Why a target is missed: the limit that was found, by the key of what is asked."""

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "report": (
        "SQLite's one writer. For each line the peer writes one row besides its import; we write the listing, its feed"
        " object, an event with its index, and the price charged, after finding out what the line means and whether its"
        " revision is still the one that was sent. Each row costs 1.4 to 2.5 us of CPU in SQLite itself, a third of it"
        " for CHECK constraints, and no two can be written at once. Reading the report, 2 us a line, goes on beside it."
    ),
    "import": (
        "The interpreter. A row costs 5 to 6 us of Python to be taken apart, checked, compared with the rows before it"
        " and answered for, and 6 to 7 us of SQLite for the listing, its index of what is due, and an event. The two go"
        " on side by side, but what the interpreter does for the writer waits for what it does for the reader."
    ),
}
