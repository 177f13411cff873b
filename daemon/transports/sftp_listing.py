"""Listing a folder of an SFTP server: the regular files of clean names, however many entries there are."""

from collections.abc import Callable
from functools import partial

import asyncssh

from daemon.errors import Unreadable
from daemon.model import RemoteFile
from daemon.transports.sftp_names import clean_name, instant, path_of
from daemon.transports.sftp_pipeline import Entry, Pipeline
from daemon.transports.sftp_session import Session

# The longest name in bytes and the largest size that file systems know.
_LONGEST_NAME = 255
_LARGEST = (1 << 63) - 1


async def list_folder(session: Session, pipeline: Pipeline | None, folder: str, limit: int) -> "Listing":
    """List a folder, through the pipeline where there is one.

    Raises FileGone for a folder that is not there, Unreadable for one of more than `limit` entries.
    """
    listing, path, doing = Listing(folder, limit), path_of(folder), f"listing {folder}"
    if pipeline is None:
        scan = partial(_scan, session.client, path, listing.take)
        await session.ask(scan, session.timeouts.list, doing)
    else:
        with session.answering(session.timeouts.list, doing):
            await pipeline.names(path, listing.take)
    return listing


class Listing:
    """The regular files of a folder as its entries come, and how many entries are no file that could be read.

    It holds no more of an entry than a file may have: a server may go on with long names until its time is over.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.files: list[RemoteFile] = []
        self.odd = 0
        self._folder = folder
        self._limit = limit
        self._count = 0

    def take(self, entry: Entry) -> None:
        """Take the next entry; raises Unreadable when it is one too many."""
        self._count += 1
        if self._count > self._limit:
            raise Unreadable(f"the folder {self._folder} has more than {self._limit} entries")
        if not entry.regular:
            return
        name = None if len(entry.name) > _LONGEST_NAME else clean_name(entry.name)
        if name is None or entry.size is None or entry.size > _LARGEST:
            self.odd += 1
        else:
            self.files.append(RemoteFile(self._folder, name, entry.size, instant(entry.modified)))


async def _scan(client: asyncssh.SFTPClient, path: bytes, take: Callable[[Entry], None]) -> None:
    """List a folder, asking with bytes so that one name that is not UTF-8 does not hide the others."""
    async for entry in client.scandir(path):
        name = entry.filename if isinstance(entry.filename, bytes) else entry.filename.encode()
        take(Entry(name, entry.attrs.size, entry.attrs.mtime, _is_regular(entry)))


def _is_regular(entry: asyncssh.SFTPName) -> bool:
    if entry.attrs.type == asyncssh.FILEXFER_TYPE_UNKNOWN:
        # A server that gives no permissions tells the type only by the first sign of its `ls -l` line.
        return entry.longname[:1] in (b"-", "-")
    return bool(entry.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR)
