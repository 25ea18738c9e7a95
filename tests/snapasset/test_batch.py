"""Who waits for whom in a batch: names are given once, waiting goes in no circle."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapasset.batch import parents_first, positions_of
from snapasset.errors import InvalidInput


class TestNames:
    def test_each_name_has_its_place_and_who_has_none_is_not_listed(self) -> None:
        assert positions_of([None, "a", None, "b"]) == {"a": 1, "b": 3}
        assert positions_of([]) == {}

    def test_a_name_that_is_given_twice_is_refused_where_it_comes_again(self) -> None:
        with pytest.raises(InvalidInput) as raised:
            positions_of([None, "a", "b", "a"])
        assert raised.value.fields.keys() == {"jobs.3.ref"}
        assert "jobs.1" in raised.value.fields["jobs.3.ref"]


class TestOrder:
    @pytest.mark.parametrize("places", list(permutations(range(4))))
    def test_each_comes_after_those_it_waits_for_wherever_they_stand(self, places: tuple[int, ...]) -> None:
        positions = dict(zip("abcd", places, strict=True))
        waits: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "a"]}
        depends_on: list[list[str]] = [[], [], [], []]
        for name, others in waits.items():
            depends_on[positions[name]] = others
        order = parents_first(depends_on, positions)
        assert sorted(order) == [0, 1, 2, 3]
        for name, others in waits.items():
            assert all(order.index(positions[other]) < order.index(positions[name]) for other in others)

    def test_names_that_are_not_of_the_batch_are_somebody_elses_business(self) -> None:
        assert parents_first([["some-job"], ["some-job", "a"]], {"a": 0}) == (0, 1)

    def test_those_that_wait_for_nobody_keep_their_order(self) -> None:
        assert parents_first([()] * 5, {}) == (0, 1, 2, 3, 4)
        assert parents_first([], {}) == ()

    @pytest.mark.parametrize(
        ("depends_on", "circle"),
        [
            ([["a"], [], []], {0}),
            ([["b"], ["a"], []], {0, 1}),
            ([["c"], ["a"], ["b"]], {0, 1, 2}),
            ([[], ["c"], ["b"]], {1, 2}),
        ],
    )
    def test_a_circle_is_refused_at_each_of_its_jobs(self, depends_on: list[list[str]], circle: set[int]) -> None:
        with pytest.raises(InvalidInput, match="circle") as raised:
            parents_first(depends_on, {"a": 0, "b": 1, "c": 2})
        assert raised.value.fields.keys() == {f"jobs.{position}.options.dependsOn" for position in circle}

    def test_a_chain_as_long_as_a_batch_may_be_and_longer_is_no_trouble(self) -> None:
        names = [str(n) for n in range(2000)]
        depends_on = [[names[n + 1]] if n + 1 < len(names) else [] for n in range(len(names))]
        positions = {name: n for n, name in enumerate(names)}
        assert parents_first(depends_on, positions) == tuple(reversed(range(2000)))

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=10))
    def test_it_is_an_order_or_a_circle(self, waits: list[list[int]]) -> None:
        names = [str(n) for n in range(len(waits))]
        depends_on = [[str(other) for other in others] for others in waits]
        try:
            order = parents_first(depends_on, {name: n for n, name in enumerate(names)})
        except InvalidInput:
            assert any(waits), "a circle of nobody"
            return
        assert sorted(order) == list(range(len(waits)))
        for position, others in enumerate(waits):
            assert all(order.index(other) < order.index(position) for other in others if other < len(waits))
