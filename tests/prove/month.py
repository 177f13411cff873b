"""A month of the daemon on the virtual clock with the site's own jobs: flat memory, nobody starved, every outage told once.

The simulation lives its days at the guide's cadence with its faults; beside it the watch looks, notices leave for a
receiver, bytes and turns are forgotten at the end of their retention, and backups are made. Each simulated day the
process is weighed and the far side's record is compared with the bytes that we can show (promises P18, P22, P24).
"""

import hashlib
import json
import random
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from daemon.config import Config
from daemon.crontab import SITE_CRONTAB, intervals
from daemon.health import CANARY_LIMIT, Loaded, Verdict, Vitals, judge
from daemon.jobs import Outcome
from daemon.main import read_snapshot
from daemon.model import Moment, PayloadId
from daemon.runner import Runner, SiteTask
from daemon.settings import AccountSettings
from daemon.vigil import Vigil
from tests.jobs.scene import MINUTE, NOON
from tests.jobs.world import world
from tests.prove.figures import Figures
from tests.prove.seeded import seeded
from tests.prove.simulation import DAY, DIALECT, WATCHDOG, Simulation
from tests.prove.weights import Weight, grown, weigh_ourselves
from tests.transports.test_http import EMPTY, Server, serving

#: how often the watch looks; the daemon's own looks every half minute, and finds the same
LOOKS_EVERY = 5 * MINUTE
#: bytes and turns are kept for so long here, so that a month sees them forgotten
RETENTION = 7 * DAY
#: the most that the log of the database may have, in bytes (promise P22)
LOG_LIMIT = 64 << 20


@dataclass
class Month(Simulation):
    """A simulation with the watch and the site's jobs."""

    receiver: Server = field(default_factory=Server)
    folder: Path = Path()
    weights: list[Weight] = field(default_factory=list)
    vigil: Vigil | None = None
    looked: timedelta = timedelta()
    day: int = 0
    #: when each job was called last, and how long it was not called at most, without what it cannot be called in
    called: dict[str, timedelta] = field(default_factory=dict)
    longest: dict[str, timedelta] = field(default_factory=lambda: defaultdict(timedelta))
    asleep: timedelta = timedelta()
    log_bytes: int = 0
    #: how many arrivals at the far side were compared with what we can show
    compared: int = 0
    #: how many requests about orders were, and the last of what came in that was
    asked: int = 0
    received: int = 0

    async def _turns(self) -> None:
        await super()._turns()
        while self.looked + LOOKS_EVERY <= self.passed:
            self.looked = max(self.looked + LOOKS_EVERY, self.passed - LOOKS_EVERY)
            await self._look()
        if self.passed // DAY > self.day:
            self.day = self.passed // DAY
            await self._day_ends()

    async def give_turn(self, job: str, clock: Callable[[], Moment]) -> Outcome:
        """Note when the timetable called the job, and give it its turn."""
        awake = self.passed - self.asleep
        if job in self.called:
            self.longest[job] = max(self.longest[job], awake - self.called[job])
        self.called[job] = awake
        return await super().give_turn(job, clock)

    async def turn(self, job: str, killed_at: int = 0) -> datetime | None:
        """As in the simulation; while a turn of it sends, or sleeps, no other can begin, which in truth they can."""
        began = self.passed
        try:
            return await super().turn(job, killed_at)
        finally:
            self.asleep += self.passed - began

    async def sleeps(self, minutes: int) -> None:
        """As in the simulation; while a machine sleeps, nobody can be called."""
        self.asleep += minutes * MINUTE
        await super().sleeps(minutes)

    async def restart(self) -> None:
        """As in the simulation, with a watch that remembers nothing of before."""
        self.vigil = None
        await super().restart()

    # What belongs to the site.

    @property
    def config(self) -> Config:
        """The configuration of the site: one account, and a webhook that hears every alert."""
        said = {
            "daemon": {"state_dir": self.folder},
            "retention": {"turns": RETENTION},
            "backup": {"keep": 2},
            # The disk and the clock of this machine are not part of the story.
            "alerts": {
                "disk_free_percent": 0,
                "disk_free_mib": 0,
                "unsynchronised": timedelta(),
                "webhook": {"url": self.receiver.url, "allow_private": True},
            },
        }
        config = Config.model_validate(said, context={"folder": self.folder})
        return config.model_copy(update={"accounts": {self.scene.name: self.scene.account}})

    async def _look(self) -> None:
        if self.vigil is None:
            self.vigil = Vigil(self.scene.store, lambda: self.config, self._health, lambda: None)
        await self.vigil.look(self.now())
        await self._site_turn("alerts")

    async def _site_turn(self, job: str) -> None:
        if self.runner is None:
            self.runner = Runner(self.scene.store)
        self.runner.clock = self.now
        await self.runner.turn(SiteTask(self.config, job, SITE_CRONTAB[job].job))

    async def _health(self) -> Verdict:
        at = self.now().at
        snapshot = await read_snapshot(self.scene.store, at)
        vitals = Vitals(NOON, timedelta(), timedelta())
        return judge(snapshot, vitals, Loaded(NOON), intervals(self.config), at)

    # What is looked at each day.

    async def _day_ends(self) -> None:
        log = self.scene.store.database.path.with_name("sellerd.db-wal")
        self.log_bytes = max(self.log_bytes, log.stat().st_size if log.exists() else 0)
        for job in ("housekeeping", "backup"):
            await self._site_turn(job)
        await self._bytes_are_shown()
        self.weights.append(weigh_ourselves())

    async def _bytes_are_shown(self) -> None:
        """What arrived at the far side since yesterday can be shown by us, byte for byte."""
        sandbox = self.scene.sandbox
        if self.side == "laredoute":
            arrived = [(it.batch_id, it.sha256) for it in sandbox.laredoute.feeds]
        else:
            arrived = [(it.name, hashlib.sha256(it.content).hexdigest()) for it in sandbox.johnlewis.arrivals]
        for name, sha256 in arrived[self.compared :]:
            kept = await self._read("SELECT id FROM payloads WHERE sha256 = ?", sha256)
            # A request of which nothing was read, and a file that was cut, are none that we sent.
            whole = bool(sha256) and not self._was_cut(name)
            assert kept or not whole, f"{name} arrived, and cannot be shown"
            for (payload,) in kept:
                await self._is_shown(payload, sha256)
                self.figures.counts["arrivals shown byte for byte"] += 1
        self.compared = len(arrived)
        if self.side == "laredoute":
            await self._requests_are_shown()
        await self._files_are_shown()

    async def _requests_are_shown(self) -> None:
        """Each request of an update that reached La Redoute since yesterday can be shown, but for its key."""
        arrived = self.scene.sandbox.laredoute.update_requests
        for sha256 in arrived[self.asked :]:
            kept = await self._read(
                "SELECT p.id FROM payloads p JOIN order_updates u ON u.payload = p.id WHERE p.sha256 = ?", sha256
            )
            assert kept, "a request about an order arrived, and cannot be shown"
            await self._is_shown(kept[0][0], sha256)
            self.figures.counts["requests about orders shown but for their key"] += 1
        self.asked = len(arrived)

    async def _files_are_shown(self) -> None:
        """What came in since yesterday can be shown as it lies at the far side, where it still does."""
        far = self.scene.sandbox.laredoute if self.side == "laredoute" else self.scene.sandbox.johnlewis
        for delivery, folder, name, size, modified_at, payload in await self._read(
            "SELECT id, folder, name, size, modified_at, payload FROM deliveries WHERE id > ? ORDER BY id",
            self.received,
        ):
            self.received = delivery
            place = far.files / folder.lstrip("/")
            # Another file may have come under the name since; one of the same size and second lies beside the first.
            lying = [
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (place / name, place / "processed" / name, far.files / "archive" / name)
                if path.is_file()
                and (path.stat().st_size, int(path.stat().st_mtime)) == (size, (modified_at or 0) // 10**6)
            ]
            if lying:
                await self._is_shown(payload, *lying)
                self.figures.counts["received files shown byte for byte"] += 1

    async def _is_shown(self, payload: PayloadId, *sha256: str) -> None:
        shown = b"".join([chunk async for chunk in self.scene.store.payloads.chunks(payload)])
        assert hashlib.sha256(shown).hexdigest() in sha256, f"payload {payload} is shown with other bytes"

    def _was_cut(self, name: str) -> bool:
        return any(it.name == name and it.outcome != "accepted" for it in self.scene.sandbox.johnlewis.arrivals)

    # The end.

    async def end(self) -> None:
        """Let everything come to its end, hear the last notices, and judge the month."""
        # What follows goes by no timetable any more.
        self._nobody_starved()
        await super().end()
        for _ in range(24):
            self.passed += 10 * MINUTE
            await self._look()
        self._outages_told_once()
        assert self.log_bytes <= LOG_LIMIT, f"the log of the database had {self.log_bytes} bytes"
        self.figures.counts["simulated days"] += self.day
        self.figures.counts["times weighed"] += len(self.weights)
        if len(self.weights) >= 9:
            self.figures.broken += grown(self.weights, f"{self.side}")

    def _nobody_starved(self) -> None:
        late = 2 * CANARY_LIMIT + WATCHDOG
        for name, row in self.rows.items():
            longest = self.longest[row.job.__name__]
            self.figures.counts["jobs watched for starving"] += 1
            assert longest <= 2 * row.every + late, f"{name} was not called for {longest}"

    def _outages_told_once(self) -> None:
        """By what the receiver heard: each alert begins once at most, ends once, and no message came twice."""
        messages = [headers["webhook-id"] for _, headers, _ in self.receiver.requests]
        assert len(messages) == len(set(messages)), "a message came twice"
        heard: dict[int, list[str]] = defaultdict(list)
        for _, _, body in self.receiver.requests:
            for alert in json.loads(body)["data"]["alerts"]:
                heard[alert["id"]].append(alert["change"])
        for alert, changes in heard.items():
            assert changes.count("opened") <= 1, f"alert {alert} was told {changes}"
            assert changes.count("resolved") <= 1, f"alert {alert} was told {changes}"
        self.figures.counts["outages told"] += len(heard)
        over = sum(changes.count("resolved") == 1 for changes in heard.values())
        self.figures.counts["outages told and recovered once"] += over
        self.figures.counts["outages told that last to the end"] += len(heard) - over


class Log:
    """What the runner says of failing jobs: each outage once, and its end once (D11)."""

    def __init__(self) -> None:
        self.failing: Counter[tuple[str, str]] = Counter()
        self.held: set[str] = set()
        self.told = 0
        self.wrong: list[str] = []

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> Any:
        """Take a line in as the last of structlog's processors; nothing is written."""
        job = str(event.get("account", "")), str(event.get("job", ""))
        if event["event"].startswith("turn failed") and event["level"] == "error":
            self.told += 1
            self.failing[job] += 1
            if self.failing[job] > 1:
                self.wrong.append(f"{job} was told to fail twice: {event['error']}")
        if event["event"].startswith("account held"):
            # That stands for every job of it that was refused with it.
            self.held.add(job[0])
        if event["event"] == "recovered":
            self.failing[job] -= 1
            if self.failing[job] < 0 and job[0] not in self.held:
                self.wrong.append(f"{job} was told to have recovered twice")
            self.failing[job] = max(self.failing[job], 0)
        raise structlog.DropEvent


async def live(marketplace: str, seed: int, days: float, tell: Callable[[str], None] = lambda _: None) -> Figures:
    """One seed's month; what breaks a promise stands in the figures, with how to replay it."""
    chance, figures, log = random.Random(f"month {marketplace} {seed}"), Figures(), Log()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, log])
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        try:
            async with serving(EMPTY, keep_open=True) as receiver:

                def made(scene: Any, open_again: Callable[[AccountSettings], Any], account: Any) -> Month:
                    return Month(
                        *(scene, open_again, account),
                        tell=tell,
                        chance=chance,
                        figures=figures,
                        receiver=receiver,
                        folder=Path(folder),
                    )

                changes = {"payload_retention": RETENTION, "personal_data_retention": 2 * RETENTION}
                async with world(Path(folder), DIALECT[marketplace], changes, made) as everybody:
                    await everybody.live(days)
                    await everybody.end()
        except AssertionError as error:
            tell(traceback.format_exc())
            again = f"python -m tests.prove month --marketplace {marketplace} --seed {seed} --days {days:g} --tell"
            figures.broken.append(f"{error} (again: {again})")
        finally:
            structlog.reset_defaults()
    figures.broken += log.wrong
    figures.counts["failing jobs told once"] += log.told
    return figures


METHOD = seeded(
    "month",
    "the simulation for a whole month, with the site's own jobs: the process is weighed each day, the receiver of alerts"
    " counts what it was told, and what arrived at the far side is compared with what we can show",
    live,
    seeds=4,
    days=30,
)
