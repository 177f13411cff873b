"""Passwords: argon2, in a thread, a few at a time, so that guessing is dear to who guesses and not to the daemon."""

from functools import cache

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from daemon.errors import NotAllowed

SHORTEST, LONGEST = 10, 1_000

#: each takes 64 MiB for a moment
_AT_ONCE = 2

_hasher = PasswordHasher()


@cache
def _nobodys() -> str:
    """Of no password that anybody has: checked where there is no such user, so that both take as long.

    Made when the first password is checked: making it takes a fifth of the whole start.
    """
    return _hasher.hash("no password of anybody")


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_AT_ONCE)

    async def hash(self, password: str, name: str) -> str:
        """Argon2's text of a new password; raises NotAllowed when it is too easy to guess."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise NotAllowed(f"a password has {SHORTEST} to {LONGEST} characters")
        if password.casefold() == name.casefold() or len(set(password)) < 4:
            raise NotAllowed("this password is too easy to guess; choose another")
        return await to_thread.run_sync(_hasher.hash, password, limiter=self._limiter)

    async def check(self, known: str | None, password: str) -> bool:
        """Whether it is the password; `known` is None where there is no such user, which takes as long to find out."""
        return await to_thread.run_sync(_check, known, password[: LONGEST + 1], limiter=self._limiter)


def _check(known: str | None, password: str) -> bool:
    nobodys = _nobodys()
    try:
        _hasher.verify(known or nobodys, password)
    except (VerificationError, InvalidHashError):
        return False
    return known is not None
