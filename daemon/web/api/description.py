"""The description of the interface (OpenAPI 3.1): what its routes say of themselves, and what all of them share.

It is put together when it is asked for first. Every error is a problem, every answer has a form, every route a tag, in
one place, so that no route can forget it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from daemon.seller.spreadsheets import XLSX
from daemon.web.api import answers
from daemon.web.api.bulk import RowAnswer, Summary
from daemon.web.api.problems import Problem
from daemon.web.problems import PROBLEM, as_problem

_A = "/api/v1/accounts/{account}"
_ORDER = f"{_A}/orders/{{number}}"

#: the answers that have a form of their own, by method and path
ANSWERS: Mapping[tuple[str, str], type[BaseModel]] = {
    ("get", "/api/v1/accounts"): answers.Accounts,
    ("get", _A): answers.OneAccount,
    ("get", f"{_A}/listings"): answers.Listings,
    ("get", f"{_A}/listings/{{sku}}"): answers.OneListing,
    ("get", f"{_A}/promotions"): answers.Promotions,
    ("post", f"{_A}/imports/{{kind}}"): answers.ImportReport,
    ("get", "/api/v1/orders"): answers.Orders,
    ("get", f"{_A}/order-changes"): answers.OrderChanges,
    ("get", _ORDER): answers.OneOrder,
    **{("post", f"{_ORDER}/{verb}"): answers.Recorded for verb in ("accept", "refuse", "ship", "refund", "resend")},
    ("get", "/api/v1/feeds"): answers.Feeds,
    ("get", "/api/v1/feeds/{feed}"): answers.OneFeed,
    ("get", "/api/v1/webhooks"): answers.Webhooks,
    ("get", "/api/v1/webhooks/{name}/messages"): answers.Messages,
    ("post", "/api/v1/webhooks/{name}/replay"): answers.Replayed,
}

#: routes that answer with bytes or lines: path → media types
FILES: Mapping[str, tuple[str, ...]] = {
    f"{_A}/orders-export": ("application/json", "text/csv", XLSX),
    f"{_A}/listings-export": ("application/json", "text/csv", XLSX),
    f"{_A}/imports/{{kind}}/bad-rows": ("text/csv", XLSX),
    "/api/v1/feeds/{feed}/payload": ("application/octet-stream",),
    "/api/v1/feeds/{feed}/received/{delivery}": ("application/octet-stream",),
}

#: routes whose body is a file
BODIES: Mapping[str, tuple[str, ...]] = {
    f"{_A}/imports/{{kind}}": ("text/csv", XLSX),
    f"{_A}/imports/{{kind}}/bad-rows": ("text/csv", XLSX),
    f"{_A}/reference/{{kind}}": ("text/csv", XLSX),
}

_ABOUT = """
Listings, stock, prices, promotions and orders of a seller at La Redoute and John Lewis.

* Instants are ISO 8601 in UTC; amounts are whole minor units (`4990` is 49.90) in the account's currency.
* Every answer holds `version`. Fields may come; those that are described here stay.
* Every error is a problem (RFC 9457) whose `type` and `code` stay: programs go by them, people read `detail`.
* Whatever is decided of an order may carry an `Idempotency-Key`: done once, however often it is sent.
* Rows in bulk are answered row by row; orders are followed by a cursor. See `docs/rest-and-webhooks.md`.
"""

_BYTES = {"type": "string", "format": "binary"}

#: the tags in their order, each with what it is about; the part of the path that gives it
_TAGS: Mapping[str, str] = {
    "accounts": "Accounts, how they stand, and their jobs",
    "listings": "Listings, stock and validation",
    "bulk": "Rows in bulk, streamed and answered one by one",
    "imports": "Files of the seller's, and the marketplace's lists of codes",
    "promotions": "Promotions",
    "orders": "Orders and what is decided of them",
    "claims": "Requests to cancel that came from the marketplace",
    "feeds": "What was sent and what came in, with its bytes",
    "webhooks": "Who is told of events",
    "alerts": "What is wrong",
    "guard": "What looks like a mistake, and waits for a person",
    "site": "The installation itself: state, configuration, backups",
    "access": "Users, tokens and the audit trail",
}
_BY_WORD = {
    **dict.fromkeys(("listings", "listings-export", "validation", "stock", "codes"), "listings"),
    **dict.fromkeys(("orders", "orders-export", "order-changes"), "orders"),
    **dict.fromkeys(("imports", "reference"), "imports"),
    **dict.fromkeys(("feeds", "deliveries", "gates"), "feeds"),
    **dict.fromkeys(("users", "tokens", "audit"), "access"),
    **{word: word for word in ("bulk", "promotions", "claims", "webhooks", "alerts", "guard")},
}


class Described(FastAPI):
    """An application that describes itself so."""

    def openapi(self) -> dict[str, Any]:
        """The description, made when it is asked for first."""
        if self.openapi_schema is None:
            self.openapi_schema = _made(self)
        return self.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=_ABOUT.strip(), routes=app.routes)
    made["tags"] = [{"name": name, "description": about} for name, about in _TAGS.items()]
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_schemas())
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token made by `sellerd tokens create`."}
    }
    made["security"] = [{"token": []}, {}]
    for method, path, operation in _operations(made):
        operation["tags"] = [_tag(path)]
        _tell_answers(method, path, operation)
    return made


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _schemas() -> dict[str, Any]:
    models: set[type[BaseModel]] = {answers.Answer, Problem, RowAnswer, Summary, *ANSWERS.values()}
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in models]
    _, made = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    found: dict[str, Any] = made["$defs"]
    return found


def _tag(path: str) -> str:
    words = path.removeprefix("/api/v1/").split("/")
    if words[0] == "accounts":
        return next((_BY_WORD[word] for word in words[2:] if word in _BY_WORD), "accounts")
    return _BY_WORD.get(words[0], "site")


def _tell_answers(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    good = next(status for status in responses if status.startswith("2"))
    if path in FILES:
        responses[good]["content"] = {
            kind: {"schema": _reference(answers.Answer) if kind == "application/json" else _BYTES}
            for kind in FILES[path]
        }
    elif "application/json" in responses[good].get("content", {}):
        model = ANSWERS.get((method, path), answers.Answer)
        responses[good]["content"]["application/json"]["schema"] = _reference(model)
    if method == "post" and path in BODIES:
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": _BYTES} for kind in BODIES[path]}}
    responses["422"] = _problem("The request, or its file, is not in the documented form", 422, "invalid_request")
    if method == "post":
        responses["409"] = _problem("Not allowed now; the detail says why", 409, "not_allowed")
    responses["default"] = _problem("Whatever else went wrong", 404, "not_found")


def _problem(words: str, status: int, code: str) -> dict[str, Any]:
    example = as_problem(status, code, "what is wrong here, and what to do")
    return {"description": words, "content": {PROBLEM: {"schema": _reference(Problem), "example": example}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
