"""cmaes: derived from the history alone, for numbers only, and a clear word where it cannot search."""

import sys
from functools import partial
from typing import Any

import numpy as np
import pytest

from hstore.engine.algorithms import cmaes, resolve
from hstore.engine.algorithms.history import History
from hstore.engine.space import Space, compile_space, hp
from hstore.store.errors import InvalidValue

BOWL = {
    "x": hp.uniform("x", -5, 5),
    "lr": hp.loguniform("lr", -6, 0),
    "w": hp.normal("w", 0, 2),
    "n": hp.uniformint("n", 1, 20),
}
WITH_CHOICE = {"x": hp.uniform("x", 0, 1), "c": hp.choice("c", [0, {"y": hp.uniform("y", 0, 1)}])}


def searched(space: Space, n: int, **settings: Any) -> History:
    history = History(space)
    for seed in range(n):
        point = cmaes.choose(space, history, seed=seed, **settings)
        space.check(point)
        tid = history.add(point)
        loss = (
            (point["x"] - 2) ** 2
            + np.log(point["lr"] / 0.05) ** 2
            + (point["w"] + 1) ** 2
            + 0.1 * (point["n"] - 7) ** 2
        )
        history.observe(tid, kind="fail" if seed % 10 == 9 else "ok", loss=None if seed % 10 == 9 else float(loss))
    return history


def test_it_comes_close_to_the_bottom_of_a_bowl() -> None:
    history = searched(compile_space(BOWL), 120)
    best = np.sort(history.losses)
    assert best[0] < 0.1
    assert np.median(history.losses[-30:]) < 0.1 * np.median(history.losses[:30])


def test_what_it_remembers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    space = compile_space(BOWL)
    one = searched(space, 60)
    cmaes._memory.clear()
    monkeypatch.setattr(cmaes, "_KEPT", 0)
    other = searched(space, 60)
    for label in space.labels:
        np.testing.assert_array_equal(one.column(label), other.column(label))


def test_it_begins_anew_when_it_has_converged() -> None:
    space = compile_space(hp.uniform("x", 0, 1))
    history = History(space)
    for seed in range(400):
        point = cmaes.choose(space, history, seed=seed)
        history.observe(history.add(point), kind="ok", loss=float((point["x"] - 0.3) ** 2))
    assert abs(history.column("x")[100:] - 0.3).max() > 0.1
    assert cmaes._memory.popitem()[1].restarts > 0


def test_labels_that_are_no_numbers_are_refused_by_name() -> None:
    space = compile_space(WITH_CHOICE)
    with pytest.raises(InvalidValue, match="these labels are categorical: c") as caught:
        cmaes.choose(space, History(space), seed=0)
    assert "categorical='random'" in caught.value.hint
    with pytest.raises(InvalidValue, match="categorical must be 'refuse' or 'random', not 'other'"):
        cmaes.choose(space, History(space), seed=0, categorical="other")


def test_or_they_are_drawn_at_random() -> None:
    space = compile_space(WITH_CHOICE)
    history = History(space)
    for seed in range(60):
        point = cmaes.choose(space, history, seed=seed, categorical="random")
        space.check(point)
        history.observe(history.add(point), kind="ok", loss=float((point["x"] - 0.9) ** 2))
    assert set(history.column("c")) == {0.0, 1.0}
    assert abs(history.column("x")[-10:] - 0.9).mean() < 0.1


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    space = compile_space(BOWL)
    with pytest.raises(InvalidValue, match="cmaes needs the package of that name") as caught:
        cmaes.choose(space, History(space), seed=0)
    assert caught.value.hint == "pip install 'hstore[cmaes]'"


def test_its_settings_are_checked() -> None:
    with pytest.raises(InvalidValue, match="sigma0 must be a number between 1e-06 and 10, not 0"):
        resolve(partial(cmaes.suggest, sigma0=0))
