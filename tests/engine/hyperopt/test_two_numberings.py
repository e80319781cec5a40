"""A document's tid and its trial's number in the log differ once documents were inserted or removed; neither is ever
taken for the other."""

from typing import Any

from hstore import Ctrl, MongoTrials, Store, Trials, fmin, hp, rand, tpe
from hstore.engine.audit.check import check
from hstore.engine.hyperopt.documents import JOB_STATE_DONE, JOB_STATE_NEW, DocumentTid
from hstore.engine.hyperopt.mongo_ctrl import MongoCtrl
from hstore.engine.hyperopt.mongo_jobs import MongoJobs
from hstore.engine.hyperopt.numbering import Numbering
from hstore.store.events import TrialNumber
from hstore.store.open_store import open_store

SPACE = {"x": hp.uniform("x", 0, 1)}


def one_loss(point: dict[str, Any]) -> float:
    return float(point["x"])


def two_losses(point: dict[str, Any]) -> list[float]:
    return [point["x"], 1 - point["x"]]


def search(trials: Trials, max_evals: int, fn: Any = one_loss, **more: Any) -> Any:
    return fmin(fn, SPACE, rand.suggest, max_evals, trials=trials, rstate=0, verbose=False, **more)


def document(trials: Trials, tid: int, x: float, state: int = JOB_STATE_DONE, **result: Any) -> dict[str, Any]:
    misc = {"tid": tid, "cmd": None, "idxs": {"x": [tid]}, "vals": {"x": [x]}}
    result = {"status": "ok", **result} if state == JOB_STATE_DONE else {"status": "new"}
    (doc,) = trials.new_trial_docs([tid], [None], [result], [misc])
    return {**doc, "state": state}


def insert(trials: Trials, *documents: dict[str, Any]) -> None:
    trials.insert_trial_docs(documents)
    trials.refresh()


def front(trials: Trials) -> list[float]:
    return [doc["misc"]["vals"]["x"][0] for doc in trials.pareto]


def front_of_the_log(trials: Trials) -> list[float]:
    return [trial.point["x"] for trial in trials.experiment.state.pareto]


# -- the Pareto front -------------------------------------------------------------------------------------------


def test_after_delete_all_the_front_is_that_of_the_log() -> None:
    trials = Trials()
    search(trials, 3)
    trials.delete_all()
    found = search(trials, 5, two_losses, objectives=2)
    assert trials.tids == [3, 4, 5, 6, 7]
    assert [doc["tid"] for doc in trials.pareto] == [3, 4, 5, 6, 7]
    assert [point["x"] for point in found] == front(trials) == front_of_the_log(trials)


def test_after_delete_all_of_some_the_front_is_that_of_the_others(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="some")
    trials.asynchronous = False
    search(trials, 6, two_losses, objectives=2)
    kept = front(trials)[1::2]
    for doc in trials.trials[::2]:
        trials.delete_all({"tid": doc["tid"]})
    assert (trials.tids, front(trials)) == ([1, 3, 5], kept)
    assert front_of_the_log(trials) == kept


def test_inserted_documents_with_tids_of_their_own_are_in_the_front(trials: Trials) -> None:
    trials.history(_space())
    insert(trials, *(document(trials, tid, x, losses=[x, 1 - x]) for tid, x in ((100, 0.1), (7, 0.2), (101, 0.3))))
    assert [(doc["tid"], doc["misc"]["vals"]["x"]) for doc in trials.pareto] == [(100, [0.1]), (7, [0.2]), (101, [0.3])]


def test_inserted_tids_that_are_numbers_of_other_trials_do_not_enter_the_front(trials: Trials) -> None:
    """Document 1 is trial 0, and document 0 is trial 1; only one of them is in the front."""
    trials.history(_space())
    insert(trials, document(trials, 1, 0.5, losses=[0.5, 0.5]), document(trials, 0, 0.9, losses=[0.9, 0.9]))
    assert [doc["tid"] for doc in trials.pareto] == [1]


def test_what_violates_a_constraint_is_not_in_the_front_whatever_its_tid(trials: Trials) -> None:
    trials.history(_space())
    insert(
        trials,
        document(trials, 12, 0.1, losses=[0.1, 0.9], constraints=[-1.0]),
        document(trials, 11, 0.2, losses=[0.2, 0.8], constraints=[1.0]),
        document(trials, 10, 0.3, losses=[0.3, 0.7], constraints=[0.0]),
    )
    assert [doc["tid"] for doc in trials.pareto] == [12, 10]


def test_a_view_of_another_exp_key_has_the_front_of_its_own_documents() -> None:
    trials = Trials()
    trials.history(_space())
    insert(trials, *(document(trials, tid, x, losses=[x, 1 - x]) for tid, x in ((5, 0.1), (6, 0.2))))
    other = trials.view(exp_key="other")
    insert(other, *(document(other, tid, x, losses=[x, 1 - x]) for tid, x in ((0, 0.3), (1, 0.4))))
    trials.refresh()
    assert [doc["tid"] for doc in other.pareto] == [0, 1]
    assert [doc["tid"] for doc in trials.view().pareto] == [5, 6, 0, 1]


# -- tids that are handed back ------------------------------------------------------------------------------------


def test_enqueue_returns_tids_of_documents(trials: Trials) -> None:
    trials.history(_space())
    insert(trials, document(trials, 40, 0.5, loss=0.5))
    (tid,) = trials.enqueue([{"x": 0.25}])
    trials.refresh()
    (doc,) = (doc for doc in trials.trials if doc["tid"] == tid)
    assert doc["misc"]["vals"] == {"x": [0.25]}


def test_enqueue_after_delete_all_returns_tids_of_documents() -> None:
    trials = Trials()
    search(trials, 3)
    trials.delete_all()
    search(trials, 2)
    assert trials.enqueue([{"x": 0.25}, {"x": 0.5}]) == [5, 6]
    trials.refresh()
    assert trials.tids == [3, 4, 5, 6]


def test_injected_results_are_documents_whose_tids_are_returned() -> None:
    trials = Trials()
    search(trials, 3)
    trials.delete_all()
    ends: list[int] = []

    def objective(point: dict[str, Any], ctrl: Ctrl) -> float:
        if not ends:
            ends.extend(ctrl.inject_results([None], [{"status": "ok", "loss": 9.0}], [{"vals": {"x": [0.75]}}]))
        return float(point["x"])

    objective.fmin_pass_ctrl = True  # type: ignore[attr-defined]
    search(trials, 3, objective)
    (injected,) = (doc for doc in trials.trials if doc["result"]["loss"] == 9.0)
    assert ends == [injected["tid"]]
    assert injected["misc"]["from_tid"] == trials.tids[0] == 3


def test_an_algorithm_of_a_user_is_given_the_tids_that_the_documents_will_have() -> None:
    trials, asked = Trials(), []

    def suggest(new_ids: list[int], domain: Any, trials: Trials, seed: int) -> Any:
        asked.extend(new_ids)
        return rand.suggest(new_ids, domain, trials, seed)

    search(trials, 2)
    trials.delete_all()
    fmin(one_loss, SPACE, suggest, 3, trials=trials, rstate=0, verbose=False)
    assert asked == trials.tids == [2, 3, 4]


# -- attachments and ctrls ----------------------------------------------------------------------------------------


def test_attachments_are_those_of_the_document(trials: Trials) -> None:
    trials.history(_space())
    insert(trials, document(trials, 1, 0.1, loss=1.0), document(trials, 0, 0.2, loss=2.0))
    by_tid = {doc["tid"]: doc for doc in trials.trials}
    trials.trial_attachments(by_tid[0])["a"] = b"of document 0"
    assert trials.attachments["ATTACH::0::a"] == b"of document 0"
    assert "ATTACH::1::a" not in trials.attachments
    assert [list(trial.attachments) for trial in trials.experiment.trials] == [[], ["a"]]


def test_attachments_of_points_that_wait_go_with_them() -> None:
    trials = Trials()
    (tid,) = trials.enqueue([{"x": 0.25}])
    trials.refresh()
    trials.trial_attachments(trials.trials[0])["a"] = b"early"
    trials.attachments["ATTACH::99::a"] = b"of a document that never comes"
    search(trials, 2)
    (doc,) = (doc for doc in trials.trials if doc["tid"] == tid)
    assert (doc["misc"]["vals"], trials.trial_attachments(doc)["a"]) == ({"x": [0.25]}, b"early")
    assert trials.attachments["ATTACH::99::a"] == b"of a document that never comes"


def test_a_ctrl_of_a_document_speaks_for_its_trial(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="ctrl")
    trials.history(_space())
    insert(trials, document(trials, 100, 0.1, loss=1.0), document(trials, 0, 0.2, loss=2.0))
    by_tid = {doc["tid"]: doc for doc in trials.trials}
    for tid, number in ((100, 0), (0, 1)):
        ctrl = MongoCtrl(trials, by_tid[tid], read_only=True)
        assert (ctrl.tid, ctrl.current_trial) == (number, by_tid[tid])
        ctrl.set_attachment(b"x", f"of {tid}")
    assert [list(trial.attachments) for trial in trials.experiment.trials] == [["of 100"], ["of 0"]]


def test_a_ctrl_of_a_reserved_job_speaks_for_that_job(mongo_store: Store) -> None:
    """The tid of a job, as `MongoJobs` shows it, is the number of its trial."""
    trials = MongoTrials(mongo_store, exp_key="ctrl")
    trials.history(_space())
    insert(trials, document(trials, 1, 0.1, loss=1.0), document(trials, 0, 0.2, JOB_STATE_NEW))
    jobs = MongoJobs.of(mongo_store)
    taken = jobs.reserve("me") or {}
    trials.refresh()
    ctrl = MongoCtrl(trials, taken, read_only=False)
    ctrl.checkpoint({"status": "running", "loss": 0.5})
    ctrl.set_attachment(b"weights", "model")
    assert trials.experiment.trials[1].reports[0].result == {"status": "running", "loss": 0.5}
    assert dict(trials.trial_attachments(taken)) == {"model": b"weights"}
    (doc,) = (doc for doc in trials.trials if doc["tid"] == 0)
    assert jobs.attachment_names(doc) == jobs.attachment_names(taken) == ["model"]
    jobs.update(doc, {"state": JOB_STATE_DONE, "result": {"status": "ok", "loss": 0.5}})
    assert mongo_store.experiment("ctrl").trials[1].loss == 0.5


# -- everything else --------------------------------------------------------------------------------------------


def test_deleting_by_a_condition_discards_the_documents_that_meet_it(mongo_url: str) -> None:
    with open_store(mongo_url) as store:
        trials = MongoTrials(store, exp_key="deleted")
        trials.history(_space())
        insert(trials, *(document(trials, tid, tid / 10, loss=float(tid)) for tid in (2, 1, 0)))
        trials.delete_all({"tid": 2})
        assert (trials.tids, [trial.is_void for trial in trials.experiment.trials]) == ([1, 0], [True, False, False])
        assert (trials.argmin, trials.best_trial["tid"]) == ({"x": 0.0}, 0)
        assert not check(store, "deleted")


def test_every_process_shows_a_trial_under_the_same_tid(mongo_store: Store) -> None:
    """Trial 1, which fmin made, is not document 1: that was inserted, and is gone."""
    first = MongoTrials(mongo_store, exp_key="same")
    first.asynchronous = False
    search(first, 1)
    insert(first, document(first, 2, 0.5, loss=0.5))
    search(first, 3)
    first.delete_all({"tid": 2})
    tids = {doc["misc"]["vals"]["x"][0]: doc["tid"] for doc in first.trials}
    later = MongoTrials(mongo_store, exp_key="same")
    assert {doc["misc"]["vals"]["x"][0]: doc["tid"] for doc in later.trials} == tids
    assert 2 not in tids.values()


def test_argmin_and_best_trial_are_those_of_the_documents_after_delete_all() -> None:
    trials = Trials()
    search(trials, 4)
    trials.delete_all()
    found = search(trials, 3)
    best = trials.experiment.best
    assert found == trials.argmin == dict(best.point)
    assert trials.best_trial["tid"] == 4 + best.tid
    fmin(one_loss, SPACE, tpe.suggest, 5, trials=trials, rstate=0, verbose=False)
    assert trials.tids == [4, 5, 6, 7, 8]


def taken_for_each_other(numbering: Numbering, tid: DocumentTid, number: TrialNumber) -> None:
    """Never called: mypy reports each `type: ignore` here that it does not need."""
    numbering.tid_of(tid)  # type: ignore[arg-type]
    numbering.number_of(number)  # type: ignore[arg-type]
    Trials().documents.document_of(tid)  # type: ignore[arg-type]
    Trials().documents.trial_of(3)  # type: ignore[arg-type]
    assert tid != number  # type: ignore[comparison-overlap]


def _space() -> Any:
    from hstore import Domain

    return Domain(one_loss, SPACE).space
