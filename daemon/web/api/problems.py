"""Every error as a problem as RFC 9457 has it: title, status, detail."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from daemon.errors import ConfigError, NotAllowed, StoreError, TransportError, Unreadable
from daemon.web.access import remark

_PROBLEM = "application/problem+json"


def problem(status: int, title: str, detail: str, **more: object) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"title": title, "status": status, "detail": detail, **more}, status, media_type=_PROBLEM)


async def tell_fault(request: Request, error: Exception) -> JSONResponse:
    """An error of ours, by its kind."""
    match error:
        case NotAllowed():
            # Our own words, which name lines and SKUs and never customers.
            remark(request.scope, str(error))
            return problem(409, "not allowed now", str(error))
        case ConfigError():
            return problem(422, "the configuration is wrong", str(error), problems=error.problems)
        case Unreadable():
            return problem(422, "the file cannot be read", str(error))
        case StoreError():
            return problem(503, "the database cannot be used", str(error))
        case TransportError():
            return problem(502, "the marketplace cannot be reached", str(error))
        case _:
            return problem(502, "the marketplace said no", str(error))


async def tell_http(_: Request, error: Exception) -> JSONResponse:
    """What the address or the method is wrong about."""
    if not isinstance(error, HTTPException):
        raise error
    titles = {404: "there is no such thing", 405: "not for this address", 413: "too large"}
    return problem(error.status_code, titles.get(error.status_code, "not possible"), str(error.detail))


async def tell_nobody(_: Request, _error: Exception) -> Response:
    """What is answered where nobody listens any more."""
    # Whoever asked has hung up in the middle: nothing was changed, and nobody hears this.
    return Response(status_code=400)


async def tell_unforeseen(_: Request, _error: Exception) -> JSONResponse:
    """An error that nobody expected; the log has it."""
    return problem(500, "sellerd failed", "sellerd failed at this; its log says why")


async def tell_invalid(_: Request, error: Exception) -> JSONResponse:
    """A request that is not in the documented form: every part that is wrong."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}" for each in error.errors()]
    return problem(422, "the request is not in the documented form", "; ".join(problems), problems=problems)
