"""Which of many things raise what nobody foresaw is found by halves, and what the disk raises is nobody's doing (D9)."""

from collections.abc import Iterable, Sequence

import pytest

from daemon.errors import StoreError, Unforeseen
from daemon.jobs.bisection import Bisection

ALL = range(256)


class Work:
    """Adds numbers up, stumbles over some of them, and remembers how often it was asked and what it could not do."""

    def __init__(self, odd: Iterable[int], error: type[Exception] = ZeroDivisionError) -> None:
        self.odd = frozenset(odd)
        self.error = error
        self.tries = 0
        self.apart: list[list[int]] = []

    async def work(self, numbers: Sequence[int]) -> list[int]:
        self.tries += 1
        if self.odd.intersection(numbers):
            raise self.error
        return list(numbers)

    async def otherwise(self, numbers: Sequence[int], why: Unforeseen) -> list[int]:
        assert isinstance(why.surprise, self.error)
        self.apart.append(list(numbers))
        return [-number for number in numbers]


async def test_where_nothing_raises_there_is_one_try() -> None:
    work = Work(())
    assert await Bisection(work.work, work.otherwise).work(ALL) == [*ALL]
    assert (work.tries, work.apart) == (1, [])


async def test_the_one_that_raises_is_found_in_few_tries_and_the_others_are_done_in_their_order() -> None:
    work = Work({77})
    bisection = Bisection(work.work, work.otherwise)
    assert await bisection.work(ALL) == [*range(77), -77, *range(78, 256)]
    assert (work.tries, work.apart) == (1 + 2 * 8, [[77]])
    assert [type(surprise.surprise) for surprise in bisection.surprises] == [ZeroDivisionError]


async def test_without_a_bound_each_one_is_found_however_many_they_are() -> None:
    work = Work(number for number in ALL if number != 200)
    assert (await Bisection(work.work, work.otherwise).work(ALL))[200] == 200
    assert work.apart == [[number] for number in ALL if number != 200]
    assert work.tries <= 2 * 256


async def test_beyond_the_bound_a_part_that_raises_is_treated_as_it_is() -> None:
    work = Work(range(250))
    bisection = Bisection(work.work, work.otherwise, most=20)
    assert await bisection.work(ALL) == [-number for number in ALL]
    assert work.apart[:20] == [[number] for number in range(20)]
    assert work.apart[20:] == [
        [20, 21, 22, 23],
        [*range(24, 32)],
        [*range(32, 64)],
        [*range(64, 128)],
        [*range(128, 256)],
    ]
    assert len(bisection.surprises) == len(work.apart)


async def test_the_bound_counts_over_all_lots_and_a_good_lot_is_done_all_the_same() -> None:
    work = Work({1, 5, 9})
    bisection = Bisection(work.work, work.otherwise, most=2)
    lots = [await bisection.work(range(start, start + 4)) for start in (0, 4, 8, 12)]
    assert lots == [[0, -1, 2, 3], [4, -5, 6, 7], [-8, -9, -10, -11], [12, 13, 14, 15]]


async def test_what_no_single_thing_can_be_blamed_for_rises_at_once() -> None:
    work = Work({77}, StoreError)
    bisection = Bisection(work.work, work.otherwise)
    with pytest.raises(StoreError):
        await bisection.work(ALL)
    assert (work.tries, work.apart, bisection.surprises) == (1, [], [])
