"""The SSH host keys that a person has trusted: one file of OpenSSH known_hosts lines in the state folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

FILE_NAME = "known_hosts"

_SSH = 22


def pinned(path: Path, host: str, port: int) -> tuple[str, ...]:
    """The trusted keys of one server as `ssh-ed25519 AAAA…`, in the order of the file; none when there is no file."""
    name = _name(host, port)
    return tuple(key for names, key in _entries(path) if name in names)


def pin(path: Path, host: str, port: int, key_line: str) -> None:
    """Trust one key of a server beside those already trusted; the file changes whole or not at all (mode 0600).

    `key_line` is `type base64`, with or without a comment. Raises ValueError when it is not, OSError when the file
    cannot be written.
    """
    words = key_line.split()
    if len(words) < 2 or words[0].startswith(("@", "#", "|")):
        raise ValueError(f"{key_line!r} is not an SSH key: write it as type and base64, such as ssh-ed25519 AAAA…")
    key = " ".join(words[:2])
    if key in pinned(path, host, port):
        return
    text = path.read_text("utf-8") if path.exists() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    _replace(path, f"{text}{_name(host, port)} {key}\n")


def _name(host: str, port: int) -> str:
    return host.lower() if port == _SSH else f"[{host.lower()}]:{port}"


def _entries(path: Path) -> Iterator[tuple[list[str], str]]:
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        # A comment, a marker (@revoked, @cert-authority) or a hashed name is not one of ours.
        if len(words) >= 3 and words[0][0] not in "#@|":
            yield words[0].lower().split(","), f"{words[1]} {words[2]}"


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False) as new:
        try:
            new.write(text)  # NamedTemporaryFile makes it with mode 0600
            new.flush()
            os.fsync(new.fileno())
            if os.geteuid() == 0:
                # Written by root, it must still be readable to the daemon, whose folder it is.
                owner = path.parent.stat()
                os.fchown(new.fileno(), owner.st_uid, owner.st_gid)
            Path(new.name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(new.name).unlink()
            raise
