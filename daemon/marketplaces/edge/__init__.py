"""John Lewis and other retailers over Virtualstock's The Edge: files on an SFTP server, both ways (guide J)."""
