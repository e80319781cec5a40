"""MongoTrials: hyperopt's view of an experiment in a MongoDB, which workers evaluate."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.documents import DocumentTid
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.search import control
from hstore.store.experiment import Experiment
from hstore.store.store import Store

if TYPE_CHECKING:
    from hstore.engine.hyperopt.mongo_jobs import MongoJobs


class _Opened:
    """A store that was opened for some trials; it is closed once none of them is left."""

    def __init__(self, url: str | None) -> None:
        from hstore.store.open_store import open_store

        self.store = open_store(url)
        weakref.finalize(self, self.store.close)


class MongoTrials(Trials):
    """The trials of experiment *exp_key* of the store at *arg*, a URL or a `Store`; durable, shared, resumable.

    As in hyperopt, fmin on them leaves evaluating to workers, unless `asynchronous` is set to False. Each experiment is
    a log of its own: without *exp_key* these are the trials of the one called "default".
    """

    __module__ = "hstore"

    asynchronous = True

    def __init__(
        self,
        arg: str | Store | MongoJobs | None,
        exp_key: str | None = None,
        cmd: Any = None,
        workdir: str | None = None,
        refresh: bool = True,
    ) -> None:
        self._opened: _Opened | None = None
        if arg is None or isinstance(arg, str):
            self._opened = _Opened(arg)
            store = self._opened.store
        else:
            store = arg if isinstance(arg, Store) else arg.store
        self.workdir = workdir
        super().__init__(exp_key, refresh, experiment=Experiment(store, exp_key or "default", from_snapshot=True))

    @property
    def handle(self) -> MongoJobs:
        """The store as hyperopt's `MongoJobs`."""
        from hstore.engine.hyperopt.mongo_jobs import MongoJobs

        return MongoJobs.of(self.experiment.store)

    def view(  # type: ignore[override]
        self, exp_key: str | None = None, cmd: Any = None, workdir: str | None = None, refresh: bool = True
    ) -> MongoTrials:
        """Return the trials of another experiment of the store, or without *exp_key* these in another view."""
        if exp_key is None or exp_key == self.exp_key:
            same = super().view(self.exp_key, refresh)
            assert isinstance(same, MongoTrials)
            return same
        other = type(self)(self.experiment.store, exp_key=exp_key, workdir=workdir, refresh=refresh)
        other._opened = self._opened
        return other

    def refresh_tids(self, tids: Iterable[int]) -> None:
        """Bring the view up to the log, of which only what is new is read, whatever the *tids*."""
        self.refresh()

    def new_trial_ids(self, n: int) -> list[DocumentTid]:
        """See `Trials.new_trial_ids`; trials that others began by now have theirs."""
        self.documents.refresh()
        return super().new_trial_ids(n)

    def delete_all(self, cond: Mapping[str, Any] | None = None) -> None:
        """Discard all trials, or those whose documents have the values of *cond*.

        *cond*: {"state": 3} or {"result.status": "fail"}. The log keeps what happened: trials that have not ended are
        cancelled, all are voided, and gone from this view and from what algorithms see. Attachments beside the
        experiment are removed if all trials are.
        """
        self.documents.refresh()
        numbers = [self.documents.number_of(doc) for doc in self.documents.all if cond is None or _meets(doc, cond)]
        control.discard(self.experiment, [number for number in numbers if number is not None])
        if cond is None:
            ChainAttachments(self.experiment, None).clear()
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        store = self.experiment.store
        state = {"exp_key": self.exp_key, "asynchronous": self.asynchronous, "workdir": self.workdir}
        # An embedded store is found again by what it is, not by the socket that its server has today.
        return _reopened, (type(self), store.uri if store.server is None else None, self.experiment.name), state


def _reopened(kind: type[MongoTrials], url: str | None, name: str) -> MongoTrials:
    return kind(url, exp_key=name)


def _meets(document: Mapping[str, Any], cond: Mapping[str, Any]) -> bool:
    """Return whether *document* has the values of *cond* at its dotted names."""
    for path, value in cond.items():
        found: Any = document
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found != value:
            return False
    return True
