"""Names and times as SFTP servers have them, and as they are with us: clean segments of text, instants in UTC."""

import unicodedata
from datetime import UTC, datetime


def path_of(folder: str, name: str | None = None) -> bytes:
    """Return the path of a folder of our configuration, or of a file in it; raises ValueError for an unclean name."""
    if name is None:
        return (folder or ".").encode()
    if clean_name(name.encode("utf-8", "surrogatepass")) is None:
        raise ValueError(f"{name!r} is not a clean file name")
    return (f"{folder.rstrip('/')}/{name}" if folder else name).encode()


def clean_name(raw: bytes | str) -> str | None:
    """Return a name as text if it is one clean path segment, else nothing."""
    try:
        name = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        return None
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        return None
    # Control characters, line and paragraph separators: they would forge lines in what people read.
    if not name.isprintable() and any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in name):
        return None
    return name


def shown(path: bytes) -> str:
    """Return the name at the end of a path of ours, for error texts."""
    return path.rpartition(b"/")[2].decode()


def instant(seconds: int | None) -> datetime | None:
    """Return a time that a server gives in seconds since 1970; None is what it does not say."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
