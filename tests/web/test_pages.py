"""The pages in a real browser: every page and action, without scripts, on a phone, by keyboard, light and dark."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from daemon.alerting import AlertsTable
from daemon.config import Config, DaemonTable
from daemon.errors import Unreadable
from daemon.model import (
    CancellationRequest,
    ClaimLine,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.settings import Secret
from daemon.store import open_store
from daemon.store.users import Role
from daemon.web.app import whole_app
from daemon.web.serve import listen_on, serving
from tests.seller.conftest import NOON, lewis, redoute
from tests.web import scene
from tests.web.conftest import LEWIS, PASSWORD, REDOUTE, Asked

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
#: a port of the reserved range that nothing listens on
CLOSED = 1
AXE = Path(__file__).parent.parent.parent / ".cache" / "axe" / "axe.min.js"

pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no chromium: run scripts/install-test-servers")

#: every page, with the words that show that it is the right one
PAGES = {
    "/": "Flows",
    "/turns": "no route to host",
    "/accounts/redoute": "Errors the marketplace has told",
    "/listings?account=redoute": "LAMP-2",
    "/listings/redoute/LAMP-2": scene.REJECTION,
    "/listings/redoute/LAMP%2F4": "LAMP/4",
    "/feeds": "item 1",
    "/feeds/1": scene.REJECTION,
    "/feeds/1/sent/text": "<b>not a page</b>",
    "/feeds/1/received/1/text": "BatchId",
    "/orders": "O-3",
    "/orders/redoute/O-1": scene.SECRET,
    "/orders/lewis/J%2F1": "Order J/1",
    "/claims": "changed their mind",
    "/alerts": "has not succeeded for 5 h",
    "/alerts?show=all": "stand aside",
    "/guard": "case 1",
    "/guard/1": "LAMP-1",
    "/deliveries?state=set_aside": "bad.xml",
    "/deliveries/2": "O-1.xml",
    "/audit": "Audit",
    "/system": "secrets masked",
    "/account": "What you may do",
}


class _Site:
    """The daemon of the scene on a port of its own, for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> tuple[Asked, str]:
        self._opening = open_store(self._folder / "sellerd.db")
        store = await self._opening.__aenter__()
        kept_at = DaemonTable(state_dir=self._folder)
        daemon = Asked(store, Config(daemon=kept_at, accounts={REDOUTE: redoute(), LEWIS: lewis()}))
        for name, marketplace in ((REDOUTE, "laredoute"), (LEWIS, "johnlewis")):
            settings = daemon.config.accounts[name]
            await store.accounts.configure(name, marketplace, "", NOON, settings.deadlines)
        await scene.set_up(daemon)
        for role in Role:
            await daemon.user(role, role)
        await daemon.user("blind", Role.OPERATOR, personal=False)
        listener = listen_on("127.0.0.1", 0)
        port = listener.getsockname()[1]
        self._serving = serving(whole_app(daemon, "web", daemon.clocks, patience=0), listener)
        await self._serving.__aenter__()
        return daemon, f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._serving.__aexit__(None, None, None)
        await self._opening.__aexit__(None, None, None)


@dataclass
class Stage:
    """The browser, and the daemon behind it."""

    browser: Browser
    daemon: Asked
    portal: BlockingPortal
    base: str

    @contextmanager
    def signed_in(self, name: str = "admin", **options: Any) -> Iterator[Page]:
        """A fresh browser window in which somebody is signed in; at its end nothing may have been complained about."""
        context = self.browser.new_context(base_url=self.base, **options)
        context.set_default_timeout(10_000)
        headers = self.portal.call(self.daemon.session, name)
        token = headers["cookie"].removeprefix("sellerd=")
        context.add_cookies(
            [{"name": "sellerd", "value": token, "url": self.base, "httpOnly": True, "sameSite": "Lax"}]
        )
        with self.page(context) as page:
            yield page

    @contextmanager
    def page(self, context: BrowserContext) -> Iterator[Page]:
        """One page whose complaints are counted."""
        page, heard = context.new_page(), list[str]()
        page.on("console", lambda message: heard.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"{page.url}: {error}"))
        yield page
        context.close()
        # What was refused on purpose is told by the browser too.
        wrong = [text for text in heard if "status of 4" not in text]
        assert wrong == []

    def ask(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Ask the store."""
        from functools import partial

        return self.portal.call(partial(work, *args, **options))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("pages")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_Site(folder)) as (daemon, base),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield Stage(browser, daemon, portal, base)
        browser.close()


def test_every_page_is_there_and_nothing_is_complained_about(stage: Stage) -> None:  # S3
    with stage.signed_in() as page:
        for path, words in PAGES.items():
            reply = page.goto(path)
            assert reply is not None
            assert reply.status == 200, path
            assert words in page.locator("body").inner_text(), path
            assert page.locator("h1").count() == 1, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(stage: Stage, scheme: Any) -> None:  # S3
    if not AXE.exists():
        pytest.skip("there is no axe-core: run scripts/install-test-servers")
    axe = AXE.read_text("utf-8")
    found = []
    with stage.signed_in(color_scheme=scheme) as page:
        for path in PAGES:
            page.goto(path)
            page.evaluate(axe)
            violations = page.evaluate("async () => (await axe.run()).violations")
            found += [
                (path, each["id"], [node["html"][:160] for node in each["nodes"]][:3])
                for each in violations
                if each["impact"] in ("serious", "critical")
            ]
    assert found == []


def test_light_and_dark_follow_the_machine(stage: Stage) -> None:  # S3
    grounds = []
    for scheme in ("light", "dark"):
        with stage.signed_in(color_scheme=scheme) as page:
            page.goto("/")
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 247, 249)", "rgb(18, 22, 28)"]


def test_a_phone_never_scrolls_sideways(stage: Stage) -> None:  # S3
    with stage.signed_in(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as page:
        for path in (*PAGES, "/login"):
            page.goto(path)
            wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= 360, f"{path} is {wide[0]} wide"


def test_everything_works_without_scripts(stage: Stage) -> None:  # S3
    context = stage.browser.new_context(base_url=stage.base, java_script_enabled=False)
    with stage.page(context) as page:
        page.goto("/orders/redoute/O-4")
        expect(page).to_have_url(re.compile("/login"))
        page.get_by_label("Name").fill("operator")
        page.get_by_label("Password").fill("wrong password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the name and the password")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{stage.base}/orders/redoute/O-4")
        _choose(page, "Accept")
        expect(page.get_by_role("status")).to_have_text("Done: accepted: 1 of line 1")
        for path in PAGES:
            assert page.goto(path).status == 200, path  # type: ignore[union-attr]
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_order_is_accepted_and_says_what_is_not_possible_any_more(stage: Stage) -> None:  # L13 S3
    with stage.signed_in("operator") as page:
        page.goto("/orders/redoute/O-1")
        ship = page.locator(".action", has_text="Ship")
        expect(ship).to_contain_text("Not possible: dispatch is possible only when it is")
        accept = page.locator("details", has=page.get_by_role("heading", name="Accept"))
        # One line now, the other later: lines are decided one by one.
        accept.get_by_label("line 2").uncheck()
        accept.get_by_role("button", name="Accept").click()
        expect(page.get_by_role("status")).to_have_text("Done: accepted: 2 of line 1")
        refuse = page.locator("details", has=page.get_by_role("heading", name="Refuse"))
        refuse.locator("summary").click()
        refuse.get_by_role("button", name="Refuse").click()
        expect(page.get_by_role("status")).to_contain_text("refused: 1 of line 2")
        expect(accept).to_have_count(0)
        expect(page.get_by_text("an update is on its way: acceptance of 2").first).to_be_visible()
        assert "out of stock" in page.locator("#updates ~ ol").inner_text()


def test_an_order_is_shipped_with_its_tracking(stage: Stage) -> None:  # L13 S3
    with stage.signed_in("operator") as page:
        page.goto("/orders/redoute/O-2")
        ship = page.locator("details", has=page.get_by_role("heading", name="Ship"))
        ship.get_by_label("Carrier").fill("Colissimo")
        ship.get_by_label("Tracking number").fill("1A234")
        ship.get_by_label("Left at").fill("2026-03-02T10:30")
        ship.get_by_role("button", name="Ship").click()
        expect(page.get_by_role("status")).to_have_text("Done: shipped: 1 of line 1")
    order = stage.ask(stage.daemon.store.views.order, REDOUTE, "O-2", personal=False)
    parcel = order["updates"][0]["parcel"]
    assert (parcel["carrier"], parcel["tracking_number"]) == ("Colissimo", "1A234")
    # What is typed is the time of the account's zone.
    assert parcel["shipped_at"] == "2026-03-02T09:30:00.000Z"
    assert parcel["tracking_url"] == "https://carrier.example.test/track/1A234"


def test_part_of_a_line_is_shipped(stage: Stage) -> None:  # J8 S3
    with stage.signed_in("operator") as page:
        page.goto("/orders/lewis/J%2F1")
        ship = page.locator("details", has=page.get_by_role("heading", name="Ship"))
        ship.get_by_label("Carrier").fill("Royal Mail")
        ship.get_by_label("Tracking number").fill("AB123456789GB")
        ship.get_by_label("units").fill("2")
        ship.get_by_role("button", name="Ship").click()
        expect(page.get_by_role("status")).to_have_text("Done: shipped: 2 of line 1")


def test_a_refund_is_asked_for_and_a_second_press_changes_nothing(stage: Stage) -> None:  # L14 S3
    with stage.signed_in("operator") as page:
        page.goto("/orders/redoute/O-5")
        refund = page.locator("details", has=page.get_by_role("heading", name="Cancel or refund"))
        refund.locator("summary").click()
        refund.get_by_label("Reason").fill("broken")
        # Twice the very same form, as a press that is doubled sends it.
        sent = page.evaluate(
            """async () => {
                const form = document.querySelector('form[action$="/cancel"]');
                const body = new URLSearchParams(new FormData(form));
                const send = async () => (await (await fetch(form.action, {method: 'POST', body})).text());
                return [await send(), await send()].map(text => text.match(/class="news.*?>(.*?)</)[1]);
            }"""
        )
        assert sent[0] == sent[1] == "Done: refund: 3 of line 1"
        page.reload()
        assert page.locator("#updates ~ ol li").count() == 1


def test_a_form_that_was_refused_is_mended_and_sent_again(stage: Stage) -> None:  # S3
    with stage.signed_in("operator") as page:
        page.goto("/accounts/lewis")
        sent = page.evaluate(
            """async () => {
                const form = document.querySelector('form[action$="/pause"]');
                const send = async reason => {
                    const body = new URLSearchParams(new FormData(form));
                    body.set('reason', reason);
                    body.set('job', 'orders');
                    const text = await (await fetch(form.action, {method: 'POST', body})).text();
                    return text.match(/class="news.*?>(.*?)</)[1];
                };
                return [await send(''), await send('stocktaking'), await send('again')];
            }"""
        )
        assert sent == ["Not done: say why, for who finds it paused", *["Done: paused: orders"] * 2]
    (pause,) = [each for each in stage.ask(stage.daemon.store.pauses.in_force, NOON) if each.account == LEWIS]
    assert pause.reason == "stocktaking"


def test_the_overview_shows_what_needs_a_person(stage: Stage) -> None:  # D5 S3
    with stage.signed_in("viewer") as page:
        page.goto("/")
        needs = page.locator("section", has=page.get_by_role("heading", name="Needs a person"))
        expect(needs).to_contain_text("redoute orders fails: no route to host")
        expect(needs).to_contain_text("redoute: 1 order past the deadline")
        expect(needs).to_contain_text("2 files that could not be read")
        needs.get_by_text("past the deadline").click()
        expect(page.get_by_role("link", name="O-3")).to_be_visible()
        assert page.locator("tbody tr").count() == 1


def test_a_page_refreshes_itself_and_keeps_its_place(stage: Stage) -> None:  # S3
    with stage.signed_in() as page:
        page.clock.install()
        page.goto("/orders")
        page.locator("#order-1").focus()
        page.evaluate("window.scrollTo(0, 40)")
        asked = []
        page.on("request", lambda request: asked.append(request.headers.get("x-live")))
        page.evaluate("document.querySelector('#live').dataset.old = 'yes'")
        with page.expect_response(lambda reply: "/orders" in reply.url):
            page.clock.run_for(16_000)
        expect(page.locator("#live:not([data-old])")).to_be_visible()
        assert asked[0] == "1"
        assert page.evaluate("document.activeElement.id") == "order-1"
        assert page.evaluate("scrollY") == min(40, page.evaluate("document.documentElement.scrollHeight - innerHeight"))


def test_who_was_signed_out_is_sent_to_sign_in_by_the_refresh(stage: Stage) -> None:  # S3
    with stage.signed_in("viewer") as page:
        page.clock.install()
        page.goto("/feeds")
        stage.ask(stage.daemon.store.sessions.end_all, "viewer")
        page.clock.run_for(11_000)
        expect(page).to_have_url(re.compile("/login"))


def test_by_keyboard_alone(stage: Stage) -> None:  # S3
    with stage.signed_in("operator") as page:
        page.goto("/listings/redoute/LAMP-2")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(30):
            if page.evaluate("document.activeElement.textContent.trim()") == "Try again":
                break
            page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Done: item of LAMP-2 will be sent again")
        # It is on its way: now the page says why it is not possible.
        expect(page.get_by_text("not possible: no part is in error")).to_be_visible()


def test_many_listings_at_once(stage: Stage) -> None:  # L2 S3
    with stage.signed_in("operator") as page:
        page.goto("/listings?account=redoute&only=blocked")
        page.get_by_label("Choose LAMP-3").check()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("status")).to_contain_text("Not done: item of LAMP-3 is blocked")
        expect(page).to_have_url(re.compile("only=blocked"))
        page.get_by_role("button", name="Unblock").click()
        expect(page.get_by_role("status")).to_contain_text("Not done: no listing was chosen")
        page.get_by_label("all that the filter finds").check()
        page.get_by_role("button", name="Unblock").click()
        expect(page.get_by_role("status")).to_have_text("Done: 1 listing will be sent again")


def test_filters_stand_in_the_address_and_files_hold_what_they_find(stage: Stage) -> None:  # S3
    with stage.signed_in() as page:
        page.goto("/listings")
        page.get_by_role("searchbox", name="Find").fill("lampe bleue")
        page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile("q=lampe\\+bleue"))
        assert page.locator("tbody tr").count() == 1
        with page.expect_download() as saved:
            page.get_by_role("link", name="CSV").click()
        text = saved.value.path().read_text("utf-8-sig")
        assert [line.split(",")[1] for line in text.splitlines()] == ["sku", "LAMP/4"]
        with page.expect_download() as saved:
            page.get_by_role("link", name="XLSX").click()
        assert saved.value.path().read_bytes()[:2] == b"PK"
        page.goto("/listings?account=redoute&state=nonsense")
        expect(page.get_by_role("heading")).to_have_text("Not possible")


def test_what_was_received_is_shown_as_text_and_never_as_a_page(stage: Stage) -> None:  # L16 D7
    with stage.signed_in() as page:
        page.goto("/feeds/1")
        with page.expect_download() as saved:
            page.locator("a[download]").first.click()
        assert b"<b>not a page</b>" in saved.value.path().read_bytes()
        page.goto("/feeds/1/sent/text")
        assert page.locator("pre b").count() == 0
        page.goto("/listings/redoute/LAMP-1")
        expect(page.get_by_role("heading", level=1)).to_contain_text(scene.TITLE)


def test_what_stands_aside_is_tried_again(stage: Stage) -> None:  # D9 S3
    with stage.signed_in("operator") as page:
        page.goto("/deliveries?state=set_aside")
        page.get_by_role("link", name="bad.xml").click()
        expect(page.get_by_text("line 1: no element Order")).to_be_visible()
        page.get_by_role("link", name="Read it").click()
        expect(page.locator("pre")).to_have_text("bad.xml")
        page.go_back()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("status")).to_have_text("Done: orders of redoute reads it again now")
        expect(page.get_by_role("link", name="bad.xml")).to_have_count(0)
    assert "redoute orders" in stage.daemon.asked


def test_what_stands_aside_is_closed_with_who_and_why(stage: Stage) -> None:  # D9 S3
    bad: Delivery[Order] = Delivery(
        RemoteFile("orders", "useless.xml", 3), b"bad", Unreadable("line 1: no element Order")
    )
    stage.ask(stage.daemon.store.orders.keep, LEWIS, [bad], NOON)
    with stage.signed_in("operator") as page:
        page.goto("/deliveries?state=set_aside")
        page.get_by_role("link", name="useless.xml").click()
        page.get_by_label("Why").fill("it came again")
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_role("status")).to_contain_text("is closed; it is told no more")
        expect(page.get_by_role("link", name="useless.xml")).to_have_count(0)
        page.goto("/deliveries?state=closed")
        page.get_by_role("link", name="useless.xml").click()
        expect(page.get_by_text("by operator: it came again")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        expect(page.get_by_role("button", name="Close")).to_have_count(0)


def test_jobs_are_run_paused_and_resumed(stage: Stage) -> None:  # D13 S3
    with stage.signed_in("operator") as page:
        page.goto("/accounts/redoute")
        page.get_by_role("button", name="Run now: offers").click()
        expect(page.get_by_role("status")).to_have_text("Done: offers has its turn now")
        page.locator("select[name=job]").select_option("items")
        page.get_by_label("For").select_option("4h")
        page.get_by_label("Why").fill("stocktaking")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("status")).to_have_text("Done: paused: items")
        paused = page.locator("section", has=page.get_by_role("heading", name="Paused"))
        expect(paused).to_contain_text("items: stocktaking")
        page.goto("/")
        expect(page.get_by_text("redoute items is paused")).to_be_visible()
        page.goto("/accounts/redoute")
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("status")).to_have_text("Done: resumed: items")


def test_a_claim_is_accepted(stage: Stage) -> None:  # J12 S3
    with stage.signed_in("operator") as page:
        page.goto("/claims?state=open")
        page.get_by_role("button", name="Accept claim 1").click()
        expect(page.get_by_role("status")).to_contain_text("Done: accepted for order J/2: 2 of line 1")
        page.goto("/orders/lewis/J%2F2")
        expect(page.locator("section", has=page.get_by_role("heading", name="Claims"))).to_contain_text("accepted")


def test_a_claim_on_an_order_that_is_not_here_is_closed(stage: Stage) -> None:  # J12 S3
    request = CancellationRequest(OrderNumber("J-77"), (ClaimLine("1", 1),))
    file = RemoteFile("cancellations", "cancel-77.txt", 6)
    stage.ask(
        stage.daemon.store.claims.keep,
        LEWIS,
        [Delivery(file, b"cancel", (request,))],
        NOON,
        answer_within=timedelta(hours=24),
    )
    with stage.signed_in("operator") as page:
        page.goto("/claims?state=waiting")
        row = page.locator("tbody tr", has_text="J-77")
        expect(row).to_contain_text("not here yet")
        row.get_by_role("button", name="Seen").click()
        expect(page.get_by_role("status")).to_contain_text("Done")
        page.goto("/claims?state=waiting")
        expect(page.get_by_text("J-77")).to_have_count(0)


def test_an_alert_is_tried_by_every_way(stage: Stage) -> None:  # D11 S3
    plain = stage.daemon.config
    hook = {"url": Secret(f"http://127.0.0.1:{CLOSED}/"), "allow_private": True}
    stage.daemon.config = plain.model_copy(update={"alerts": AlertsTable.model_validate({"webhook": hook})})
    try:
        with stage.signed_in("operator") as page:
            page.goto("/alerts")
            page.get_by_role("button", name="Send a test by every way").click()
            expect(page.get_by_role("status")).to_contain_text("webhook: ")
            expect(page.get_by_role("status")).to_contain_text("not reached")
    finally:
        stage.daemon.config = plain


def test_an_alert_is_seen(stage: Stage) -> None:  # D11 S3
    with stage.signed_in("operator") as page:
        page.goto("/")
        page.get_by_role("link", name="all alerts").click()
        page.get_by_label("Why, for alert 1").fill("on it")
        page.get_by_role("button", name="Seen: alert 1").click()
        expect(page.get_by_role("status")).to_contain_text("Done: seen: orders of redoute has not succeeded")
        expect(page.get_by_text("seen by operator: on it")).to_be_visible()


def test_what_the_guard_holds_back_is_decided(stage: Stage) -> None:  # S1 S3
    with stage.signed_in("operator") as page:
        page.goto("/")
        page.get_by_role("link", name="held back").click()
        row = page.locator("tbody tr").first
        expect(row).to_contain_text("49.90 EUR")
        expect(row).to_contain_text("9.90 EUR")
        page.get_by_role("button", name="It is a mistake").click()
        expect(page.get_by_role("status")).to_contain_text("Not done: nothing was chosen")
        page.get_by_label("Choose LAMP-1").check()
        page.get_by_label("Why").fill("a comma")
        page.get_by_role("button", name="It is a mistake").click()
        expect(page.get_by_role("status")).to_contain_text("Done: 1 rejected")
        expect(page.locator("tbody tr").first).to_contain_text("a comma")


def test_what_is_meant_is_sent(stage: Stage) -> None:  # S1 S3
    stage.ask(scene.let_fall, stage.daemon, "8.80")
    with stage.signed_in("operator") as page:
        page.goto("/guard")
        page.locator("tbody a").first.click()
        page.get_by_label("all 1").check()
        page.get_by_label("Why").fill("a clearance")
        page.get_by_role("button", name="It is meant: send it").click()
        expect(page.get_by_role("status")).to_contain_text("Done: 1 approved")
        row = page.locator("tbody tr", has_text="8.80 EUR")
        expect(row).to_contain_text("approved")
        expect(row).to_contain_text("a clearance")


def test_a_customer_is_forgotten(stage: Stage) -> None:  # D12 S3
    with stage.signed_in("operator") as page:
        page.goto("/orders/redoute/O-3")
        expect(page.get_by_text(scene.SECRET)).to_be_visible()
        page.get_by_text("asks to be forgotten").click()
        page.get_by_label("Why, without a name").fill("by letter of 2 March")
        page.get_by_role("button", name="Forget").click()
        expect(page.get_by_role("status")).to_contain_text("Not done")
        page.get_by_text("asks to be forgotten").click()
        page.get_by_label("Why, without a name").fill("by letter of 2 March")
        page.get_by_label("although the order is open").check()
        page.get_by_role("button", name="Forget").click()
        expect(page.get_by_role("status")).to_have_text("Done: the customer is forgotten")
        assert scene.SECRET not in page.content()


def test_a_failed_update_is_said_again(stage: Stage) -> None:  # J13 S3
    store = stage.daemon.store
    with stage.signed_in("operator") as page:
        update = _shipped(stage, page, "J-9", tracking="WRONG")
        stage.ask(store.updates.failed, update, "no such tracking number", NOON)
        page.goto("/")
        page.get_by_role("link", name="lewis: 1 order update that failed").click()
        page.get_by_role("link", name="J-9").click()
        page.locator("summary", has_text="Send again").click()
        again = page.locator("form[action$='/resend']")
        again.get_by_label("Tracking number").fill("AB123456789GB")
        again.get_by_role("button", name="Send again").click()
        expect(page.get_by_role("status")).to_contain_text("Done: dispatch is said again: 1 of line 1")
    parcel = stage.ask(store.views.order, LEWIS, "J-9", personal=False)["updates"][1]["parcel"]
    assert (parcel["carrier"], parcel["tracking_number"]) == ("Royal Mail", "AB123456789GB")


def test_what_may_have_arrived_is_settled_by_a_person(stage: Stage) -> None:  # L13 S3
    store = stage.daemon.store
    with stage.signed_in("operator") as page:
        update = _shipped(stage, page, "J-8", tracking="AB1")
        stage.ask(store.updates.sending, update, "dispatch-8.txt", b"dispatch", NOON)
        stage.ask(store.updates.may_have_arrived, update, "the connection broke", NOON)
        page.reload()
        expect(page.get_by_text("An update may or may not have arrived: dispatch")).to_be_visible()
        page.get_by_role("button", name="It is there").click()
        expect(page.get_by_role("status")).to_contain_text("Done")
        expect(page.get_by_text("may or may not have arrived")).to_have_count(0)
    (line,) = stage.ask(store.views.order, LEWIS, "J-8", personal=False)["lines"]
    assert line["state"] == "shipped"


def test_one_has_another_password_and_signs_out_everywhere(stage: Stage) -> None:  # S3
    stage.ask(stage.daemon.user, "mover", Role.VIEWER)
    with stage.signed_in("mover") as page:
        page.goto("/account")
        page.get_by_label("Current password").fill(PASSWORD)
        page.get_by_label("New password").fill("another long one")
        page.get_by_label("The new one again").fill("another long one")
        page.get_by_role("button", name="Change it").click()
        expect(page.get_by_role("status")).to_contain_text("Done")
        page.goto("/account")
        page.get_by_role("button", name="Sign out everywhere").click()
        expect(page.get_by_label("Name")).to_be_visible()
        page.get_by_label("Name").fill("mover")
        page.get_by_label("Password").fill("another long one")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Flows")).to_be_visible()


def test_a_held_account_is_tried_again(stage: Stage) -> None:  # D10 S3
    stage.ask(stage.daemon.store.accounts.hold, LEWIS, "the login was refused", NOON)
    with stage.signed_in("operator") as page:
        page.goto("/")
        page.get_by_role("link", name="lewis needs a person: the login was refused").click()
        page.get_by_role("button", name="Try it again").click()
        expect(page.get_by_role("status")).to_contain_text("lewis is tried again")


def test_a_viewer_is_offered_nothing_that_is_refused(stage: Stage) -> None:  # S3
    with stage.signed_in("viewer") as page:
        for path in PAGES:
            if path in ("/audit", "/system", "/account"):
                continue
            page.goto(path)
            buttons = page.locator("main button").all_inner_texts()
            assert set(buttons) <= {"Filter"}, path
        assert page.goto("/audit").status == 403  # type: ignore[union-attr]
        assert "Audit" not in page.locator("nav").all_inner_texts()


def test_who_may_not_see_customers_sees_none(stage: Stage) -> None:  # D12
    with stage.signed_in("blind") as page:
        for path in PAGES:
            page.goto(path)
            assert scene.SECRET not in page.content(), path
        page.goto("/orders/redoute/O-1")
        expect(page.get_by_text("You may not see customers.")).to_be_visible()
        for path in ("/deliveries/2/text", "/deliveries/2/bytes", "/order-export/redoute?format=csv"):
            reply = page.request.get(path)
            assert (reply.status, scene.SECRET in reply.text()) == (403, False), path
    with stage.signed_in("operator") as page:
        assert scene.SECRET in page.request.get("/order-export/redoute?format=csv").text()


def test_admins_manage_who_may_do_what(stage: Stage) -> None:  # S3
    stage.ask(stage.daemon.user, "leaver", Role.VIEWER)
    made = stage.ask(stage.daemon.store.tokens.create, "shop", ["read"], NOON, None)
    with stage.signed_in("admin") as page:
        page.goto("/system")
        page.get_by_label("Role of leaver").select_option("operator")
        page.get_by_role("button", name="Change leaver").click()
        expect(page.get_by_role("status")).to_have_text("Done: leaver is changed")
        expect(page.get_by_label("Role of leaver")).to_have_value("operator")
        page.get_by_role("button", name="Remove leaver").click()
        expect(page.get_by_role("status")).to_have_text("Done: leaver may sign in no more")
        page.get_by_role("button", name="Revoke shop").click()
        expect(page.get_by_role("status")).to_have_text("Done: the token shop counts no more")
        assert str(made) not in page.content()
        page.get_by_role("button", name="Reload it").click()
        expect(page.get_by_role("status")).to_contain_text("the configuration in the files is the one that runs")
        page.get_by_role("button", name="Back up now").click()
        expect(page.get_by_role("status")).to_contain_text("Done: copied to ")
        page.get_by_text("What is in force").click()
        expect(page.get_by_role("cell", name="accounts.redoute.login.password")).to_be_visible()
        assert "made up" not in page.content()
        page.goto("/audit?q=tokens")
        expect(page.locator("tbody tr").first).to_contain_text("system.revoke_token")


def test_the_sign_in_page_says_how_the_first_user_is_made(stage: Stage) -> None:  # S3
    with stage.signed_in() as page:
        page.context.clear_cookies()
        page.goto("/login")
        assert "sellerd users add" not in page.content()
        expect(page.get_by_label("Name")).to_be_focused()


def test_a_name_without_end_stays_on_the_page(stage: Stage) -> None:  # S3
    """A marketplace names its files and orders as it likes."""
    name = "N" * 180
    line = OrderLine("1", 1, LineState.NEW, ean="3701234567013", title=name)
    order = Order(OrderNumber(name), (line,), ordered_at=NOON)
    whole = Delivery(RemoteFile("orders", f"{name}.xml", 5, NOON), b"whole", (order,))
    bad: Delivery[Order] = Delivery(RemoteFile("orders", f"{name}.txt", 3, NOON), b"bad", Unreadable(f"line 1: {name}"))
    stage.ask(stage.daemon.store.orders.keep, REDOUTE, [whole, bad], NOON)
    for width in (360, 1280):
        with stage.signed_in(viewport={"width": width, "height": 740}) as page:
            for path in ("/orders", f"/orders/redoute/{name}", "/deliveries", "/deliveries?state=set_aside"):
                page.goto(path)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{path} is {wide} wide"


def _shipped(stage: Stage, page: Page, number: str, *, tracking: str) -> int:
    """An order of one line that has come in and is shipped on its page; the number of the dispatch."""
    ready = (OrderLine("1", 1, LineState.TO_SHIP, ean="3701234567013"),)
    order = Order(OrderNumber(number), ready, ordered_at=NOON)
    delivery = Delivery(RemoteFile("orders", f"order-{number}.txt", len(number)), number.encode(), (order,))
    store = stage.daemon.store
    stage.ask(store.orders.keep, LEWIS, [delivery], NOON)
    page.goto(f"/orders/lewis/{number}")
    ship = page.locator("details", has=page.get_by_role("heading", name="Ship"))
    ship.get_by_label("Carrier").fill("Royal Mail")
    ship.get_by_label("Tracking number").fill(tracking)
    ship.get_by_role("button", name="Ship").click()
    expect(page.get_by_role("status")).to_contain_text("Done: shipped")
    update: int = stage.ask(store.views.order, LEWIS, number, personal=False)["updates"][0]["id"]
    return update


def _choose(page: Page, verb: str) -> None:
    """Press the button of one of the forms of an order."""
    page.locator("details", has=page.get_by_role("heading", name=verb)).get_by_role("button", name=verb).click()
