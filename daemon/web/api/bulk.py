"""Rows in bulk: a stream of JSON lines or a table in, one line of JSON out for each row (guide S1, S3)."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from daemon.errors import DaemonError
from daemon.seller.batches import Batch, RowResult
from daemon.seller.columns import KEYS, ImportKind, open_import, open_lines
from daemon.seller.imports import ImportReport, check_kind, import_rows
from daemon.seller.rows import Table
from daemon.settings import AccountSettings
from daemon.store import Store
from daemon.web.api.asking import Account, Now, TheControl, spool
from daemon.web.api.problems import Problem, fault_as_problem

router = APIRouter(prefix="/api/v1")

#: the media type of JSON objects, one a line
NDJSON = "application/x-ndjson"

_LINES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"})


class RowFault(BaseModel):
    """One thing that is wrong with a row."""

    code: str = Field(description="which kind of fault it is; stays", examples=["unknown_sku"])
    column: str = Field(description="where it is; empty where it is the whole row", examples=["sku"])
    reason: str = Field(examples=["this account has no such listing"])
    fix: str = Field(examples=["import its listing first, or mend the SKU"])


class RowAnswer(BaseModel):
    """What one row did. Of a stream of dispatches, `order` stands in the place of `sku`."""

    line: int = Field(description="the line of the stream, counted from 1; of a table, its line or row", examples=[2])
    sku: str = Field(default="", examples=["LAMP-01"])
    order: str = Field(default="", examples=["1234567890"])
    outcome: Literal["created", "changed", "unchanged", "rejected"]
    code: str = Field(default="", description="why it was rejected: the code of the first fault")
    faults: list[RowFault] = Field(default=[], description="everything that is wrong with a rejected row")
    held_back: str = Field(default="", description="why the listing was taken, but cannot be sent as it is")
    differences: list[dict[str, str]] = Field(default=[], description="of a dry run: field, old and new")


class Summary(BaseModel):
    """The last line: everything counted; where it is missing, the stream has broken off.

    Where `problem` is there, the rows behind the last answer were not taken.
    """

    rows: int
    created: int
    changed: int
    unchanged: int
    rejected: int
    problem: Problem | None = None


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One JSON object a line, in the order of the rows (`RowAnswer`), and at the end one with"
        " `summary` (`Summary`).",
        "content": {
            NDJSON: {
                "schema": {"type": "string"},
                "example": '{"line":1,"sku":"LAMP-01","outcome":"changed"}\n'
                '{"line":2,"sku":"LAMP-9","outcome":"rejected","code":"unknown_sku","faults":[{"code":"unknown_sku",'
                '"column":"sku","reason":"this account has no such listing","fix":"import its listing first, or mend'
                ' the SKU"}]}\n'
                '{"summary":{"rows":2,"created":0,"changed":1,"unchanged":0,"rejected":1}}\n',
            }
        },
    }
}

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string"}, "example": '{"sku": "LAMP-01", "stock": 12}\n'},
            "text/csv": {"schema": {"type": "string"}, "example": "sku,stock\nLAMP-01,12\n"},
        },
    }
}


@router.post(
    "/accounts/{account}/bulk/{kind}",
    response_model=None,
    responses=_ANSWERS,
    openapi_extra=_BODY,
)
async def bulk(
    kind: Annotated[ImportKind, Path(description="what the rows are")],
    account: Account,
    control: TheControl,
    now: Now,
    request: Request,
    *,
    dry_run: bool = False,
) -> StreamingResponse:
    """Take over any number of rows; each is answered with a line of its own, as soon as its batch is stored.

    The body is JSON objects, one a line (`application/x-ndjson`), whose fields are the columns of the import files;
    or a CSV or XLSX file (any other type). It is kept on disk first, so that the answers begin when it has come whole,
    and a request that breaks off changes nothing. Rows are stored some thousands at a time; a bad one never blocks the
    others. The same rows once more are answered `unchanged`. With `dry_run` nothing is changed, and each answer says
    what would be.
    """
    check_kind(account, kind)
    said = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if said == "application/json":
        raise HTTPException(415, f"write one JSON object a line, and send it as {NDJSON}")
    async with AsyncExitStack() as stack:
        file = stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
        await spool(request, file)
        table = await to_thread.run_sync(open_lines if said in _LINES else open_import, kind, file)
        stack.callback(table.close)
        lines = _answered(control.store, account, kind, table, now, dry_run=dry_run)
        return StreamingResponse(_closing(lines, stack.pop_all()), media_type=NDJSON)


async def _closing(lines: AsyncIterator[str], stack: AsyncExitStack) -> AsyncIterator[str]:
    async with stack:
        async for piece in lines:
            yield piece


async def _answered(
    store: Store, account: AccountSettings, kind: ImportKind, table: Table, now: Now, *, dry_run: bool
) -> AsyncIterator[str]:
    report, problem = ImportReport(account.name, kind, dry_run=dry_run), None
    try:
        async for batch in import_rows(store, account, kind, table, now.at, dry_run=dry_run):
            report.count(batch)
            # Not in the loop's own thread: some thousands of answers take a twentieth of a second.
            yield await to_thread.run_sync(_lines, kind, batch)
    except DaemonError as error:
        # The answer has begun, so its status can say nothing any more.
        problem = fault_as_problem(error)
    counts = {name: getattr(report, name) for name in ("rows", "created", "changed", "unchanged")}
    end = {**counts, "rejected": report.refused}
    yield _line({"summary": {**end, "problem": problem} if problem else end})


def _lines(kind: ImportKind, batch: Batch) -> str:
    return "".join(_line(_answer(kind, row)) for row in batch)


def _answer(kind: ImportKind, row: RowResult) -> dict[str, Any]:
    told: dict[str, Any] = {"line": row.line, KEYS[kind]: row.key, "outcome": row.change or "rejected"}
    if row.change is None:
        faults = [
            {"code": fault.code, "column": fault.column, "reason": fault.problem, "fix": fault.fix}
            for fault in row.faults
        ]
        told |= {"code": faults[0]["code"] if faults else "", "faults": faults}
    if row.reason:
        told["held_back"] = row.reason
    if row.differences:
        told["differences"] = [{"field": each.field, "old": each.old, "new": each.new} for each in row.differences]
    return told


def _line(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"
