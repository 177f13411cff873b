"""Tell those who want to know what happens: signed messages to the receivers of `[[webhooks]]` (guide S3)."""

from dataclasses import dataclass, field

import anyio
from anyio import create_task_group

from daemon.alerting import WebhookTable
from daemon.errors import AccessDenied, Refused, TransportError, Unreachable
from daemon.jobs import Outcome, SiteRun
from daemon.rules.signing import signed
from daemon.store.webhooks import Message, Wanted
from daemon.transports.outward import Outward

#: seconds for one message, the way there and back
_DEADLINE = 15.0
#: seconds of one turn; what is left then goes out in the next
_SPAN = 60.0
#: seconds between two looks at what is new while another receiver keeps the turn waiting
_LOOK = 1.0
_SUCCESS = range(200, 300)
_GONE = 410
#: what is the receiver's state and not the message's fault; every other status of 4xx is about the message
_NOT_NOW = frozenset({401, 403, 404, 407, 408, 425, 429})
_FAULT_OF_MESSAGE = range(400, 500)


@dataclass(slots=True)
class _Turn:
    """What one turn has done, and how many receivers it still waits for; `served` once it is none."""

    run: SiteRun
    busy: int
    ends_by: float
    served: anyio.Event = field(default_factory=anyio.Event)
    delivered: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it is the turn of the next turn."""
        return anyio.current_time() > self.ends_by


async def tell_receivers(run: SiteRun) -> Outcome:
    """Make messages of what has happened, and send each receiver those that are due; no receiver waits for another.

    Raises Unreachable, after all are served, where one cannot be reached.
    """
    hooks = [hook for hook in run.config.webhooks if hook.active]
    turn = _Turn(run, len(hooks), anyio.current_time() + _SPAN)
    async with create_task_group() as group:
        for hook in hooks:
            group.start_soon(_serve, turn, hook)
    names = {hook.name for hook in hooks}
    failing = [each for each in await run.store.webhooks.receivers() if each["failures"] and each["name"] in names]
    if failing:
        raise Unreachable("; ".join(f"{each['name']}: {each['last_error']}" for each in failing))
    return Outcome(done=turn.delivered, note=f"{turn.delivered} messages delivered" if turn.delivered else "")


async def _serve(turn: _Turn, hook: WebhookTable) -> None:
    """Send one receiver what is due, and what becomes due while others are slow."""
    await _send_due(turn, hook)
    turn.busy -= 1
    if turn.busy == 0:
        turn.served.set()
    while not (turn.served.is_set() or turn.is_over):
        with anyio.move_on_after(_LOOK):
            await turn.served.wait()
        await _send_due(turn, hook)


async def _send_due(turn: _Turn, hook: WebhookTable) -> None:
    store, clock = turn.run.store.webhooks, turn.run.clock
    wanted = Wanted(hook.name, hook.events, hook.accounts)
    while await store.collect(wanted, clock().at):
        pass
    outward = Outward(private=hook.allow_private, authority=hook.authority)
    while due := await store.due(hook.name, clock().at):
        for message in due:
            if turn.is_over or not await _send(turn, hook, outward, message):
                return


async def _send(turn: _Turn, hook: WebhookTable, outward: Outward, message: Message) -> bool:
    """Send one message; False where the receiver is to be left alone for now."""
    store, at = turn.run.store.webhooks, turn.run.clock().at
    body = message.payload.encode()
    headers = {"content-type": "application/json", **signed(hook.secret.reveal(), message.message, at, body)}
    status, error = 0, ""
    try:
        status = (await outward.post(hook.url.reveal(), headers=headers, body=body, deadline=_DEADLINE)).status
    except (TransportError, Refused) as failure:
        error = _told(failure)
    if status in _SUCCESS:
        await store.delivered(hook.name, message.id, turn.run.clock().at)
        turn.delivered += 1
        return True
    alone = status in _FAULT_OF_MESSAGE and status not in _NOT_NOW
    error = error or f"answered with status {status}"
    await store.failed(hook.name, message, error, turn.run.clock().at, gone=status == _GONE, alone=alone)
    return alone


def _told(failure: Exception) -> str:
    # An address that may not be asked is the configuration's fault, and no login was refused: nothing is held for it.
    return f"not allowed: {failure}" if isinstance(failure, AccessDenied) else str(failure)
