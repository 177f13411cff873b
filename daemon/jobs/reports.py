"""Read the answers to feeds: kept first, settled by revision, confirmed after (L2, L6, L7, L17, J4, D9)."""

from contextlib import aclosing
from datetime import timedelta

from daemon.errors import MarketplaceError, Unreadable
from daemon.jobs import Outcome, Run
from daemon.jobs.confirm import confirm_applied
from daemon.store.answers import Answered
from daemon.store.deliveries import DeliveryKind, DeliveryState, KeptDelivery

#: how long a report may wait for a feed that nobody knows before a person is asked (promise P13)
_ORPHAN_AGE = timedelta(hours=24)


async def read_reports(run: Run) -> Outcome:
    """Read every new report, settle the parts it answers, and let unanswered feeds lapse or count as accepted."""
    done, notes = 0, []
    failed: MarketplaceError | None = None
    for delivery in await run.store.deliveries.unsettled(run.name, DeliveryKind.REPORT):
        done += await _apply(run, delivery)
    async with aclosing(run.marketplace.reports(run.store.deliveries.inbox(run.name))) as reports:
        async for report in reports:
            try:
                payload, _ = await run.store.payloads.write(report.chunks(), run.now.at)
            except MarketplaceError as error:
                # It stays there for the next turn, and holds up none behind it (D9).
                failed = failed or error
                continue
            delivery = await run.store.deliveries.keep(run.name, DeliveryKind.REPORT, report.file, payload, run.now.at)
            if delivery.state is DeliveryState.KEPT:
                done += await _apply(run, delivery)
    # After the reports, so that an answer that is there already is never taken for silence.
    for rule in run.account.feed_rules.values():
        done += await run.store.feeds.settle_silent(run.name, rule, run.now)
        notes += [f"feed {feed.id} lapsed" for feed in await run.store.feeds.lapse(run.name, rule, run.now)]
    await confirm_applied(run)
    if failed is not None:
        raise failed
    return Outcome(done=done, note="; ".join(notes))


async def _apply(run: Run, delivery: KeptDelivery) -> int:
    """Settle what a kept report answers; the same report again, after a crash say, changes nothing."""
    deliveries = run.store.deliveries
    total, fault = Answered(), ""
    chunks = run.store.payloads.chunks(delivery.payload)
    tearable = [kind for kind, rule in run.account.feed_rules.items() if rule.tearable]
    try:
        async with aclosing(run.marketplace.read_report(delivery.file, chunks)) as batches:
            async for lines in batches:
                total += await run.store.answers.apply(
                    run.name,
                    lines,
                    run.now.at,
                    delivery.id,
                    block_after=run.account.block_after,
                    tearable=tearable,
                )
    except Unreadable as error:
        fault = str(error)
        if error.feed_name:
            await run.store.answers.could_not_read(run.name, error.feed_name, delivery.id)
    if total.strangers:
        # Where silence means yes, nobody knows any more what else was meant (J4).
        fault = "; ".join(filter(None, (f"{total.strangers} lines name no listing of their feed", fault)))
    if total.orphans and run.now.at - delivery.received_at < _ORPHAN_AGE:
        # Whatever else is wrong with it: its good lines are matched once their feed turns up (L17).
        reason = "; ".join(filter(None, (f"{total.orphans} lines of a feed that is not known", fault)))
        await deliveries.move(delivery.id, DeliveryState.WAITING, reason)
    elif total.orphans or fault:
        reason = "; ".join(filter(None, ("its feed never turned up" if total.orphans else "", fault)))
        await deliveries.move(delivery.id, DeliveryState.SET_ASIDE, reason)
    else:
        await deliveries.move(delivery.id, DeliveryState.APPLIED)
    return total.settled
