"""La Redoute's products under review, brands, later refusals, and the jam of offer feeds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.sandbox import LaRedouteSettings, Sandbox, SandboxSettings
from daemon.sandbox.strict import Mistake
from tests.sandbox.wire import EAN, OTHER_EAN, VENDOR_ITEM, send_items, send_offers


@asynccontextmanager
async def laredoute(root: Path, **settings: Any) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    told = SandboxSettings(root, laredoute=LaRedouteSettings(delay=None, **settings))
    async with (
        Sandbox(told) as sandbox,
        httpx.AsyncClient(base_url=sandbox.http_url, trust_env=False, timeout=30) as client,
    ):
        yield sandbox, client


def reports(sandbox: Sandbox) -> dict[str, str]:
    folder = sandbox.laredoute.files / "reports"
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


async def test_a_product_is_pending_until_it_was_looked_at(tmp_path: Path) -> None:
    async with laredoute(tmp_path, review=True) as (sandbox, client):
        await send_items(client)
        await sandbox.laredoute.answer_now()
        assert f"{EAN};;PENDING;;;" in reports(sandbox)["report-B00000001.csv"]
        assert sandbox.laredoute.catalogue == {}
        await sandbox.laredoute.answer_now()
        assert f"{EAN};;OK;;;LR000000001" in reports(sandbox)["report-B00000001-reviewed.csv"]
        assert list(sandbox.laredoute.catalogue) == [EAN]


async def test_a_review_may_end_in_a_rejection(tmp_path: Path) -> None:
    async with laredoute(tmp_path, review=True) as (sandbox, client):
        sandbox.laredoute.faults.add(
            "reject_ean", ean=EAN, kind="items", code="E012", text="PRODUIT REFUSÉ: photo floue"
        )
        await send_items(client)
        await sandbox.laredoute.answer_now()
        await sandbox.laredoute.answer_now()
        assert f"{EAN};;KO;E012;PRODUIT REFUSÉ: photo floue;" in reports(sandbox)["report-B00000001-reviewed.csv"]
        assert sandbox.laredoute.catalogue == {}


async def test_a_brand_that_is_not_authorised_is_rejected(tmp_path: Path) -> None:
    async with laredoute(tmp_path, brands=frozenset({"B0001"})) as (sandbox, client):
        await send_items(client, VENDOR_ITEM, VENDOR_ITEM.replace(EAN, OTHER_EAN).replace("B0042", "B0001"))
        await sandbox.laredoute.answer_now()
        assert f"{EAN};;KO;E011;MARQUE NON AUTORISÉE: B0042;" in reports(sandbox)["report-B00000001.csv"]
        assert list(sandbox.laredoute.catalogue) == [OTHER_EAN]


async def test_a_product_may_be_refused_later(tmp_path: Path) -> None:
    async with laredoute(tmp_path) as (sandbox, client):
        await send_items(client)
        await sandbox.laredoute.answer_now()
        reply = await client.post("/sandbox/refusals", json={"ean": EAN, "text": "PRODUIT REFUSÉ: doublon"})
        assert reply.status_code == 200
        assert f"{EAN};;KO;E012;PRODUIT REFUSÉ: doublon;" in reports(sandbox)["report-B00000001-refused.csv"]
        assert sandbox.laredoute.catalogue == {}
        with pytest.raises(Mistake, match="not in the catalogue"):
            sandbox.laredoute.refuse_later(EAN)


async def test_two_offer_feeds_too_close_jam_each_other_for_ever(tmp_path: Path) -> None:  # L8
    async with laredoute(tmp_path, jam_within=3600.0) as (sandbox, client):
        await send_items(client)
        await sandbox.laredoute.answer_now()
        await send_offers(client, minute="01")
        await send_offers(client, minute="31")
        for _ in range(3):
            await sandbox.laredoute.answer_now(held=True)
        assert list(reports(sandbox)) == ["report-B00000001.csv"]
        assert sandbox.laredoute.offers == {}
        assert sandbox.laredoute.state()["jammed"] == ["B00000002", "B00000003"]


async def test_an_answered_feed_jams_nobody(tmp_path: Path) -> None:  # L8
    async with laredoute(tmp_path, jam_within=3600.0) as (sandbox, client):
        await send_items(client)
        await sandbox.laredoute.answer_now()
        for minute in ("01", "31"):
            await send_offers(client, minute=minute)
            await sandbox.laredoute.answer_now()
        assert sandbox.laredoute.jammed == set()
        assert len(reports(sandbox)) == 3
