"""What the codes and texts of rejections mean: cause, fix and an English gloss, from files that people can extend."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from daemon.model import Advice

_KEYS = ("code", "text", "gloss", "cause", "fix")
#: a text is looked through up to here; what comes after is no part of an error's name
_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One error: its code, a pattern of its text, or both; where both are given, both must fit."""

    advice: Advice
    code: str = ""
    text: re.Pattern[str] | None = None

    def fits(self, code: str, text: str) -> bool:
        """Whether this entry speaks of that code and text; case does not matter."""
        if self.code and self.code != code.strip().casefold():
            return False
        return self.text is None or self.text.search(text[:_LOOKED_AT]) is not None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Errors that are known, the first that fits counts."""

    entries: tuple[Entry, ...] = ()

    def explain(self, code: str, text: str) -> Advice | None:
        """What is known of an error, None where nobody has said."""
        if not (code or text):
            return None
        return next((entry.advice for entry in self.entries if entry.fits(code, text)), None)

    def before(self, other: "Catalogue") -> "Catalogue":
        """This catalogue, and behind it the other."""
        return Catalogue(self.entries + other.entries)


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue in a file; raises ValueError as `read_catalogue` does, and where the file cannot be read."""
    try:
        content = path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    try:
        return read_catalogue(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_catalogue(content: str) -> Catalogue:
    """A catalogue from TOML: `[[error]]` tables with `code`, `text` (a regular expression), `gloss`, `cause`, `fix`.

    Raises ValueError with every problem in one sentence each.
    """
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from None
    problems = [f"{key} is not known here; write [[error]] above each entry" for key in document if key != "error"]
    tables = document.get("error", [])
    if not isinstance(tables, list):
        problems.append("error is no list of tables; write [[error]] in double brackets")
        tables = []
    entries = []
    for number, table in enumerate(tables, 1):
        found = list(_problems(table))
        problems += [f"entry {number}: {problem}" for problem in found]
        if not found:
            entries.append(_entry(table))
    if problems:
        raise ValueError("; ".join(problems))
    return Catalogue(tuple(entries))


def _problems(table: object) -> Iterable[str]:
    if not isinstance(table, Mapping):
        yield "is no table"
        return
    for key, value in table.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            yield f"{key} is not known; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(_KEYS)}")
        elif not isinstance(value, str) or not value.strip():
            yield f"{key} must be a text in quotes that is not empty"
    if not {"code", "text"} & table.keys():
        yield "neither code nor text says which error it is"
    if not {"gloss", "cause", "fix"} & table.keys():
        yield "none of gloss, cause and fix says anything of it"
    try:
        re.compile(str(table.get("text", "")))
    except re.error as error:
        yield f"text is no regular expression: {error}"


def _entry(table: Mapping[str, str]) -> Entry:
    advice = Advice(*(table.get(key, "").strip() for key in ("gloss", "cause", "fix")))
    text = re.compile(table["text"], re.IGNORECASE) if "text" in table else None
    return Entry(advice, table.get("code", "").strip().casefold(), text)
