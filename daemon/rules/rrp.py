"""The recommended retail price as it is sent: capped by the account's Discount RRP (guide L10, Sell-R A8)."""

#: basis points of one
WHOLE = 10_000


def sent(start_price: int, rrp: int | None, discount_bp: int | None) -> int | None:
    """The RRP to send, in minor units; None where there is none.

    `discount_bp` is the greatest discount in hundredths of a percent, None where Calculate RRP is off. Where the RRP
    promises more than that, StartPrice / (1 - d) is sent, cut to the minor unit: 100.00 and 200.00 at 40 % give
    166.66. Never below `start_price`. The claim does the same in SQL (`store/values.py`).
    """
    if rrp is None:
        return None
    if discount_bp is not None and (rrp - start_price) * WHOLE > discount_bp * rrp:
        return max(start_price, start_price * WHOLE // (WHOLE - discount_bp))
    return max(start_price, rrp)
