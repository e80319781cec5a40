"""What a screen is sent of many trials: a mark for each place, and all that lines and ranges are made of."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.cli.page.screen_points import ACROSS, UP, ChartPart, ScreenPoints, part_of
from hstore.store.errors import InvalidValue


def rows_of(losses: list[Any], *, state: str = "done") -> list[dict[str, Any]]:
    return [{"tid": tid, "state": state, "loss": loss, "ranked": state == "done"} for tid, loss in enumerate(losses)]


def test_few_trials_are_sent_whole() -> None:
    rows = rows_of([0.5, "nan", None, 2.0])
    assert ScreenPoints(rows).within() == (rows, 4)
    assert ScreenPoints([]).within() == ([], 0)


@given(seed=st.integers(0, 2**32), shape=st.sampled_from(["flat", "falls", "same", "outliers", "huge", "odd"]))
@settings(max_examples=examples(12), deadline=None)
def test_of_many_each_place_each_extreme_and_each_best_are_kept(seed: int, shape: str) -> None:
    rng = random.Random(seed)
    count = 7000
    values: dict[str, Callable[[int], Any]] = {
        "flat": lambda n: rng.random(), "falls": lambda n: -float(n), "same": lambda n: 1.0,
        "outliers": lambda n: rng.lognormvariate(0, 9), "huge": lambda n: rng.choice([-1, 1]) * 1.7e308 * rng.random(),
        "odd": lambda n: rng.choice(["nan", "inf", None, rng.random()]),
    }  # fmt: skip
    rows = rows_of([values[shape](n) for n in range(count)])
    for n in range(0, count, 10):
        rows[n] |= {"state": "failed", "ranked": False}
    kept, of = ScreenPoints(rows).within()
    assert of == count
    tids = [row["tid"] for row in kept]
    assert tids == sorted(set(tids))
    assert len(kept) < count
    numbers = {row["tid"]: row["loss"] for row in rows if isinstance(row["loss"], float)}
    left = [numbers[tid] for tid in tids if tid in numbers]
    assert (min(left), max(left)) == (min(numbers.values()), max(numbers.values()))
    assert {tids[0], tids[-1]} == {0, count - 1}
    whole, some = ([row["loss"] for row in each if row["ranked"] and row["tid"] in numbers] for each in (rows, kept))
    assert min(whole) == min(some)
    if shape in ("flat", "outliers"):
        assert steps(whole) == steps(some)


def steps(losses: list[float]) -> list[float]:
    """Return the losses that were the best when they came."""
    least, found = math.inf, []
    for loss in losses:
        if loss < least:
            least = loss
            found.append(loss)
    return found


def test_a_mark_is_kept_wherever_there_was_one() -> None:
    rng = random.Random(1)
    rows = rows_of([rng.random() for _ in range(50_000)])
    kept, _ = ScreenPoints(rows).within()

    def places(some: list[Any]) -> set[tuple[int, int]]:
        least, most = (which(row["loss"] for row in rows) for which in (min, max))
        up = UP / (most - least)
        return {(row["tid"] * ACROSS // 49_999, int((row["loss"] - least) * up)) for row in some}

    assert len(places(rows) - places(kept)) <= 0.001 * ACROSS * UP, "but for those on an edge between two"
    assert len(kept) < 1.1 * ACROSS * UP


def test_a_part_is_sent_whole_if_it_has_few_trials() -> None:
    rows = rows_of([n % 100 for n in range(20_000)])
    kept, of = ScreenPoints(rows).within(ChartPart(first=5000, last=5999, low=-1, high=49))
    assert of == len(kept) == 500
    assert all(5000 <= row["tid"] <= 5999 and row["loss"] <= 49 for row in kept)


def test_a_front_of_any_two_losses_is_kept_whole() -> None:
    rng = random.Random(2)
    rows = rows_of([None] * 30_000)
    for row in rows:
        row["losses"] = [rng.random() for _ in range(3)]
    kept, _ = ScreenPoints(rows).within()
    assert len(kept) < 30_000
    for x, y in ((0, 1), (0, 2), (1, 2)):
        whole, some = (sorted((row["losses"][x], row["losses"][y]) for row in each) for each in (rows, kept))
        assert steps([loss for _, loss in whole]) == steps([loss for _, loss in some])


@pytest.mark.parametrize("wrong", [{"first": "1"}, {"first": "x"}, {"last": "nan"}, {"low": "2"}])
def test_a_window_is_four_numbers_in_order(wrong: dict[str, str]) -> None:
    whole = {"first": "0", "last": "1", "low": "0", "high": "1"}
    assert part_of({}) is None
    assert part_of(whole) == ChartPart(first=0, last=1, low=0, high=1)
    with pytest.raises(InvalidValue):
        part_of(wrong if len(wrong) == 1 and "first" in wrong else whole | wrong)
