"""The running interface against its own description: made-up requests over a real port, and no answer unforeseen."""

import os
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from daemon.alerting import WebhookTable
from daemon.model import AccountName, Customer, Delivery, LineState, Order, OrderLine, OrderNumber, RemoteFile
from daemon.seller.columns import ImportKind
from daemon.seller.imports import import_file
from daemon.settings import Secret
from daemon.store import Store, open_store
from daemon.web.api import control_app
from daemon.web.api.description import ANSWERS, BODIES, FILES
from daemon.web.serve import listen_on, serving
from tests.seller.conftest import NOON, lewis, redoute
from tests.web.standins import AskedDaemon, clocks

LEWIS = AccountName("lewis")


async def _serve(folder: Path, ready: threading.Event, ended: anyio.Event, found: list[str]) -> None:
    async with open_store(folder / "sellerd.db") as store:
        for name, marketplace in (("redoute", "laredoute"), ("lewis", "johnlewis")):
            await store.accounts.configure(AccountName(name), marketplace, "", NOON)
        await _fill(store)
        listener = listen_on("127.0.0.1", 0)
        found.append(f"http://127.0.0.1:{listener.getsockname()[1]}")
        daemon = AskedDaemon(store)
        hook = {"name": "erp", "url": "https://erp.example.test/", "secret": Secret("made up secret of the tests")}
        daemon.config = daemon.config.model_copy(update={"webhooks": (WebhookTable.model_validate(hook),)})
        async with serving(control_app(daemon, clocks), listener):
            ready.set()
            await ended.wait()


async def _fill(store: Store) -> None:
    listings = BytesIO(b"sku,title\nLAMP-1,Lampe\nLAMP-2,Table\n")
    for account in (redoute(), lewis()):
        listings.seek(0)
        await import_file(store, account, ImportKind.LISTINGS, listings, NOON)
    promotion = BytesIO(b"sku,price,start,end\nLAMP-1,39,1782165600,1782424800\n")
    await import_file(store, redoute(), ImportKind.PROMOTIONS, promotion, NOON)
    order = Order(OrderNumber("O-1"), (OrderLine("L1", 3, LineState.TO_SHIP),), shipping=Customer(name="A. Nobody"))
    await store.orders.keep(LEWIS, [Delivery(RemoteFile("orders", "O-1.txt", 3), b"O-1", (order,))], NOON)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, ready, found = tmp_path_factory.mktemp("schema"), threading.Event(), list[str]()
    with anyio.from_thread.start_blocking_portal() as portal:
        ended = portal.call(anyio.Event)
        running = portal.start_task_soon(_serve, folder, ready, ended, found)
        assert ready.wait(30)
        yield found[0]
        portal.call(ended.set)
        running.result(30)


@pytest.fixture(scope="module")
def schema(server: str) -> Any:
    return schemathesis.openapi.from_url(f"{server}/api/v1/openapi.json")


#: what there really is, to be asked for instead of what was made up
REAL: list[dict[str, Any]] = [
    {},
    {"account": "lewis", "number": "O-1", "kind": "stock", "name": "erp", "sku": "LAMP-1", "feed": 1, "job": "offers"},
    {"account": "redoute", "number": "O-1", "kind": "prices", "name": "erp", "sku": "LAMP-1", "delivery": 1},
]
#: what is checked of every answer: no failure of ours, and nothing that the description does not foresee
WANTED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


def _operations(schema: Any) -> list[Any]:
    return [found.ok() for found in schema.get_all_operations()]


def test_every_route_answers_as_it_is_described(schema: Any) -> None:  # S3
    checks = CHECKS.get_by_names(list(WANTED))
    operations = _operations(schema)
    assert len(operations) > 50
    answered = 0
    for operation in operations:

        @settings(
            max_examples=int(os.environ.get("SELLERD_EXAMPLES", "12")),
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy(), real=st.sampled_from(REAL))
        def check(case: Any, real: dict[str, Any]) -> None:
            nonlocal answered
            # Made-up names alone would never come past the first door.
            known = {name: value for name, value in real.items() if name in (case.path_parameters or {})}
            case.path_parameters = {**(case.path_parameters or {}), **known}
            case.call_and_validate(checks=checks)
            answered += 1

        check()
    # hypothesis tells its figures of whole tests only; `make prove` reads this one.
    print(f"{answered} requests answered as described")


def test_the_description_is_whole(schema: Any) -> None:  # S3
    raw = schema.raw_schema
    assert raw["openapi"].startswith("3.1")
    paths = raw["paths"]
    assert {path for _, path in ANSWERS} | set(FILES) | set(BODIES) <= set(paths)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["description"], f"{method} {path}"
            assert len(operation["tags"]) == 1, f"{method} {path}"
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert {"RowAnswer", "Summary", "Problem", "Listing", "Order"} <= set(raw["components"]["schemas"])
    ship = paths["/api/v1/accounts/{account}/orders/{number}/ship"]["post"]
    assert "Idempotency-Key" in [parameter["name"] for parameter in ship["parameters"]]
