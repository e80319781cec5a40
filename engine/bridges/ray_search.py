"""Ray Tune's searches as experiments: a `Searcher` that asks hstore, and an executor that runs calls on Ray."""

from __future__ import annotations

import concurrent.futures as cf
import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.tune.search import Searcher

from hstore.engine.ask_tell import Search, search
from hstore.engine.asked_trial import AskedTrial
from hstore.engine.bridges.tune_space import TuneSpace
from hstore.engine.plain_numbers import as_real
from hstore.store.composing import process_of
from hstore.store.errors import InvalidValue
from hstore.store.experiment import author

LEASE_SECONDS = 3600.0


class HstoreSearch(Searcher):
    """A search algorithm for `tune.TuneConfig(search_alg=…)`: each trial of Tune's is one of *experiment*.

    experiment: its name in *store*. One that exists is continued: its trials are known to the algorithm.
    space: of Tune's; without it that is the Tuner's `param_space`.
    metric, mode: what is optimised, and "min" or "max"; without them those of `TuneConfig`. Lists of both: several
        losses, of which a Pareto front is searched.
    algo, seed, store: as for `hstore.search`; seed is its rstate.
    points_to_evaluate: configurations that are tried first.
    lease: seconds without a result after which a trial is queued again, for another of Tune's.
    """

    __module__ = "hstore.ray"

    def __init__(
        self,
        experiment: str,
        space: Mapping[str, Any] | None = None,
        *,
        metric: Any = None,
        mode: Any = None,
        algo: Any = None,
        seed: int | None = None,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        store: str | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        if store is not None and not isinstance(store, str):
            raise InvalidValue("store is a URL: Tune saves its searchers", hint="or leave it out, and set HSTORE_URL")
        if metric is not None and mode is None:
            mode = ["min"] * len(metric) if isinstance(metric, (list, tuple)) else "min"
        super().__init__(metric=metric, mode=mode)
        self._metric: Any = metric
        self._mode: Any = mode
        self._experiment = experiment
        self._begins = {"algo": algo, "rstate": seed, "points_to_evaluate": points_to_evaluate}
        self._place: dict[str, Any] = {"experiment": experiment, "store": store, "lease": lease}
        self._space = None if space is None else TuneSpace(space)
        self._tokens: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        """Trials that Tune said had failed: it may run them again, after `Tuner.restore(…, resume_errored=True)`."""
        self._before = ""
        """The process that wrote what this was restored from."""
        self._search: Search | None = None
        self._trials: dict[str, AskedTrial] = {}

    # -- what Tune calls --------------------------------------------------------------------------------------

    def set_search_properties(self, metric: Any, mode: Any, config: Mapping[str, Any], **spec: Any) -> bool:
        """Take what the Tuner has: see `Searcher`. Returns False for a space where one was given."""
        if config and self._space is not None:
            return False
        if config:
            self._space = TuneSpace(config)
        self._metric = metric or self._metric
        self._mode = mode or self._mode or "min"
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial; None if the experiment is paused, `FINISHED` at its end."""
        asked = self._opened()
        trial = asked.ask()
        if trial is None:
            return None if asked.why == "paused" else Searcher.FINISHED
        self._trials[trial_id], self._tokens[trial_id] = trial, trial.token
        assert self._space is not None
        return self._space.config(trial.params, trial.point)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Report the metric of a running trial."""
        losses = self._losses(result)
        step = result.get("training_iteration")
        if trial_id in self._tokens and len(losses) == 1 and isinstance(step, int):
            self._trial(trial_id).report(step, losses[0])

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Record the end of a trial: its metric, or that it failed."""
        if trial_id not in self._tokens:
            if trial_id not in self._failed or error:
                return
            self._tokens[trial_id] = self._failed.pop(trial_id)  # a note on the trial will hold its result
        trial, losses = self._trial(trial_id), self._losses(result or {})
        if error:
            trial.fail(f"TuneError: trial {trial_id} of Ray Tune failed; its folder has the error")
        elif not losses:
            trial.fail(f"NoMetric: trial {trial_id} of Ray Tune ended without {self._metric!r} in its result")
        else:
            value = losses[0] if isinstance(self._metric, str) else losses
            trial.tell(value, tune_trial=trial_id, metrics=_scalars(result or {}))
        self._trials.pop(trial_id, None)
        token = self._tokens.pop(trial_id)
        if error:
            self._failed[trial_id] = token

    def save(self, checkpoint_path: str) -> None:
        """Write which trials of Tune's are which of the experiment's; all else is in the log."""
        said = {
            "experiment": self._experiment, "metric": self._metric, "mode": self._mode, "trials": self._tokens,
            "failed": self._failed, "by": author(),
        }  # fmt: skip
        Path(checkpoint_path).write_text(json.dumps(said))

    def restore(self, checkpoint_path: str) -> None:
        """Go on from what `save` wrote, and from the log, which may be further.

        Trials that the program which wrote it asked for later are queued again, as Tune does not know them.
        """
        said = json.loads(Path(checkpoint_path).read_text())
        if said["experiment"] != self._experiment:
            raise InvalidValue(
                f"{checkpoint_path} is of experiment {said['experiment']!r}, not of {self._experiment!r}",
                hint=f"HstoreSearch({said['experiment']!r}).restore(…)",
            )
        self._metric, self._mode = said["metric"], said["mode"]
        self._tokens, self._trials = dict(said["trials"]), {}
        self._failed, self._before = dict(said.get("failed", {})), said.get("by", "")

    # -- parts ------------------------------------------------------------------------------------------------

    def _opened(self) -> Search:
        if self._search is None:
            if self._space is None or not self._space.ranges:
                raise InvalidValue(
                    "there is no space to search", hint="give HstoreSearch a space, or the Tuner a param_space"
                )
            if not self._metric:
                raise InvalidValue("the metric is missing", hint="HstoreSearch(…, metric='loss', mode='min')")
            begins = dict(self._begins)
            points = begins.pop("points_to_evaluate")
            self._search = search(
                self._space.ranges, **self._place, **begins, evaluated_by="Ray Tune",
                points_to_evaluate=None if points is None else [self._space.point(point) for point in points],
                objectives=None if isinstance(self._metric, str) else len(self._metric),
                measures={"metric": _words(self._metric), "mode": _words(self._mode)},
            )  # fmt: skip
            weakref.finalize(self, self._search.close)  # at the exit of the program as well
            if self._before:
                self._give_back_forgotten(self._search)
        return self._search

    def _give_back_forgotten(self, asked: Search) -> None:
        """Queue again what the program before asked for and Tune, whose memory is older than the log, does not know."""
        before, self._before = process_of(self._before), ""
        for trial in asked.handed_out():
            if process_of(trial.holder) == before and trial.token not in self._tokens.values():
                trial.give_back("Ray Tune was restored to before it asked for this trial")

    def _trial(self, trial_id: str) -> AskedTrial:
        if trial_id not in self._trials:
            self._trials[trial_id] = self._opened().asked(self._tokens[trial_id])
        return self._trials[trial_id]

    def _losses(self, result: Mapping[str, Any]) -> list[float]:
        """Return what is to be small, of each metric; nothing if one is missing or no number."""
        metrics = [self._metric] if isinstance(self._metric, str) else list(self._metric or ())
        modes = [self._mode] if isinstance(self._mode, str) else list(self._mode or ())
        losses = []
        for name, mode in zip(metrics, modes, strict=True):
            if (value := as_real(_nested(result, name))) is None:
                return []
            losses.append(float(-value if mode == "max" else value))
        return losses

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open search: Tune pickles searchers."""
        return {**self.__dict__, "_search": None, "_trials": {}}


def _nested(result: Mapping[str, Any], name: str) -> Any:
    found = result.get(name)
    if found is None and "/" in name:
        head, _, rest = name.partition("/")
        below = result.get(head)
        return _nested(below, rest) if isinstance(below, Mapping) else None
    return found


def _scalars(result: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in result.items() if not {".", "$"} & set(name)}
    return {name: value for name, value in named.items() if type(value) in (bool, int, float, str)}


class RayExecutor(cf.Executor):
    """Runs calls as tasks on Ray: for `fmin(…, executor=RayExecutor())` and `hstore.workers.run_in(RayExecutor(), n)`.

    max_workers: tasks at a time, for fmin; the CPUs of the cluster by default. options: those of `ray.remote` for each
    task, such as `num_cpus=2`, `num_gpus=1`. Ray is started here unless the program has done so.
    """

    __module__ = "hstore.ray"

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        if not ray.is_initialized():
            ray.init()
        self._max_workers = max_workers or int(ray.cluster_resources().get("CPU", 1))
        self._call = (ray.remote(**options) if options else ray.remote)(_call)
        self._refs: list[Any] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> cf.Future[Any]:
        """See `Executor`. A task that runs is not ended by `Future.cancel`; `shutdown(cancel_futures=True)` ends it."""
        ref = self._call.remote(fn, args, kwargs)
        self._refs = [each for each in self._refs if not ray.wait([each], timeout=0)[0]] + [ref]
        future: cf.Future[Any] = ref.future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`; Ray itself stays."""
        if cancel_futures:
            for ref in self._refs:
                ray.cancel(ref)
        if wait and self._refs:
            ray.wait(self._refs, num_returns=len(self._refs))
        self._refs = []


def _call(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return fn(*args, **kwargs)


def _words(given: Any) -> str:
    return given if isinstance(given, str) else ", ".join(map(str, given or ()))
