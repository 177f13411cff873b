"""Who may do what: every route for every role, sessions and tokens, and what browsers can be made to send."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Route

from daemon.model import Customer, Delivery, LineState, Order, OrderLine, OrderNumber, RemoteFile
from daemon.store import Store, open_store
from daemon.store.users import Right, Role
from daemon.transports.http import ControlClient
from daemon.web.access import right_wanted
from daemon.web.app import whole_app
from daemon.web.serve import listen_at, serving
from tests.seller.conftest import NOON
from tests.web.conftest import PASSWORD, REDOUTE, Asked, browser

OPEN = {"/livez", "/readyz", "/healthz", "/metrics", "/login"}
HTML = {"accept": "text/html"}
SECRET = "Made Up Lane 5"


def routes(of: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every method and path that is served, the files of `/static` apart."""
    for route in of:
        nested = getattr(route, "original_router", None)
        if nested is not None:
            yield from routes(nested.routes)
        elif isinstance(route, Route):
            yield from ((method, route.path) for method in sorted(route.methods or ()) if method != "HEAD")


def filled(path: str) -> str:
    """A path with something in its places, of which nothing is there but the account."""
    known = {"account": "redoute", "kind": "stock", "name": "nobody"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: known.get(found[1], "9"), path)


@pytest.fixture
def every_route(daemon: Asked) -> list[tuple[str, str]]:
    found = sorted(set(routes(whole_app(daemon, "web", daemon.clocks).routes)))
    assert len(found) > 30
    return found


async def test_nothing_is_reached_by_nobody(
    daemon: Asked, web: httpx.AsyncClient, every_route: list[tuple[str, str]]
) -> None:  # S3
    daemon.web(metrics="open")
    for method, path in every_route:
        for headers in ({}, HTML):
            reply = await web.request(method, filled(path), headers=headers)
            if path in OPEN:
                assert reply.status_code in (200, 403), path  # 403: a sign-in that was wrong
            else:
                assert reply.status_code == 401 or reply.headers["location"].startswith("/login"), path
    assert (await web.get("/static/sellerd.css")).status_code == 200
    daemon.web(metrics="token")
    assert (await web.get("/metrics")).status_code == 401
    assert (await web.get("/no-such-page", headers=HTML)).headers["location"] == "/login?next=%2Fno-such-page"


async def test_every_route_for_every_role(
    daemon: Asked, web: httpx.AsyncClient, every_route: list[tuple[str, str]]
) -> None:  # S3
    for role in Role:
        await daemon.user(role, role)
    wrong = []
    for method, path in every_route:
        for role in Role if path not in OPEN else ():
            may = _may(role, right_wanted(method, filled(path)))
            headers = await daemon.session(role)
            reply = await web.request(method, filled(path), headers=headers, data={"mark": headers["x-csrf-token"]})
            if (reply.status_code == 403) is may or reply.status_code == 401:
                wrong.append((method, path, role, reply.status_code))
            if method == "POST" and not may and "/account" not in path:
                entry = (await daemon.store.audit.list(limit=1))[0]
                assert (entry["who"], entry["outcome"], entry["path"]) == (role, "refused", filled(path))
    assert wrong == []


def _may(role: Role, right: Right | None) -> bool:
    """The table as people read it."""
    return (
        right
        in {
            Role.VIEWER: (None, Right.READ, Right.METRICS),
            Role.OPERATOR: (None, Right.READ, Right.METRICS, Right.OPERATE),
            Role.ADMIN: (None, Right.READ, Right.METRICS, Right.OPERATE, Right.ADMINISTER),
        }[role]
    )


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/", Right.READ),
        ("GET", "/orders", Right.READ),
        ("GET", "/audit", Right.OPERATE),
        ("GET", "/system", Right.OPERATE),
        ("GET", "/api/v1/orders", Right.READ),
        ("GET", "/api/v1/users", Right.ADMINISTER),
        ("GET", "/api/v1/tokens", Right.ADMINISTER),
        ("POST", "/api/v1/accounts/redoute/orders/1/accept", Right.OPERATE),
        ("PUT", "/api/v1/whatever-comes-next", Right.OPERATE),
        ("DELETE", "/api/v1/users/anna", Right.ADMINISTER),
        ("POST", "/api/v1/reload", Right.ADMINISTER),
        ("POST", "/account/password", None),
        ("GET", "/metrics", Right.METRICS),
    ],
)
def test_what_asking_takes(method: str, path: str, right: Right | None) -> None:  # S3
    assert right_wanted(method, path) is right


async def test_signing_in_and_out(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    assert "sellerd users add NAME --role admin" in (await web.get("/login")).text
    await daemon.user("anna", Role.ADMIN)
    assert "sellerd users add" not in (await web.get("/login")).text

    reply = await _sign_in(web, "anna", "wrong password")
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)
    reply = await _sign_in(web, "anna", PASSWORD, next="/account?x=1")
    assert (reply.status_code, reply.headers["location"]) == (303, "/account?x=1")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie

    page = await web.get("/account")
    assert "anna" in page.text
    web_cookie = web.cookies["sellerd"]
    gone = await web.post("/logout", data={"mark": _mark(page.text)})
    assert gone.headers["location"] == "/login"
    assert (await web.get("/account", headers={"cookie": f"sellerd={web_cookie}", **HTML})).status_code == 303
    trail = [(entry["who"], entry["action"], entry["outcome"]) for entry in await daemon.store.audit.list()]
    assert trail == [
        ("anna", "signin.sign_out", "done"),
        ("anna", "signin.sign_in", "done"),
        ("anna", "signin.sign_in", "refused"),
    ]


@pytest.mark.parametrize("place", ["//evil.example.test", "https://evil.example.test", "/\\evil.example.test", ""])
async def test_signing_in_leads_nowhere_else(daemon: Asked, web: httpx.AsyncClient, place: str) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    assert (await _sign_in(web, "anna", PASSWORD, next=place)).headers["location"] == "/"


async def test_a_session_cannot_be_planted(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    web.cookies.set("sellerd", "planted")
    assert (await web.get("/account", headers=HTML)).status_code == 303
    reply = await _sign_in(web, "anna", PASSWORD)
    first = reply.cookies["sellerd"]
    assert first != "planted"
    # Signing in once more over a session makes another one, and ends the first.
    second = (await _sign_in(web, "anna", PASSWORD)).cookies["sellerd"]
    assert second not in (first, "planted")
    assert (await web.get("/account", headers={"cookie": f"sellerd={first}", **HTML})).status_code == 303


async def test_sessions_end_by_themselves(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    daemon.web(session_idle=timedelta(hours=1), session_lifetime=timedelta(hours=3))
    await daemon.user("anna", Role.VIEWER)
    headers = await daemon.session("anna")
    statuses = []
    for minutes in (50, 100, 150, 179, 181):
        daemon.at = NOON + timedelta(minutes=minutes)
        statuses.append((await web.get("/account", headers=headers)).status_code)
    assert statuses == [200, 200, 200, 200, 303]
    daemon.at = NOON + timedelta(hours=4)
    headers = await daemon.session("anna")
    statuses = []
    # A page that refreshes itself keeps nobody signed in.
    for minutes in (40, 59, 61):
        daemon.at = NOON + timedelta(hours=4, minutes=minutes)
        statuses.append((await web.get("/account", headers={**headers, "x-live": "1"})).status_code)
    assert statuses == [200, 200, 303]


async def test_signing_out_everywhere(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    here, there = await daemon.session("anna"), await daemon.session("anna")
    await web.post("/account/everywhere", headers=here, data={"mark": here["x-csrf-token"]})
    assert [(await web.get("/account", headers=headers)).status_code for headers in (here, there)] == [303, 303]


async def test_another_password_ends_every_session(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    here, there = await daemon.session("anna"), await daemon.session("anna")
    said = {"mark": here["x-csrf-token"], "new": "another password", "again": "another password"}
    wrong = await web.post("/account/password", headers=here, data={**said, "old": "not it", "form": "1"})
    assert "set-cookie" not in wrong.headers
    right = await web.post("/account/password", headers=here, data={**said, "old": PASSWORD, "form": "2"})
    assert "sellerd" in right.cookies
    assert (await web.get("/account", headers={"cookie": there["cookie"], **HTML})).status_code == 303
    assert (await _sign_in(web, "anna", PASSWORD)).status_code == 403
    assert (await _sign_in(web, "anna", "another password")).status_code == 303


async def test_guessing_is_slow_and_stays_so_over_a_restart(tmp_path: Path, daemon: Asked) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    async with browser(daemon) as web:
        tries = [(await _sign_in(web, "anna", "guess")).status_code for _ in range(6)]
        assert tries == [403] * 5 + [429]
        assert (await _sign_in(web, "anna", PASSWORD)).status_code == 429
    daemon.at = NOON + timedelta(seconds=2)
    async with browser(daemon) as web:
        # Two seconds later one more try is free, and the wait after it is longer.
        assert (await _sign_in(web, "anna", "guess")).status_code == 403
        assert (await _sign_in(web, "anna", PASSWORD)).status_code == 429
        daemon.at += timedelta(seconds=3)
        assert (await _sign_in(web, "anna", PASSWORD)).status_code == 303
        assert (await _sign_in(web, "anna", "guess")).status_code == 403


async def test_one_address_cannot_try_many_names(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    tries = [(await _sign_in(web, f"user{number}", "guess")).status_code for number in range(21)]
    assert tries == [403] * 20 + [429]
    assert (await _sign_in(web, "anna", PASSWORD)).status_code == 429


async def test_tokens_have_scopes_and_ends(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    token = await daemon.store.tokens.create("shop", {Right.READ}, NOON, NOON + timedelta(days=1))
    bearer = {"authorization": f"Bearer {token}"}
    assert (await web.get("/api/v1/orders", headers=bearer)).status_code == 200
    assert (await web.post("/api/v1/accounts/redoute/release", headers=bearer)).status_code == 403
    assert (await web.get("/api/v1/users", headers=bearer)).status_code == 403
    assert (await web.get("/metrics", headers=bearer)).status_code == 200  # open on loopback
    listed = await daemon.store.tokens.list()
    assert (listed[0]["scopes"], listed[0]["used_at"]) == (["read"], "2026-03-02T12:00:00.000Z")
    assert str(token) not in str(listed)
    daemon.at = NOON + timedelta(days=1)
    refused = await web.get("/api/v1/orders", headers=bearer)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="sellerd"')
    daemon.at = NOON
    await daemon.store.tokens.revoke("shop", NOON)
    assert (await web.get("/api/v1/orders", headers=bearer)).status_code == 401


async def test_a_wrong_token_is_not_mended_by_a_session(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.ADMIN)
    headers = {**await daemon.session("anna"), "authorization": "Bearer sellerd_wrong"}
    assert (await web.get("/api/v1/orders", headers=headers)).status_code == 401
    headers["authorization"] = "Basic YW5uYTphbm5h"
    assert (await web.get("/api/v1/orders", headers={**headers, "accept": "*/*"})).status_code == 401


async def test_another_site_changes_nothing(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.ADMIN)
    session = await daemon.session("anna")
    release = "/api/v1/accounts/redoute/release"
    ours = str(web.base_url)
    tried: list[dict[str, str]] = [
        {"origin": "https://evil.example.test"},
        {"origin": "null"},
        {"origin": ours, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-csrf-token": ""},
    ]
    for headers in tried:
        assert (await web.post(release, headers={**session, **headers})).status_code == 403, headers
    without = {name: value for name, value in session.items() if name != "x-csrf-token"}
    assert (await web.post(release, headers=without)).status_code == 403
    assert (await web.post("/logout", headers=session, data={})).status_code == 403
    assert (await web.post("/logout", headers=session, data={"mark": "0" * 64})).status_code == 403
    other = await daemon.session("anna")
    assert (await web.post(release, headers={**session, "x-csrf-token": other["x-csrf-token"]})).status_code == 403
    # Nothing is held, so what is let through is refused for another reason.
    assert (await web.post(release, headers={**session, "origin": ours})).status_code == 409


async def test_signing_in_cannot_be_forced_by_another_site(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    await daemon.user("anna", Role.VIEWER)
    reply = await web.post(
        "/login", data={"name": "anna", "password": PASSWORD}, headers={"origin": "https://evil.example.test"}
    )
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)


async def test_where_nobody_signs_in_other_sites_change_nothing(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    daemon.web(auth="none")
    release = "/api/v1/accounts/redoute/release"
    assert (await web.post(release)).status_code == 409
    assert (await web.post(release, headers={"origin": "https://evil.example.test"})).status_code == 403
    assert (await web.post(release, headers={"host": "evil.example.test"})).status_code == 400
    assert (await daemon.store.audit.list())[0]["who"] == "anybody"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8470", 200),
        ("[::1]:8470", 200),
        ("192.0.2.7", 200),
        ("sellerd.example.test", 200),
        ("SELLERD.example.test:443", 200),
        ("evil.example.test", 400),
        ("sellerd.example.test.evil.example", 400),
        ("", 400),
    ],
)
async def test_only_our_own_names_are_answered(
    daemon: Asked, web: httpx.AsyncClient, host: str, status: int
) -> None:  # S3
    daemon.web(hosts=("sellerd.example.test",))
    assert (await web.get("/login", headers={"host": host})).status_code == status
    assert (await web.get("/livez", headers={"host": host or "probe"})).status_code == 200


async def test_a_proxy_is_believed_at_its_address_only(daemon: Asked) -> None:  # S3
    proxy = {"addresses": ["192.0.2.9"], "user_header": "X-Remote-User", "role": "viewer"}
    said = {"x-remote-user": "anna", "x-forwarded-for": "203.0.113.5, 198.51.100.7", "x-forwarded-proto": "https"}
    await daemon.user("anna", Role.OPERATOR)
    async with browser(daemon) as web:
        daemon.web(proxy=proxy)
        assert (await web.get("/account", headers={**said, **HTML})).status_code == 303
        daemon.web(proxy={**proxy, "addresses": ["127.0.0.1"]})
        page = await web.get("/account", headers=said)
        assert "the reverse proxy" in page.text
        assert page.headers["strict-transport-security"]
        # A user of ours by that name has his own role, anybody else the proxy's.
        assert (await web.get("/audit", headers=said)).status_code != 403
        assert (await web.get("/audit", headers={**said, "x-remote-user": "bert"})).status_code == 403
        junk = {**said, "x-forwarded-for": "<b>nowhere</b>"}
        await web.post("/api/v1/accounts/redoute/release", headers={**junk, "x-csrf-token": _token(page.text)})
        assert (await daemon.store.audit.list(limit=1))[0]["address"] == "127.0.0.1"
        twice = [("x-remote-user", "anna"), ("x-remote-user", "bert"), ("accept", "text/html")]
        assert (await web.get("/account", headers=twice)).status_code == 303
        mark = {"x-csrf-token": _token(page.text)}
        release = await web.post("/api/v1/accounts/redoute/release", headers={**said, **mark})
        assert release.status_code == 409
        entry = (await daemon.store.audit.list(limit=1))[0]
        assert (entry["who"], entry["how"], entry["address"]) == ("anna", "proxy", "198.51.100.7")


async def test_behind_tls_the_cookie_is_for_tls_alone(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3
    daemon.web(proxy={"addresses": ["127.0.0.1"]})
    await daemon.user("anna", Role.VIEWER)
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
    reply = await web.post("/login", data={"name": "anna", "password": PASSWORD}, headers=headers)
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith("__Host-sellerd=")
    assert "Secure" in cookie
    assert (await daemon.store.sessions.of("anna"))[0]["address"] == "198.51.100.7"


async def test_browsers_are_told_to_be_careful(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3 D12
    await daemon.user("anna", Role.ADMIN)
    session = await daemon.session("anna")
    for path in ("/login", "/account", "/api/v1/orders", "/no-such-page", "/healthz"):
        headers = (await web.get(path, headers=session)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


async def test_who_may_not_see_customers_sees_none(daemon: Asked, web: httpx.AsyncClient) -> None:  # D12
    await _keep_an_order(daemon.store)
    await daemon.user("seer", Role.VIEWER)
    await daemon.user("blind", Role.ADMIN, personal=False)
    paths = ("/api/v1/accounts/redoute/orders/O-1?personal=true", "/api/v1/accounts/redoute/orders-export?format=csv")
    for path in paths:
        seen = await web.get(path, headers=await daemon.session("seer"))
        assert SECRET in seen.text
        refused = await web.get(path, headers=await daemon.session("blind"))
        assert (refused.status_code, SECRET in refused.text) == (403, False)
    # Customers that leave as a whole are told in the trail.
    trail = await daemon.store.audit.list(find="export")
    assert [(entry["who"], entry["action"], entry["outcome"]) for entry in trail] == [
        ("blind", "orders.export_orders", "refused"),
        ("seer", "orders.export_orders", "done"),
    ]
    plain = await web.get("/api/v1/accounts/redoute/orders/O-1", headers=await daemon.session("blind"))
    assert (plain.status_code, SECRET in plain.text) == (200, False)


async def test_the_trail_says_who_and_what_and_never_secrets(daemon: Asked, web: httpx.AsyncClient) -> None:  # S3 D12
    await _keep_an_order(daemon.store)
    await daemon.user("anna", Role.ADMIN)
    headers = await daemon.session("anna")
    order = "/api/v1/accounts/redoute/orders/O-1"
    said: dict[str, Any] = {"reason": f"moved to {SECRET}"}
    assert (await web.post(f"{order}/accept", json=said, headers=headers)).status_code == 200
    assert (await web.post(f"{order}/accept", json=said, headers=headers)).status_code == 409
    new = {"name": "bert", "password": "a secret password", "role": "viewer"}
    assert (await web.post("/api/v1/users", json=new, headers=headers)).status_code == 201
    made = await web.post("/api/v1/tokens", json={"name": "shop", "scopes": ["read"]}, headers=headers)
    trail = (await web.get("/api/v1/audit", headers=headers)).json()["audit"]
    assert [(entry["action"], entry["outcome"]) for entry in trail] == [
        ("access.create_token", "done"),
        ("access.add_user", "done"),
        ("orders.accept", "refused"),
        ("orders.accept", "done"),
    ]
    assert {(entry["who"], entry["how"], entry["address"]) for entry in trail} == {("anna", "session", "127.0.0.1")}
    assert trail[3]["path"] == f"{order}/accept"
    assert trail[2]["detail"].startswith("no line of O-1") or trail[2]["detail"]
    for secret in (SECRET, "a secret password", made.json()["token"], headers["x-csrf-token"]):
        assert secret not in str(trail)


async def test_the_socket_knows_who_connects(daemon: Asked, tmp_path: Path) -> None:  # S3
    path = tmp_path / "control.sock"
    app = whole_app(daemon, "socket", daemon.clocks)
    async with serving(app, listen_at(path)), ControlClient.over_socket(path) as client:
        assert (await client.request("POST", "/api/v1/reload")).status == 200
    entry = (await daemon.store.audit.list())[0]
    assert (entry["who"], entry["how"], entry["action"]) == (path.owner(), "socket", "site.reload")


async def test_what_was_cut_stays_begun(tmp_path: Path) -> None:  # S3
    from daemon.store.audit import Action

    async with open_store(tmp_path / "sellerd.db") as store:
        await store.audit.begin(Action("anna", "session", "", "/x"), NOON, forget_before=NOON - timedelta(days=1))
    async with open_store(tmp_path / "sellerd.db") as store:
        assert [entry["outcome"] for entry in await store.audit.list()] == ["begun"]
        later = NOON + timedelta(days=2)
        await store.audit.begin(Action("bert", "session", "", "/y"), later, forget_before=later - timedelta(days=1))
        assert [entry["who"] for entry in await store.audit.list()] == ["bert"]


async def _sign_in(web: httpx.AsyncClient, name: str, password: str, **more: str) -> httpx.Response:
    return await web.post("/login", data={"name": name, "password": password, **more})


def _token(page: str) -> str:
    found = re.search(r'name="csrf-token" content="(\w+)"', page)
    assert found is not None
    return found[1]


def _mark(page: str) -> str:
    found = re.search(r'name="mark" value="(\w+)"', page)
    assert found is not None
    return found[1]


async def _keep_an_order(store: Store) -> None:
    lines = (OrderLine("L1", 3, LineState.NEW), OrderLine("L2", 1, LineState.NEW))
    order = Order(OrderNumber("O-1"), lines, shipping=Customer(name="A. Nobody", lines=(SECRET,)))
    await store.orders.keep(REDOUTE, [Delivery(RemoteFile("orders", "O-1.xml", 3), b"O-1", (order,))], NOON)
