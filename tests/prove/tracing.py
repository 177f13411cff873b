"""What strace writes of a process's calls on the files of one folder, read back with every byte that was written."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: the options with which strace writes what is read here
OPTIONS = (
    *("-ttt", "-T", "-y", "-xx", "-s", "1000000"),
    *("-e", "trace=openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink"),
)

_LINE = re.compile(r"(\d+) +(\d+\.\d+) (?:<\.\.\. \w+ resumed>(?P<rest>.*)|(?P<call>\w+)\((?P<told>.*))")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OF_FILE = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
_NUMBER = re.compile(r", (\d+)(?=[,)])")
_RESULT = re.compile(r"\) += (-?\d+)")
_TOOK = re.compile(r"<(\d+\.\d+)>$")
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: create, truncate, write, sync, rename or unlink; `path` is relative to the folder, which is "" itself.

    `began` and `ended` are numbers of lines, `clock` is when it ended, in seconds since 1970. `data` is what was
    written, or the new path of a rename; `at` is the offset, or the new length.
    """

    name: str
    path: str
    began: int
    ended: int
    clock: float
    data: bytes = b""
    at: int = 0


def read_calls(lines: Iterable[str], folder: Path) -> Iterator[Call]:
    """Every call on the folder's files that did not fail, in the order in which they ended."""
    trace, begun = _Trace(f"{folder}"), dict[str, tuple[int, str, str]]()
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, clock = match[1], float(match[2])
        if match["call"] is None:
            if thread not in begun:
                continue
            began, name, told = begun.pop(thread)
            told += match["rest"]
        else:
            began, name, told = number, match["call"], match["told"]
            if told.endswith(_UNFINISHED):
                begun[thread] = number, name, told.removesuffix(_UNFINISHED)
                continue
            # The clock on its line is that of its beginning.
            took = _TOOK.search(told)
            clock += float(took[1]) if took else 0.0
        result = _RESULT.search(told)
        if result is not None and int(result[1]) >= 0:
            found = trace.read(name, told, int(result[1]))
            if found is not None:
                what, path, data, at = found
                yield Call(what, path, began, number, clock, data, at)


class _Trace:
    """Calls one after the other; it knows how far each open file was written."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._offsets = dict[str, int]()

    def read(self, name: str, told: str, result: int) -> tuple[str, str, bytes, int] | None:
        """What a call did, to which file, with what and where; None where it concerns nothing here."""
        strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(told)]
        if name == "openat":
            self._offsets[str(result)] = 0
            path = self._inside(strings[0])
            if not path or "O_CREAT" not in told:
                return None
            return "truncate" if "O_TRUNC" in told else "create", path, b"", 0
        if name in ("rename", "unlink"):
            path = self._inside(strings[0])
            return None if path is None else (name, path, b"".join(map(self._encoded, strings[1:])), 0)
        return self._on_open_file(name, told, result, strings)

    def _on_open_file(
        self, name: str, told: str, result: int, strings: list[bytes]
    ) -> tuple[str, str, bytes, int] | None:
        of_file = _OF_FILE.match(told)
        path = self._inside(bytes.fromhex(of_file[2].replace("\\x", ""))) if of_file and not of_file[3] else None
        if of_file is None or path is None:
            return None
        if name in ("fsync", "fdatasync"):
            return "sync", path, b"", 0
        if name == "ftruncate":
            return "truncate", path, b"", int(_NUMBER.findall(told)[0])
        data, at = strings[0][:result], self._offsets.get(of_file[1], 0)
        if name == "pwrite64":
            return "write", path, data, int(_NUMBER.findall(told)[-1])
        self._offsets[of_file[1]] = at + result
        return "write", path, data, at

    def _inside(self, path: bytes) -> str | None:
        text = path.decode("utf-8", "replace")
        if text == self._folder:
            return ""
        return text.removeprefix(f"{self._folder}/") if text.startswith(f"{self._folder}/") else None

    def _encoded(self, path: bytes) -> bytes:
        return (self._inside(path) or "").encode()
