"""no_progress_loss stops where hyperopt's does, and where that raises KeyError."""

import math
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore import Trials, early_stop, fmin, hp, rand

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import early_stop as theirs

FAILED: dict[str, Any] = {"status": "fail"}


def trials_of(*results: Any) -> Any:
    documents = [{"result": r if isinstance(r, dict) else {"status": "ok", "loss": r}} for r in results]
    return SimpleNamespace(trials=documents)


def answers(rule: Any, results: list[Any]) -> list[Any]:
    """Return what *rule* answers after each of *results*."""
    kept: list[Any] = []
    said = []
    for n in range(1, len(results) + 1):
        stop, kept = rule(trials_of(*results[:n]), *kept)
        said.append((stop, list(kept)))
    return said


numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(0, 6), st.sampled_from([0.0, 5.0, 50.0]))
@pytest.mark.covers("early_stop.no_progress_loss")
def test_the_rule_counts_as_hyperopts_does(losses: list[float], count: int, percent: float) -> None:
    ours = early_stop.no_progress_loss(count, percent)
    assert answers(ours, losses) == answers(theirs.no_progress_loss(count, percent), losses)


@pytest.mark.covers("early_stop.no_progress_loss")
def test_a_failed_trial_does_not_end_no_progress_loss_with_a_key_error() -> None:
    rule = early_stop.no_progress_loss(3)
    assert answers(rule, [4.0, FAILED, FAILED]) == [(False, [4.0, 1]), (False, [4.0, 2]), (True, [4.0, 3])]
    assert answers(rule, [FAILED, 3.0, 2.0])[-1] == (False, [2.0, 0])
    assert answers(rule, [FAILED] * 3)[-1] == (True, [None, 3])
    assert answers(rule, [4.0, {"status": "fail", "loss": 1.0}, 5.0])[-1] == (True, [4.0, 3])


@pytest.mark.covers("early_stop.no_progress_loss")
def test_a_loss_of_nan_is_no_progress_and_hides_none() -> None:
    rule = early_stop.no_progress_loss(3)
    assert answers(rule, [math.nan, 4.0, 3.0, 2.0])[-1] == (False, [2.0, 0])
    assert answers(rule, [4.0, math.nan, math.nan])[-1] == (True, [4.0, 3])
    assert answers(rule, [math.inf, math.inf, 4.0])[-1] == (False, [4.0, 0])


@pytest.mark.covers("early_stop.no_progress_loss")
def test_without_any_trial_there_is_no_progress_and_no_error() -> None:
    assert early_stop.no_progress_loss(2)(trials_of()) == (False, [None, 1])
    assert early_stop.no_progress_loss(2)(trials_of(), None, 1) == (True, [None, 2])


@pytest.mark.covers("early_stop.no_progress_loss")
def test_a_search_on_trials_that_were_there_knows_their_best() -> None:
    stop, kept = early_stop.no_progress_loss(2)(trials_of(0.1, 5.0))
    assert early_stop.no_progress_loss(2)(trials_of(0.1, 5.0, 0.2), *kept) == (True, [0.1, 2])
    assert not stop


def test_a_search_whose_trials_fail_and_come_to_nan_ends_early() -> None:
    def objective(x: float) -> Any:
        return {"status": "fail"} if x < 0.3 else math.nan if x < 0.6 else 1.0

    trials = Trials()
    fmin(
        objective, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=100, trials=trials, verbose=False,
        rstate=np.random.default_rng(0), early_stop_fn=early_stop.no_progress_loss(10),
    )  # fmt: skip
    assert 10 <= len(trials) < 30
    rule = early_stop.no_progress_loss(10)
    assert rule(trials) == rule(SimpleNamespace(trials=trials.trials))
