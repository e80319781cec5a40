"""FMinIter: one call of fmin, to be carried out step by step or at once. The drivers do the searching."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hstore.engine.algorithms import Algorithm, describe_algorithm, resolve
from hstore.engine.evaluation.domain import Domain
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.pruners import Pruner, check_name
from hstore.engine.search import points as given_points
from hstore.engine.search import seeds
from hstore.engine.search.control import is_discarded
from hstore.engine.search.defaults import RETRIES
from hstore.engine.search.driver import Driver
from hstore.engine.search.limits import Limits
from hstore.engine.search.local_workers import LocalWorkers
from hstore.engine.search.parallel import ParallelDriver
from hstore.engine.search.progress import ProgressCallback, default_callback, no_progress_callback
from hstore.engine.search.serial import SerialDriver
from hstore.engine.search.start import begin_or_continue
from hstore.store.errors import InvalidValue
from hstore.store.messages import Log
from hstore.store.store import Experiment

LOG = Log("search")

LIMITS_REACHED = ("max_evals", "timeout", "loss_threshold", "early_stop", "exhausted")
"""Why a search ends of itself."""


class FMinIter:
    """A search to be run in parts: `run(n)` for n trials more, `exhaust()` to its end, or as an iterator by trials.

    Arguments are those of `fmin`, and *domain* a `Domain`; nothing is read or written before the first trial is asked
    for. As in hyperopt it yields the trials after each trial but the last. *asynchronous* leaves evaluating to workers,
    which *run* waits for; *poll_interval_secs* is hyperopt's and changes nothing: ends are waited for, not polled.
    *workers*: how many to start here.
    """

    __module__ = "hstore"

    catch_eval_exceptions = False
    """Set it to True to go on when the objective raises."""
    pickle_protocol = -1
    """hyperopt's; changes nothing."""

    def __init__(
        self,
        algo: Any,
        domain: Domain,
        trials: Trials,
        rstate: Any,
        asynchronous: bool | None = None,
        max_queue_len: int | None = None,
        poll_interval_secs: float = 1.0,
        max_evals: int | None = sys.maxsize,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        verbose: bool = False,
        show_progressbar: bool | ProgressCallback = True,
        early_stop_fn: Callable[..., Any] | None = None,
        trials_save_file: str | os.PathLike[str] = "",
        *,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        workers: int = 0,
        retries: Mapping[str, int] | None = None,
        grace: float = 10.0,
        pruner: Pruner | None = None,
    ) -> None:
        self.algo = algo
        self.domain = domain
        self.trials = trials
        self.rstate = rstate
        self.asynchronous = trials.asynchronous if asynchronous is None else asynchronous
        self.max_queue_len = max_queue_len
        self.poll_interval_secs = poll_interval_secs
        self.max_evals = sys.maxsize if max_evals is None else max_evals
        self.timeout = timeout
        self.loss_threshold = loss_threshold
        self.verbose = verbose
        self.show_progressbar = show_progressbar
        self.early_stop_fn = early_stop_fn
        self.trials_save_file = trials_save_file
        self.start_time = time.monotonic()
        self._points = points_to_evaluate or ()
        self._workers = workers
        self._retries = RETRIES if retries is None else retries
        self._grace = grace
        self._pruner = pruner
        self._algorithm, self._settings = resolve(algo)
        self._generator = seeds.as_generator(rstate)
        self._driver: Driver | None = None
        self._why: str | None = None

    # -- asking for trials ------------------------------------------------------------------------------------

    def exhaust(self) -> FMinIter:
        """Search until a limit is reached; return self."""
        driver = self._prepared()
        self._search(driver, driver.limits.max_evals, ends=True)
        return self

    def run(self, N: int, block_until_done: bool = True) -> None:  # noqa: N803 - hyperopt's name
        """Make *N* trials more, unless a limit is reached, and wait for their ends (whatever *block_until_done*)."""
        driver = self._prepared()
        self._search(driver, len(driver.experiment.state.trials) + N)

    def __iter__(self) -> FMinIter:
        return self

    def __next__(self) -> Trials:
        driver = self._prepared()
        total = driver.limits.max_evals
        if self._why is None:
            self._search(driver, min(len(driver.experiment.state.trials) + 1, total))
        if self._why is not None or len(driver.experiment.state.trials) >= total:
            self._why = self._why or "max_evals"
            driver.finish(self._why)
            raise StopIteration
        return self.trials

    def serial_evaluate(self, N: int = -1) -> None:  # noqa: N803 - hyperopt's name
        """Evaluate what is queued, or the first *N* of that, here."""
        driver = self._prepared()
        serial = driver if isinstance(driver, SerialDriver) else self._make(SerialDriver, driver.limits)
        assert isinstance(serial, SerialDriver)
        serial.catch_eval_exceptions = self.catch_eval_exceptions
        serial.evaluate_queued(None if N < 0 else N)
        self.trials.refresh()

    def block_until_done(self) -> None:
        """Wait for the ends of all that is queued or under way; here, evaluate it."""
        driver = self._prepared()
        self._search(driver, len(driver.experiment.state.trials))

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody ended or paused the search from outside."""
        return self._why is not None and self._why not in LIMITS_REACHED

    # -- how --------------------------------------------------------------------------------------------------

    def _prepared(self) -> Driver:
        """Return what searches; the first time, begin the search or go on with it."""
        if self._driver is not None:
            return self._driver
        view, experiment = self.trials, self.trials.experiment
        if self.asynchronous and not experiment.store.is_durable:
            raise InvalidValue("workers need a store", hint="add experiment='some-name'")
        if self.asynchronous and self._pruner is not None:
            check_name(self._pruner)
        space = self.domain.space
        if isinstance(self._algorithm, Algorithm):
            self._algorithm.try_out(space, self._settings)
        given = [*view.documents.points, *self._points]
        points = given_points.read(space, given, names=(f"points_to_evaluate[{i}]" for i in range(len(given))))
        on_top = view.unseen + len(self._points) + _invisible(experiment)
        total = sys.maxsize if self.max_evals == sys.maxsize else self.max_evals + on_top
        limits = Limits(
            max_evals=total, timeout=self.timeout, loss_threshold=self.loss_threshold, max_queue_len=self.max_queue_len
        )
        begin_or_continue(
            experiment, self.domain, describe_algorithm(self._algorithm, self._settings), limits,
            seeds.to_data(self._generator), self.rstate is not None, points, self._retries,
            {} if self._pruner is None else self._pruner.describe(), view.documents,
        )  # fmt: skip
        view.documents.forget_points()
        self._driver = self._make(ParallelDriver if self.asynchronous else SerialDriver, limits)
        return self._driver

    def _make(self, kind: type[Driver], limits: Limits) -> Driver:
        experiment = self.trials.experiment
        more: dict[str, Any] = {}
        if kind is ParallelDriver:
            team = LocalWorkers(experiment, self._workers, grace=self._grace) if self._workers else None
            more = {"team": team, "grace": self._grace}
        else:
            more = {"pruner": self._pruner}
        return kind(
            experiment=experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=limits, trials=self.trials, early_stop_fn=self.early_stop_fn, **more,
        )  # fmt: skip

    def _search(self, driver: Driver, most: int, *, ends: bool = False) -> None:
        """Search until there are *most* trials; *ends*: it is the end of the search then."""
        experiment, whole = driver.experiment, driver.limits
        before = len(experiment.state.trials)
        team = driver.team if isinstance(driver, ParallelDriver) else None
        left = None if whole.timeout is None else max(1e-9, whole.timeout - (time.monotonic() - self.start_time))
        if isinstance(driver, SerialDriver):
            driver.catch_eval_exceptions = self.catch_eval_exceptions
        with self._bar()(experiment.state.ended, most) as bar:
            _show_best(bar, experiment)
            driver.on_progress = self._progress(bar)
            driver.limits = replace(whole, max_evals=min(most, whole.max_evals), timeout=left)
            try:
                why = driver.run()
                self._why = None if why == "max_evals" and not ends else why
                if ends:
                    driver.finish(why)
            except KeyboardInterrupt:
                if team is not None:
                    team.stop(grace=0.0)
                if experiment.store.is_durable:
                    LOG.warning(
                        f"stopped after {experiment.state.ended} trials; "
                        f"the same call continues experiment {experiment.name!r}",
                        experiment=experiment.name,
                    )
                raise
            finally:
                driver.limits = whole
                if team is not None:
                    team.stop()
                experiment.store.models.flush()
                # hyperopt draws a seed from the caller's generator per suggestion, which callers rely on.
                trials = experiment.state.trials
                made = (trials[tid].queued for tid in range(before, len(trials)))
                n = sum(queued is not None and queued.source == "suggested" for queued in made)
                self._generator.integers(seeds.SEED_BELOW, size=n)
        self.trials.refresh()

    def _bar(self) -> ProgressCallback:
        if not self.verbose or self.show_progressbar is False:
            return no_progress_callback
        return default_callback if isinstance(self.show_progressbar, bool) else self.show_progressbar

    def _progress(self, bar: Any) -> Callable[[Experiment], None]:
        def progress(experiment: Experiment) -> None:
            _show_best(bar, experiment)
            bar.update(1)
            if self.trials_save_file:
                _save(self.trials, Path(self.trials_save_file))

        return progress


def _show_best(bar: Any, experiment: Experiment) -> None:
    if (best := experiment.state.best) is not None:
        bar.postfix = f"best loss: {best.loss}"
    elif front := experiment.state.pareto:
        bar.postfix = f"front: {len(front)} trials"


def _invisible(experiment: Experiment) -> int:
    """Return how many trials max_evals is not to count.

    In memory, as in hyperopt, those that raised or were cancelled, when a later call goes on. A durable search counts
    every trial but those that were discarded, since what continues a killed search must not depend on where it was
    killed.
    """
    state = experiment.state
    if experiment.store.is_durable:
        return sum(map(is_discarded, state.trials.values()))
    return state.counts.get("failed", 0) + state.counts.get("cancelled", 0)


def _save(view: Trials, path: Path) -> None:
    import cloudpickle

    view.refresh()
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(cloudpickle.dumps(view))
    beside.replace(path)
