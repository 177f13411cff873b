"""What has left, from the seller's files: which units of which lines, by whom and under which number (L13, J8, S1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.errors import NotAllowed
from daemon.model import OrderNumber, Parcel, UpdateKind, UpdateState
from daemon.seller import cells as parse
from daemon.seller.cells import Cells
from daemon.seller.columns import ImportKind
from daemon.seller.intakes import Intake, Took
from daemon.store.changes import Change
from daemon.store.views import View

_FIX = "mend the row, or leave it out where it has been said already: sellerd orders show NUMBER tells what was"


@dataclass(frozen=True, slots=True)
class Dispatched:
    """One row: a line of an order (all that is left of it without units; all lines without a line) and its parcel."""

    order: OrderNumber
    line: str
    units: int | None
    parcel: Parcel


class Dispatches(Intake[Dispatched]):
    """Rows of one order and parcel become one update with a line each; where that is refused, each is tried alone."""

    kind = ImportKind.DISPATCHES
    unique = ()

    def check_key(self, cells: Cells) -> None:
        """Leave a fault in `cells` where there is no order number."""
        if not cells.key:
            cells.fault(self.key, "the order number is missing", "write the number of the order at the marketplace")

    def value(self, cells: Cells) -> Dispatched:
        """The value of a row; faults are left in `cells`, and then the value is not used."""
        line, units = cells.given("line"), cells.read("units", parse.units)
        if units and not line:
            cells.fault("units", "units without a line could be of any", "name the line, or leave the units empty too")
        carrier = cells.read("carrier", partial(parse.text_up_to, longest=100, wanted=True)) or ""
        number = cells.read("tracking_number", partial(parse.text_up_to, longest=100)) or ""
        url = cells.read("tracking_url", parse.photo) or self.account.tracking_url_of(number)
        shipped_at = cells.read("shipped_at", partial(parse.instant_or_none, zone=self.account.zone))
        parcel = Parcel(carrier, number, url, shipped_at or self.at)
        if carrier and (objection := self.account.objection(parcel)):
            cells.fault("carrier", objection, "mend the row: the marketplace would not take this parcel")
        return Dispatched(OrderNumber(cells.key), line, units, parcel)

    async def put(self, values: Sequence[Dispatched]) -> list[Took]:
        """Record a batch: what each row did."""
        took: dict[int, Took] = {}
        for order in dict.fromkeys(value.order for value in values):
            rows = [(place, value) for place, value in enumerate(values) if value.order == order]
            took |= await self._put_order(order, rows)
        return [took[place] for place in range(len(values))]

    async def _put_order(self, order: OrderNumber, rows: Sequence[tuple[int, Dispatched]]) -> dict[int, Took]:
        known = await self.store.views.order(self.name, order, personal=False)
        if known is None:
            reason = f"account {self.account.name} has no order {order}"
            return {
                place: Took(None, reason, fix="mend the number, or wait until it is downloaded") for place, _ in rows
            }
        took = {place: Took(Change.UNCHANGED) for place, row in rows if _said_before(row, known)}
        parcels: dict[Parcel, list[tuple[int, Dispatched]]] = {}
        for place, row in rows:
            if place not in took:
                parcels.setdefault(row.parcel, []).append((place, row))
        for parcel, together in parcels.items():
            took |= await self._put_parcel(order, parcel, together)
        return took

    async def _put_parcel(
        self, order: OrderNumber, parcel: Parcel, rows: Sequence[tuple[int, Dispatched]]
    ) -> dict[int, Took]:
        whole = [place for place, row in rows if not row.line]
        lines = None if whole else [(row.line, row.units) for _, row in rows]
        try:
            update = await self.store.updates.open(
                *(self.name, order, UpdateKind.DISPATCH, lines),
                legal_moves=self.account.legal_moves,
                at=self.at,
                parcel=parcel,
            )
        except NotAllowed as error:
            if len(rows) == 1:
                return {rows[0][0]: Took(None, str(error), fix=_FIX)}
            took: dict[int, Took] = {}
            for row in rows:
                took |= await self._put_parcel(order, parcel, [row])
            return took
        told = ", ".join(f"{line.quantity} of line {line.ref}" for line in update.lines)
        by = " ".join(filter(None, (parcel.carrier, parcel.tracking_number)))
        return {place: Took(Change.CREATED, told=f"{told} by {by}") for place, _ in rows}


def _said_before(row: Dispatched, order: View) -> bool:
    """Whether a dispatch of this parcel with this line was recorded before, so that a file may come twice.

    A parcel is known by its tracking number; without one, by the instant at which it left.
    """
    return any(
        update["kind"] == UpdateKind.DISPATCH
        and update["state"] != UpdateState.FAILED
        and _same_parcel(row, update["parcel"])
        and any(
            not row.line or (line["ref"] == row.line and row.units in (None, line["quantity"]))
            for line in update["lines"]
        )
        for update in order["updates"]
    )


def _same_parcel(row: Dispatched, kept: View | None) -> bool:
    if kept is None or kept["carrier"] != row.parcel.carrier:
        return False
    if row.parcel.tracking_number:
        same: bool = kept["tracking_number"] == row.parcel.tracking_number
        return same
    left_at = datetime.fromisoformat(kept["shipped_at"])
    return not kept["tracking_number"] and left_at == _to_millisecond(row.parcel.shipped_at)


def _to_millisecond(instant: datetime) -> datetime:
    """The instant as views tell it."""
    return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)
