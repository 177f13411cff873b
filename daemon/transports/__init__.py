"""Ways to move bytes: HTTP and SFTP, with every failure named and nothing known of the trade."""
