"""Trials: hyperopt's view of an experiment, over the fold of its log. In memory, or in a MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.attachments import SharedAttachments, attached_name
from hstore.engine.hyperopt.document_view import Documents
from hstore.engine.hyperopt.documents import (
    DocumentTid,
    SONify,
    check_document,
    new_document,
    tid_of,
)
from hstore.engine.hyperopt.shown_documents import ShownDocuments
from hstore.engine.space import Space
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


class Trials(ShownDocuments):
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
        experiment = experiment or Experiment(Store.in_memory(), exp_key or "trials")
        super().__init__(Documents(experiment, exp_key), exp_key)
        if refresh:
            self.refresh()

    def _start_view(self) -> None:
        super()._start_view()
        self._observed_history: tuple[Space, Experiment, ObservedHistory] | None = None
        self.unseen = 0
        """How many documents were inserted since the last `refresh`."""

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

    def to_pandas(self, kind: TableKind = "trials") -> pd.DataFrame:
        """Return a frame with one row a trial, event or report of the log behind this; see `Experiment.to_pandas`."""
        self.refresh()
        return self.experiment.to_pandas(kind)

    def importance(self, **options: Any) -> list[LabelImportance]:
        """Return how important each label was for a trial to be among the best; see `hstore.importance`."""
        from hstore.engine.analysis.importance import importance

        self.refresh()
        return importance(self.experiment, **options)

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
