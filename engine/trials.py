"""Trials: hyperopt's view of an experiment, over the fold of its log. In memory, or in a MongoDB."""

from __future__ import annotations

import datetime as dt
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.objective import STATUS_NEW, STATUS_OK, ChainAttachments
from hstore.engine.progress import say
from hstore.engine.space import Space
from hstore.store.errors import AllTrialsFailed, InvalidPoint
from hstore.store.events import happened
from hstore.store.fold import Trial
from hstore.store.store import Experiment, Store

if TYPE_CHECKING:
    from hstore.engine.history import History

JOB_STATE_NEW = 0
JOB_STATE_RUNNING = 1
JOB_STATE_DONE = 2
JOB_STATE_ERROR = 3
JOB_STATE_CANCEL = 4
JOB_STATES = (JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_CANCEL)
JOB_VALID_STATES = frozenset({JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE})

_JOB_STATE = {
    "queued": JOB_STATE_NEW, "reserved": JOB_STATE_RUNNING, "running": JOB_STATE_RUNNING,
    "done": JOB_STATE_DONE, "failed": JOB_STATE_ERROR, "cancelled": JOB_STATE_CANCEL,
}  # fmt: skip


class Trials:
    """The trials of one experiment as hyperopt's documents. `Trials()` is a search in memory, without a server.

    A document has `params` beside what hyperopt's have: the values that were meant, by active label.

    What is seen is what was there at the last `refresh`; trials that ended in an exception or were cancelled are
    not among `trials`, as in hyperopt (`experiment` shows them all).
    """

    asynchronous = False

    def __init__(
        self, exp_key: str | None = None, refresh: bool = True, *, experiment: Experiment | None = None
    ) -> None:
        self.exp_key = exp_key
        self.experiment = experiment or Experiment(Store.in_memory(), exp_key or "trials")
        self._space: Space | None = None
        self._documents: dict[int, dict[str, Any]] = {}
        self._seen = 0
        self._trials: list[dict[str, Any]] = []
        self.waiting: Sequence[Mapping[str, Any]] = ()
        """Points that were given before there was a space to read them against; fmin queues them."""
        self._waiting_documents: list[dict[str, Any]] = []
        if refresh:
            self.refresh()

    # -- the view ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the view up to the log; only trials with news are looked at."""
        self.experiment.refresh()
        news = {event.tid for event in self.experiment.arrivals[self._seen :]} - {None}
        self._seen = len(self.experiment.arrivals)
        if not news and len(self.waiting) == len(self._waiting_documents):
            return
        for tid in news:
            assert tid is not None
            self._documents[tid] = self._document(self.experiment.state.trials[tid])
        visible = (self._documents[tid] for tid in sorted(self._documents))
        self._waiting_documents = [_waiting_document(tid, point) for tid, point in enumerate(self.waiting)]
        self._trials = [doc for doc in visible if doc["state"] in JOB_VALID_STATES] + self._waiting_documents

    @property
    def space(self) -> Space | None:
        """The space that the experiment was created with; None before its first fmin."""
        created = self.experiment.state.created
        if self._space is None and created is not None:
            self._space = Space.from_data(created.space)
        return self._space

    def _document(self, trial: Trial) -> dict[str, Any]:
        space = self.space
        labels: Iterable[str] = sorted(space.labels) if space is not None else sorted(trial.point)
        misc: dict[str, Any] = {
            "tid": trial.tid,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {label: [trial.tid] if label in trial.point else [] for label in labels},
            "vals": {label: [trial.point[label]] if label in trial.point else [] for label in labels},
        }
        if trial.state == "failed":
            misc["error"] = tuple((trial.error or "").split(": ", 1))
        return {
            "tid": trial.tid,
            "state": _JOB_STATE[trial.state],
            "spec": None,
            "result": dict(trial.result) if trial.result is not None else {"status": STATUS_NEW},
            "misc": misc,
            "params": dict(trial.params),
            "exp_key": self.exp_key,
            "owner": [trial.reserved.worker] if trial.reserved else None,
            "version": trial.ver,
            "book_time": _naive(happened(trial.reserved)) if trial.reserved else None,
            "refresh_time": _naive(happened(trial.last)),
        }

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The documents of all visible trials, by tid."""
        return self._trials

    @property
    def tids(self) -> list[int]:
        """Their ids."""
        return [doc["tid"] for doc in self._trials]

    @property
    def specs(self) -> list[Any]:
        """hyperopt's `spec`, which is always None."""
        return [doc["spec"] for doc in self._trials]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the objective returned, {"status": "new"} until then."""
        return [doc["result"] for doc in self._trials]

    @property
    def miscs(self) -> list[dict[str, Any]]:
        """hyperopt's `misc`, with the raw values by label."""
        return [doc["misc"] for doc in self._trials]

    @property
    def idxs_vals(self) -> tuple[dict[str, list[int]], dict[str, list[Any]]]:
        """By label the ids of the trials in which it is active, and its raw values there."""
        if not self._trials:
            raise ValueError("there are no trials yet, so there are no labels")
        idxs: dict[str, list[int]] = {label: [] for label in self._trials[0]["misc"]["idxs"]}
        vals: dict[str, list[Any]] = {label: [] for label in idxs}
        for misc in self.miscs:
            for label in idxs:
                idxs[label].extend(misc["idxs"][label])
                vals[label].extend(misc["vals"][label])
        return idxs, vals

    @property
    def idxs(self) -> dict[str, list[int]]:
        """See `idxs_vals`."""
        return self.idxs_vals[0]

    @property
    def vals(self) -> dict[str, list[Any]]:
        """See `idxs_vals`."""
        return self.idxs_vals[1]

    def losses(self, bandit: Any = None) -> list[float | None]:
        """Return the loss of each visible trial, None without one."""
        return [result.get("loss") for result in self.results]

    def statuses(self, bandit: Any = None) -> list[str]:
        """Return the status of each visible trial."""
        return [result["status"] for result in self.results]

    def count_by_state_synced(self, arg: int | Iterable[int], trials: list[dict[str, Any]] | None = None) -> int:
        """Return how many visible trials are in hyperopt's state *arg* (or one of several)."""
        states = {arg} if isinstance(arg, int) else set(arg)
        if not states <= set(JOB_STATES):
            raise TypeError(f"{arg!r} is no job state or collection of them")
        return sum(doc["state"] in states for doc in (self._trials if trials is None else trials))

    def count_by_state_unsynced(self, arg: int | Iterable[int]) -> int:
        """Return how many trials are in state *arg* in the log now, those of error and cancel included."""
        self.refresh()
        return self.count_by_state_synced(arg, list(self._documents.values()))

    @property
    def best_trial(self) -> dict[str, Any]:
        """The document of the trial with the smallest loss that violates no constraint; raises `AllTrialsFailed`."""
        best = [doc for doc in self._trials if _has_loss(doc["result"])]
        if not best:
            if self.pareto:
                raise AllTrialsFailed("trials have several losses, so there is no best", hint="see `pareto`")
            raise AllTrialsFailed("no trial has a loss yet that counts, so there is no best")
        return min(best, key=lambda doc: (doc["result"]["loss"], doc["tid"]))

    @property
    def pareto(self) -> list[dict[str, Any]]:
        """The documents of the trials with several losses than which none is better in one and nowhere worse, by tid.

        Those that violate a constraint are not among them.
        """
        front = {trial.tid for trial in self.experiment.state.pareto}
        return [doc for doc in self._trials if doc["tid"] in front]

    @property
    def argmin(self) -> dict[str, Any]:
        """The raw values of the best trial by active label."""
        return raw_values(self.best_trial)

    @property
    def best_params(self) -> Mapping[str, Any]:
        """The values of the best trial that were meant: options rather than their indices, integers as integers."""
        return dict(self.best_trial["params"])

    @property
    def attachments(self) -> ChainAttachments:
        """Named bytes beside the experiment."""
        return ChainAttachments(self.experiment, None)

    def trial_attachments(self, trial: Mapping[str, Any]) -> ChainAttachments:
        """Return the named bytes beside *trial*, a document of `trials`."""
        return ChainAttachments(self.experiment, trial["tid"])

    def history(self, space: Space) -> History:
        """Return what a search over *space* knows when it has taken in all that the log has."""
        from hstore.engine.knowledge import Knowledge

        knowledge = Knowledge(space)
        knowledge.follow(self.experiment)
        knowledge.observe(self.experiment, self.experiment.observed())
        return knowledge.history

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._trials)

    # -- adding to it -----------------------------------------------------------------------------------------

    def enqueue(self, points: Iterable[Mapping[str, Any]]) -> list[int]:
        """Queue a trial for each of *points* and return their ids; workers or the next fmin evaluate them.

        A point is {label: value}, as `fmin` takes it for *points_to_evaluate*. It counts to max_evals like any other
        trial. Nothing is queued if one of them is not of the space: `InvalidPoint`. A search in memory that has
        not begun, and so has no space, keeps them for its first fmin.
        """
        from hstore.engine.points import enqueue
        from hstore.store.events import Queued

        given = list(points)
        self.experiment.refresh()
        if self.experiment.state.created is None and not self.experiment.store.is_durable:
            for point in given:
                if not isinstance(point, Mapping):
                    raise InvalidPoint(f"a point is {{label: value}}, not {point!r:.60}")
            first = len(self.waiting)
            self.waiting = [*self.waiting, *given]
            return list(range(first, first + len(given)))
        return enqueue(self.experiment, given).tids(Queued)

    @property
    def waiting_seen(self) -> int:
        """How many of `waiting` are among `trials` already."""
        return len(self._waiting_documents)

    # -- searching --------------------------------------------------------------------------------------------

    def fmin(self, fn: Callable[..., Any], space: Any, algo: Any = None, **arguments: Any) -> Any:
        """Search on these trials: `hstore.fmin` with `trials=self`; *verbose* is False unless given, as in hyperopt."""
        from hstore.engine.fmin import fmin

        return fmin(fn, space, algo, **{"verbose": False, **arguments, "trials": self})


class MongoTrials(Trials):
    """The trials of experiment *exp_key* of the store at *arg*, a URL or a `Store`; durable, shared, resumable.

    As in hyperopt, fmin on them leaves evaluating to workers, unless `asynchronous` is set to False.
    """

    asynchronous = True

    def __init__(
        self,
        arg: str | Store,
        exp_key: str | None = None,
        cmd: Any = None,
        workdir: str | None = None,
        refresh: bool = True,
    ) -> None:
        from hstore.store.opening import open_store

        if isinstance(arg, Store):
            store = arg
        else:
            store = open_store(arg, say=say)
            weakref.finalize(self, store.close)
        super().__init__(exp_key, refresh, experiment=Experiment(store, exp_key or "default"))


def raw_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the raw values of a trial's *document* by active label."""
    return {label: vals[0] for label, vals in document["misc"]["vals"].items() if vals}


def _has_loss(result: Mapping[str, Any]) -> bool:
    loss = result.get("loss")
    is_feasible = all(constraint <= 0 for constraint in result.get("constraints") or ())
    return result["status"] == STATUS_OK and loss is not None and loss == loss and is_feasible


def _waiting_document(tid: int, point: Mapping[str, Any]) -> dict[str, Any]:
    idxs = {label: [tid] for label in point}
    misc = {
        "tid": tid, "cmd": ("domain_attachment", "FMinIter_Domain"), "workdir": None, "idxs": idxs,
        "vals": {label: [value] for label, value in point.items()},
    }  # fmt: skip
    return {
        "tid": tid, "state": JOB_STATE_NEW, "spec": None, "result": {"status": STATUS_NEW}, "misc": misc,
        "params": dict(point), "exp_key": None, "owner": None, "version": 0, "book_time": None, "refresh_time": None,
    }  # fmt: skip


def _naive(at: dt.datetime) -> dt.datetime:
    """Return *at* as hyperopt has it: UTC without saying so."""
    return at.replace(tzinfo=None)
