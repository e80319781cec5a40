"""What programs written for hyperopt do with trials while a search runs, after it failed, and with its inside."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from hstore import Ctrl, Domain, MongoTrials, Store, Trials, fmin, hp, rand
from hstore.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, spec_from_misc
from hstore.engine.audit.check import check
from hstore.store.errors import InvalidValue

SPACE = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", ["a", {"y": hp.normal("y", 0, 1)}])}


def search(trials: Trials, fn: Any, max_evals: int = 4, **more: Any) -> Any:
    return fmin(fn, SPACE, rand.suggest, max_evals, trials=trials, rstate=0, verbose=False, **more)


# -- the trials, seen by the objective ----------------------------------------------------------------------------


def test_an_objective_sees_its_own_trial_and_all_before(trials: Trials) -> None:
    seen: list[tuple[int, list[str], list[float | None], int, bool]] = []

    def objective(config: Any, ctrl: Ctrl) -> float:
        own = trials.trials[-1]
        is_own = own is ctrl.current_trial and ctrl.trials.trials[-1] is own and own["state"] == 1
        seen.append((len(trials), trials.statuses(), trials.losses(), len(trials.vals["x"]), is_own))
        return float(len(trials))

    search(trials, objective)
    assert seen == [
        (1, ["new"], [None], 1, True),
        (2, ["ok", "new"], [1.0, None], 2, True),
        (3, ["ok", "ok", "new"], [1.0, 2.0, None], 3, True),
        (4, ["ok", "ok", "ok", "new"], [1.0, 2.0, 3.0, None], 4, True),
    ]


def test_an_objective_can_save_the_trials_and_look_for_a_repeated_point(trials: Trials) -> None:
    saved: list[bytes] = []

    def objective(config: Any) -> float:
        saved.append(pickle.dumps(trials.trials))
        best = min((loss for loss in trials.losses() if loss is not None), default=None)
        return 5.0 if best is None else best - 1

    search(trials, objective)
    assert [len(pickle.loads(each)) for each in saved] == [1, 2, 3, 4]
    assert trials.losses() == [5.0, 4.0, 3.0, 2.0]


# -- the trials, after an exception -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_the_trials_hold_what_was_done(trials: Trials, error: type[BaseException]) -> None:
    def objective(config: Any) -> float:
        if len(trials) == 3:
            raise error("out of memory")
        return float(config["x"])

    with pytest.raises(error):
        search(trials, objective, 10)
    assert len(trials.losses()) == (2 if error is RuntimeError else 3)
    assert [loss for loss in trials.losses() if loss is not None] == trials.losses()[:2]
    assert trials.best_trial["result"]["loss"] == min(trials.losses()[:2])  # type: ignore[type-var]
    again = pickle.loads(pickle.dumps(trials))
    again.refresh()
    assert again.losses() == trials.losses()
    search(trials, lambda config: float(config["x"]), 4)
    is_failure_counted = error is RuntimeError and isinstance(trials, MongoTrials)  # by a durable search
    assert len(trials) == (3 if is_failure_counted else 4)


# -- the list of documents ----------------------------------------------------------------------------------------


def test_a_program_can_filter_trials_by_assignment() -> None:
    trials = Trials()
    search(trials, lambda config: {"status": "ok" if config["x"] > 0 else "fail", "loss": config["x"]}, 12)
    kept = [doc for doc in trials.trials if doc["result"]["status"] == "ok"]
    trials._dynamic_trials = kept
    trials.refresh()
    assert 0 < len(kept) < 12
    assert [doc["tid"] for doc in trials.trials] == [doc["tid"] for doc in kept]
    assert len(trials.history(_space()).losses[np.isfinite(trials.history(_space()).losses)]) == len(kept)
    search(trials, lambda config: float(config["x"]), 14)
    assert len(trials) == 14
    assert not check(trials.experiment.store, trials.experiment.name)


def test_documents_that_are_assigned_from_elsewhere_are_inserted() -> None:
    first, second = Trials(), Trials()
    search(first, lambda config: float(config["x"]), 3)
    second._dynamic_trials = first.trials[:2]
    second.refresh()
    assert second.losses() == first.losses()[:2]
    second._dynamic_trials = []
    second.refresh()
    assert len(second) == 0


def test_an_overridden_refresh_is_called_for_each_trial() -> None:
    class Saving(Trials):
        refreshed = 0

        def refresh(self) -> None:
            super().refresh()
            self.refreshed += 1

    trials = Saving()
    search(trials, lambda config: float(config["x"]), 5)
    assert trials.refreshed > 4


def _space() -> Any:
    return Domain(lambda config: 0.0, SPACE).space


def test_durable_trials_are_followed_without_asking_the_server(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="followed")
    trials.asynchronous = False
    search(trials, lambda config: float(len(trials)))
    assert trials.losses() == [1.0, 2.0, 3.0, 4.0]


# -- subclasses of Trials -----------------------------------------------------------------------------------------


def test_an_overridden_insert_sees_each_suggestion() -> None:
    class Counting(Trials):
        seen: list[int]

        def insert_trial_docs(self, docs: Any) -> list[int]:
            documents = list(docs)
            self.seen = [*getattr(self, "seen", []), *(doc["tid"] for doc in documents)]
            return super().insert_trial_docs(documents)

    trials = Counting()
    search(trials, lambda config: float(config["x"]), 5)
    assert (trials.seen, trials.tids) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert trials.experiment.state.counts == {"done": 5}


class Own(Trials):
    """Evaluates by itself."""

    asynchronous = True

    def evaluate(self, doc: dict[str, Any]) -> None:
        domain = Domain(lambda config: config["x"] ** 2, SPACE)
        doc["result"] = domain.evaluate(spec_from_misc(doc["misc"]), Ctrl(self, current_trial=doc))
        doc["state"] = JOB_STATE_DONE


class AtOnce(Own):
    """Evaluates documents as they are inserted."""

    def _insert_trial_docs(self, docs: Any) -> list[int]:
        tids = super()._insert_trial_docs(docs)
        for doc in docs:
            self.evaluate(doc)
        self.refresh()
        return tids


class InThreads(Own):
    """Evaluates new documents in a pool of threads."""

    def refresh(self) -> None:
        super().refresh()
        for doc in self._dynamic_trials:
            if doc["state"] == JOB_STATE_NEW and doc["tid"] not in (begun := self.__dict__.setdefault("begun", set())):
                begun.add(doc["tid"])
                self.__dict__.setdefault("pool", ThreadPoolExecutor(2)).submit(self.evaluate, doc)


class Failing(Own):
    """Says that each second trial has failed."""

    def _insert_trial_docs(self, docs: Any) -> list[int]:
        tids = super()._insert_trial_docs(docs)
        for doc in docs:
            self.evaluate(doc)
            if doc["tid"] % 2:
                doc["state"], doc["misc"]["error"] = JOB_STATE_ERROR, ("<class 'ValueError'>", "odd")
        return tids


@pytest.mark.parametrize(("kind", "length"), [(AtOnce, 8), (InThreads, 8), (Failing, 4)])
@pytest.mark.parametrize("max_queue_len", [1, 3])
def test_trials_can_be_evaluated_in_a_pool_of_the_program(kind: type[Own], length: int, max_queue_len: int) -> None:
    trials = kind()
    best = search(trials, lambda config: config["x"] ** 2, 8, max_queue_len=max_queue_len)
    assert (len(trials), trials.statuses()) == (length, ["ok"] * length)
    assert best == trials.argmin
    assert len(trials._dynamic_trials) == 8
    assert not check(trials.experiment.store, trials.experiment.name)


def test_asynchronous_trials_without_a_program_that_evaluates_need_a_store() -> None:
    trials = Trials()
    trials.asynchronous = True
    with pytest.raises(InvalidValue, match="workers need a store"):
        search(trials, lambda config: config["x"], 3)


# -- the shape of documents ---------------------------------------------------------------------------------------


def test_documents_have_hyperopts_values_and_pandas_reads_them(trials: Trials) -> None:
    pd = pytest.importorskip("pandas")

    search(trials, lambda config: {"status": "ok", "loss": config["x"]}, 3)
    best = trials.best_trial
    if isinstance(trials, MongoTrials):  # whose documents name their worker, as hyperopt's do
        assert len(best["owner"]) == 1
        return
    assert {doc["owner"] for doc in trials.trials} == {None}
    assert {doc["version"] for doc in trials.trials} == {0}
    assert set(pd.DataFrame(best).columns) == set(best)
    assert len(pd.DataFrame(trials.trials)) == 3
