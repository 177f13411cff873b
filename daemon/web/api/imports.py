"""What the seller brings as files: taken over, tried in a dry run, and the bad rows back as a file (guide S1)."""

from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from daemon.seller.badrows import TableFormat, reasons_of, write_bad_rows
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.seller.spreadsheets import XLSX
from daemon.store.views import View
from daemon.web.api.asking import Account, Now, TheControl, spool

router = APIRouter(prefix="/api/v1")

_BLOCK = 1 << 18


@router.post("/accounts/{account}/imports/{kind}")
async def import_table(
    kind: ImportKind, account: Account, control: TheControl, now: Now, request: Request, *, dry_run: bool = False
) -> View:
    """Take over a CSV or XLSX file (the body); the answer says what each row did and what is wrong with the bad ones.

    With `dry_run` nothing is changed, and the answer says what would be, field by field (S1).
    """
    with TemporaryFile() as file:
        await spool(request, file)
        report = await import_file(control.store, account, kind, file, now.at, dry_run=dry_run)
    return report.as_dict()


@router.post("/accounts/{account}/imports/{kind}/bad-rows")
async def bad_rows(
    kind: ImportKind,
    account: Account,
    control: TheControl,
    now: Now,
    request: Request,
    form: Annotated[TableFormat, Query(alias="format")] = TableFormat.CSV,
) -> StreamingResponse:
    """The rows of a file (the body) that are refused, each with its fault, as a file to mend; changes nothing (S1)."""
    with TemporaryFile() as file:
        await spool(request, file)
        report = await import_file(control.store, account, kind, file, now.at, dry_run=True)
        target = TemporaryFile()  # noqa: SIM115 - it outlives this function, and the answer closes it
        try:
            await to_thread.run_sync(write_bad_rows, kind, file, reasons_of(report.faults), target, form)
        except BaseException:
            target.close()
            raise
    kinds = {TableFormat.CSV: "text/csv; charset=utf-8", TableFormat.XLSX: XLSX}
    named = f'attachment; filename="{kind}-bad-rows.{form}"'
    return StreamingResponse(_blocks(target), media_type=kinds[form], headers={"Content-Disposition": named})


async def _blocks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while block := await to_thread.run_sync(file.read, _BLOCK):
            yield block
