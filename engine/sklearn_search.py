"""HstoreSearchCV: a search over the parameters of a scikit-learn estimator, by cross-validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv, cross_validate
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags, indexable

from hstore.engine.evaluation.domain import MEASURES
from hstore.engine.evaluation.results import STATUS_OK
from hstore.engine.fmin import fmin
from hstore.engine.hyperopt.documents import raw_values
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.space import Space, compile_space
from hstore.engine.space.content import content
from hstore.engine.space.data import short_repr
from hstore.engine.space.distributions import as_space
from hstore.store.errors import AllTrialsFailed, InvalidValue
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.store.values import normalise

_DIGITS = 8
_FIELDS = {
    "test_score": "test_scores",
    "train_score": "train_scores",
    "fit_time": "fit_time",
    "score_time": "score_time",
}
"""What a trial's result has of each split, and what scikit-learn calls it before it makes a table of it."""


class HstoreSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search *space* for the parameters with which *estimator* scores best in cross-validation, then refit it.

    It is used as scikit-learn's own searches are, and has their attributes (`best_params_`, `best_score_`,
    `best_estimator_`, `cv_results_`, …) and `trials_`, in which a trial's loss is its mean score times -1.

    space: {parameter of the estimator: hp expression, list of options, frozen distribution of `scipy.stats`, or
        constant}, or a list or an hp.choice of several such dicts. A tuple is a constant. A distribution that hp has
        (uniform, loguniform, randint, norm, lognorm) is searched as hp's; of others the trials hold the quantile.
    max_evals: number of trials in all, those that are there already included.
    trials: `Trials()` or `MongoTrials(…)` to search on; trials that they have already are continued.
    warm_start: go on with the trials of the last `fit`, for a larger *max_evals*.
    algo: as for `fmin`. random_state: seed, an int or a Generator, for a reproducible search.
    experiment, store: search durably, under this name in the store at this URL (or `Store`; the embedded one without
        it). However a search was stopped, the same fit continues it; on other data it is refused.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score: as in GridSearchCV, for one
        metric. *verbose* above 0 shows a progress bar.
    """

    __module__ = "hstore.sklearn"

    def __init__(
        self, estimator: Any, space: Any, max_evals: int, trials: Any = None, algo: Any = None,
        warm_start: bool = False, scoring: Any = None, n_jobs: int | None = None, refit: Any = True, cv: Any = None,
        verbose: int = 0, pre_dispatch: Any = "2*n_jobs", random_state: Any = None, error_score: Any = np.nan,
        return_train_score: bool = False, experiment: str | None = None, store: str | Store | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            estimator=estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip
        self.space = space
        self.max_evals = max_evals
        self.trials = trials
        self.algo = algo
        self.warm_start = warm_start
        self.random_state = random_state
        self.experiment = experiment
        self.store = store

    def fit(self, X: Any, y: Any = None, groups: Any = None, **fit_params: Any) -> HstoreSearchCV:  # noqa: N803
        """Search, and refit the estimator with the best parameters on all of *X*, *y*; return self.

        *fit_params* go to the estimator's fit. Raises `InvalidValue` for arguments without sense, what the estimator
        raises if every fit fails, or if one does and *error_score* is "raise", and `AllTrialsFailed` if no parameters
        have a score for another reason.
        """
        scoring = self.scoring
        if not (scoring is None or isinstance(scoring, str) or callable(scoring)):
            raise InvalidValue(
                "scoring must be a string, a callable or None. Multimetric scoring is not supported.",
                hint="search by one metric; cross_validate gives the best estimator's others",
            )
        space = compile_space(as_space(self.space))
        if y is None and get_tags(self.estimator).target_tags.required:
            kind = type(self.estimator).__name__
            raise InvalidValue(f"{kind} requires y to be passed, but the target y is None", path="y")
        X, y = indexable(X, y)  # noqa: N806
        self.scorer_ = check_scoring(self.estimator, scoring=scoring)
        self.multimetric_ = False
        splits = list(check_cv(self.cv, y, classifier=is_classifier(self.estimator)).split(X, y, groups))
        self.n_splits_ = len(splits)
        objective = CrossValidation(
            estimator=self.estimator, X=X, y=y, fit_params=fit_params, data=joblib.hash((X, y)),
            error_score=self.error_score,
            how={
                "cv": splits, "scoring": self.scorer_, "n_jobs": self.n_jobs, "pre_dispatch": self.pre_dispatch,
                "return_train_score": self.return_train_score,
            },
            measures={
                "estimator": f"{type(self.estimator).__name__} {content(self.estimator)[:_DIGITS]}",
                "scoring": scoring if isinstance(scoring, str) else _named(scoring),
                "splits": f"{len(splits)} {joblib.hash(splits)[:_DIGITS]}",
            },
        )  # fmt: skip
        with self._searched(objective.data) as trials:
            try:
                fmin(
                    objective, space, algo=self.algo, max_evals=self.max_evals, trials=trials, rstate=self.random_state,
                    show_progressbar=self.verbose > 0,
                )  # fmt: skip
            except AllTrialsFailed:
                objective.raise_its_error([space.evaluate(raw_values(document)) for document in trials.trials])
                raise
            self.trials_ = trials
            self.cv_results_ = self._table(space, trials)
        scores = self.cv_results_["mean_test_score"]
        self.best_index_ = int(self.refit(self.cv_results_) if callable(self.refit) else np.nanargmax(scores))
        self.best_score_ = scores[self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        if self.refit:
            self._refit(objective.estimator_with(self.best_params_), X, y, fit_params)
        return self

    def _refit(self, estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:  # noqa: N803
        began = time.perf_counter()
        self.best_estimator_ = estimator
        estimator.fit(*((X,) if y is None else (X, y)), **fit_params)
        self.refit_time_ = time.perf_counter() - began
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_

    @contextmanager
    def _searched(self, data: str) -> Iterator[Trials]:
        """Hand out the trials to search on; close the store if it was opened here."""
        if self.experiment is None:
            if self.store is not None:
                raise InvalidValue("store needs the name of an experiment to search under", hint="add experiment='…'")
            trials = getattr(self, "trials_", self.trials) if self.warm_start else self.trials
            yield Trials() if trials is None else trials
            return
        if self.trials is not None:
            raise InvalidValue("give either trials or experiment and store, not both")
        opened = self.store if isinstance(self.store, Store) else open_store(self.store)
        try:
            trials = MongoTrials(opened, exp_key=self.experiment)
            trials.asynchronous = False
            if any(result.get("data", data) != data for result in trials.results):
                raise InvalidValue(
                    f"experiment {self.experiment!r} was fitted to other data", hint="search under another name"
                )
            yield trials
        finally:
            if opened is not self.store:
                opened.close()

    def _table(self, space: Space, trials: Trials) -> dict[str, Any]:
        """Return `cv_results_`, in the order of the trials; InvalidValue if there is none to show."""
        params, out = [], []
        for document in trials.trials:
            result = document["result"]
            if "test_score" not in result:  # not evaluated yet, or not by a search like this one
                continue
            params.append(space.evaluate(raw_values(document)))
            fields = {name: result[field] for field, name in _FIELDS.items() if field in result}
            out += [dict(zip(fields, split, strict=True)) for split in zip(*fields.values(), strict=True)]
        if not params:
            raise InvalidValue(
                f"of {len(trials)} trials no trial was made by such a search",
                hint=f"give new trials, or a larger max_evals than {self.max_evals}", path="trials",
            )  # fmt: skip
        n_splits = len(out) // len(params)
        table: dict[str, Any] = self._format_results(params, n_splits, out)
        return table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags = deepcopy(get_tags(self.estimator).target_tags)  # which targets it takes, the estimator says
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        # Connections stay behind; what was found is in the store.
        if isinstance(state.get("trials_"), MongoTrials):
            del state["trials_"]
        if isinstance(state.get("store"), Store):
            state["store"] = None
        return state


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """The objective: what an estimator with given parameters scores on each split of the data."""

    estimator: Any
    X: Any
    y: Any
    fit_params: Mapping[str, Any]
    data: str
    """Digest of *X* and *y*."""
    error_score: Any
    how: Mapping[str, Any]
    """Further arguments of `cross_validate`."""
    measures: Mapping[str, str]
    """See `BoundObjective.measures`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, MEASURES, self.measures)

    def __call__(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a trial at *params*: its loss, and scores and times by split."""
        estimator = self.estimator_with(params)
        try:
            by_split = cross_validate(
                estimator, self.X, self.y, params=dict(self.fit_params), error_score=self.error_score, **self.how
            )
        except ValueError as error:
            # scikit-learn takes it for a mistake that concerns all parameters, of which these are but one choice.
            if self.error_score == "raise" or "fits failed" not in str(error):
                raise
            nothing = np.zeros(len(self.how["cv"]))
            by_split = {"test_score": nothing + self.error_score, "fit_time": nothing, "score_time": nothing}
            if self.how["return_train_score"]:
                by_split["train_score"] = nothing + self.error_score
        result: dict[str, Any] = {field: by_split[field].tolist() for field in _FIELDS if field in by_split}
        loss = -float(np.mean(by_split["test_score"]))
        readable = normalise(dict(params), replace=lambda value, path, why: short_repr(value))
        return {"status": STATUS_OK, "loss": loss, "params": readable, "data": self.data, **result}

    def raise_its_error(self, tried: Sequence[Mapping[str, Any]]) -> None:
        """Raise what the estimator raises, if it does so at one of the parameters *tried*, of which none has a score.

        Trials keep a score of nan and no error, so the first fit that failed is made again.
        """
        for params in tried[:1]:
            cross_validate(
                self.estimator_with(params), self.X, self.y, params=dict(self.fit_params), error_score="raise",
                **self.how,
            )  # fmt: skip

    def estimator_with(self, params: Mapping[str, Any]) -> Any:
        """Return a fresh estimator with *params*; raises `InvalidValue` if it has no such parameters."""
        if not isinstance(params, Mapping):
            raise InvalidValue(f"space must give {{parameter: value}}, not {params!r:.60}")
        estimator = clone(self.estimator)
        return estimator.set_params(**{name: _own(value) for name, value in params.items()})


def _named(scoring: Any) -> str:
    """Return a short text that tells *scoring*, None or a callable, from another one."""
    if scoring is None:
        return "the estimator's own"
    return f"{getattr(scoring, '__name__', type(scoring).__name__)} {content(scoring)[:_DIGITS]}"


def _own(value: Any) -> Any:
    """Return *value*, an estimator perhaps, as no other trial has it."""
    copy: Callable[..., Any] = clone
    return copy(value, safe=False)


HyperoptSearchCV = HstoreSearchCV
"""The name in hyperopt, which stays."""
