"""What an objective returns or raises: recorded, counted and told, in memory and on a real MongoDB alike."""

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from tests.engine.fmin_calls import SPACE, quiet, serial, square

from hstore import STATUS_FAIL, STATUS_OK, MongoTrials, Trials
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import (
    AllTrialsFailed,
    InvalidLoss,
    InvalidResult,
    InvalidResultStatus,
)
from hstore.store.events import Failed


def test_what_the_objective_raises_is_recorded_and_comes_out(trials: Trials) -> None:
    def explode(config: Any) -> float:
        raise ZeroDivisionError("no such luck")

    with pytest.raises(ZeroDivisionError, match="no such luck"):
        quiet(explode, SPACE, max_evals=3, trials=trials, rstate=0)
    trials.refresh()
    (trial,) = trials.experiment.trials
    assert trial.state == "failed"
    assert trial.error == "ZeroDivisionError: no such luck"
    assert isinstance(trial.end, Failed)
    assert "explode" in (trial.end.traceback or "")
    assert len(trials) == 0  # hyperopt's view does not show it


def test_exceptions_can_be_caught_and_the_search_goes_on(trials: Trials) -> None:
    def fragile(config: dict[str, Any]) -> float:
        if config["x"] < 0:
            raise ValueError("negative")
        return square(config)

    quiet(fragile, SPACE, max_evals=20, trials=trials, rstate=0, catch_eval_exceptions=True)
    counts = trials.experiment.state.counts
    assert counts["failed"] > 0
    assert counts["failed"] + counts["done"] == 20
    assert derive_again(trials.experiment).is_same


def test_all_failed_means_there_is_no_best(trials: Trials) -> None:
    with pytest.raises(AllTrialsFailed):
        quiet(lambda _: {"status": STATUS_FAIL}, SPACE, max_evals=3, trials=trials, rstate=0)


def test_failed_and_nan_losses_are_kept_apart_from_the_best(trials: Trials) -> None:
    losses = iter([math.nan, 2.0, math.inf, 1.0, -math.inf, 3.0])

    def returns(config: Any) -> Any:
        loss = next(losses)
        return {"status": STATUS_FAIL} if loss == 3.0 else {"status": STATUS_OK, "loss": loss}

    quiet(returns, SPACE, max_evals=6, trials=trials, rstate=0)
    assert trials.best_trial["tid"] == 4
    assert math.isnan(trials.losses()[0])  # type: ignore[arg-type]
    assert trials.statuses() == ["ok"] * 5 + ["fail"]


def test_results_may_hold_anything_that_a_log_can_hold(trials: Trials) -> None:
    now = dt.datetime(2026, 11, 21, 4, 5, 6, 7000)
    rich: dict[str, Any] = {
        "status": STATUS_OK,
        "loss": np.float32(0.5),
        "array": np.arange(6).reshape(2, 3),
        "flag": np.bool_(True),
        "count": np.int64(7),
        "nested": {"tuple": (1, 2.5, None), "$odd.key": "yes", "bytes": b"\x00\xff"},
        "nan": math.nan,
        "inf": -math.inf,
        "at": now,
    }
    quiet(lambda _: rich, SPACE, max_evals=1, trials=trials, rstate=0)
    result = trials.results[0]
    assert result["loss"] == 0.5
    assert np.array_equal(result["array"], rich["array"])
    assert result["nested"]["$odd.key"] == "yes"
    assert list(result["nested"]["tuple"]) == [1, 2.5, None]
    assert result["nested"]["bytes"] == b"\x00\xff"
    assert math.isnan(result["nan"])
    assert result["inf"] == -math.inf
    assert result["at"].replace(tzinfo=None) == now
    assert result["count"] == 7


def test_a_result_that_no_log_can_hold_is_kept_as_far_as_it_goes(mongo_url: str, messages: list[str]) -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    strange = {
        "status": STATUS_OK,
        "loss": 1.0,
        "object": object(),
        "complex": 1j,
        "huge": 2**100,
        "cycle": cycle,
        "deep": deep,
        "bad\0key": {"a\0b": 1},
        "text": "\ud800",
    }
    trials = serial(MongoTrials(mongo_url, exp_key="strange"))
    quiet(lambda _: strange, SPACE, max_evals=1, trials=trials, rstate=0)
    assert trials.losses() == [1.0]
    assert "result" in messages[0]
    assert derive_again(trials.experiment).is_same
    while deep:  # the interpreter frees nested lists by recursion; help it
        deep = deep.pop()


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (None, InvalidResult),
        ("0.5", InvalidResult),
        (1j, InvalidLoss),
        ({"loss": 1.0}, InvalidResultStatus),
        ({"status": "fine", "loss": 1.0}, InvalidResultStatus),
        ({"status": "ok"}, InvalidLoss),
        ({"status": "ok", "loss": "abc"}, InvalidLoss),
        ({"status": "ok", "loss": None}, InvalidLoss),
        ([1, 2], InvalidLoss),
    ],
)
def test_a_result_that_no_search_can_use_is_a_clear_error(
    returned: Any, error: type[Exception], trials: Trials
) -> None:
    with pytest.raises(error, match=r"loss|returned|status"):
        quiet(lambda _: returned, SPACE, max_evals=2, trials=trials, rstate=0)
    assert trials.experiment.trials[0].state == "failed"


def test_a_large_attachment_comes_back(trials: Trials) -> None:
    content = bytes(range(256)) * 4000
    quiet(
        lambda _: {"status": "ok", "loss": 1.0, "attachments": {"model": content}},
        SPACE,
        max_evals=1,
        trials=trials,
        rstate=0,
    )
    assert trials.trial_attachments(trials.trials[0])["model"] == content
    trials.attachments["notes"] = b"about all"
    assert trials.attachments["notes"] == b"about all"
    del trials.attachments["notes"]
    assert "notes" not in trials.attachments
