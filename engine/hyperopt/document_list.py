"""The list of documents: one for each trial of an experiment, kept up to the fold of its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hstore.engine.hyperopt.documents import (
    JOB_STATE_RUNNING,
    JOB_VALID_STATES,
    is_same,
    new_document,
    new_misc,
    show_in,
    tid_of,
)
from hstore.engine.hyperopt.numbering import Numbering
from hstore.engine.search.control import is_discarded
from hstore.engine.space import Space
from hstore.store.events import Document, TrialNumber
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial


class DocumentList:
    """The documents of all trials that were not discarded; each stays the same object while its trial goes on."""

    def __init__(self, numbering: Numbering, exp_key: str | None) -> None:
        self.exp_key = exp_key
        self.all: list[Document] = []
        """In the order of their trials, whatever their state; those that wait for a space too."""
        self.changes = 0
        """How often documents went, or one that was there already was to be shown or hidden."""
        self._numbering = numbering
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget which documents show which trials: another log begins."""
        self._of: dict[TrialNumber, Document] = {}
        self._expected: dict[TrialNumber, Document] = {}
        self._early: dict[TrialNumber, Document] = {}
        """Documents of trials that were asked for before the list was made."""
        self._open: dict[TrialNumber, tuple[int, Mapping[str, Any]]] = {}
        """State and result that the documents of trials that have not ended were given last."""
        self._seen = self._length = 0

    def clear(self) -> None:
        """Remove all documents."""
        self.all.clear()
        self.changes += 1

    # -- documents that show no trial yet -----------------------------------------------------------------------

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents that wait for a space."""
        self.all += documents
        self._length = len(self.all)

    def remove(self, documents: Iterable[Document]) -> None:
        """Remove *documents*, compared by identity."""
        gone = set(map(id, documents))
        self.all[:] = [document for document in self.all if id(document) not in gone]
        self._length = len(self.all)
        self.changes += 1

    def taken_by_hand(self) -> list[Document]:
        """Remove and return what a program appended to the list itself, as programs do that know hyperopt's inside."""
        added = self.all[self._length :]
        del self.all[self._length :]
        return added

    def first(self, trial: Trial, space: Space | None, *, is_durable: bool) -> Document:
        """Return the document that *trial*, whose tid no program chose, will have in the list."""
        self._numbering.assign(trial.tid, trial)
        kept_as = _stored if is_durable else None
        if trial.tid not in self._early:
            document = self._new(trial.tid, trial, space)
            self._early[trial.tid] = document if kept_as is None else kept_as(document)
        show_in(self._early[trial.tid], trial, kept_as)
        return self._early[trial.tid]

    # -- documents of trials ------------------------------------------------------------------------------------

    def expect(self, numbers: Sequence[TrialNumber], documents: Sequence[Document]) -> None:
        """Have *documents* show the trials *numbers*, which were made of them, from the next `take_in` on."""
        self._expected.update(zip(numbers, documents, strict=True))

    @property
    def expected(self) -> list[tuple[TrialNumber, Document]]:
        """The documents that show nothing yet, and the trials that were made of them."""
        return list(self._expected.items())

    def get(self, number: TrialNumber) -> Document | None:
        """Return the document of trial *number*; None if it is not shown."""
        return self._of.get(number)

    def changed(self) -> list[tuple[TrialNumber, Document]]:
        """Return the documents of trials that have not ended in which a program has changed the state or the result."""
        return [
            (number, self._of[number])
            for number, (state, result) in self._open.items()
            if self._of[number]["state"] != state
            or (state == JOB_STATE_RUNNING and not is_same(self._of[number]["result"], result))
        ]

    def take_in(self, experiment: Experiment, space: Space | None) -> None:
        """Bring the documents up to what *experiment* has received; only trials with new events are looked at."""
        received = experiment.received
        if self._seen == len(received):
            return
        trials, kept_as = experiment.state.trials, _stored if experiment.store.is_durable else None
        if not self._seen and experiment.state.settled is not None:  # whose events were not received
            self._seen = len(received)
            gone = []
            for trial in trials.values():
                self._numbering.assign(trial.tid, trial)
                if not self._show(trial.tid, trial, space, kept_as):
                    gone.append(trial.tid)
        else:
            changed = sorted({event.tid for event in received[self._seen :] if event.tid is not None})
            self._seen = len(received)
            for tid in changed:
                self._numbering.assign(TrialNumber(tid), trials[tid])
            gone = [n for n in map(TrialNumber, changed) if not self._show(n, trials[n], space, kept_as)]
        if gone:
            self.remove([self._of.pop(number) for number in gone])
        self._length = len(self.all)

    def _show(
        self, number: TrialNumber, trial: Trial, space: Space | None, kept_as: Callable[[Any], Any] | None
    ) -> bool:
        """Bring the document of *trial* up to it; return False if that is to go."""
        document = self._of.get(number)
        is_new = document is None
        if is_discarded(trial):
            self._open.pop(number, None)
            self._expected.pop(number, None)
            return is_new
        if document is None:
            document = self._early.pop(number, None)
            if document is None:
                document = self._expected.pop(number, None) or self._new(number, trial, space)
                document = document if kept_as is None else kept_as(document)
            self._of[number] = document
            self.all.append(document)
        before = self._open.pop(number, (document["state"],))[0]
        show_in(document, trial, kept_as)
        self._name_origin(document, trial)
        if not is_new and (before in JOB_VALID_STATES) is not (document["state"] in JOB_VALID_STATES):
            self.changes += 1
        if not trial.is_finished:
            self._open[number] = document["state"], dict(document["result"])
        return True

    def _new(self, number: TrialNumber, trial: Trial, space: Space | None) -> Document:
        """Return the document of a trial that was not inserted here."""
        point = trial.point
        labels = sorted(point if space is None else {*space.labels, *point})
        tid = self._numbering.tid_of(number)
        misc = new_misc(tid, {label: [point[label]] if label in point else [] for label in labels})
        return new_document(tid, misc, exp_key=self.exp_key)

    def _name_origin(self, document: Document, trial: Trial) -> None:
        """Say in `misc.from_tid` which document the trial came from, where it came from one."""
        said = trial.queued.imported if trial.queued is not None else None
        origin = None if said is None else said.get("from_tid")
        if said is None or not isinstance(origin, int):
            return
        # An inserted document says the tid of another document; `Ctrl.inject_results` records the number of a trial.
        is_number = said.get("from") == "injected"
        document["misc"]["from_tid"] = self._numbering.tid_of(TrialNumber(origin)) if is_number else origin

    def number_of(self, document: Mapping[str, Any], experiment: Experiment) -> TrialNumber | None:
        """Return the number of the trial that *document* shows, one of these or a job of `MongoJobs`; None without."""
        number = self._numbering.number_of(tid_of(document))
        if number is None or self._of.get(number) is not document:
            id = document.get("_id")
            if (
                isinstance(id, Mapping)
                and id.get("exp") == experiment.name
                and id.get("tid") in experiment.state.trials
            ):
                return TrialNumber(id["tid"])
        return number


def _stored(value: Any) -> Any:
    from hstore.engine.hyperopt.stored_documents import stored  # which needs bson: not for searches in memory

    return stored(value)
