"""Points are repeated where losses are noisy: the best one so far, and none for a deterministic objective."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hstore import hp
from hstore.engine.algorithms import ALGORITHMS, Exhausted, choose_recorded
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.repeated import by_point, plain_replicates, to_repeat
from hstore.engine.space import Space, compile_space
from hstore.store.errors import InvalidValue

SPACE = compile_space(
    {"x": hp.uniform("x", -5, 5), "k": hp.choice("k", ["a", {"n": hp.randint("n", 3)}, {"y": hp.uniform("y", 0, 1)}])}
)


def history_of(*trials: tuple[float, float | str | None], space: Space = SPACE) -> History:
    """Return a history of trials at (x, loss); None: pending, a text: ended so."""
    history = History(space)
    for _ in range(20 - len(trials)):  # before the 20th trial nothing is repeated
        history.observe(history.add({"x": 5.0, "k": 0}), kind="void")
    for x, loss in trials:
        tid = history.add({"x": x, "k": 0})
        if isinstance(loss, str):
            history.observe(tid, kind=loss)
        elif loss is not None:
            history.observe(tid, kind="ok", loss=loss)
    return history


@pytest.mark.parametrize(
    ("trials", "repeated"),
    [
        ([], None),
        ([(0, "error"), (1, None)], None),
        ([(0, 2.0), (1, 1.0)], 1),
        ([(0, 2.0), (1, 1.0), (1, 1.5)], 1),
        ([(0, 2.0), (1, 1.0), (1, 1.5), (1, 1.2)], None),  # it was evaluated three times
        ([(0, 2.0), (1, 1.0), (1, 9.0)], 0),  # it was lucky once
        ([(0, 2.0), (1, 1.0), (1, None), (1, None)], None),  # under way
        ([(0, 2.0), (1, 1.0), (1, "error"), (1, "fail")], None),
        ([(0, 2.0), (1, "void")], 0),
        ([(0, 2.0), (0.0, 3.0), (-0.0, 3.0)], None),  # one point
        ([(0, 3.0), (0, 3.0), (1, 2.0), (1, 2.0), (2, 1.0), (2, 1.0)], None),  # deterministic
        ([(0, 3.0), (0, 3.1), (1, 2.0), (1, 2.0), (2, 1.0), (2, 1.0)], 4),
        ([(0, float("inf")), (1, float("nan"))], None),
    ],
)
def test_the_point_with_the_lowest_mean_is_repeated_until_it_was_evaluated_often_enough(
    trials: Sequence[Any], repeated: int | None
) -> None:
    history = history_of(*trials)
    found = to_repeat(SPACE, history, 3)
    assert found == (None if repeated is None else repeated + 20 - len(trials))
    history.add({"x": 0.0, "k": 0})
    assert to_repeat(SPACE, history, 3) is None  # at most every other trial is


def test_a_point_that_violates_a_constraint_is_not_repeated_and_nothing_is_with_several_losses() -> None:
    history = history_of((0, None), (1, None))
    history.observe(18, kind="ok", loss=1.0, constraints=[0.5])
    history.observe(19, kind="ok", loss=2.0, constraints=[-0.5])
    assert to_repeat(SPACE, history, 3) == 19
    several = history_of((0, None))
    several.observe(19, kind="ok", losses=[1.0, 2.0])
    assert to_repeat(SPACE, several, 3) is None


def test_a_point_of_an_older_space_is_passed_over() -> None:
    history = history_of()
    for point, loss in (({"x": 1.0}, 0.0), ({"x": 2.0, "k": 1, "n": 2}, 1.0)):
        history.observe(history.add(point), kind="ok", loss=loss)
    made = choose_recorded(ALGORITHMS["rand"], SPACE, history, seed=0, settings={"replicates": 2})
    assert (made.points, made.replicate_of) == ([{"x": 2.0, "k": 1, "n": 2}], 21)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name not in ("grid", "cmaes")])
def test_every_algorithm_repeats_and_says_so(name: str) -> None:
    history = history_of((0, 2.0), (1, 1.0))
    repeats = choose_recorded(ALGORITHMS[name], SPACE, history, seed=0, settings={"replicates": 2})
    assert (repeats.points, repeats.replicate_of) == ([{"x": 1.0, "k": 0}], 19)
    assert repeats.described({"name": name}) == {"name": name, "replicate_of": 19}
    assert choose_recorded(ALGORITHMS[name], SPACE, history, seed=0, settings={}).replicate_of is None


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None, True])
def test_another_number_of_replicates_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match="replicates must be a whole number"):
        plain_replicates(wrong)


def test_the_mean_of_losses_near_the_largest_number_is_a_number() -> None:
    (point,) = by_point(history_of((0, 1.7e308), (0, 1.7e308)))
    assert np.isfinite(point.mean)


@pytest.mark.parametrize("algo", ["auto", "gp", "mtpe", "qmc", "grid"])
def test_a_small_space_is_tried_once_and_then_the_best_point_again(algo: str) -> None:
    space = compile_space({"c": hp.choice("c", [0, 1, 2])})
    history = History(space)
    again = []
    for loss in (0.0, 3.0, 5.0, 2.0, 1.0):
        made = choose_recorded(ALGORITHMS[algo], space, history, seed=len(history), settings={"replicates": 3})
        again.append(made.replicate_of)
        history.observe(history.add(made.points[0]), kind="ok", loss=loss)
    assert again == [None, None, None, 0, 0]
    with pytest.raises(Exhausted):
        choose_recorded(ALGORITHMS[algo], space, history, seed=5, settings={"replicates": 3})
    with pytest.raises(Exhausted):
        choose_recorded(ALGORITHMS[algo], space, history, seed=5, settings={})


@pytest.mark.parametrize("algo", ["auto", "gp"])
@pytest.mark.parametrize("losses", [1, 2])
def test_a_noisy_loss_of_a_space_without_labels_is_evaluated_all_the_same(algo: str, losses: int) -> None:
    space = compile_space({})
    history, rng = History(space), np.random.default_rng(0)
    for seed in range(20):
        made = choose_recorded(ALGORITHMS[algo], space, history, seed=seed, settings={})
        values = rng.normal(size=losses).tolist()
        one = {"loss": values[0]} if losses == 1 else {"losses": values}
        history.observe(history.add(made.points[0]), kind="ok", **one)
    assert len(history) == 20
