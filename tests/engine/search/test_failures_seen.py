"""No failure is silent: a line for each, a count beside the bar, and a reason when no trial has a usable loss."""

import io
import itertools
import logging
import signal
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest

import hstore
from hstore import AllTrialsFailed, fmin, hp, rand
from hstore.engine.hyperopt.trials import Trials
from hstore.store.errors import InvalidValue
from hstore.store.open_store import open_store

SPACE = {"x": hp.uniform("x", 0, 1)}


def fragile(config: dict[str, float]) -> float:
    if config["x"] > 0.4:
        raise ValueError("boom")
    return config["x"]


def divides(config: dict[str, float]) -> float:
    return 1 / 0


def gives_up(config: dict[str, float]) -> dict[str, Any]:
    return {"status": "fail", "loss": None}


def differs(config: dict[str, float]) -> float:
    raise ValueError(f"no file /tmp/{config['x']}.csv")


def dies(config: dict[str, float]) -> float:
    signal.raise_signal(signal.SIGKILL)
    return 0.0


def search(fn: Callable[..., Any], trials: Trials, n: int = 8, **options: Any) -> Any:
    options = {"catch_eval_exceptions": True, "show_progressbar": False, "rstate": 0} | options
    return fmin(fn, SPACE, rand.suggest, n, trials=trials, **options)


def failures(messages: list[str]) -> list[str]:
    return [message for message in messages if message.startswith("trial ")]


def test_each_failure_is_one_line_that_says_where_to_look(trials: Trials, logged: Any) -> None:
    search(fragile, trials)
    failed = [trial.tid for trial in trials.experiment.trials if trial.state == "failed"]
    assert 0 < len(failed) < 8
    hint = "" if type(trials) is Trials else " (see `hstore show searched {}`)"
    lines = [f"trial {tid} failed: ValueError: boom{hint.format(tid)}" for tid in failed]
    assert failures(logged.messages) == lines
    records = [record for record in logged.records if record.getMessage() in lines]
    assert [(record.levelno, record.trial) for record in records] == [(logging.WARNING, tid) for tid in failed]


def test_the_bar_counts_failures_those_of_earlier_calls_included(trials: Trials) -> None:
    calls = itertools.count()

    def every_other(config: dict[str, float]) -> float:
        if next(calls) % 2:
            raise ValueError("boom")
        return config["x"]

    for n in (4, 8):
        with redirect_stderr(io.StringIO()) as shown:
            search(every_other, trials, n=n, show_progressbar=True, rstate=None)
        failed = trials.experiment.state.counts["failed"]
        assert failed
        assert f", {failed} failed]" in shown.getvalue()


def test_a_failure_that_ends_the_search_is_told_as_well(trials: Trials, messages: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        search(divides, trials, catch_eval_exceptions=False)
    (line,) = failures(messages)
    assert line.startswith("trial 0 failed: ZeroDivisionError: division by zero")


def test_a_result_of_status_fail_is_a_failure(trials: Trials, messages: list[str]) -> None:
    with pytest.raises(AllTrialsFailed, match=r"\(3 failed; most frequent error, 3 times: its result has the status"):
        search(gives_up, trials, n=3)
    assert len(failures(messages)) == 3


def test_a_trial_that_was_pruned_did_not_fail(trials: Trials, messages: list[str]) -> None:
    def hopeless(config: dict[str, float]) -> float:
        raise hstore.Pruned

    with pytest.raises(AllTrialsFailed, match=r"usable loss$"):
        search(hopeless, trials, n=3)
    assert failures(messages) == []


@pytest.mark.parametrize("objectives", [None, 2])
@pytest.mark.parametrize("return_argmin", [True, False])
def test_when_all_fail_the_most_frequent_error_is_quoted(
    trials: Trials, objectives: int | None, return_argmin: bool
) -> None:
    quoted = r"no trial finished with a usable loss \(3 failed; most frequent error, 3 times: ZeroDivisionError: div"
    with pytest.raises(AllTrialsFailed, match=quoted):
        search(divides, trials, n=3, objectives=objectives, return_argmin=return_argmin)


def test_a_quoted_error_steers_no_terminal(trials: Trials) -> None:
    def hostile(config: Any) -> float:
        raise ValueError("\x1b]0;owned\x07 \u202e no")

    with pytest.raises(AllTrialsFailed) as failed:
        search(hostile, trials, n=1)
    assert r"ValueError: \x1b]0;owned\x07 \u202e no" in str(failed.value)


def test_errors_that_differ_in_numbers_only_are_one_error(trials: Trials) -> None:
    with pytest.raises(AllTrialsFailed, match=r"most frequent error, 3 times: ValueError: no file /tmp/0\.\d+\.csv"):
        search(differs, trials, n=3)


@pytest.mark.parametrize("loss", [float("nan"), {"status": "ok", "loss": 1.0, "constraints": [1.0]}])
def test_losses_that_cannot_be_used_are_counted_too(trials: Trials, loss: Any) -> None:
    with pytest.raises(AllTrialsFailed, match=r"\(3 (returned the loss nan|violated a constraint)\)"):
        search(lambda _: loss, trials, n=3)


def test_the_third_equal_failure_at_the_start_casts_doubt_on_the_objective(trials: Trials, messages: list[str]) -> None:
    with pytest.raises(AllTrialsFailed):
        search(differs, trials, n=5)
    (doubt,) = [message for message in messages if "something is probably wrong" in message]
    assert doubt.startswith("the first 3 trials all failed with the same error")
    assert messages.index(doubt) == messages.index(failures(messages)[2]) + 1


@pytest.mark.parametrize("outcomes", [[1.0, None, None, None], [ValueError, KeyError, None, None]])
def test_failures_after_a_success_or_of_several_kinds_do_not(
    trials: Trials, messages: list[str], outcomes: list[Any]
) -> None:
    left = iter(outcomes)

    def scripted(config: dict[str, float]) -> float:
        if isinstance(outcome := next(left), float):
            return outcome
        raise (outcome or ValueError)("no")

    with pytest.raises(AllTrialsFailed) if outcomes[0] is ValueError else redirect_stderr(None):
        search(scripted, trials, n=4)
    assert not [message for message in messages if "probably wrong" in message]


def test_a_search_stops_after_so_many_failures_in_a_row_and_the_same_call_continues(trials: Trials) -> None:
    is_mended = False

    def breaks(config: dict[str, float]) -> float:
        if len(trials.experiment.state.trials) > 2 and not is_mended:
            raise OSError("the disk is full")
        return config["x"]

    search(breaks, trials, n=20, max_consecutive_failures=4)
    state = trials.experiment.state
    assert (len(state.trials), state.status, state.why) == (6, "finished", "max_consecutive_failures")
    is_mended = True
    search(breaks, trials, n=20, max_consecutive_failures=4, rstate=None)
    assert (state.status, state.why, state.counts["failed"]) == ("finished", "max_evals", 4)


def test_failures_with_successes_between_do_not_stop_it(trials: Trials) -> None:
    search(fragile, trials, n=20, max_consecutive_failures=20)
    assert trials.experiment.state.why == "max_evals"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
def test_a_number_of_failures_is_at_least_one(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match="max_consecutive_failures must be a whole number of at least 1"):
        search(fragile, Trials(), max_consecutive_failures=wrong)


@pytest.mark.parametrize(
    ("fn", "objectives"),
    [
        (divides, None), (dies, 2),
        *(pytest.param(*case, marks=pytest.mark.long) for case in ((divides, 2), (dies, None))),
    ],
)  # fmt: skip
def test_failures_in_workers_are_told_once(
    mongo_url: str, messages: list[str], capfd: pytest.CaptureFixture[str], fn: Callable[..., Any], objectives: Any
) -> None:
    with pytest.raises(AllTrialsFailed, match="3 failed; most frequent error, 3 times: "):
        fmin(
            fn, SPACE, rand.suggest, 3, experiment="broken", store=mongo_url, workers=1, objectives=objectives,
            show_progressbar=False,
        )  # fmt: skip
    error = "ZeroDivisionError: division by zero" if fn is divides else "ChildDied: its process was killed by SIGKILL"
    assert len(failures(messages)) == 3
    for tid, line in enumerate(failures(messages)):
        assert line.startswith(f"trial {tid} failed: {error}")
        assert line.endswith(f"(see `hstore show broken {tid}`)")
    assert "failed:" not in capfd.readouterr().err  # of the worker: the call has told it


@pytest.mark.long
def test_a_search_with_workers_stops_after_failures_in_a_row(mongo_url: str, tmp_path: Path) -> None:
    with pytest.raises(AllTrialsFailed):
        fmin(
            divides, SPACE, rand.suggest, 500, experiment="broken", store=mongo_url, workers=1, verbose=False,
            max_consecutive_failures=3,
        )  # fmt: skip
    with open_store(mongo_url) as store:
        state = store.experiment("broken").state
        assert state.why == "max_consecutive_failures"
        assert not state.open
        assert state.counts["failed"] < 100
