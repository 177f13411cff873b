"""Send what was decided about orders, one update of an order at a time (L13, L14, L18, J7 to J11)."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from anyio import CancelScope

from daemon.errors import (
    AccessDenied,
    MarketplaceError,
    NotAllowed,
    Refused,
    TransportError,
    Unforeseen,
    Unreachable,
    Unreadable,
)
from daemon.jobs import Outcome, Run
from daemon.jobs.again import update_answers_again
from daemon.jobs.confirm import confirm_applied
from daemon.jobs.keep import keep_answers
from daemon.model import UpdateAnswer, Whereabouts
from daemon.store.update_rows import DueUpdate


async def send_updates(run: Run) -> Outcome:
    """Settle what was answered, decide what decides itself, and send every update whose turn it is."""
    surprise = await update_answers_again(run)
    refused, another = await _read_answers(run)
    failed = await _ask_about_doubts(run, cancels=False)
    updates, moves = run.store.updates, run.account.legal_moves
    if run.account.update_answer_wait:
        await updates.settle_silent(run.name, run.account.update_answer_wait, run.now.at)
    if run.account.acknowledges:
        await updates.acknowledge_new(run.name, moves, run.now.at)
    if run.account.accepts_in_stock:
        await updates.accept_in_stock(run.name, moves, run.now.at)
    return await _send_due(run, surprise or another or failed, refused, cancels=False)


async def send_refunds(run: Run) -> Outcome:
    """Send what requests to cancel or refund became, whatever kind of update that is (L14, J9, J10, J12)."""
    failed = await _ask_about_doubts(run, cancels=True)
    return await _send_due(run, failed, cancels=True)


async def _send_due(
    run: Run, failed: TransportError | MarketplaceError | None, refused: Sequence[str] = (), *, cancels: bool
) -> Outcome:
    """Send what is due; then raise what failed before, and held up nothing: to ask about a doubt, say."""
    sent, notes = 0, list(refused)
    for due in await run.store.updates.due(run.name, cancels=cancels):
        if overtaken := await run.store.updates.overtaken(due.id, run.account.legal_moves, run.now.at):
            notes.append(f"order {due.update.order}: {due.update.kind} {overtaken}")
        else:
            sent += await _send(run, due)
    await confirm_applied(run)
    if failed is not None:
        raise failed
    return Outcome(done=sent, note="; ".join([f"{sent} updates sent"] * bool(sent) + notes))


async def _send(run: Run, due: DueUpdate) -> bool:
    updates = run.store.updates
    try:
        content = run.marketplace.write_update(due.update)
    except NotAllowed as error:
        await updates.failed(due.id, str(error), run.now.at)
        return False
    update = replace(due.update, name=run.marketplace.update_name(due.update))
    await updates.sending(due.id, update.name, content, run.now.at)
    try:
        await run.marketplace.send_update(update, content)
    except (Unreachable, AccessDenied) as error:
        await updates.not_arrived(due.id, str(error), run.clock().at)
        raise
    except Refused as error:
        await updates.failed(due.id, str(error), run.clock().at)
        return False
    except BaseException as error:
        # Cut in the middle, by whatever it was: it is never blindly sent again (house law 6).
        with CancelScope(shield=True):
            await updates.may_have_arrived(due.id, str(error) or type(error).__name__, run.clock().at)
        raise
    with CancelScope(shield=True):
        await updates.sent(due.id, run.account.update_answer_wait, run.clock().at)
    return True


async def _ask_about_doubts(run: Run, *, cancels: bool) -> TransportError | MarketplaceError | None:
    """Where an update may have arrived, ask; what cannot be told stays in doubt until a person says.

    Returns why asking failed first: the doubt about one order holds up no other. Raises AccessDenied.
    """
    failed: TransportError | MarketplaceError | None = None
    await run.store.updates.doubt_restored(run.name, run.marketplace.update_name, run.now.at)
    for due in await run.store.updates.in_doubt(run.name, cancels=cancels):
        try:
            whereabouts = await run.marketplace.find_update(due.update)
        except AccessDenied:
            raise
        except TransportError as error:
            # Nobody to ask at the moment.
            return failed or error
        except MarketplaceError as error:
            failed = failed or error
            continue
        match whereabouts:
            case Whereabouts.ARRIVED:
                await run.store.updates.sent(due.id, run.account.update_answer_wait, run.now.at)
            case Whereabouts.ABSENT:
                await run.store.updates.not_arrived(due.id, "the marketplace does not have it", run.now.at)
            case Whereabouts.UNKNOWN:
                pass
    return failed


async def _read_answers(run: Run) -> tuple[list[str], Unforeseen | None]:
    """Keep and apply what was answered; returns what the marketplace has turned down, however late (J13).

    And the first that could not be applied for a reason that nobody foresaw.
    """
    refused: list[str] = []
    surprise: Unforeseen | None = None
    inbox = run.store.deliveries.inbox(run.name)
    async with aclosing(run.marketplace.update_answers(inbox)) as deliveries:
        async for delivery in deliveries:
            surprise = await keep_answers(run, delivery) or surprise
            body = () if isinstance(delivery.body, Unreadable) else delivery.body
            answers = [each for each in body if isinstance(each, UpdateAnswer)]
            refused += [f"{each.update_name} was refused: {each.text}" for each in answers if not each.accepted]
    return refused, surprise
