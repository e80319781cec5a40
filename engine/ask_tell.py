"""Ask and tell: `hstore.search` hands out trials, and the caller evaluates them wherever it likes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from hstore.engine.algorithms import resolve
from hstore.engine.asked_trial import AskedTrial
from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.domain import MEASURES, keep_attachments
from hstore.engine.evaluation.gate import gate
from hstore.engine.evaluation.results import as_pruned, as_result, is_list
from hstore.engine.hyperopt.ctrl import Ctrl
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.hyperopt.open_view import default_algorithm, open_view
from hstore.engine.hyperopt.search_call import SearchCall
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.hyperopt.warm_start_sources import known_from
from hstore.engine.plain_numbers import as_real
from hstore.engine.provenance.record import Recording
from hstore.engine.search.asking import AskingDriver
from hstore.engine.search.options import Limits, ParallelOptions, SearchOptions
from hstore.engine.space import Space
from hstore.engine.space.constant_spaces import searchable
from hstore.store.errors import InvalidLoss, InvalidValue, NotFound
from hstore.store.events import Done, Failed, Requeued, Reserved
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial
from hstore.store.messages import Log
from hstore.store.store import Store

LOG = Log("search")

T = TypeVar("T")

ASKED = "ask and tell"
ACCEPTED_BY = "add accepts_change=True (`hstore run`: --accept-change)"


class EvaluatedElsewhere:
    """Stands for the objective of a search that is asked: the log holds no code of it.

    program_files: those of the program that evaluates, if it is another than the one that asks.
    """

    def __init__(
        self, name: str, program_files: Sequence[Path] = (), measures: Mapping[str, str] | None = None
    ) -> None:
        self.__qualname__ = name
        self.program_files = program_files
        setattr(self, MEASURES, measures or {})

    def __call__(self, config: Any, ctrl: Any = None) -> float:
        """Raise `InvalidValue`: the program that asked evaluates."""
        raise InvalidValue("the trials of this search are evaluated by the program that asks for them")

    def __reduce__(self) -> NoReturn:
        raise TypeError("there is no code to pickle")


class Search:
    """A search that is asked for trials and told what came of them. Made by `hstore.search`; threads may share it.

    A context manager, also of `async with`: at its end the store is closed if it was opened here. Each method has an
    asynchronous twin: `ask_async`, `tell_async`, `fail_async`, `give_back_async`.
    """

    __module__ = "hstore"

    def __init__(self, view: Trials, driver: AskingDriver, opened: ExitStack) -> None:
        self.trials = view
        """The trials as hyperopt's documents."""
        self.driver = driver
        self.why: str | None = None
        """Why the last `ask` returned no trial: "max_evals", "paused", "exhausted", …"""
        self._opened = opened

    @property
    def experiment(self) -> Experiment:
        """The log of the search, and its fold."""
        return self.driver.experiment

    @property
    def space(self) -> Space:
        """The space that is searched."""
        return self.driver.domain.space

    @property
    def best(self) -> Trial:
        """The trial with the smallest loss; raises `AllTrialsFailed` if no trial has one."""
        with self.locked():
            return self.experiment.best

    def locked(self) -> Any:
        """Return the lock that threads which share the search hold while they read and append."""
        return gate(self.experiment)

    def ask(self) -> AskedTrial | None:
        """Return the next trial to evaluate: one that is queued, else a new one. None if there is none: see `why`.

        Any number may be asked for before the first is told. If this process dies, or the lease of a trial runs out,
        the trial is queued again.
        """
        with self.locked():
            taken, self.why = self.driver.ask()
            return None if taken is None else self._asked(taken)

    def asked(self, token: str) -> AskedTrial:
        """Return the trial that *token* names, which any process asked for; raises `NotFound` for another token.

        A trial that was queued again meanwhile is returned as well; its result will be noted, and counts no more.
        """
        tid, _, claim = str(token).partition("-")
        with self.locked():
            self.experiment.refresh()
            is_number = tid.isdecimal() and tid.isascii() and len(tid) < 19
            is_trial = is_number and int(tid) in self.experiment.state.trials
            for event in self.experiment.chain(int(tid)) if is_trial else ():
                if isinstance(event, Reserved) and event.id.hex == claim:
                    return self._asked(event)
        raise NotFound(
            f"{token!r} is no token of a trial of {self.experiment.name!r}",
            hint=f"`hstore ask {self.experiment.name}` prints one",
        )

    def handed_out(self) -> list[AskedTrial]:
        """Return the trials that some process asked for, with a lease, and that have not ended."""
        with self.locked():
            self.experiment.refresh()
            held = [self.experiment.state.trials[tid].reserved for tid in self.experiment.state.awaited]
            return [self._asked(taken) for taken in held if taken is not None and "lease" in (taken.process or {})]

    def tell(self, trial: AskedTrial, /, loss: Any = None, **result: Any) -> bool:
        """Record the result of *trial*: its *loss*, or a list of several losses; return whether it counts.

        result: what else the trial is to keep, as an objective may return it: `losses`, `constraints`, `loss_variance`,
            `status`, `attachments` and fields of your own. A trial whose pruner said that it should stop needs no loss.
        Returns False if the trial has ended already, or was queued again meanwhile; the result is saved as a note then.
        Raises `InvalidLoss` or `InvalidResult` for what no search can use, and `InvalidValue` for a trial of another
        search; nothing is written.
        """
        ctrl = self._own(trial)._ctrl
        given = {"loss": loss, **result} if not isinstance(loss, Mapping) else {**loss, **result}
        if is_list(given.get("loss")):
            given["losses"] = given.pop("loss")
        given = {name: value for name, value in given.items() if value is not None}
        is_pruned = ctrl.is_pruned and "loss" not in given and "losses" not in given
        objectives = self.driver.domain.objectives
        whole = as_pruned(given, ctrl.last_report) if is_pruned else as_result({"status": "ok", **given}, objectives)
        with self.locked():
            keep_attachments(whole, ctrl)
            plain = attempt.plain_result(whole, partial(LOG.warning, experiment=self.experiment.name, trial=trial.tid))
            end = attempt.done(plain, self._seconds(trial), objectives=objectives)
            self._require_as_many_losses(end)
            return self.driver.end(trial._taken, (Done, trial.tid, end))

    def _require_as_many_losses(self, end: Mapping[str, Any]) -> None:
        """Raise `InvalidLoss` if *end* has another number of losses than the trials so far: none could be compared."""
        state, losses, name = self.experiment.state, end.get("losses"), self.experiment.name
        n = len(losses) if losses else int(end.get("loss") is not None)
        earlier = len(state.pareto[0].losses or ()) if state.pareto else int(state.best is not None)
        if n and earlier and n != earlier:
            raise InvalidLoss(
                f"the result has {_counted(n)}, the earlier trials of {name!r} have {_counted(earlier)}",
                hint="other losses need an experiment of their own",
                result=dict(end.get("result") or {}),
            )

    def fail(self, trial: AskedTrial, error: BaseException | str) -> bool:
        """Record that *trial* failed with *error*; return whether that counts: see `tell`."""
        seconds = self._seconds(self._own(trial))
        if isinstance(error, BaseException):
            failure = attempt.failure(error, duration=seconds)
        else:
            text = str(error).encode("utf-8", "replace").decode()
            kind, _, message = text.partition(": ")
            named = (kind, message) if message and kind.isidentifier() else ("Failed", text)
            failure = {"error": named[0], "message": named[1][: attempt.LONGEST_MESSAGE], "duration": seconds}
        with self.locked():
            return self.driver.end(trial._taken, (Failed, trial.tid, {**failure, "final": True}))

    def give_back(self, trial: AskedTrial, why: str = "given back") -> bool:
        """Queue *trial* again, for the next that asks: it was not evaluated. Return whether that counts: see `tell`."""
        with self.locked():
            return self.driver.end(self._own(trial)._taken, (Requeued, trial.tid, {"why": str(why)}))

    async def ask_async(self) -> AskedTrial | None:
        """Do what `ask` does without blocking the event loop. Cancelled, by a timeout say, it takes no trial."""
        asking = asyncio.ensure_future(self._in_thread(self.ask))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back_unasked)
            raise

    def _give_back_unasked(self, asking: asyncio.Future[AskedTrial | None]) -> None:
        """Queue again what *asking* returned: the caller was cancelled meanwhile, and never sees it."""
        if not asking.cancelled() and asking.exception() is None and (trial := asking.result()) is not None:
            asyncio.get_running_loop().run_in_executor(
                None, trial.give_back, "the call that asked for it was cancelled"
            )

    async def tell_async(self, trial: AskedTrial, /, loss: Any = None, **result: Any) -> bool:
        """Do what `tell` does without blocking the event loop."""
        return await self._in_thread(partial(self.tell, trial, loss, **result))

    async def fail_async(self, trial: AskedTrial, error: BaseException | str) -> bool:
        """Do what `fail` does without blocking the event loop."""
        return await self._in_thread(partial(self.fail, trial, error))

    async def give_back_async(self, trial: AskedTrial, why: str = "given back") -> bool:
        """Do what `give_back` does without blocking the event loop."""
        return await self._in_thread(partial(self.give_back, trial, why))

    def close(self) -> None:
        """Close the store, if it was opened for this search. Trials that were not told are queued again.

        Those that were given out with a lease stay with the programs that have their tokens.
        """
        try:
            with self.locked():
                self.driver.close()
        finally:
            self._opened.close()

    def __enter__(self) -> Search:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Search:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._in_thread(self.close)

    def __repr__(self) -> str:
        return f"<hstore.Search {self.experiment.name!r}: {self.experiment.state.counts}>"

    def _asked(self, taken: Reserved) -> AskedTrial:
        ctrl = Ctrl(self.trials, experiment=self.experiment, number=taken.tid, pruning=self.driver.pruning)
        return AskedTrial(self, taken, ctrl)

    def _own(self, trial: AskedTrial) -> AskedTrial:
        """Return *trial*; raises `InvalidValue` if it is none of this experiment, which has another of its number."""
        if not isinstance(trial, AskedTrial):
            raise InvalidValue(
                f"{trial!r:.60} is not a trial", hint="give what `ask` returned, or `search.asked(token)`"
            )
        other, own = trial._search.experiment, self.experiment
        is_same_store = other.store is own.store or (own.store.is_durable and other.store.url == own.store.url)
        if trial._search is not self and not (is_same_store and other.name == own.name):
            raise InvalidValue(
                f"trial {trial.tid} was asked for from another search, {other.name!r}",
                hint="trial.tell(…) tells the search that it is from",
            )
        return trial

    def _seconds(self, trial: AskedTrial) -> float:
        return time.monotonic() - trial._began

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, call)


def search(
    space: Any = None,
    algo: Any = None,
    *,
    experiment: str | None = None,
    store: str | Store | None = None,
    trials: Trials | None = None,
    max_evals: Any = None,
    timeout: Any = None,
    loss_threshold: Any = None,
    rstate: Any = None,
    pruner: Any = None,
    objectives: int | None = None,
    points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
    warm_start: Any = None,
    retries: Mapping[str, int] | None = None,
    lease: Any = None,
    evaluated_by: str = ASKED,
    program_files: Sequence[Path] = (),
    measures: Mapping[str, str] | None = None,
    accepts_change: bool = False,
    trust: bool = False,
    record_source: bool | None = None,
    record_diff: bool | None = False,
) -> Search:
    """Begin a search, or continue one, whose trials the caller evaluates; return what to ask and to tell.

        with hstore.search(space, experiment="name", max_evals=100, rstate=0) as search:
            while trial := search.ask():
                trial.tell(train(**trial.params))

    The trials are those that `fmin` decides with the same arguments. Any number of programs, workers and calls of fmin
    may share an experiment.

    space: as for `fmin`. None continues *experiment* exactly as it is recorded, with store, lease and trust alone.
    algo, experiment, store, trials, max_evals, timeout, loss_threshold, rstate, pruner, objectives,
    points_to_evaluate, warm_start, retries: as for `fmin`. Without experiment, store and trials it is in memory.
    lease: seconds that a trial is given out for. It may be told by another process (see `AskedTrial.token`), and is
        queued again when nothing was heard of it for so long. None: it is held for as long as this process lives.
    evaluated_by: what evaluates the trials, in a few words, for those who look at the experiment.
    program_files: the program that evaluates, if it is another one than asks: its source is recorded.
    measures: what the losses are, such as {"metric": "error", "mode": "min"}. An experiment whose trials have losses
        that were measured in another way is not gone on with, unless *accepts_change*: they do not compare.
    trust: as for `fmin`: without it raises `Tampered` if the log that it continues was changed.
    record_source, record_diff: as for `fmin`; the source is that of the script that asks, or of *program_files*.
    """
    seconds = as_real(lease)
    if lease is not None and (seconds is None or not seconds > 0):
        raise InvalidValue(f"lease must be a number of seconds above 0, not {lease!r}")
    if space is None:
        given = (algo, trials, max_evals, timeout, loss_threshold, rstate, pruner, objectives, points_to_evaluate,
                 warm_start, retries)  # fmt: skip
        if experiment is None or any(each is not None for each in given):
            raise InvalidValue(
                "the space is missing", hint="only experiment='name', store, lease and trust go without it"
            )
        return _recorded_search(experiment, store, seconds, trust=trust)
    options = SearchOptions.of(
        limits=Limits.of(max_evals=max_evals, timeout=timeout, loss_threshold=loss_threshold),
        parallel=ParallelOptions.of(retries=retries), rstate=rstate, points=points_to_evaluate, pruner=pruner,
        objectives=objectives, recording=Recording.of(source=record_source, diff=bool(record_diff)), trust=trust,
    )  # fmt: skip
    domain = Domain(
        EvaluatedElsewhere(evaluated_by, program_files, measures), searchable(space, stacklevel=3),
        objectives=options.objectives,
    )  # fmt: skip
    domain.accepts_change, domain.accepted_by = accepts_change, ACCEPTED_BY
    with ExitStack() as opened:
        view = opened.enter_context(open_view(trials, experiment, store, ""))
        if warm_start is not None:
            options = replace(options, known=known_from(warm_start, view, domain.space))
        call = SearchCall(default_algorithm() if algo is None else algo, domain, view, options)
        return Search(view, call.asking(seconds), opened.pop_all())


def _recorded_search(experiment: str, store: str | Store | None, lease: float | None, *, trust: bool) -> Search:
    with ExitStack() as opened:
        view = opened.enter_context(open_view(None, experiment, store, ""))
        view.experiment.refresh()
        state = view.experiment.state
        if state.created is None:
            raise NotFound(
                f"there is no experiment {experiment!r} in {view.experiment.store.place}",
                hint="give it a space, and it is begun", name=experiment,
            )  # fmt: skip
        view.experiment.check_signatures()
        if not trust:
            view.experiment.check_links()
        space = searchable(Space.from_data(state.space), stacklevel=None)
        domain = Domain(EvaluatedElsewhere(ASKED), space, objectives=state.objective.get("objectives"))
        algorithm, settings = resolve(state.algorithm)
        limits = Limits.of(max_evals=state.limits.get("max_evals"), loss_threshold=state.limits.get("loss_threshold"))
        driver = AskingDriver(
            experiment=view.experiment, domain=domain, algorithm=algorithm, settings=settings, limits=limits,
            trials=view, lease=lease,
        )  # fmt: skip
        return Search(view, driver, opened.pop_all())


def _counted(losses: int) -> str:
    return "one loss" if losses == 1 else f"{losses} losses"
