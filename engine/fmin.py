"""fmin: minimise a function over a search space. hyperopt's arguments, and a log that outlives the process."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hstore.engine import points as given_points
from hstore.engine import pruners, recipe, seeds
from hstore.engine.algorithms import describe_algorithm, resolve, tpe
from hstore.engine.driver import Driver, Limits
from hstore.engine.fingerprint import fingerprint
from hstore.engine.objective import Domain, describe
from hstore.engine.parallel import ParallelDriver
from hstore.engine.progress import ProgressCallback, default_callback, no_progress_callback, say
from hstore.engine.serial import SerialDriver
from hstore.engine.space import Point, Space, compile_space, space_eval
from hstore.engine.team import Team
from hstore.engine.trials import MongoTrials, Trials, raw_values
from hstore.store.attachments import Attachments
from hstore.store.errors import BadSearchSpace, Conflict, InvalidValue, SpaceChanged
from hstore.store.events import CAUSES, Changed, Queued, Resumed
from hstore.store.store import Draft, Experiment, Store

RETRIES = {"lost": 2, "interrupted": 2, "failed": 0, "timeout": 0}


def fmin(
    fn: Callable[..., Any],
    space: Any,
    algo: Any = None,
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
    space: a nest of dicts, lists and `hp.…` expressions.
    algo: `tpe.suggest` (the default), `rand.suggest`, `anneal.suggest`, `mix.suggest`, a `functools.partial` of one
        with settings, its name, or a function `suggest(new_ids, domain, trials, seed)` of your own.
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
    pruner: what stops hopeless trials early, by what *fn* reports on its way: "asha", "median", "hyperband", or one of
        `hstore.pruners` with settings. See `Ctrl.report` and `Ctrl.should_stop`.
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
    judge = {} if pruner is None else pruners.resolve(pruner).describe()
    algorithm, settings = resolve(tpe.suggest if algo is None else algo)
    compiled = space if isinstance(space, Space) else compile_space(space)
    if not compiled.is_known:
        raise BadSearchSpace("the space is not known: only points of it were imported", hint="give fmin the space")
    _check_objectives(objectives, loss_threshold)
    domain = Domain(fn, compiled, pass_expr_memo_ctrl=pass_expr_memo_ctrl, objectives=objectives)
    if judge and not domain.can_report:
        raise InvalidValue(
            f"a pruner goes by what an objective reports, and {describe(fn)['name']} has nothing to do so with",
            hint="give it a parameter ctrl, call ctrl.report(step, loss), and return when ctrl.should_stop()",
        )
    with _trials(trials, experiment, store, trials_save_file) as view:
        search = view.experiment
        if workers is None and view is trials and view.asynchronous:
            workers = 0
        if workers is not None and not search.store.is_durable:
            raise InvalidValue("workers need a store", hint="add experiment='some-name'")
        given = [*view.waiting, *(points_to_evaluate or ())]
        points = given_points.read(compiled, given, names=(f"points_to_evaluate[{i}]" for i in range(len(given))))
        on_top = len(points) - view.waiting_seen + _invisible(search)
        limits = Limits(
            max_evals=sys.maxsize if max_evals is None else max_evals + on_top,
            timeout=timeout, loss_threshold=loss_threshold, max_queue_len=max_queue_len,
        )  # fmt: skip
        generator = seeds.as_generator(rstate)
        _prepare(
            search,
            domain,
            describe_algorithm(algorithm, settings),
            limits,
            seeds.to_data(generator),
            rstate is not None,
            points,
            policy,
            judge,
        )
        view.waiting = ()
        bar = _bar(verbose, show_progressbar)
        with bar(search.state.ended, limits.max_evals) as shown:
            common: dict[str, Any] = {
                "experiment": search, "domain": domain, "algorithm": algorithm, "settings": settings,
                "limits": limits, "trials": view, "early_stop_fn": early_stop_fn,
                "on_progress": _progress(shown, view, trials_save_file), "say": say,
            }  # fmt: skip
            driver: Driver
            if workers is None:
                driver = SerialDriver(**common, catch_eval_exceptions=catch_eval_exceptions)
            else:
                team = Team(search, workers, grace=grace, say=say) if workers else None
                driver = ParallelDriver(**common, team=team, grace=grace)
            _search(driver, generator)
        view.refresh()
        if objectives is not None or view.pareto:
            front = [raw_values(document) for document in view.pareto]
            return front if return_argmin else [space_eval(space, point) for point in front]
        if return_argmin:
            if not len(view):
                raise InvalidValue("There are no evaluation tasks, cannot return argmin of task losses.")
            return view.argmin
        return space_eval(space, view.argmin) if len(view) else None


def _check_arguments(timeout: Any, loss_threshold: Any, max_evals: Any, points: Any, max_queue_len: Any) -> None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise InvalidValue(f"The timeout argument should be None or a positive value. Given value: {timeout}")
    if loss_threshold is not None and (
        isinstance(loss_threshold, bool) or not isinstance(loss_threshold, (int, float))
    ):
        raise InvalidValue(
            f"The loss_threshold argument should be None or a numeric value. Given value: {loss_threshold}"
        )
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
        with _patiently(view.experiment.store):
            yield view
        return
    if trials is not None:
        raise InvalidValue("give fmin either trials or experiment and store, not both")
    if experiment is None:
        raise InvalidValue("store needs the name of an experiment to search under", hint="add experiment='some-name'")
    from hstore.store.opening import open_store
    from hstore.store.values import check_name

    check_name(experiment)
    opened = store if isinstance(store, Store) else open_store(store, say=say)
    try:
        with _patiently(opened):
            yield MongoTrials(opened, exp_key=experiment)
    finally:
        if opened is not store:
            opened.close()


@contextmanager
def _patiently(store: Store) -> Iterator[None]:
    """A search waits for its server as long as it takes, and says so; asking for a store does not."""
    patience, store.patience = store.patience, math.inf
    try:
        yield
    finally:
        store.patience = patience


def _invisible(experiment: Experiment) -> int:
    """In memory, as in hyperopt, trials that raised do not count when a later call goes on. A durable search counts
    every trial, since what continues a killed search must not depend on where it was killed.
    """
    return 0 if experiment.store.is_durable else experiment.state.counts.get("failed", 0)


def _prepare(
    experiment: Experiment,
    domain: Domain,
    algorithm: dict[str, Any],
    limits: Limits,
    generator: dict[str, Any],
    is_generator_given: bool,
    points: Sequence[Point],
    retries: Mapping[str, int],
    pruner: Mapping[str, Any],
) -> None:
    """Begin or continue the experiment and queue the *points*, whoever else is doing so at the same time."""
    while True:
        new = given_points.not_queued(experiment.state, points)
        try:
            _begin(experiment, domain, algorithm, limits, generator, is_generator_given, len(new), retries, pruner)
            first = len(experiment.state.trials)
            drafts = [(Queued, first + i, given_points.decision(domain.space, point)) for i, point in enumerate(new)]
            if drafts:
                experiment.append(experiment.compose(*drafts))
        except Conflict:
            continue  # another process was first; what it wrote has been read, so see what is left to do
        return


def _begin(
    experiment: Experiment, domain: Domain, algorithm: dict[str, Any], limits: Limits, generator: dict[str, Any],
    is_generator_given: bool, n_new: int, retries: Mapping[str, int], pruner: Mapping[str, Any],
) -> None:  # fmt: skip
    """Create the experiment, or see that it can be continued with these arguments, and record what changed.

    n_new: how many points are about to be queued, which the search had not been given before.
    """
    objective = describe(domain.fn) | ({} if domain.objectives is None else {"objectives": domain.objectives})
    wanted = {name: None if value == sys.maxsize else value for name, value in asdict(limits).items()}
    if n_new and wanted["max_evals"] is not None:  # there is room for what a person asks for
        wanted["max_evals"] = max(wanted["max_evals"], len(experiment.state.trials) + n_new)
    if experiment.state.created is None:
        created = {
            "space": domain.space.to_data(), "objective": recipe.record(domain, _attachments(experiment)),
            "algorithm": algorithm, "generator": generator, "limits": wanted, "retries": dict(retries),
            "fingerprint": fingerprint(), "pruner": dict(pruner) or None,
        }  # fmt: skip
        if experiment.begin(created):
            return
    state = experiment.state
    assert state.created is not None
    begun_with = Space.from_data(state.created.space)
    if not begun_with.is_known:
        raise SpaceChanged(
            f"experiment {experiment.name!r} was imported without its space, so it cannot go on",
            hint="import it under another --name, with --space pkg.mod:name", differences=[],
        )  # fmt: skip
    if differences := begun_with.differences(domain.space):
        raise SpaceChanged(
            f"experiment {experiment.name!r} was begun with another space:\n  " + "\n  ".join(differences),
            hint="search the new space under another name", differences=differences,
        )  # fmt: skip
    if is_generator_given and experiment.store.is_durable and state.created.generator != generator:
        say(f"experiment {experiment.name!r} goes on with the rstate that it began with")
    goes_on = state.status == "open" or bool(n_new) or not _is_complete(experiment, limits)
    changed: dict[str, Any] = {}
    if state.limits != wanted:
        changed["limits"] = wanted
    if state.algorithm != algorithm:
        changed["algorithm"] = algorithm
    if state.pruner != pruner:
        changed["pruner"] = dict(pruner)
    if any(state.objective.get(key) != objective.get(key) for key in ("name", "ref", "version", "objectives")):
        changed["objective"] = recipe.record(domain, _attachments(experiment))
    # In one append: nobody shall see the search go on within the limits that it had reached.
    drafts: list[Draft] = [(Resumed, None, {"why": "fmin"})] if goes_on and state.status != "open" else []
    if goes_on and changed:
        drafts.append((Changed, None, changed))
    if drafts:
        experiment.append(experiment.compose(*drafts))


def _is_complete(experiment: Experiment, limits: Limits) -> bool:
    state = experiment.state
    best = state.best.loss if state.best else None
    is_reached = limits.loss_threshold is not None and best is not None and best < limits.loss_threshold
    return not state.open and (is_reached or len(state.trials) >= limits.max_evals)


def _attachments(experiment: Experiment) -> Attachments | None:
    return experiment.store.attachments if experiment.store.is_durable else None


def _bar(verbose: bool, show_progressbar: bool | ProgressCallback) -> ProgressCallback:
    if not verbose or show_progressbar is False:
        return no_progress_callback
    return default_callback if isinstance(show_progressbar, bool) else show_progressbar


def _progress(bar: Any, view: Trials, save_file: str | os.PathLike[str]) -> Callable[[Experiment], None]:
    def progress(experiment: Experiment) -> None:
        best = experiment.state.best
        if best is not None:
            bar.postfix = f"best loss: {best.loss}"
        elif front := experiment.state.pareto:
            bar.postfix = f"front: {len(front)} trials"
        bar.update(1)
        if save_file:
            _save(view, Path(save_file))

    return progress


def _save(view: Trials, path: Path) -> None:
    import cloudpickle

    view.refresh()
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(cloudpickle.dumps(view))
    beside.replace(path)


def _search(driver: Driver, generator: Any) -> None:
    experiment = driver.experiment
    before = len(experiment.state.trials)
    team = driver.team if isinstance(driver, ParallelDriver) else None
    try:
        driver.finish(driver.run())
    except KeyboardInterrupt:
        if team is not None:
            team.stop(grace=0.0)
        if experiment.store.is_durable:
            say(
                f"stopped after {experiment.state.ended} trials; the same call continues experiment {experiment.name!r}"
            )
        raise
    finally:
        if team is not None:
            team.stop()
        if experiment.store.models is not None:
            experiment.store.models.flush()
        # hyperopt draws a seed from the caller's generator per suggestion, and callers rely on where that leaves it.
        trials = experiment.state.trials
        made = (trials[tid].queued for tid in range(before, len(trials)))
        generator.integers(seeds.SEED_BELOW, size=sum(q is not None and q.source == "suggested" for q in made))


def generate_trials_to_calculate(points: Sequence[Mapping[str, Any]]) -> Trials:
    """Return trials in memory whose first ones are to be at *points*, whenever fmin is called on them.

    As in hyperopt they are on top of fmin's max_evals, unless the trials were refreshed, and so seen, before.
    """
    trials = Trials()
    trials.enqueue(points)
    return trials
