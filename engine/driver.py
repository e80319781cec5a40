"""The driver: read, fold, decide, append. It makes the decisions and, in a serial search, evaluates them."""

from __future__ import annotations

import math
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from hstore.engine.algorithms import Algorithm
from hstore.engine.fingerprint import fingerprint
from hstore.engine.holder import is_gone, this_process
from hstore.engine.knowledge import Knowledge
from hstore.engine.objective import Ctrl, Domain, describe
from hstore.engine.seeds import Seeds
from hstore.store.errors import Conflict
from hstore.store.events import Done, Failed, Finished, Noted, Queued, Requeued, Reserved, Running
from hstore.store.store import Draft, Experiment, author
from hstore.store.values import normalise

REFRESH_SECONDS = 1.0
"""A serial driver hears of what others write (a pause, a note) at least this often."""

CustomAlgorithm = Callable[..., list[dict[str, Any]]]
"""A user's own `suggest(new_ids, domain, trials, seed)`, in hyperopt's shape."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a call of fmin stops."""

    max_evals: int = sys.maxsize
    """Number of trials in all, those of earlier calls included."""
    timeout: float | None = None
    loss_threshold: float | None = None
    max_queue_len: int = 1


@dataclass(kw_only=True)
class Driver:
    """A serial search: decides, evaluates and records in one process, beside any number of others on one experiment."""

    experiment: Experiment
    domain: Domain
    algorithm: Algorithm | CustomAlgorithm
    settings: Mapping[str, Any]
    limits: Limits
    trials: Any
    """The user's view of the experiment: what callbacks and hyperopt-shaped algorithms are handed."""
    catch_eval_exceptions: bool = False
    early_stop_fn: Callable[..., Any] | None = None
    on_progress: Callable[[Experiment], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    _early_stop_args: list[Any] = field(default_factory=list)
    _refreshed: float = -math.inf
    _is_first_decision: bool = True
    _is_exhausted: bool = False
    _is_early_stopped: bool = False

    def __post_init__(self) -> None:
        created = self.experiment.state.created
        assert created is not None
        self._seeds = Seeds(created.generator)
        self._knowledge = Knowledge(self.domain.space)
        self._is_durable = self.experiment.store.is_durable
        self._objective = describe(self.domain.fn)
        self._hstore = version("hstore")

    # -- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Search until a limit is reached; return which one: the `why` of the `finished` event."""
        began = time.monotonic()
        self._refresh()
        self.experiment.repair()
        self._take_back()
        while (why := self._reason_to_stop(began)) is None:
            queue = self._queued() or self._decide()
            for tid in queue:
                self._evaluate(tid)
                self.on_progress(self.experiment)
                if self._is_over(began):
                    break
            self._ask_early_stop(queue)
        return why

    def _reason_to_stop(self, began: float) -> str | None:
        state = self.experiment.state
        if state.status == "paused":
            return "paused"
        if self._is_early_stopped:
            return "early_stop"
        if self._is_over(began):
            return "timeout"
        threshold = self.limits.loss_threshold
        if threshold is not None and state.best is not None and state.best.loss < threshold:  # type: ignore[operator]
            return "loss_threshold"
        if len(state.trials) >= self.limits.max_evals and not self._queued():
            return "max_evals"
        return "exhausted" if self._is_exhausted else None

    def _is_over(self, began: float) -> bool:
        return self.limits.timeout is not None and time.monotonic() - began >= self.limits.timeout

    def _ask_early_stop(self, queue: Sequence[int]) -> None:
        if self.early_stop_fn is not None and queue:
            self.trials.refresh()
            stop, self._early_stop_args = self.early_stop_fn(self.trials, *self._early_stop_args)
            self._is_early_stopped = bool(stop)

    def _refresh(self) -> None:
        self.experiment.refresh()
        self._refreshed = time.monotonic()

    def _queued(self) -> list[int]:
        trials = self.experiment.state.trials
        return sorted(tid for tid in self.experiment.state.open if trials[tid].state == "queued")

    def _take_back(self) -> None:
        """Requeue what processes held that are gone; say what others still hold."""
        is_local = not self._is_durable or self.experiment.store.server is not None
        for tid in sorted(self.experiment.state.open):
            trial = self.experiment.state.trials[tid]
            if trial.reserved is None:
                continue
            if is_gone(trial, is_local=is_local):
                self._try([(Requeued, tid, {"why": f"its process is gone: {trial.reserved.worker}"})])
            else:
                self.say(
                    f"trial {tid} is held by {trial.reserved.worker} since {trial.reserved.at:%Y-%m-%d %H:%M:%S} UTC"
                )

    def _try(self, drafts: Sequence[Draft], *, more_to_come: bool = False) -> bool:
        """Append *drafts*; return False if another process was first (what it wrote has been folded then)."""
        try:
            self.experiment.append(self.experiment.compose(*drafts), more_to_come=more_to_come)
        except Conflict:
            return False
        return True

    # -- deciding ---------------------------------------------------------------------------------------------

    def _decide(self) -> list[int]:
        """Append the next decisions and claim the first of them; return the trials that are queued or ours then."""
        if time.monotonic() - self._refreshed > REFRESH_SECONDS or self.experiment.state.open:
            self._refresh()
            if self._queued() or self.experiment.state.status == "paused":
                return self._queued()
        first, size = self._batch()
        drafts = self._decisions(first, size) if size else []
        if not drafts:
            self._is_exhausted = bool(size)
            return []
        if self._try([*drafts, *self._claim(first, attempt=1)]):
            self._is_first_decision = False
        return [tid for tid in range(first, first + size) if tid in self.experiment.state.open]

    def _batch(self) -> tuple[int, int]:
        """Return (first tid, number) of the decisions to make now: a new batch, or the rest of one cut short."""
        trials = self.experiment.state.trials
        n = len(trials)
        room = self.limits.max_evals - n
        if n and (last := trials[n - 1].queued) is not None and last.batch is not None:
            begun, size = last.batch
            if n < begun + size:
                return n, min(begun + size - n, room)
        return n, max(0, min(self.limits.max_queue_len, room))

    def _decisions(self, first: int, size: int) -> list[Draft]:
        knowledge, experiment = self._knowledge, self.experiment
        knowledge.follow(experiment)
        trials = experiment.state.trials
        last = trials[first - 1].queued if first else None
        batch = None if size == 1 else [first, size]
        observed: list[list[Any]] = []
        if last is not None and last.batch is not None and first < last.batch[0] + last.batch[1]:
            batch = list(last.batch)
        else:
            observed = experiment.observed()
            knowledge.observe(experiment, observed)
        drafts: list[Draft] = []
        for tid in range(first, first + size):
            # Not added to the knowledge before the append: another driver's decision may take its place.
            data = self._choose(tid, knowledge.suggested + len(drafts), [d[2]["point"] for d in drafts])
            if data is None:
                break
            data |= {"observed": observed, "batch": batch}
            if self._is_first_decision and not drafts:
                data["fingerprint"] = fingerprint()
            observed = []
            drafts.append((Queued, tid, data))
        return drafts

    def _choose(self, tid: int, k: int, beside: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        seed, algorithm = self._seeds[k], self.algorithm
        if isinstance(algorithm, Algorithm):
            history = self._knowledge.history
            if beside:
                history = history.copy()
                for point in beside:
                    history.add(dict(point))
            point = algorithm.choose(self.domain.space, history, seed=seed, **self.settings)
        else:
            self.trials.refresh()
            documents = algorithm([tid], self.domain, self.trials, seed, **self.settings)
            if not documents:
                return None
            vals = documents[0]["misc"]["vals"]
            point = {label: normalise(values[0]) for label, values in vals.items() if len(values)}
            self.domain.space.check(point)
        return {
            "point": point,
            "params": self.domain.space.params(point),
            "seed": seed,
            "algorithm": describe_algorithm(algorithm, self.settings),
        }

    # -- evaluating -------------------------------------------------------------------------------------------

    def _claim(self, tid: int, *, attempt: int) -> list[Draft]:
        worker, _, _ = (by := author()).rpartition(":")
        process = this_process()
        return [
            (Reserved, tid, {"worker": by, "host": worker.partition(":")[0], "attempt": attempt, "process": process}),
            (Running, tid, {
                "pid": process["pid"], "python": platform.python_version(), "hstore": self._hstore,
                "objective": self._objective["version"],
            }),
        ]  # fmt: skip

    def _evaluate(self, tid: int) -> None:
        """Evaluate trial *tid* unless another process is first; what became of it is in the log when this returns."""
        trial = self.experiment.state.trials[tid]
        if trial.state == "queued":
            if not self._try(self._claim(tid, attempt=trial.attempt + 1)):
                return
        elif trial.reserved is None or trial.reserved.worker != author():
            return
        claim = self.experiment.state.trials[tid].reserved
        assert claim is not None
        ctrl = Ctrl(self.experiment, tid, self.trials)
        began = time.monotonic()
        try:
            result = self.domain.evaluate(trial.point, ctrl)
            end = self._done(tid, result, time.monotonic() - began)
        except Exception as error:
            self._end(claim, (Failed, tid, _failure(error, time.monotonic() - began)))
            if not self.catch_eval_exceptions:
                raise
        except BaseException:
            self._end(claim, (Requeued, tid, {"why": "interrupted"}))
            raise
        else:
            self._end(claim, end)

    def _end(self, claim: Reserved, end: Draft) -> None:
        """Append *end* if the trial is still ours; note it beside the trial otherwise: nothing is thrown away."""
        kind, tid, data = end
        assert tid is not None
        if self.experiment.state.trials[tid].reserved is claim and self._try([end], more_to_come=True):
            return
        self.say(f"trial {tid} was taken from this process; that it is {kind.type} here is noted beside it")
        while not self._try([(Noted, tid, {"late": {"type": kind.type, **data}})]):
            pass  # each conflict is another event on the chain; the next place is free soon

    def _done(self, tid: int, result: dict[str, Any], duration: float) -> Draft:
        if self._is_durable:
            result = normalise(result, path="result", replace=self._as_text)
        loss = result.get("loss")
        loss = float(loss) if isinstance(loss, (int, float)) else None
        return Done, tid, {"result": result, "status": result["status"], "loss": loss, "duration": duration}

    def _as_text(self, value: Any, path: str, why: str) -> str:
        """Stand in for what no log can hold: after hours of training a result is kept as far as it goes."""
        from reprlib import Repr

        self.say(f"{path} is {why}: its text is recorded instead")
        short = Repr()
        short.maxlevel = short.maxdict = short.maxlist = short.maxset = short.maxtuple = 4
        short.maxother = short.maxstring = 200
        try:
            return short.repr(value).encode("utf-8", "backslashreplace").decode()
        except Exception:  # noqa: BLE001 - whatever a user's __repr__ raises
            return f"<{type(value).__module__}.{type(value).__qualname__}>"

    # -- ending -----------------------------------------------------------------------------------------------

    def finish(self, why: str) -> None:
        """Record that the search ended, unless it did already, is paused, or others are still at it."""
        self._refresh()  # of several drivers the last one to end a trial sees that all have ended
        state = self.experiment.state
        if state.status != "open" or state.open:
            return
        data = {"why": why, "observed": self.experiment.observed(), "decision": self.experiment.head}
        self._try([(Finished, None, data)])


def _failure(error: BaseException, duration: float) -> dict[str, Any]:
    text = "".join(traceback.format_exception(error))
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    data = {
        "error": name,
        "message": str(error)[:4000],
        "traceback": text[-20000:],
        "final": True,
        "duration": duration,
    }
    return {k: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for k, v in data.items()}


def describe_algorithm(algorithm: Algorithm | CustomAlgorithm, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how *algorithm* is named in the log: name, version (None for a user's own), settings."""
    from reprlib import repr as short

    plain = normalise(dict(settings), path="settings", replace=lambda value, path, why: short(value))
    if isinstance(algorithm, Algorithm):
        return {"name": algorithm.name, "version": algorithm.version, "settings": plain}
    name = f"{getattr(algorithm, '__module__', '?')}:{getattr(algorithm, '__qualname__', type(algorithm).__qualname__)}"
    return {"name": name, "version": None, "settings": plain}
