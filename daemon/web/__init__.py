"""What the daemon says and is told over HTTP: health and figures on a port, the control interface on a Unix socket."""
