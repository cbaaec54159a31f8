"""Which cells of text are booleans, which are categories, and which should have been numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tables.labels import are_booleans, are_labels, different_labels, label_of, labels_of, truth_of

CASES: list[tuple[list[object], tuple[str, ...] | None]] = [
    ([True, False], ("false", "true")),
    (["true", "false", ""], ("false", "true")),
    (["True", "False"], ("False", "True")),
    (["yes", "no", None], ("no", "yes")),
    (["y", "n"], ("n", "y")),
    (["t", "f"], ("f", "t")),
    (["no", "no"], ("no", "true")),
    (["yes"], ("false", "yes")),
    # Only one of the two is written: the empty cells mean the other.
    (["Yes", ""], ("", "true")),
    ([True, None], ("", "true")),
    (["no", "NA"], ("", "false")),
    (["b", "a", "none"], ("a", "b", "none")),
    (["a", "NaN", None, " "], ("", "a")),
    (["yes", "no", "maybe"], ("maybe", "no", "yes")),
    (["Mon", "Tue"], ("Mon", "Tue")),
    (["3A", "3B", "1"], ("1", "3A", "3B")),
    ([0, "a", "b", "c", "0"], ("0", "a", "b", "c")),  # of Rossmann's sales
    (["1.5", "2"], None),
    (["9.5", "9.6", "oops"], None),
    (["9.5", "oops"], None),
    (["5 %", "10 %"], None),
    (["$5", "$6.20"], None),
    (["2024-01-01", "2024-01-02"], None),
    (["2024Q1", "2024Q2"], None),
]


@pytest.mark.parametrize(("cells", "labels"), CASES, ids=[str(cells) for cells, _ in CASES])
def test_labels(cells: list[object], labels: tuple[str, ...] | None) -> None:
    assert labels_of(set(map(label_of, cells))) == labels
    assert are_labels(cells) == (labels is not None)


@given(st.lists(st.sampled_from(["a", "b", "", "none", "yes", "no", "True", "7"]), min_size=1).flatmap(st.permutations))
def test_the_order_of_rows_does_not_matter(cells: list[str]) -> None:
    assert labels_of(set(map(label_of, cells))) == labels_of(set(map(label_of, sorted(cells))))


def test_a_column_of_names_is_not_read_to_its_end() -> None:
    names = [f"name {row}" for row in range(100_000)]
    assert 50 < len(different_labels([names])) < 20_000
    assert different_labels([["a", "b"], [], ["b", None]]) == {"a", "b", ""}


def test_booleans() -> None:
    assert [truth_of(one) for one in ("TRUE", "n", "F", "on", "1", "")] == [True, False, False, None, None, None]
    assert are_booleans(("no", "yes"))
    assert not are_booleans(("yes", "no"))
    assert not are_booleans(("", "true"))
    assert are_labels(["yes", "no"], may_be_categories=False)
    assert not are_labels(["a", "b"], may_be_categories=False)
