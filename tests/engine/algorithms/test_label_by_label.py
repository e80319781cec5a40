"""Algorithms as classes and batches of points are hyperopt's."""

import functools
import warnings
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import Trials, algobase, anneal, fmin, hp, rand
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.space import compile_space
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt import algobase as their_algobase

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def space(hp: Any) -> Any:
    options = [hp.uniform("u", 0, 1), {"z": hp.normal("n", 0, 1)}]
    return {
        "a": hp.choice("a", options), "q": hp.quniform("q", 0, 10, 2), "r": hp.randint("r", 3, 9),
        "p": hp.pchoice("p", [(0.3, 1), (0.7, 2)]), "l": hp.loguniform("l", -3, 0),
    }  # fmt: skip


def objective(config: Any) -> float:
    return float(config["q"] + config["l"])


def searched(n: int) -> tuple[Any, Any, Any, Any]:
    """Return our domain and trials, and hyperopt's, of the same random search."""
    both: list[Any] = []
    for library, labels in ((hstore, hp), (hyperopt, hyperopt.hp)):
        trials = library.Trials()
        library.fmin(
            objective, space(labels), algo=library.rand.suggest, max_evals=n, trials=trials, verbose=False,
            rstate=np.random.default_rng(0), show_progressbar=False,
        )  # fmt: skip
        both.append(trials)
    ours, theirs = both
    return Domain(objective, compile_space(space(hp))), ours, hyperopt.Domain(objective, space(hyperopt.hp)), theirs


def assert_same_batch(ours: Any, expected: Any) -> None:
    for mine, other in zip(ours, expected, strict=True):
        assert mine.keys() == other.keys()
        for label, values in other.items():
            np.testing.assert_allclose(mine[label], values, rtol=1e-9, err_msg=label)


@pytest.mark.covers("rand.suggest_batch")
def test_a_batch_of_random_points_is_the_same() -> None:
    domain = Domain(objective, compile_space(space(hp)))
    their_domain = hyperopt.Domain(objective, space(hyperopt.hp))
    for seed, ids in ((7, [0, 1, 2, 3]), (8, [5]), (9, list(range(20))), (1, [])):
        ours = rand.suggest_batch(ids, domain, Trials(), seed)
        assert_same_batch(ours, hyperopt.rand.suggest_batch(ids, their_domain, hyperopt.Trials(), seed))


@pytest.mark.covers("anneal.suggest_batch", "anneal.AnnealingAlgo.batch")
def test_a_batch_of_annealing_is_the_same_and_may_be_of_several() -> None:
    domain, trials, their_domain, their_trials = searched(12)
    for seed in range(6):
        ours = anneal.suggest_batch([12], domain, trials, seed, 3.0, shrink_coef=0.3)
        assert_same_batch(
            ours, hyperopt.anneal.suggest_batch([12], their_domain, their_trials, seed, 3.0, shrink_coef=0.3)
        )
    idxs, vals = anneal.suggest_batch([12, 13, 14], domain, trials, 0)  # hyperopt's raises
    assert idxs["q"].tolist() == [12, 13, 14]
    assert len(vals["q"]) == 3


@pytest.mark.covers(
    "anneal.AnnealingAlgo", "anneal.AnnealingAlgo.shrinking", "anneal.AnnealingAlgo.on_node_hyperparameter",
    "anneal.AnnealingAlgo.choose_ltv",
)  # fmt: skip
def test_annealing_with_another_shrinking_chooses_the_same_points() -> None:
    def narrower(base: Any) -> Any:
        class Narrower(base):  # type: ignore[misc]
            def shrinking(self, label: str) -> float:
                return float(super().shrinking(label) ** 2)

        return Narrower

    domain, trials, their_domain, their_trials = searched(12)
    for cls, theirs in (
        (anneal.AnnealingAlgo, hyperopt.anneal.AnnealingAlgo),
        (narrower(anneal.AnnealingAlgo), narrower(hyperopt.anneal.AnnealingAlgo)),
    ):
        for seed in range(6):
            mine = cls(domain, trials, seed, avg_best_idx=1.5)
            other = theirs(their_domain, their_trials, seed, avg_best_idx=1.5)
            assert mine.shrinking("u") == pytest.approx(other.shrinking("u"))
            (document,), (expected,) = mine(12), other(12)
            assert document["misc"]["idxs"] == expected["misc"]["idxs"]
            for label, values in expected["misc"]["vals"].items():
                assert document["misc"]["vals"][label] == pytest.approx(values, rel=1e-9)
    (loss,), (tid,), (value,) = mine.choose_ltv("q")
    assert trials.trials[tid]["result"]["loss"] == loss
    assert trials.trials[tid]["misc"]["vals"]["q"] == [value]
    with pytest.raises(InvalidValue, match="not 2"):
        mine.choose_ltv("q", 2)


@pytest.mark.covers("algobase.SuggestAlgo", "algobase.SuggestAlgo.__call__", "algobase.SuggestAlgo.batch")
def test_an_algorithm_of_ones_own_chooses_label_by_label_as_in_hyperopt() -> None:
    def middling(base: Any) -> Any:
        class Middling(base):  # type: ignore[misc]
            def on_node_hyperparameter(self, memo: Any, node: Any, label: str) -> Any:
                asked.append((label, node.name, memo[node.inputs()[0]]))
                if label == "q":
                    return [4.0]
                if "normal" in node.name or node.name == "categorical":
                    return [1]
                return [self.rng.integers(3, 9)] if label == "r" else [0 if label == "a" else 0.5]

        return Middling

    domain, trials, their_domain, their_trials = searched(3)
    asked: list[Any] = []
    (document,) = middling(algobase.SuggestAlgo)(domain, trials, 5)(3)
    mine = [entry[:2] for entry in asked]
    asked.clear()
    # hyperopt asks for inactive labels as well, and wants no value then.
    their_class = middling(their_algobase.SuggestAlgo)
    their_hook = their_class.on_node_hyperparameter
    their_class.on_node_hyperparameter = lambda self, memo, node, label: (
        their_hook(self, memo, node, label) if label != "n" else []
    )
    (expected,) = their_class(their_domain, their_trials, 5)(3)
    assert mine == [entry[:2] for entry in asked]
    assert document["misc"]["vals"] == expected["misc"]["vals"]

    def suggest(new_ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        return middling(algobase.SuggestAlgo)(domain, trials, seed)(new_ids[0])

    search = Trials()
    fmin(objective, space(hp), algo=suggest, max_evals=3, trials=search, verbose=False, rstate=0)
    assert search.vals["q"] == [4.0, 4.0, 4.0]
    assert middling(algobase.SuggestAlgo)(domain, trials, 5).batch([7, 8])[0]["q"].tolist() == [7, 8]


def test_a_class_that_overrides_nothing_draws_from_the_prior_and_wrong_answers_are_named() -> None:
    domain, trials, *_ = searched(3)
    (document,) = algobase.SuggestAlgo(domain, trials, 5)(0)
    (expected,) = rand.suggest([0], domain, Trials(), 5)
    assert document["misc"] == expected["misc"]
    wrong = algobase.SuggestAlgo(domain, trials, 5)
    wrong.on_node_hyperparameter = lambda memo, node, label: []  # type: ignore[method-assign]
    with pytest.raises(InvalidValue, match=r"not \[value\]"):
        wrong(3)


def test_anneal_with_a_queue_raises_nothing() -> None:
    trials = Trials()
    algo = functools.partial(anneal.suggest, avg_best_idx=1.5)
    fmin(objective, space(hp), algo=algo, max_evals=12, max_queue_len=4, trials=trials, verbose=False, rstate=0)
    assert trials.tids == list(range(12))
