"""The examples of the documentation, run by a real shell with a real curl against a real port."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest

from daemon.config import Config
from daemon.model import AccountName, Customer, Delivery, LineState, Order, OrderLine, OrderNumber, RemoteFile
from daemon.rules.webhooks import TYPES
from daemon.seller.rows import FaultCode
from daemon.store import Store, open_store
from daemon.web.api import control_app
from daemon.web.problems import TITLES
from daemon.web.serve import listen_on, serving
from tests.seller.conftest import NOON, redoute
from tests.web.standins import AskedDaemon, clocks

PAGE = (Path(__file__).parents[3] / "docs" / "rest-and-webhooks.md").read_text("utf-8")
ACCOUNT = AccountName("laredoute-fr")


async def _stocked(store: Store) -> AskedDaemon:
    await store.accounts.configure(ACCOUNT, "laredoute", "", NOON)
    order = Order(OrderNumber("O-1"), (OrderLine("L1", 2, LineState.TO_SHIP),), shipping=Customer(name="A. Nobody"))
    await store.orders.keep(ACCOUNT, [Delivery(RemoteFile("orders", "O-1.xml", 3), b"O-1", (order,))], NOON)
    daemon = AskedDaemon(store)
    daemon.config = Config(accounts={ACCOUNT: redoute(name="laredoute-fr")})
    return daemon


async def _said(command: str, address: str) -> str:
    environment = {**os.environ, "SELLERD": address, "AUTH": "Authorization: Bearer made-up"}
    done = await anyio.run_process(["bash", "-ec", command], env=environment)
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_every_example_with_curl_works(tmp_path: Path) -> None:  # S3
    commands = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(commands) >= 7
    listener = listen_on("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    answers: list[Any] = []
    async with (
        open_store(tmp_path / "sellerd.db") as store,
        serving(control_app(await _stocked(store), clocks), listener),
    ):
        listing = 'printf "sku,title\\nLAMP-01,Lampe\\n" | curl -sS --data-binary @-'
        await _said(f'{listing} "$SELLERD/api/v1/accounts/laredoute-fr/imports/listings"', address)
        for command in commands:
            said = (await _said(command, address)).replace("}{", "}\n{")
            answers += [json.loads(line) for line in said.splitlines()]
    assert not [answer for answer in answers if "detail" in answer]
    rows = [answer for answer in answers if "outcome" in answer or "summary" in answer]
    # The answers to the rows are the very ones that the page shows.
    shown = re.search(r'```json\n(\{"line".*?)```', PAGE, flags=re.DOTALL)
    assert shown is not None
    assert rows == [json.loads(line) for line in shown[1].splitlines()]
    (shipped,) = [answer for answer in answers if answer.get("kind") == "dispatch"]
    assert shipped["lines"] == [{"ref": "L1", "quantity": 2}]


def test_every_code_and_type_is_told() -> None:  # S3
    codes = set(TITLES) - {"method_not_allowed", "bad_request", "too_many_requests", "wrong_configuration"}
    for code in codes:
        assert f"`{code}`" in PAGE, code
    for name, words in TYPES.items():
        assert f"| `{name}` | {words} |" in PAGE


def test_every_code_of_a_fault_is_told() -> None:  # S1
    for code in get_args(FaultCode):
        assert f"`{code}`" in PAGE, code
