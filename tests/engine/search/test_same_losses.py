"""A later call that looks for other losses than an experiment has is refused, or told: they do not compare."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import fmin, hp
from hstore.engine.evaluation.given_values import given_values
from hstore.store.errors import InvalidValue
from hstore.store.events import Changed
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", 0, 1)}


def search(store: Store, fn: Callable[..., Any], n: int, **arguments: Any) -> Any:
    return fmin(fn, SPACE, "rand", n, experiment="same", store=store, show_progressbar=False, rstate=0, **arguments)


def one(p: dict[str, float]) -> float:
    return p["x"]


def two(p: dict[str, float]) -> list[float]:
    return [p["x"], 1 - p["x"]]


@pytest.mark.parametrize(
    ("before", "after"), [((one, None), (two, 2)), ((two, 2), (one, None)), ((two, 2), (lambda p: [*two(p), 0], 3))]
)
def test_another_number_of_losses_is_refused(mongo_store: Store, before: Any, after: Any) -> None:
    search(mongo_store, before[0], 2, objectives=before[1])
    with pytest.raises(InvalidValue, match=r"the trials of experiment 'same' have .+ each, and this call is for"):
        search(mongo_store, after[0], 4, objectives=after[1])
    assert len(mongo_store.experiment("same").trials) == 2
    search(mongo_store, before[0], 3, objectives=before[1])


def test_where_no_trial_has_a_loss_any_may_be_looked_for(mongo_store: Store) -> None:
    with pytest.raises(hstore.AllTrialsFailed):
        search(mongo_store, lambda p: "no number", 2, objectives=2, catch_eval_exceptions=True)
    assert search(mongo_store, one, 4)


def test_losses_that_were_measured_otherwise_are_refused_unless_the_user_accepts_it(mongo_store: Store) -> None:
    def ask(metric: str, n: int, **arguments: Any) -> None:
        begins: dict[str, Any] = {"experiment": "same", "store": mongo_store, "max_evals": n, "rstate": 0}
        with hstore.search(SPACE, "rand", measures={"metric": metric}, **begins, **arguments) as asked:
            while trial := asked.ask():
                trial.tell(1.0)

    ask("error", 2)
    with pytest.raises(InvalidValue, match="were measured with metric 'error', not 'accuracy'"):
        ask("accuracy", 3)
    ask("accuracy", 3, accepts_change=True)
    ask("accuracy", 4)
    (changed,) = [
        event.objective["change"]
        for event in mongo_store.experiment("same").chain(None)
        if isinstance(event, Changed) and event.objective
    ]
    assert changed["measures"] == {"metric": ["error", "accuracy"]}


def scaled(p: dict[str, float], data: Any = 1.0) -> float:
    return float(p["x"] + np.sum(data))


def closing_over(data: Any) -> Callable[..., float]:
    return lambda p: scaled(p, data)


class Scaled:
    def __init__(self, data: Any) -> None:
        self.data = data

    def __call__(self, p: dict[str, float]) -> float:
        return scaled(p, self.data)


class Counting(Scaled):
    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.calls = 0

    def __call__(self, p: dict[str, float]) -> float:
        self.calls += 1
        return super().__call__(p)


@pytest.mark.parametrize("make", [lambda data: partial(scaled, data=data), closing_over, Scaled])
@pytest.mark.parametrize("data", [2.0, np.arange(3.0)])
def test_other_data_in_the_same_code_is_told(
    mongo_store: Store, messages: list[str], make: Callable[[Any], Callable[..., float]], data: Any
) -> None:
    search(mongo_store, make(data), 2)
    search(mongo_store, make(data + 0), 3)
    assert not messages
    search(mongo_store, make(data + 1), 4)
    assert messages == ["the objective changed after trial 2 (another value of data)"]


def test_what_an_evaluation_may_change_does_not_count() -> None:
    seen: list[float] = []
    n = 0

    def counts(p: dict[str, float], limit: int = 3) -> int:
        nonlocal n
        n += len(seen)
        return n

    assert set(given_values(counts)) == {"limit"}
    assert set(given_values(partial(scaled, data={"epochs": [1, 2]}))) == {"data"}
    assert given_values(partial(scaled, data=[seen, counts])) == {}
    assert given_values(len) == {}
    assert set(given_values(Counting(2.0))) == set(given_values(Counting(2.0).__call__)) == {"data"}
