"""Rebuild: the documents of an experiment in `trials` and `experiments`, derived again from its log as that is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hstore.store.event_documents import from_document
from hstore.store.events import Document, Event
from hstore.store.fold import Trial
from hstore.store.quick_documents import quick_place
from hstore.store.state import State
from hstore.store.uncollected import uncollected

if TYPE_CHECKING:
    from hstore.store.read_models import ReadModels
    from hstore.store.store import Store

AT_ONCE = 1000
"""Documents that are written at a time, while those after them are made."""


def rebuild(store: Store, name: str, on_progress: Callable[[int], object] = lambda _: None) -> tuple[int, int]:
    """Remove the documents of experiment *name* and derive them again; return how many these are, of how many events.

    No more than `AT_ONCE` trials are kept, and those that have not ended, unless something in the log has no place in
    its chain: then all of it is read and folded first. Workers find nothing to do meanwhile.
    on_progress is called with the number of events of each chain. Raises `NotFound`.
    """
    models = store.models
    found = _rebuilt(store, name, models, on_progress) if store.is_durable else None  # type: ignore[arg-type]
    if found is None:
        experiment = store.experiment(name)  # raises NotFound
        models.rebuild(experiment.state)
        found = len(experiment.state.trials) + 1, experiment.state.events
    return found


def _rebuilt(
    store: Store, name: str, models: ReadModels, on_progress: Callable[[int], object]
) -> tuple[int, int] | None:
    """Do so as the log is read; return None if something in it has no place, or is quarantined."""
    fold = PassingFold(name)
    with ThreadPoolExecutor(1) as writer, uncollected():
        behind: Future[None] | None = None

        def write(trials: list[Trial]) -> None:
            nonlocal behind
            if behind is None:
                models.drop(name)
            else:
                behind.result()
            behind = writer.submit(models.insert, trials)

        waiting: list[Trial] = []
        for chain in chains(store.log.documents(name, quick=True), store.attachments.get):
            if chain is None:
                return None
            on_progress(len(chain))
            if (trial := fold.take(chain)) is not None:
                waiting.append(trial)
            if len(waiting) >= AT_ONCE:
                write(waiting)
                waiting = []
        if not fold.state.events:
            return None
        write(waiting)
        write([])
    models.put(fold.document())
    return fold.trials + 1, fold.state.events


def chains(documents: Iterable[Document], fetch: Callable[[bytes], bytes]) -> Iterator[list[Event] | None]:
    """Yield the events of each of `document_chains`; None, and end, where that does."""
    for chain in document_chains(documents):
        if chain is None:
            yield None
            return
        yield [from_document(document, fetch) for document in chain]


def document_chains(documents: Iterable[Document]) -> Iterator[list[Document] | None]:
    """Yield the chains in *documents*, all events of an experiment, one by one: its own, then those of its trials.

    Yields None, and ends, at what has no place in a chain, cannot be decoded, or quarantines others.
    """
    expected: int | None = None
    for tid, group in groupby(documents, lambda document: document.get("tid")):
        if tid != expected or isinstance(tid, bool):
            yield None
            return
        chain: list[Document] = []
        for ver, document in enumerate(group):
            if quick_place(document) != (tid, ver) or "raw" in document or document.get("type") == "quarantined":
                yield None
                return
            chain.append(document)
        yield chain
        expected = 0 if expected is None else expected + 1


class PassingFold:
    """Folds the chains of experiment *name*, and keeps of its trials those that its document is about."""

    def __init__(self, name: str) -> None:
        self.state = State(name)
        self.trials = 0
        self._gone: Counter[str] = Counter()
        self._pruned = 0

    def take(self, chain: list[Event]) -> Trial | None:
        """Fold a *chain* in, the experiment's own first; return the trial if it is that of one."""
        state, tid = self.state, chain[0].tid
        state.take(chain)
        if tid is None:
            return None
        trial = state.trials[tid]
        self.trials += 1
        if trial.is_finished and trial.closed_by is None and trial.losses is None and state.best is not trial:
            self._gone[trial.state] += 1
            self._pruned += trial.is_pruned
            state.evict(tid)
        return trial

    def document(self) -> Document:
        """Return the document of the experiment in `experiments`."""
        from hstore.store.model_documents import experiment_document

        counts = Counter(self.state.counts) + self._gone
        known: dict[str, Any] = {"trials": self.trials, "counts": dict(sorted(counts.items()))}
        if pruned := self.state.pruned + self._pruned:
            known["pruned"] = pruned
        return experiment_document(self.state) | known
