"""The signature of what we send to addresses that people configure, so that its receiver knows whose it is."""

import hashlib
import hmac
from datetime import datetime

HEADER = "sellerd-signature"


def signature(secret: str, body: bytes, at: datetime) -> str:
    """`t=<UNIX seconds>,v1=<hex>`: HMAC-SHA256 over the seconds, a full stop and the body.

    The receiver makes it once more with the secret, and turns down what is older than some minutes.
    """
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
