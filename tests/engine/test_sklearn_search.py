"""HyperoptSearchCV: hyperopt's numbers, scikit-learn's manners, and a search that outlives its process."""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from hstore import Store, Trials, fmin, hp, rand, tpe
from hstore.sklearn import HyperoptSearchCV
from hstore.store.errors import BadSearchSpace, InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt.sklearn import HyperoptSearchCV as TheirSearch

X, Y = load_iris(return_X_y=True)
C = {"C": hp.loguniform("C", -5, 5)}


def search(space: Any = C, estimator: Any = None, **how: Any) -> HyperoptSearchCV:
    return HyperoptSearchCV(estimator or SVC(), space, **{"max_evals": 4, "cv": 3, "random_state": 3, **how})


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Hand out the C of each fit of an SVC."""
    fits: list[float] = []
    fit = SVC.fit

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        fits.append(self.C)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SVC, "fit", counting)
    yield fits
    monkeypatch.undo()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.covers("sklearn.HyperoptSearchCV", "sklearn.HyperoptSearchCV.fit")
def test_a_search_on_real_data_has_hyperopts_results() -> None:
    def space(hp: Any) -> Any:
        return {"C": hp.loguniform("C", -5, 5), "kernel": hp.choice("kernel", ["rbf", "linear"])}

    how: dict[str, Any] = {"max_evals": 25, "cv": 3, "random_state": 3, "return_train_score": True}
    ours = HyperoptSearchCV(SVC(), space(hp), algo=tpe.suggest, **how).fit(X, Y)
    theirs = TheirSearch(SVC(), space(hyperopt.hp), **how).fit(X, Y)
    assert ours.best_params_ == pytest.approx(theirs.best_params_)
    assert (ours.best_index_, ours.best_score_) == (theirs.best_index_, theirs.best_score_)
    assert (ours.n_splits_, ours.multimetric_, len(ours.trials_)) == (3, False, 25)
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    for name, column in theirs.cv_results_.items():
        if name.endswith("_score") and "time" not in name and "score_time" not in name:
            np.testing.assert_array_equal(ours.cv_results_[name], column, err_msg=name)
        elif name.startswith("param_"):
            assert type(ours.cv_results_[name]) is type(column)
    assert ours.trials_.losses() == theirs.trials_.losses()
    assert ours.trials_.results[0]["params"] == pytest.approx(theirs.trials_.results[0]["params"])
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, Y) == theirs.score(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours)).predict(X), theirs.predict(X))


TUNED: list[Any] = [
    search({"C": hp.loguniform("C", -3, 3)}, LogisticRegression(), max_evals=2, cv=2, algo=rand.suggest),
    search({"alpha": hp.loguniform("alpha", -3, 3)}, Ridge(), max_evals=2, cv=2, algo=rand.suggest),
]
QUICK = {
    "check_estimators_empty_data_messages", "check_classifiers_one_label", "check_classifiers_regression_target",
    "check_fit1d", "check_complex_data", "check_supervised_y_no_nan", "check_regressor_multioutput",
    "check_requires_y_none", "check_no_attributes_set_in_init", "check_parameters_default_constructible",
    "check_fit_check_is_fitted", "check_n_features_in", "check_fit2d_1sample",
}  # fmt: skip
"""Those of scikit-learn's checks in which every fit fails, and some others that take a moment."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.covers("sklearn.HyperoptSearchCV")
@pytest.mark.parametrize("estimator", TUNED, ids=["classifier", "regressor"])
def test_a_search_passes_scikit_learns_quick_checks(estimator: Any) -> None:
    run = []
    for each, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name in QUICK:
            check(each)
            run.append(name)
    assert len(run) > 9


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", TUNED, ids=["classifier", "regressor"])
def test_a_search_passes_all_of_scikit_learns_checks(estimator: Any) -> None:
    check_estimator(estimator, on_skip=None)


@pytest.mark.filterwarnings("ignore")
def test_if_every_fit_fails_the_error_is_the_estimators_own() -> None:
    class Broken(GaussianNB):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803
            if self.var_smoothing > 0.5:
                raise KeyError("not today")
            return super().fit(X, y, sample_weight)

    trials = Trials()
    always = search({"var_smoothing": hp.uniform("v", 1, 2)}, Broken(), trials=trials)
    with pytest.raises(KeyError, match="not today"):
        always.fit(X, Y)
    assert [bool(np.isnan(loss)) for loss in trials.losses() if loss is not None] == [True] * 4
    at_times = search({"var_smoothing": hp.choice("v", [0.1, 1.0])}, Broken(), max_evals=6).fit(X, Y)
    assert at_times.best_params_ == {"var_smoothing": 0.1}


def test_a_durable_search_goes_on_where_it_was_and_fits_nothing_again(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(max_evals=5).fit(X, Y)
    search(max_evals=2, experiment="iris", store=mongo_store).fit(X, Y)
    with counted(monkeypatch) as fits:
        again = search(max_evals=5, experiment="iris", store=mongo_store).fit(X, Y)
    assert len(fits) == 3 * 3 + 1  # the splits of three trials, and all of the data
    for name in ("mean_test_score", "split2_test_score", "rank_test_score"):
        assert again.cv_results_[name].tolist() == whole.cv_results_[name].tolist()
    assert again.cv_results_["params"] == whole.cv_results_["params"]
    assert again.best_params_ == whole.best_params_
    with counted(monkeypatch) as fits:
        search(max_evals=5, experiment="iris", store=mongo_store).fit(X, Y)
    assert len(fits) == 1
    restored = pickle.loads(pickle.dumps(again))
    assert restored.predict(X).tolist() == whole.predict(X).tolist()
    assert mongo_store.experiment("iris").state.best.loss == -whole.best_score_  # type: ignore[union-attr]


def test_a_durable_search_on_other_data_is_refused(mongo_url: str) -> None:
    search(max_evals=1, experiment="iris", store=mongo_url).fit(X, Y)
    with pytest.raises(InvalidValue, match="other data"):
        search(max_evals=2, experiment="iris", store=mongo_url).fit(X[:100], Y[:100])


def test_warm_start_goes_on_with_a_larger_number_and_without_it_a_fit_begins_anew() -> None:
    warm = search(max_evals=2, warm_start=True).fit(X, Y)
    first = warm.cv_results_["params"]
    warm.set_params(max_evals=4).fit(X, Y)
    assert warm.cv_results_["params"][:2] == first
    assert len(warm.cv_results_["params"]) == len(warm.trials_) == 4
    warm.fit(X, Y)  # nothing is left to do, at which hyperopt's raises
    cold = search(max_evals=2).fit(X, Y).fit(X, Y)
    assert len(cold.trials_) == 2


def test_trials_of_another_objective_that_leave_none_to_make_are_refused_in_one_line() -> None:
    trials = Trials()
    fmin(lambda _: 0.5, C, algo=rand.suggest, max_evals=4, rstate=0, trials=trials, verbose=False)
    with pytest.raises(InvalidValue, match="no trial was made by such a search") as caught:
        search(trials=trials).fit(X, Y)
    assert "max_evals" in caught.value.hint


def test_trials_and_algorithms_may_be_given() -> None:
    trials = Trials()
    fitted = search(trials=trials, algo=rand.suggest, random_state=np.random.default_rng(3)).fit(X, Y)
    assert fitted.trials_ is trials
    assert len(trials) == 4


@pytest.mark.filterwarnings("ignore:(?s).*(non-finite|fits failed|mean of empty)")
def test_parameters_that_cannot_be_fitted_do_not_end_the_search() -> None:
    space = {"C": hp.choice("C", [-1.0, 1.0, 2.0])}
    fitted = search(space, max_evals=10).fit(X, Y)
    scores = fitted.cv_results_["mean_test_score"]
    assert 0 < np.isnan(scores).sum() < 10
    assert fitted.best_params_["C"] > 0
    lowest = search(space, max_evals=10, error_score=-1.0, return_train_score=True).fit(X, Y)
    assert set(lowest.cv_results_["mean_train_score"]) > {-1.0}
    with pytest.raises(ValueError, match="The 'C' parameter of"):
        search({"C": hp.uniform("C", -2, -1)}).fit(X, Y)
    with pytest.raises(ValueError, match="'C' parameter"):
        search(space, max_evals=10, error_score="raise").fit(X, Y)


def test_spaces_may_be_choices_of_steps_and_of_dicts() -> None:
    pipeline = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    space = hp.choice(
        "which",
        [
            {"scale": hp.choice("scaler", [StandardScaler(), MinMaxScaler()]), "svc__C": hp.loguniform("C", -2, 2)},
            {"svc": GaussianNB()},
        ],
    )
    fitted = search(space, pipeline, max_evals=8).fit(X, Y)
    assert fitted.best_score_ > 0.9
    assert "param_svc__C" in fitted.cv_results_
    assert isinstance(clone(fitted).fit(X, Y).best_estimator_, BaseEstimator)


def test_without_refit_there_are_results_and_no_estimator_and_a_function_may_pick_the_best() -> None:
    results = search(refit=False).fit(X, Y)
    assert not hasattr(results, "best_estimator_")
    assert results.best_score_ == max(results.cv_results_["mean_test_score"])
    assert search(refit=lambda table: len(table["params"]) - 1).fit(X, Y).best_index_ == 3


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"scoring": ["accuracy", "f1_macro"]}, "Multimetric"),
        ({"space": {"nope": hp.uniform("nope", 0, 1)}}, "nope"),
        ({"space": hp.uniform("C", 0, 1)}, "parameter"),
        ({"max_evals": -1}, "max_evals"),
        ({"store": "mongodb://localhost/x"}, "name of an experiment"),
        ({"experiment": "x", "trials": Trials()}, "not both"),
    ],
    ids=lambda given: ", ".join(given) if isinstance(given, dict) else given,  # no addresses: processes compare names
)
def test_what_cannot_be_meant_is_refused_in_one_line(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        search(**how).fit(X, Y)


def test_lists_and_distributions_are_searched_as_scikit_learns_own_searches_do() -> None:
    space = {"C": stats.loguniform(1e-2, 1e2), "kernel": ["rbf", "linear"], "gamma": stats.expon(scale=0.1)}
    found = search(space, max_evals=8).fit(X, Y)
    assert set(found.best_params_) == set(space)
    assert {params["kernel"] for params in found.cv_results_["params"]} == {"rbf", "linear"}
    assert all(1e-2 <= params["C"] <= 1e2 for params in found.cv_results_["params"])
    assert found.best_score_ > 0.8
    assert clone(found).fit(X, Y).best_params_ == found.best_params_


def test_a_list_of_dicts_is_a_choice_of_them() -> None:
    space = [
        {"kernel": ["rbf"], "C": stats.uniform(1, 9)},
        {"kernel": ["poly"], "C": [1.0], "degree": stats.randint(2, 4)},
    ]
    found = search(space, max_evals=8, algo=rand.suggest).fit(X, Y)
    shapes = {tuple(params) for params in found.cv_results_["params"]}
    assert shapes == {("C", "kernel"), ("C", "degree", "kernel")}


def test_a_distribution_on_an_experiment_goes_on_when_it_is_fitted_again(store: Store) -> None:
    space = {"C": stats.gamma(2.0), "kernel": ["rbf", "linear"]}
    first = search(space, experiment="sk", store=store, max_evals=2).fit(X, Y)
    again = search({"C": stats.gamma(2.0), "kernel": ["rbf", "linear"]}, experiment="sk", store=store).fit(X, Y)
    assert again.cv_results_["params"][:2] == first.cv_results_["params"]
    assert len(again.cv_results_["params"]) == 4


def test_a_parameter_whose_distribution_cannot_be_searched_is_named() -> None:
    with pytest.raises(BadSearchSpace, match=r"^C: nothing can be searched by the distribution"):
        search({"C": stats.norm([0, 1], 1)}).fit(X, Y)
