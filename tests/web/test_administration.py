"""What administrators may do over REST, and nobody else: backups, and forgetting a customer."""

import httpx
import pytest

from daemon.config import DaemonTable
from daemon.model import (
    AccountName,
    Customer,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.store.users import Right
from tests.seller.conftest import NOON
from tests.web.conftest import REDOUTE, Asked

ERASE = "/api/v1/accounts/redoute/orders/O-1/erase"


async def bearer(daemon: Asked, *rights: Right) -> dict[str, str]:
    token = await daemon.store.tokens.create("-".join(sorted(rights)), set(rights), NOON, None)
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("right", [Right.READ, Right.OPERATE])
async def test_backups_are_for_administrators(daemon: Asked, web: httpx.AsyncClient, right: Right) -> None:  # S3
    daemon.config = daemon.config.model_copy(
        update={"daemon": DaemonTable(state_dir=daemon.store.database.path.parent / "state")}
    )
    headers = await bearer(daemon, right)
    assert (await web.get("/api/v1/backups", headers=headers)).status_code == 403
    assert (await web.post("/api/v1/backups", headers=headers)).status_code == 403

    made = await web.post("/api/v1/backups", headers=await bearer(daemon, Right.READ, Right.ADMINISTER))

    assert made.status_code == 201
    listed = await web.get("/api/v1/backups", headers=await bearer(daemon, Right.ADMINISTER))
    assert [each["path"] for each in listed.json()["backups"]] == [made.json()["backup"]["path"]]


async def test_only_who_may_see_a_customer_may_forget_him(daemon: Asked, web: httpx.AsyncClient) -> None:  # D12
    order = Order(
        OrderNumber("O-1"), (OrderLine("L1", 1, LineState.SHIPPED),), shipping=Customer(name="A. Nobody", lines=())
    )
    delivery = Delivery[Order](RemoteFile("reply", "one", 3), b"O-1", (order,))
    await daemon.store.orders.keep(AccountName(REDOUTE), [delivery], NOON)
    said = {"reason": "asked on 2 March"}
    blind = await bearer(daemon, Right.OPERATE)
    assert (await web.post(ERASE, json=said, headers=blind)).status_code == 403

    seeing = await bearer(daemon, Right.OPERATE, Right.PERSONAL)

    assert (await web.post(ERASE, json={}, headers=seeing)).status_code == 422
    assert (await web.post(ERASE, json=said, headers=seeing)).json() == {
        "version": 1,
        "order": "O-1",
        "customer": True,
        "payloads": 1,
    }
    assert (await web.post(ERASE.replace("O-1", "O-9"), json=said, headers=seeing)).status_code == 409
