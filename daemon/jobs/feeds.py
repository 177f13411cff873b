"""Send what is due in one feed: claim, spool, send, record (L2, L6-L9, J3; house laws 3 and 6)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from anyio import CancelScope, fail_after

from daemon.errors import AccessDenied, Refused, Unreachable
from daemon.jobs import Outcome, Run
from daemon.marketplaces import Spool
from daemon.model import Feed, FeedKind, FeedRule, Part
from daemon.store.gates import GateClosed

#: when the next of several feeds follows
_NEXT = timedelta(seconds=1)


async def send_items(run: Run) -> Outcome:
    """Send every listing whose item part is Pending in one item feed; they turn Sent (L2)."""
    return await _send_due(run, FeedKind.ITEM)


async def send_offers(run: Run) -> Outcome:
    """Send every offer whose stock, price or End item is Pending (L6, L7, L9, J3), one feed an hour (L8).

    Where offers carry prices, it comes again when the next promotion begins or ends (L11).
    """
    outcome = await _send_due(run, FeedKind.OFFER)
    if Part.PRICE not in run.account.feed_rules[FeedKind.OFFER].parts:
        return outcome
    changes_at = await run.store.promotions.next_change(run.name, run.now.at)
    return replace(outcome, due_at=min(filter(None, (outcome.due_at, changes_at)), default=None))


async def _send_due(run: Run, kind: FeedKind) -> Outcome:
    rule = run.account.feed_rules[kind]
    feed = await run.store.feeds.open(run.name, rule, run.now, run.account.offer_terms, run.account.guard.terms)
    if feed is None:
        return Outcome(note="nothing is due")
    if isinstance(feed, GateClosed):
        return Outcome(held_until=feed.until, note=feed.reason)
    feed, spool = await _spool(run, feed)
    await _send(run, feed, rule, spool)
    # A full feed may have left some behind; no two feeds are opened in one second, for their names.
    due_at = run.now.at + _NEXT if feed.size == rule.most else None
    return Outcome(done=feed.size, note=f"feed {feed.id}: {feed.size} listings in {feed.name}", due_at=due_at)


async def _spool(run: Run, feed: Feed) -> tuple[Feed, Spool]:
    """Write the exact bytes to the store; when that fails, nothing has left and the claim is given back."""
    try:
        payload, size = await run.store.payloads.write(_written(run, feed), run.now.at)
        feed = await run.store.feeds.spooled(feed, run.marketplace.feed_name(feed), payload, run.clock().at)
    except BaseException as error:
        with CancelScope(shield=True):
            await run.store.feeds.withdrawn(feed, f"it could not be written: {_reason(error)}", run.clock())
        raise
    return feed, Spool(size, partial(run.store.payloads.chunks, payload))


async def _written(run: Run, feed: Feed) -> AsyncIterator[bytes]:
    file = run.marketplace.write_feed(feed)
    yield file.head()
    async for piece in run.store.feeds.rows(feed, run.account.currency, file.usual, file.rows):
        yield piece
    yield file.tail()


async def _send(run: Run, feed: Feed, rule: FeedRule, spool: Spool) -> None:
    feeds = run.store.feeds
    try:
        with fail_after(_time_left(run, feed, rule).total_seconds()):
            remote_ref = await run.marketplace.send_feed(feed, spool)
    except (Unreachable, AccessDenied) as error:
        await feeds.withdrawn(feed, str(error), run.clock())
        raise
    except Refused as error:
        await feeds.refused(feed, rule, str(error), run.clock())
        raise
    except BaseException as error:
        # Cut in the middle, by whatever it was: the marketplace may have it (promise P4).
        with CancelScope(shield=True):
            await feeds.in_doubt(feed, rule, _reason(error), run.clock())
        raise
    with CancelScope(shield=True):
        await feeds.sent(feed, rule, remote_ref, run.clock())


def _time_left(run: Run, feed: Feed, rule: FeedRule) -> timedelta:
    """How long the claim still holds; raises Unreachable when a machine that was stopped wakes after its end (L8)."""
    left = rule.deadline - timedelta(microseconds=(run.clock().boot_ns - run.now.boot_ns) // 1_000)
    if left <= timedelta():
        raise Unreachable(f"the claim of feed {feed.id} was over before anything was sent")
    return left


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
