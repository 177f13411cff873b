"""Whether a promotion may be one of a statutory sale ("soldes"): its window, the deadline, a month on offer (C3).

When sales are, and by when a marketplace wants to know what takes part, changes from year to year: it is data that is
imported, never code.
"""

import calendar
from datetime import datetime

from daemon.model import OfferTerms, Promotion, Sale
from daemon.rules.promotions import Verdict


def verdict(
    promotion: Promotion, sale: Sale | None, imported_at: datetime, on_offer_since: datetime | None, terms: OfferTerms
) -> Verdict:
    """Judge a promotion by the sale that it names, by the account's policy; one that names none is fine.

    `sale` is None where no such sale was imported; `on_offer_since` is when customers were first charged a price for
    the listing, None where nothing is known of that.
    """
    if not promotion.sale:
        return Verdict()
    forbidding = terms.sale_policy == "block"
    if sale is None:
        return Verdict(f"the sale {promotion.sale} is not in the imported sales; import them anew", forbidding)
    found = [*_of_window(promotion, sale), *_of_deadline(sale, imported_at)]
    month = _of_month(sale, on_offer_since, terms)
    text = "; ".join(filter(None, (*found, month.text)))
    return Verdict(text, (forbidding and bool(found)) or month.blocks)


def month_before(instant: datetime) -> datetime:
    """The same day of the month before, or its last one where it is shorter."""
    year, month = (instant.year, instant.month - 1) if instant.month > 1 else (instant.year - 1, 12)
    return instant.replace(year=year, month=month, day=min(instant.day, calendar.monthrange(year, month)[1]))


def _of_window(promotion: Promotion, sale: Sale) -> list[str]:
    if sale.starts_at <= promotion.starts_at and promotion.ends_at <= sale.ends_at:
        return []
    window = f"from {sale.starts_at:%Y-%m-%d %H:%M} to {sale.ends_at:%Y-%m-%d %H:%M} UTC"
    return [f"the promotion is not inside the sale {sale.code}, {window}"]


def _of_deadline(sale: Sale, imported_at: datetime) -> list[str]:
    if sale.deadline is None or imported_at <= sale.deadline:
        return []
    late = f"it was imported after the deadline of the sale {sale.code}, {sale.deadline:%Y-%m-%d %H:%M} UTC"
    return [f"{late}, and may go without its sticker"]


def _of_month(sale: Sale, on_offer_since: datetime | None, terms: OfferTerms) -> Verdict:
    wanted = month_before(sale.starts_at)
    if on_offer_since is None:
        text = f"nothing shows that it was on offer a month before the sale {sale.code} begins"
        return Verdict() if terms.unknown_history == "allow" else Verdict(text, terms.unknown_history == "block")
    if on_offer_since <= wanted:
        return Verdict()
    text = f"it is on offer since {on_offer_since:%Y-%m-%d} alone, and goods of the sale {sale.code} must have been"
    return Verdict(f"{text} since {wanted:%Y-%m-%d}, a month before it begins", terms.sale_policy == "block")
