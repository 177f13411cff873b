"""What the change guard holds back, because it looks like a mistake, and what a person says of it."""

from fastapi import APIRouter
from starlette.responses import Response

from daemon.errors import NotAllowed
from daemon.model import AccountName
from daemon.store.views import MOST, View
from daemon.web.api import guard as rest
from daemon.web.api.guard import After, CaseNumber
from daemon.web.pages.page import Page, ThePage
from daemon.web.pages.tables import ROWS, Form, Table, as_file, plain, whole

router = APIRouter(include_in_schema=False)

_FILE = Table("guard", plain("id", "account", "rule", "opened_at", "closed_at", "held", "total"))
_HELD_FILE = Table(
    "held", plain("id", "sku", "part", "was", "becomes", "state", "held_at", "decided_at", "decided_by", "decided_why")
)


@router.get("/guard")
async def cases(
    page: ThePage,
    account: str = "",
    show: str = "",
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """The cases that wait for a person, the newest first; or all that there were."""
    name = AccountName(account) if account else None
    found = await page.control.store.guard.cases(name, closed=show == "all", limit=MOST if format else ROWS)
    rows = [case.as_dict() for case in found]
    if format:

        async def once(last: int | None, limit: int) -> list[View]:
            return rows[:limit] if last is None else []

        return as_file(_FILE, format, whole(once, lambda row: row["id"]))
    return await page.show(
        "guard.html", title="Change guard", rows=rows, chosen={"account": account, "show": show}, following=None
    )


@router.get("/guard/{case}")
async def case(
    page: ThePage,
    case: CaseNumber,
    after: After = 0,
    format: Form = "",  # noqa: A002 - the word of the address
) -> Response:
    """One case: what the marketplace has, and what would be sent."""

    async def fetch(last: int | None, limit: int) -> list[View]:
        holds: list[View] = (await rest.case(case, page.control, limit, last or 0))["holds"]
        return holds

    if format:
        return as_file(_HELD_FILE, format, whole(fetch, lambda row: row["id"]))
    found = await rest.case(case, page.control, ROWS, after)
    return await page.show(
        "guard_case.html", title=f"Case {case}", case=found["case"], holds=found["holds"], following=found["next"]
    )


@router.post("/guard/{case}/approve")
async def approve(page: ThePage, case: CaseNumber) -> Response:
    """It is meant: what is held leaves with the next feed."""
    return await _decide(page, case, approves=True)


@router.post("/guard/{case}/reject")
async def reject(page: ThePage, case: CaseNumber) -> Response:
    """It is a mistake: the marketplace keeps what it has."""
    return await _decide(page, case, approves=False)


async def _decide(page: Page, case: int, *, approves: bool) -> Response:
    form = await page.form()

    async def work() -> View:
        skus = [str(sku) for sku in form.getlist("sku")]
        if not skus and form.get("which") != "all":
            raise NotAllowed("nothing was chosen; tick some first, or decide all")
        said = rest.Verdict(skus=None if form.get("which") == "all" else skus, why=str(form.get("why", "")))
        verb = rest.approve if approves else rest.reject
        return await verb(case, said, page.control, page.caller, page.now)

    def told(done: View) -> str:
        if approves:
            return f"{done['approved']} approved; they leave with the next feed"
        return f"{done['rejected']} rejected; the marketplace keeps what it has"

    return await page.act(work, told, f"/guard/{case}")
