"""When a worker takes no more trials, why, and with which exit code."""

import signal
import threading
from typing import Any

import pytest

from hstore.workers.leaving import Leaving
from hstore.workers.worker_options import WorkerOptions


def leaving(**options: Any) -> Leaving:
    return Leaving(WorkerOptions(**options), threading.Condition(), on_leave=lambda: None)


def test_no_more_trials_are_allowed_than_max_jobs_even_while_slots_still_ask() -> None:
    worker = leaving(max_jobs=2)
    assert [worker.may_take() for _ in range(3)] == [True, True, False]
    worker.took_none()
    assert worker.may_take()
    worker.take()
    worker.take()
    assert not worker.may_take()
    reasons = []
    for holds in (True, False):  # it waits for the last ones
        worker.check(holds=holds)
        reasons.append(worker.why)
    assert (reasons, worker.code) == ([None, "--max-jobs reached"], 0)


def test_only_failures_in_a_row_count() -> None:
    worker = leaving(max_consecutive_failures=2)
    for kind in ("failed", "done", "timeout", "aborted"):
        worker.count_end(kind)
    assert worker.why is None
    worker.count_end("failed")
    assert worker.code == 8
    assert worker.why is not None
    assert "2 trials failed in a row" in worker.why


def test_a_first_signal_gives_grace_and_a_second_one_none() -> None:
    worker = leaving(grace=600.0)
    assert worker.stop(signal.SIGTERM) == 600.0
    assert worker.seconds_overdue() is None
    assert worker.stop(signal.SIGINT) == 0.0
    assert worker.seconds_overdue() is not None
    assert worker.code == 128 + signal.SIGTERM, "that of the first"


def test_a_worker_that_drains_may_be_told_to_stop() -> None:
    worker = leaving(grace=1.0)
    assert worker.stop(signal.SIGUSR1) is None
    assert (worker.why, worker.code, worker.may_take()) == ("drained", 0, False)
    assert worker.stop(signal.SIGINT) == 1.0
    assert (worker.why, worker.code) == ("stopped", 130)


def test_a_worker_whose_parent_has_ended_stops() -> None:
    worker = leaving(parent=-1, grace=5.0)
    worker.check(holds=True)
    assert worker.why is not None
    assert not worker.may_take()


@pytest.mark.parametrize("option", ["max_idle", "max_runtime"])
def test_a_limit_of_no_seconds_is_reached_at_once(option: str) -> None:
    worker = leaving(**{option: 0.0})
    worker.check(holds=False)
    assert worker.why is not None
    assert worker.why.startswith(f"--{option.replace('_', '-')} reached")


def test_a_worker_that_is_loading_an_objective_is_not_idle() -> None:
    worker = leaving(max_idle=0.0)
    assert worker.may_take()
    worker.check(holds=False)
    assert worker.why is None
