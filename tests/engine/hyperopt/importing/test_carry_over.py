"""A search that hyperopt kept becomes an experiment, whole, once, however often the import was interrupted."""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt_store import BEGAN, Jobs, hyperopt_store

from hstore import MongoTrials, fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.evaluation.objective_spec import fetch, prepare
from hstore.engine.hyperopt.importing import carry_over as importing
from hstore.engine.hyperopt.importing.carry_over import Imported, carry_over
from hstore.engine.hyperopt.importing.mongo_source import HyperoptStore
from hstore.engine.hyperopt.importing.source_survey import load_space, survey
from hstore.engine.space import Space, compile_space
from hstore.store.errors import BadSearchSpace, CannotLoad, Conflict, InvalidValue, NotFound, SpaceChanged
from hstore.store.events import Event
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", 0, 1), "n": hp.uniformint("n", 1, 9)}


@pytest.fixture
def jobs(mongo_url: str) -> Iterator[Jobs]:
    with hyperopt_store(mongo_url) as jobs:
        yield jobs


@pytest.fixture
def memory() -> Store:
    """A store that costs nothing, where MongoDB's own ways do not matter."""
    return Store.in_memory()


@pytest.fixture
def source(jobs: Jobs) -> Iterator[HyperoptStore]:
    """hyperopt's store with a search in it."""
    jobs.a_search()
    source = HyperoptStore(jobs.url, timeout=20)
    yield source
    source.close()


def imported(store: Store, source: HyperoptStore, **choice: Any) -> Imported:
    (found,) = survey(source, **choice)
    return carry_over(store, source, found)


def assert_sound(store: Store, name: str) -> None:
    assert check(store, name) == []
    assert verify(store.log.documents(name)).findings == ()


def test_every_job_becomes_a_trial_by_tid(mongo_store: Store, source: HyperoptStore) -> None:
    response = imported(mongo_store, source)
    trials = mongo_store.experiment("digits").trials
    assert [trial.state for trial in trials] == ["done", "failed", "queued", "queued", "cancelled", "done"]
    assert [trial.queued.imported["tid"] for trial in trials] == [3, 5, 6, 8, 9, 11]  # type: ignore[index, union-attr]
    assert trials[0].point == {"x": 0.5, "n": 2.0}
    assert trials[0].result == {"status": "ok", "loss": 1 / 3, "epochs": 7}
    assert type(trials[0].result["epochs"]) is int
    assert (trials[1].error, trials[5].status) == ("ValueError: too large", "fail")
    assert (response.trials, response.new, response.attachments, response.status) == (6, 6, 3, "paused")
    assert_sound(mongo_store, "digits")


def test_attachments_are_copied_and_none_is_unpickled(memory: Store, source: HyperoptStore) -> None:
    imported(memory, source)
    trials = MongoTrials(memory, exp_key="digits")
    assert trials.attachments["FMinIter_Domain"] == b"\x80\x04cos\nsystem\n."
    assert dict(trials.trial_attachments({"tid": 0})) == {"log": b"epoch 1\n", "model": b"\0" * 300_000}
    assert list(trials.trial_attachments({"tid": 1})) == []


def test_the_times_of_hyperopt_are_shown_and_those_of_the_import_kept(
    mongo_store: Store, source: HyperoptStore
) -> None:
    imported(mongo_store, source)
    assert mongo_store.models is not None
    shown = next(document for document in mongo_store.models.shown("digits")[0] if document["tid"] == 0)
    began = (BEGAN + dt.timedelta(seconds=3)).replace(tzinfo=dt.UTC)
    assert (shown["started_at"], shown["duration"]) == (began, 0.5)
    assert shown["ended_at"] == began + dt.timedelta(seconds=0.5)
    assert MongoTrials(mongo_store, exp_key="digits").trials[0]["book_time"] == BEGAN + dt.timedelta(seconds=3)
    written = [event.at for event in mongo_store.experiment("digits").chain(0)]
    assert min(written) > dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_importing_twice_changes_nothing(memory: Store, source: HyperoptStore) -> None:
    imported(memory, source)
    before = list(memory.experiment("digits").documents())
    again = imported(memory, source)
    assert (again.new, again.events, again.attachments) == (0, 0, 0)
    assert list(memory.experiment("digits").documents()) == before


def test_what_is_new_in_hyperopts_store_is_added(mongo_store: Store, source: HyperoptStore, jobs: Jobs) -> None:
    imported(mongo_store, source)
    jobs.database["jobs"].update_one({"tid": 6}, {"$set": {"state": 2, "result": {"status": "ok", "loss": 0.25}}})
    jobs.database["jobs"].update_one({"tid": 8}, {"$set": {"state": 2, "result": {"status": "ok", "loss": 0.125}}})
    jobs.job(12, 2, {"x": 0.5, "n": 1.0})
    response = imported(mongo_store, source)
    assert (response.new, response.states, response.status) == (1, {"done": 5, "failed": 1, "cancelled": 1}, "finished")
    assert mongo_store.experiment("digits").best.tid == 6
    assert_sound(mongo_store, "digits")


class Interrupted(Exception):
    pass


def test_an_import_killed_at_any_event_is_finished_by_the_next(
    memory: Store, source: HyperoptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    (found,) = survey(source)
    append = memory.log.append

    def dying(after: int) -> Any:
        left = after

        def append_some(events: Sequence[Event], **_: Any) -> None:
            nonlocal left
            append(events[: max(0, left)])
            left -= len(events)
            if left < 0:
                raise Interrupted

        return append_some

    memory.log.append = dying(0)  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        carry_over(memory, source, found)
    for step in (1, 1, 3, 2, 1, 1, 4, 2, 1, 5, 3):
        memory.log.append = dying(step)  # type: ignore[method-assign]
        with pytest.raises(Interrupted):
            carry_over(memory, source, found)
    memory.log.append = append  # type: ignore[method-assign]
    shown = carry_over(memory, source, found)
    assert (shown.trials, shown.states) == (6, {"done": 2, "failed": 1, "queued": 2, "cancelled": 1})
    assert len(memory.experiment("digits").state.attachments) == 1
    assert_sound(memory, "digits")


def test_two_imports_at_once_make_one_search(
    memory: Store, source: HyperoptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    (found,) = survey(source)
    append, lost = memory.log.append, []

    def append_second(events: Sequence[Event], **_: Any) -> None:
        memory.log.append = append  # type: ignore[method-assign]
        carry_over(memory, source, found)
        try:
            append(events)
        except Conflict as conflict:
            lost.append(conflict)
            raise

    memory.log.append = append_second  # type: ignore[method-assign]
    assert carry_over(memory, source, found).trials == 6
    assert len(lost) == 1
    assert_sound(memory, "digits")


def test_each_exp_key_becomes_an_experiment_and_jobs_without_one_the_default(
    memory: Store, jobs: Jobs, source: HyperoptStore
) -> None:
    jobs.job(20, 2, {"x": 0.5}, exp_key=None)
    jobs.job(21, 2, {"x": 0.5}, exp_key="letters")
    jobs.share("FMinIter_Domain", b"another", exp_key=None)
    found = {each.name: len(each.outlines) for each in survey(source)}
    assert found == {"default": 1, "digits": 6, "letters": 1}
    imported(memory, source, exp_keys=[""], name="old")
    assert memory.experiments() == ["old"]
    assert list(MongoTrials(memory, exp_key="old").attachments.values()) == [b"another"]
    with pytest.raises(InvalidValue, match="one name will not do for 3 experiments: '', 'digits', 'letters'"):
        survey(source, name="old")
    with pytest.raises(NotFound, match="has no jobs with exp_key 'words'"):
        survey(source, exp_keys=["words", "digits"])


def test_an_experiment_that_is_another_is_left_alone(mongo_store: Store, jobs: Jobs, source: HyperoptStore) -> None:
    fmin(lambda p: p["x"], SPACE, algo=rand.suggest, max_evals=1, verbose=False, experiment="mine", store=mongo_store)
    with pytest.raises(InvalidValue, match="there is an experiment 'mine' already, which was not imported"):
        imported(mongo_store, source, name="mine")
    imported(mongo_store, source)
    jobs.database["jobs"].update_one({"tid": 5}, {"$set": {"misc.vals.x": [0.25]}})
    with pytest.raises(InvalidValue, match="trial 1 of 'digits' was imported from another job with tid 5"):
        imported(mongo_store, source)


def test_an_attachment_that_hyperopt_lost_is_told_and_recorded(
    memory: Store, jobs: Jobs, source: HyperoptStore, messages: list[str]
) -> None:
    jobs.database["fs.chunks"].delete_many({"n": 1})  # of the model
    (found,) = survey(source)
    came = carry_over(memory, source, found)
    trial = memory.experiment("digits").trials[0]
    assert (came.missing, list(trial.attachments)) == (1, ["log"])
    assert trial.queued is not None
    assert trial.queued.imported is not None
    assert trial.queued.imported["missing"] == ["model"]
    assert "attachment 'model' of the job with tid 3" in messages[0]


def test_whoever_changes_what_was_imported_is_found_out(memory: Store, jobs: Jobs) -> None:
    for tid in range(1, 41):
        jobs.job(tid, 2, {"x": tid / 40})
    source = HyperoptStore(jobs.url, timeout=20)
    assert imported(memory, source).status == "finished"
    source.close()
    for tid in (0, 39):  # observed by the decision after its batch, and by the end
        documents = [{**document, "data": dict(document["data"])} for document in memory.log.documents("digits")]
        end = next(document for document in documents if document.get("tid") == tid and document["type"] == "done")
        end["data"]["loss"] = 0.0
        found = [(finding.tid, finding.kind) for finding in verify(documents).findings]
        assert found[0] == (tid, "changed")  # where nothing observed it, the head that the end recorded tells as well


# -- the space ------------------------------------------------------------------------------------------------


def test_without_its_space_a_search_can_be_read_but_not_continued(mongo_store: Store, source: HyperoptStore) -> None:
    imported(mongo_store, source)
    experiment = mongo_store.experiment("digits")
    created = experiment.state.created
    assert created is not None
    space = Space.from_data(created.space)
    assert {label: space.describe(label) for label in space.labels} == {"x": "seen(0.125, 0.875)", "n": "seen(1, 2)"}
    again: dict[str, Any] = {"algo": rand.suggest, "max_evals": 9, "verbose": False, "store": mongo_store}
    with pytest.raises(SpaceChanged, match="was imported without its space"):
        fmin(lambda p: p["x"], SPACE, experiment="digits", **again)
    with pytest.raises(BadSearchSpace, match="the space is not known"):
        fmin(lambda p: p["x"], space, experiment="other", **again)
    with pytest.raises(BadSearchSpace, match="what it is drawn from is not known"):
        space.sample(np.random.default_rng(0))
    objective_spec = fetch({"ref": "os.path:basename"}, created.space, mongo_store.attachments)
    with pytest.raises(CannotLoad, match="imported without it"):
        prepare(objective_spec)
    assert len(MongoTrials(mongo_store, exp_key="digits").history(compile_space(SPACE))) == 6


def test_with_its_space_a_search_goes_on(mongo_store: Store, source: HyperoptStore) -> None:
    imported(mongo_store, source, space=compile_space(SPACE))
    trials = mongo_store.experiment("digits").trials
    assert (trials[0].point["n"], trials[0].params["n"]) == (2.0, 2)
    assert type(trials[0].params["n"]) is int
    fmin(
        lambda p: {"status": "ok", "loss": p["x"], "n": p["n"]}, SPACE, algo=rand.suggest, max_evals=7,
        verbose=False, experiment="digits", store=mongo_store,
    )  # fmt: skip
    *_, fourth, _, _, new = trials = mongo_store.experiment("digits").trials
    assert [trial.state for trial in trials] == ["done", "failed", "done", "done", "cancelled", "done", "done"]
    assert fourth.result == {"status": "ok", "loss": 0.125, "n": 1}
    assert new.queued is not None
    assert new.queued.source == "suggested"
    assert imported(mongo_store, source).events == 0
    assert_sound(mongo_store, "digits")


def test_a_search_that_goes_on_knows_all_that_was_imported(mongo_store: Store, jobs: Jobs) -> None:
    for tid in range(1, 31):
        jobs.job(tid, 2, {"x": tid / 40, "n": 3.0})
    source = HyperoptStore(jobs.url, timeout=20)
    imported(mongo_store, source, space=compile_space(SPACE))
    source.close()
    fmin(lambda p: p["x"], SPACE, max_evals=32, verbose=False, experiment="digits", store=mongo_store)
    experiment = mongo_store.experiment("digits")
    assert [trial.queued.source for trial in experiment.trials[-3:]] == ["imported", "suggested", "suggested"]  # type: ignore[union-attr]
    seen = {tid for trial in experiment.trials for tid, _, _ in trial.queued.observed} | {  # type: ignore[union-attr]
        tid for event in experiment.chain(None) for tid, _, _ in getattr(event, "observed", ())
    }
    assert seen >= set(range(30))
    assert_sound(mongo_store, "digits")  # which derives the last two again from what they knew


def test_a_space_that_it_was_not_searched_in_is_refused_before_anything_is_written(
    memory: Store, source: HyperoptStore
) -> None:
    with pytest.raises(BadSearchSpace, match="tid 3 was not drawn from this space: n: the space has no such label"):
        survey(source, space=compile_space({"x": hp.uniform("x", 0, 1)}))
    imported(memory, source)
    with pytest.raises(SpaceChanged, match="was imported without its space"):
        imported(memory, source, space=compile_space(SPACE))
    imported(memory, source, space=compile_space(SPACE), name="known")
    wider = compile_space({**SPACE, "x": hp.uniform("x", 0, 2)})
    with pytest.raises(SpaceChanged, match="was imported with another space"):
        imported(memory, source, space=wider, name="known")
    assert imported(memory, source, name="known").events == 0


def test_a_space_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_search.py").write_text("from hstore import hp\nSPACE = {'x': hp.uniform('x', 0, 1)}\nEMPTY = {}\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    assert load_space("my_search:SPACE").labels == ("x",)
    with pytest.raises(BadSearchSpace, match="holds no hyperparameters"):
        load_space("my_search:EMPTY")
    with pytest.raises(CannotLoad, match="'my_search' does not name a space"):
        load_space("my_search")


# -- stores that are none -------------------------------------------------------------------------------------


def test_a_store_without_jobs_is_said_to_have_none(mongo_url: str, jobs: Jobs) -> None:
    with pytest.raises(NotFound, match="there is no collection 'jobs'"):
        HyperoptStore(jobs.url, timeout=20)
    jobs.database.create_collection("jobs")
    source = HyperoptStore(jobs.url, timeout=20)
    with pytest.raises(NotFound, match="holds no jobs"):
        survey(source)
    source.close()


def test_documents_that_are_no_jobs_stop_the_import_before_anything_is_written(
    memory: Store, jobs: Jobs, source: HyperoptStore
) -> None:
    jobs.database["jobs"].insert_one({"exp_key": "digits", "tid": 30, "params": {"x": 1}})
    with pytest.raises(InvalidValue, match=r"the job with tid 30 \(_id .*\) is not a valid hyperopt document"):
        imported(memory, source)
    assert memory.experiments() == []


def test_two_jobs_of_one_tid_in_a_file_are_refused() -> None:
    class Twice:
        shown, default_name = "t.pkl", "t"

        def outlines(self) -> Iterator[dict[str, Any]]:
            yield from [{"tid": 1, "state": 0, "misc": {"vals": {}}}] * 2

    with pytest.raises(InvalidValue, match=r"t.pkl holds 2 jobs with tid 1"):
        survey(Twice())  # type: ignore[arg-type]


def test_what_is_found_says_how_much_there_is_to_import(source: HyperoptStore) -> None:
    (found,) = survey(source)
    assert (found.name, found.exp_key, len(found.outlines), found.space) == ("digits", "digits", 6, None)
