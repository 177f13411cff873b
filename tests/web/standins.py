"""What stands for the running daemon where REST is asked without one, and the clocks that it goes by."""

import json
from typing import Any

from daemon.config import Config
from daemon.errors import NotAllowed
from daemon.model import AccountName, Moment
from daemon.store import Store
from daemon.transports.http import ControlClient
from tests.seller.conftest import NOON, lewis, redoute


class AskedDaemon:
    """A daemon of two accounts that notes what it was asked to do."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.config = Config(accounts={AccountName("redoute"): redoute(), AccountName("lewis"): lewis()})
        self.problems: list[str] = []
        self.asked: list[str] = []

    async def reload(self) -> list[str]:
        self.asked.append("reload")
        return self.problems

    async def run_now(self, account: AccountName, job: str) -> None:
        if job == "nonsense":
            raise NotAllowed(f"{account} has no job nonsense")
        self.asked.append(f"{account} {job}")


class UnaskedDaemon:
    """A daemon without accounts that must be asked to do nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.config = Config()

    async def reload(self) -> list[str]:
        raise AssertionError

    async def run_now(self, account: AccountName, job: str) -> None:
        raise AssertionError


def clocks() -> Moment:
    """Noon, for ever."""
    return Moment(NOON, "boot-1", 1_000_000_000, synchronised=True)


async def ask(
    client: ControlClient, method: str, path: str, said: object = None, status: int = 200, **params: str
) -> Any:
    """The JSON that a request is answered with."""
    reply = await client.request(method, f"/api/v1/{path}", json=said, params=params)
    assert reply.status == status, reply.body
    return json.loads(reply.body)
