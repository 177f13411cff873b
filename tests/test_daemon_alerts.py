"""Alerts of the daemon as a real process: they leave by themselves, the ping goes on, and the end is told."""

import resource
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.smtp import Inbox, mail_server
from tests.test_daemon_process import DEADLINE, Site, account
from tests.transports.test_http import EMPTY, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def alerting(inbox: Inbox, more: str = "") -> str:
    return f"""
[alerts]
gather = "0s"
disk_free_percent = 100
disk_free_mib = 0
[alerts.mail]
host = "127.0.0.1"
port = {inbox.port}
security = "none"
sender = "sellerd@seller.example"
recipients = ["ops@seller.example"]
{more}
"""


async def test_an_alert_leaves_by_itself_and_is_shown_everywhere(site: Site) -> None:  # D5 D11
    async with mail_server() as inbox, serving(EMPTY, keep_open=True) as pinged:
        ping = f'[alerts.ping]\nurl = "{pinged.url}"\nallow_private = true\n[every]\nping = "1s"\nalerts = "1s"\n'
        site.write(account("jl"), more=alerting(inbox, ping))
        async with site.running():
            with anyio.fail_after(DEADLINE):
                await inbox.came.wait()
                while not pinged.requests:
                    await anyio.sleep(0.05)
            body = await site.until(lambda body: bool(body["alerts"]))
            listed = (await site.control("GET", "/api/v1/alerts")).json()["alerts"]
            metrics = (await site.control("GET", "/metrics")).text
            assert body["site"]["jobs"].keys() >= {"alerts", "ping"}

    assert "are free on the disk of the state folder" in str(inbox.mails[0]["Subject"])
    assert pinged.requests[0][0] == "GET /feed HTTP/1.1"
    assert [each["kind"] for each in body["alerts"]] == [each["kind"] for each in listed] == ["disk"]
    assert 'sellerd_alerts_open{kind="disk",severity="warning"} 1.0' in metrics
    assert 'sellerd_turn_duration_seconds_bucket{account="",flow="ping",le="+Inf"}' in metrics
    assert 'sellerd_transport_calls_total{outcome="ok",protocol="mail"}' in metrics


async def test_a_failed_disk_is_told_with_the_last_words(site: Site) -> None:  # P16
    async with mail_server() as inbox:
        site.write(account("jl"), more=alerting(inbox).replace("disk_free_percent = 100", "disk_free_percent = 0"))
        async with site.running() as process:
            # From here on no file of the process may grow: what a full or failing disk does to it.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            assert await process.ended() == 70
            with anyio.fail_after(DEADLINE):
                await inbox.came.wait()

    assert "The daemon ends because its storage failed" in str(inbox.mails[0]["Subject"])
