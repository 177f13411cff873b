"""Rows of a feed written by the database itself, as the marketplace describes them (`UsualRow`).

A million objects of Python take longer to make than the whole file to write, and hold the loop's lock meanwhile; one
expression of SQL makes the same bytes without it. `tests/store/test_rows.py` shows that both ways agree.
"""

import string

from daemon.model import Amount, Count, Extra, Promoted, Rate, UsualRow, Words

#: what no format quotes
_PLAIN = f"{string.ascii_letters}{string.digits} -./:[\\]^_`".encode()
#: bytes that are made at once: small enough to stay in the processor's cache, large enough for the way to be worth it
_AT_ONCE = 256 * 1024
_SHORTEST = 64

_WORDS = {"sku": "l.sku", "ean": "o.ean", "channel_item_id": "o.channel_item_id"}
_COUNTS = {"stock": "o.stock", "handling_days": "l.handling_days"}
_AMOUNTS = {"price": "o.price_minor", "highest": "max(o.price_minor, coalesce(o.rrp_minor, o.price_minor))"}
#: the rule of the wire in hundredths of a percent: two decimals at least, and no noughts behind them
_RATE = (
    "CASE WHEN l.vat_bp IS NULL THEN {otherwise} WHEN l.vat_bp % 100 = 0 THEN printf('0.%02d', l.vat_bp / 100)"
    " WHEN l.vat_bp % 10 = 0 THEN printf('0.%03d', l.vat_bp / 10) ELSE printf('0.%04d', l.vat_bp) END"
)
#: a minute is told by its beginning, and an end that is not on the minute lies before the next one
_PROMOTED = {
    "nature": "CASE WHEN coalesce(p.nature, '') = '' THEN {otherwise} ELSE p.nature END",
    "starts_at": (
        "CASE WHEN p.id IS NULL THEN {otherwise}"
        " ELSE strftime('%Y-%m-%dT%H:%M', p.starts_at / 1000000, 'unixepoch') END"
    ),
    "ends_at": (
        "CASE WHEN p.id IS NULL THEN {otherwise}"
        " ELSE strftime('%Y-%m-%dT%H:%M', (p.ends_at + 59999999) / 1000000, 'unixepoch') END"
    ),
}
_JOINED = "feed_objects o JOIN listings l ON l.id = o.listing LEFT JOIN promotions p ON p.id = o.promotion"


class RowForm:
    """A usual row as `columns` over the rows of `source`, for the values `named`.

    The row is `written`, and is right where `usual` is 1 and its `words`, which stand in it as they are, are plain.
    `is_plain` sees that in the words of many rows at once: to ask SQLite of each took a third of all the time.
    """

    #: feed objects `o` with their listings `l` and promotions `p`
    source = _JOINED

    def __init__(self, row: UsualRow) -> None:
        self.named: dict[str, str] = {}
        self._form: list[str] = []
        self._values: list[str] = []
        self._words: list[str] = []
        self._usual = {"1"} if any(isinstance(piece, Promoted) for piece in row) else {"o.promotion IS NULL"}
        for piece in row:
            self._take(piece)
        form = "".join(self._form)
        self.named["form"] = form
        usual, written = " AND ".join(sorted(self._usual)), ", ".join([":form", *self._values])
        words = " || ".join(self._words) or "''"
        self.columns = f"{usual} AS usual, printf({written}) AS written, {words} AS words"
        #: how many rows are made at once
        self.page = _AT_ONCE // max(_SHORTEST, len(form))

    def _take(self, piece: str | Words | Count | Amount | Rate | Promoted | Extra) -> None:
        match piece:
            case str():
                self._form.append(piece.replace("%", "%%"))
            case Extra():
                # Far back in the row, so that it is read for those formats alone that have it.
                self._usual.add("l.stock_extras = '{}'")
                self._take(piece.otherwise)
            case Words():
                text = _WORDS[piece.of]
                self._words.append(text)
                self._put("%s", text)
            case Count():
                self._put("%d", f"coalesce({_COUNTS[piece.of]}, {piece.otherwise:d}) + {piece.plus:d}")
            case Amount():
                minor = _AMOUNTS[piece.of]
                self._usual.add("o.price_minor IS NOT NULL")
                self._put("%d.%02d", f"{minor} / 100", f"{minor} % 100")
            case Rate():
                self._put("%s", _RATE.format(otherwise=self._name(piece.otherwise)))
            case Promoted():
                if piece.of == "nature":
                    self._words.append("coalesce(p.nature, '')")
                self._put("%s", _PROMOTED[piece.of].format(otherwise=self._name(piece.otherwise)))

    def _name(self, text: str) -> str:
        name = f"text_{len(self.named)}"
        self.named[name] = text
        return f":{name}"

    def _put(self, form: str, *values: str) -> None:
        self._form.append(form)
        self._values += values


def is_plain(words: bytes) -> bool:
    """Whether nothing in the words of some rows wants quotes."""
    return not words.translate(None, _PLAIN)
