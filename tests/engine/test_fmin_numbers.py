"""Numbers are taken as users have them: of numpy, Decimal, Fraction, arrays of one."""

import collections
import datetime as dt
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hstore import Ctrl, MongoTrials, Trials, fmin, hp, pruners, rand, tpe
from hstore.engine.space import compile_space
from hstore.store.errors import BadSearchSpace, InvalidLoss, InvalidValue

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


async def waits(x: float) -> float:
    return x


def yields(x: float) -> Iterator[float]:
    yield x


@pytest.mark.parametrize(
    ("objective", "hint"),
    [
        (waits, "asyncio.run"), (yields, "do not yield"), (lambda x: [x], "the number in it"),
        (lambda x: np.array([x]), "the number in it"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_loss_is_told_what_to_return(objective: Any, hint: str) -> None:
    with pytest.raises(InvalidLoss) as caught:
        search(objective)
    assert hint in caught.value.hint


def test_when_all_fail_the_message_says_how_many_and_of_what_most() -> None:
    from hstore.exceptions import AllTrialsFailed

    def fragile(x: float) -> float:
        raise ZeroDivisionError(f"no {x:.1f}")

    said = r"no trial finished with a usable loss \(2 failed; most frequent error, 2 times: ZeroDiv"
    with pytest.raises(AllTrialsFailed, match=said):
        search(fragile, catch_eval_exceptions=True, trials=Trials())


SPACES: dict[str, Callable[[Callable[[int], Any]], Any]] = {
    "uniform": lambda n: hp.uniform("x", n(0), n(3)),
    "quniform": lambda n: hp.quniform("x", n(0), n(9), n(2)),
    "uniformint": lambda n: hp.uniformint("x", n(0), n(9)),
    "qloguniform": lambda n: hp.qloguniform("x", n(1), n(3), n(1)),
    "qnormal": lambda n: hp.qnormal("x", n(1), n(3), n(1)),
    "randint": lambda n: hp.randint("x", n(2), n(5)),
    "pchoice": lambda n: hp.pchoice("x", [(n(0), 1), (n(1), 2)]),
    "log": lambda n: hp.log("x", n(1), n(9)),
    "int": lambda n: hp.int("x", n(1), n(9)),
    "float": lambda n: hp.float("x", n(2), n(8), step=n(2)),
}


@pytest.mark.filterwarnings("ignore:x. the probabilities")
@pytest.mark.parametrize("build", SPACES.values(), ids=SPACES)
def test_hyperparameters_take_bounds_of_any_kind_and_mean_the_same_by_them(build: Any) -> None:
    plain = compile_space(build(int)).to_data()
    assert [kind for kind in KINDS if compile_space(build(kind)).to_data() != plain] == []


@pytest.mark.parametrize("wrong", [Decimal("nan"), Decimal("1e999"), Fraction(10**400), np.float32("inf"), 10**400])
def test_bounds_that_no_float_can_be_are_refused(wrong: Any) -> None:
    with pytest.raises(BadSearchSpace, match="high must be finite"):
        hp.uniform("x", 0, wrong)


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.array, Decimal, Fraction])
def test_points_take_numbers_of_any_kind(kind: Callable[[int], Any]) -> None:
    space = {
        "x": hp.uniform("x", 0, 9), "n": hp.randint("n", 2, 9), "q": hp.quniform("q", 0, 9, 1),
        "m": hp.choice("m", [0.5, {"a": hp.uniform("a", 0, 1)}, {"b": hp.uniform("b", 3, 4)}]),
    }  # fmt: skip
    trials = Trials()
    point = {"x": kind(4), "n": kind(5), "q": kind(6), "m": {"b": kind(4)}}
    fmin(lambda p: p["x"], space, algo="rand", max_evals=1, points_to_evaluate=[point], trials=trials, verbose=False)
    vals = trials.trials[0]["misc"]["vals"]
    assert vals == {"x": [4.0], "n": [5], "q": [6.0], "m": [2], "a": [], "b": [4.0]}
    assert {type(values[0]) for values in vals.values() if values} == {int, float}


def test_settings_of_algorithms_and_pruners_take_numbers_of_any_kind(trials: Trials) -> None:
    from functools import partial

    algo = partial(tpe.suggest, gamma=Fraction(1, 2), n_startup_jobs=np.int64(1), prior_weight=Decimal(2))
    search(algo=algo, max_evals=3, trials=trials)
    assert trials.experiment.state.algorithm["settings"] == {"gamma": 0.5, "n_startup_jobs": 1, "prior_weight": 2.0}
    pruner = pruners.asha(min_steps=np.int64(2), reduction=Decimal(3))
    assert (pruner.settings["min_steps"], pruner.settings["reduction"]) == (2, 3)
    assert {type(value) for value in pruner.settings.values()} == {int}


RESULTS: list[Any] = [
    pd.Series({"loss": 0.5, "status": "ok", "note": "a"}),
    [("loss", Decimal("0.5")), ("status", "ok"), ("note", "a")],
    (["loss", np.float32(0.5)], ["status", "ok"], ["note", "a"]),
    collections.UserDict(loss=0.5, status="ok", note="a"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_whatever_dict_makes_a_result_of_is_one_as_in_hyperopt(result: Any, trials: Trials) -> None:
    search(lambda x: result, trials=trials)
    assert trials.results == [{"loss": 0.5, "status": "ok", "note": "a"}] * 2


def test_pairs_of_losses_are_losses_where_a_search_has_two() -> None:
    trials = Trials()
    search(lambda x: [x, 1 - x], objectives=2, trials=trials)
    assert len(trials.results[0]["losses"]) == 2


def test_dates_in_results_and_options_come_back_as_they_went_in(trials: Trials) -> None:
    naive, aware = dt.datetime(2024, 5, 6, 7), dt.datetime(2024, 5, 6, 7, tzinfo=dt.UTC)
    given = {"naive": naive, "aware": aware, "nested": [{"at": naive}], "day": pd.Timestamp("2024-05-06")}

    def objective(p: dict[str, Any], ctrl: Ctrl) -> Any:
        ctrl.checkpoint({"status": "running", "since": naive})
        assert ctrl.current_trial is not None
        assert ctrl.current_trial["result"]["since"] == naive
        return {"status": "ok", "loss": p["x"], **given}

    space = {"x": SPACE, "d": hp.choice("d", [naive])}
    fmin(objective, space, algo="rand", max_evals=1, trials=trials, rstate=0, verbose=False)
    if trials.experiment.store.is_durable:
        trials = MongoTrials(trials.experiment.store, exp_key=trials.experiment.name)
    result = {key: value for key, value in trials.results[0].items() if key in given}
    assert result == given
    assert trials.trials[0]["params"]["d"] == naive
    assert trials.trials[0]["book_time"] - result["naive"] > dt.timedelta(0)
