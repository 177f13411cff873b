"""Keep the database small and personal data no longer than allowed (D7, D12)."""

from datetime import timedelta

from daemon.jobs import Outcome, Run, SiteRun
from daemon.store import Store

#: how old a half-written payload must be before it is taken for abandoned
_ABANDONED = timedelta(days=1)
#: how long a file that was dropped into a folder is known again
_FILES = timedelta(days=400)
#: how long a request with a key is answered with what it was answered before
_REQUEST_KEYS = timedelta(days=7)
#: how long a message to a receiver of webhooks is kept after it was delivered or given up
_MESSAGES = timedelta(days=30)


async def tidy(run: Run) -> Outcome:
    """Erase customers of closed orders, drop bytes past their retention or erased before, fold the log back."""
    store, now = run.store, run.now.at
    erased = await store.orders.erase_customers(run.name, now - run.account.personal_data_retention)
    await store.erasures.forget_quotes(run.name, now - run.account.personal_data_retention)
    dropped = await store.payloads.expire(run.name, now - run.account.payload_retention)
    await store.folders.prune(run.name, now - _FILES)
    # A marketplace hands an order out again for as long as it is asked for it.
    dropped += await store.erasures.repeat(run.name, now - run.account.open_order_lookback, now)
    # What was erased must not live on in the log.
    note = await _fold(store, f"{erased} customers erased, {dropped} payloads dropped")
    return Outcome(done=erased + dropped, note=note)


async def tidy_site(run: SiteRun) -> Outcome:
    """Drop what a dead process left half written, forget what only grows after its retention, fold the log back."""
    store, now, retention = run.store, run.now.at, run.config.retention
    swept = await store.payloads.sweep(now - _ABANDONED)
    await store.requests.forget(now - _REQUEST_KEYS)
    await store.webhooks.prune(now - _MESSAGES)
    forgotten = {
        "idle turns": await store.retention.forget_idle_turns(now - retention.idle_turns),
        "turns": await store.retention.forget_turns(now - retention.turns),
        "events": await store.retention.forget_events(now - retention.events),
        "feed objects": await store.retention.forget_feed_objects(now - retention.feed_objects),
        "decisions": await store.retention.forget_decisions(now - retention.events),
    }
    told = ", ".join(f"{count} {what} forgotten" for what, count in forgotten.items() if count)
    note = await _fold(store, told or f"{swept} half-written payloads dropped")
    return Outcome(done=swept + sum(forgotten.values()), note=note)


async def _fold(store: Store, note: str) -> str:
    """Fold the log back, and add to a note where that was not possible."""
    if await store.database.checkpoint():
        return note
    return f"{note}; the log was not emptied: somebody holds an older state of the database open"
