"""A batch: what a slot has to say of several trials at once, in one append, of which it loses only what others took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hstore.engine.evaluation import attempt
from hstore.store.errors import Conflict
from hstore.store.events import Event, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event that is to be appended."""

    pending: PendingEvent
    claim: Reserved | None
    """What has to hold the trial for it to be written; None for a claim, and for what follows one in this batch."""

    @property
    def tid(self) -> int:
        """The trial."""
        tid = self.pending[1]
        assert tid is not None
        return tid


class Batch:
    """Events of several trials of *experiment*: how some have ended, which others are claimed. For one `append`.

    Another writer may have taken any of the trials meanwhile. Each event knows the claim that it needs, so what is
    still ours is written, an end that comes too late is noted, and a trial that another worker claimed is left to it.

    lease: seconds that a trial which is left to another worker is shown to be held for, should that worker never do so.
    """

    def __init__(self, experiment: Experiment, *, lease: float) -> None:
        self.experiment = experiment
        self.lease = lease
        self._entries: list[Entry] = []
        self._taken: set[int] = set()

    def end(self, claim: Reserved, pending: Sequence[PendingEvent]) -> None:
        """Add what ends the attempt that *claim* began."""
        self._entries += [Entry(pending=each, claim=claim) for each in pending]

    def take(self, pending: Sequence[PendingEvent], *, claim: Reserved | None = None) -> None:
        """Add claims, each with what is to be written behind it; or, with *claim*, what begins the trial of that."""
        self._entries += [Entry(pending=each, claim=claim) for each in pending]
        self._taken |= {tid for _, tid, _ in pending if tid is not None}

    def append(self, *, more_to_come: bool = False) -> set[int]:
        """Write all that is still ours; return the trials of `take`, without those that other workers have.

        more_to_come: the read models may wait for the next append. Those of trials that are taken here wait in any
        case: such a trial soon ends, and is then shown once.
        """
        self._leave_to_others()
        while self._entries:
            events = self.experiment.compose(*[entry.pending for entry in self._entries])
            try:
                self.experiment.append(events, more_to_come=more_to_come, not_yet=self._taken)
                break
            except Conflict as conflict:
                self._written(events[: events.index(conflict.mine)])
                self._leave_to_others()
        return self._taken

    def _written(self, events: Sequence[Event]) -> None:
        """Drop *events*, which are in the log. A claim among them is what the other events of its trial now need."""
        for event in events:
            assert event.tid is not None
            self.experiment.project(event.tid)
        claims = {event.tid: event for event in events if isinstance(event, Reserved)}
        self._entries = [
            Entry(pending=entry.pending, claim=entry.claim or claims.get(entry.tid))
            for entry in self._entries[len(events) :]
        ]

    def _leave_to_others(self) -> None:
        """Drop the events of trials that other workers have by now; note ends that come too late."""
        while (lost := self._first_lost()) is not None:
            key = lost.tid, lost.claim
            pending = [each.pending for each in self._entries if (each.tid, each.claim) == key]
            self._entries = [each for each in self._entries if (each.tid, each.claim) != key]
            if lost.claim is not None and pending[-1][0] is not Running:
                attempt.record_end(self.experiment, lost.claim, pending)  # notes it; may read more of the log
            else:
                self._taken.discard(lost.tid)
                self._show_as_held(lost.tid)

    def _show_as_held(self, tid: int) -> None:
        self.experiment.project(tid, lease=self.lease)

    def _first_lost(self) -> Entry | None:
        return next((entry for entry in self._entries if not self._is_ours(entry)), None)

    def _is_ours(self, entry: Entry) -> bool:
        if entry.claim is not None:
            return attempt.is_held(self.experiment, entry.claim)
        kind, _, data = entry.pending
        trial = self.experiment.state.trials[entry.tid]
        if kind is not Reserved:
            return True
        is_closed = self.experiment.state.why_closed(entry.tid) is not None
        return trial.state == "queued" and not is_closed and trial.attempt + 1 == data["attempt"]
