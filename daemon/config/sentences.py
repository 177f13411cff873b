"""What pydantic finds wrong with a table, as a sentence for a person: where, what stands there, the fix (D3)."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from daemon.settings import Secret

#: what pydantic says in the words of Python, in the words of TOML
_FORMS = {
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "a table, with keys of its own"),
    **dict.fromkeys(("string_type", "path_type"), 'a text in quotes ("…")'),
}


def sentence(table: type[BaseModel], problem: ErrorDetails, place: str) -> str:
    """One problem as one sentence: where, what stands there (never a secret), what is wanted."""
    key = key_at(place, *problem["loc"])
    if problem["type"] == "missing":
        return f"{key} is missing; add it"
    if problem["type"] == "extra_forbidden":
        # What stands there is not shown: a misspelt password is one too.
        known = [name for near in _tables(_followed(table, problem["loc"][:-1])) for name in near.model_fields]
        return f"{key} is not a key that is known here{hint(problem['loc'][-1], known)}"
    form = f"a text of the form {problem['ctx']['pattern']}" if problem["type"] == "string_pattern_mismatch" else ""
    message = (
        form
        or _FORMS.get(problem["type"])
        or problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    )
    wanted = message if problem["type"] == "value_error" else f"should be {_lower(message)}"
    value = problem["input"]
    expected = problem.get("ctx", {}).get("expected", "")
    meant = hint(value, re.findall(r"'([^']*)'", expected)) if expected and isinstance(value, str) else ""
    if isinstance(value, str | int | float) and not _holds_secret(_followed(table, problem["loc"])):
        return f"{key} = {shown(value)}: {wanted}{meant}"
    return f"{key}: {wanted}" if key else wanted


def _followed(annotation: object, loc: Sequence[int | str]) -> object:
    """The type of what stands at a place of a table; positions and keys of mappings are stepped over."""
    for part in loc:
        for table in _tables(annotation):
            if part in table.model_fields:
                annotation = table.model_fields[str(part)].annotation
                break
    return annotation


def _tables(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables(inner)]


def _holds_secret(annotation: object) -> bool:
    if annotation is Secret:
        return True
    inner = [column.annotation for table in _tables(annotation) for column in table.model_fields.values()]
    return any(_holds_secret(part) for part in (*get_args(annotation), *inner))


def hint(word: object, known: Sequence[str] | Mapping[str, object]) -> str:
    """The end of a sentence about a word that is not known: the one that was meant, or those that there are."""
    near = get_close_matches(str(word), known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}" if known else ""


def key_at(*parts: int | str) -> str:
    """A place in a file as it is written there: `accounts.lamps.sftp.host_keys[0]`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts if part != "")
    return path.removeprefix(".")


def shown(value: object) -> str:
    """A value as TOML would write it, near enough to be recognised."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
