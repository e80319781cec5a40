"""What an Optuna storage appends to its studies. What is said of a trial that runs here goes with what must be there.

That a trial began and how it ended is in the log when Optuna hears that it was written. Its parameters, attributes and
reports may be read by this program at once, and are appended with its end, or after `WAIT_SECONDS`: Optuna asks of a
storage that they are kept before the next state of the trial is, and no more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import bson
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from hstore.engine.optuna import trial_events
from hstore.engine.optuna.study_record import StudyRecord
from hstore.store.errors import HstoreError, InvalidEvent, InvalidValue
from hstore.store.events import CODEC, Done, Event, Failed, Requeued, Running
from hstore.store.experiment import PendingEvent
from hstore.store.store import Store

WAIT_SECONDS = 0.1
"""How long what a running trial said may wait for what else it says."""
SHOWN_SECONDS = 0.3
"""How long what happens to a trial may wait to be shown to queries: each change costs a round trip."""
SOON = 0.01
"""Seconds by which a timer may be late, so that what is due next does not need another one."""

TrialOf: TypeAlias = tuple[int, int]
"""A trial: its study and its tid."""


class StudyWriter:
    """Appends to the studies of *store*. Any thread may call it; one at a time does, which holds *gate*."""

    def __init__(self, store: Store, gate: threading.RLock, *, lease: float) -> None:
        """lease: seconds that a trial is held for without a sign of life."""
        self._store = store
        self._gate = gate
        self._lease = lease
        self._process = os.getpid()
        self._running: set[TrialOf] = set()
        self._waiting: dict[TrialOf, _Waiting] = {}
        self._unshown: dict[int, StudyRecord] = {}
        """Studies of which queries are still to be shown something."""
        self._unshown_since = 0.0
        self._timer: threading.Timer | None = None
        if store.is_durable:  # in memory nothing waits, and the store may be pickled
            store.before_close.append(self.write_all)

    def runs_here(self, study: int, tid: int) -> bool:
        """Return whether trial *tid* runs for this storage: it alone writes to it, as a rule."""
        return (study, tid) in self._running

    def append(
        self, record: StudyRecord, decide: Callable[[], Sequence[PendingEvent]], *, tid: int | None = None,
        is_urgent: bool = True, was_read: bool = False,
    ) -> bool:  # fmt: skip
        """Append what *decide* says; return whether there was anything. It is asked again when another was first.

        tid: the trial that it is of; what waits to be said of it comes before it.
        is_urgent: whether what queries read has to show it at once, and not with the next that is. was_read: see
        `Experiment.append`.
        """
        if not record.is_of_optuna:
            raise InvalidValue(
                f"experiment {record.experiment.name!r} is a search of hstore's, which Optuna can read and not change",
                hint="give the study another name",
            )
        record.require_unchanged()
        decided: Sequence[PendingEvent] = ()

        def decide_behind() -> list[PendingEvent]:
            nonlocal decided
            record.update()
            decided = decide()
            return [*self._left(record, tid), *decided]

        try:
            events = record.experiment.append_decided(
                decide_behind, more_to_come=not is_urgent, was_read=was_read,
                note_written=partial(self._note_written, record),
            )  # fmt: skip
        except (InvalidEvent, InvalidValue):
            self._let_go(record, tid)  # it would be refused again: the trial is what the log says
            raise
        if not events:
            return False
        if is_urgent:
            self._unshown.clear()
        else:
            if not self._unshown:
                self._unshown_since = time.monotonic()
            self._unshown[record.number] = record
            self._look_in(SHOWN_SECONDS)
        record.update()
        return bool(decided)

    def say(self, record: StudyRecord, tid: int, decide: Callable[[], Sequence[PendingEvent]]) -> None:
        """Append soon what *decide* says of trial *tid*; what reads it here sees it at once."""
        trial = record.experiment.state.trials.get(tid)
        is_ours = trial is not None and trial.state == "running" and self.runs_here(record.number, tid)
        if not is_ours or not self._store.is_durable:
            self.append(record, decide, tid=tid, is_urgent=False)
            return
        pending = decide()
        try:
            bson.encode({"data": [data for _, _, data in pending]}, codec_options=CODEC)
        except (BSONError, OverflowError) as error:
            raise InvalidEvent(f"no document can hold what was said of trial {tid}: {error}", path="data") from error
        waiting = self._waiting.get((record.number, tid))
        if waiting is None:
            waiting = self._waiting[record.number, tid] = _Waiting(record)
        for each in pending:
            waiting.add(each)
        record.trials.anticipate(tid, pending)
        self._look_in(WAIT_SECONDS)

    def write_all(self) -> None:
        """Append what waits, and show it: the program, or the store, is about to end."""
        if os.getpid() != self._process:  # a fork, which cannot speak for the trials
            return
        with self._gate:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write_waiting(float("inf"))
            self._show()

    # -- what waits -------------------------------------------------------------------------------------------

    def _left(self, record: StudyRecord, tid: int | None) -> list[PendingEvent]:
        """Return what is still to be appended of what was said of trial *tid*: nothing once another process has it."""
        waiting = None if tid is None else self._waiting.get((record.number, tid))
        if tid is None or waiting is None:
            return []
        trial = record.experiment.state.trials[tid]
        if trial.is_finished or trial_events.is_held_elsewhere(record, tid):
            self._let_go(record, tid)
            return []
        if trial.state == "running":
            return list(waiting.pending)
        return [*trial_events.begun(record, tid, lease=self._lease), *waiting.pending]

    def _note_written(self, record: StudyRecord, events: Sequence[Event]) -> None:
        for event in events:
            if event.tid is None:
                continue
            key = record.number, event.tid
            if isinstance(event, Running):
                self._running.add(key)
            elif isinstance(event, (Done, Failed, Requeued)):
                self._running.discard(key)
            waiting = self._waiting.get(key)
            if waiting is not None and waiting.pending and type(event) is waiting.pending[0][0]:
                del waiting.pending[0]
                if not waiting.pending:
                    del self._waiting[key]

    def _let_go(self, record: StudyRecord, tid: int | None) -> None:
        """Forget what was said of trial *tid* and cannot be written."""
        if tid is not None and self._waiting.pop((record.number, tid), None) is not None:
            record.trials.read_again(tid)

    def _write_waiting(self, before: float) -> None:
        """Append what has waited since *before* or longer."""
        for (_, tid), waiting in list(self._waiting.items()):
            if waiting.record.experiment.name in self._store.rewound:  # which was told; nothing more is written to it
                self._let_go(waiting.record, tid)
            elif waiting.since <= before:
                self.append(waiting.record, list, tid=tid, is_urgent=False)

    def _show(self) -> None:
        unshown, self._unshown = self._unshown, {}
        for record in unshown.values():
            self._store.models.project(record.experiment.state, ())

    # -- the timer --------------------------------------------------------------------------------------------

    def _look_in(self, seconds: float) -> None:
        """Look in so many *seconds* what is due, also if the program does nothing more: a trial may take hours."""
        if self._timer is None and self._store.is_durable:
            self._timer = threading.Timer(seconds, self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        with self._gate:
            self._timer = None
            moment = time.monotonic()
            # What fails here is written with what the program writes next, or shown by a worker's reaper.
            with suppress(HstoreError, PyMongoError):
                self._write_waiting(moment - WAIT_SECONDS + SOON)
                if self._unshown and moment - self._unshown_since >= SHOWN_SECONDS - SOON:
                    self._show()
                dues = [waiting.since + WAIT_SECONDS for waiting in self._waiting.values()]
                dues += [self._unshown_since + SHOWN_SECONDS] if self._unshown else []
                if dues:
                    self._look_in(max(SOON, min(dues) - moment))


class _Waiting:
    """What was said of one trial, since when."""

    def __init__(self, record: StudyRecord) -> None:
        self.record = record
        self.pending: list[PendingEvent] = []
        self.since = time.monotonic()

    def add(self, pending: PendingEvent) -> None:
        """Have *pending* wait as well; parameters that follow one another become one event."""
        both = trial_events.with_params_of(self.pending[-1], pending) if self.pending else None
        if both is None:
            self.pending.append(pending)
        else:
            self.pending[-1] = both
