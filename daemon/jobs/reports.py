"""Read the answers to feeds: kept first, settled by revision, confirmed after (L2, L6, L7, L17, J4, D9)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta

from anyio import create_memory_object_stream, create_task_group

from daemon.errors import MarketplaceError, Unforeseen, Unreadable, unforeseen
from daemon.jobs import Outcome, Run
from daemon.jobs.bisection import Bisection
from daemon.jobs.confirm import confirm_applied
from daemon.model import AnswerLine
from daemon.store.answers import Answered
from daemon.store.deliveries import DeliveryKind, DeliveryState, KeptDelivery

#: how long a report may wait for a feed that nobody knows before a person is asked (promise P13)
_ORPHAN_AGE = timedelta(hours=24)
#: lines of one transaction, and a chunk's more: the writer is busy for a tenth of a second, and memory stays flat
_BATCH = 10_000
#: lines of one report that are looked for one by one
_MOST_LEFT_OUT = 20


async def read_reports(run: Run) -> Outcome:
    """Read every new report, settle the parts it answers, and let unanswered feeds lapse or count as accepted."""
    done, notes = 0, []
    failed: MarketplaceError | None = None
    for delivery in await run.store.deliveries.unsettled(run.name, DeliveryKind.REPORT):
        settled, surprise = await settle_report(run, delivery)
        done, failed = done + settled, failed or surprise
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
                settled, surprise = await settle_report(run, delivery)
                done, failed = done + settled, failed or surprise
    # After the reports, so that an answer that is there already is never taken for silence.
    for rule in run.account.feed_rules.values():
        done += await run.store.feeds.settle_silent(run.name, rule, run.now)
        notes += [f"feed {feed.id} lapsed" for feed in await run.store.feeds.lapse(run.name, rule, run.now)]
    await confirm_applied(run)
    if failed is not None:
        raise failed
    return Outcome(done=done, note="; ".join(notes))


async def settle_report(run: Run, delivery: KeptDelivery) -> tuple[int, Unforeseen | None]:
    """Settle what a kept report answers; the same report again, after a crash say, changes nothing.

    Returns how many parts, and what nobody foresaw of it: whatever that is, other reports are settled.
    """
    deliveries = run.store.deliveries
    total, unread = await _settle(run, delivery)
    fault = str(unread) if unread else ""
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
    return total.settled, unread if isinstance(unread, Unforeseen) else None


async def _settle(run: Run, delivery: KeptDelivery) -> tuple[Answered, Unreadable | None]:
    """Settle the lines batch by batch: the next is read while the database works on the one before."""
    total = Answered()
    unread: Unreadable | None = None
    applying = _applying(run, delivery)
    ahead, batches = create_memory_object_stream[list[AnswerLine]]()

    async def read_ahead() -> None:
        nonlocal unread
        try:
            async with ahead, aclosing(_batches(run, delivery)) as read:
                async for lines in read:
                    await ahead.send(lines)
        except Unreadable as error:
            unread = error

    async with create_task_group() as group, batches:
        group.start_soon(read_ahead)
        async for lines in batches:
            total += await applying.work(lines)
    if unread and (unread.feed_name or isinstance(unread, Unforeseen)):
        await run.store.answers.could_not_read(run.name, unread.feed_name, delivery.id)
    return total, next(iter(applying.surprises), unread)


def _applying(run: Run, delivery: KeptDelivery) -> Bisection[AnswerLine, Answered]:
    """How lines are settled, batch after batch; those that raise what nobody foresaw are left out, and no other.

    Once they are many, they are left out as they come, with good lines among them: a report may have a million.
    """
    answers = run.store.answers
    tearable = [kind for kind, rule in run.account.feed_rules.items() if rule.tearable]

    async def apply(lines: Sequence[AnswerLine]) -> Answered:
        return await answers.apply(
            *(run.name, lines, run.now.at, delivery.id), block_after=run.account.block_after, tearable=tearable
        )

    async def leave_out(lines: Sequence[AnswerLine], _: Unforeseen) -> Answered:
        for remote_ref, feed_name in {(line.remote_ref, line.feed_name) for line in lines}:
            await answers.could_not_read(run.name, feed_name, delivery.id, remote_ref=remote_ref)
        return Answered()

    return Bisection(apply, leave_out, most=_MOST_LEFT_OUT)


async def _batches(run: Run, delivery: KeptDelivery) -> AsyncGenerator[list[AnswerLine], None]:
    """The lines of a kept report, as many together as one transaction takes; what stands before a break is given.

    Raises Unreadable, and Unforeseen for what the reader should never raise.
    """
    batch: list[AnswerLine] = []
    chunks = run.store.payloads.chunks(delivery.payload)
    try:
        async with aclosing(run.marketplace.read_report(delivery.file, chunks)) as read:
            async for lines in read:
                batch += lines
                if len(batch) >= _BATCH:
                    yield batch
                    batch = []
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide what stands before it
        why = error if isinstance(error, Unreadable) else unforeseen(error)
        if batch:
            yield batch
        raise why from why.__cause__
    if batch:
        yield batch
