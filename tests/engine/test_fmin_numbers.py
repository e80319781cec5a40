"""Numbers are taken as users have them: of numpy, Decimal, Fraction, arrays of one."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hstore import Ctrl, Trials, fmin, hp, rand
from hstore.store.errors import InvalidLoss, InvalidValue

KINDS: list[Callable[[int], Any]] = [
    np.int64, np.int32, np.uint8, np.float16, np.float32, np.float64, np.longdouble, np.array, Decimal, Fraction, float,
]  # fmt: skip
SPACE = hp.uniform("x", 0, 1)


def search(fn: Callable[..., Any] = lambda x: x, **arguments: Any) -> Any:
    arguments = {"max_evals": 2, "algo": rand.suggest, "rstate": 0, "verbose": False, **arguments}
    return fmin(fn, SPACE, **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_limits_of_any_kind_are_recorded_as_plain_numbers(kind: Callable[[int], Any], trials: Trials) -> None:
    search(max_evals=kind(2), timeout=kind(200), loss_threshold=kind(0), max_queue_len=kind(1), trials=trials)
    assert len(trials) == 2
    assert trials.experiment.state.limits == {
        "max_evals": 2, "timeout": 200, "loss_threshold": 0, "max_queue_len": 1,
    }  # fmt: skip
    assert {type(value) for value in trials.experiment.state.limits.values()} <= {int, float}


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_parallel_searches_take_any_kind(kind: Callable[[int], Any]) -> None:
    from hstore.engine.search.options import ParallelOptions

    options = ParallelOptions.of(workers=kind(3), grace=kind(2), retries={"lost": kind(4)})
    assert (options.workers, options.grace, options.retries["lost"]) == (3, 2, 4)
    assert {type(options.workers), type(options.retries["lost"])} == {int}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_any_kind_are_floats(kind: Callable[[int], Any], trials: Trials) -> None:
    search(lambda x: {"status": "ok", "loss": kind(3)}, trials=trials)
    search(lambda x: kind(2), max_evals=3, trials=trials)
    assert trials.losses() == [3.0, 3.0, 2.0]
    assert {type(loss) for loss in trials.losses()} == {float}


@pytest.mark.parametrize("kind", KINDS)
def test_several_losses_constraints_and_reports_take_any_kind(kind: Callable[[int], Any]) -> None:
    def objective(x: float, ctrl: Ctrl) -> Any:
        ctrl.report(kind(1), kind(5))
        assert ctrl.last_report == (1, 5.0)
        return {"status": "ok", "losses": [kind(1), kind(2)], "constraints": [kind(0)]}

    trials = Trials()
    search(objective, objectives=2, trials=trials)
    assert trials.results[0]["losses"] == [1.0, 2.0]


def test_infinity_is_no_limit_of_trials() -> None:
    for infinite in (math.inf, np.float32(np.inf), Decimal("inf")):
        trials = Trials()
        search(max_evals=infinite, trials=trials, early_stop_fn=lambda seen: (len(seen) == 3, []))
        assert len(trials) == 3
        assert trials.experiment.state.limits["max_evals"] is None


@pytest.mark.parametrize("option", ["max_evals", "timeout", "max_queue_len", "grace", "workers", "loss_threshold"])
@pytest.mark.parametrize("wrong", [Decimal("sNaN"), "4", True, np.True_, 4 + 1j, [4], np.array([4, 5]), object()])
def test_what_is_no_number_is_refused_by_the_name_of_its_option(option: str, wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=option):
        search(**{option: wrong})


@pytest.mark.parametrize("wrong", [math.nan, -math.inf, 2.5, Decimal("2.5"), Fraction(5, 2), np.float32(0.5), -1])
def test_max_evals_is_a_whole_number(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match="max_evals must be a whole number"):
        search(max_evals=wrong)


def test_a_list_of_losses_is_told_how_to_be_meant() -> None:
    with pytest.raises(InvalidLoss) as caught:
        search(lambda x: [x, 1 - x])
    assert "for several losses pass objectives=2" in caught.value.hint


def test_when_all_fail_the_message_says_how_many_and_of_what_most() -> None:
    from hstore.exceptions import AllTrialsFailed

    def fragile(x: float) -> float:
        raise ZeroDivisionError(f"no {x:.1f}")

    said = r"no trial finished with a usable loss \(2 failed; most frequent error, 2 times: ZeroDiv"
    with pytest.raises(AllTrialsFailed, match=said):
        search(fragile, catch_eval_exceptions=True, trials=Trials())
