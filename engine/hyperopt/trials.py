"""Trials: hyperopt's view of an experiment, over the fold of its log. In memory, or in a MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.attachments import SharedAttachments, attached_name
from hstore.engine.hyperopt.document_view import Documents
from hstore.engine.hyperopt.documents import (
    JOB_STATE_ERROR,
    JOB_STATES,
    JOB_VALID_STATES,
    DocumentTid,
    SONify,
    check_document,
    miscs_to_idxs_vals,
    new_document,
    raw_values,
    tid_of,
)
from hstore.engine.hyperopt.losses import average_best_error, best_of
from hstore.engine.space import Space
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import TrialNumber
from hstore.store.experiment import Experiment
from hstore.store.html import state_html
from hstore.store.store import Store
from hstore.store.table_kinds import TableKind

if TYPE_CHECKING:
    import pandas as pd

    from hstore.engine.algorithms.history import History
    from hstore.engine.analysis.importance import LabelImportance
    from hstore.engine.search.observed_history import ObservedHistory
    from hstore.engine.search.recommendation import Recommendation


class Trials:
    """The trials of one experiment as hyperopt's documents. `Trials()` is a search in memory, without a server.

    A document has `params` beside what hyperopt's have: the actual values, by active label (not under
    `hstore.compat`, where documents have hyperopt's keys and no others). What is inserted,
    and what is changed in the document of a trial that has not ended, becomes events of the experiment's log: the
    latter at the next `refresh`.

    What is seen is what was there at the last `refresh`; trials that ended in an exception or were cancelled are
    not among `trials`, as in hyperopt (`errors` and `experiment` show them). Not for use by several threads at once.
    """

    __module__ = "hstore"

    asynchronous = False
    _is_announcing = False

    def __init__(
        self, exp_key: str | None = None, refresh: bool = True, *, experiment: Experiment | None = None
    ) -> None:
        self.exp_key = exp_key
        experiment = experiment or Experiment(Store.in_memory(), exp_key or "trials")
        self.documents = Documents(experiment, exp_key)
        self._start_view()
        if refresh:
            self.refresh()

    def _start_view(self) -> None:
        self._shown: list[dict[str, Any]] = []
        self._fresh: list[dict[str, Any]] = []
        self._is_behind = False
        self._taken = 0
        self._changes = self.documents.changes
        self._observed_history: tuple[Space, Experiment, ObservedHistory] | None = None
        self.unseen = 0
        """How many documents were inserted since the last `refresh`."""

    # -- the view ---------------------------------------------------------------------------------------------

    @property
    def experiment(self) -> Experiment:
        """The log behind the documents, and its fold."""
        return self.documents.experiment

    @property
    def space(self) -> Space | None:
        """The space that the experiment was created with; None before its first fmin."""
        return self.documents.space

    def view(self, exp_key: str | None = None, refresh: bool = True) -> Trials:
        """Return another view of the same documents: of those with *exp_key*, if it is given."""
        other: Trials = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.exp_key = exp_key
        other._start_view()
        if refresh:
            other.refresh()
        return other

    def refresh(self) -> None:
        """Bring log and view up to each other; only trials with new events, and those that have not ended, are read."""
        self.documents.refresh()
        self._show()
        self.unseen = 0

    def follow(self) -> None:
        """Bring the view up to what was read of the log: what `refresh` does, without asking a server.

        In memory it is `refresh`, which subclasses may have made their own.
        """
        if not self.experiment.store.is_durable:
            self.refresh()
            return
        self.documents.take_in()
        self._show()

    def announce(self, numbers: Iterable[int]) -> None:
        """Show the trials *numbers*, which were just decided; subclasses in memory see them being inserted."""
        self.follow()
        hooks = ("insert_trial_docs", "_insert_trial_docs")
        has_hooks = any(getattr(type(self), hook) is not getattr(Trials, hook) for hook in hooks)
        if not has_hooks or self.experiment.store.is_durable:
            return
        self._is_announcing = True
        try:
            self.insert_trial_docs(self.documents.of_trials(map(TrialNumber, numbers)))
        finally:
            self._is_announcing = False
        self.refresh()

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

    def to_pandas(self, kind: TableKind = "trials") -> pd.DataFrame:
        """Return a frame with one row a trial, event or report of the log behind this; see `Experiment.to_pandas`."""
        self.refresh()
        return self.experiment.to_pandas(kind)

    def importance(self, **options: Any) -> list[LabelImportance]:
        """Return how important each label was for a trial to be among the best; see `hstore.importance`."""
        from hstore.engine.analysis.importance import importance

        self.refresh()
        return importance(self.experiment, **options)

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

    def history(self, space: Space) -> History:
        """Return what a search over *space* knows when it has taken in all that the log has.

        It is kept, and only what is new is added. Documents that were inserted before there was a space are read now.
        """
        from hstore.engine.search.observed_history import ObservedHistory

        self.documents.learn(space)
        experiment = self.experiment
        if (
            self._observed_history is None
            or self._observed_history[0] is not space
            or self._observed_history[1] is not experiment
        ):
            self._observed_history = space, experiment, ObservedHistory(space)
        observed_history = self._observed_history[2]
        observed_history.follow(experiment)
        observed_history.observe(experiment, experiment.observed())
        return observed_history.history

    def __repr__(self) -> str:
        return f"<hstore.{type(self).__name__} {self.experiment.state.summary}>"

    def _repr_html_(self) -> str:
        return state_html(self.experiment.state)

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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_observed_history": None}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update({"_fresh": [], **state})  # earlier versions had none

    # -- attachments ------------------------------------------------------------------------------------------

    @property
    def attachments(self) -> ChainAttachments:
        """Named contents beside the experiment; under the names that `aname` gives, those beside its trials."""
        return SharedAttachments(self.documents)

    def aname(self, trial: Mapping[str, Any], name: str) -> str:
        """Return the name that attachment *name* of *trial* has in `attachments`."""
        return attached_name(trial["tid"], name)

    def trial_attachments(self, trial: Mapping[str, Any]) -> Any:
        """Return the named contents beside *trial*, a document of `trials`: a mutable mapping."""
        number = self.documents.number_of(trial)
        return self.documents.attachments_of(tid_of(trial) if number is None else self.documents.tids_of([number])[0])

    # -- adding to it -----------------------------------------------------------------------------------------

    def assert_valid_trial(self, trial: Any) -> Any:
        """Return *trial* if it is a document of a trial of these, else raise `InvalidTrial`."""
        return check_document(trial, self.exp_key)

    def insert_trial_doc(self, doc: Mapping[str, Any]) -> int:
        """Add one document, see `insert_trial_docs`; return its tid."""
        return self.insert_trial_docs([doc])[0]

    def insert_trial_docs(self, docs: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add copies of *docs*, each in the state that it says, and return their tids.

        They are seen after the next `refresh`. Raises `InvalidTrial` if one of them is not a valid document of
        these trials, and TypeError for one with values that are not plain; nothing is added then.
        """
        if self._is_announcing:
            return self._insert_trial_docs(list(docs))  # type: ignore[arg-type]
        return self._insert_trial_docs([self.assert_valid_trial(SONify(doc)) for doc in docs])

    def _insert_trial_docs(self, docs: Sequence[dict[str, Any]]) -> list[int]:
        if not self._is_announcing:  # what is announced is in the log already
            if self._is_behind:  # what is inserted is seen after the next refresh, and no sooner
                self.documents.make()
                self._show()
            self.documents.insert(docs)
            self.unseen += len(docs)
        return [doc["tid"] for doc in docs]

    def new_trial_ids(self, n: int) -> list[DocumentTid]:
        """Return *n* tids for documents to come; they will not be given again."""
        return self.documents.new_ids(n)

    def new_trial_docs(
        self, tids: Sequence[int], specs: Sequence[Any], results: Sequence[Any], miscs: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """Return a document for each of *tids*, to be inserted; what they are made of is put in as it is."""
        return [
            new_document(tid, misc, spec=spec, result=result, exp_key=self.exp_key)
            for tid, spec, result, misc in zip(tids, specs, results, miscs, strict=True)
        ]

    def source_trial_docs(
        self,
        tids: Sequence[int],
        specs: Sequence[Any],
        results: Sequence[Any],
        miscs: Sequence[dict[str, Any]],
        sources: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Return documents as `new_trial_docs` does, in the states of the trials *sources* that they came from."""
        docs = self.new_trial_docs(tids, specs, results, miscs)
        for doc, source in zip(docs, sources, strict=True):
            doc.update({key: source[key] for key in ("state", "exp_key", "owner", "book_time", "refresh_time")})
            doc["misc"].update(tid=doc["tid"], cmd=source["misc"]["cmd"], from_tid=source["tid"])
        return docs

    def enqueue(self, points: Iterable[Mapping[str, Any]]) -> list[DocumentTid]:
        """Queue a trial for each of *points* and return their ids; workers or the next fmin evaluate them.

        A point is {label: value}, as `fmin` takes it for *points_to_evaluate*. It counts to max_evals like any other
        trial. Nothing is queued if one of them is not of the space: `InvalidPoint`. A search in memory that has
        not begun, and so has no space, keeps them for its first fmin.
        """
        from hstore.engine.search.points import enqueue
        from hstore.store.events import Queued

        given = list(points)
        self.experiment.refresh()
        if self.experiment.state.created is None and not self.experiment.store.is_durable:
            tids = self.documents.give(given)
            self.unseen += len(tids)
            return tids
        return self.documents.tids_of(map(TrialNumber, enqueue(self.experiment, given).tids(Queued)))

    def delete_all(self) -> None:
        """Remove all trials and attachments. Tids go on, as in hyperopt; the next fmin begins a new search."""
        self.documents.evict()
        self._start_view()

    # -- searching --------------------------------------------------------------------------------------------

    def fmin(
        self,
        fn: Callable[..., Any],
        space: Any,
        algo: Any = None,
        max_evals: int | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        max_queue_len: int | None = None,
        rstate: Any = None,
        verbose: bool = False,
        pass_expr_memo_ctrl: bool | None = None,
        catch_eval_exceptions: bool = False,
        return_argmin: bool = True,
        show_progressbar: Any = True,
        early_stop_fn: Callable[..., Any] | None = None,
        trials_save_file: Any = "",
        **more: Any,
    ) -> Any:
        """Search on these trials: `hstore.fmin` with `trials=self`; *verbose* is False unless given, as in hyperopt."""
        from hstore.engine.fmin import fmin

        return fmin(
            fn, space, algo, max_evals, timeout, loss_threshold, self, rstate, max_queue_len=max_queue_len,
            verbose=verbose, pass_expr_memo_ctrl=pass_expr_memo_ctrl, catch_eval_exceptions=catch_eval_exceptions,
            return_argmin=return_argmin, show_progressbar=show_progressbar, early_stop_fn=early_stop_fn,
            trials_save_file=trials_save_file, allow_trials_fmin=False, **more,
        )  # fmt: skip


def trials_from_docs(docs: Iterable[Mapping[str, Any]], validate: bool = True, **kwargs: Any) -> Trials:
    """Return `Trials(**kwargs)` with *docs* in them; *validate*: False takes them as they are, and not copies."""
    trials = Trials(**kwargs)
    if validate:
        trials.insert_trial_docs(docs)
    else:
        trials._insert_trial_docs(list(docs))  # type: ignore[arg-type]
    trials.refresh()
    return trials
