"""Reasons quote what came in, and that may say who somebody is: who has no business with it gets no quotes (D12)."""

import re

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def unquoted(reason: str) -> str:
    """A reason without the texts that it quotes: where they stand is told, and the delivery itself has them."""
    return _QUOTED.sub('"…"', reason)
