"""Work on many things together; the few that raise what nobody foresaw are found by halves and treated apart (D9)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, Self, TypeVar

from daemon.errors import Unforeseen, unforeseen


class _Sum(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


T = TypeVar("T")
R = TypeVar("R", bound=_Sum)


class Bisection(Generic[T, R]):
    """Some `work` on things that come one lot after the other, and what is done `otherwise` with those that raise.

    Which ones raise shows when a lot is worked on in ever smaller parts: one of n takes some 2 log2(n) tries, and where
    all of them raise it is 2 n. So once `most` were found, in all lots together, no more are looked for: a part that
    raises is from then on treated otherwise as it is, with what may be good in it. Without `most` that never happens.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Awaitable[R]],
        otherwise: Callable[[Sequence[T], Unforeseen], Awaitable[R]],
        most: int | None = None,
    ) -> None:
        self._work = work
        self._otherwise = otherwise
        self._most = most
        #: what was raised, once for each thing or part that was treated otherwise
        self.surprises: list[Unforeseen] = []

    async def work(self, lot: Sequence[T]) -> R:
        """The sum of what came of all parts, in their order.

        Raises what `otherwise` raises, and at once what no single thing can be blamed for, such as StoreError of the
        disk: see `unforeseen`.
        """
        try:
            return await self._work(lot)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not hold up those beside it
            surprise = unforeseen(error)
        if len(lot) <= 1 or (self._most is not None and len(self.surprises) >= self._most):
            self.surprises.append(surprise)
            return await self._otherwise(lot, surprise)
        middle = len(lot) // 2
        first = await self.work(lot[:middle])
        return first + await self.work(lot[middle:])
