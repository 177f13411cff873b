"""The signature of what we send to addresses that people configure, as Standard Webhooks has it."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

_SECRET = "whsec_"  # noqa: S105 - what secrets begin with


def signed(secret: str, message: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message: its id, the instant of this try in UNIX seconds, and the signature (v1, HMAC-SHA256).

    The key is the secret itself, or what `whsec_` and base64 stand for; without a secret there is no signature.
    """
    seconds = int(at.timestamp())
    headers = {"webhook-id": message, "webhook-timestamp": str(seconds)}
    if not secret:
        return headers
    content = f"{message}.{seconds}.".encode() + body
    digest = base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()
    return {**headers, "webhook-signature": f"v1,{digest}"}


def key_of(secret: str) -> bytes:
    """The key that a secret stands for; raises ValueError where it claims to be base64 and is none."""
    if not secret.startswith(_SECRET):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except binascii.Error:
        raise ValueError("what stands behind whsec_ is not base64; write it as it was given") from None
