"""Tell systemd how the daemon is: sd_notify over its datagram socket, and how often it wants to hear of us (D6)."""

import os
import socket
import time
from datetime import timedelta


def notify(*lines: str) -> bool:
    """Send one datagram of `NAME=value` lines; False when nobody listens. Never waits, never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract address, which has no file
    # A line break in a value would begin another message.
    message = "\n".join(line.replace("\n", " ") for line in lines)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(message.encode(), address)
        except OSError:
            return False
    return True


def reloading() -> bool:
    """Say that a reload began; without the clock systemd would not believe it (sd_notify(3))."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")


def watchdog_interval() -> timedelta | None:
    """How long systemd waits for a sign of life before it restarts us; None when it does not watch this process."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    if not wanted.isdecimal() or int(wanted) == 0:
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return timedelta(microseconds=int(wanted))
