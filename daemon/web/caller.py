"""Who asks, how they came in, and what they may do."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from daemon.store.users import Right

#: the key of the caller in the scope of a request
SCOPE = "sellerd.caller"

#: socket: the control socket; here: the command line itself, without a daemon; none: the port where nobody signs in
How = Literal["socket", "here", "session", "token", "proxy", "none"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks. `session` is the token of the browser, empty where there is no session."""

    name: str
    how: How
    address: str
    rights: frozenset[Right]
    session: str = ""

    def may(self, right: Right) -> bool:
        """Whether the caller has a right."""
        return right in self.rights

    @property
    def in_a_browser(self) -> bool:
        """Whether a browser vouches for the caller by itself, so that another site could make it ask."""
        return self.how in ("session", "proxy", "none")


def caller_of(request: Request) -> Caller:
    """Who asks this."""
    caller: Caller = request.scope[SCOPE]
    return caller


TheCaller = Annotated[Caller, Depends(caller_of)]


def want_personal(caller: Caller) -> None:
    """Raise HTTPException (403) unless the caller may see customers (D12)."""
    if not caller.may(Right.PERSONAL):
        raise HTTPException(403, "this holds personal data of customers, which you may not see")


def _sees_customers(caller: TheCaller) -> None:
    want_personal(caller)


#: a dependency of routes that give personal data whole
SeesCustomers = Depends(_sees_customers)
