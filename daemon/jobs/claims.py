"""Requests of the marketplace to cancel: claims that a person or a rule accepts, or that a dispatch outruns (J12)."""

from functools import partial

from daemon.jobs import Outcome, Run
from daemon.jobs.again import claims_again
from daemon.jobs.confirm import confirm_applied
from daemon.jobs.keep import keep_all
from daemon.rules.quotes import unquoted


async def read_claims(run: Run) -> Outcome:
    """Keep every request to cancel as a claim on its order, and accept what the account's rule accepts (J12)."""
    claims, inbox = run.store.claims, run.store.deliveries.inbox(run.name)
    keep = partial(claims.keep, run.name, at=run.now.at, answer_within=run.account.claim_answer_within)
    kept = await claims_again(run)
    kept += await keep_all(run.marketplace.claims(inbox), keep)
    accepted = 0
    if run.account.accepts_claims:
        accepted = await run.store.updates.accept_claims(run.name, run.account.legal_moves, run.now.at)
    await confirm_applied(run)
    if kept.surprises:
        raise kept.surprises[0]
    counts = {"new": kept.new, "corrected": kept.moved, "accepted": accepted}
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    notes += [f"set aside: {unquoted(reason)}" for reason in kept.set_aside]
    return Outcome(done=kept.new + kept.moved + accepted, note="; ".join(notes))
