"""Health and metrics as they go over real sockets."""

import socket
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from daemon.errors import ConfigError, StoreError
from daemon.health import Figures, JobHealth, JobVerdict, Loaded, Verdict
from daemon.model import AccountName
from daemon.web.health import routes
from daemon.web.serve import listen_at, listen_on, serving
from daemon.web.state import Question

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LR = AccountName("lr")
JOB = JobVerdict(LR, "orders", JobHealth.FAILING, NOON, timedelta(seconds=90), NOON, None, NOON, "no route")
WAITING = {("lr", "in_time"): 4, ("lr", "due_soon"): 1, ("lr", "late"): 2}
ERRORS = {("lr", "high"): 1, ("lr", "medium"): 3}
WELL = Verdict(
    True, (), Loaded(NOON), at=NOON, started_at=NOON, jobs=(JOB,), held={}, waiting=WAITING, order_errors=ERRORS
)
FIGURES = Figures(
    listings={("lr", "stock", "pending"): 3, ("lr", "stock", "sent"): 0},
    feeds={("lr", "offer", "sent"): 1},
    gates={("lr", "offer"): NOON, ("lr", "item"): None},
    turns={("lr", "orders", "failed"): 2},
    scheduler_events={("missed",): 1},
    answers={("lr", "known"): 7, ("lr", "unknown"): 2},
)


@dataclass
class Known:
    """A daemon of which everything is known."""

    verdict: Verdict = WELL
    counted: Figures | None = FIGURES

    async def health(self) -> Verdict:
        return self.verdict

    async def hindrances(self) -> list[str]:
        return list(self.verdict.reasons)

    async def figures(self) -> Figures | None:
        return self.counted


@pytest.fixture
def daemon() -> Known:
    return Known()


@pytest.fixture
async def client(daemon: Known) -> AsyncIterator[httpx.AsyncClient]:
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with (
        serving(Starlette(routes=routes(daemon)), listener),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


async def test_a_process_that_works_says_so(client: httpx.AsyncClient) -> None:  # D5
    replies = [await client.get(path) for path in ("/livez", "/readyz", "/healthz")]

    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert replies[2].json() == WELL.as_json()
    account = replies[2].json()["accounts"]["lr"]
    assert account["jobs"]["orders"]["state"] == "failing"
    assert account["orders_waiting"] == {"in_time": 4, "due_soon": 1, "late": 2}
    assert account["order_errors"] == {"high": 1, "medium": 3}


async def test_a_process_that_cannot_work_is_alive_and_not_ready(
    client: httpx.AsyncClient, daemon: Known
) -> None:  # D5
    daemon.verdict = replace(WELL, ok=False, reasons=("the database failed: disk I/O error",))

    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "the database failed: disk I/O error\n")
    health = await client.get("/healthz")
    assert (health.status_code, health.json()["reasons"]) == (503, ["the database failed: disk I/O error"])


async def test_nothing_can_be_changed_there(client: httpx.AsyncClient) -> None:  # D5
    for path in ("/livez", "/readyz", "/healthz", "/metrics"):
        assert (await client.post(path)).status_code == 405
    assert (await client.post("/api/v1/reload")).status_code == 404


async def test_metrics_are_in_the_format_of_prometheus(client: httpx.AsyncClient) -> None:  # D5
    reply = await client.get("/metrics")

    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }
    assert samples["sellerd_up",] == 1
    assert samples["sellerd_config_last_reload_successful",] == 1
    assert samples["sellerd_config_last_reload_timestamp_seconds",] == NOON.timestamp()
    assert samples["sellerd_job_last_success_timestamp_seconds", "lr", "orders"] == NOON.timestamp()
    assert samples["sellerd_job_lag_seconds", "lr", "orders"] == 90
    assert samples["sellerd_orders_waiting", "late", "lr"] == 2
    assert (samples["sellerd_order_errors", "high", "lr"], samples["sellerd_order_errors", "lr", "medium"]) == (1, 3)
    assert samples["sellerd_job_state", "failing", "lr", "orders"] == 1
    assert samples["sellerd_job_state", "lr", "ok", "orders"] == 0
    assert samples["sellerd_account_held", "lr"] == 0
    assert samples["sellerd_job_runs_total", "failed", "lr", "orders"] == 2
    assert samples["sellerd_scheduler_events_total", "missed"] == 1
    assert samples["sellerd_gate_open_timestamp_seconds", "lr", "offer"] == NOON.timestamp()
    assert samples["sellerd_gate_open_timestamp_seconds", "item", "lr"] == 0
    assert samples["sellerd_listings", "lr", "pending", "stock"] == 3
    assert samples["sellerd_feeds", "lr", "offer", "sent"] == 1
    assert (samples["sellerd_answers", "known", "lr"], samples["sellerd_answers", "lr", "unknown"]) == (7, 2)


async def test_metrics_without_a_database_say_that_it_is_down(client: httpx.AsyncClient, daemon: Known) -> None:  # D5
    daemon.verdict, daemon.counted = replace(WELL, ok=False), None

    text = (await client.get("/metrics")).text

    assert "sellerd_up 0.0" in text
    assert "sellerd_listings" not in text


async def test_whoever_asks_a_database_that_hangs_gives_up_in_time() -> None:  # D5
    asked, answer, times = anyio.Event(), anyio.Event(), 0

    async def read() -> int:
        nonlocal times
        times += 1
        asked.set()
        await answer.wait()
        return times

    question = Question(read)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            assert await question.ask(group) is None
            await asked.wait()
            answer.set()
            # What came too late is there for the next; then it is asked anew.
            assert await question.ask(group) == 1
            assert await question.ask(group) == 2
            assert question.latest == 2


async def test_a_database_that_failed_gives_no_answer() -> None:  # D5
    async def read() -> int:
        raise StoreError("disk I/O error")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            assert await Question(read).ask(group) is None


async def test_the_control_socket_is_ours_alone_and_replaces_one_left_by_a_crash(tmp_path: Path) -> None:  # D6
    path = tmp_path / "control.sock"
    listen_at(path).close()
    assert path.exists()

    async with serving(Starlette(routes=routes(Known())), listen_at(path)):
        mode = path.stat().st_mode
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(base_url="http://sellerd", transport=transport) as client:
            assert (await client.get("/livez")).text == "ok\n"

    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)


def test_a_socket_at_which_another_process_listens_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listen_at(path) as other:
        with pytest.raises(ConfigError, match="another process listens there"):
            listen_at(path)

        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            other.accept()[0].close()


def test_a_path_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    with pytest.raises(ConfigError, match="no socket"):
        listen_at(path)

    assert path.read_text() == "precious"


def test_an_address_in_use_is_a_problem_of_the_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=f'web.listen = "127.0.0.1:{port}": Address already in use'):
            listen_on("127.0.0.1", port)


async def test_a_server_ends_with_its_block_even_when_cancelled() -> None:  # D4
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with anyio.fail_after(30), anyio.CancelScope() as scope:
        async with serving(Starlette(routes=routes(Known())), listener):
            scope.cancel()
            await anyio.sleep_forever()

    listen_on("127.0.0.1", port).close()
