"""The keys of a file that came before."""

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from daemon.store.seen import Seen

KEY = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('ab"\\\x1f'), max_size=3)


@given(st.lists(st.lists(KEY), max_size=8))
def test_every_key_that_came_before_is_told_with_its_first_line(runs: list[list[str]]) -> None:  # S1
    model, line = dict[str, int](), 2
    with closing(Seen()) as seen:
        for keys in runs:
            lines, expected = [], {}
            for place, key in enumerate(keys):
                lines.append(line)
                if model.setdefault(key, line) != line:
                    expected[place] = model[key]
                line += 1 + place % 2
            assert seen.repeated(keys, lines) == expected


def test_a_file_that_outgrows_the_cache_is_known_to_its_first_line() -> None:  # S1
    count = 200_000
    with closing(Seen()) as seen:
        for start in range(0, count, 10_000):
            keys = [f"SKU-{number * 7919 % count}" for number in range(start, start + 10_000)]
            assert seen.repeated(keys, range(start + 2, start + 10_002)) == {}
        assert seen.repeated(["SKU-7919", "NEW", "SKU-0", "NEW"], [7, 8, 9, 10]) == {0: 3, 2: 2, 3: 8}
