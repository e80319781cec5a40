"""Documents: hyperopt's view of an experiment, and how what programs write into it reaches the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.document_events import decision, events_to, late_end_of
from hstore.engine.hyperopt.document_list import DocumentList
from hstore.engine.hyperopt.documents import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_VALID_STATES,
    STATE_OF,
    DocumentTid,
    generate_trial,
    name_params,
    tid_of,
    vals_of,
)
from hstore.engine.hyperopt.numbering import INSERTED, Numbering
from hstore.engine.hyperopt.waiting import Waiting
from hstore.engine.search import control
from hstore.engine.search.defaults import created_without_fmin
from hstore.engine.space import Space, seen_space
from hstore.store.errors import Conflict, InvalidPoint
from hstore.store.events import Data, Document, Queued, TrialNumber
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import UNREADABLE, Trial
from hstore.store.store import Store

HIDDEN = ("failed", "cancelled")
"""States of trials that hyperopt's `trials` leave out."""
BATCH = 25
"""Documents that are appended at once."""


class Documents:
    """The documents that all views of one experiment share, and what is written into them.

    What a program inserts, or changes in the document of a trial that has not ended, is appended to the log. A search
    in memory that has not begun has no space yet: what is inserted then waits for one.
    """

    def __init__(self, experiment: Experiment, exp_key: str | None) -> None:
        self._numbering = Numbering()
        self._documents = DocumentList(self._numbering, exp_key)
        self.exp_key = exp_key
        """The one that documents have unless their program gave them another."""
        self._begin_anew(experiment)

    def _begin_anew(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._waiting = Waiting()
        self._space: tuple[Data, Space] | None = None
        """The data that it was read from, and the space."""
        self._numbering.begin_anew()
        self._documents.begin_anew()
        self.is_behind = experiment.store.is_durable
        """Whether no document has been made yet: that waits until one is looked at. A search in memory has them."""

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def _list(self) -> DocumentList:
        """The list, with a document for each trial that was read."""
        self.make()
        return self._documents

    def make(self) -> None:
        """Make the documents of all trials, if that has waited until now."""
        if self.is_behind:
            self.is_behind = False
            self.take_in()

    @property
    def _numbers(self) -> Numbering:
        """The two numberings, up to what was read."""
        self.make()
        return self._numbering

    @property
    def all(self) -> list[Document]:
        """All documents in the order of their trials, whatever their state."""
        return self._list.all

    @property
    def changes(self) -> int:
        """How often documents went, or one that was there already was to be shown or hidden."""
        return self._documents.changes

    @property
    def ids(self) -> set[DocumentTid]:
        """The tids that documents have, or that were handed out for some to come."""
        return self._numbers.ids

    @property
    def points(self) -> list[Mapping[str, Any]]:
        """Points that were given before there was a space; the first fmin queues them."""
        return self._waiting.points

    @property
    def is_point_first(self) -> bool:
        """Whether points came before documents that wait, and so have the lower tids."""
        return self._waiting.is_point_first

    @property
    def waiting(self) -> int:
        """How many documents wait for a space."""
        return len(self._waiting.documents)

    @property
    def waiting_unseen(self) -> int:
        """How many of them a program inserted as failed or cancelled, which are not among `Trials.trials`."""
        return sum(document["state"] not in JOB_VALID_STATES for document in self._waiting.documents)

    @property
    def space(self) -> Space | None:
        """The space that the experiment has; None before its beginning."""
        state = self.experiment.state
        if state.created is None:
            return None
        if self._space is None or self._space[0] is not state.space:
            self._space = state.space, Space.from_data(state.space)
        return self._space[1]

    def refresh(self) -> None:
        """Bring the log up to what programs changed in documents, and the documents up to the log."""
        self.insert(self._documents.taken_by_hand())
        for number, document in self._documents.changed():
            self._apply(number, document)
        self.experiment.refresh()
        self.take_in()

    def take_in(self) -> None:
        """Bring the documents up to what was read of the log."""
        if self.is_behind:
            return
        self._documents.take_in(self.experiment, self.space)
        kept = self._waiting.attachments
        for tid in [tid for tid in kept if self._numbers.number_of(tid) is not None]:
            ChainAttachments(self.experiment, self._numbers.number_of(tid)).update(kept.pop(tid))

    # -- the two numberings -------------------------------------------------------------------------------------

    def trial_of(self, tid: DocumentTid) -> TrialNumber | None:
        """Return the number in the log of the trial whose document has *tid*; None for one that waits."""
        return self._numbers.number_of(tid)

    def number_of(self, document: Mapping[str, Any]) -> TrialNumber | None:
        """Return the number of the trial that *document* shows, which may be a job of `MongoJobs`; None without."""
        return self._list.number_of(document, self.experiment)

    def shown_by(self, document: Mapping[str, Any]) -> Trial | None:
        """Return the trial that *document* shows, as far as the log was read; None for one that waits."""
        number = self.number_of(document)
        return None if number is None else self.experiment.state.trials.get(number)

    def document_of(self, number: TrialNumber) -> Document:
        """Return the document of trial *number* of the log; raises KeyError if it is discarded."""
        if self._list.get(number) is None:
            self.refresh()
        document = self._list.get(number)
        if document is None:
            raise KeyError(number)
        return document

    @property
    def visible(self) -> int | None:
        """How many trials hyperopt shows, if that can be said without their documents; None if it cannot.

        Not those that failed or were cancelled, nor those that were discarded.
        """
        state = self.experiment.state
        if UNREADABLE in state.counts:
            return None
        hidden = sum(state.counts.get(name, 0) for name in HIDDEN)
        for trial in state.unlike_most():
            if trial.queued is None or trial.queued.source == INSERTED:
                return None
            hidden += trial.state not in HIDDEN and control.is_discarded(trial)
        return len(state.trials) - hidden

    def first(self, trial: Trial) -> Document:
        """Return the document of *trial*, which has ended, and make no other: none has been made."""
        return self._documents.first(trial, self.space, is_durable=self._is_durable)

    def of_trials(self, numbers: Iterable[TrialNumber]) -> list[Document]:
        """Return the documents of the trials *numbers*, of those that are shown."""
        return [document for number in numbers if (document := self._list.get(number)) is not None]

    def tids_of(self, numbers: Iterable[TrialNumber]) -> list[DocumentTid]:
        """Return the tids of trials that were just appended."""
        self.take_in()
        return [self._numbers.tid_of(number) for number in numbers]

    def tids_to_come(self, numbers: Iterable[TrialNumber]) -> list[DocumentTid]:
        """Return the tids that the documents of trials *numbers* will have, if these are the next in the log."""
        return self._numbers.to_come(numbers)

    def keep(self, documents: Sequence[Document]) -> None:
        """Have the list be *documents*: the others are discarded, those that are not in it yet are inserted."""
        kept = set(map(id, documents))
        gone = [document for document in self.all if id(document) not in kept]
        numbers = [number for document in gone if (number := self.number_of(document)) is not None]
        new = [document for document in documents if not any(document is other for other in self.all)]
        control.discard(self.experiment, numbers)
        self._waiting.documents = [document for document in self._waiting.documents if id(document) in kept]
        self._list.remove([document for document in gone if self.number_of(document) is None])
        self.take_in()
        self.insert(new)

    def new_ids(self, n: int) -> list[DocumentTid]:
        """Return *n* tids that no document has, and that will not be handed out again."""
        return self._numbers.new_ids(n)

    # -- before there is a space --------------------------------------------------------------------------------

    def give(self, points: Iterable[Mapping[str, Any]]) -> list[DocumentTid]:
        """Keep *points* for the first fmin, and show them as trials to come; return their tids."""
        given = list(points)
        for point in given:
            if not isinstance(point, Mapping):
                raise InvalidPoint(f"a point is {{label: value}}, not {point!r:.60}")
        tids = self.new_ids(len(given))
        documents = [generate_trial(tid, point) for tid, point in zip(tids, given, strict=True)]
        for document, point in zip(documents, given, strict=True):
            name_params(document, point)
        self._waiting.give(given, documents)
        self._list.add(documents)
        return tids

    def learn(self, space: Space) -> None:
        """Have what waits for a space become trials of *space*, which a suggestion is asked for."""
        if self.experiment.state.created is None:
            self._waiting.space = space
            if self._waiting.documents:
                self._begin(space)
        self.flush_waiting()

    def flush_waiting(self) -> None:
        """Have what was inserted before there was a space become trials, now that the search has begun."""
        if self.experiment.state.created is None:
            return
        if waiting := self._waiting.take_documents():
            self._list.remove(waiting)
            self._append(waiting)
        if self._waiting.attachments:
            self.take_in()

    def forget_points(self) -> None:
        """Remove `points`, which the search has been given."""
        if self.points:
            self._list.remove(self._waiting.take_points())

    def _begin(self, space: Space) -> None:
        """Begin the search, unless another process was first; its program evaluates, and asks an algorithm, itself."""
        if self.experiment.state.created is None:
            self.experiment.begin(
                created_without_fmin(space, objective="evaluated by its program", algorithm="asked by its program")
            )

    # -- writing ------------------------------------------------------------------------------------------------

    def insert(self, documents: Sequence[Document]) -> None:
        """Add *documents*, each in the state that it says; raises `InvalidTrial` and adds nothing if one cannot be."""
        if not documents:
            return
        if self.experiment.state.created is None:
            space = self._waiting.space
            if space is None and self.experiment.store.is_durable:
                self.experiment.refresh()
                space = seen_space([vals_of(document) for document in documents])
            if space is None:
                for document in documents:
                    name_params(document, vals_of(document))
                    self._numbers.count(tid_of(document))
                self._waiting.documents += documents
                self._list.add(documents)
                return
            self._begin(space)
        self._append(documents)

    def _append(self, documents: Sequence[Document]) -> None:
        space, shown = self.space, self._list  # what there is has its documents before these are trials
        assert space is not None
        for document in documents:
            decision(document, TrialNumber(0), space, ())  # raises before anything is written
        left = list(documents)
        while left:
            numbers = self._append_some(left[:BATCH], space)
            shown.expect(numbers, left[: len(numbers)])
            left = left[len(numbers) :]
        for number, document in shown.expected:
            if STATE_OF[self.experiment.state.trials[number].state] != document["state"]:
                self._apply(number, document)
        self.take_in()

    def _append_some(self, documents: Sequence[Document], space: Space) -> list[TrialNumber]:
        """Append *documents* as trials; return the numbers of those that came before another writer's next event.

        Not by `append_decided`: which of them are in the log already is known only here, by the events themselves.
        """
        experiment = self.experiment
        first, observed = len(experiment.state.trials), experiment.observed()
        pending: list[PendingEvent] = []
        for number, document in enumerate(documents, first):
            queued = decision(document, TrialNumber(number), space, observed if number == first else ())
            pending += [(Queued, number, queued), *events_to(document, TrialNumber(number), None, self._is_durable)]
        events = experiment.compose(*pending)
        try:
            experiment.append(events)
        except Conflict as conflict:
            events = events[: events.index(conflict.mine)]
        return [TrialNumber(event.tid) for event in events if isinstance(event, Queued) and event.tid is not None]

    def _apply(self, number: TrialNumber, document: Document) -> None:
        """Append what *document* says of its trial; if another process ended that, what it says is noted beside it."""
        experiment = self.experiment

        def decide() -> list[PendingEvent]:
            objectives = experiment.state.objective.get("objectives")
            return events_to(document, number, experiment.state.trials[number], self._is_durable, objectives)

        if experiment.append_decided(decide):
            return
        if experiment.state.trials[number].is_finished and document["state"] in (JOB_STATE_DONE, JOB_STATE_ERROR):
            attempt.note_late(experiment, late_end_of(document, number, self._is_durable))

    @property
    def _is_durable(self) -> bool:
        return self.experiment.store.is_durable

    def attachments_of(self, tid: DocumentTid) -> Any:
        """Return the named contents beside the trial whose document has *tid*, or that will have it."""
        number = self._numbers.number_of(tid)
        if number is None:
            return self._waiting.attachments.setdefault(tid, {})
        return ChainAttachments(self.experiment, number)

    def evict(self) -> None:
        """Remove all documents, and the log, which is in memory. Tids go on from where they were."""
        self._list.clear()
        self._begin_anew(Experiment(Store.in_memory(), self.experiment.name))
