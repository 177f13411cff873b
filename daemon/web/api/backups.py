"""Copies of the database: made now, and those that there are (promise P29)."""

from anyio import to_thread
from fastapi import APIRouter

from daemon import __version__
from daemon.store.backups import listed
from daemon.store.views import View
from daemon.web.api.asking import Now, TheControl

router = APIRouter(prefix="/api/v1")


@router.post("/backups", status_code=201)
async def create(control: TheControl, now: Now) -> View:
    """Copy the database as it is now into the folder of backups; nobody waits for it but who asked."""
    backup = await control.store.backups.create(control.config.backups, now.at, __version__)
    return {"version": 1, "backup": backup.as_dict()}


@router.get("/backups")
async def backups(control: TheControl) -> View:
    """The copies in the folder of backups, the newest first."""
    found = await to_thread.run_sync(listed, control.config.backups)
    return {"version": 1, "backups": [backup.as_dict() for backup in found]}
