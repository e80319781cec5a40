"""SearchCall: one call of fmin on a view of an experiment, carried out at once or in steps by a driver."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hstore.engine.algorithms import Algorithm, describe_algorithm, resolve
from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.evaluation.gate import gate
from hstore.engine.evaluation.pruning import PruningSession
from hstore.engine.hyperopt.ctrl import Ctrl
from hstore.engine.hyperopt.program_driver import ProgramDriver
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.pruners import check_name
from hstore.engine.search import points as given_points
from hstore.engine.search import seeds, warm_start
from hstore.engine.search.asking import AskingDriver
from hstore.engine.search.control import is_discarded
from hstore.engine.search.driver import Driver
from hstore.engine.search.executing import ExecutorDriver
from hstore.engine.search.local_workers import LocalWorkers
from hstore.engine.search.options import Limits, SearchOptions
from hstore.engine.search.parallel import ParallelDriver
from hstore.engine.search.serial import SerialDriver
from hstore.engine.search.start import SearchStart, begin_or_continue
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment
from hstore.store.messages import Log

LOG = Log("search")

LEAST_SECONDS = 1e-9
"""What is left of a timeout that is over: a driver then stops before it decides anything."""


class SearchCall:
    """A search of *domain* on *trials*; nothing is read or written before the first trial is asked for.

    algo: as `fmin` takes it. began: when its timeout began to count, on the monotonic clock.
    """

    def __init__(
        self, algo: Any, domain: BoundObjective, trials: Trials, options: SearchOptions, *, began: float | None = None
    ) -> None:
        self.domain = domain
        self.trials = trials
        self.options = options
        self.catch_eval_exceptions = options.catch_eval_exceptions
        self.why: str | None = None
        """Why the search ended, once it did."""
        self._began = time.monotonic() if began is None else began
        self._algorithm, self._settings = resolve(algo)
        self._generator = seeds.as_generator(options.rstate)
        self._driver: Driver | None = None

    @property
    def driver(self) -> Driver:
        """What searches; the first time it is asked for, the search is begun or continued."""
        if self._driver is None:
            limits = self._begin()
            if self._is_programs:
                self._driver = self._programs(limits)
            elif self.options.parallel.executor is not None:
                self._driver = self._executing(limits, self.options.parallel.executor)
            else:
                is_serial = self.options.parallel.workers is None
                self._driver = self._serial(limits) if is_serial else self._parallel(limits)
        return self._driver

    def _begin(self, *, is_asked: bool = False) -> Limits:
        """Begin or continue the experiment; return the limits with room for what max_evals does not count."""
        view, experiment, options = self.trials, self.trials.experiment, self.options
        if options.parallel.workers is not None:
            if not experiment.store.is_durable and not self._is_programs:
                raise InvalidValue("workers need a store", hint="add experiment='some-name'")
            if options.pruner is not None:
                check_name(options.pruner)
        space = self.domain.space
        if isinstance(self._algorithm, Algorithm):
            self._algorithm.try_out(space, self._settings)
        given = [*view.documents.points, *options.points]
        names = (f"points_to_evaluate[{i}]" for i in range(len(given)))
        points = given_points.read(space, given, names=names, takes_outside=True)
        limits = options.limits
        if limits.max_evals != sys.maxsize:
            on_top = view.unseen + len(options.points) + _uncounted(experiment) + view.documents.waiting_unseen
            on_top += warm_start.count(experiment.state, options.known)
            limits = replace(limits, max_evals=limits.max_evals + on_top)
        start = SearchStart(
            domain=self.domain, algorithm=describe_algorithm(self._algorithm, self._settings),
            generator=seeds.to_data(self._generator), limits=limits, points=points, options=options,
            is_asked=is_asked,
        )  # fmt: skip
        begin_or_continue(experiment, start, view.documents)
        view.documents.forget_points()
        return limits

    def _serial(self, limits: Limits) -> SerialDriver:
        view = self.trials
        return SerialDriver(
            experiment=view.experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=limits, trials=view, early_stop_fn=self.options.early_stop_fn, pruner=self.options.pruner,
            make_ctrl=partial(_ctrl, view),
        )  # fmt: skip

    def _executing(self, limits: Limits, executor: Executor) -> ExecutorDriver:
        view = self.trials
        return ExecutorDriver(
            experiment=view.experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=limits, trials=view, early_stop_fn=self.options.early_stop_fn, pruner=self.options.pruner,
            make_ctrl=partial(_ctrl, view), executor=executor,
        )  # fmt: skip

    @property
    def _is_programs(self) -> bool:
        """Whether the program evaluates: by a subclass of `Trials` in memory that says it is asynchronous."""
        is_asked = self.options.parallel.workers == 0 and self.trials.asynchronous
        return is_asked and type(self.trials) is not Trials and not self.trials.experiment.store.is_durable

    def _programs(self, limits: Limits) -> ProgramDriver:
        return ProgramDriver(
            experiment=self.trials.experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=limits, trials=self.trials, early_stop_fn=self.options.early_stop_fn,
        )  # fmt: skip

    def _parallel(self, limits: Limits) -> ParallelDriver:
        experiment, parallel = self.trials.experiment, self.options.parallel
        team = (
            LocalWorkers(experiment, parallel.workers, grace=parallel.grace, trust=self.options.trust)
            if parallel.workers
            else None
        )
        return ParallelDriver(
            experiment=experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=limits, trials=self.trials, early_stop_fn=self.options.early_stop_fn, team=team,
            grace=parallel.grace,
        )  # fmt: skip

    def asking(self, lease: float | None) -> AskingDriver:
        """Begin or continue the search; return what hands out its trials. lease: see `AskingDriver`."""
        return AskingDriver(
            experiment=self.trials.experiment, domain=self.domain, algorithm=self._algorithm, settings=self._settings,
            limits=self._begin(is_asked=True), trials=self.trials, pruner=self.options.pruner, lease=lease,
        )  # fmt: skip

    def evaluate_queued(self, most: int | None = None) -> None:
        """Evaluate here what is queued, or the first *most* trials of that."""
        with gate(self.trials.experiment):
            driver = self.driver
            serial = driver if isinstance(driver, SerialDriver) else self._serial(driver.limits)
            serial.catch_eval_exceptions = self.catch_eval_exceptions
            serial.evaluate_queued(most)
            self.trials.refresh()

    def search(self, most: int | None = None, *, ends: bool = False) -> None:
        """Search until there are *most* trials, all of them by default; *ends*: the search ends then.

        Raises what the objective raises, after recording it, unless `catch_eval_exceptions`.
        """
        if self.options.parallel.workers is not None:  # it waits, for other processes, and appends little
            self._search(most, ends=ends)
            return
        with gate(self.trials.experiment):
            self._search(most, ends=ends)

    def _search(self, most: int | None, *, ends: bool) -> None:
        driver = self.driver
        experiment, whole = driver.experiment, driver.limits
        most = whole.max_evals if most is None else min(most, whole.max_evals)
        before = experiment.state.suggested
        if isinstance(driver, SerialDriver):
            driver.catch_eval_exceptions = self.catch_eval_exceptions
        with self.options.display.progress(experiment.state.ended, most) as bar:
            _show(bar, driver)
            driver.on_progress = self._progress(bar, driver)
            driver.limits = replace(whole, max_evals=most, timeout=self._seconds_left(whole))
            try:
                with driver.interrupts:
                    why = driver.run()
                self.why = None if why == "max_evals" and not ends else why
                if ends:
                    driver.finish(why)
            except KeyboardInterrupt:
                self._interrupted(driver)
                raise
            finally:
                driver.limits, driver.on_progress = whole, _ignore  # which held this call, and so the store, for ever
                self._leave(driver)
                self._draw_seeds(experiment, before)
                self.trials.follow()  # after an exception too: what was done can be looked at, and saved
        self.trials.refresh()

    def _seconds_left(self, limits: Limits) -> float | None:
        if limits.timeout is None:
            return None
        return max(LEAST_SECONDS, limits.timeout - (time.monotonic() - self._began))

    def _interrupted(self, driver: Driver) -> None:
        experiment = driver.experiment
        if isinstance(driver, ParallelDriver) and driver.team is not None:
            driver.team.stop(grace=0.0)
        what = f"experiment {experiment.name!r}" if experiment.store.is_durable else "if it is given the same trials"
        LOG.warning(
            f"stopped after {experiment.state.ended} trials; the same call continues {what}", experiment=experiment.name
        )

    def _leave(self, driver: Driver) -> None:
        """Stop the workers that were started here, and bring the read models up to the log."""
        if isinstance(driver, ParallelDriver) and driver.team is not None:
            driver.team.stop()
        driver.experiment.store.models.flush()

    def _draw_seeds(self, experiment: Experiment, before: int) -> None:
        """Draw from the caller's generator a seed for each suggestion, as hyperopt does and its callers rely on."""
        self._generator.integers(seeds.SEED_BELOW, size=experiment.state.suggested - before)

    def _progress(self, bar: Any, driver: Driver) -> Callable[[Experiment], None]:
        def progress(experiment: Experiment) -> None:
            _show(bar, driver)
            bar.update(1)
            if self.options.trials_save_file:
                _save(self.trials, Path(self.options.trials_save_file))

        return progress


def _ignore(experiment: Experiment) -> None:
    """Do nothing with a trial that ended between two calls."""


def _ctrl(view: Trials, number: int, pruning: PruningSession) -> Ctrl:
    """Return the `Ctrl` of trial *number*; objectives see that trial, and all before it, in the trials."""
    view.announce([number])
    return Ctrl(view, experiment=view.experiment, number=number, pruning=pruning)


def _show(bar: Any, driver: Driver) -> None:
    """Show beside *bar* the best loss, and how many trials have failed."""
    state, shown = driver.experiment.state, []
    if (best := state.best) is not None:
        shown.append(f"best loss: {best.loss}")
    elif front := state.pareto:
        shown.append(f"front: {len(front)} trials")
    if driver.failures.count:
        shown.append(f"{driver.failures.count} failed")
    if shown:
        bar.postfix = ", ".join(shown)


def _uncounted(experiment: Experiment) -> int:
    """Return how many trials there are that max_evals does not count.

    In memory, as in hyperopt, those that raised, or were cancelled or discarded, in an earlier call. A durable search
    counts every trial but those that were discarded: what continues a killed search must not depend on where that was.
    """
    state = experiment.state
    if experiment.store.is_durable:
        return sum(map(is_discarded, state.unlike_most()))
    return sum(trial.state in ("failed", "cancelled") or is_discarded(trial) for trial in state.trials.values())


def _save(view: Trials, path: Path) -> None:
    import cloudpickle

    view.refresh()
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(cloudpickle.dumps(view))
    beside.replace(path)
