"""What hyperopt's states mean in events, whichever program says so."""

import datetime as dt
import uuid
from typing import Any

import pytest

from hstore.engine.hyperopt.job_events import UNKNOWN, Said, aware, end_of, error_of, progress_of
from hstore.store.errors import InvalidTrial
from hstore.store.events import RELEASED, Cancelled, Done, Failed, Queued, Reported, Requeued, TrialNumber
from hstore.store.fold import Trial

NEW, RUNNING, DONE, ERROR, CANCEL = range(5)
OK: dict[str, Any] = {"status": "ok", "loss": 1, "losses": [1.0, 2.0], "constraints": [0.0]}


def test_each_state_of_a_held_trial_has_its_end() -> None:
    assert end_of(Said(state=RUNNING), 3) == []
    assert end_of(Said(state=NEW, why="put back", cause=RELEASED), 3) == [
        (Requeued, 3, {"why": "put back", "cause": RELEASED})
    ]
    assert end_of(Said(state=NEW, why="put back"), 3) == [(Requeued, 3, {"why": "put back"})]
    assert end_of(Said(state=CANCEL, why="enough"), 3) == [(Cancelled, 3, {"why": "enough"})]
    ((_, _, data),) = end_of(Said(state=DONE, result=OK), 3)
    assert data["losses"] is None  # a field like any other beside a loss
    ((kind, tid, data),) = end_of(Said(state=DONE, result=OK, duration=2.0), 3, objectives=2)
    assert (kind, tid, data["loss"], data["losses"], data["duration"]) == (Done, 3, 1.0, [1.0, 2.0], 2.0)
    ((kind, _, data),) = end_of(Said(state=ERROR, error=("ValueError", "no")), 3)
    assert (kind, data["error"], data["message"], data["final"]) == (Failed, "ValueError", "no", True)
    ((_, _, data),) = end_of(Said(state=ERROR), 3)
    assert data["error"] == UNKNOWN
    with pytest.raises(InvalidTrial, match="must be one of"):
        end_of(Said(state=9), 3)


def test_a_result_of_another_program_has_one_loss_whatever_its_keys_are_called() -> None:
    ((_, _, data),) = end_of(Said(state=DONE, result=OK), 0, is_plain=True)
    assert (data["loss"], data["losses"], data["constraints"], data["result"]) == (1.0, None, None, OK)


def test_a_failure_that_the_search_allows_to_be_tried_again_is_requeued() -> None:
    queued = Queued(
        exp="e", tid=0, ver=0, id=uuid.uuid4(), at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), by="", prev=None,
        point={}, params={}, source="suggested", observed=[],
    )  # fmt: skip
    trial = Trial(tid=TrialNumber(0), ver=2, state="running", queued=queued, last=queued)
    pending = end_of(Said(state=ERROR, error=("E", "no")), 0, trial=trial, retries={"failed": 1})
    assert [(kind, data.get("final")) for kind, _, data in pending] == [(Failed, False), (Requeued, None)]
    assert [kind for kind, _, _ in end_of(Said(state=ERROR), 0, trial=trial, retries={})] == [Failed]


def test_what_an_objective_reported_is_a_report_until_it_is_done() -> None:
    for state in (NEW, RUNNING, ERROR, CANCEL):
        assert progress_of(Said(state=state, result=OK), 1) == [(Reported, 1, {"result": OK})]
        assert progress_of(Said(state=state), 1) == []
    assert progress_of(Said(state=DONE, result=OK), 1) == []


def test_events_of_the_past_say_when_it_was() -> None:
    at = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    for state in (NEW, DONE, ERROR, CANCEL):
        ((_, _, data),) = end_of(Said(state=state, result=OK, imported={"at": at}), 0)
        assert data["imported"] == {"at": at}
        ((_, _, data),) = end_of(Said(state=state, result=OK, imported={}), 0)
        assert data["imported"] == {}, "it is known to be imported, though not of when"
        ((_, _, data),) = end_of(Said(state=state, result=OK), 0)
        assert "imported" not in data


def test_errors_and_times_are_read_as_hyperopt_writes_them() -> None:
    assert error_of(("<class 'ValueError'>", "no")) == ("ValueError", "no")
    assert error_of(["", "no"]) == (UNKNOWN, "no")
    assert error_of("no") == (UNKNOWN, "no")
    assert error_of(None) is None
    assert aware(dt.datetime(2026, 1, 2)) == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    assert aware("2026") is None
