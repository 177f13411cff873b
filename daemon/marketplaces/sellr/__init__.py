"""La Redoute over Sell-R: SOAP requests over HTTP, answers in the reply and as files on the SFTP (guide L)."""

from daemon.marketplaces.sellr.marketplace import Sellr
from daemon.marketplaces.sellr.settings import SellrSettings

__all__ = ["Sellr", "SellrSettings"]
