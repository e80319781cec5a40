"""A document of hyperopt's says what some events say."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from bson import ObjectId

from hstore import hp
from hstore.engine.hyperopt.importing.jobs import Job, events_to_import, is_to_do, key_of, point_of, read_job
from hstore.engine.space import Space, compile_space
from hstore.store.errors import BadSearchSpace, InvalidValue
from hstore.store.events import Cancelled, Done, Failed, Noted, Queued, Reported, Requeued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.store import Store

NEW, RUNNING, DONE, ERROR, CANCEL = range(5)
BEGAN = dt.datetime(2014, 3, 1, 12, 0, 0, 250_000)
ENDED = BEGAN + dt.timedelta(seconds=90)


def document(state: int = DONE, **fields: Any) -> dict[str, Any]:
    return {
        "_id": ObjectId("5311b9c0a0a0a0a0a0a0a0a0"), "tid": 4, "state": state, "spec": None, "exp_key": "digits",
        "result": {"status": "ok", "loss": 0.5} if state == DONE else {"status": "new"}, "version": 3,
        "owner": ["node7:4321"] if state else None, "book_time": BEGAN if state else None,
        "refresh_time": ENDED if state else None,
        "misc": {"tid": 4, "cmd": ["domain_attachment", "FMinIter_Domain"], "workdir": None,
                 "idxs": {"x": [4], "n": []}, "vals": {"x": [0.5], "n": []}},
        **fields,
    }  # fmt: skip


def drafted(job: Job, **more: Any) -> list[tuple[type, Mapping[str, Any]]]:
    arguments: dict[str, Any] = {"trial": None, "space": None, "observed": [], "attachments": [], **more}
    pending = events_to_import(job, 0, **arguments)
    assert all(tid == 0 for _, tid, _ in pending)
    return [(kind, data) for kind, _, data in pending]


def aware(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


def test_a_job_that_is_done_was_queued_reserved_running_and_done() -> None:
    (_, queued), (_, reserved), (_, running), (_, done) = events = drafted(read_job(document()))
    assert [kind for kind, _ in events] == [Queued, Reserved, Running, Done]
    assert queued["point"] == queued["params"] == {"x": 0.5}
    assert (queued["source"], queued["imported"]["tid"]) == ("imported", 4)
    assert (reserved["worker"], reserved["host"], running["pid"]) == ("node7:4321", "node7", 4321)
    assert (done["loss"], done["status"], done["duration"]) == (0.5, "ok", 90.0)


def test_times_are_those_of_hyperopt_in_utc_and_to_the_millisecond() -> None:
    (_, queued), (_, reserved), (_, running), (_, done) = drafted(read_job(document()))
    assert queued["imported"]["at"] == ObjectId("5311b9c0a0a0a0a0a0a0a0a0").generation_time
    assert reserved["imported"] == running["imported"] == {"at": aware(BEGAN)}
    assert done["imported"] == {"at": aware(ENDED)}


def test_a_job_that_raised_has_failed_with_type_and_message() -> None:
    for error in ({"error": ["<class 'ValueError'>", "too large"]},
                  {"misc": {**document()["misc"], "error": ("<class 'ValueError'>", "too large")}}):  # fmt: skip
        kind, failed = drafted(read_job(document(ERROR, **error)))[-1]
        assert kind is Failed
        assert (failed["error"], failed["message"], failed["final"]) == ("ValueError", "too large", True)


def test_a_failure_that_was_not_explained_is_one_of_an_unknown_kind() -> None:
    _, failed = drafted(read_job(document(ERROR)))[-1]
    assert (failed["error"], failed["message"]) == ("unknown", "")


def test_a_job_that_is_running_is_queued_again_and_its_checkpoint_is_kept() -> None:
    job = read_job(document(RUNNING, result={"status": "running", "loss": 3.0}))
    events = drafted(job)
    assert [kind for kind, _ in events] == [Queued, Reserved, Running, Reported, Requeued]
    assert events[3][1]["result"]["loss"] == 3.0


def test_a_new_job_is_queued_and_a_cancelled_one_cancelled() -> None:
    assert [kind for kind, _ in drafted(read_job(document(NEW)))] == [Queued]
    assert [kind for kind, _ in drafted(read_job(document(CANCEL)))] == [Queued, Reserved, Running, Cancelled]
    never_begun = read_job(document(CANCEL, book_time=None))
    assert [kind for kind, _ in drafted(never_begun)] == [Queued, Cancelled]


def test_attachments_are_reported_while_it_ran_or_noted_beside_what_never_did() -> None:
    kept = [{"name": "log", "sha256": b"\1" * 32, "length": 2}]
    assert [kind for kind, _ in drafted(read_job(document()), attachments=kept)][3] is Reported
    assert [kind for kind, _ in drafted(read_job(document(NEW)), attachments=kept)] == [Queued, Noted]


def test_what_no_event_has_a_field_for_is_kept_beside_the_decision() -> None:
    messages: list[str] = []
    job = read_job(
        document(farm=7, when={"started": object()}, result={"status": "ok", "id": ObjectId()}), messages.append
    )
    said = drafted(job)[0][1]["imported"]
    assert said["job"]["farm"] == 7
    assert said["job"]["misc"] == {"cmd": ["domain_attachment", "FMinIter_Domain"], "workdir": None}
    assert len(messages) == 1
    assert "started" in messages[0]
    assert len(drafted(job)[-1][1]["result"]["id"]) == 24


def test_integers_stay_integers_and_mean_what_the_space_says() -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1), "k": hp.choice("k", ["a", {"n": hp.uniformint("n", 1, 9)}])})
    vals = {"vals": {"x": [0.5], "k": [1], "n": [3.0]}}
    data = drafted(read_job(document(misc=vals)), space=space)[0][1]
    assert data["point"] == {"x": 0.5, "k": 1, "n": 3.0}
    assert (type(data["point"]["k"]), type(data["params"]["n"])) == (int, int)


def test_a_label_that_is_inactive_there_is_left_out_of_the_point_and_kept_beside_it() -> None:
    space = compile_space(hp.choice("k", ["a", {"n": hp.uniformint("n", 1, 9)}]))
    data = drafted(read_job(document(misc={"vals": {"k": [0], "n": [3.0]}})), space=space)[0][1]
    assert data["point"] == {"k": 0}
    assert data["imported"]["vals"] == {"k": 0, "n": 3.0}


def test_a_point_outside_the_space_is_refused_by_tid_and_label() -> None:
    with pytest.raises(BadSearchSpace, match=r"tid 4 was not drawn from this space: x=0\.5 is out of range"):
        point_of(read_job(document()), compile_space({"x": hp.uniform("x", 0, 0.25)}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tid": None}, "its tid is no integer"),
        ({"state": 7}, "its state is 7, not 0 to 4"),
        ({"state": "done"}, "its state is 'done'"),
        ({"misc": {}}, "no misc.vals"),
        ({"misc": {"vals": {"x": [1, 2]}}}, "its value of x is .1, 2., not one number"),
        ({"misc": {"vals": {"x": ["relu"]}}}, "its value of x is"),
        ({"result": {"loss": 1.0}}, "its result has no status"),
        ({"result": 0.5}, "its result is no mapping"),
        ({"_attachments": ["log"]}, "its _attachments are no pairs"),
        ({"exp_key": 5}, "its exp_key is 5"),
        ({"exp_key": {"a": 1}}, "its exp_key is"),
    ],
)
def test_what_is_no_job_is_refused_by_name_and_reason(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=f"the job with tid .* {message}"):
        read_job(document(**fields))


# -- a second look --------------------------------------------------------------------------------------------


def trial_of(job: Job, until: int | None = None) -> Experiment:
    """Return an experiment into which the first *until* events of *job* were imported."""
    experiment = Experiment(Store.in_memory(), "digits")
    space: Space = compile_space({"x": hp.uniform("x", 0, 1)})
    experiment.begin({"space": space.to_data(), "objective": {}, "algorithm": {}, "generator": {}, "limits": {},
                      "retries": {}, "fingerprint": {}})  # fmt: skip
    pending = events_to_import(job, 0, trial=None, space=None, observed=[], attachments=[])[:until]
    experiment.append(experiment.compose(*pending))
    return experiment


def rest(job: Job, experiment: Experiment) -> list[type]:
    trial = experiment.state.trials[0]
    if not is_to_do(job, trial, experiment.chain(0)):
        return []
    pending = events_to_import(job, 0, trial=trial, space=None, observed=[], attachments=[])
    experiment.append(experiment.compose(*pending))  # which its chain allows
    return [kind for kind, _, _ in pending]


@pytest.mark.parametrize("state", [NEW, RUNNING, DONE, ERROR, CANCEL])
def test_what_was_imported_is_not_imported_again(state: int) -> None:
    job = read_job(document(state))
    experiment = trial_of(job)
    assert key_of(experiment.state.trials[0].queued) == job.key  # type: ignore[arg-type]
    assert rest(job, experiment) == []


@pytest.mark.parametrize("until", [1, 2, 3])
@pytest.mark.parametrize("state", [RUNNING, DONE, ERROR, CANCEL])
def test_an_import_cut_off_anywhere_comes_to_the_same_end(state: int, until: int) -> None:
    job = read_job(document(state))
    experiment, whole = trial_of(job, until), trial_of(job)
    assert rest(job, experiment) != []
    assert rest(job, experiment) == []
    assert experiment.state.trials[0].state == whole.state.trials[0].state


def test_a_job_that_went_on_meanwhile_is_brought_up_to_date() -> None:
    for state in (NEW, RUNNING):
        assert rest(read_job(document(DONE)), trial_of(read_job(document(state)))) == [Reserved, Running, Done]


def test_what_became_of_a_trial_here_stays() -> None:
    experiment = trial_of(read_job(document(NEW)))
    taken = {"worker": "here", "host": "here", "attempt": 1}
    experiment.append(experiment.compose((Reserved, 0, taken)))
    assert rest(read_job(document(DONE)), experiment) == []
    asked_again = trial_of(read_job(document(ERROR)))
    asked_again.append(asked_again.compose((Requeued, 0, {"why": "retry"})))
    assert rest(read_job(document(ERROR)), asked_again) == []
