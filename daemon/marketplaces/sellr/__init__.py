"""La Redoute over Sell-R: SOAP requests over HTTP, answers in the reply and as files on the SFTP (guide L)."""
