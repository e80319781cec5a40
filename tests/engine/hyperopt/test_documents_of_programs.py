"""Documents as programs written for hyperopt read and write them: their shape, their types, what is attached."""

import copy
import pickle
import sys
import warnings
from functools import partial
from types import ModuleType
from typing import Any

import bson
import numpy as np
import pytest
from bson.son import SON

from hstore import Domain, MongoTrials, Store, Trials, anneal, fmin, hp, mix, rand, tpe
from hstore.engine.audit.check import check
from hstore.engine.hyperopt.documents import shape
from hstore.engine.hyperopt.installed_hyperopt import installed_hyperopt
from hstore.mongoexp import MongoJobs
from hstore.store.errors import InvalidPoint

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt

RAND_OF_HYPEROPT = str(hyperopt.rand.__file__)
KEYS = ["state", "tid", "spec", "result", "misc", "exp_key", "owner", "version", "book_time", "refresh_time"]


def space(hp: Any) -> Any:
    below = {"n": hp.normal("n", 0, 1)}
    return {
        "u": hp.uniform("u", 0, 1), "q": hp.quniform("q", 0, 10, 2), "i": hp.uniformint("i", 0, 10),
        "r": hp.randint("r", 5), "c": hp.choice("c", [1, below]), "p": hp.pchoice("p", [(0.3, 1), (0.7, 2)]),
    }  # fmt: skip


def search(trials: Trials, max_evals: int = 3, **more: Any) -> Any:
    return fmin(
        lambda config: config["u"], space(hp), rand.suggest, max_evals,
        trials=trials, **{"rstate": 0, "verbose": False, **more},
    )  # fmt: skip


def inserted(tid: int, state: int = 2, **more: Any) -> dict[str, Any]:
    misc = {"tid": tid, "cmd": None, "idxs": {"u": [tid]}, "vals": {"u": [0.5]}}  # all that hyperopt asks for
    result = {"status": "ok", "loss": 1.0} if state == 2 else {"status": "new"}
    times = {"book_time": None, "refresh_time": None}
    return {"state": state, "tid": tid, "spec": None, "result": result, "misc": misc, "exp_key": None, "owner": None,
            **times, **more}  # fmt: skip


# -- what algorithms return -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["rand", "tpe", "anneal", "mix"])
def test_suggest_returns_documents_of_hyperopts_shape_with_numpys_scalars(name: str) -> None:
    def described(hp: Any, modules: Any, domain: Any, trials: Any) -> Any:
        suggest = modules[name].suggest
        if name == "mix":
            suggest = partial(suggest, p_suggest=[(1.0, modules["rand"].suggest)])
        (document,) = suggest([0], domain(lambda config: 0.0, space(hp)), trials, 5)
        vals = {label: [type(v) for v in values] for label, values in document["misc"]["vals"].items()}
        return list(document), list(document["misc"]), vals, list(document["misc"]["idxs"])

    ours: dict[str, Any] = {"rand": rand, "tpe": tpe, "anneal": anneal, "mix": mix}
    theirs = {each: getattr(hyperopt, each) for each in ours}
    assert described(hp, ours, Domain, Trials()) == described(hyperopt.hp, theirs, hyperopt.Domain, hyperopt.Trials())


def test_values_of_an_own_algorithm_may_be_numpys_and_are_pythons_in_the_trials() -> None:
    trials = Trials()
    fmin(
        lambda config: config["u"], space(hp), lambda *asked: rand.suggest(*asked), 3, trials=trials, rstate=0,
        verbose=False,
    )  # fmt: skip
    kinds = {type(value) for misc in trials.miscs for values in misc["vals"].values() for value in values}
    assert kinds == {int, float}


# -- the shape of documents -----------------------------------------------------------------------------------------


def test_where_hstore_goes_by_hyperopts_name_documents_have_its_keys_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shape, "has_params", False)  # as hstore.compat does
    trials = Trials()
    search(trials)
    trials.insert_trial_docs([inserted(tid=7)])
    trials.refresh()
    theirs = hyperopt.Trials()
    hyperopt.fmin(
        lambda config: config["u"], space(hyperopt.hp), hyperopt.rand.suggest, 1, trials=theirs,
        rstate=np.random.default_rng(0), verbose=False,
    )  # fmt: skip
    assert {*trials.trials[0]} == {*theirs.trials[0]} == {*KEYS}
    assert {*trials.trials[-1]} == {*KEYS} - {"version"}, "which that document does not have"
    assert trials.best_params["u"] == min(loss for loss in trials.losses() if loss is not None)
    assert set(trials.best_params) >= {"u", "q", "i", "r", "c", "p"}


def test_documents_of_mongo_trials_are_son(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="kopt")
    trials.asynchronous = False
    search(trials)
    trials.insert_trial_docs([SON(inserted(tid=9, exp_key="kopt", family={"a": [1, {"b": 2}]}))])
    trials.refresh()
    for document in (*trials.trials, *trials.handle.jobs_complete()):
        for part in (document, document["result"], document["misc"], document["misc"]["vals"]):
            assert isinstance(part, SON)
            plain = part.to_dict()
            assert type(plain) is dict
            assert plain == part
    last = trials.trials[-1]
    assert type(last.to_dict()["family"]["a"][1]) is dict  # type: ignore[attr-defined]
    for made in (pickle.loads(pickle.dumps(last)), copy.deepcopy(last), copy.copy(last)):
        assert made == last
        assert isinstance(made, SON)
    assert bson.decode(bson.encode(last))["result"] == last["result"]
    assert list(last) == list(last.keys())


# -- documents that programs insert ---------------------------------------------------------------------------------


def test_failed_documents_that_wait_for_a_space_do_not_count_to_max_evals() -> None:
    trials = Trials()
    trials.insert_trial_docs([inserted(0, state=3), inserted(1, state=4), inserted(2)])
    trials.refresh()
    search(trials, 3)
    assert (len(trials), len(trials._dynamic_trials)) == (3, 5)
    assert not check(trials.experiment.store, trials.experiment.name)


# -- attachments ----------------------------------------------------------------------------------------------------


def test_what_is_attached_on_one_side_is_seen_on_the_other(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="attached")
    trials.asynchronous = False
    search(trials)
    first, other = trials.trials[0], MongoTrials(mongo_store, exp_key="attached")
    handle = MongoJobs.of(mongo_store)
    handle.set_attachment(first, b"by handle", "a")
    trials.trial_attachments(first)["b"] = b"by trials"
    other.trial_attachments(other.trials[0])["c"] = b"by others"
    handle.set_attachment(handle.jobs_complete()[0], "by job", "d")
    for view in (trials, other):
        attached = view.trial_attachments(view.trials[0])
        assert sorted(attached) == ["a", "b", "c", "d"]
        assert (attached["a"], attached["d"], "e" in attached) == (b"by handle", b"by job", False)
        assert view.attachments[view.aname(first, "c")] == b"by others"
    assert sorted(handle.attachment_names(first)) == ["a", "b", "c", "d"]
    del trials.trial_attachments(first)["a"]
    assert "a" not in other.trial_attachments(other.trials[0])


# -- points out of range --------------------------------------------------------------------------------------------


def test_points_out_of_range_are_evaluated_with_a_warning() -> None:
    given = {"u": 3.0, "q": 40.0, "i": -2, "r": 1, "c": 0, "p": 1}
    trials = Trials()
    with pytest.warns(UserWarning, match="out of range") as warned:
        best = fmin(
            lambda config: -config["u"], space(hp), tpe.suggest, 25, trials=trials, points_to_evaluate=[given],
            rstate=0, verbose=False,
        )  # fmt: skip
    assert not check(trials.experiment.store, trials.experiment.name)
    assert [str(each.message).partition(" is")[0] for each in warned] == [
        f"points_to_evaluate[0]: {label}" for label in ("u=3.0", "q=40.0", "i=-2")
    ]
    assert best == given
    within = {"u": 0.5, "q": 4.0, "i": 2, "r": 1, "c": 0, "p": 1}
    for bad in ({"r": 9}, {"c": 2}, {"u": "3"}):  # which hyperopt dies of, or cannot learn from
        with pytest.raises(InvalidPoint, match="takes"):
            fmin(lambda config: 0.0, space(hp), rand.suggest, 1, points_to_evaluate=[{**within, **bad}], verbose=False)


# -- seeds ----------------------------------------------------------------------------------------------------------


def test_each_search_on_mongo_trials_draws_from_its_own_generator_as_in_hyperopt(mongo_store: Store) -> None:
    def points(trials: Any, fmin: Any, space: Any, algo: Any) -> list[float]:
        shared = np.random.default_rng(7)
        for n, rstate in ((3, shared), (5, np.random.default_rng(0)), (8, shared)):
            fmin(lambda config: config["u"], space, algo, n, trials=trials, rstate=rstate, verbose=False)
        trials.refresh()
        return [vals["u"][0] for vals in (misc["vals"] for misc in trials.miscs)]

    trials = MongoTrials(mongo_store, exp_key="seeds")
    trials.asynchronous = False
    theirs = points(hyperopt.Trials(), hyperopt.fmin, space(hyperopt.hp), hyperopt.rand.suggest)
    assert points(trials, fmin, space(hp), rand.suggest) == theirs


# -- hyperopt's own atpe, where hstore goes by hyperopt's name ------------------------------------------------------


def test_the_installed_hyperopt_is_there_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        finds_hstore = True

        def find_spec(self, *asked: Any) -> None:
            raise AssertionError("it is asked for nothing")

    stands_in = ModuleType("hyperopt")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "hyperopt"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hyperopt", stands_in)
    found = []
    for _ in range(2):
        with installed_hyperopt(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import hyperopt.rand

            found.append(hyperopt.rand)
    assert found[0] is found[1]
    assert found[0].__file__ == RAND_OF_HYPEROPT
    assert [name for name in sys.modules if name.partition(".")[0] == "hyperopt"] == ["hyperopt"]
    assert sys.modules["hyperopt"] is stands_in
