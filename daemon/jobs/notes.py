"""What a turn says of itself is logged and shown to everybody who looks: it never quotes what came in (D12)."""

import re

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def unquoted(reason: str) -> str:
    """A reason without the texts that it quotes, which may say who somebody is; the delivery itself has them."""
    return _QUOTED.sub('"…"', reason)
