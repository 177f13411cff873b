"""What a page says that cannot be shown: why, and where to go."""

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from daemon.errors import NotAllowed, StoreError
from daemon.web.caller import SCOPE
from daemon.web.pages.page import Page

_TITLES = {403: "Not allowed", 404: "There is no such page", 405: "Not for this address", 413: "Too large"}


async def tell(request: Request, error: Exception) -> Response:
    """A page that says what is wrong; plain text where the database is what is wrong, for a page asks it too."""
    if isinstance(error, StoreError):
        return PlainTextResponse(f"the database cannot be used: {error}\n", 503)
    status, why = _told(error)
    caller = request.scope.get(SCOPE)
    if caller is None:
        return PlainTextResponse(f"{why}\n", status)
    page = Page(request, caller, request.app.state.control, request.app.state.clocks())
    return await page.show("problem.html", status=status, title=_TITLES.get(status, "Not possible"), why=why)


def _told(error: Exception) -> tuple[int, str]:
    match error:
        case HTTPException(status_code=404, detail="Not Found"):
            return 404, "the address names nothing that is here"
        case HTTPException():
            return error.status_code, str(error.detail)
        case RequestValidationError():
            wrong = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
            return 422, f"the address is not in the form of this page: {'; '.join(wrong)}"
        case NotAllowed():
            return 409, str(error)
        case _:
            return 502, str(error)
