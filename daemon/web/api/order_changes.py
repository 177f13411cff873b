"""Orders by a cursor, for programs that go on where they were (guide S2)."""

import re
from typing import Annotated

from fastapi import APIRouter, Query

from daemon.store.views import PAGE, Place, View
from daemon.web.api.asking import MOST_ROWS, Account, Limit, TheControl, name_of
from daemon.web.api.problems import BadCursor
from daemon.web.caller import TheCaller, want_personal

router = APIRouter(prefix="/api/v1")

#: the place of the last change that was given
_CURSOR = re.compile(r"c1-([0-9]{1,19})-([0-9]{1,19})")


@router.get("/accounts/{account}/order-changes")
async def changes(
    account: Account,
    control: TheControl,
    caller: TheCaller,
    cursor: Annotated[
        str, Query(max_length=100, description="from the answer before; without it, from the start")
    ] = "",
    limit: Limit = PAGE,
    *,
    personal: bool = False,
) -> View:
    """Orders that changed behind a cursor, the oldest change first.

    Keep the cursor of an answer together with what you made of its orders: whoever then goes on from it misses no
    change and sees none twice. An order that changed more than once meanwhile comes once, as it is now. `more` says
    that the next answer has orders already. `personal` adds who gets the goods, for who may see that (D12).
    """
    if personal:
        want_personal(caller)
    page, (at, row) = await control.store.views.order_changes(
        name_of(account), _place(cursor), personal=personal, limit=limit
    )
    return {"version": 1, "orders": page, "cursor": f"c1-{at}-{row}", "more": len(page) == limit}


def _place(cursor: str) -> Place:
    if not cursor:
        return 0, 0
    found = _CURSOR.fullmatch(cursor)
    if found is None or max(int(found[1]), int(found[2])) > MOST_ROWS:
        raise BadCursor(cursor)
    return int(found[1]), int(found[2])
