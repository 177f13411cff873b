"""Exchange files with the seller through folders: what he drops comes in, orders go out (guide S1, S2)."""

from daemon.errors import Unreachable
from daemon.jobs import Outcome, Run
from daemon.seller.exports import ExportFormat
from daemon.seller.inbox import InboxTurn, empty_inbox
from daemon.seller.outbox import fill_outbox


async def exchange_files(run: Run) -> Outcome:
    """Import what lies complete in the inbox, and lay new orders into the outbox; neither waits for the other.

    Raises Unreachable, after all that could be done, where a folder or a file could not be dealt with.
    """
    folders, now = run.account.exchange, run.now.at
    turn, written, problems = InboxTurn(), 0, []
    if folders.inbox is not None:
        try:
            turn = await empty_inbox(run.store, run.account, folders.inbox, now)
        except Unreachable as error:
            problems.append(str(error))
    if folders.outbox is not None:
        form = ExportFormat(folders.orders)
        try:
            written = await fill_outbox(run.store, run.account, folders.outbox, form, now, changes=folders.changes)
        except Unreachable as error:
            problems.append(str(error))
    problems += turn.problems
    if problems:
        raise Unreachable("; ".join(problems))
    note = f"{turn.imported} files imported, {turn.failed} with faults, {written} orders laid out"
    return Outcome(done=turn.imported + turn.failed + written, note=note)
