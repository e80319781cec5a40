"""fmin: minimise a function over a search space. hyperopt's arguments, and a log that outlives the process."""

from __future__ import annotations

import functools
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from hstore.engine import pruners
from hstore.engine.algorithms import auto, named
from hstore.engine.evaluation.domain import Domain, describe
from hstore.engine.hyperopt.documents import raw_values
from hstore.engine.hyperopt.fmin_iter import FMinIter
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.search.defaults import RETRIES
from hstore.engine.search.progress import ProgressCallback
from hstore.engine.space import Apply, Space, compile_space, space_eval
from hstore.engine.space.constant_spaces import why_nothing_is_searched
from hstore.store.errors import BadSearchSpace, InvalidAnnotatedParameter, InvalidValue
from hstore.store.events import CAUSES
from hstore.store.messages import shown_on_stderr
from hstore.store.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])
AlgorithmName: TypeAlias = Literal["anneal", "auto", "cmaes", "gp", "grid", "mix", "mtpe", "qmc", "rand", "tpe"]
"""Our own algorithms, for type checkers. A plug-in's name works as well; of that a checker knows nothing."""


def fmin(
    fn: Callable[..., Any],
    space: Any,
    algo: AlgorithmName | Callable[..., Any] | None = None,
    max_evals: int | None = None,
    timeout: float | None = None,
    loss_threshold: float | None = None,
    trials: Any = None,
    rstate: Any = None,
    allow_trials_fmin: bool = True,
    pass_expr_memo_ctrl: bool | None = None,
    catch_eval_exceptions: bool = False,
    verbose: bool = True,
    return_argmin: bool = True,
    points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
    max_queue_len: int | None = None,
    show_progressbar: bool | ProgressCallback = True,
    early_stop_fn: Callable[..., Any] | None = None,
    trials_save_file: str | os.PathLike[str] = "",
    *,
    experiment: str | None = None,
    store: str | Store | None = None,
    workers: int | None = None,
    retries: Mapping[str, int] | None = None,
    grace: float = 10.0,
    pruner: Any = None,
    objectives: int | None = None,
) -> Any:
    """Return the point with the smallest *fn* found in *space*: raw values by label (a choice's is its index).

    fn: called with a point of the space, and with a `Ctrl` if it has a parameter *ctrl*; returns its loss, or
        {"status": "ok", "loss": …} with anything beside.
    space: a nest of dicts, lists and `hp.…` expressions; "annotated" takes it from the annotations of *fn*, which is
        then called with its parts by keyword.
    algo: None is the one that `$HSTORE_ALGO` names, else `auto.suggest`. `gp.suggest`, `mtpe.suggest`, …, or hyperopt's
        `tpe.suggest`, `rand.suggest`, `anneal.suggest`; a `functools.partial` of one with settings, its name (or a
        plug-in's), or a function `suggest(new_ids, domain, trials, seed)` of your own. See docs/algorithms.md.
    max_evals: number of trials in all, those of earlier calls on the same experiment included.
    timeout: seconds; no trial is begun after them. loss_threshold: stop once a loss is smaller.
    experiment, store: search durably, under this name, in the store at this URL (`$HSTORE_URL`, else the embedded
        MongoDB). The same call continues a search that was stopped in whatever way, as if it had not been.
    trials: `Trials()` (memory; the default) or `MongoTrials(url, exp_key=…)` (durable, evaluated by workers),
        instead of *experiment*.
    workers: None evaluates here, one trial after the other. 0 leaves that to `hstore worker` processes, wherever
        they reach the store; N starts N of them on this machine and stops them at the end.
    max_queue_len: how many trials are decided ahead: 1, or with workers one for each of them and one more.
    retries: how often a trial is tried again, by why it came to nothing, with workers: {"lost": 2, "interrupted": 2,
        "failed": 0, "timeout": 0} where it does not say otherwise. Recorded when the experiment begins.
    grace: seconds that workers get to end their trials when the search ends early (timeout, loss_threshold,
        early_stop_fn); what still runs then is cancelled.
    pruner: what stops hopeless trials early, by what *fn* reports on its way: "asha", "median", "hyperband", one of
        `hstore.pruners` with settings, a plug-in's name, or without workers a `Pruner` of your own. It goes by the
        one number of each report, with several objectives too. See `Ctrl.report` and `Ctrl.should_stop`.
    objectives: how many losses *fn* returns, if several, as a list or as {"status": "ok", "losses": […]}. Any algorithm
        searches for their Pareto front, and the list of the points of the front is returned. Beside losses or a loss a
        result may have "constraints", a list of numbers that are kept if they are at most 0.
    rstate: `numpy.random.default_rng(seed)` or an int, for a search that can be had again.
    points_to_evaluate: points {label: value} to begin with, on top of *max_evals*; those that the search was given
        before are not queued again. A choice takes one of its options, or as in hyperopt the index of one: an int is
        the index. {"value": 3} or {"index": 3} says which it is.
    early_stop_fn: `f(trials, *args) -> (stop, args)`, asked after every round.
    return_argmin: False returns the point as *fn* was handed it.

    Raises what *fn* raises, after recording it, unless *catch_eval_exceptions*. Raises `SpaceChanged` if the
    experiment was begun with another space, `StoreUnreachable` and its kin if the store cannot be opened,
    `AllTrialsFailed` if there is no best.
    """
    _check_arguments(timeout, loss_threshold, max_evals, points_to_evaluate, max_queue_len)
    policy = _check_parallel(workers, retries, grace)
    if trials is not None and allow_trials_fmin and getattr(type(trials), "fmin", Trials.fmin) is not Trials.fmin:
        if points_to_evaluate is not None:
            raise InvalidValue(
                f"{type(trials).__name__} has an fmin of its own, which takes no points_to_evaluate",
                hint="enqueue them on its trials, or set allow_trials_fmin=False",
            )
        if pruner is not None or objectives is not None:
            raise InvalidValue(
                f"{type(trials).__name__} has an fmin of its own, which takes no pruner and no objectives",
                hint="set allow_trials_fmin=False",
            )
        return trials.fmin(
            fn, space, algo=algo, max_evals=max_evals, timeout=timeout, loss_threshold=loss_threshold,
            max_queue_len=max_queue_len, rstate=rstate, verbose=verbose, pass_expr_memo_ctrl=pass_expr_memo_ctrl,
            catch_eval_exceptions=catch_eval_exceptions, return_argmin=return_argmin,
            show_progressbar=show_progressbar, early_stop_fn=early_stop_fn, trials_save_file=trials_save_file,
        )  # fmt: skip
    if isinstance(space, str) and space == "annotated":
        fn, space = annotated(fn)
    compiled = space if isinstance(space, Space) else compile_space(space)
    if not compiled.is_known:
        raise BadSearchSpace("the space is not known: only points of it were imported", hint="give fmin the space")
    if not len(compiled):
        warnings.warn(why_nothing_is_searched(space), UserWarning, stacklevel=2)
    rule = None if pruner is None else pruners.resolve(pruner)
    _check_objectives(objectives, loss_threshold)
    domain = Domain(fn, compiled, pass_expr_memo_ctrl=pass_expr_memo_ctrl, objectives=objectives)
    if rule is not None and not domain.can_report:
        raise InvalidValue(
            f"a pruner goes by what an objective reports, and {describe(fn)['name']} has nothing to do so with",
            hint="give it a parameter ctrl, call ctrl.report(step, loss), and return when ctrl.should_stop()",
        )
    with shown_on_stderr(bool(verbose)), _trials(trials, experiment, store, trials_save_file) as view:
        if workers is None and view is trials and view.asynchronous:
            workers = 0
        search = FMinIter(
            _default_algorithm() if algo is None else algo, domain, view, rstate, asynchronous=workers is not None,
            max_queue_len=max_queue_len, max_evals=max_evals, timeout=timeout, loss_threshold=loss_threshold,
            verbose=verbose, show_progressbar=show_progressbar, early_stop_fn=early_stop_fn,
            trials_save_file=trials_save_file, points_to_evaluate=points_to_evaluate, workers=workers or 0,
            retries=policy, grace=grace, pruner=rule,
        )  # fmt: skip
        search.catch_eval_exceptions = catch_eval_exceptions
        search.exhaust()
        if objectives is not None or view.pareto:
            front = [raw_values(document) for document in view.pareto]
            return front if return_argmin else [space_eval(space, point) for point in front]
        if return_argmin:
            if not len(view):
                raise InvalidValue("There are no evaluation tasks, cannot return argmin of task losses.")
            return view.argmin
        return space_eval(space, view.argmin) if len(view) else None


def _default_algorithm() -> Any:
    """Return what `$HSTORE_ALGO` names, else `auto`."""
    name = os.environ.get("HSTORE_ALGO")
    if not name:
        return auto.suggest
    try:
        return named(name)
    except InvalidValue as error:
        raise InvalidValue(f"$HSTORE_ALGO: {error}", hint=error.hint or "unset it, or pass algo", path="algo") from None


def _check_arguments(timeout: Any, loss_threshold: Any, max_evals: Any, points: Any, max_queue_len: Any) -> None:
    validate_timeout(timeout)
    validate_loss_threshold(loss_threshold)
    if max_evals is not None and (isinstance(max_evals, bool) or max_evals != int(max_evals) or max_evals < 0):
        raise InvalidValue(f"max_evals must be a whole number of trials, not {max_evals!r}")
    if points is not None and not isinstance(points, (list, tuple)):
        raise InvalidValue(f"points_to_evaluate must be a list of {{label: value}}, not {type(points).__name__}")
    if max_queue_len is not None and (
        isinstance(max_queue_len, bool) or not isinstance(max_queue_len, int) or max_queue_len < 1
    ):
        raise InvalidValue(f"max_queue_len must be a whole number of at least 1, not {max_queue_len!r}")


def _check_objectives(objectives: Any, loss_threshold: Any) -> None:
    if objectives is None:
        return
    if isinstance(objectives, bool) or not isinstance(objectives, int) or objectives < 2:
        raise InvalidValue(f"objectives must be a number of losses, 2 or more, not {objectives!r}")
    if loss_threshold is not None:
        raise InvalidValue("loss_threshold is for one loss, not for several objectives")


def validate_timeout(timeout: Any) -> None:
    """Raise `InvalidValue` for what is no *timeout*: seconds, or None."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise InvalidValue(f"The timeout argument should be None or a positive value. Given value: {timeout}")


def validate_loss_threshold(loss_threshold: Any) -> None:
    """Raise `InvalidValue` for what is no *loss_threshold*: a number, or None."""
    if loss_threshold is not None and (
        isinstance(loss_threshold, bool) or not isinstance(loss_threshold, (int, float))
    ):
        raise InvalidValue(
            f"The loss_threshold argument should be None or a numeric value. Given value: {loss_threshold}"
        )


def _check_parallel(workers: Any, retries: Any, grace: Any) -> dict[str, int]:
    """Raise `InvalidValue` for what cannot be meant; return the whole retry policy."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise InvalidValue(f"workers must be a number of processes, 0 or None, not {workers!r}")
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not grace >= 0:
        raise InvalidValue(f"grace must be a number of seconds, not {grace!r}")
    policy = {} if retries is None else dict(retries)
    for cause, times in policy.items():
        if cause not in CAUSES or isinstance(times, bool) or not isinstance(times, int) or times < 0:
            raise InvalidValue(
                f"retries cannot hold {cause!r}: {times!r}", hint=f"it maps {', '.join(CAUSES)} to how often"
            )
    return RETRIES | policy


@contextmanager
def _trials(
    trials: Any, experiment: str | None, store: str | Store | None, save_file: str | os.PathLike[str]
) -> Iterator[Trials]:
    """Hand out the view to search on; close the store if it was opened here."""
    if experiment is None and store is None:
        if trials is None and save_file and Path(save_file).exists():
            import cloudpickle

            trials = cloudpickle.loads(Path(save_file).read_bytes())
        view = Trials() if trials is None else trials
        if not isinstance(view, Trials):
            raise InvalidValue(
                f"trials must be an hstore.Trials, not {type(trials).__module__}.{type(trials).__qualname__}"
            )
        with _retrying(view.experiment.store):
            yield view
        return
    if trials is not None:
        raise InvalidValue("give fmin either trials or experiment and store, not both")
    if experiment is None:
        raise InvalidValue("store needs the name of an experiment to search under", hint="add experiment='some-name'")
    from hstore.store.open_store import open_store
    from hstore.store.values import check_name

    check_name(experiment)
    opened = store if isinstance(store, Store) else open_store(store)
    try:
        with _retrying(opened):
            yield MongoTrials(opened, exp_key=experiment)
    finally:
        if opened is not store:
            opened.close()


@contextmanager
def _retrying(store: Store) -> Iterator[None]:
    """A search waits for its server as long as it takes, and says so; asking for a store does not."""
    timeout, store.timeout = store.timeout, math.inf
    try:
        yield
    finally:
        store.timeout = timeout


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
