"""A rehearsal in a marketplace's test tree: which steps of a test order's way are proven, and what to do next. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from daemon.model import ClaimState, FeedState, LineState, Order, UpdateKind, UpdateState
from daemon.store.deliveries import DeliveryKind, DeliveryState
from daemon.store.rehearsals import Rehearsed, RehearsedLine, RehearsedUpdate


class StepState(StrEnum):
    """PROVEN: it has happened. WAITING: nothing to do but wait. TODO: a person's turn. LATER: another step comes first.

    WRONG: it was tried, and something must be mended.
    """

    PROVEN = "proven"
    WAITING = "waiting"
    TODO = "todo"
    LATER = "later"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: how it stands, what was found, and what a person does next, empty where nothing.

    What is `optional` may never come of a marketplace, and a rehearsal is complete without it.
    """

    name: str
    state: StepState
    found: str
    next: str = ""
    optional: bool = False

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the far side found: the folders that answer, what hinders, and the orders that lie there unkept.

    `unread` are the order files that cannot be read, with why.
    """

    folders: Sequence[str] = ()
    hindrances: Sequence[str] = ()
    orders: Sequence[Order] = ()
    unread: Sequence[str] = ()


def complete(steps: Iterable[Step]) -> bool:
    """Whether everything that must be proven is."""
    return all(step.state is StepState.PROVEN or step.optional for step in steps)


def rehearse(account: str, facts: Rehearsed, look: Look, wait: str) -> list[Step]:
    """The steps in their order; `wait` is how long silence must last before it is a yes, as people write it."""
    walk = _Walk(account, facts, look, wait)
    return [
        walk.folders(),
        walk.seen(),
        walk.parsed(),
        walk.acknowledged(),
        walk.dispatched_in_part(),
        walk.dispatched_whole(),
        walk.cancelled(),
        walk.refunded(),
        walk.asked_to_cancel(),
        walk.stock_taken(),
        walk.stock_error_read(),
        walk.update_error_read(),
    ]


_OPEN = (UpdateState.PENDING, UpdateState.SENDING, UpdateState.SENT)
_PLACE = "ask the marketplace to place a test order of two lines, one of them of two units or more"


class _Walk:
    """One account's way through its steps."""

    def __init__(self, account: str, facts: Rehearsed, look: Look, wait: str) -> None:
        self._account = account
        self._facts = facts
        self._look = look
        self._wait = wait

    def folders(self) -> Step:
        """Every folder answers."""
        if self._look.hindrances:
            fix = f"mend that: sellerd accounts check {self._account} --connect says more"
            return Step("folders", StepState.WRONG, "; ".join(self._look.hindrances), fix)
        return Step("folders", StepState.PROVEN, "; ".join(self._look.folders))

    def seen(self) -> Step:
        """A test order lay there with its marker."""
        if self._facts.orders:
            order = self._facts.orders[-1]
            return Step("order seen", StepState.PROVEN, f"{order.file_name} came with its marker")
        if self._look.orders or self._look.unread:
            found = f"{len(self._look.orders) + len(self._look.unread)} order files lie there with their markers"
            return Step("order seen", StepState.PROVEN, found)
        return Step("order seen", StepState.TODO, "no order file with its marker has come", _PLACE)

    def parsed(self) -> Step:
        """It was read whole and kept."""
        name = "order read"
        if whole := [order for order in self._facts.orders if not order.incomplete]:
            order = whole[-1]
            units = sum(line.quantity for line in order.lines)
            found = f"order {order.number}: {len(order.lines)} lines, {units} units, the checksum fits"
            return Step(name, StepState.PROVEN, found)
        bad = [f"order {order.number} is incomplete: {order.incomplete}" for order in self._facts.orders]
        bad += self._set_aside(DeliveryKind.ORDER) or self._look.unread
        if bad:
            fix = "show the marketplace the file; its layout may differ from what is known (sellerd deliveries)"
            return Step(name, StepState.WRONG, "; ".join(bad), fix)
        if self._look.orders:
            order_there = self._look.orders[0]
            if order_there.incomplete:
                fix = "show the marketplace the file"
                return Step(name, StepState.WRONG, f"order {order_there.number}: {order_there.incomplete}", fix)
            found = f"order {order_there.number} can be read: {len(order_there.lines)} lines; it is not kept yet"
            return Step(
                name, StepState.TODO, found, f"let it be fetched: sellerd jobs run orders --account {self._account}"
            )
        return self._later(name, "order seen")

    def acknowledged(self) -> Step:
        """Its acknowledgement stood unopposed."""
        found = self._said("acknowledged", UpdateKind.ACKNOWLEDGEMENT)
        if found is not None:
            return found
        if not self._facts.lines:
            return self._later("acknowledged", "order read")
        return Step(
            *("acknowledged", StepState.TODO, "nothing was acknowledged yet"),
            f"let it be sent: sellerd jobs run updates --account {self._account}",
        )

    def dispatched_in_part(self) -> Step:
        """Some units of an order left, and the rest waited."""
        found = self._said("dispatched in part", UpdateKind.DISPATCH, lambda update: update.units < update.ordered)
        return found or self._decide(
            "dispatched in part",
            "dispatch some units of a test order",
            lambda line: (
                f"orders ship --account {self._account} {line.order} --line {line.ref}=1"
                " --carrier CARRIER --tracking NUMBER"
            ),
            lambda line: line.state is LineState.TO_SHIP and line.left > 0 and self._units_left(line) > 1,
        )

    def dispatched_whole(self) -> Step:
        """An order left to its last unit."""
        name = "dispatched whole"
        gone = {
            order.number
            for order in self._facts.orders
            if order.lines and all(not line.left for line in order.lines) and any(line.shipped for line in order.lines)
        }
        found = self._said(name, UpdateKind.DISPATCH, lambda update: update.order in gone)
        return found or self._decide(
            name,
            "dispatch everything that is left of a test order",
            lambda line: f"orders ship --account {self._account} {line.order} --carrier CARRIER --tracking NUMBER",
            lambda line: line.state is LineState.TO_SHIP and line.left > 0,
        )

    def cancelled(self) -> Step:
        """Units were cancelled before they left."""
        found = self._said("cancelled", UpdateKind.CANCELLATION)
        return found or self._decide(
            "cancelled",
            "cancel a unit of a test order before its dispatch",
            lambda line: f"orders cancel --account {self._account} {line.order} --line {line.ref}=1",
            lambda line: line.state is LineState.TO_SHIP and line.left > 0,
        )

    def refunded(self) -> Step:
        """Units were refunded after they had left."""
        found = self._said("refunded", UpdateKind.REFUND)
        return found or self._decide(
            "refunded",
            "refund a unit of a test order after its dispatch",
            lambda line: f"orders refund --account {self._account} {line.order} --line {line.ref}=1",
            lambda line: line.shipped > line.refunded,
        )

    def asked_to_cancel(self) -> Step:
        """The marketplace asked to cancel, and was answered."""
        name, claims = "request to cancel", self._facts.claims
        if answered := [claim for claim in claims if claim.state in (ClaimState.ANSWERED, ClaimState.OUTRUN)]:
            claim = answered[0]
            found = f"claim {claim.id} about order {claim.order} is {claim.state}"
            return Step(name, StepState.PROVEN, found, optional=True)
        if waiting := [claim for claim in claims if claim.state is not ClaimState.CLOSED]:
            claim = waiting[0]
            found = f"claim {claim.id} about order {claim.order} is {claim.state}{claim.why and ': ' + claim.why}"
            if claim.state is ClaimState.ACCEPTED:
                return Step(name, StepState.WAITING, found, self._silence(), optional=True)
            return Step(name, StepState.TODO, found, f"see: sellerd claims show {claim.id}", optional=True)
        next_ = "ask the marketplace whether it sends requests to cancel, and for one about a test order"
        return Step(name, StepState.TODO, "no request has come", next_, optional=True)

    def stock_taken(self) -> Step:
        """A stock file was taken, in whole or in part."""
        name, feeds = "stock taken", self._facts.feeds
        if taken := [feed for feed in feeds if feed.accepted]:
            return Step(name, StepState.PROVEN, f"{taken[0].name}: {taken[0].accepted} listings taken")
        if sent := [feed for feed in feeds if feed.state in (FeedState.SENDING, FeedState.SENT, FeedState.IN_DOUBT)]:
            return Step(name, StepState.WAITING, f"{sent[0].name} is {sent[0].state}", self._silence())
        if rejected := [feed for feed in feeds if feed.rejected]:
            found = f"{rejected[0].name}: {rejected[0].rejected} listings rejected, and none was ever taken"
            fix = f"see why: sellerd listings list --account {self._account} --state error"
            return Step(name, StepState.WRONG, found, fix)
        next_ = f"import a listing and its stock: sellerd import listings FILE --account {self._account}, then stock"
        return Step(name, StepState.TODO, "no stock file was sent", next_)

    def stock_error_read(self) -> Step:
        """An error of a stock file was read, and reached its listing."""
        name = "stock error read"
        if rejected := [feed for feed in self._facts.feeds if feed.rejected]:
            found = f"{rejected[0].name}: {rejected[0].rejected} listings rejected with their reasons"
            return Step(name, StepState.PROVEN, found)
        if bad := self._set_aside(DeliveryKind.REPORT):
            fix = "show the marketplace the file, and say its columns in stock.error_columns"
            return Step(name, StepState.WRONG, "; ".join(bad), fix)
        next_ = "send stock for a Stock Number that is not yours: import one made-up listing, then its stock"
        return Step(name, StepState.TODO, "no error of a stock file has come", next_)

    def update_error_read(self) -> Step:
        """An error of an update was read and matched."""
        name = "update error read"
        answers = [file for file in self._facts.files if file.kind is DeliveryKind.UPDATE_ANSWER]
        if read := [file for file in answers if file.state is DeliveryState.APPLIED]:
            failed = [update for update in self._facts.updates if update.error and update.state is UpdateState.FAILED]
            text = f": {failed[0].error}" if failed else ""
            return Step(name, StepState.PROVEN, f"{read[0].name} was matched to its update{text}")
        if bad := self._set_aside(DeliveryKind.UPDATE_ANSWER):
            fix = "show the marketplace the file; paths.update_errors says where errors are looked for"
            return Step(name, StepState.WRONG, "; ".join(bad), fix)
        next_ = "dispatch a unit of a test order with a carrier that the marketplace does not know"
        return Step(name, StepState.TODO, "no error of an acknowledgement or a dispatch has come", next_)

    def _said(
        self, name: str, kind: UpdateKind, wanted: Callable[[RehearsedUpdate], bool] = lambda _: True
    ) -> Step | None:
        """How the updates of a kind stand; None where none was decided."""
        updates = [update for update in self._facts.updates if update.kind is kind and wanted(update)]
        if proven := [update for update in updates if update.state is UpdateState.SUCCEEDED]:
            update = proven[0]
            found = f"order {update.order}: {update.name}, {update.units} of {update.ordered} units, nothing against it"
            return Step(name, StepState.PROVEN, found)
        if waiting := [update for update in updates if update.state in _OPEN]:
            return Step(name, StepState.WAITING, f"order {waiting[0].order}: it is {waiting[0].state}", self._silence())
        if not updates:
            return None
        update = updates[0]
        found = f"order {update.order}: {update.name or kind} is {update.state}: {update.error}"
        verb = "resolve" if update.state is UpdateState.IN_DOUBT else "resend"
        fix = f"mend that, then: sellerd orders {verb} --account {self._account} {update.order}"
        return Step(name, StepState.WRONG, found, fix)

    def _decide(
        self,
        name: str,
        what: str,
        command: Callable[[RehearsedLine], str],
        possible: Callable[[RehearsedLine], bool],
    ) -> Step:
        """What a person decides next, about a line for which it is possible."""
        if lines := [line for line in self._facts.lines if possible(line)]:
            # An order that something was done with already leaves the untouched ones for what comes after.
            line = min(lines, key=lambda line: (line.left == line.quantity, line.order, line.ref))
            return Step(name, StepState.TODO, "not done yet", f"{what}: sellerd {command(line)}")
        if self._facts.lines and all(line.state is not LineState.NEW for line in self._facts.lines):
            return Step(name, StepState.TODO, "no test order is left for it", _PLACE)
        return self._later(name, "acknowledged")

    def _units_left(self, line: RehearsedLine) -> int:
        return sum(other.left for other in self._facts.lines if other.order == line.order)

    def _set_aside(self, kind: DeliveryKind) -> list[str]:
        return [
            f"{file.name}: {file.reason}"
            for file in self._facts.files
            if file.kind is kind and file.state is DeliveryState.SET_ASIDE
        ]

    def _silence(self) -> str:
        return f"silence for {self._wait} is a yes; look again then"

    @staticmethod
    def _later(name: str, first: str) -> Step:
        return Step(name, StepState.LATER, f"after: {first}")
