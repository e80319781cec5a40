"""fmin: minimise a function over a search space. hyperopt's arguments, and a log that outlives the process."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, SupportsFloat, SupportsInt, TypeAlias, TypeVar

from hstore.engine.algorithms.known_algorithms import with_replicates
from hstore.engine.algorithms.repeated import plain_replicates
from hstore.engine.evaluation.domain import describe
from hstore.engine.hyperopt.documents import raw_values
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.hyperopt.forked_view import algorithm_of, forked
from hstore.engine.hyperopt.installed_objects import trials_of
from hstore.engine.hyperopt.losses import best_of
from hstore.engine.hyperopt.open_view import open_view
from hstore.engine.hyperopt.search_call import SearchCall
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.hyperopt.warm_start_sources import known_from
from hstore.engine.provenance.record import Recording
from hstore.engine.search.options import (
    Display,
    Limits,
    ParallelOptions,
    SearchOptions,
    read_loss_threshold,
    read_timeout,
)
from hstore.engine.search.progress import ProgressCallback
from hstore.engine.space import Apply, space_eval
from hstore.engine.space.constant_spaces import searchable
from hstore.store import failures
from hstore.store.errors import AllTrialsFailed, InvalidAnnotatedParameter, InvalidValue, MissingValue
from hstore.store.messages import shown_on_stderr
from hstore.store.store import Store

OptunaName: TypeAlias = Literal[
    "optuna:TPESampler", "optuna:RandomSampler", "optuna:CmaEsSampler", "optuna:QMCSampler", "optuna:NSGAIISampler",
    "optuna:NSGAIIISampler", "optuna:GPSampler",
]  # fmt: skip
"""Optuna's samplers; see docs/optuna.md."""
Function = TypeVar("Function", bound=Callable[..., Any])
AlgorithmName: TypeAlias = Literal["anneal", "auto", "cmaes", "gp", "grid", "mix", "mtpe", "qmc", "rand", "tpe"]
"""Our own algorithms, for type checkers. A plug-in's name works as well; of that a checker knows nothing."""


def fmin(
    fn: Callable[..., Any],
    space: Any,
    algo: AlgorithmName | OptunaName | Mapping[str, Any] | Callable[..., Any] | None = None,
    max_evals: SupportsInt | None = None,
    timeout: SupportsFloat | None = None,
    loss_threshold: SupportsFloat | None = None,
    trials: Any = None,
    rstate: Any = None,
    allow_trials_fmin: bool = True,
    pass_expr_memo_ctrl: bool | None = None,
    catch_eval_exceptions: bool = False,
    verbose: bool = True,
    return_argmin: bool = True,
    points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
    max_queue_len: SupportsInt | None = None,
    show_progressbar: bool | ProgressCallback = True,
    early_stop_fn: Callable[..., Any] | None = None,
    trials_save_file: str | os.PathLike[str] = "",
    *,
    experiment: str | None = None,
    store: str | Store | None = None,
    workers: SupportsInt | None = None,
    retries: Mapping[str, SupportsInt] | None = None,
    grace: SupportsFloat = 10.0,
    pruner: Any = None,
    objectives: SupportsInt | None = None,
    warm_start: Any = None,
    fork_from: str | None = None,
    at: int | str | dt.datetime | None = None,
    max_consecutive_failures: SupportsInt | None = None,
    keep_output: Literal["failed", "always", "never"] = "failed",
    executor: Any = None,
    recover: bool = False,
    trust: bool = False,
    record_source: bool | None = None,
    record_diff: bool = False,
    replicates: SupportsInt | None = None,
    return_recommended: bool | None = None,
) -> Any:
    """Search *space* for the point at which *fn* is smallest, and return it: {label: value}.

    A value is raw, as in hyperopt: a choice's is the index of its option.

    fn: called with a point of the space, and with a `Ctrl` if it has a parameter *ctrl*; returns its loss, or
        {"status": "ok", "loss": …} with anything beside.
    space: a nest of dicts, lists and `hp.…` expressions; "annotated" takes it from the annotations of *fn*, which is
        then called with its parts by keyword.
    algo: `gp.suggest`, `mtpe.suggest`, …, or hyperopt's `tpe.suggest`, `rand.suggest`, `anneal.suggest`; a
        `functools.partial` of one with settings; its name, or a plug-in's, or one of Optuna's samplers such as
        "optuna:TPESampler"; {"name": …, "settings": {…}}; or a function of your own,
        `suggest(new_ids, domain, trials, seed)`. None: the one that `$HSTORE_ALGO` names, else `auto.suggest`.
        See docs/algorithms.md.
    max_evals: number of trials in all, those of earlier calls on the same experiment included; None or infinity for
        no limit.
    timeout: seconds; no trial starts after them. loss_threshold: stop once a loss is smaller.
    experiment, store: search durably, under this name, in the store at this URL (`$HSTORE_URL`, else the embedded
        MongoDB). However a search was stopped, the same call continues it as if it had not been.
    trials: `Trials()` (memory; the default) or `MongoTrials(url, exp_key=…)` (durable, evaluated by workers),
        instead of *experiment*.
    workers: None evaluates in this process, one trial after the other. 0 leaves that to `hstore worker` processes on
        any machine that reaches the store. N starts N of them on this machine and stops them at the end.
    executor: evaluate in a `concurrent.futures` executor or a Dask client of yours; what to try is decided, and what
        came of it recorded, here. Objectives with a *ctrl* need one of threads.
    max_queue_len: how many trials are decided ahead: 1, or with workers one for each of them and one more. With an
        executor: how many it is given at a time; by default as many as it has workers.
    retries: retries per failure cause, with workers: {"lost": 2, "interrupted": 2, "failed": 0, "timeout": 0} for the
        causes that it does not name. Recorded when the experiment is created.
    grace: seconds that running trials get when a search with workers ends early (timeout, loss_threshold,
        early_stop_fn); what still runs then is cancelled.
    pruner: stops hopeless trials early, by what *fn* reports: "asha", "auto", "median", "hyperband", one of
        `hstore.pruners` with settings, a plug-in's name, or without workers a `Pruner` of your own. See `Ctrl.report`
        and `Ctrl.should_stop`.
    objectives: how many losses *fn* returns, if several, as a list or as {"status": "ok", "losses": […]}. Any algorithm
        searches for their Pareto front, and the list of the points of the front is returned. A result may also have
        "constraints", a list of numbers: a constraint is kept if its number is at most 0.
    replicates: how often a point is evaluated at most, for a loss that is noisy: the point with the lowest mean so far
        is evaluated again until it was so often, or another has a lower mean; from the 20th trial on, in every other
        trial at most. Each evaluation is a trial of its own, and counts to *max_evals*. See docs/noise.md.
    return_recommended: True returns the tried point whose expected loss is lowest rather than the one with the lowest
        loss, as `Experiment.recommended` does; the default does so with *replicates*. They are the same where losses
        are not noisy.
    max_consecutive_failures: the search ends once so many trials in a row have failed in this call; the same call
        continues it. None for no limit. Without workers it takes *catch_eval_exceptions*, or results of status "fail".
    keep_output: of which trials workers keep the last 64 KiB that they write to stdout and stderr, as the attachment
        "output" (`hstore show EXPERIMENT TRIAL --output`). What is evaluated in this process prints as ever, and is
        not kept.
    recover: True has this process put back what the store loses under the search (an older backup is restored, say)
        and go on, as far as it holds the lost events; first of all those that an earlier call in this process found to
        be lost. Workers that it starts do the same. False raises `StoreRewound`. See docs/security.md.
    trust: continue an experiment even if `hstore verify` finds that its log was changed.
    record_source: False keeps the text of the objective's code out of the store; its hashes are recorded, and its
        pickle where workers need it. None: as `$HSTORE_RECORD_SOURCE` says, else True. See docs/provenance.md.
    record_diff: True stores what differs from the git commit with the experiment. It may hold secrets.
    rstate: seed, for a reproducible search: an int, or `numpy.random.default_rng(seed)`.
    points_to_evaluate: points {label: value} to evaluate first, on top of *max_evals*; those that the search was given
        before are not queued again. A choice takes one of its options, or as in hyperopt the index of one: an int is
        the index. {"value": 3} or {"index": 3} says which it is.
    warm_start: begin with what is known from earlier searches: the name of an experiment of this store, "url#name" for
        one of another store, `Trials`, or a list of several. Their trials that fit *space* become trials of this
        experiment, on top of *max_evals*; those that it has already are not added again. See docs/trials.md.
    fork_from: begin *experiment* with the first trials of another one in the same store, and go on from there: the
        results that it had are known, and nothing is evaluated again. With the same *algo*, *rstate* and *space* the
        next trial is the one that the other search tried next; without *algo* the other's goes on. Where *space* is
        another one, those trials that fit it are known, as with *warm_start*, on top of *max_evals*.
    at: where to fork: the number of a decision (120: after 120 trials), a time, or "2h-ago"; None: all there is.
    early_stop_fn: `f(trials, *args) -> (stop, args)`, called whenever trials have ended.
    return_argmin: False returns the point as *fn* gets it, with options rather than indices.

    Raises what *fn* raises, after recording it, unless *catch_eval_exceptions*. Raises `SpaceChanged` if the
    experiment was created with a different search space, `Tampered` if its log was changed, `StoreUnreachable` and the
    like if the store cannot be opened, `AllTrialsFailed` if there is no best.
    """
    options = SearchOptions.of(
        limits=Limits.of(
            max_evals=max_evals, timeout=timeout, loss_threshold=loss_threshold, max_queue_len=max_queue_len,
            max_consecutive_failures=max_consecutive_failures,
        ),
        parallel=ParallelOptions.of(workers=workers, retries=retries, grace=grace, executor=executor),
        display=Display.of(verbose=verbose, show_progressbar=show_progressbar),
        rstate=rstate, points=points_to_evaluate, early_stop_fn=early_stop_fn, trials_save_file=trials_save_file,
        catch_eval_exceptions=catch_eval_exceptions, pruner=pruner, objectives=objectives,
        keep_output=keep_output, trust=bool(trust),
        recording=Recording.of(source=record_source, diff=record_diff),
    )  # fmt: skip
    if at is not None and fork_from is None:
        raise InvalidValue("at says where to fork another experiment", hint="add fork_from='its name'", path="at")
    if fork_from is not None and experiment is None:
        raise InvalidValue(
            "fork_from needs the name of the new experiment", hint="add experiment='some-name'", path="fork_from"
        )
    if allow_trials_fmin and _has_own_fmin(trials):
        _refuse_what_hyperopt_has_not(trials, options, warm_start, recover, replicates, return_recommended)
        return trials.fmin(
            fn, space, algo=algo, pass_expr_memo_ctrl=pass_expr_memo_ctrl, return_argmin=return_argmin,
            **options.as_hyperopts(),
        )  # fmt: skip
    if isinstance(space, str) and space == "annotated":
        fn, space = annotated(fn)
    domain = _domain(fn, space, options, pass_expr_memo_ctrl)
    is_recommended = plain_replicates(replicates or 1) > 1 if return_recommended is None else bool(return_recommended)
    if options.objectives is not None and (is_recommended or replicates is not None):
        raise InvalidValue("replicates and return_recommended are for one loss; of several losses there is a front")
    try:
        with (
            shown_on_stderr(options.display.verbose),
            open_view(trials, experiment, store, trials_save_file, recovers=bool(recover)) as view,
        ):
            if view is trials and view.asynchronous and options.parallel.workers is None:
                options = replace(options, parallel=replace(options.parallel, workers=0))
            if fork_from is not None:
                options = forked(view, fork_from, at, domain.space, options)
            if warm_start is not None:
                known = [*options.known, *known_from(warm_start, view, domain.space)]
                options = replace(options, known=known)
            algo = algorithm_of(view) if algo is None else algo
            if replicates is not None:
                algo = with_replicates(algo, replicates)
            SearchCall(algo, domain, view, options).search(ends=True)
            return _answer(view, space, options, return_argmin=return_argmin, is_recommended=is_recommended)
    except KeyboardInterrupt as interrupt:
        # Where hstore and pymongo were interrupted does not help the user: the message has said what to do.
        raise interrupt.with_traceback(None) from None


def _has_own_fmin(trials: Any) -> bool:
    """Return whether *trials* are of a class that searches in its own way, such as `SparkTrials`."""
    is_other = trials is not None and getattr(type(trials), "fmin", Trials.fmin) is not Trials.fmin
    return is_other and trials_of(trials) is None  # hyperopt's own would not understand the space


def _refuse_what_hyperopt_has_not(
    trials: Any, options: SearchOptions, warm_start: Any, recover: bool, replicates: Any, return_recommended: Any
) -> None:
    """Raise `InvalidValue` for options that an fmin with hyperopt's arguments cannot be given."""
    if options.points:
        raise InvalidValue(
            f"{type(trials).__name__} has an fmin of its own, which takes no points_to_evaluate",
            hint="enqueue them on its trials, or set allow_trials_fmin=False",
        )
    beside = (options.pruner, options.objectives, warm_start, recover or None, replicates, return_recommended or None)
    if any(each is not None for each in beside):
        raise InvalidValue(
            f"{type(trials).__name__} has an fmin of its own, which takes no pruner, objectives, warm_start, recover, "
            "replicates or return_recommended",
            hint="set allow_trials_fmin=False",
        )


def _domain(fn: Callable[..., Any], space: Any, options: SearchOptions, pass_expr_memo_ctrl: bool | None) -> Domain:
    if not callable(fn):
        raise InvalidValue(f"fn must be a function of a point of the space, not {fn!r:.60}", path="fn")
    domain = Domain(
        fn, searchable(space, stacklevel=4), pass_expr_memo_ctrl=pass_expr_memo_ctrl, objectives=options.objectives
    )
    if options.pruner is not None and not domain.can_report:
        raise InvalidValue(
            f"pruning needs an objective with a ctrl argument; {describe(fn)['name']} has none",
            hint="give it a parameter ctrl, call ctrl.report(step, loss), and return when ctrl.should_stop()",
        )
    return domain


def _answer(view: Trials, space: Any, options: SearchOptions, *, return_argmin: bool, is_recommended: bool) -> Any:
    """Return what fmin returns: the best point, the recommended one, or those of the front.

    The front is asked for by *objectives*; without them it is the answer where no trial has one loss.
    """
    if view.pareto and (options.objectives is not None or view.experiment.state.best is None):
        front = [raw_values(document) for document in view.pareto]
        return front if return_argmin else [space_eval(space, point) for point in front]
    if not len(view) and not view.experiment.state.counts.get("failed", 0):
        if not return_argmin:
            return None
        raise InvalidValue("There are no evaluation tasks, cannot return argmin of task losses.")
    if options.objectives is not None:
        raise AllTrialsFailed(_no_usable_loss(view))
    best = _argmin(view)
    if is_recommended:
        best = dict(view.recommended.point)
    return best if return_argmin else _evaluated(view, space, best)


def _evaluated(view: Trials, space: Any, best: dict[str, Any]) -> Any:
    """Return the value of *space* at *best*; at the best point that it has a value at, if *best* lacks some label.

    A trial that is known from another experiment has no value for a label that is new.
    """
    try:
        return space_eval(space, best)
    except MissingValue:
        found = [doc for doc in view.trials if _is_whole(space, doc)]
        if not found:
            raise
        return space_eval(space, raw_values(best_of(found)))


def _is_whole(space: Any, document: Mapping[str, Any]) -> bool:
    try:
        space_eval(space, raw_values(document))
    except MissingValue:
        return False
    return document["result"].get("loss") is not None


def _argmin(view: Trials) -> dict[str, Any]:
    """Return the best point; raises `AllTrialsFailed`, which says what went wrong in most of the trials that failed."""
    try:
        return view.argmin
    except AllTrialsFailed as error:
        raise AllTrialsFailed(_no_usable_loss(view), hint=error.hint) from None


def _no_usable_loss(view: Trials) -> str:
    return f"no trial finished with a usable loss{failures.summary(view.experiment.trials)}"


def validate_timeout(timeout: Any) -> None:
    """Raise `InvalidValue` for a *timeout* that is neither None nor a positive number of seconds."""
    read_timeout(timeout)


def validate_loss_threshold(loss_threshold: Any) -> None:
    """Raise `InvalidValue` for a *loss_threshold* that is neither None nor a number."""
    read_loss_threshold(loss_threshold)


def generate_trials_to_calculate(points: Sequence[Mapping[str, Any]]) -> Trials:
    """Return trials in memory whose first ones are to be at *points*, whenever fmin is called on them.

    As in hyperopt they are on top of fmin's max_evals, unless the trials were refreshed, and so seen, before.
    """
    trials = Trials()
    trials.enqueue(points)
    return trials


def fmin_pass_expr_memo_ctrl(f: Function) -> Function:
    """Mark the objective *f* as one that is called with expr, memo and ctrl by keyword, rather than with a point."""
    f.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]
    return f


def partial(fn: Callable[..., Any], **kwargs: Any) -> functools.partial[Any]:
    """Return `functools.partial(fn, **kwargs)` with the mark of `fmin_pass_expr_memo_ctrl` that *fn* may have."""
    bound = functools.partial(fn, **kwargs)
    if hasattr(fn, "fmin_pass_expr_memo_ctrl"):
        bound.fmin_pass_expr_memo_ctrl = fn.fmin_pass_expr_memo_ctrl  # type: ignore[attr-defined]
    return bound


@dataclass(frozen=True)
class KeywordObjective:
    """An objective that takes the parts of its point by keyword."""

    func: Callable[..., Any]

    def __call__(self, point: Mapping[str, Any]) -> Any:
        """Return what the function returns."""
        return self.func(**point)


def annotated(fn: Callable[..., Any]) -> tuple[KeywordObjective, dict[str, Any]]:
    """Return the objective and the space that the annotations of *fn* make: `def f(x: hp.uniform("x", 0, 1)): …`.

    Raises `InvalidAnnotatedParameter` for one that is no expression, other than that of what it returns.
    """
    space = inspect.get_annotations(fn, eval_str=True)
    space.pop("return", None)
    for name, annotation in space.items():
        if not isinstance(annotation, Apply):
            raise InvalidAnnotatedParameter(
                f"{name}: {annotation!r:.60} is no hyperparameter", hint=f"annotate it as {name}: hp.uniform(…)",
                result=annotation,
            )  # fmt: skip
    return KeywordObjective(fn), space
