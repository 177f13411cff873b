"""John Lewis and other retailers over Virtualstock's The Edge: files on an SFTP server, both ways (guide J)."""

from daemon.marketplaces.edge.marketplace import Edge
from daemon.marketplaces.edge.settings import EdgeSettings

__all__ = ["Edge", "EdgeSettings"]
