"""How many units are offered of those in stock: reservation, safety, share, cap, threshold (guide L6, L9)."""

from daemon.model import OfferTerms, StockKnobs


def resolved(own: StockKnobs, terms: OfferTerms) -> StockKnobs:
    """The knobs that count: the listing's own where it has one, the account's elsewhere."""
    return StockKnobs(
        safety_stock=terms.safety_stock if own.safety_stock is None else own.safety_stock,
        percentage=terms.percentage if own.percentage is None else own.percentage,
        cap=terms.cap if own.cap is None else own.cap,
        threshold=terms.threshold if own.threshold is None else own.threshold,
    )


def offered(stock: int, own: StockKnobs, terms: OfferTerms, *, reserved: int = 0, ended: bool = False) -> int:
    """The units that are offered, never less than 0; an ended listing offers none (L9).

    In this order: less `reserved`, less the safety stock, the percentage of that (cut), at most the cap, and 0 where
    less than the threshold is left. The claim does the same in SQL (`store/values.py`).
    """
    if ended:
        return 0
    knobs = resolved(own, terms)
    left = max(0, stock - reserved - (knobs.safety_stock or 0))
    share = left * (100 if knobs.percentage is None else knobs.percentage) // 100
    capped = share if knobs.cap is None else min(share, knobs.cap)
    return 0 if capped < (knobs.threshold or 0) else capped
