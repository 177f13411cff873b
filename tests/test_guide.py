"""The guide's rules and the tests that show them: a rule that is built has a test that names it."""

import re
from pathlib import Path

import pytest

#: the rules that are built; a rule joins this list together with its tests
BUILT = [
    *(f"D{number}" for number in range(1, 14)),
    *(f"L{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)),
    *(f"J{number}" for number in range(1, 15)),
    *(f"C{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13)),
    *("S1", "S2", "S3"),
]

_TEST = re.compile(r"def (test_\w+)\(")
_NAMED = re.compile(r"#((?: [CDLJS]\d+)+)\s*$")


def named_rules() -> dict[str, list[str]]:
    """Every rule that a test names, with those tests; the comment stands at the end of the line that ends the def."""
    found: dict[str, list[str]] = {}
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        test = ""
        for line in path.read_text("utf-8").splitlines():
            if started := _TEST.search(line):
                test = started[1]
            if test and (named := _NAMED.search(line)):
                for rule in named[1].split():
                    found.setdefault(rule, []).append(f"{path.name}:{test}")
    return found


@pytest.mark.parametrize("rule", BUILT)
def test_every_rule_that_is_built_has_a_test(rule: str) -> None:
    assert named_rules().get(rule), f"no test names {rule}; write `# {rule}` behind the def of the test that shows it"


def test_the_rules_that_tests_name_exist() -> None:
    last = {"C": 13, "D": 13, "L": 18, "J": 15, "S": 3}
    wrong = [rule for rule in named_rules() if not 1 <= int(rule[1:]) <= last[rule[0]]]
    assert wrong == []
