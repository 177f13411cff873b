"""What is dear to find is found once for many, and not too often."""

import anyio

from daemon.web.remembered import Remembered


class Dear:
    """Something that is found when it is let go, and counts how often it was looked for."""

    def __init__(self) -> None:
        self.times = 0
        self.let_go = anyio.Event()

    async def find(self) -> int:
        self.times += 1
        await self.let_go.wait()
        return self.times


async def test_many_who_ask_at_once_share_one_finding() -> None:  # S3
    dear = Dear()
    remembered = Remembered(dear.find, patience=1_000_000)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await remembered.get())

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            dear.let_go.set()
    assert (answers, dear.times) == ([1] * 5, 1)


async def test_without_patience_it_is_found_anew() -> None:  # S3
    dear = Dear()
    dear.let_go.set()
    remembered = Remembered(dear.find, patience=0)
    assert [await remembered.get() for _ in range(3)] == [1, 2, 3]


async def test_a_finding_that_failed_is_not_remembered() -> None:  # S3
    times = 0

    async def find() -> int:
        nonlocal times
        times += 1
        if times == 1:
            raise OSError
        return times

    remembered = Remembered(find, patience=1_000_000)
    try:
        await remembered.get()
    except OSError:
        assert await remembered.get() == 2
    assert times == 2
