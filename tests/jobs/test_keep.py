"""What comes in is kept while more of it comes, and nothing that came is lost to what went wrong after it."""

from collections.abc import AsyncGenerator, Sequence

import pytest
from anyio import Event, fail_after

from daemon.errors import StoreError, Unreachable
from daemon.jobs.keep import keep_all
from daemon.model import Delivery, RemoteFile
from daemon.store.deliveries import Kept

BATCH = 200


def delivery(number: int) -> Delivery[str]:
    name = f"order-{number:020d}.txt"
    return Delivery(RemoteFile("/in", name, 1, None), b"x", (name,))


async def test_the_next_deliveries_come_while_a_batch_is_kept() -> None:  # D9
    asked_for_more = Event()
    kept: list[int] = []

    async def coming() -> AsyncGenerator[Delivery[str], None]:
        for number in range(BATCH):
            yield delivery(number)
        asked_for_more.set()
        yield delivery(BATCH)

    async def keep(batch: Sequence[Delivery[str]]) -> Kept:
        with fail_after(10):
            await asked_for_more.wait()
        kept.append(len(batch))
        return Kept(new=len(batch))

    assert await keep_all(coming(), keep) == Kept(new=BATCH + 1)
    assert kept == [BATCH, 1]


async def test_no_more_than_two_batches_are_ahead_of_what_is_kept() -> None:  # D9
    came = 0
    ahead: list[int] = []

    async def coming() -> AsyncGenerator[Delivery[str], None]:
        nonlocal came
        for number in range(10 * BATCH):
            came += 1
            yield delivery(number)

    kept = 0

    async def keep(batch: Sequence[Delivery[str]]) -> Kept:
        nonlocal kept
        kept += len(batch)
        ahead.append(came - kept)
        return Kept(new=len(batch))

    assert (await keep_all(coming(), keep)).new == 10 * BATCH
    assert max(ahead) <= 2 * BATCH


async def test_of_long_deliveries_few_are_held_at_a_time() -> None:  # D9
    kept: list[int] = []

    async def coming() -> AsyncGenerator[Delivery[str], None]:
        for number in range(12):
            yield Delivery(RemoteFile("/in", f"{number}.xml", 3 << 20, None), bytes(3 << 20), ())

    async def keep(batch: Sequence[Delivery[str]]) -> Kept:
        kept.append(len(batch))
        return Kept(new=len(batch))

    await keep_all(coming(), keep)
    assert kept == [3, 3, 3, 3]


@pytest.mark.parametrize("before", [0, 1, BATCH, BATCH + 1])
async def test_what_came_before_a_failure_is_kept_and_the_failure_is_told(before: int) -> None:  # D9
    kept: list[int] = []

    async def coming() -> AsyncGenerator[Delivery[str], None]:
        for number in range(before):
            yield delivery(number)
        raise Unreachable("the line is cut")

    async def keep(batch: Sequence[Delivery[str]]) -> Kept:
        kept.append(len(batch))
        return Kept(new=len(batch))

    with pytest.raises(Unreachable, match="the line is cut"):
        await keep_all(coming(), keep)
    assert sum(kept) == before


async def test_nothing_more_is_fetched_once_the_database_has_failed() -> None:  # D2
    left = Event()
    came = 0

    async def coming() -> AsyncGenerator[Delivery[str], None]:
        nonlocal came
        try:
            for number in range(100 * BATCH):
                came += 1
                yield delivery(number)
        finally:
            left.set()

    async def keep(batch: Sequence[Delivery[str]]) -> Kept:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        await keep_all(coming(), keep)
    assert left.is_set()
    assert came <= 3 * BATCH
