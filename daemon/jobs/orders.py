"""Download orders: every one kept once, its bytes first, its file confirmed after (L12, J5, J6, D9)."""

from datetime import datetime, timedelta
from functools import partial

from daemon.jobs import Outcome, Run
from daemon.jobs.again import orders_again
from daemon.jobs.confirm import confirm_applied
from daemon.jobs.keep import keep_all
from daemon.rules.quotes import unquoted

#: an order is asked for from a little before it was placed, for clocks of the wire that know whole seconds only
_MARGIN = timedelta(minutes=1)


async def download_orders(run: Run) -> Outcome:
    """Keep every new order, and follow the marketplace where lines of known ones moved (L12, J5)."""
    since = await _since(run)
    inbox = run.store.deliveries.inbox(run.name)
    keep = partial(run.store.orders.keep, run.name, at=run.now.at)
    total = await orders_again(run)
    total += await keep_all(run.marketplace.orders(inbox, since, run.now.at), keep)
    await confirm_applied(run)
    if total.surprises:
        raise total.surprises[0]
    notes = [f"{total.new} new", f"{total.moved} moved"] if total.new or total.moved else []
    notes += [f"set aside: {unquoted(reason)}" for reason in total.set_aside]
    return Outcome(done=total.new + total.moved, note="; ".join(notes))


async def _since(run: Run) -> datetime:
    """From when on orders are asked for: further back than usual while an older one is open, a refund under way say."""
    usual = run.now.at - run.account.order_lookback
    oldest = await run.store.orders.oldest_open(run.name)
    if oldest is None or oldest >= usual:
        return usual
    return min(usual, max(oldest - _MARGIN, run.now.at - run.account.open_order_lookback))
