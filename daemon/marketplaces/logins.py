"""From a login as it is configured to one that the transport takes: the one place where an SFTP secret is revealed."""

from collections.abc import Iterable

from daemon.settings import Secret, SftpTable
from daemon.transports.sftp import SftpLogin


def sftp_login(table: SftpTable, pinned: Iterable[str]) -> SftpLogin:
    """The login of a table; its own host keys and those pinned elsewhere are accepted, each once."""
    return SftpLogin(
        host=table.host,
        port=table.port,
        user=table.user,
        password=_revealed(table.password),
        private_key=_revealed(table.private_key),
        passphrase=_revealed(table.passphrase),
        host_keys=tuple(dict.fromkeys((*table.host_keys, *pinned))),
        connections=table.connections,
        in_flight=table.in_flight,
        pipelining=table.pipelining,
    )


def _revealed(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()
