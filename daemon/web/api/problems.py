"""Every error of the REST interface as a problem (`web/problems.py`), and how its description tells them."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from daemon.errors import ConfigError, NotAllowed, StoreError, TransportError, Unreadable
from daemon.store.requests import KeyUsed
from daemon.web.access import remark
from daemon.web.problems import BY_STATUS, PROBLEM, TYPE, as_problem, problem

#: what pydantic says in the words of Python, in the words of a request
_SAID = {
    "missing": "it is missing; add it",
    "extra_forbidden": "this is no field that is known here; leave it out, or see whether it is misspelt",
    "json_invalid": "this is not JSON",
    "model_attributes_type": "write a JSON object",
}
#: what the framework says of an address and a method that lead nowhere
_NOWHERE = {
    404: "there is nothing at this address; /api/v1/openapi.json has all that there is",
    405: "this address knows other methods; /api/v1/openapi.json has them",
}


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="which kind of problem it is; stays", examples=[f"{TYPE}not_allowed"])
    code: str = Field(description="the end of the type", examples=["not_allowed"])
    title: str = Field(description="the kind in words", examples=["not allowed now"])
    status: int = Field(description="the status of the answer", examples=[409])
    detail: str = Field(description="what is wrong here and what to do, for people")
    problems: list[str] | None = Field(default=None, description="each thing that is wrong, where there are several")


class BadCursor(HTTPException):
    """A cursor that was not given by us."""

    def __init__(self, cursor: str) -> None:
        super().__init__(422, f"{cursor[:100]!r} is no cursor that was given here; begin without one")


def fault_as_problem(error: Exception) -> dict[str, Any]:
    """An error of ours, by its kind."""
    match error:
        case NotAllowed():
            return as_problem(409, "not_allowed", str(error))
        case KeyUsed():
            return as_problem(422, "key_used", str(error))
        case ConfigError():
            return as_problem(422, "wrong_configuration", str(error), problems=error.problems)
        case Unreadable():
            return as_problem(422, "unreadable", str(error))
        case StoreError():
            return as_problem(503, "store_failed", str(error))
        case TransportError():
            return as_problem(502, "marketplace_unreachable", str(error))
        case _:
            return as_problem(502, "marketplace_refused", str(error))


async def tell_fault(request: Request, error: Exception) -> JSONResponse:
    """An error of ours."""
    if isinstance(error, NotAllowed):
        # Our own words, which name lines and SKUs and never customers.
        remark(request.scope, str(error))
    told = fault_as_problem(error)
    return JSONResponse(told, told["status"], media_type=PROBLEM)


async def tell_http(_: Request, error: Exception) -> JSONResponse:
    """What the address or the method is wrong about."""
    if not isinstance(error, HTTPException):
        raise error
    code = "bad_cursor" if isinstance(error, BadCursor) else BY_STATUS.get(error.status_code, "bad_request")
    unsaid = error.detail == HTTPStatus(error.status_code).phrase
    answer = problem(error.status_code, code, _NOWHERE.get(error.status_code, "") * unsaid or str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def tell_nobody(_: Request, _error: Exception) -> Response:
    """What is answered where nobody listens any more."""
    # Whoever asked has hung up in the middle: nothing was changed, and nobody hears this.
    return Response(status_code=400)


async def tell_unforeseen(_: Request, _error: Exception) -> JSONResponse:
    """An error that nobody expected; the log has it."""
    return problem(500, "sellerd_failed", "sellerd failed at this; its log says why")


async def tell_invalid(_: Request, error: Exception) -> JSONResponse:
    """A request that is not in the documented form: every part that is wrong."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        f"{'.'.join(str(step) for step in each['loc'])}: {_SAID.get(each['type'], each['msg'])}"
        for each in error.errors()
    ]
    return problem(422, "invalid_request", "; ".join(problems), problems=problems)
