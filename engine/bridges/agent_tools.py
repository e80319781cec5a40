"""What an agent (a language model, say) may do to the searches of a store: plain calls with plain answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hstore.engine.bridges.open_searches import OpenSearches, tid_of
from hstore.engine.search import control, points
from hstore.engine.space import Space
from hstore.store.events import Noted, Queued
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.model_documents import experiment_document, trial_document
from hstore.store.store import Store

LONGEST_NAME = 60


class AgentTools:
    """The tools. The docstring of each is what the agent is told of it.

    Call them within `named`, in one thread: each event names its writer, and that is how the agent's name comes in.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._searches = OpenSearches(store)

    @property
    def reading(self) -> tuple[Callable[..., dict[str, Any]], ...]:
        """The tools that write nothing."""
        return self.list_experiments, self.show_experiment, self.show_trial

    @property
    def writing(self) -> tuple[Callable[..., dict[str, Any]], ...]:
        """The tools that append events."""
        return (
            self.ask, self.report, self.tell, self.fail, self.enqueue, self.note, self.pause, self.resume,
        )  # fmt: skip

    # -- reading ----------------------------------------------------------------------------------------------

    def list_experiments(self, archived: bool = False) -> dict[str, Any]:
        """List the experiments: name, status, number of trials by state, best loss and parameters.

        archived: list those that people have put away instead.
        """
        return {"experiments": [each for each in self._store.overview() if bool(each.get("archived")) is archived]}

    def show_experiment(self, experiment: str, latest: int = 20) -> dict[str, Any]:
        """Show an experiment: status, algorithm, limits, search space, best trial, and its latest trials."""
        found = self._found(experiment)
        space = Space.from_data(found.state.space)
        document = experiment_document(found.state)
        best = found.state.best
        return {
            "name": document.pop("_id"),
            **document,
            "space": {label: space.describe(label) for label in space.as_written},
            "best": None if best is None else {"tid": best.tid, "loss": best.loss, "params": dict(best.params)},
            "head": found.head,
            "trials": [self._brief(trial_document(trial)) for trial in found.trials[-max(0, latest) :] if latest > 0],
        }

    def show_trial(self, experiment: str, tid: int) -> dict[str, Any]:
        """Show one trial by its number: parameters, state, loss, result, error, reported values, notes, who had it."""
        found = self._found(experiment)
        found.chain(tid)  # raises NotFound
        trial = found.state.trials[tid]
        return {
            **self._brief(trial_document(trial)),
            "result": None if trial.result is None else dict(trial.result),
            "error": trial.error,
            "worker": trial.reserved.worker if trial.reserved else None,
            "reports": [{"step": each.step, "value": each.value} for each in trial.reports if each.step is not None],
            "notes": [{"note": each.note, "tags": list(each.tags or ()), "by": each.by} for each in trial.notes],
            "attachments": sorted(trial.attachments),
        }

    # -- writing ----------------------------------------------------------------------------------------------

    def ask(
        self,
        experiment: str,
        space: dict[str, str] | None = None,
        max_evals: int | None = None,
        algo: str | None = None,
        seed: int | None = None,
        pruner: str | None = None,
        objectives: int | None = None,
    ) -> dict[str, Any]:
        """Ask for the next trial to evaluate. Returns its params and a token for report, tell and fail.

        With a space the experiment is begun, if there is none of that name: a range by label, such as
        {"lr": "log(1e-5, 1)", "layers": "int(1, 8)", "opt": "adam|sgd", "momentum": "float(0, 1) if opt=sgd"}.
        With objectives=2 each trial has two losses. Without a report the trial is queued again after an hour. When no
        trial is left, `trial` is null and `why` says so.
        """
        return self._searches.ask(
            experiment, space=space, max_evals=max_evals, algo=algo, seed=seed, pruner=pruner, objectives=objectives
        )

    def report(self, experiment: str, token: str, step: int, value: float) -> dict[str, Any]:
        """Report an intermediate value of a trial that was asked for: smaller is better. `stop`: end it and tell it."""
        should_stop = self._searches.report(experiment, token, step, value)
        return {"tid": tid_of(token), "stop": should_stop}

    def tell(
        self,
        experiment: str,
        token: str,
        loss: float | list[float] | None = None,
        result: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Tell the loss of a trial that was asked for, and what else to keep of it. `counts` is false if it came late.

        A trial that was to stop is told without a loss.
        """
        return {"counts": self._searches.tell(experiment, token, loss, result), "tid": tid_of(token)}

    def fail(self, experiment: str, token: str, error: str) -> dict[str, Any]:
        """Say that a trial that was asked for failed, with a message or "Kind: message"."""
        return {"counts": self._searches.fail(experiment, token, error), "tid": tid_of(token)}

    def enqueue(self, experiment: str, at: list[dict[str, Any]]) -> dict[str, Any]:
        """Queue trials at points of your own: {label: value} each, with a value for each label that is active there."""
        found = self._found(experiment)
        outcome = points.enqueue(found, at, ints="ask", why=f"enqueued by {_writer()}")
        return {"queued": outcome.tids(Queued), "status": outcome.status}

    def note(self, experiment: str, text: str, tid: int | None = None, tags: list[str] | None = None) -> dict[str, Any]:
        """Write a note on a trial, or on the experiment itself without tid. It changes no result."""
        found = self._found(experiment)
        if tid is not None:
            found.chain(tid)  # raises NotFound
        data = {"note": text, **({"tags": tags} if tags else {})}

        def decide() -> list[PendingEvent]:
            is_over = tid is not None and found.state.trials[tid].is_finished
            unseen = is_over and tid not in found.state.observations.watched
            return [*([(Noted, None, {"about": [tid]})] if unseen else []), (Noted, tid, data)]

        written = found.append_decided(decide)
        return {"tid": tid, "by": written[-1].by}

    def pause(self, experiment: str, why: str = "") -> dict[str, Any]:
        """Pause a search: nothing new is suggested or started; what runs goes on to its end."""
        return self._steer(control.pause, "paused", experiment, why)

    def resume(self, experiment: str, why: str = "") -> dict[str, Any]:
        """Continue a search that was paused, or reopen one that has finished."""
        return self._steer(control.resume, "resumed", experiment, why)

    # -- parts ------------------------------------------------------------------------------------------------

    def _found(self, name: str) -> Experiment:
        found = self._store.experiment(name)
        found.refresh()
        return found

    def _steer(self, what: Callable[..., control.Outcome], done: str, experiment: str, why: str) -> dict[str, Any]:
        reason = f"{done} by {_writer()}"
        outcome = what(self._found(experiment), f"{reason}: {why}" if why else reason)
        return {"status": outcome.status, "why": outcome.why, "running": list(outcome.running)}

    @staticmethod
    def _brief(document: dict[str, Any]) -> dict[str, Any]:
        wanted = ("tid", "state", "loss", "losses", "status", "params", "attempt", "pruned", "void", "tags")
        return {name: document[name] for name in wanted if document.get(name) is not None}


@contextmanager
def named(agent: str) -> Iterator[None]:
    """Write in the name of *agent* in this thread: its events are by `host:pid:agent NAME`."""
    thread = threading.current_thread()
    before = thread.name
    plain = "".join(each if each.isprintable() and each != ":" else "_" for each in agent)
    thread.name = f"agent {plain[:LONGEST_NAME] or 'unnamed'}"
    try:
        yield
    finally:
        thread.name = before


def _writer() -> str:
    return threading.current_thread().name
