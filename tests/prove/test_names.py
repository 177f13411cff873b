"""Some hundred names, with clocks that step; `make prove` gives a million."""

from tests.prove.names import AT_ONCE, name_many


async def test_no_name_is_given_twice() -> None:  # L16 J3 J7
    figures = await name_many(1, 120)
    assert figures.broken == []
    assert figures.counts["names given"] > 120 * AT_ONCE * 2
    assert figures.hit["a feed waited for its name to be free"] > 0
    assert figures.hit["the wall clock stepped"] > 0
