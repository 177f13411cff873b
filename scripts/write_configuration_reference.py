#!/usr/bin/env python3
"""Write docs/configuration.md from the configuration's own classes: every key, its form, its default, its meaning."""

import sys
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from daemon.alerting import AlertsTable, WebhookTable
from daemon.config import SITE_JOBS, BackupTable, DaemonTable, LogTable, RetentionTable, WebTable
from daemon.marketplaces.dialects import DIALECTS, PROFILED
from daemon.marketplaces.edge.profiles import shipped
from daemon.marketplaces.edge.settings import Column, Place
from daemon.rules.catalogue import Catalogue
from daemon.settings import AccountSettings, Secret

OUT = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEAD = """# Configuration

Every key that `config.toml` may hold, written from the program's own classes by
`scripts/write_configuration_reference.py`. An annotated example to start from is [config.toml](../config.toml).

Durations are texts such as `"30s"`, `"15m"`, `"1h"`, `"2d"`; a secret is `{ credential = "name" }`,
`{ file = "path" }` or `{ env = "NAME" }`, never its own text. A key without a default must be given.

Much of both wires is not public. What nobody outside knows is a key here with a cautious default: the names of
report columns and folders, the elements of a shipment, the columns of stock files, how long silence must last. Ask the
marketplace about those before you go live.
"""


PROFILES = """## [profiles.NAME]

A retailer on The Edge that is not shipped (or another form of one that is): every key of the table above but
`marketplace`, `speaks`, `active`, `profile` and `sftp`, as a default for the accounts that name it by
`profile = "NAME"` or `marketplace = "NAME"`.

| key | form | default |
|---|---|---|
| `extends` | {names}, or another one of yours | the shipped one of its own name, otherwise `edge` |
"""


def written() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, table in (
        ("daemon", DaemonTable),
        ("web", WebTable),
        ("log", LogTable),
        ("backup", BackupTable),
        ("retention", RetentionTable),
    ):
        parts.append(_section(f"[{name}]", table))
    parts.append(_every())
    parts.append(_section("[alerts]", AlertsTable))
    parts.append(_section("[[webhooks]]", WebhookTable))
    for wire, dialect in DIALECTS.items():
        name, profiled = dialect.marketplaces[0], wire == PROFILED
        known = f'marketplace = "{name}"' + ", whose profile gives the defaults" * profiled
        title = f'[accounts.NAME], speaks = "{wire}" ({known})'
        parts.append(_section(title, dialect.settings, shipped()[name] if profiled else None))
    parts.append(PROFILES.format(names=" or ".join(f"`{name}`" for name in sorted(shipped()))))
    return "\n".join(parts)


def _every() -> str:
    jobs = " or ".join(f"`{job}`" for job in SITE_JOBS)
    return (
        "## [every]\n\nHow often the jobs that belong to no account come by themselves.\n\n"
        f"| key | form | default |\n|---|---|---|\n| {jobs} | duration | as in config.toml |\n"
    )


def _section(title: str, table: type[BaseModel], profile: Mapping[str, Any] | None = None) -> str:
    lines = [f"## {title}", "", _meaning(table), "", "| key | form | default |", "|---|---|---|"]
    tables: list[tuple[str, type[BaseModel]]] = []
    for key, form, default in _rows(table, "", tables, profile or {}):
        lines.append(f"| `{key}` | {form} | {default} |")
    for key, inner in tables:
        lines += ["", f"**`{key}`**: {_meaning(inner)}"]
    return "\n".join(lines) + "\n"


def _meaning(table: type[BaseModel]) -> str:
    return " ".join((table.__doc__ or "").split())


def _rows(
    table: type[BaseModel], prefix: str, tables: list[tuple[str, type[BaseModel]]], profile: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    for name, field in table.model_fields.items():
        if name == "name" and issubclass(table, AccountSettings):  # the table is named so
            continue
        inner = _table_in(field.annotation)
        if inner is None:
            default = _shown(profile[name]) if name in profile else _default(field)
            yield prefix + name, _form(field.annotation), "" if name == "speaks" else default
            continue
        tables.append((prefix + name, inner))
        yield from _rows(inner, f"{prefix}{name}.", tables, profile.get(name, {}))


def _table_in(annotation: Any) -> type[BaseModel] | None:
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    # A table that may be left out: Table | None.
    given = [each for each in get_args(plain) if each is not type(None)] if get_origin(plain) is UnionType else []
    plain = given[0] if len(given) == 1 else plain
    is_table = isinstance(plain, type) and issubclass(plain, BaseModel) and not issubclass(plain, Place | Column)
    return plain if is_table else None


_FORMS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    timedelta: "duration",
    Secret: "secret",
    Path: "path",
    date: 'day, such as `"2026-12-24"`',
    time: 'time of day, such as `"15:00"`',
    Catalogue: "path of a TOML file",
    Place: "folder, or `{ path, sftp }` with a login of its own",
    Column: "column: a name, `{ name, field }` or `{ name, text }`",
}


def _form(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_form(arguments[0])}"
    if origin is not None and arguments and issubclass(_class(origin), dict):
        return f"table of {_form(arguments[-1])}"
    if arguments:
        return " or ".join(_form(argument) for argument in arguments if argument is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{member}`" for member in annotation)
    return _FORMS[annotation]


def _class(origin: Any) -> type:
    return dict if getattr(origin, "__name__", "") in {"Mapping", "dict"} else origin if origin is not Union else type


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if field.default_factory else field.default
    if value is PydanticUndefined:
        return "(needed)"
    return _shown(value)


def _shown(value: Any) -> str:
    match value:
        case timedelta():
            return f"`{_duration(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case None | "" | () | {}:
            return ""
        case tuple() | list():
            return ", ".join(f"`{_entry(entry)}`" for entry in value)
        case _:
            return f"`{value}`"


def _entry(entry: Any) -> str:
    return str(entry.get("name", entry) if isinstance(entry, Mapping) else getattr(entry, "name", entry))


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


if __name__ == "__main__":
    OUT.write_text(written(), "utf-8")
    sys.stdout.write(f"{OUT} written\n")
