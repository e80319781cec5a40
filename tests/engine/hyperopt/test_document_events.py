"""What users insert and change in hyperopt's documents becomes events; in memory and in a real MongoDB."""

import copy
import datetime as dt
import pickle
import warnings
from typing import Any

import cloudpickle
import numpy as np
import pytest

import hstore
from hstore import Domain, MongoTrials, Store, Trials, anneal, base, fmin, hp, rand, space_eval, tpe, trials_from_docs
from hstore.engine.algorithms.history import History
from hstore.engine.audit.check import check
from hstore.exceptions import InvalidTrial
from hstore.store.events import Reserved, Running

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def document(trials: Trials, tid: int, x: float, state: int = 0, **result: Any) -> dict[str, Any]:
    """A document of a trial at x and the option "a"."""
    misc = {"tid": tid, "cmd": None, "idxs": {"x": [tid], "c": [tid], "y": []}, "vals": {"x": [x], "c": [0], "y": []}}
    (doc,) = trials.new_trial_docs([tid], [None], [result or {"status": "new"}], [misc])
    return {**doc, "state": state}


def kinds(trials: Trials, number: int) -> list[str]:
    return [event.type for event in trials.experiment.chain(number)]


def is_sound(trials: Trials) -> bool:
    return not check(trials.experiment.store, trials.experiment.name)


class Asked:
    """A program that asks and tells by hyperopt's inner protocol, several trials under way at once."""

    def __init__(self, trials: Trials, algo: Any) -> None:
        self.trials, self.algo = trials, algo
        self.domain = Domain(lambda _: 0.0, SPACE)
        self.rng = np.random.default_rng(0)

    def ask(self, state: int = base.JOB_STATE_RUNNING) -> tuple[int, Any]:
        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        docs = self.algo(ids, self.domain, self.trials, int(self.rng.integers(2**31 - 1)))
        docs[0]["state"] = state
        self.trials.insert_trial_docs(docs)
        self.trials.refresh()
        return docs[0]["tid"], space_eval(SPACE, base.spec_from_misc(docs[0]["misc"]))

    def tell(self, tid: int, state: int = base.JOB_STATE_DONE, **result: Any) -> None:
        for doc in self.trials._dynamic_trials:
            if doc["tid"] == tid:
                doc["state"] = state
                doc["result"] = result
        self.trials.refresh()


# -- asking and telling ---------------------------------------------------------------------------------------


@pytest.mark.covers("base.Trials.new_trial_ids", "base.Trials.insert_trial_docs", "base.Trials.refresh")
def test_programs_that_ask_and_tell_write_the_log_of_a_search(trials: Trials) -> None:
    algo = anneal.suggest if isinstance(trials, MongoTrials) else tpe.suggest
    program = Asked(trials, algo)
    under_way: list[tuple[int, Any]] = []
    for _ in range(24):
        under_way.append(program.ask())
        if len(under_way) == 3:
            tid, config = under_way.pop(0)
            program.tell(tid, status="ok", loss=square(config))
    program.tell(under_way[0][0], status="fail")
    assert trials.tids == list(range(24))
    assert trials.experiment.state.counts == {"done": 23, "running": 1}
    assert kinds(trials, 0) == ["queued", "reserved", "running", "done"]
    assert trials.statuses()[-3:] == ["ok", "fail", "new"]
    assert trials.best_trial["tid"] == trials.experiment.best.tid
    assert is_sound(trials)


def test_a_suggestion_sees_pending_trials_as_pending(trials: Trials) -> None:
    seen: list[History] = []

    def spy(ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        seen.append(trials.history(domain.space).copy())
        return rand.suggest(ids, domain, trials, seed)

    program = Asked(trials, spy)
    program.ask()
    program.ask(base.JOB_STATE_NEW)
    program.tell(0, status="ok", loss=3.0)
    program.ask()
    assert [history.losses.tolist() for history in seen] == [[], [np.inf], [3.0, np.inf]]
    program.tell(1, status="ok", loss=2.0)  # of a trial that nobody said was begun
    assert kinds(trials, 1) == ["queued", "reserved", "running", "done"]


def test_the_history_is_kept_and_grows_by_the_news() -> None:
    trials = Trials()
    program = Asked(trials, rand.suggest)
    program.ask()
    history = trials.history(program.domain.space)
    program.ask()
    program.tell(0, status="ok", loss=1.0)
    assert trials.history(program.domain.space) is history
    assert history.losses.tolist() == [1.0, np.inf]
    assert trials.history(Domain(square, SPACE).space).losses.tolist() == [1.0, np.inf]


def test_suggestions_by_hand_are_those_of_hyperopt_by_hand() -> None:
    found = []
    for library in (hyperopt, hstore):
        domain = library.Domain(square, {"x": library.hp.uniform("x", -2, 2), "n": library.hp.randint("n", 5)})
        trials, rng, under_way = library.Trials(), np.random.default_rng(3), []
        for _ in range(30):
            ids = trials.new_trial_ids(1)
            trials.refresh()
            docs = library.tpe.suggest(ids, domain, trials, int(rng.integers(2**31 - 1)), n_startup_jobs=5)
            docs[0]["state"] = 1
            trials.insert_trial_docs(docs)
            trials.refresh()
            under_way.append(trials._dynamic_trials[-1])
            if len(under_way) == 4:
                doc = under_way.pop(1)
                doc["state"], doc["result"] = 2, {"status": "ok", "loss": doc["misc"]["vals"]["x"][0] ** 2}
                trials.refresh()
        found.append((trials.vals, trials.losses(), trials.argmin))
    assert found[0] == found[1]


def test_each_state_that_a_document_can_be_changed_to_has_its_events() -> None:
    trials = Trials()
    program = Asked(trials, rand.suggest)
    for _ in range(5):
        program.ask(base.JOB_STATE_NEW)
    docs = {doc["tid"]: doc for doc in trials.trials}
    docs[0]["state"] = docs[1]["state"] = docs[3]["state"] = base.JOB_STATE_RUNNING
    docs[0]["result"] = {"status": "ok", "loss": 5.0}
    trials.refresh()
    docs[1]["state"], docs[1]["misc"]["error"] = base.JOB_STATE_ERROR, ("<class 'ValueError'>", "five")
    docs[2]["state"] = base.JOB_STATE_CANCEL
    docs[3]["state"] = base.JOB_STATE_NEW
    trials.refresh()
    assert kinds(trials, 0) == ["queued", "reserved", "running", "reported"]
    assert kinds(trials, 1) == ["queued", "reserved", "running", "failed"]
    assert kinds(trials, 2) == ["queued", "cancelled"]
    assert kinds(trials, 3) == ["queued", "reserved", "running", "requeued"]
    assert kinds(trials, 4) == ["queued"]
    assert trials.tids == [0, 3, 4]
    assert [doc["misc"]["error"] for doc in trials.errors] == [("<class 'ValueError'>", "five")]
    assert trials.count_by_state_unsynced([base.JOB_STATE_ERROR, base.JOB_STATE_CANCEL]) == 2
    docs[0]["state"] = base.JOB_STATE_DONE
    trials.refresh()
    docs[0]["state"] = 7  # one that has ended is only a document from then on
    trials.refresh()
    assert kinds(trials, 0)[-1] == "done"
    docs[4]["state"] = 7
    with pytest.raises(InvalidTrial, match="state"):
        trials.refresh()


def test_fmin_goes_on_where_a_program_that_asked_and_told_stopped(trials: Trials) -> None:
    program = Asked(trials, rand.suggest)
    for _ in range(3):
        tid, config = program.ask()
        program.tell(tid, status="ok", loss=square(config))
    program.ask()  # is never told: its evaluation is begun again
    fmin(square, SPACE, max_evals=6, trials=trials, rstate=0, verbose=False)
    assert trials.tids == list(range(6))
    assert trials.statuses() == ["ok"] * 6
    assert trials.experiment.trials[3].attempt == 2
    assert is_sound(trials)


def test_a_program_that_writes_documents_of_its_own_at_their_ends() -> None:
    """As NNI's tuner does: ids in one order, ends in another, and the suggested documents are never inserted."""
    for library in (hyperopt, hstore):
        domain = library.Domain(square, {"x": library.hp.uniform("x", -2, 2)})
        trials, rng = library.Trials(), np.random.default_rng(0)
        asked = {}
        for _ in range(3):
            ids = trials.new_trial_ids(1)
            trials.refresh()
            asked[ids[0]] = library.rand.suggest(ids, domain, trials, int(rng.integers(2**31 - 1)))[0]["misc"]["vals"]
        for tid in (2, 0, 1):
            miscs = [{"tid": tid, "cmd": domain.cmd, "workdir": domain.workdir}]
            idxs = {label: [tid] for label in asked[tid]}
            library.base.miscs_update_idxs_vals(miscs, idxs, asked[tid], assert_all_vals_used=False)
            doc = trials.new_trial_docs([tid], [None], [domain.new_result()], miscs)[0]
            doc["result"], doc["state"] = {"loss": float(tid), "status": "ok"}, base.JOB_STATE_DONE
            trials.insert_trial_docs([doc])
            trials.refresh()
        found = (trials.tids, trials.losses(), trials.argmin, trials.new_trial_ids(1))
        assert found == ([2, 0, 1], [2.0, 0.0, 1.0], {"x": asked[0]["x"][0]}, [3])
    assert trials.experiment.state.counts == {"done": 3}
    assert is_sound(trials)


def test_a_program_that_holds_trials_by_their_tids_and_stamps_them() -> None:
    """As Ray Tune's searcher does: trials stay new until their ends, found among `trials` by tid each time."""
    for library in (hyperopt, hstore):
        domain = library.Domain(lambda config: config, {"x": library.hp.uniform("x", -2, 2)})
        trials = library.Trials()
        for tid in range(3):
            ids = trials.new_trial_ids(1)
            trials.refresh()
            trials.insert_trial_docs(library.tpe.suggest(ids, domain, trials, tid))
            trials.refresh()
            (doc,) = (doc for doc in trials.trials if doc["tid"] == tid)
            library.Ctrl(trials, current_trial=doc)
            doc["book_time"] = doc["refresh_time"] = dt.datetime(2026, 11, 21)
            trials.refresh()
            if tid == 1:
                doc["state"], doc["misc"]["error"] = base.JOB_STATE_ERROR, ("TuneError", "Tune Error")
            else:
                doc["state"], doc["result"] = base.JOB_STATE_DONE, {"loss": float(tid), "status": "ok"}
            trials.refresh()
        twin = cloudpickle.loads(cloudpickle.dumps(trials))
        assert (twin.tids, twin.losses(), twin.count_by_state_unsynced(base.JOB_STATE_ERROR)) == ([0, 2], [0.0, 2.0], 1)
    assert trials.errors[0]["misc"]["error"] == ("<class 'TuneError'>", "Tune Error")
    assert is_sound(trials)


# -- inserting ------------------------------------------------------------------------------------------------


@pytest.mark.covers("base.Trials.insert_trial_doc", "base.Trials.new_trial_docs", "base.trials_from_docs")
def test_documents_of_one_search_are_inserted_into_another() -> None:
    first = Trials()
    fmin(square, SPACE, max_evals=8, trials=first, rstate=1, verbose=False)
    warm = trials_from_docs(first.trials)
    assert (warm.losses(), warm.vals, warm.argmin) == (first.losses(), first.vals, first.argmin)
    assert warm.trials[0] is not first.trials[0]
    assert trials_from_docs(first.trials, validate=False).trials[0] is first.trials[0]
    fmin(square, SPACE, max_evals=12, trials=warm, rstate=2, verbose=False)
    assert warm.tids == list(range(12))
    assert warm.losses()[:8] == first.losses()
    assert warm.experiment.state.counts == {"done": 12}
    assert [trial.queued.source for trial in warm.experiment.trials][7:9] == ["inserted", "suggested"]  # type: ignore[union-attr]
    assert warm.trials[0]["book_time"] == first.trials[0]["book_time"]
    assert is_sound(warm)


@pytest.mark.covers("base.Trials.trials")
def test_what_is_inserted_is_seen_after_a_refresh_and_evaluated_by_fmin(trials: Trials) -> None:
    trials.history(Domain(square, SPACE).space)
    assert trials.insert_trial_docs([document(trials, 0, 1.5), document(trials, 1, 0.5)]) == [0, 1]
    assert trials.trials == []
    trials.refresh()
    assert trials.statuses() == ["new", "new"]
    fmin(square, SPACE, max_evals=2, trials=trials, rstate=0, verbose=False)
    assert trials.losses() == [2.25, 0.25]
    assert is_sound(trials)


@pytest.mark.parametrize("is_point_first", [True, False])
def test_points_and_documents_that_wait_for_a_space_keep_their_tids(is_point_first: bool) -> None:
    trials = Trials()
    if is_point_first:
        trials.enqueue([{"x": 0.5, "c": "a"}])
    trials.insert_trial_docs([document(trials, trials.new_trial_ids(1)[0], 1.0, 2, status="ok", loss=7.0)])
    if not is_point_first:
        trials.enqueue([{"x": 0.5, "c": "a"}])
    trials.refresh()
    statuses = trials.statuses()
    fmin(square, SPACE, max_evals=3, trials=trials, rstate=0, verbose=False)
    assert trials.tids == [0, 1, 2]
    assert statuses == (["new", "ok"] if is_point_first else ["ok", "new"])
    assert trials.losses()[:2] == ([0.25, 7.0] if is_point_first else [7.0, 0.25])
    assert is_sound(trials)


def test_tids_of_inserted_documents_are_kept_whatever_their_order_and_gaps(trials: Trials) -> None:
    trials.history(Domain(square, SPACE).space)
    given = [document(trials, tid, 1.0, 2, status="ok", loss=tid) for tid in (7, 3, 5)]
    trials.insert_trial_docs(given)
    assert trials.new_trial_ids(2) == [8, 9]
    trials.refresh()
    assert trials.tids == [7, 3, 5]
    trials.trial_attachments(trials.trials[1])["a"] = b"three"
    assert [list(trial.attachments) for trial in trials.experiment.trials] == [[], ["a"], []]
    again = copy.deepcopy(trials)
    again.refresh()
    assert (again.tids, again.losses()) == ([7, 3, 5], [7, 3, 5])
    assert is_sound(trials)


def test_trials_are_matched_to_a_changed_space_by_label() -> None:
    trials = Trials()
    misc = {"tid": 0, "cmd": None, "idxs": {"x": [0], "old": [0]}, "vals": {"x": [9.0], "old": [3]}}
    (doc,) = trials.new_trial_docs([0], [None], [{"status": "ok", "loss": 1.0}], [misc])
    trials.insert_trial_docs([{**doc, "state": 2}])
    trials.refresh()
    fmin(square, SPACE, max_evals=25, trials=trials, rstate=0, verbose=False)
    assert trials.experiment.trials[0].point == {"x": 9.0}
    assert trials.trials[0]["misc"]["vals"] == {"x": [9.0], "old": [3]}
    assert len(trials) == 25
    assert is_sound(trials)


def test_a_search_in_mongo_takes_documents_before_it_has_a_space(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="early")
    trials.insert_trial_docs([document(trials, tid, 0.5, 2, status="ok", loss=1.0) for tid in range(30)])
    other = MongoTrials(mongo_store, exp_key="early")
    assert (len(other), other.argmin) == (30, {"c": 0, "x": 0.5})
    with pytest.raises(hstore.errors.SpaceChanged, match="without its space") as refused:
        fmin(square, SPACE, max_evals=31, rstate=0, trials=other, verbose=False)
    assert 'warm_start="early"' in str(refused.value.hint)


@pytest.mark.covers("base.Trials.assert_valid_trial", "exceptions.InvalidTrial")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda doc: 3, "dict-like 3"),
        (lambda doc: {}, "missing key tid"),
        (lambda doc: {**doc, "misc": {"tid": 0}}, "missing key cmd"),
        (lambda doc: {**doc, "tid": 1}, "mismatch"),
        (lambda doc: {**doc, "exp_key": "other"}, "exp_key"),
        (lambda doc: {**doc, "state": 9}, "state"),
        (lambda doc: {**doc, "result": None}, "result"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"x": [1, 2]}}}, "more than one value of x"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"c": [5]}}}, "c: 5 is out of range, choice"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"x": ["a"]}}}, "not a number"),
    ],
)
def test_a_document_that_is_none_of_a_trial_is_refused(change: Any, told: str) -> None:
    trials = Trials()
    trials.history(Domain(square, SPACE).space)
    good = document(trials, 0, 1.0)
    with pytest.raises(InvalidTrial, match=told):
        trials.insert_trial_docs([good, change(good)])
    assert trials._dynamic_trials == []


@pytest.mark.covers("base.Trials.source_trial_docs")
def test_documents_derived_from_others_say_so() -> None:
    trials = Trials()
    fmin(square, SPACE, rand.suggest, 1, trials=trials, rstate=0, verbose=False)
    misc = {"idxs": {"x": [1], "c": [1], "y": []}, "vals": {"x": [0.0], "c": [0], "y": []}}
    docs = trials.source_trial_docs([1], [None], [{"status": "ok", "loss": 0.0}], [misc], trials.trials[:1])
    trials.insert_trial_docs(docs)
    trials.refresh()
    assert trials.trials[1]["misc"]["from_tid"] == 0
    assert trials.trials[1]["state"] == base.JOB_STATE_DONE
    assert trials.argmin == {"x": 0.0, "c": 0}


def test_documents_that_were_put_into_the_inner_list_are_taken_in() -> None:
    trials = Trials()
    trials.history(Domain(square, SPACE).space)
    trials._dynamic_trials.append(document(trials, 0, 1.0, 2, status="ok", loss=1.0))
    trials.refresh()
    assert trials.experiment.state.counts == {"done": 1}
    assert trials.losses() == [1.0]


def test_another_writer_comes_first_and_nothing_is_lost(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = (MongoTrials(mongo_store, exp_key="raced") for _ in range(2))
    space = Domain(square, SPACE).space
    for trials in (mine, other):
        trials.history(space)
    append = mongo_store.log.append
    raced: list[bool] = []

    def late(events: Any, **how: Any) -> None:
        if not raced and events[0].type == "queued":
            raced.append(True)
            other.refresh()
            other.insert_trial_docs([document(other, 0, 2.0, 2, status="ok", loss=4.0)])
        append(events, **how)

    mine.insert_trial_docs([document(mine, 0, 1.5, 1)])
    monkeypatch.setattr(mongo_store.log, "append", late)
    mine.insert_trial_docs([document(mine, tid, 1.0, 2, status="ok", loss=1.0) for tid in (1, 2)])
    monkeypatch.undo()
    mine.refresh()
    assert mine.losses() == [None, 4.0, 1.0, 1.0]
    assert is_sound(mine)


def test_what_is_told_of_a_trial_that_another_process_has_is_taken_over_or_noted(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = (MongoTrials(mongo_store, exp_key="taken") for _ in range(2))
    mine.history(Domain(square, SPACE).space)
    mine.insert_trial_docs([document(mine, tid, 1.0) for tid in range(2)])
    for trials in (mine, other):
        trials.refresh()
    others: Any = {"worker": "host:1:w", "host": "host", "attempt": 1}
    running: Any = {"pid": 1, "python": "3", "hstore": "0"}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("hstore.store.composing.author", lambda: "host:1:w")
        claims = [(kind, tid, data) for tid in range(2) for kind, data in ((Reserved, others), (Running, running))]
        other.experiment.append(other.experiment.compose(*claims))
    other.refresh()
    other.trials[1].update(state=base.JOB_STATE_DONE, result={"status": "ok", "loss": 2.0})
    other.refresh()
    for doc in mine.trials:
        doc.update(state=base.JOB_STATE_DONE, result={"status": "ok", "loss": 1.0})
    mine.refresh()
    assert kinds(mine, 0)[2:] == ["running", "requeued", "reserved", "running", "done"]
    assert mine.losses() == [1.0, 2.0]
    late = mine.experiment.trials[1].notes[-1].late
    assert late is not None
    assert late["loss"] == 1.0
    assert [finding.kind for finding in check(mongo_store, "taken")] == []


# -- keeping and letting go -----------------------------------------------------------------------------------


def test_trials_travel_as_pickles_and_go_on(trials: Trials) -> None:
    by: Any = cloudpickle if isinstance(trials, MongoTrials) else pickle
    program = Asked(trials, rand.suggest)
    program.ask()
    twin = by.loads(by.dumps(trials))
    assert (twin.vals, twin.exp_key) == (trials.vals, trials.exp_key)
    there = Asked(twin, rand.suggest)
    there.tell(0, status="ok", loss=1.0)
    assert twin.losses() == [1.0]
    assert kinds(twin, 0)[-1] == "done"
    if isinstance(trials, MongoTrials):
        trials.refresh()
        assert trials.losses() == [1.0]
    else:
        assert trials.losses() == [None]


@pytest.mark.covers("base.Trials.delete_all", "mongoexp.MongoTrials.delete_all")
def test_delete_all_empties_the_view_and_numbering_goes_on(trials: Trials) -> None:
    fmin(square, SPACE, max_evals=3, trials=trials, rstate=0, verbose=False)
    trials.attachments["notes"] = b"all"
    trials.delete_all()
    assert (len(trials), trials.trials, list(trials.attachments)) == (0, [], [])
    assert trials.count_by_state_unsynced(base.JOB_STATES) == 0
    assert trials.new_trial_ids(1) == [3]
    fmin(square, SPACE, max_evals=4, trials=trials, rstate=1, verbose=False)
    assert len(trials) == 4
    assert trials.tids in ([3, 4, 5, 6], [4, 5, 6, 7])  # in memory, as in hyperopt, the id that was asked for is spent
    assert is_sound(trials)


@pytest.mark.covers("mongoexp.MongoTrials.delete_all")
def test_delete_all_with_a_condition_takes_only_what_meets_it(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="some")
    trials.history(Domain(square, SPACE).space)
    docs = [document(trials, tid, 1.0, 2, status=status, loss=1.0) for tid, status in enumerate(("ok", "fail", "ok"))]
    trials.insert_trial_docs([*docs, document(trials, 3, 1.0, 1)])
    trials.delete_all({"result.status": "fail"})
    assert trials.tids == [0, 2, 3]
    trials.delete_all({"state": 1})
    assert MongoTrials(mongo_store, exp_key="some").tids == [0, 2]
    assert [event.type for event in trials.experiment.chain(3)][-2:] == ["cancelled", "noted"]
    assert is_sound(trials)
