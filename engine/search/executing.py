"""A search that decides here and evaluates in an executor of the user's: threads, processes, a cluster's client."""

from __future__ import annotations

import concurrent.futures as cf
import os
import pickle
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import CodeType, SimpleNamespace
from typing import Any, TypeAlias

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.ctrl import BaseCtrl
from hstore.engine.evaluation.domain import BoundObjective, keep_attachments, pickled
from hstore.engine.evaluation.gate import left
from hstore.engine.evaluation.script import Script
from hstore.engine.evaluation.source_lines import lines_of
from hstore.engine.search.asking import AskingDriver
from hstore.store.errors import HstoreError, InvalidValue
from hstore.store.events import Done, Failed, Requeued, Reserved

LOOK_SECONDS = 1.0
"""How long it waits for an evaluation before it looks whether the search was paused or stopped."""

Outcome: TypeAlias = tuple[dict[str, Any], float]
"""Of an evaluation: its result, attachments in it, and the seconds that it took."""


@dataclass(kw_only=True)
class ExecutorDriver(AskingDriver):
    """Keeps as many trials under way in *executor* as it has workers; what ends is recorded here.

    Objectives that take a ctrl need an executor of threads: what they report is written by this process.
    """

    executor: cf.Executor
    _running: dict[cf.Future[Outcome], Reserved] = field(default_factory=dict)
    _code: bytes = b""
    _source: bytes | None = None
    """Lines of what is pickled, for tracebacks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._is_threaded = isinstance(self.executor, cf.ThreadPoolExecutor)
        if self._is_threaded:
            return
        if self.domain.can_report:
            raise InvalidValue(
                "an objective that takes a ctrl cannot run in an executor of processes",
                hint="give it ThreadPoolExecutor(n), or give fmin workers=n",
            )
        codes: list[CodeType] = []
        self._code = pickled(self.domain.evaluate, codes) or b""
        self._source = lines_of(codes)
        if not self._code:
            raise InvalidValue(
                "the objective or its space cannot be pickled for the executor", hint="give it ThreadPoolExecutor(n)"
            )

    @property
    def width(self) -> int:
        """How many trials are under way at a time: max_queue_len, or the number of the executor's workers."""
        workers = getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1
        return self.limits.max_queue_len or int(workers)

    def run(self) -> str:
        """See `Driver.run`."""
        self._began = time.monotonic()
        why: str | None = None
        try:
            while why is None or self._running:
                while why is None and len(self._running) < self.width:
                    taken, why = self.ask()
                    if taken is not None:
                        self._start(taken)
                if why == "paused" or not self._running:
                    break
                self._collect()
                if why == "exhausted" and self._repeats:
                    why = None  # what ended may be a point to evaluate again
        finally:
            for future, taken in list(self._running.items()):
                future.cancel()
                self.end(taken, (Requeued, taken.tid, {"why": "interrupted"}))
            self.close()
        return why or "max_evals"

    def _start(self, taken: Reserved) -> None:
        point = dict(self.experiment.state.trials[taken.tid].point)
        if self._is_threaded:
            future = self.executor.submit(_evaluate, self.domain, point, self._ctrl(taken.tid))
        else:
            future = self.executor.submit(_evaluate_pickled, self._code, self._source, point, taken.tid)
        self._running[future] = taken

    def _collect(self) -> None:
        with left(self.experiment):
            done, _ = cf.wait(self._running, timeout=LOOK_SECONDS, return_when=cf.FIRST_COMPLETED)
        for future in done:
            self._record(self._running.pop(future), future)
            self.on_progress(self.experiment)
        if done:
            self._ask_early_stop()

    def _record(self, taken: Reserved, future: cf.Future[Outcome]) -> None:
        try:
            result, seconds = future.result()
        except cf.BrokenExecutor as error:  # any of those that ran may have ended its process
            lost = {"error": type(error).__name__, "message": str(error)}
            trial, created = self.experiment.state.trials[taken.tid], self.experiment.state.created
            for end in attempt.after(trial, "lost", lost, {} if created is None else created.retries):
                self.end(taken, end)
            raise
        except Exception as error:
            self.end(taken, (Failed, taken.tid, {**attempt.failure(error), "final": True}))
            if not self.catch_eval_exceptions:
                raise
            return
        keep_attachments(result, self._ctrl(taken.tid))
        if self._is_durable:
            result = attempt.plain_result(result, partial(self._warn, trial=taken.tid))
        self.end(taken, (Done, taken.tid, attempt.done(result, seconds, objectives=self.domain.objectives)))


def _evaluate(domain: BoundObjective, point: Mapping[str, Any], ctrl: BaseCtrl) -> Outcome:
    began = time.monotonic()
    result = domain.evaluate(point, ctrl, attach_attachments=False)
    return result, time.monotonic() - began


def _evaluate_pickled(code: bytes, source: bytes | None, point: Mapping[str, Any], tid: int) -> Outcome:
    """Evaluate in a process of the executor, which unpickles the objective once, as a worker does."""
    ctrl: Any = SimpleNamespace(tid=tid, last_report=None, is_pruned=False)
    try:
        domain, script = _unpickled(code, source)
        with script.as_main():
            return _evaluate(domain, point, ctrl)
    except Exception as error:
        readable = _readable(error)
        if readable is error:
            raise
    raise readable  # not within the handler: some packages (tblib, so Dask) pickle the context of an exception with it


def _readable(error: Exception) -> Exception:
    """Return *error*; one that says the same if it cannot be unpickled, which would break a pool of processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever the methods of a user's exception raise
        if isinstance(error, HstoreError):  # it holds what the objective returned
            return type(error)(str(error), hint=error.hint)
        said = RuntimeError(f"{type(error).__name__}: {error}")
        said.add_note("".join(traceback.format_exception(error)))
        return said
    return error


@lru_cache(maxsize=4)
def _unpickled(code: bytes, source: bytes | None) -> tuple[BoundObjective, Script]:
    script = Script(source)
    domain: BoundObjective = script.unpickle(code).__self__
    return domain, script
