"""The sandbox's own levers over HTTP, under /sandbox/: state, orders, the portal and faults."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from daemon.sandbox.edge import TheEdge
from daemon.sandbox.laredoute import LaRedoute
from daemon.sandbox.strict import Mistake

Body = Mapping[str, Any]


class Control:
    """The routes under /sandbox/. A bad request is answered with 400 and a sentence; an illegal move with 409."""

    def __init__(self, laredoute: LaRedoute, johnlewis: TheEdge) -> None:
        self._laredoute = laredoute
        self._johnlewis = johnlewis
        self.routes = [
            Route("/sandbox/state", self._state, methods=["GET"]),
            Route("/sandbox/faults", self._clear, methods=["DELETE"]),
            *(
                Route(f"/sandbox/{path}", self._posted(act), methods=["POST"])
                for path, act in (
                    ("faults", self._fault),
                    ("orders", self._order),
                    ("orders/resend", self._resend),
                    ("orders/finish", self._finish),
                    ("cancellations", self._cancellation),
                    ("portal", self._portal),
                    ("refusals", self._refusal),
                )
            ),
            Route("/sandbox/answers", self._answer, methods=["POST"]),
        ]

    async def _state(self, _request: Request) -> Response:
        return JSONResponse(plain({"laredoute": self._laredoute.state(), "johnlewis": self._johnlewis.state()}))

    async def _clear(self, _request: Request) -> Response:
        self._laredoute.faults.clear()
        self._johnlewis.faults.clear()
        return JSONResponse({})

    async def _answer(self, _request: Request) -> Response:
        await self._laredoute.answer_now()
        await self._johnlewis.work_now()
        return JSONResponse({})

    def _posted(self, act: Callable[[Body], Body]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(plain(act(_object(await request.json()))))
            except Mistake as mistake:
                return PlainTextResponse(str(mistake), 409)
            except KeyError as error:
                return PlainTextResponse(f"{error.args[0]} is missing", 400)
            except (TypeError, ValueError) as error:
                return PlainTextResponse(str(error), 400)

        return endpoint

    def _of(self, body: Body) -> LaRedoute | TheEdge:
        marketplaces: dict[str, LaRedoute | TheEdge] = {"laredoute": self._laredoute, "johnlewis": self._johnlewis}
        if body["marketplace"] not in marketplaces:
            raise ValueError(f"marketplace is one of {', '.join(marketplaces)}")
        return marketplaces[body["marketplace"]]

    def _fault(self, body: Body) -> Body:
        parameters = {key: value for key, value in body.items() if key not in ("marketplace", "fault", "times")}
        self._of(body).faults.add(body["fault"], times=body.get("times", 1), **parameters)
        return {}

    def _order(self, body: Body) -> Body:
        marketplace = self._of(body)
        lines = _lines(body["lines"])
        if isinstance(marketplace, LaRedoute):
            placed = marketplace.place_order(lines, body.get("number"))
            return {"number": placed.id, "lines": [line.id for line in placed.lines]}
        first, *more = lines
        order = marketplace.place_order(
            *first, *more, number=body.get("number"), environment=body.get("environment", "live")
        )
        return {"number": order.number, "lines": list(order.lines), "file_name": order.file_name}

    def _resend(self, body: Body) -> Body:
        return {"file_name": self._johnlewis.resend_order(body["number"]).file_name}

    def _finish(self, _body: Body) -> Body:
        self._johnlewis.finish_files()
        return {}

    def _cancellation(self, body: Body) -> Body:
        units = {str(ref): int(count) for ref, count in dict(body["lines"]).items()}
        null, reason = str(body.get("null", "")), str(body.get("reason", ""))
        return {"file_name": self._johnlewis.request_cancellation(body["number"], units, null=null, reason=reason)}

    def _portal(self, body: Body) -> Body:
        self._laredoute.portal_change(body["line"], body["status"])
        return {}

    def _refusal(self, body: Body) -> Body:
        told = {key: str(body[key]) for key in ("code", "text") if key in body}
        self._laredoute.refuse_later(body["ean"], **told)
        return {}


def _object(given: object) -> Body:
    if not isinstance(given, dict):
        raise TypeError("a JSON object is expected")
    return given


def _lines(given: object) -> list[tuple[str, int]]:
    """Read [[EAN or part number, quantity], …]."""
    if not isinstance(given, list) or not given:
        raise ValueError("lines is a list of [EAN or part number, quantity]")
    lines = []
    for line in given:
        if not (isinstance(line, list) and len(line) == 2 and isinstance(line[0], str) and type(line[1]) is int):
            raise ValueError(f"{line!r} is not [EAN or part number, quantity]")
        if line[1] < 1:
            raise ValueError(f"{line!r}: the quantity starts at 1")
        lines.append((line[0], line[1]))
    return lines


def plain(value: Any) -> Any:
    """Give a value as JSON can say it: decimals and times as text, bytes as base64."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value) if isinstance(value, Decimal) else value
