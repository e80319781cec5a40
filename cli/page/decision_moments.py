"""Searches as of a decision, by what each decision observed and the documents of trials: few events are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hstore.cli.page.trial_rows import IS_A_TRIAL, collection, slim_row
from hstore.store.as_of import PastLog, header_at, trial_at
from hstore.store.errors import NotFound
from hstore.store.events import Finished, Quarantined
from hstore.store.experiment import Experiment
from hstore.store.fold import fold_chain
from hstore.store.model_documents import trial_document
from hstore.store.store import Store
from hstore.store.streamed_verify import NeedsWholeLog

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hstore.cli.page.watch import SearchWatch
    from hstore.store.events import Document, Event
    from hstore.store.state import State

MOST_READ = 2000
"""Chains that are read for one moment: of trials that it knew otherwise than their documents say. Of more, all are."""
_DECISION: dict[str, Any] = {"_id": 0, "tid": 1, "type": 1, "at": 1, "data.observed": 1}


class Decisions:
    """What the decisions of experiment *name* observed: read once, and then what is new."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self.name = store, name
        self._times: list[dt.datetime] = []
        self._observed: list[tuple[int, int, int]] = []
        """Decision, trial (-1: the experiment's own chain), and up to which ver."""
        self._columns = np.empty((0, 3), np.int64)
        self._lasts: tuple[Any, NDArray[np.int64]] = None, np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._times)

    def at(self, number: int, watch: SearchWatch) -> DecisionMoment:
        """Return the search as of decision *number*: see `as_of.events_at`; *watch* follows it.

        Raises `NotFound`, and `NeedsWholeLog` for a search of which this cannot be said so.
        """
        known_rows = id(watch), watch.tick
        if known_rows != self._lasts[0]:
            self._refresh()
            self._lasts = known_rows, self._lengths() - 1
        n = len(self)
        if number > n:
            raise NotFound(f"experiment {self.name!r} has no decision {number}", hint=f"the next one is {n}", at=number)
        own = list(self._only([]).chain(None))
        if any(isinstance(event, Quarantined) for event in own):
            raise NeedsWholeLog
        last = self._lasts[1][:number]
        if number == n:
            return DecisionMoment(self._store, self.name, number, own, last, {}, watch)
        known, known_own = self._known(number, own)
        moment = self._times[number]
        cut = {}
        ends = last.copy()
        behind = np.flatnonzero(known < last).tolist()
        if len(behind) > MOST_READ:
            raise NeedsWholeLog
        if behind:
            read = self._only(behind)
            for tid in behind:
                cut[tid] = list(trial_at(read.chain(tid), int(known[tid]), moment))
                ends[tid] = cut[tid][-1].ver
        return DecisionMoment(
            self._store, self.name, number, list(header_at(own, known_own, moment)), ends, cut, watch
        )  # fmt: skip

    def _only(self, tids: Sequence[int]) -> Experiment:
        return self._store.experiment(self.name, only=tids)

    def _refresh(self) -> None:
        assert self._store.database is not None
        new = {"exp": self.name, "tid": {"$gte": len(self)}, "ver": 0}
        for document in self._store.database["events"].find(new, _DECISION, sort=[("tid", 1)]):
            data, tid = document.get("data"), document["tid"]
            observed = data.get("observed") if isinstance(data, dict) else None
            if tid != len(self) or document.get("type") != "queued" or not isinstance(observed, list):
                raise NeedsWholeLog  # its content is elsewhere, say
            try:
                self._observed += [(tid, -1 if of is None else of, ver) for of, ver, _ in observed]
            except (TypeError, ValueError):
                raise NeedsWholeLog from None
            self._times.append(document["at"])
        self._columns = np.array(self._observed, np.int64).reshape(-1, 3)

    def _lengths(self) -> NDArray[np.int64]:
        found = self._store.log.lengths(self.name, len(self))
        if len(found) != len(self):
            raise NeedsWholeLog
        return np.array([found[tid] for tid in range(len(self))], np.int64)

    def _known(self, number: int, own: Sequence[Event]) -> tuple[NDArray[np.int64], int]:
        """Return up to which ver the decision knew each trial before it, and the experiment's own chain."""
        known = np.zeros(number, np.int64)
        decision, tid, ver = self._columns.T
        seen = decision <= number
        if (tid[seen] >= number).any():
            raise NeedsWholeLog
        known_own = int(ver[seen & (tid < 0)].max(initial=0))
        of_trial = seen & (tid >= 0)
        np.maximum.at(known, tid[of_trial], ver[of_trial])
        for event in own[1 : known_own + 1]:
            if isinstance(event, Finished):
                for of, end, _ in event.observed:
                    if of is not None and of < number:
                        known[of] = max(int(known[of]), end)
        return known, known_own


@dataclass(frozen=True, eq=False)
class DecisionMoment:
    """A search as of a decision: the chains of its first *number* trials up to *ends*, its *own* chain cut there.

    cut: the events of trials whose chains went on behind that moment.
    """

    store: Store
    name: str
    number: int
    own: list[Event]
    ends: NDArray[np.int64]
    cut: dict[int, list[Event]]
    watch: SearchWatch

    @cached_property
    def state(self) -> State:
        """What the experiment's own chain says; no trial is in it."""
        return self.experiment([]).state

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The trials as charts take them, by tid: those that the watch has, and others as `documents` has them."""
        rows: list[Any] = [None] * self.number
        for tid, ver, row in self.watch.known(self.number):
            if ver == self.ends[tid]:
                rows[tid] = row
        missing = [tid for tid, row in enumerate(rows) if row is None]
        if len(missing) > MOST_READ:
            raise NeedsWholeLog
        for document in self._folded(missing):
            rows[document["tid"]] = slim_row(document)
        return rows

    def documents(self, tids: Sequence[int], fields: Document) -> list[Document]:
        """Return the documents of trials *tids*, in the order of these, with *fields* at least."""
        assert self.store.database is not None
        which = {"$in": list(tids)} if len(tids) <= MOST_READ else {"$lt": self.number}
        query = {"exp": self.name, "$and": [IS_A_TRIAL, {"tid": which}]}
        found = {
            document["tid"]: document
            for document in collection(self.store.database, "trials").find(query, fields | {"ver": 1})
            if document["ver"] == self.ends[document["tid"]] and document["tid"] not in self.cut
        }
        missing = [tid for tid in tids if tid not in found]
        if len(missing) > 2 * MOST_READ:
            raise NeedsWholeLog
        found.update((document["tid"], document) for document in self._folded(missing))
        return [found[tid] for tid in tids]

    def experiment(self, tids: Sequence[int]) -> Experiment:
        """Return the search with trials *tids* alone."""
        events = [*self.own, *(event for chain in self._chains(tids).values() for event in chain)]
        log = PastLog(events, self.number)
        store = Store(log, self.store.attachments, url=self.store.url, identity=self.store.identity)
        return store.experiment(self.name, only=tids)

    def _folded(self, tids: Sequence[int]) -> list[Document]:
        return [trial_document(fold_chain(chain)) for chain in self._chains(tids).values()]

    def _chains(self, tids: Sequence[int]) -> dict[int, list[Event]]:
        missing = [tid for tid in tids if tid not in self.cut]
        read = self.store.experiment(self.name, only=missing) if missing else None
        chains = {}
        for tid in tids:
            if tid in self.cut:
                chains[tid] = self.cut[tid]
            elif read is not None:
                chains[tid] = list(read.chain(tid)[: int(self.ends[tid]) + 1])
                if len(chains[tid]) <= self.ends[tid]:
                    raise NeedsWholeLog  # some of it was set aside
        return chains
