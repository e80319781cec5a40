"""Documents: those of all trials of an experiment in hyperopt's shape, kept up to its log, and the log up to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.document_events import INSERTED, decision, drafts_to
from hstore.engine.hyperopt.documents import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_RUNNING,
    JOB_VALID_STATES,
    STATE_OF,
    generate_trial,
    is_same,
    new_document,
    new_misc,
    show_in,
    vals_of,
)
from hstore.engine.search.control import is_discarded
from hstore.engine.search.defaults import created_without_fmin
from hstore.engine.space import Space, seen_space
from hstore.store.errors import Conflict, InvalidPoint
from hstore.store.events import Document, Queued
from hstore.store.fold import Trial
from hstore.store.store import Experiment, PendingEvent, Store

BATCH = 25
"""Documents that are appended at once."""


class Documents:
    """The documents that all views of one experiment show; a document stays the same object as its trial goes on.

    What a user inserts, or changes in the document of a trial that has not ended, is appended to the log. A log in
    memory that nobody has begun has no space yet: what is inserted then waits for one, and is only documents.
    """

    def __init__(self, experiment: Experiment, exp_key: str | None) -> None:
        self.exp_key = exp_key
        self.all: list[Document] = []
        """In the order of their trials, whatever their state."""
        self.ids: set[int] = set()
        """The tids that documents have or that were handed out for some to come."""
        self.changes = 0
        """How often documents went, or one that was there already was to be shown or hidden."""
        self._next = 0
        self._begin_anew(experiment)

    def _begin_anew(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.points: list[Mapping[str, Any]] = []
        """Points that were given before there was a space to read them against; fmin queues them."""
        self._documents_of_points: list[Document] = []
        self.is_point_first = False
        """Whether points came before documents that wait, and so have the lower tids."""
        self._asked: Space | None = None
        self._waiting: list[Document] = []
        self._kept: dict[int, dict[str, Any]] = {}
        self._space: Space | None = None
        self._of: dict[int, Document] = {}
        self._numbers: dict[int, int] = {}
        self._inserted: dict[int, Document] = {}
        self._shown: dict[int, tuple[int, Mapping[str, Any]]] = {}
        self._seen = self._length = 0
        self._first = self._next

    @property
    def waiting(self) -> int:
        """How many documents wait for a space."""
        return len(self._waiting)

    # -- reading ----------------------------------------------------------------------------------------------

    @property
    def space(self) -> Space | None:
        """The space that the experiment was created with; None before its beginning."""
        created = self.experiment.state.created
        if self._space is None and created is not None:
            self._space = Space.from_data(created.space)
        return self._space

    def trial_of(self, tid: int) -> int | None:
        """Return the number in the log of the trial whose document has *tid*; None for one that waits."""
        return self._numbers.get(tid)

    def document_of(self, number: int) -> Document:
        """Return the document of trial *number* of the log."""
        if number not in self._of:
            self.refresh()
        return self._of[number]

    def refresh(self) -> None:
        """Bring the log up to what was changed here, and the documents up to the log: only what is new is looked at."""
        if len(self.all) > self._length:  # as programs do that know hyperopt's inside
            added = self.all[self._length :]
            del self.all[self._length :]
            self.insert(added)
        for number, (state, result) in list(self._shown.items()):
            document = self._of[number]
            is_told = state == JOB_STATE_RUNNING and not is_same(document["result"], result)
            if document["state"] != state or is_told:
                self._tell(number, document)
        self.experiment.refresh()
        self._take_in()

    def _take_in(self) -> None:
        received = self.experiment.received
        if self._seen == len(received):
            return
        news = {event.tid for event in received[self._seen :] if event.tid is not None}
        self._seen = len(received)
        trials = self.experiment.state.trials
        gone = [number for number in sorted(news) if not self._show(number, trials[number])]
        if gone:
            self.changes += 1
            ids = {id(self._of.pop(number)) for number in gone}
            self.all[:] = [document for document in self.all if id(document) not in ids]
        self._length = len(self.all)

    def _show(self, number: int, trial: Trial) -> bool:
        """Bring the document of *trial* up to it; return False if that is to go."""
        document = self._of.get(number)
        is_new = document is None
        if is_discarded(trial):
            self._shown.pop(number, None)
            return is_new
        if document is None:
            document = self._inserted.pop(number) if number in self._inserted else self._new(number, trial)
            self._of[number] = document
            self._numbers[document["tid"]] = number
            self._count(document)
            self.all.append(document)
        before = self._shown.pop(number, (document["state"],))[0]
        show_in(document, trial)
        if not is_new and (before in JOB_VALID_STATES) is not (document["state"] in JOB_VALID_STATES):
            self.changes += 1
        if not trial.is_finished:
            self._shown[number] = document["state"], dict(document["result"])
        return True

    def _new(self, number: int, trial: Trial) -> Document:
        """Return the document of a trial that was not inserted here."""
        space, point = self.space, trial.point
        labels = sorted(point if space is None else {*space.labels, *point})
        tid = self._tid_of(number, trial)
        misc = new_misc(tid, {label: [point[label]] if label in point else [] for label in labels})
        return new_document(tid, misc, exp_key=self.exp_key)

    def _tid_of(self, number: int, trial: Trial) -> int:
        said = trial.queued.imported if trial.queued is not None else None
        if said is not None and said.get("from") == INSERTED and isinstance(said.get("tid"), int):
            return int(said["tid"])
        tid = number + self._first
        return tid if tid not in self._numbers else self._next

    def _count(self, document: Document) -> None:
        self.ids.add(document["tid"])
        self._next = max(self._next, document["tid"] + 1)

    # -- writing ----------------------------------------------------------------------------------------------

    def new_ids(self, n: int) -> list[int]:
        """Return *n* tids that no document has, and that will not be handed out again."""
        first = self._next
        self.ids.update(range(first, first + n))
        self._next += n
        return list(range(first, first + n))

    def insert(self, documents: Sequence[Document]) -> None:
        """Add *documents*, each in the state that it says; raises `InvalidTrial` and adds nothing if one cannot be."""
        if not documents:
            return
        if self.experiment.state.created is None:
            space = self._asked
            if space is None and self.experiment.store.is_durable:
                self.experiment.refresh()
                space = seen_space([vals_of(document) for document in documents])
            if space is None:
                for document in documents:
                    document.setdefault("params", vals_of(document))
                    self._count(document)
                self._waiting += documents
                self.all += documents
                self._length = len(self.all)
                return
            self._begin(space)
        self._append(documents)

    def give(self, points: Iterable[Mapping[str, Any]]) -> list[int]:
        """Keep *points* for the first fmin, and show them as trials to come; return their tids."""
        given = list(points)
        for point in given:
            if not isinstance(point, Mapping):
                raise InvalidPoint(f"a point is {{label: value}}, not {point!r:.60}")
        if given and not self.points:
            self.is_point_first = not self._waiting
        tids = self.new_ids(len(given))
        documents = [{**generate_trial(tid, p), "params": dict(p)} for tid, p in zip(tids, given, strict=True)]
        self.points += given
        self._documents_of_points += documents
        self.all += documents
        self._length = len(self.all)
        return tids

    def learn(self, space: Space) -> None:
        """Have what waits for a space become trials of *space*, which a suggestion is asked for."""
        if self.experiment.state.created is None:
            self._asked = space
            if self._waiting:
                self._begin(space)
        self.flush_waiting()

    def flush_waiting(self) -> None:
        """Have what was inserted before there was a space become trials, now that the search has begun."""
        if self.experiment.state.created is None:
            return
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._let_go(waiting)
            self._append(waiting)
        if self._kept:
            kept, self._kept = self._kept, {}
            for tid, attachments in kept.items():
                ChainAttachments(self.experiment, self._numbers[tid]).update(attachments)

    def forget_points(self) -> None:
        """Let go of `points`, which the search has been given."""
        if self.points:
            self._let_go(self._documents_of_points)
            self.points, self._documents_of_points = [], []

    def _let_go(self, documents: Sequence[Document]) -> None:
        ids = set(map(id, documents))
        self.all[:] = [document for document in self.all if id(document) not in ids]
        self._length = len(self.all)
        self.changes += 1

    def _begin(self, space: Space) -> None:
        """Begin the search, unless another process was first; nobody knows what evaluates and what suggests."""
        if self.experiment.state.created is None:
            self.experiment.begin(created_without_fmin(space, objective="of whoever tells", algorithm="asked for"))

    def _append(self, documents: Sequence[Document]) -> None:
        experiment = self.experiment
        space = self.space
        assert space is not None
        for document in documents:
            decision(document, 0, space, ())  # raises before anything is written
        is_durable = experiment.store.is_durable
        left = list(documents)
        while left:
            batch, first, observed = left[:BATCH], len(experiment.state.trials), experiment.observed()
            pending: list[PendingEvent] = []
            for number, document in enumerate(batch, first):
                queued = decision(document, number, space, observed if number == first else ())
                pending += [(Queued, number, queued), *drafts_to(document, number, None, is_durable=is_durable)]
            events = experiment.compose(*pending)
            try:
                experiment.append(events)
            except Conflict as conflict:  # another process was first; the rest comes after what it wrote
                events = events[: events.index(conflict.mine)]
            numbers = [event.tid for event in events if isinstance(event, Queued) and event.tid is not None]
            self._inserted.update(zip(numbers, batch, strict=False))
            left = left[len(numbers) :]
        for number, document in self._inserted.items():
            if STATE_OF[experiment.state.trials[number].state] != document["state"]:
                self._tell(number, document)
        self._take_in()

    def _tell(self, number: int, document: Document) -> None:
        """Append what *document* says of its trial; if another process ended that, what it says is noted beside it."""
        experiment, is_durable = self.experiment, self.experiment.store.is_durable
        while pending := drafts_to(document, number, experiment.state.trials[number], is_durable=is_durable):
            try:
                experiment.append(experiment.compose(*pending))
            except Conflict:
                continue  # what another process wrote has been read
            return
        if experiment.state.trials[number].is_finished and document["state"] in (JOB_STATE_DONE, JOB_STATE_ERROR):
            end = drafts_to(document, number, None, is_durable=is_durable)[-1]
            attempt.note_late(experiment, end)

    # -- attachments ------------------------------------------------------------------------------------------

    def attachments_of(self, tid: int) -> Any:
        """Return the named contents beside the trial whose document has *tid*."""
        number = self._numbers.get(tid)
        return self._kept.setdefault(tid, {}) if number is None else ChainAttachments(self.experiment, number)

    # -- beginning anew ---------------------------------------------------------------------------------------

    def evict(self) -> None:
        """Let go of all: of the log too, which is in memory. Tids go on from where they were."""
        self.all.clear()
        self.changes += 1
        self._begin_anew(Experiment(Store.in_memory(), self.experiment.name))
