"""The sandbox's own folders: files that appear whole, numbers that survive a restart, host keys that stay."""

import fcntl
import json
import os
import signal
from pathlib import Path

import asyncssh

_OTHERS = 0o077


class Dropbox:
    """Puts files into a folder that a client sees, whole or not at all.

    The unfinished file lies in `scratch`, on the same file system and outside the client's view.
    """

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = scratch

    def put(self, path: Path, content: bytes) -> None:
        """Let `path` appear with `content`; a file of that name is replaced."""
        unfinished = self._scratch / path.name
        unfinished.write_bytes(content)
        unfinished.replace(path)


class Numbers:
    """Counters by name from 1, kept in one file so that a restarted sandbox gives no number twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, int] = json.loads(path.read_text("ascii")) if path.exists() else {}

    def next(self, name: str) -> int:
        """Give the next number of `name`."""
        number = self._last.get(name, 0) + 1
        self._last[name] = number
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(self._last), "ascii")
        unfinished.replace(self._path)
        return number


def is_being_written(path: Path) -> bool:
    """Say whether any process has a file open to write, whatever server it came through.

    The kernel grants a read lease only on a file that nobody writes (fcntl(2)); where it cannot tell, nobody does.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        # A writer that comes this very moment breaks the lease: told by a signal that does nothing, not by SIGIO.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def host_key(path: Path) -> asyncssh.SSHKey:
    """Read the ed25519 host key at `path`, or make one there (mode 0600). A key that others may read is refused."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="sandbox")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(key.export_private_key())
        return key
    if path.stat().st_mode & _OTHERS:
        raise PermissionError(f"{path}: a host key must be for its owner alone; run chmod 600 {path}")
    return asyncssh.read_private_key(path)
