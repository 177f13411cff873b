"""Faults on request: what can be asked of a far side, and what is still to be done of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Kind:
    """One fault: where it exists and its parameters, each with its default, or the bare type where it must be given."""

    marketplaces: tuple[str, ...]
    parameters: Mapping[str, Any]


_BOTH = ("laredoute", "johnlewis")
_LAREDOUTE = ("laredoute",)
_JOHNLEWIS = ("johnlewis",)

# A parameter of "any" fits everything: `on` is items, offers, retrieve or update; `where` is http or sftp.
FAULTS: Mapping[str, _Kind] = {
    "refuse_login": _Kind(_BOTH, {"where": "any"}),
    "cut_upload": _Kind(_BOTH, {"after": int}),
    "cut_download": _Kind(_BOTH, {}),
    "cut_marker": _Kind(_BOTH, {"made": True}),
    "reject_ean": _Kind(_LAREDOUTE, {"ean": str, "code": "E999", "text": "REJECTED ON REQUEST", "kind": "any"}),
    "lose_report": _Kind(_LAREDOUTE, {"kind": "any"}),
    "delay_report": _Kind(_LAREDOUTE, {"kind": "any", "seconds": float}),
    "repeat_report": _Kind(_LAREDOUTE, {"kind": "any", "same_name": False}),
    "cut_connection": _Kind(_LAREDOUTE, {"on": "any", "after_apply": False}),
    "answer_500": _Kind(_LAREDOUTE, {"on": "any", "after_apply": False}),
    "fail_debit": _Kind(_LAREDOUTE, {}),
    "refuse_refund": _Kind(_LAREDOUTE, {}),
    "wrong_checksum": _Kind(_JOHNLEWIS, {"off_by": 1}),
    "half_file": _Kind(_JOHNLEWIS, {"missing": "marker"}),
    "repeat_order_file": _Kind(_JOHNLEWIS, {"same_name": False, "changed": False}),
    "reject_part": _Kind(_JOHNLEWIS, {"part_number": str, "error": "REJECTED ON REQUEST"}),
    "reject_file": _Kind(
        _JOHNLEWIS,
        {"kind": "any", "error": "REJECTED ON REQUEST", "folder": "outgoing", "named": "as_sent", "layout": "text"},
    ),
    "repeat_request": _Kind(_JOHNLEWIS, {"same_name": False, "changed": False}),
}
_ALLOWED = {
    "where": ("any", "http", "sftp"),
    "on": ("any", "items", "offers", "retrieve", "update"),
    "missing": ("marker", "data"),
    "folder": ("outgoing", "outgoing/errors"),
    "named": ("as_sent", "by_type", "without_ending"),
    "layout": ("text", "lines", "table", "latin"),
}


@dataclass(slots=True)
class Fault:
    """A fault that waits to be done; `left` of None never ends."""

    name: str
    parameters: Mapping[str, Any]
    left: int | None


class Faults:
    """The faults asked of one marketplace, done in the order in which they were asked."""

    def __init__(self, marketplace: str) -> None:
        self._marketplace = marketplace
        self.waiting: list[Fault] = []

    def add(self, name: str, *, times: int | None = 1, **parameters: Any) -> None:
        """Ask for a fault the next `times` times, or until cleared.

        Raises ValueError for an unknown fault, an unknown or missing parameter, and a value of the wrong type.
        """
        kind = FAULTS.get(name)
        if kind is None or self._marketplace not in kind.marketplaces:
            known = ", ".join(name for name, kind in FAULTS.items() if self._marketplace in kind.marketplaces)
            raise ValueError(f"{self._marketplace} has no fault {name!r}; it has {known}")
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(f"times is {times!r}; it is a whole number from 1, or nothing for always")
        unknown = parameters.keys() - kind.parameters.keys()
        if unknown:
            raise ValueError(f"{name} has no parameter {', '.join(sorted(unknown))}")
        checked = {key: _checked(name, key, default, parameters) for key, default in kind.parameters.items()}
        self.waiting.append(Fault(name, checked, times))

    def take(self, name: str, **wanted: str | bool) -> Mapping[str, Any] | None:
        """Use up one fault of this name that fits `wanted`, and give its parameters; None where there is none."""
        for fault in self.waiting:
            if fault.name == name and all(fault.parameters[key] in (value, "any") for key, value in wanted.items()):
                if fault.left is not None:
                    fault.left -= 1
                    self.waiting = [fault for fault in self.waiting if fault.left != 0]
                return fault.parameters
        return None

    def clear(self) -> None:
        """Forget every fault."""
        self.waiting = []


def _checked(name: str, key: str, default: Any, given: Mapping[str, Any]) -> Any:
    required = isinstance(default, type)
    if key not in given:
        if required:
            raise ValueError(f"{name} needs {key}")
        return default
    value = given[key]
    form = default if required else type(default)
    if form is float and type(value) is int:
        value = float(value)
    if type(value) is not form:
        raise ValueError(f"{name}: {key} is {value!r}; it is a {form.__name__}")
    if key in _ALLOWED and value not in _ALLOWED[key]:
        raise ValueError(f"{name}: {key} is {value!r}; it is one of {', '.join(_ALLOWED[key])}")
    return value
