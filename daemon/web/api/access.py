"""Users, tokens and the audit trail, for admins and for the command line."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, Field, SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

from daemon.errors import NotAllowed
from daemon.store.audit import Outcome
from daemon.store.users import Right, Role
from daemon.store.views import PAGE, View
from daemon.web.api.asking import Before, Body, Limit, Now, TheControl, in_utc
from daemon.web.passwords import Passwords

router = APIRouter(prefix="/api/v1")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


class NewUser(Body):
    """Somebody who may sign in from now on."""

    name: Name
    password: SecretStr
    role: Role = Role.VIEWER
    personal: bool = True


class NewPassword(Body):
    """The password of a user from now on."""

    password: SecretStr


class Change(Body):
    """What becomes of a user; null leaves it."""

    role: Role | None = None
    personal: bool | None = None


class NewToken(Body):
    """A token for a program; without an end it counts until it is revoked."""

    name: Name
    scopes: set[Right] = Field(min_length=1)
    expires_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None


@router.get("/users")
async def users(control: TheControl) -> View:
    """Who may sign in."""
    return {"version": 1, "users": await control.store.users.list()}


@router.post("/users", status_code=201)
async def add_user(user: NewUser, request: Request, control: TheControl, now: Now) -> View:
    """Let somebody sign in."""
    password = await passwords_of(request).hash(user.password.get_secret_value(), user.name)
    if not await control.store.users.add(user.name, password, user.role, now.at, personal=user.personal):
        raise NotAllowed(f"there is a user {user.name} already")
    return {"version": 1, "name": user.name, "role": user.role, "personal": user.personal}


@router.post("/users/{name}/change")
async def change_user(name: str, change: Change, control: TheControl) -> View:
    """Give a user another role, or the sight of customers."""
    if not await control.store.users.change(name, role=change.role, personal=change.personal):
        raise HTTPException(404, f"there is no user {name}")
    return {"version": 1, "name": name}


@router.post("/users/{name}/password")
async def set_password(name: str, new: NewPassword, request: Request, control: TheControl, now: Now) -> View:
    """Give a user another password, and end every session of that user."""
    password = await passwords_of(request).hash(new.password.get_secret_value(), name)
    if not await control.store.users.set_password(name, password, now.at):
        raise HTTPException(404, f"there is no user {name}")
    return {"version": 1, "name": name}


@router.post("/users/{name}/remove")
async def remove_user(name: str, control: TheControl) -> View:
    """Let a user sign in no more, and end every session of that user."""
    if not await control.store.users.remove(name):
        raise HTTPException(404, f"there is no user {name}")
    return {"version": 1, "name": name}


@router.get("/tokens")
async def tokens(control: TheControl) -> View:
    """Every token, without what it is."""
    return {"version": 1, "tokens": await control.store.tokens.list()}


@router.post("/tokens", status_code=201)
async def create_token(new: NewToken, control: TheControl, now: Now) -> View:
    """A new token; this answer alone has it."""
    if new.expires_at is not None and new.expires_at <= now.at:
        raise NotAllowed("a token that has expired already is of no use; choose a later end")
    token = await control.store.tokens.create(new.name, new.scopes, now.at, new.expires_at)
    if token is None:
        raise NotAllowed(f"there is a token {new.name} already; revoke it first, or choose another name")
    return {"version": 1, "name": new.name, "token": token, "scopes": sorted(new.scopes)}


@router.post("/tokens/{name}/revoke")
async def revoke_token(name: str, control: TheControl, now: Now) -> View:
    """Let a token count no more."""
    if not await control.store.tokens.revoke(name, now.at):
        raise HTTPException(404, f"there is no token {name} that counts")
    return {"version": 1, "name": name}


@router.get("/audit")
async def audit(
    control: TheControl,
    who: str = "",
    outcome: Outcome | None = None,
    find: str = "",
    since: AwareDatetime | None = None,
    limit: Limit = PAGE,
    before: Before = None,
) -> View:
    """Who did what, the newest first."""
    page = await control.store.audit.list(
        who=who, outcome=outcome or "", find=find, since=since, limit=limit, before=before
    )
    return {"version": 1, "audit": page, "next": page[-1]["id"] if len(page) == limit else None}


def passwords_of(request: Request) -> Passwords:
    """What hashes and checks passwords."""
    passwords: Passwords = request.app.state.passwords
    return passwords
