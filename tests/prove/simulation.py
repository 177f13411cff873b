"""Days of the daemon on a virtual clock: the real timetable, runner, jobs and store against the sandbox, by one seed.

The scheduler itself is replaced by `Due`, which books by the rules of `timetable.py` in virtual time: a job is due at
the wall clock's word, what is overdue comes once, a restart goes by what the database says of the last turn, and what a
turn asks for is booked beside the ticks. Turns that are due together come one after the other, in an order drawn by the
seed. Everything that happens is drawn by the seed, so a seed replays exactly.
"""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from daemon.crontab import CRONTAB, Row
from daemon.health import CANARY_LIMIT, next_due
from daemon.jobs import Outcome, Run
from daemon.marketplaces import Marketplace, Spool
from daemon.model import Feed, Moment, OrderUpdate, RemoteFile
from daemon.runner import Runner, Task
from daemon.settings import AccountSettings
from tests.jobs.scene import EAN, MINUTE, NOON
from tests.jobs.world import GOODS, Killed, Step, World, world
from tests.prove.canaries import assert_clean, assert_database_tells_nobody, canary_bytes_in, listening
from tests.prove.figures import Figures
from tests.prove.seeded import seeded

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
#: how long systemd's watchdog waits for a sign of life (`WatchdogSec` of the unit)
WATCHDOG = timedelta(seconds=60)
#: longer than the retention of people and of bytes
FORGOTTEN_AFTER = timedelta(days=190)
#: what happens in a day beside the daemon's own turns
EVENTS_A_DAY = 70
#: where a seed begins: an ordinary day, the eve of the spring change in Europe, the eve of the autumn one
STARTS = {"ordinary": timedelta(), "spring": timedelta(days=25, hours=6), "autumn": timedelta(days=235, hours=6)}
DIALECT = {"laredoute": "sellr", "johnlewis": "edge"}
CENTS = range(1000, 1006)


class Fragile:
    """A way into a marketplace at whose verbs our process can be killed, just before or just after."""

    def __init__(self, way: Marketplace, passes: Callable[[str], None]) -> None:
        self._way = way
        self._passes = passes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._way, name)

    async def send_feed(self, feed: Feed, spool: Spool) -> str:
        """Send a feed."""
        self._passes("before a feed was sent")
        handle = await self._way.send_feed(feed, spool)
        self._passes("between a feed's acceptance and its record")
        return handle

    async def send_update(self, update: OrderUpdate, content: bytes) -> None:
        """Send an order update."""
        self._passes("before an update was sent")
        await self._way.send_update(update, content)
        self._passes("between an update's acceptance and its record")

    async def confirm(self, file: RemoteFile) -> None:
        """Confirm a file that is kept."""
        self._passes("between keeping a file and confirming it")
        await self._way.confirm(file)
        self._passes("after a file was confirmed")


CRASHES = (
    "before a feed was sent",
    "between a feed's acceptance and its record",
    "before an update was sent",
    "between an update's acceptance and its record",
    "between keeping a file and confirming it",
    "before a turn was recorded",
)

_BOTH = {
    *(f"killed {point}" for point in CRASHES),
    "the clock stepped while a gate was closed",
    "the machine slept",
    "the machine slept between claim and send",
    "a reboot",
    "a restart",
    "the marketplace was down",
    "an account waited for a person",
    "the spring change of the hour",
    "the autumn change of the hour",
    "a feed in doubt",
    "an update in doubt",
}
#: what a run over many seeds must have met
SOMETIMES: Mapping[str, frozenset[str]] = {
    "laredoute": frozenset(
        {
            *_BOTH,
            *(f"fault {name}" for name in ("lose_report", "delay_report", "repeat_report", "cut_connection")),
            *(f"fault {name}" for name in ("answer_500", "reject_ean", "fail_debit")),
            "a feed lapsed",
            "the portal moved a line",
        }
    ),
    "johnlewis": frozenset(
        {
            *(_BOTH - {"the clock stepped while a gate was closed"}),
            *(f"fault {name}" for name in ("half_file", "repeat_order_file", "wrong_checksum", "cut_upload")),
            *(f"fault {name}" for name in ("cut_download", "cut_marker", "reject_part", "reject_file")),
            "an order came again with other content",
            "a file set aside or a report unknown",
            "a request to cancel",
        }
    ),
}


@dataclass
class Due:
    """When each job comes next by the wall clock."""

    rows: Mapping[str, Row]
    at: dict[str, datetime] = field(default_factory=dict)
    booked: dict[str, datetime] = field(default_factory=dict)

    @property
    def first(self) -> datetime:
        return min(*self.at.values(), *self.booked.values())

    def take(self, now: datetime) -> list[str]:
        """The jobs that are due, each once however long it is overdue; their next time is on their own grid."""
        due = [job for job, at in self.at.items() if at <= now]
        for job in due:
            every = self.rows[job].every
            self.at[job] += ((now - self.at[job]) // every + 1) * every
        due += [job for job, at in self.booked.items() if at <= now]
        self.booked = {job: at for job, at in self.booked.items() if at > now}
        return list(dict.fromkeys(due))


@dataclass
class Simulation(World):
    """A world whose daemon goes by its real timetable; `chance` draws everything."""

    chance: random.Random = field(default_factory=random.Random)
    figures: Figures = field(default_factory=Figures)
    runner: Runner | None = None
    due: Due | None = None
    #: where the process is killed the next time that it passes there
    killed_where: set[str] = field(default_factory=set)
    dead: bool = False
    #: how long the machine sleeps the next time that a turn looks at the clock before it sends
    sleeps_in_turn: timedelta = timedelta()
    watchdog_at: timedelta | None = None
    up_again_at: timedelta | None = None
    person_comes_at: timedelta | None = None
    restarts_counted: int = 0
    #: whether the last turn ended as it should
    ended_well: bool = True

    @property
    def side(self) -> str:
        return self.scene.account.marketplace

    @property
    def rows(self) -> Mapping[str, Row]:
        return CRONTAB[self.scene.account.speaks]

    # Our process.

    def passes(self, where: str) -> None:
        """Die here if this is where the process is to be killed; a dead process does nothing more."""
        if self.dead or where in self.killed_where:
            if not self.dead:
                self.figures.hit[f"killed {where}"] += 1
                self.tell(f"    killed {where}")
            self.dead = True
            self.killed_where.discard(where)
            self.scene.store.database.fault = "killed"
            raise Killed

    async def give_turn(self, job: str, clock: Callable[[], Moment]) -> Outcome:
        """Give a job its turn by the runner, as the timetable does."""
        row_name = next(name for name, row in self.rows.items() if row.job.__name__ == job)
        row, looked = self.rows[row_name], 0

        def looking() -> Moment:
            if self.sleeps_in_turn and job == "send_offers":
                self.passed += self.sleeps_in_turn
                self.sleeps_in_turn = timedelta()
                self.figures.hit["the machine slept between claim and send"] += 1
            return clock()

        def runner_clock() -> Moment:
            nonlocal looked
            looked += 1
            if looked > 1:
                self.passes("before a turn was recorded")
            return self.now()

        async def work(run: Run) -> Outcome:
            if job == "send_offers":
                self.follows(run.now.at)
            return await row.job(replace(run, clock=looking))

        if self.runner is None:
            self.runner = Runner(self.scene.store)
        self.runner.clock = runner_clock
        self.figures.counts["turns"] += 1
        way = cast("Marketplace", Fragile(self.scene.marketplace, self.passes))
        outcome = await self.runner.turn(Task(self.scene.account, way, row_name, work))
        if self.dead:
            raise Killed
        self.ended_well = outcome is not None
        if self.due is not None and outcome is not None and outcome.again_at is not None:
            self.due.booked[row_name] = outcome.again_at
        return outcome or Outcome()

    async def restart(self) -> None:
        """Start again, as systemd would; due times go by the record of the last turns."""
        self.dead, self.runner, self.watchdog_at = False, None, None
        self.restarts_counted += 1
        await super().restart()
        await self._book()

    async def _book(self) -> None:
        now = self.now().at
        states = {state.job: state for state in await self.scene.store.runs.snapshot()}
        self.due = Due(self.rows)
        for job, row in self.rows.items():
            state = states.get(job)
            self.due.at[job] = next_due(state.last_started_at if state else None, row.every, now)
            if state is not None and state.held_until is not None and state.held_until > now:
                self.due.booked[job] = state.held_until

    # Time.

    async def live(self, days: float) -> None:
        """Let so much time pass, with everything that the seed draws."""
        await self._book()
        end, event_at = self.passed + days * DAY, self.passed
        while self.passed < end:
            assert self.due is not None
            until_due = max(self.due.first - self.now().at, timedelta())
            until_event = max(event_at - self.passed, timedelta())
            until_dog = until_due if self.watchdog_at is None else max(self.watchdog_at - self.passed, timedelta())
            wait = min(until_due, until_event, until_dog)
            self.passed += wait
            if wait == until_dog and self.watchdog_at is not None:
                self.figures.hit["the watchdog ended a scheduler that stood still"] += 1
                await self.restart()
            elif wait == until_event:
                # First, for where every send takes long something is always due, and nothing would ever happen again.
                await self._something_happens()
                event_at = self.passed + timedelta(seconds=self.chance.expovariate(EVENTS_A_DAY / 86_400))
            else:
                await self._turns()
        self._count_changes_of_the_hour(end - days * DAY)
        self.figures.counts["simulated hours"] += round(days * 24)

    async def _turns(self) -> None:
        assert self.due is not None
        jobs = self.due.take(self.now().at)
        self.chance.shuffle(jobs)
        for job in jobs:
            before = Counter({id(it): it.left or 0 for it in self._faults.waiting})
            names = {id(it): it.name for it in self._faults.waiting}
            boot = self.restarts_counted
            await self.turn(self.rows[job].job.__name__)
            self._count_faults(before, names)
            if self.restarts_counted != boot:
                # What was due with it died with the process and is due again by the record.
                return
        if "offers" in jobs:
            await self._compare_if_quiet()

    def _count_faults(self, before: Mapping[int, int], names: Mapping[int, str]) -> None:
        after = {id(it): it.left or 0 for it in self._faults.waiting}
        for key, left in before.items():
            if after.get(key, -1) < left:
                self.figures.hit[f"fault {names[key]}"] += 1

    @property
    def _faults(self) -> Any:
        sandbox = self.scene.sandbox
        return (sandbox.laredoute if self.side == "laredoute" else sandbox.johnlewis).faults

    def _count_changes_of_the_hour(self, began: timedelta) -> None:
        for name, month, day in (("spring", 3, 29), ("autumn", 10, 25)):
            change = datetime(2026, month, day, 1, tzinfo=NOON.tzinfo)
            if NOON + began < change < NOON + self.passed:
                self.figures.hit[f"the {name} change of the hour"] += 1

    # What the seed draws.

    async def _something_happens(self) -> None:
        if self.up_again_at is not None and self.passed >= self.up_again_at:
            self.up_again_at = None
            self._faults.clear()
            self.tell("    the marketplace is up again")
        if self.person_comes_at is not None and self.passed >= self.person_comes_at:
            self.person_comes_at = None
            await self._person_looks()
        if await self.scene.store.accounts.held() and self.person_comes_at is None:
            self.figures.hit["an account waited for a person"] += 1
            self.person_comes_at = self.passed + self.chance.randint(5, 300) * MINUTE
        step = self._drawn()
        before = Counter({id(it): it.left or 0 for it in self._faults.waiting})
        names = {id(it): it.name for it in self._faults.waiting}
        await self.do(step)
        self._count_faults(before, names)
        self.figures.counts["events"] += 1

    async def _compare_if_quiet(self) -> None:
        """Where nothing waits and nothing is on its way, what we say is so is what the marketplace has."""
        if await self._unsettled():
            return
        # What the far side has taken in silence until now, it may still find wrong.
        await self.answers()
        await self.turn("read_reports")
        # A no that cannot be read now, because the far side is down say, is read later.
        if self.ended_well and not await self._unsettled():
            self.figures.counts["quiet moments compared"] += 1
            await self._check_goods()

    async def _person_looks(self) -> None:
        await self.scene.store.accounts.release(self.scene.name, self.now().at)
        await self._person_settles_doubts()

    def _drawn(self) -> Step:
        events = [*_ANYWHERE, *(_LA_REDOUTE if self.side == "laredoute" else _JOHN_LEWIS)]
        drawn = self.chance.choices(events, [weight for weight, _ in events])[0][1]
        return drawn(self.chance)

    async def clock_steps(self, minutes: int) -> None:
        """The wall clock steps; where it steps back, the scheduler waits for it, and the watchdog for the scheduler."""
        stepped = minutes * MINUTE - self.wrong_by
        gates = await self._read("SELECT 1 FROM gates WHERE opens_boot_ns > ?", self.now().boot_ns)
        if gates and stepped:
            self.figures.hit["the clock stepped while a gate was closed"] += 1
        await self.wall_clock_wrong_by(minutes)
        self.watchdog_at = self.passed + CANARY_LIMIT + WATCHDOG if stepped < -CANARY_LIMIT else None

    async def sleeps(self, minutes: int) -> None:
        """The machine sleeps: its boot-time clock and its wall clock go on, the process does not."""
        self.figures.hit["the machine slept"] += 1
        self.passed += minutes * MINUTE

    async def sleeps_before_it_sends(self, minutes: int) -> None:
        """The machine falls asleep in the next turn that sends offers."""
        self.sleeps_in_turn = minutes * MINUTE

    async def is_killed(self, where: str) -> None:
        """The process is killed the next time that it comes there."""
        self.killed_where.add(where)

    async def is_started_again(self) -> None:
        """A restart, or a reload that could not wait."""
        self.figures.hit["a restart"] += 1
        await self.restart()

    async def is_rebooted(self) -> None:
        """Another boot: another boot id, and its clock begins anew."""
        self.figures.hit["a reboot"] += 1
        await self.reboot()

    async def is_down(self, minutes: int) -> None:
        """The marketplace answers nothing useful for a while."""
        self.figures.hit["the marketplace was down"] += 1
        faults: dict[str, list[tuple[str, dict[str, Any]]]] = {
            "laredoute": [("answer_500", {"on": "any"}), ("cut_download", {})],
            "johnlewis": [("cut_download", {}), ("cut_upload", {"after": 0})],
        }
        for name, parameters in faults[self.side]:
            self._faults.add(name, times=None, **parameters)
        self.up_again_at = self.passed + minutes * MINUTE

    async def the_portal_moves(self, order: int, status: str) -> None:
        """As `portal_moves`, counted where it was possible."""
        before = len(self.touched)
        await self.portal_moves(order, status)
        self.figures.hit["the portal moved a line"] += len(self.touched) > before

    async def contradicts(self, order: int, same_name: bool) -> None:
        """An order comes again with other content."""
        if self.numbers:
            self.figures.hit["an order came again with other content"] += 1
            await self.is_contradicted(order, same_name)

    async def wants_to_cancel(self, order: int, units: Mapping[str, int], early: bool) -> None:
        """A customer asks to cancel."""
        self.figures.hit["a request to cancel"] += 1
        await self.asks_to_cancel(order, units, early)

    async def end(self) -> None:
        """Everybody is quiet: both sides must come to agree; then count what the far side recorded."""
        self.sleeps_in_turn, self.up_again_at = timedelta(), None
        self.killed_where.clear()
        await self.scene.store.accounts.release(self.scene.name, self.now().at)
        self.due = None
        await self.settle()
        await self._count()
        self.figures.counts["values of records without a canary"] += await assert_database_tells_nobody(
            self.scene.store.database
        )
        await self._is_forgotten()

    async def _is_forgotten(self) -> None:
        """Half a year later nobody is known any more: by retention, and where an order is open still, by request (P28)."""
        store, customers = self.scene.store, 'SELECT o.number FROM customers c JOIN orders o ON o.id = c."order"'
        files = [store.database.path, store.database.path.with_name("sellerd.db-wal")]
        known = len(await self._read(customers))
        assert not known or canary_bytes_in(*files), "the customers are not where they are looked for"
        self.passed += FORGOTTEN_AFTER
        await self.turn("tidy")
        for (number,) in await self._read(customers):
            await store.erasures.erase(self.scene.name, number, "asked", self.now().at, although_open=True)
        kept = await store.backups.create(store.database.path.parent / "backups", self.now().at)
        left = canary_bytes_in(*files, kept.path)
        assert not left, f"people in the files half a year after: {left}"
        self.figures.counts["customers forgotten, with their bytes"] += known

    async def _count(self) -> None:
        counts, hit = self.figures.counts, self.figures.hit
        sandbox = self.scene.sandbox
        counts["orders"] += len(self.numbers)
        counts["restarts and crashes"] += self.restarts_counted
        if self.side == "laredoute":
            counts["feeds received"] += len(sandbox.laredoute.feeds)
            counts["pairs of offer feeds, an hour apart or more"] += max(len(self.offers_sent) - 1, 0)
        else:
            arrivals = sandbox.johnlewis.arrivals
            counts["feeds received"] += sum(it.folder == "inventory" for it in arrivals)
            counts["order updates received"] += sum(it.folder == "outgoing" for it in arrivals)
        for name, sql in {
            "a feed in doubt": "SELECT count(*) FROM events WHERE subject = 'feed' AND \"to\" = 'in_doubt'",
            "a feed lapsed": "SELECT count(*) FROM feeds WHERE state = 'lapsed'",
            "an update in doubt": "SELECT count(*) FROM events WHERE subject = 'order' AND \"to\" = 'in_doubt'",
            "a file set aside or a report unknown": (
                "SELECT count(*) FROM deliveries WHERE state IN ('set_aside', 'waiting')"
            ),
        }.items():
            ((count,),) = await self._read(sql)
            hit[name] += count
        ((updates,),) = await self._read("SELECT count(*) FROM order_updates WHERE state = 'succeeded'")
        counts["order updates that succeeded"] += updates


def _good(chance: random.Random) -> int:
    return chance.randrange(len(GOODS))


def _order(chance: random.Random) -> int:
    return chance.randrange(1_000)


_Draw = Callable[[random.Random], Step]


def _fault(name: str, **parameters: Callable[[random.Random], Any]) -> _Draw:
    return lambda chance: Step("has_fault", (name, {key: draw(chance) for key, draw in parameters.items()}))


def _is(value: Any) -> Callable[[random.Random], Any]:
    return lambda _: value


def _one(*values: Any) -> Callable[[random.Random], Any]:
    return lambda chance: chance.choice(values)


def _step(name: str, *arguments: Callable[[random.Random], Any]) -> _Draw:
    return lambda chance: Step(name, tuple(draw(chance) for draw in arguments))


_TRUTH = _one(False, True)
_UNITS = _one(1, 2, 3)
_ANY_FEED = _one("any", "items", "offers")
_ANY_REQUEST = _one("any", "items", "offers", "retrieve", "update")

_ANYWHERE: list[tuple[float, _Draw]] = [
    (14, _step("answers")),
    (5, _step("restocks", _good, _one(*range(10)))),
    (1, _step("describes", _good, _one("Lampe", "Lampe de table"))),
    (1, _step("ends", _good, _TRUTH)),
    (1, _step("tries_again", _good)),
    (3, _step("customer_orders", _UNITS)),
    (2, _step("customer_orders", _UNITS, _UNITS)),
    (2, _step("cancels", _order, _TRUTH)),
    (1, _step("clock_steps", _one(-1440, -60, -7, 0, 0, 0, 13, 60, 1440))),
    (0.7, _step("sleeps", _one(20, 90, 600))),
    (0.5, _step("sleeps_before_it_sends", _one(5, 30, 90))),
    (0.7, _step("sends_take", _one(0, 30, 540, 660))),
    (0.7, _step("is_started_again")),
    (0.3, _step("is_rebooted")),
    (0.4, _step("is_down", _one(20, 90, 300))),
    (0.3, _step("refuses_a_login")),
    (0.2, _step("_person_settles_doubts")),
    (4, _step("is_killed", _one(*CRASHES))),
]
_LA_REDOUTE: list[tuple[float, _Draw]] = [
    (3, _step("reprices", _good, _one(*CENTS), _one(None, 1001, 1100, 2000))),
    (
        1,
        _step("promotes", _good, _one(*range(700, 1005)), lambda c: c.randint(-60, 300), lambda c: c.randint(1, 1200)),
    ),
    (0.5, _step("takes_back", _good, _one(0, 1, 2))),
    (6, _step("decides", _order, _one("acceptance", "refusal", "dispatch"), _one(0, 0, 1, 2))),
    (1, _step("the_portal_moves", _order, _one("Accepted", "Refused", "Shipped", "Refunding"))),
    (1, _step("answers_what_was_late")),
    (0.7, _fault("lose_report", kind=_ANY_FEED)),
    (0.7, _fault("delay_report", kind=_ANY_FEED, seconds=_is(3600.0))),
    (0.7, _fault("repeat_report", kind=_ANY_FEED, same_name=_TRUTH)),
    (1, _fault("cut_connection", on=_ANY_REQUEST, after_apply=_TRUTH)),
    (1, _fault("answer_500", on=_ANY_REQUEST, after_apply=_TRUTH)),
    (0.7, _fault("reject_ean", ean=_is(EAN), kind=_ANY_FEED)),
    (1, _step("means_it")),
    (0.3, _step("is_mistaken")),
    (0.5, _fault("fail_debit")),
    (0.3, _fault("refuse_refund")),
]
_JOHN_LEWIS: list[tuple[float, _Draw]] = [
    (6, _step("decides", _order, _one("dispatch", "cancellation", "refund"), _one(0, 1, 2))),
    (0.5, _step("decides", _order, _one("acknowledgement"), _is(0))),
    (0.5, _step("customer_orders_a_stranger")),
    (0.3, _step("lists_a_stranger")),
    (0.5, _step("contradicts", _order, _TRUTH)),
    (1, _step("wants_to_cancel", _order, lambda c: {"1": c.randint(1, 3)}, _TRUTH)),
    (1, _step("accepts_claims")),
    (1, _step("says_again", _order)),
    (2, _step("finishes_files")),
    (0.5, _step("resends_an_order", _order)),
    (0.7, _fault("reject_part", part_number=_is(GOODS[0][2]))),
    (0.7, _fault("reject_file", kind=_one("any", "order", "dispatch", "cancel"))),
    (0.7, _fault("half_file", missing=_one("marker", "data"))),
    (0.7, _fault("repeat_order_file", same_name=_TRUTH, changed=_TRUTH)),
    (0.3, _fault("repeat_request", same_name=_TRUTH, changed=_TRUTH)),
    (0.7, _fault("wrong_checksum")),
    (0.7, _fault("cut_upload", after=_one(0, 40, 200))),
    (0.7, _fault("cut_download")),
    (0.7, _fault("cut_marker", made=_TRUTH)),
]


async def simulate(marketplace: str, seed: int, days: float, tell: Callable[[str], None] = lambda _: None) -> Figures:
    """One seed from its first to its last day; what breaks a promise stands in the figures, with how to replay it."""
    chance = random.Random(f"{marketplace} {seed}")
    figures = Figures()

    def made(scene: Any, open_again: Callable[[AccountSettings], Any], account: Any) -> Simulation:
        return Simulation(scene, open_again, account, tell=tell, chance=chance, figures=figures)

    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(dir=place) as folder, listening() as told:
        try:
            async with world(Path(folder), DIALECT[marketplace], {}, made) as everybody:
                everybody.passed += STARTS[["ordinary", "spring", "autumn"][seed % 3]]
                await everybody.live(days)
                await everybody.end()
            figures.counts["log lines without a canary"] += assert_clean(told(), "the log")
        except AssertionError as error:
            tell(traceback.format_exc())
            again = f"python -m tests.prove simulation --marketplace {marketplace} --seed {seed} --days {days:g} --tell"
            figures.broken.append(f"{error} (again: {again})")
    return figures


METHOD = seeded(
    "simulation",
    "some days of the daemon on a virtual clock, at the timetable of production, between a seller, customers and a"
    " marketplace with faults; crashes, restarts, reboots, sleep, steps of the wall clock and changes of the hour are drawn"
    " by a seed, and so is all else",
    simulate,
    seeds=300,
    days=3,
    sometimes=SOMETIMES,
)
