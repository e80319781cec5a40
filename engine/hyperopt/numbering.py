"""Two numberings: the tid of a document, which its program may choose, and the number of its trial in the log. Pure.

They are the same as long as fmin alone makes trials. They differ once a program has inserted documents with tids of its
own, or has removed all trials in memory, after which tids go on and a new log begins at 0.
"""

from __future__ import annotations

from collections.abc import Iterable

from hstore.engine.hyperopt.documents import DocumentTid
from hstore.store.events import TrialNumber
from hstore.store.fold import Trial

INSERTED = "inserted"
"""The `source` of a trial that a program added to the others as a document."""


class Numbering:
    """Which document shows which trial. Tids follow from the log alone, so every process has the same."""

    def __init__(self) -> None:
        self.ids: set[DocumentTid] = set()
        """The tids that documents have, or that were handed out for some to come."""
        self._next = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Go on with another log, whose trial 0 has the next tid."""
        self._first = self._next
        self._tids: dict[TrialNumber, DocumentTid] = {}
        self._numbers: dict[DocumentTid, TrialNumber] = {}

    def new_ids(self, n: int) -> list[DocumentTid]:
        """Return *n* tids that no document has, and that will not be handed out again."""
        tids = [DocumentTid(tid) for tid in range(self._next, self._next + n)]
        self.ids.update(tids)
        self._next += n
        return tids

    def count(self, tid: DocumentTid) -> None:
        """Note that a document has *tid*."""
        self.ids.add(tid)
        self._next = max(self._next, tid + 1)

    def assign(self, number: TrialNumber, trial: Trial) -> DocumentTid:
        """Return the tid of trial *number*; to be called for each in their order, those that are not shown included."""
        if number not in self._tids:
            tid = _given(number, trial)
            if tid is None:
                (tid,) = self.to_come([number])
            self._tids[number] = tid
            self._numbers[tid] = number
            self.count(tid)
        return self._tids[number]

    def to_come(self, numbers: Iterable[TrialNumber]) -> list[DocumentTid]:
        """Return the tids that trials *numbers* will have, unless documents are inserted before them."""
        tids: list[DocumentTid] = []
        following = self._next
        for number in numbers:
            tid = DocumentTid(number + self._first)
            if tid in self._numbers or tid in tids:
                tid = DocumentTid(following)
            following = max(following, tid + 1)
            tids.append(tid)
        return tids

    def number_of(self, tid: DocumentTid) -> TrialNumber | None:
        """Return the number of the trial whose document has *tid*; None if there is none in the log."""
        return self._numbers.get(tid)

    def tid_of(self, number: TrialNumber) -> DocumentTid:
        """Return the tid of trial *number*."""
        return self._tids[number]


def _given(number: TrialNumber, trial: Trial) -> DocumentTid | None:
    """Return the tid that an inserted document brought along; None for other trials."""
    if trial.queued is None or trial.queued.source != INSERTED:
        return None
    said = trial.queued.imported or {}
    if said.get("from", INSERTED) != INSERTED:
        return None
    return DocumentTid(said["tid"] if isinstance(said.get("tid"), int) else number)
