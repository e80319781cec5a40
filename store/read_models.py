"""Read models: the collections `trials` and `experiments`, derived from the log for queries."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import bson
import pymongo
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern

from hstore.store.document_cursor import split
from hstore.store.events import TABLE_CODEC, Document, Requeued
from hstore.store.experiment_outline import Outline, read_outline
from hstore.store.fold import HELD, UNFINISHED, UNREADABLE, Trial
from hstore.store.guarded_updates import guarded, write
from hstore.store.log import ReadCursor
from hstore.store.model_documents import EXPERIMENT_FIELDS, TRIAL_FIELDS, experiment_document, trial_document
from hstore.store.retry import RetryPolicy, let_go
from hstore.store.state import State
from hstore.store.tally import Tally, read_tally

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

    from hstore.store.settled import SettledTrials

EXPERIMENT_SECONDS = 0.25
"""The document of an experiment follows its log at most this often while nothing but trials changes."""
MOST_MISSING = 100_000
"""If more documents of trials than this are missing, the whole log is read instead of looking which."""
READ_AT_ONCE = 1000
"""Documents of trials that are read at a time where all are looked at: a server would send as many as 16 MB hold."""
BATCH = 100
"""Documents sent at once; if all are as large as they can be, a slow line still takes them in time."""


class ReadModels:
    """Keeps the documents of trials and experiments, each guarded by how much of the log is in it (`ver`, `events`)."""

    def __init__(self, database: Database[Document], retry: RetryPolicy) -> None:
        # What is lost here is derived again, so writes do not wait for a majority.
        light: dict[str, Any] = {
            "write_concern": pymongo.WriteConcern(w=1),
            "read_concern": ReadConcern("local"),
            "codec_options": TABLE_CODEC,
        }
        self._trials: Collection[Document] = database.get_collection("trials", **light)
        self._experiments: Collection[Document] = database.get_collection("experiments", **light)
        # A wakeup is only a hint, so its write is not waited for.
        self._wakeups: Collection[Document] = database.get_collection(
            "wakeups", write_concern=pymongo.WriteConcern(w=0)
        )
        self._retrying = retry
        self._gate = threading.Lock()
        """For what waits: a busy search has a thread that writes it (`soon_written`)."""
        self._trials_waiting: dict[tuple[str, int], Trial] = {}
        self._leases: dict[tuple[str, int], tuple[str, float]] = {}
        self._experiments_waiting: dict[str, State] = {}
        self._shown: dict[str, float] = {}
        self._counted: SettledTrials | None = None
        """Those of which it was seen last that each has its document."""
        self._server_epoch: tuple[Any, ...] | None = None

    def for_thread(self) -> ReadModels:
        """Return the same for another thread, with a queue of writes of its own."""
        return ReadModels(self._trials.database, self._retrying)

    def lease(self, exp: str, tid: int, by: str, seconds: float) -> None:
        """Write with the next document of trial *tid* that session *by* has a lease on it for *seconds* from then."""
        self._leases[exp, tid] = by, seconds

    def project(self, state: State, chains: Iterable[int | None], *, later: bool = False, whole: bool = True) -> None:
        """Bring the documents of *chains* (None: the experiment's own) up to *state*; those that are up to date stay.

        later: let it wait for the next call, which saves a round trip; for a writer that appends again at once.
        whole: False if *state* holds some trials only; the document of the experiment stays as it is then.
        """
        chains = set(chains)
        self._put_off([state.trials[tid] for tid in chains if tid is not None])
        if not whole:
            if not later:
                self.write_waiting_trials()
            return
        newest = self._experiments_waiting.setdefault(state.exp, state)
        if state.events > newest.events:
            newest = self._experiments_waiting[state.exp] = state
        if later:
            return
        if self._has_failed_over():  # which may have rolled back what was written
            self.flush()
            return
        self.write_waiting_trials()
        if None in chains or self.is_due(state.exp):
            self._write_experiment(newest)
        if None in chains:
            self._notify()

    def is_due(self, exp: str) -> bool:
        """Return whether the next `project` that is not for later writes the document of experiment *exp* as well."""
        return time.monotonic() - self._shown.get(exp, -math.inf) >= EXPERIMENT_SECONDS

    def flush(self) -> None:
        """Write what `project` has deferred, and what got lost."""
        self.write_waiting_trials()
        for state in list(self._experiments_waiting.values()):
            self.repair(state)

    def forget(self, exp: str) -> None:
        """Write nothing of *exp* that waits to be written: the events behind it are no longer in the log."""
        with self._gate:
            self._trials_waiting = {key: trial for key, trial in self._trials_waiting.items() if key[0] != exp}
        self._experiments_waiting.pop(exp, None)

    def _has_failed_over(self) -> bool:
        """Return whether, since the last call, the server was away or another one was elected.

        pymongo repeats what an election interrupted, so no caller gets an error.
        """
        before = self._server_epoch
        self._server_epoch = (
            self._retrying.recoveries,
            self._trials.database.client.topology_description.max_election_id,
        )
        return before is not None and before != self._server_epoch

    def _put_off(self, trials: Iterable[Trial]) -> None:
        with self._gate:
            for trial in trials:
                waiting = self._trials_waiting.get((trial.last.exp, trial.tid))
                if waiting is None or waiting.ver < trial.ver:
                    self._trials_waiting[trial.last.exp, trial.tid] = trial

    def write_waiting_trials(self) -> None:
        """Write the documents of trials that `project` has deferred; any thread may do so.

        What another thread writes at the same time may come first: an update never replaces a later state of a trial.
        """
        with self._gate:
            waiting, self._trials_waiting = self._trials_waiting, {}
        trials = list(waiting.values())
        try:
            self._write_trials(trials)
        except BaseException:
            self._put_off(trials)
            raise

    def _write_experiment(self, state: State) -> None:
        self.put(experiment_document(state))
        self._shown[state.exp] = time.monotonic()
        self._experiments_waiting.pop(state.exp, None)

    def _write_trials(self, trials: list[Trial]) -> None:
        updates = [self._update(trial) for trial in trials]
        for start in range(0, len(updates), BATCH):
            self._retrying(partial(write, self._trials, updates[start : start + BATCH]))
        if any(trial.state == "queued" for trial in trials):
            self._notify()

    def _notify(self) -> None:
        """Wake idle workers: see `claims.Wakeups`."""
        with contextlib.suppress(PyMongoError):
            self._wakeups.insert_one({"at": bson.Timestamp(0, 0)})

    def _update(self, trial: Trial) -> tuple[Document, Document]:
        """Return the update that writes *trial*; it removes tickets and leases whose claims are over."""
        is_held, is_closed = trial.state in HELD, trial.closed_by is not None
        over = {"ticket": is_held or isinstance(trial.last, Requeued), "lease": not is_held}
        fields = TRIAL_FIELDS | {name for name, is_over in over.items() if is_over and not is_closed}
        query, update = guarded(trial_document(trial), fields, "ver")
        if not is_closed:  # a program that could not read as much may have written the document
            ver = query.pop("ver")
            query["$or"] = [{"ver": ver}, {"ver": trial.ver, "state": UNREADABLE}]
        # What is queued may be written while its claim is on the way, whose lease it is.
        lease = None if trial.state == "queued" else self._leases.pop((trial.last.exp, trial.tid), None)
        if lease is not None and is_held and not is_closed:
            update["$set"] = {**update["$set"], "lease.by": lease[0], "lease.seconds": lease[1]}
            update["$currentDate"] = {"lease.beat": True}
        return query, update

    def rebuild(self, state: State) -> None:
        """Drop the documents of the experiment and derive them again; `rebuilding` does so as the log is read."""
        self.drop(state.exp)
        self.repair(state)

    def drop(self, exp: str) -> None:
        """Drop the documents of *exp*."""
        self._retrying(lambda: self._trials.delete_many({"exp": exp}))
        self._retrying(lambda: self._experiments.delete_one({"_id": exp}))

    def insert(self, trials: list[Trial]) -> None:
        """Write the documents of *trials*, most of which have none; one that reflects as much of the log stays."""
        documents = [trial_document(trial) for trial in trials]
        try:
            if documents:
                self._retrying(lambda: self._trials.insert_many(documents, ordered=False))
        except BulkWriteError as error:
            let_go(error)
            self._write_trials(trials)
            return
        if any(trial.state == "queued" for trial in trials):
            self._notify()

    def put(self, document: Document) -> None:
        """Write the *document* of an experiment, unless the one there reflects as much of the log."""
        update = guarded(document, EXPERIMENT_FIELDS, "events")
        self._retrying(lambda: write(self._experiments, [update]))

    def repair(self, state: State) -> int:
        """Derive again the documents of trials that lag behind *state* (their writer died); return how many lagged."""
        fields = {"tid": 1, "ver": 1, "state": 1, "_id": 0}
        query, is_all = self._looked_at(state)
        found = self._retrying(lambda: list(self._trials.find(query, fields)))
        shown = {
            document["tid"]: document["ver"] - (document.get("state") == UNREADABLE)
            for document in found
            if _has_place(document)
        }
        trials = state.trials.items() if is_all else state.kept_trials()
        lagging = [trial for tid, trial in trials if shown.get(tid, -1) < trial.ver]
        self._write_trials(lagging)
        self._write_experiment(state)
        return len(lagging)

    def ahead(self, state: State) -> dict[int | None, int]:
        """Return how much of the log is in the documents that reflect more of it than *state*, by tid (their `ver`).

        None: the document of the experiment (its `events`), also if it reflects as many events, but others.
        """
        query, _ = self._looked_at(state)
        found = self._retrying(lambda: list(self._trials.find(query, {"tid": 1, "ver": 1, "_id": 0})))
        trials = state.trials
        ahead: dict[int | None, int] = {
            document["tid"]: document["ver"]
            for document in filter(_has_place, found)
            if document["tid"] not in trials or document["ver"] > trials[document["tid"]].ver
        }
        fields = {"events": 1, "ver": 1, "status": 1, "counts": 1}
        about = self._retrying(lambda: self._experiments.find_one({"_id": state.exp}, fields)) or {}
        events = about.get("events", -1)
        shown = events if isinstance(events, int) else -1, about.get("ver"), about.get("status"), about.get("counts")
        is_other = shown[1:] != (state.ver, state.status, state.counts)
        is_ahead = shown[0] > state.events or (shown[0] == state.events and is_other)
        return ahead | ({None: shown[0]} if is_ahead else {})

    def _looked_at(self, state: State) -> tuple[Document, bool]:
        """Return a query for the documents that are to be compared with *state*, and whether it is for all of them.

        Settled trials do not change, so their documents are right if they are there: they are only counted.
        """
        if (settled := state.settled) is None:
            return {"exp": state.exp}, True
        n = settled.n
        if self._counted is not settled:
            query = {"exp": state.exp, "tid": {"$gte": 0, "$lt": n}}
            database = self._trials.database
            if self._retrying(lambda: database.command("count", "trials", query=query))["n"] != n:
                return {"exp": state.exp}, True
            self._counted = settled
        return {"exp": state.exp, "$or": [{"tid": {"$gte": n}}, {"tid": {"$in": settled.unsettled}}]}, False

    def queued(self, exp: str, tid: int) -> Document | None:
        """Return the `ver` of the document of trial *tid*, if that says that the trial is queued; None if not."""
        query = {"exp": exp, "tid": tid, "state": "queued"}
        return self._retrying(lambda: self._trials.find_one(query, {"_id": 0, "ver": 1}))

    def remove(self, exp: str, documents: Mapping[int | None, Any]) -> None:
        """Remove the *documents* of *exp* that `ahead` returned, unless they were written since."""
        for tid, known in documents.items():
            if tid is None:
                self._retrying(partial(self._experiments.delete_one, {"_id": exp, "events": known}))
            else:
                self._retrying(partial(self._trials.delete_one, {"exp": exp, "tid": tid, "ver": known}))

    def remove_all(self, exp: str) -> None:
        """Remove the documents of *exp*, of which the log has nothing more."""
        self.forget(exp)
        self._retrying(lambda: self._experiments.delete_one({"_id": exp}))
        self._retrying(lambda: self._trials.delete_many({"exp": exp}))

    def lagging(self, exp: str) -> ReadCursor:
        """Return how far the documents of *exp* are, to read the rest from the log: their writer may have died.

        Trials that ended count as up to date.
        """

        def look() -> ReadCursor:
            shown = self._experiments.find_one({"_id": exp}, {"ver": 1}) or {}
            open_ = {"exp": exp, "state": {"$in": sorted(UNFINISHED | {UNREADABLE})}}
            found = self._trials.find(open_, {"tid": 1, "ver": 1, "_id": 0})
            vers = {
                d["tid"]: d["ver"] for d in found if isinstance(d.get("tid"), int) and isinstance(d.get("ver"), int)
            }
            is_number = {"exp": exp, "tid": {"$type": ["int", "long"], "$lt": 2**53}}
            last = self._trials.find_one(is_number, {"tid": 1}, sort=[("tid", -1)])
            n = -1 if last is None else last["tid"]
            missing = n + 1 - self._trials.count_documents({"exp": exp})
            if missing > MOST_MISSING:  # or the number is none of a trial
                return ReadCursor()
            if missing > 0:
                there = {d["tid"] for d in self._trials.find({"exp": exp}, {"tid": 1, "_id": 0})}
                vers |= dict.fromkeys(set(range(n)) - there, -1)
            ver = shown.get("ver", -1)
            return ReadCursor(header=ver if isinstance(ver, int) else -1, last=n, open=vers)

        return self._retrying(look)

    def outline(self, exp: str, *, latest: int) -> Outline | None:
        """See `outline.read_outline`."""
        return read_outline(
            self._trials, self._experiments, self._retrying, exp, latest=latest, fields=TRIAL_FIELDS
        )  # fmt: skip

    def shown(self, exp: str) -> tuple[list[Document], Document | None]:
        """Return the documents of the trials of *exp*, and the document of *exp* if there is one, as they are."""
        trials: list[Document] = []
        self.each_trial(exp, trials.clear, lambda raw: trials.append(bson.decode(raw, TABLE_CODEC)))
        return trials, self.about(exp)

    def about(self, exp: str) -> Document | None:
        """Return the document of *exp* if there is one, as it is."""
        return self._retrying(lambda: self._experiments.find_one({"_id": exp}))

    def each_trial(self, exp: str, begin: Callable[[], object], take: Callable[[bytes], object]) -> None:
        """Call *take* with the BSON of each document of a trial of *exp*, after *begin*: once more if a server left."""

        def look() -> None:
            begin()
            for batch in self._trials.find_raw_batches({"exp": exp}, batch_size=READ_AT_ONCE):
                for raw in split(cast("bytes", batch)):
                    take(raw)

        self._retrying(look)

    def trial_documents(self, exp: str, tids: Sequence[int]) -> dict[int, Document]:
        """Return the documents of trials *tids* of *exp* that there are, by tid."""
        query = {"exp": exp, "tid": {"$in": [*tids]}}
        batches = self._trials.find_raw_batches
        found = self._retrying(lambda: [raw for batch in batches(query) for raw in split(cast("bytes", batch))])
        documents = (bson.decode(raw, TABLE_CODEC) for raw in found)
        return {document["tid"]: document for document in documents}

    def counts(self, exp: str) -> tuple[dict[str, int], dict[str, int]]:
        """Return the number of trials by state in their documents, and in the experiment's document."""
        group: list[Document] = [{"$match": {"exp": exp}}, {"$group": {"_id": "$state", "n": {"$sum": 1}}}]
        found = self._retrying(lambda: list(self._trials.aggregate(group)))
        about = self._retrying(lambda: self._experiments.find_one({"_id": exp}, {"counts": 1})) or {}
        return {d["_id"]: d["n"] for d in found if type(d["_id"]) is str}, about.get("counts", {})

    def nonfinal_failures(self, exp: str) -> set[int]:
        """Return the tids of trials that failed, not for good, and have not been requeued."""
        query = {"exp": exp, "state": "failed", "final": False}
        found = self._retrying(lambda: list(self._trials.find(query, {"tid": 1})))
        return {d["tid"] for d in found if isinstance(d.get("tid"), int)}

    def open_experiments(self) -> list[str]:
        """Return the names of the experiments whose trials workers may take, sorted."""
        found = self._retrying(lambda: list(self._experiments.find({"status": "open"}, {"_id": 1})))
        return sorted(document["_id"] for document in found if type(document["_id"]) is str)

    def archived(self) -> set[str]:
        """Return the names of the experiments that are archived."""
        found = self._retrying(lambda: list(self._experiments.find({"archived": True}, {"_id": 1})))
        return {document["_id"] for document in found if type(document["_id"]) is str}

    def ending(self) -> list[str]:
        """Return the names of the experiments that are finished and have trials that are not, sorted."""
        query = {"status": "finished", "$or": [{f"counts.{state}": {"$gt": 0}} for state in sorted(UNFINISHED)]}
        found = self._retrying(lambda: list(self._experiments.find(query, {"_id": 1})))
        return sorted(document["_id"] for document in found if type(document["_id"]) is str)

    def overview(self) -> list[Document]:
        """Return the documents of all experiments, by name."""
        return self._retrying(lambda: list(self._experiments.find(sort=[("_id", 1)])))

    def tally(self, names: Sequence[str]) -> dict[str, Tally]:
        """Return how many trials of each experiment of *names* are in each state, and the best of them.

        Where no driver runs, `overview` lags behind.
        """
        return self._retrying(lambda: read_tally(self._trials, names))


def _has_place(document: Document) -> bool:
    return isinstance(document.get("tid"), int) and isinstance(document.get("ver"), int)
