"""Keep the database small and personal data no longer than allowed (D7, D12)."""

from datetime import timedelta

from daemon.jobs import Outcome, Run, SiteRun
from daemon.model import SITE

#: how long the record of single turns is kept
_RUNS = timedelta(days=30)
#: how old a half-written payload must be before it is taken for abandoned
_ABANDONED = timedelta(days=1)
#: how long a file that was dropped into a folder is known again
_FILES = timedelta(days=400)
#: how long a request with a key is answered with what it was answered before
_REQUEST_KEYS = timedelta(days=7)


async def tidy(run: Run) -> Outcome:
    """Erase customers of closed orders, drop bytes past their retention, prune old turns, fold the log back."""
    store, now = run.store, run.now.at
    erased = await store.orders.erase_customers(run.name, now - run.account.personal_data_retention)
    dropped = await store.payloads.expire(run.name, now - run.account.payload_retention)
    await store.runs.prune(run.name, now - _RUNS)
    await store.folders.prune(run.name, now - _FILES)
    # What was erased must not live on in the log.
    await store.database.checkpoint()
    return Outcome(done=erased + dropped, note=f"{erased} customers erased, {dropped} payloads dropped")


async def tidy_site(run: SiteRun) -> Outcome:
    """Drop what a dead process left half written, prune old turns of the site's jobs, fold the log back."""
    store, now = run.store, run.now.at
    swept = await store.payloads.sweep(now - _ABANDONED)
    await store.runs.prune(SITE, now - _RUNS)
    await store.requests.forget(now - _REQUEST_KEYS)
    await store.webhooks.prune(now - _RUNS)
    await store.database.checkpoint()
    return Outcome(done=swept, note=f"{swept} half-written payloads dropped")
