"""Claims, refunds by amount and sending again over REST."""

import pytest

from daemon.model import (
    AccountName,
    CancellationRequest,
    ClaimLine,
    Delivery,
    LineState,
    Order,
    OrderLine,
    OrderNumber,
    RemoteFile,
)
from daemon.transports.http import ControlClient
from tests.seller.conftest import NOON
from tests.web.standins import AskedDaemon
from tests.web.test_api import client, daemon, get, post

__all__ = ["client", "daemon"]

LEWIS = AccountName("lewis")
CLAIMS = "/api/v1/accounts/lewis/claims"
ORDER = "/api/v1/accounts/lewis/orders/Y1"


async def asked(daemon: AskedDaemon, *units: int, state: LineState = LineState.TO_SHIP) -> None:
    order = Order(OrderNumber("Y1"), (OrderLine("1", 3, state),))
    file = RemoteFile("/live/incoming", "order-1.txt", 1)
    await daemon.store.orders.keep(LEWIS, [Delivery(file, b"order", (order,))], NOON)
    for number, quantity in enumerate(units):
        request = CancellationRequest(OrderNumber("Y1"), (ClaimLine("1", quantity),))
        file = RemoteFile("/live/incoming", f"cancel-{number}.txt", 1)
        await daemon.store.claims.keep(LEWIS, [Delivery(file, b"%d" % number, (request,))], NOON)


async def test_claims_are_listed_shown_accepted_and_closed(
    client: ControlClient, daemon: AskedDaemon
) -> None:  # J12 S3
    await asked(daemon, 1, 2, 3)
    page = await get(client, "/api/v1/claims", limit="2")
    assert ([claim["id"] for claim in page["claims"]], page["next"]) == ([3, 2], 2)
    rest = await get(client, "/api/v1/claims", limit="2", before="2")
    assert ([claim["id"] for claim in rest["claims"]], rest["next"]) == ([1], None)
    assert (await get(client, f"{CLAIMS}/1"))["claim"]["lines"][0]["possible"] == 1
    accepted = await post(client, f"{CLAIMS}/2/accept", {"reason": "as asked"})
    assert accepted == {
        "version": 1,
        "claim": 2,
        "order": "Y1",
        "kind": "cancellation",
        "lines": [{"ref": "1", "quantity": 2}],
        "left_out": [],
    }
    assert (await post(client, f"{CLAIMS}/2/accept", status=409))["detail"].startswith("claim 2 is accepted")
    assert (await post(client, f"{CLAIMS}/1/close"))["state"] == "closed"
    states = {claim["id"]: claim["state"] for claim in (await get(client, "/api/v1/claims"))["claims"]}
    assert states == {1: "closed", 2: "accepted", 3: "open"}
    (lewis,) = [one for one in (await get(client, "/api/v1/status"))["accounts"] if one["name"] == LEWIS]
    assert lewis["claims"] == {"open": 1, "too_late": 0, "waiting": 0, "incomplete": 0}


@pytest.mark.parametrize("verb", ["", "/accept", "/close"])
async def test_a_claim_that_is_not_there_is_404(client: ControlClient, verb: str) -> None:  # S3
    if verb:
        await post(client, f"{CLAIMS}/7{verb}", status=404)
    else:
        await get(client, f"{CLAIMS}/7", status=404)
    await get(client, "/api/v1/claims", status=422, state="lost")


@pytest.mark.parametrize(
    "line", [{"ref": "1", "amount": "1.999"}, {"ref": "1", "amount": "-1"}, {"ref": "1", "amount": "1", "quantity": 1}]
)
async def test_an_amount_is_pounds_and_pence_in_place_of_units(
    client: ControlClient, daemon: AskedDaemon, line: dict[str, object]
) -> None:  # J10
    await asked(daemon, state=LineState.SHIPPED)
    await post(client, f"{ORDER}/refund", {"lines": [line]}, status=422)
    told = await post(client, f"{ORDER}/refund", {"lines": [{"ref": "1", "amount": "19.99"}]}, status=409)
    assert "give the units in place of an amount" in told["detail"]
    done = await post(client, f"{ORDER}/refund", {"lines": [{"ref": "1", "quantity": 2}]})
    assert (done["kind"], done["lines"]) == ("refund", [{"ref": "1", "quantity": 2}])


async def test_nothing_failed_means_nothing_to_send_again(client: ControlClient, daemon: AskedDaemon) -> None:  # J13
    await asked(daemon)
    told = await post(client, f"{ORDER}/resend", status=409)
    assert told["detail"] == "order Y1 has no failed update to send again"
    await post(client, "/api/v1/accounts/lewis/orders/NONE/resend", status=404)
    refused = await post(client, f"{ORDER}/ship", {"carrier": "dpd"}, status=409)
    assert refused["detail"] == "a dispatch over The Edge needs its tracking_number"
