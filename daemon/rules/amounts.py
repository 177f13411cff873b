"""An amount of money as a number of units: whole ones only, at least one (J10)."""

from daemon.errors import NotAllowed
from daemon.model import Money


def units_of(amount: Money, unit_price: Money | None, most: int) -> int:
    """How many units an amount is at a unit price, of which `most` are left.

    Raises NotAllowed with the nearest amounts that are allowed, below and above.
    """
    if unit_price is None or unit_price.minor <= 0:
        raise NotAllowed("its unit price is not known here, so give the units in place of an amount")
    if amount.currency != unit_price.currency:
        raise NotAllowed(f"the amount is in {amount.currency}, and its price is in {unit_price.currency}")
    if most < 1:
        raise NotAllowed("none of its units is left for that")
    units, rest = divmod(amount.minor, unit_price.minor)
    if not rest and 1 <= units <= most:
        return units
    near = sorted({min(max(each, 1), most) for each in (units, units + 1)})
    allowed = " or ".join(f"{told(Money(each * unit_price.minor, amount.currency))} ({_units(each)})" for each in near)
    raise NotAllowed(
        f"{told(amount)} is not a whole number of units at {told(unit_price)} each, of which {most} are left;"
        f" the nearest allowed: {allowed}"
    )


def told(money: Money) -> str:
    """An amount as people write it."""
    return f"{money.minor // 100}.{money.minor % 100:02d} {money.currency}"


def _units(number: int) -> str:
    return "1 unit" if number == 1 else f"{number} units"
