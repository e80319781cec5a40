"""The documents that a view of an experiment shows, and what hyperopt's interface says of them: columns, the best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.hyperopt.document_view import Documents
from hstore.engine.hyperopt.documents import (
    JOB_STATE_ERROR,
    JOB_STATES,
    JOB_VALID_STATES,
    DocumentTid,
    miscs_to_idxs_vals,
    raw_values,
)
from hstore.engine.hyperopt.losses import average_best_error, best_of
from hstore.engine.space import Space
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import TrialNumber
from hstore.store.experiment import Experiment

if TYPE_CHECKING:
    from hstore.engine.search.recommendation import Recommendation


class ShownDocuments:
    """The visible ones among *documents*, as of the last look at them; with *exp_key* those that have it as well.

    What is shown does not change until `_show`, and no document is made before one is asked for.
    """

    def __init__(self, documents: Documents, exp_key: str | None) -> None:
        self.exp_key = exp_key
        self.documents = documents
        self._start_view()

    def _start_view(self) -> None:
        self._shown: list[dict[str, Any]] = []
        self._fresh: list[dict[str, Any]] = []
        self._is_behind = False
        self._taken = 0
        self._changes = self.documents.changes

    @property
    def experiment(self) -> Experiment:
        """The log behind the documents, and its fold."""
        return self.documents.experiment

    @property
    def space(self) -> Space | None:
        """The space that the experiment was created with; None before its first fmin."""
        return self.documents.space

    def _show(self) -> None:
        documents = self.documents
        self._is_behind = documents.is_behind
        if self._is_behind:  # no document has been looked at, so none is made
            return
        if documents.changes != self._changes:
            self._shown, self._fresh, self._taken, self._changes = [], [], 0, documents.changes
        if len(documents.all) > self._taken:
            self._fresh += filter(self._is_visible, documents.all[self._taken :])
            self._taken = len(documents.all)

    @property
    def _docs(self) -> list[dict[str, Any]]:
        """The documents that are shown; those of a search with a store are made when they are first asked for."""
        if self._is_behind:
            self.documents.make()
            self._show()
        if self._fresh:
            # A program that holds the list from before keeps that. At each refresh it would cost as much as there are
            # trials.
            self._shown, self._fresh = [*self._shown, *self._fresh], []
        return self._shown

    def _is_visible(self, document: Mapping[str, Any]) -> bool:
        is_mine = self.exp_key is None or document["exp_key"] == self.exp_key
        return is_mine and document["state"] in JOB_VALID_STATES

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The documents of all visible trials, by tid."""
        return self._docs

    @property
    def tids(self) -> list[int]:
        """Their ids."""
        return [doc["tid"] for doc in self._docs]

    @property
    def specs(self) -> list[Any]:
        """hyperopt's `spec`, which is always None."""
        return [doc["spec"] for doc in self._docs]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the objective returned, {"status": "new"} until then."""
        return [doc["result"] for doc in self._docs]

    @property
    def miscs(self) -> list[dict[str, Any]]:
        """hyperopt's `misc`, with the raw values by label."""
        return [doc["misc"] for doc in self._docs]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The documents of trials that ended in an exception: `misc.error` (type, message), `misc.traceback`."""
        return [doc for doc in self.documents.all if doc["state"] == JOB_STATE_ERROR]

    @property
    def _dynamic_trials(self) -> list[dict[str, Any]]:
        return self.documents.all

    @_dynamic_trials.setter
    def _dynamic_trials(self, documents: Sequence[dict[str, Any]]) -> None:
        self.documents.keep(documents)

    @property
    def _ids(self) -> set[DocumentTid]:
        return self.documents.ids

    @property
    def _exp_key(self) -> str | None:
        return self.exp_key

    @property
    def idxs_vals(self) -> tuple[dict[str, list[int]], dict[str, list[Any]]]:
        """By label the ids of the trials in which it is active, and its raw values there."""
        return miscs_to_idxs_vals(self.miscs)

    @property
    def idxs(self) -> dict[str, list[int]]:
        """See `idxs_vals`."""
        return self.idxs_vals[0]

    @property
    def vals(self) -> dict[str, list[Any]]:
        """See `idxs_vals`."""
        return self.idxs_vals[1]

    def losses(self, bandit: Any = None) -> list[float | None]:
        """Return the loss of each visible trial, None without one; *bandit*: a `Domain` that reads it from results."""
        if bandit is None:
            return [doc["result"].get("loss") for doc in self._docs]
        return [bandit.loss(doc["result"], doc["spec"]) for doc in self._docs]

    def statuses(self, bandit: Any = None) -> list[str]:
        """Return the status of each visible trial; *bandit*: a `Domain` that reads it from results."""
        if bandit is None:
            return [doc["result"].get("status") for doc in self._docs]
        return [bandit.status(doc["result"], doc["spec"]) for doc in self._docs]

    def average_best_error(self, bandit: Any = None) -> float:
        """Return the `true_loss` to expect of the best trial; see `losses.average_best_error`."""
        return average_best_error(self.results, is_strict=bandit is not None)

    def count_by_state_synced(self, arg: int | Iterable[int], trials: Iterable[dict[str, Any]] | None = None) -> int:
        """Return how many visible trials are in hyperopt's state *arg* (or one of several)."""
        try:
            states = {arg} if isinstance(arg, int) else set(arg)
        except TypeError:
            states = {None}  # type: ignore[arg-type]
        if not states <= set(JOB_STATES):
            raise TypeError(f"{arg!r} is not a job state or a collection of job states")
        return sum(doc["state"] in states for doc in (self._docs if trials is None else trials))

    def count_by_state_unsynced(self, arg: int | Iterable[int]) -> int:
        """Return how many trials are in state *arg* in the log now, those of error and cancel included."""
        self.documents.refresh()
        mine = (doc for doc in self.documents.all if self.exp_key is None or doc["exp_key"] == self.exp_key)
        return self.count_by_state_synced(arg, mine)

    @property
    def best_trial(self) -> dict[str, Any]:
        """The document of the ranked trial with the smallest loss, the first on ties; raises `AllTrialsFailed`.

        A ranked trial is done with status ok and a loss that is not nan, is not void, and violates no constraint.
        """
        best = self.experiment.state.best
        if best is not None and self._countable is not None:
            return self.documents.first(best)
        try:
            return best_of(self._docs, self.documents.shown_by)
        except AllTrialsFailed:
            if self.pareto:
                raise AllTrialsFailed("trials have several losses, so there is no best", hint="see `pareto`") from None
            raise

    @property
    def recommended(self) -> Recommendation:
        """The tried point whose expected loss is lowest; see `Experiment.recommended`."""
        return self.experiment.recommended

    @property
    def pareto(self) -> list[dict[str, Any]]:
        """The documents of the Pareto front, by tid: of trials with several losses that no other trial dominates.

        Those that violate a constraint are not among them.
        """
        numbers = [TrialNumber(trial.tid) for trial in self.experiment.state.pareto]
        if not numbers:
            return []
        front = set(map(id, self.documents.of_trials(numbers)))
        return [doc for doc in self._docs if id(doc) in front]

    @property
    def argmin(self) -> dict[str, Any]:
        """The raw values of the best trial by active label."""
        return raw_values(self.best_trial)

    @property
    def best_params(self) -> Mapping[str, Any]:
        """The actual values of the best trial: options rather than their indices, integers as integers."""
        best = self.best_trial
        shown = self.documents.shown_by(best)
        return raw_values(best) if shown is None else dict(shown.params)

    def __len__(self) -> int:
        n = self._countable
        return len(self._docs) if n is None else n

    @property
    def _countable(self) -> int | None:
        """How many documents there are to show, if none has been made and that is not needed to say so."""
        is_all = self.exp_key is None or self.exp_key == self.documents.exp_key
        return self.documents.visible if self._is_behind and is_all else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._docs)

    def __getitem__(self, item: Any) -> Any:
        return self._docs[item]
