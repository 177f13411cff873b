"""The daemon itself: versions, schema, disk, the configuration in force without its secrets, who may sign in."""

import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from starlette.responses import Response

from daemon.config import Config
from daemon.store.users import Right, Role
from daemon.store.views import View
from daemon.web.api import access as rest
from daemon.web.api import backups as rest_backups
from daemon.web.api import site as rest_site
from daemon.web.pages.page import ThePage

router = APIRouter(include_in_schema=False)

_LIBRARIES = ("aiosqlite", "anyio", "apscheduler", "asyncssh", "fastapi", "httpx", "pydantic", "starlette", "uvicorn")

#: the newest copies of the database that are shown
_BACKUPS = 5


@router.get("/system")
async def system(page: ThePage) -> Response:
    """How the daemon is set up and how it is."""
    control = page.control
    config, manages = control.config, page.may(Right.ADMINISTER)
    return await page.show(
        "system.html",
        title="System",
        verdict=await control.health(),
        versions=[("sellerd", version("sellerd")), ("Python", platform.python_version())],
        libraries=[(name, version(name)) for name in _LIBRARIES],
        database=await control.store.overview.database(),
        disk=await to_thread.run_sync(_disk, config.database),
        path=config.database,
        settings=list(_settings(config)),
        backups=(await rest_backups.backups(control))["backups"][:_BACKUPS],
        users=await control.store.users.list() if manages else [],
        tokens=await control.store.tokens.list() if manages else [],
        roles=list(Role),
    )


@router.post("/system/reload")
async def reload(page: ThePage) -> Response:
    """Take over the configuration as it stands in the files now."""
    return await page.act(
        lambda: rest_site.reload(page.control),
        lambda _: "the configuration in the files is the one that runs",
        "/system",
    )


@router.post("/system/backup")
async def back_up(page: ThePage) -> Response:
    """Copy the database as it is now."""
    return await page.act(
        lambda: rest_backups.create(page.control, page.now),
        lambda done: f"copied to {done['backup']['path']}",
        "/system",
    )


@router.post("/users/{name}/change")
async def change_user(page: ThePage, name: str) -> Response:
    """Give a user another role, or the sight of customers."""
    form = await page.form()

    async def work() -> View:
        said = rest.Change.model_validate({"role": form.get("role"), "personal": form.get("personal") == "yes"})
        return await rest.change_user(name, said, page.control)

    return await page.act(work, lambda _: f"{name} is changed", "/system")


@router.post("/users/{name}/remove")
async def remove_user(page: ThePage, name: str) -> Response:
    """Let a user sign in no more."""
    return await page.act(
        lambda: rest.remove_user(name, page.control), lambda _: f"{name} may sign in no more", "/system"
    )


@router.post("/tokens/{name}/revoke")
async def revoke_token(page: ThePage, name: str) -> Response:
    """Let a token count no more."""
    return await page.act(
        lambda: rest.revoke_token(name, page.control, page.now), lambda _: f"the token {name} counts no more", "/system"
    )


def _disk(database: Path) -> View:
    """The free space beside the database, and the size of its files; 0 for what is not there."""
    place = next((folder for folder in database.parents if folder.exists()), Path("/"))
    usage = shutil.disk_usage(place)
    sizes = [(suffix, _size(database.with_name(database.name + suffix))) for suffix in ("", "-wal")]
    return {"free": usage.free, "total": usage.total, "files": [(database.name + name, size) for name, size in sizes]}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    """Every key of the configuration in force, secrets masked."""
    yield from _flat("", config.model_dump(mode="json"))


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{place}.{name}" if place else str(name), inner)
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for number, inner in enumerate(value):
            yield from _flat(f"{place}[{number}]", inner)
    elif value not in (None, "", [], {}):
        yield place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
