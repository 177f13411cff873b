"""Every fault that health must name, each made for real where that can be: said within a tick, and over when it is (P23).

A fault happens to one account between a sandbox and a real store, or to the process; turns come by the real runner, the
watch looks, and /healthz and /readyz are asked as anybody would ask them. What they say may name no customer and no
secret. What the process alone can feel (its own loop, its scheduler) is told to the judge by figures.
"""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import structlog
from starlette.applications import Starlette

from daemon.config import Config
from daemon.crontab import CRONTAB, SITE_CRONTAB, intervals
from daemon.health import Figures as ForMetrics
from daemon.health import Loaded, Verdict, Vitals, judge
from daemon.main import read_snapshot
from daemon.marketplaces.dialects import DIALECTS
from daemon.model import Moment, OrderNumber, UpdateKind
from daemon.runner import Runner, SiteTask, Task
from daemon.vigil import Vigil
from daemon.web.health import routes
from tests.jobs.scene import EAN, HOUR, MINUTE, NOON, STOCK_NUMBER, Scene, moment, scene
from tests.prove.figures import Figures
from tests.prove.method import Method, Result
from tests.test_daemon_process import CLOSED
from tests.transports.test_http import serving

DAY = timedelta(days=1)
#: a key that no server has
ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
_WELL = Vitals(NOON, timedelta(), timedelta())


@dataclass
class Installation:
    """One account with everything of the daemon that health is found out by; time is made up."""

    scene: Scene
    folder: Path
    after: timedelta = timedelta()
    synchronised: bool = True
    vitals: Vitals = _WELL
    loaded: Loaded = field(default_factory=lambda: Loaded(NOON))
    alerts: dict[str, Any] = field(default_factory=dict)
    site: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runner = Runner(self.scene.store, self.now)
        self.vigil = Vigil(self.scene.store, lambda: self.config, self.health, lambda: None)

    def now(self) -> Moment:
        return replace(moment(self.after), synchronised=self.synchronised)

    @property
    def config(self) -> Config:
        """The site; what is not said of its alerts is that disk and clock of this machine are not part of the story."""
        alerts = {"disk_free_percent": 0, "disk_free_mib": 0, **self.alerts}
        said = {"daemon": {"state_dir": self.folder}, "alerts": alerts, **self.site}
        config = Config.model_validate(said, context={"folder": self.folder})
        return config.model_copy(update={"accounts": {self.scene.name: self.scene.account}})

    async def turn(self, job: str) -> None:
        """Give a job of the account its turn now."""
        row = CRONTAB[self.scene.account.speaks][job]
        await self.runner.turn(Task(self.scene.account, self.scene.marketplace, job, row.job))

    async def site_turn(self, job: str) -> None:
        """Give a job of the site its turn now."""
        await self.runner.turn(SiteTask(self.config, job, SITE_CRONTAB[job].job))

    async def round(self) -> None:
        """Every job of the account once; the far side answers."""
        for job in CRONTAB[self.scene.account.speaks]:
            await self.turn(job)
            await self.scene.answer()

    async def passes(self, time: timedelta, *jobs: str) -> None:
        """Time goes on, with turns of these jobs every ten minutes, or of all of them."""
        end = self.after + time
        while self.after < end:
            self.after += min(10 * MINUTE, end - self.after)
            for job in jobs or CRONTAB[self.scene.account.speaks]:
                await self.turn(job)
                await self.scene.answer()
            await self.vigil.look(self.now())

    async def configure(self, **changes: Any) -> None:
        """Another configuration of the account, as a reload brings it."""
        old = self.scene
        account = old.account.model_copy(update=changes)
        await old.marketplace.aclose()
        mark = f"fingerprint at {self.after}"
        await old.store.accounts.configure(old.name, account.marketplace, mark, self.now().at, account.deadlines)
        self.scene = replace(old, account=account, marketplace=DIALECTS[account.speaks].open(account, {}))

    async def health(self) -> Verdict:
        """As the daemon finds it (`daemon.main.Daemon.health`)."""
        at = self.now().at
        snapshot = await read_snapshot(self.scene.store, at)
        return judge(snapshot, self.vitals, self.loaded, intervals(self.config), at)

    async def hindrances(self) -> list[str]:
        """Why the process is not ready."""
        return list((await self.health()).reasons)

    async def figures(self) -> ForMetrics | None:
        """The metrics are no part of this."""
        return None

    async def asked(self) -> tuple[int, str]:
        """The status of /readyz, and the text of /healthz, over HTTP."""
        await self.vigil.look(self.now())
        app = Starlette(routes=routes(self))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sellerd") as client:
            ready = await client.get("/readyz")
            told = await client.get("/healthz")
        return ready.status_code, json.dumps(told.json(), ensure_ascii=False)


_Doing = Callable[[Installation], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what makes it, what /healthz must then say, what ends it; `ready` is the status of /readyz meanwhile.

    What is said is a text of its JSON; none of it may be there before the fault, nor after its end.
    """

    name: str
    side: str
    said: str
    happens: _Doing
    ends: _Doing
    ready: int = 200
    changes: Mapping[str, Any] = field(default_factory=dict)


def _feels(**vitals: Any) -> _Doing:
    """The process feels something of itself; nothing said means that all is well with it."""

    async def feel(here: Installation) -> None:
        here.vitals = replace(_WELL, **vitals)

    return feel


def _far(here: Installation) -> Any:
    sandbox = here.scene.sandbox
    return sandbox.laredoute if here.scene.account.speaks == "sellr" else sandbox.johnlewis


def _far_side_has(name: str, lasts: timedelta = 10 * MINUTE, **parameters: Any) -> _Doing:
    async def happen(here: Installation) -> None:
        await here.scene.restock(3, here.after)
        _far(here).faults.add(name, times=None, **parameters)
        await here.passes(lasts)

    return happen


async def _is_well_again(here: Installation) -> None:
    _far(here).faults.clear()
    await here.passes(2 * HOUR)


async def _is_released(here: Installation) -> None:
    _far(here).faults.clear()
    await here.scene.store.accounts.release(here.scene.name, here.now().at)
    await here.passes(10 * MINUTE)


async def _login_is_refused(here: Installation) -> None:
    await here.scene.marketplace.aclose()
    _far(here).faults.add("refuse_login", times=None)
    await here.passes(10 * MINUTE, "orders")


def _sftp(here: Installation) -> Any:
    return here.scene.account.sftp  # type: ignore[attr-defined] # every marketplace that we have has one


async def _has_another_host_key(here: Installation) -> None:
    await here.configure(sftp=_sftp(here).model_copy(update={"host_keys": (ANOTHER_KEY,)}))
    await here.passes(10 * MINUTE, "reports")


async def _has_its_host_key(here: Installation) -> None:
    described = here.scene.sandbox.describe()[here.scene.account.marketplace]
    key = described.get("sftp", described)["host_key"]
    await here.configure(sftp=_sftp(here).model_copy(update={"host_keys": (key,)}))
    await here.passes(10 * MINUTE)


async def _token_is_wrong(here: Installation) -> None:
    tokens = here.scene.account.tokens  # type: ignore[attr-defined] # a setting of La Redoute's alone
    await here.configure(tokens=tokens.model_copy(update={"read_orders": type(tokens.read_orders)("expired")}))
    await here.passes(10 * MINUTE, "orders")


async def _token_is_right(here: Installation) -> None:
    tokens = here.scene.account.tokens  # type: ignore[attr-defined] # a setting of La Redoute's alone
    right = type(tokens.read_orders)(here.scene.sandbox.settings.laredoute.read_orders_key)
    await here.configure(tokens=tokens.model_copy(update={"read_orders": right}))
    await here.passes(10 * MINUTE)


def _alerts_say(**said: Any) -> _Doing:
    async def say(here: Installation) -> None:
        here.alerts = dict(said)
        await here.vigil.look(here.now())
        here.after += 10 * MINUTE

    return say


async def _log_is_long(here: Installation) -> None:
    here.alerts = {"log_mib": 1}
    for number in range(1200):
        await here.scene.restock(number % 9, here.after)


async def _log_is_folded(here: Installation) -> None:
    await here.scene.store.database.checkpoint()


def _clock(*, synchronised: bool) -> _Doing:
    async def tick(here: Installation) -> None:
        here.synchronised = synchronised
        for _ in range(4):
            await here.vigil.look(here.now())
            here.after += 10 * MINUTE

    return tick


def _reload(*problems: str) -> _Doing:
    async def reload(here: Installation) -> None:
        here.loaded = Loaded(here.now().at, problems)

    return reload


async def _nothing_starts(here: Installation) -> None:
    here.after += HOUR


async def _is_paused(here: Installation) -> None:
    await here.scene.store.pauses.pause(here.scene.name, ["offers"], "stock take", None, here.now().at)


async def _is_resumed(here: Installation) -> None:
    await here.scene.store.pauses.resume(here.scene.name, ["offers"], here.now().at)
    await here.passes(10 * MINUTE)


async def _report_is_missing(here: Installation) -> None:
    _far(here).faults.add("lose_report", times=None)
    await here.scene.restock(4, here.after)
    await here.passes(80 * MINUTE, "offers", "reports")


async def _feed_lapses(here: Installation) -> None:
    _far(here).faults.add("lose_report", times=None)
    await here.scene.restock(6, here.after)
    await here.passes(3 * HOUR + 10 * MINUTE)


async def _a_day_passes(here: Installation) -> None:
    _far(here).faults.clear()
    await here.passes(26 * HOUR, "offers", "reports")


async def _order_is_late(here: Installation) -> None:
    await _orders(here)
    await here.passes(25 * HOUR, "orders")


async def _orders(here: Installation) -> None:
    if here.scene.account.speaks == "sellr":
        here.scene.sandbox.laredoute.place_order([(EAN, 1)], placed_at=here.now().at)
    else:
        here.scene.sandbox.johnlewis.place_order(STOCK_NUMBER, 2)
    await here.turn("orders")


async def _order_is_accepted(here: Installation) -> None:
    store, at = here.scene.store, here.now().at
    ((number,),) = await here.scene.all("orders", "number")
    moves = here.scene.account.legal_moves
    await store.updates.open(here.scene.name, OrderNumber(number), UpdateKind.REFUSAL, None, legal_moves=moves, at=at)
    await here.passes(HOUR)


async def _update_is_in_doubt(here: Installation) -> None:
    _far(here).faults.add("cut_marker", made=True, times=None)
    await _orders(here)
    await here.passes(40 * MINUTE, "updates")


async def _doubt_is_resolved(here: Installation) -> None:
    _far(here).faults.clear()
    ((number,),) = await here.scene.all("orders", "number")
    await here.scene.store.updates.resolve(here.scene.name, OrderNumber(number), arrived=True, at=here.now().at)
    await here.passes(HOUR)


async def _stock_file_is_rejected(here: Installation) -> None:
    _far(here).faults.add("reject_part", part_number=STOCK_NUMBER, times=None)
    await here.scene.restock(8, here.after)
    await here.passes(HOUR)


async def _rejection_is_a_day_old(here: Installation) -> None:
    _far(here).faults.clear()
    await here.passes(26 * HOUR, "offers", "reports")


async def _report_is_in_another_form(here: Installation) -> None:
    table = "BatchId,FileName,EAN,SellerOfferID,Status,ErrorCode,ErrorMessage,PartNumber\n1,,3701234567891,,OK,,,\n"
    (_far(here).files / "reports" / "report-in-another-form.csv").write_text(table, "ascii")
    await here.passes(40 * MINUTE, "reports")


async def _form_is_told(here: Installation) -> None:
    report = here.scene.account.report  # type: ignore[attr-defined] # a setting of La Redoute's alone
    await here.configure(report=report.model_copy(update={"delimiter": ","}))
    for delivery, state in await here.scene.all("deliveries", "id", "state"):
        if state == "set_aside":
            await here.scene.store.deliveries.try_again(delivery)
    await here.passes(10 * MINUTE)


async def _report_is_closed(here: Installation) -> None:
    for (delivery,) in await here.scene.all("deliveries WHERE state = 'set_aside'", "id"):
        await here.scene.store.deliveries.close(delivery, "Robin", "of no use", here.now().at)
    await here.passes(MINUTE)


async def _order_is_incomplete(here: Installation) -> None:
    _far(here).faults.add("wrong_checksum")
    await _orders(here)
    await here.passes(10 * MINUTE)


async def _order_comes_whole(here: Installation) -> None:
    ((number,),) = await here.scene.all("orders", "number")
    here.scene.sandbox.johnlewis.resend_order(number)
    await here.passes(HOUR)


async def _price_falls(here: Installation) -> None:
    await here.scene.want(price=1000, at=here.now().at)
    await here.passes(10 * MINUTE, "offers")


async def _price_was_meant(here: Installation) -> None:
    for case in await here.scene.store.guard.cases():
        await here.scene.store.guard.approve(case.id, None, "Robin", "meant", here.now().at)
    await here.passes(2 * HOUR)


async def _is_told_by_another_way(here: Installation) -> None:
    async with serving(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", keep_open=True) as receiver:
        here.alerts = {"webhook": {"url": receiver.url, "allow_private": True}}
        here.after += DAY
        await here.site_turn("alerts")
        await here.passes(10 * MINUTE)
        await here.site_turn("alerts")


def _way_fails(**way: Any) -> _Doing:
    async def fail(here: Installation) -> None:
        await here.scene.store.pauses.pause(here.scene.name, ["refunds"], "to be told", None, here.now().at)
        here.alerts = {"gather": timedelta(), "apart": timedelta(), **way}
        for _ in range(3):
            await here.vigil.look(here.now())
            await here.site_turn("alerts")
            here.after += 10 * MINUTE

    return fail


async def _backup_cannot_be_made(here: Installation) -> None:
    in_the_way = here.folder / "not-a-folder"
    in_the_way.write_text("", "ascii")
    here.site = {"backup": {"folder": in_the_way}}
    await here.site_turn("backup")


async def _backup_is_made(here: Installation) -> None:
    here.site = {}
    await here.site_turn("backup")


async def _storage_had_failed(here: Installation) -> None:
    mark = here.scene.store.database.path.with_name("storage-failed")
    mark.touch()
    at = here.now().at.timestamp()
    os.utime(mark, (at, at))


async def _an_hour_later(here: Installation) -> None:
    here.after += 70 * MINUTE


async def _asked_to_cancel(here: Installation) -> None:
    await _orders(here)
    await here.passes(HOUR)
    ((number,),) = await here.scene.all("orders", "number")
    here.scene.sandbox.johnlewis.request_cancellation(number, {"1": 1})
    await here.passes(10 * MINUTE)


async def _claim_is_accepted(here: Installation) -> None:
    ((claim,),) = await here.scene.all("claims", "id")
    moves, at = here.scene.account.legal_moves, here.now().at
    await here.scene.store.updates.accept_claim(here.scene.name, claim, legal_moves=moves, at=at)
    await here.passes(HOUR)


async def _change_waits_too_long(here: Installation) -> None:
    await here.scene.restock(2, here.after)
    await here.passes(7 * HOUR, "orders")


_LONE_ANSWER = {"alerts": {"rejections_least": 1}}

FAULTS = (
    Fault(
        "the marketplace's API is down",
        "sellr",
        '"state": "failing"',
        _far_side_has("answer_500", on="any"),
        _is_well_again,
    ),
    Fault(
        "the marketplace's files are down",
        "edge",
        '"state": "failing"',
        _far_side_has("cut_upload", after=0),
        _is_well_again,
    ),
    Fault(
        "a job has had no success for hours",
        "sellr",
        '"kind": "silence"',
        _far_side_has("answer_500", 130 * MINUTE, on="retrieve"),
        _is_well_again,
    ),
    Fault("the login is refused", "edge", '"state": "held"', _login_is_refused, _is_released),
    Fault("the host key is another", "edge", '"kind": "held"', _has_another_host_key, _has_its_host_key),
    Fault("a token has expired", "sellr", '"kind": "held"', _token_is_wrong, _token_is_right),
    Fault(
        "the database failed",
        "sellr",
        "the database failed: disk I/O error",
        _feels(database_fault="disk I/O error"),
        _feels(),
        503,
    ),
    Fault(
        "the database cannot be written",
        "edge",
        "the database was last written 45 s ago",
        _feels(beat_age=timedelta(seconds=45)),
        _feels(),
        503,
    ),
    Fault(
        "the scheduler stands still",
        "sellr",
        "the scheduler ticked last 20 s ago",
        _feels(canary_age=timedelta(seconds=20)),
        _feels(),
        503,
    ),
    Fault(
        "the loop stands still",
        "edge",
        "the event loop stood still for 7 s",
        _feels(lag=timedelta(seconds=7)),
        _feels(),
        503,
    ),
    Fault(
        "a turn cannot be ended",
        "sellr",
        "redoute offers hangs past its deadline",
        _feels(overdue=("redoute offers",)),
        _feels(),
        503,
    ),
    Fault("the log of the database is long", "sellr", "the log of the database has", _log_is_long, _log_is_folded),
    Fault("the disk is nearly full", "sellr", '"kind": "disk"', _alerts_say(disk_free_percent=100), _alerts_say()),
    Fault(
        "the clock is not synchronised",
        "edge",
        '"kind": "clock"',
        _clock(synchronised=False),
        _clock(synchronised=True),
    ),
    Fault(
        "a reload was refused",
        "edge",
        '"config_ok": false',
        _reload("config.toml: daemon.grase is not a key"),
        _reload(),
    ),
    Fault("a job is not started", "edge", '"state": "late"', _nothing_starts, _is_well_again),
    Fault("a person has paused a job", "sellr", '"paused_reason": "stock take"', _is_paused, _is_resumed),
    Fault("a report is missing", "sellr", '"kind": "answers_overdue"', _report_is_missing, _a_day_passes),
    Fault("a feed lapsed", "sellr", '"kind": "lapsing"', _feed_lapses, _a_day_passes),
    Fault("a change does not leave", "sellr", '"kind": "pending_too_long"', _change_waits_too_long, _is_well_again),
    Fault("an order is late", "sellr", '"kind": "orders_late"', _order_is_late, _order_is_accepted),
    Fault("an update is in doubt", "edge", '"kind": "in_doubt"', _update_is_in_doubt, _doubt_is_resolved),
    Fault(
        "a stock file is rejected",
        "edge",
        '"kind": "rejections"',
        _stock_file_is_rejected,
        _rejection_is_a_day_old,
        changes=_LONE_ANSWER,
    ),
    Fault("a report cannot be read", "sellr", '"kind": "set_aside"', _report_is_in_another_form, _form_is_told),
    Fault("a report is of no use", "sellr", '"kind": "set_aside"', _report_is_in_another_form, _report_is_closed),
    Fault("an order is incomplete", "edge", '"kind": "order_errors"', _order_is_incomplete, _order_comes_whole),
    Fault("a customer asks to cancel", "edge", '"kind": "attention"', _asked_to_cancel, _claim_is_accepted),
    Fault("the guard holds a price back", "sellr", '"kind": "guard"', _price_falls, _price_was_meant),
    Fault(
        "the webhook of alerts fails",
        "sellr",
        '"kind": "untold"',
        _way_fails(webhook={"url": f"http://127.0.0.1:{CLOSED}/", "allow_private": True}),
        _is_told_by_another_way,
    ),
    Fault(
        "the mail of alerts fails",
        "edge",
        '"kind": "untold"',
        _way_fails(
            mail={
                "host": "127.0.0.1",
                "port": CLOSED,
                "security": "none",
                "sender": "sellerd@seller.example",
                "recipients": ["ops@seller.example"],
            }
        ),
        _is_told_by_another_way,
    ),
    Fault("no backup can be made", "sellr", "not-a-folder", _backup_cannot_be_made, _backup_is_made),
    Fault(
        "the daemon ended because its storage failed", "edge", '"kind": "ended"', _storage_had_failed, _an_hour_later
    ),
)


async def meets(fault: Fault) -> Figures:
    """One fault from before its beginning until after its end."""
    figures = Figures()
    with TemporaryDirectory() as folder:
        async with scene(Path(folder), fault.side, **fault.changes) as each:
            here = Installation(each, Path(folder))
            await each.want()
            await here.passes(2 * HOUR)
            texts = [await here.asked()]
            try:
                await fault.happens(here)
                texts.append(await here.asked())
                # What is over must stay over for a while, so that a fault that comes and goes is told once.
                await fault.ends(here)
                await here.asked()
            finally:
                # Another configuration has opened another way, which the scene does not know.
                await here.scene.marketplace.aclose()
            here.after += 10 * MINUTE
            texts.append(await here.asked())
            figures.counts["faults"] += 1
            for when, wanted, (status, text) in zip(
                ("before", "during", "after"), (False, True, False), texts, strict=True
            ):
                if (fault.said in text) != wanted or status != (fault.ready if wanted else 200):
                    figures.broken.append(
                        f"{fault.name}: {when}, /readyz is {status}, and {fault.said!r} is {'not ' * wanted}in {text}"
                    )
            figures.counts["named within a tick, and over when it was"] += not figures.broken
            figures.broken += [
                f"{fault.name}: /healthz holds {canary!r}"
                for canary in _canaries(here)
                if any(canary in text for _, text in texts)
            ]
    return figures


def _canaries(here: Installation) -> Iterator[str]:
    """What may never be shown: secrets of the account, and whatever is known of its customers."""
    settings = here.scene.sandbox.settings
    yield from (settings.laredoute.http.password, settings.laredoute.sftp.password, settings.johnlewis.sftp.password)
    yield from (settings.laredoute.items_key, settings.laredoute.read_orders_key, settings.laredoute.update_orders_key)
    yield from ("Essai Cliente", "rue de l'Église", "Bourg-en-Bresse", "relais-", "0100000000", "@example.test")


def _silent(*_: Any) -> Any:
    raise structlog.DropEvent


async def meet_all(name: str = "") -> Figures:
    """Every fault whose name has this in it."""
    total = Figures()
    structlog.configure(processors=[_silent])
    try:
        for fault in FAULTS:
            if name in fault.name:
                total.add(await meets(fault))
    finally:
        structlog.reset_defaults()
    return total


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="those whose name has this in it")


def _measure(asked: Namespace) -> Iterator[Result]:
    yield Result("health", "python -m tests.prove health", anyio.run(meet_all, asked.name), kept=not asked.name)


METHOD = Method(
    "health",
    "each fault that health has to name is made, /healthz and /readyz are asked before, during and after it, and what they"
    " say is searched for secrets and customers",
    _options,
    _measure,
)
