"""What users insert and change in hyperopt's documents becomes events; in memory and in a real MongoDB."""

import datetime as dt
import pickle
import warnings
from typing import Any

import cloudpickle
import numpy as np
import pytest
from asking_programs import SPACE, Asked, document, is_sound, kinds, square

import hstore
from hstore import Domain, MongoTrials, Store, Trials, anneal, base, fmin, rand, tpe
from hstore.engine.algorithms.history import History
from hstore.engine.audit.check import check
from hstore.exceptions import InvalidTrial
from hstore.store.events import Reserved, Running

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


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


# -- several who write ----------------------------------------------------------------------------------------


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
