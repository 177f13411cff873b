"""The retailers on The Edge as data (guide J15): those that are shipped, and those of a configuration."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

Profile = Mapping[str, Any]

#: what every profile stands on that does not say otherwise
BARE = "edge"


@cache
def shipped() -> Mapping[str, Profile]:
    """The profiles that come with sellerd, each laid over what it extends; `profiles.toml` has them all."""
    tables = tomllib.loads(files(__package__).joinpath("profiles.toml").read_text("utf-8"))
    return resolved(tables)


def resolved(tables: Mapping[str, Profile], below: Mapping[str, Profile] | None = None) -> Mapping[str, Profile]:
    """Every profile laid over what it extends; `below` are resolved ones that may be extended too.

    Raises ValueError, whose text begins with the name of the profile that is wrong.
    """
    found: dict[str, Profile] = dict(below or {})
    bases = {name: _base(name, table, found) for name, table in tables.items()}
    waiting = dict(tables)
    while waiting:
        # One that extends its own name means the one that is shipped.
        ready = [name for name in waiting if bases[name] not in waiting.keys() - {name}]
        if not ready:
            raise ValueError(f"{min(waiting)}.extends: it ends where it began: {', '.join(sorted(waiting))}")
        for name in ready:
            table, base = waiting.pop(name), bases[name]
            if base == name and base not in found:
                raise ValueError(f"{name}.extends: only a shipped profile extends its own name; {hint('', found)}")
            if base and base not in found:
                raise ValueError(f"{name}.extends: no profile {base!r}; {hint(base, found.keys() | tables.keys())}")
            own = {key: value for key, value in table.items() if key != "extends"}
            found[name] = over_profile(found[base], own) if base else own
    return found


def hint(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant, or all there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"


def over_profile(profile: Profile, account: Mapping[str, Any]) -> dict[str, Any]:
    """What the account says laid over its profile, table by table."""
    merged = dict(profile)
    for key, value in account.items():
        below = merged.get(key)
        merged[key] = over_profile(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _base(name: str, table: Profile, below: Mapping[str, Profile]) -> str:
    """What a profile stands on: the one of its own name, else the bare one, which stands on nothing."""
    usual = name if name in below else "" if name == BARE else BARE
    base = table.get("extends", usual)
    if not isinstance(base, str):
        raise ValueError(f"{name}.extends: write the name of a profile in quotes")  # noqa: TRY004 - told like the others
    return base
