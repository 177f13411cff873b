"""Signing in and out, one's own password, and where one is signed in."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from daemon.errors import NotAllowed
from daemon.rules.throttle import ADDRESS, NAME, PAIR
from daemon.store.audit import Action, Outcome
from daemon.web.access import cookie_name
from daemon.web.api.access import passwords_of
from daemon.web.pages import words
from daemon.web.pages.page import Page, ThePage

router = APIRouter(include_in_schema=False)

_LONGEST_NAME = 64


@router.get("/login")
async def login(page: ThePage) -> Response:
    """The form to sign in by."""
    return await _login_page(page, "")


@router.post("/login")
async def sign_in(page: ThePage) -> Response:
    """Sign somebody in: a new session, whatever the browser had before."""
    form = await page.form()
    name, password = str(form.get("name", "")).strip()[:_LONGEST_NAME], str(form.get("password", ""))
    address = page.caller.address
    store, pair, others = page.control.store, f"{name}\n{address}", (f"at {address}", f"name {name}")
    wait = await store.sign_ins.attempt({pair: PAIR, others[0]: ADDRESS, others[1]: NAME}, page.now.at)
    if wait:
        return await _login_page(page, f"Too many tries. Wait {words.span(wait)}, then try again.", name, status=429)
    user = await store.users.find(name)
    if not await passwords_of(page.request).check(user.password if user else None, password):
        await _tell(page, name if user else "somebody unknown", "refused")
        return await _login_page(page, "That is not the name and the password of a user.", name, status=403)
    await store.sign_ins.succeeded(pair, others)
    if old := page.request.cookies.get(_cookie(page)):
        await store.sessions.end(old)
    token = await store.sessions.open(name, address, page.now.at, page.control.config.web.session_lifetime)
    await _tell(page, name, "done")
    reply = RedirectResponse(_local(str(form.get("next", ""))), 303)
    if token is not None:
        _set_cookie(page, reply, token)
    return reply


@router.post("/logout")
async def sign_out(page: ThePage) -> Response:
    """Sign this browser out."""
    if page.caller.session:
        await page.control.store.sessions.end(page.caller.session)
    return _signed_out(page)


@router.get("/account")
async def account(page: ThePage) -> Response:
    """Oneself: what one may do, where one is signed in, another password."""
    sessions = await page.control.store.sessions.of(page.caller.name) if page.caller.session else []
    return await page.show("account.html", title="Account", sessions=sessions)


@router.post("/account/everywhere")
async def sign_out_everywhere(page: ThePage) -> Response:
    """Sign oneself out wherever one is signed in."""
    if page.caller.session:
        await page.control.store.sessions.end_all(page.caller.name)
    return _signed_out(page)


@router.post("/account/password")
async def change_password(page: ThePage) -> Response:
    """Another password for oneself, by who knows the old one; every session ends but a new one here."""
    form = await page.form()

    async def work() -> str | None:
        store, name = page.control.store, page.caller.name
        user = await store.users.find(name) if page.caller.session else None
        if user is None:
            raise NotAllowed("you did not sign in with a password here")
        pair = f"{name}\n{page.caller.address}"
        if wait := await store.sign_ins.attempt({pair: PAIR}, page.now.at):
            raise NotAllowed(f"too many tries; wait {words.span(wait)}, then try again")
        passwords = passwords_of(page.request)
        if not await passwords.check(user.password, str(form.get("old", ""))):
            raise NotAllowed("that is not your password of now")
        await store.sign_ins.succeeded(pair, ())
        new = str(form.get("new", ""))
        if new != str(form.get("again", "")):
            raise NotAllowed("the two new passwords are not the same")
        await store.users.set_password(name, await passwords.hash(new, name), page.now.at)
        lifetime = page.control.config.web.session_lifetime
        return await store.sessions.open(name, page.caller.address, page.now.at, lifetime)

    token = ""

    def told(opened: str | None) -> str:
        nonlocal token
        token = opened or ""
        return "Your password is changed, and every other browser is signed out."

    reply = await page.act(work, told, "/account")
    if token:
        _set_cookie(page, reply, token)
    return reply


async def _login_page(page: Page, problem: str, name: str = "", *, status: int = 200) -> Response:
    following = _local(page.request.query_params.get("next", ""))
    if page.request.method == "POST":
        following = _local(str((await page.form()).get("next", "")))
    nobody = not await page.control.store.users.any()
    return await page.show(
        "login.html", status=status, title="Sign in", problem=problem, name=name, following=following, nobody=nobody
    )


def _local(place: str) -> str:
    """Where to go after signing in: a page of ours, never the address of another."""
    return place if place.startswith("/") and not place.startswith(("//", "/\\", "/login")) else "/"


def _cookie(page: Page) -> str:
    return cookie_name(https=page.request.url.scheme == "https")


def _set_cookie(page: Page, reply: Response, token: str) -> None:
    reply.set_cookie(
        *(_cookie(page), token),
        max_age=int(page.control.config.web.session_lifetime.total_seconds()),
        path="/",
        secure=page.request.url.scheme == "https",
        httponly=True,
        # Lax, so that a link in a message opens the page it names.
        samesite="lax",
    )


def _signed_out(page: Page) -> Response:
    reply = RedirectResponse("/login", 303)
    reply.delete_cookie(_cookie(page), path="/", secure=page.request.url.scheme == "https", httponly=True)
    return reply


async def _tell(page: Page, name: str, outcome: Outcome) -> None:
    audit, retention = page.control.store.audit, page.control.config.web.audit_retention
    action = Action(name, "session", page.caller.address, "/login")
    entry = await audit.begin(action, page.now.at, forget_before=page.now.at - retention)
    await audit.end(entry, "signin.sign_in", outcome, page.now.at)
