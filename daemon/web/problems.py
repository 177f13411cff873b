"""Problems as RFC 9457 has them: type, title, status, detail; `code` is the end of the type.

The types stay, so that programs can go by them; titles and details are for people, and may change.
"""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

#: the media type of a problem
PROBLEM = "application/problem+json"
#: what a type begins with; behind it stands the code
TYPE = "urn:sellerd:problem:"

#: every kind of problem that there is, with its title
TITLES: Mapping[str, str] = {
    "bad_cursor": "the cursor is none of ours",
    "bad_request": "not possible",
    "forbidden": "not for whoever asks",
    "invalid_request": "the request is not in the documented form",
    "key_used": "the idempotency key belongs to another request",
    "marketplace_refused": "the marketplace said no",
    "marketplace_unreachable": "the marketplace cannot be reached",
    "method_not_allowed": "not for this address",
    "not_allowed": "not allowed now",
    "not_found": "there is no such thing",
    "sellerd_failed": "sellerd failed",
    "store_failed": "the database cannot be used",
    "too_large": "too large",
    "too_many_requests": "too many requests",
    "unauthenticated": "not signed in",
    "unreadable": "the file cannot be read",
    "unsupported_media_type": "not in a form that is taken here",
    "wrong_configuration": "the configuration is wrong",
}

#: the kind of what is known by its status alone
BY_STATUS: Mapping[int, str] = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "store_failed",
}


def as_problem(status: int, code: str, detail: str, **more: object) -> dict[str, Any]:
    """A problem as it is written."""
    return {"type": f"{TYPE}{code}", "code": code, "title": TITLES[code], "status": status, "detail": detail, **more}


def problem(status: int, code: str, detail: str, **more: object) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse(as_problem(status, code, detail, **more), status, media_type=PROBLEM)
