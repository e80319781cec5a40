"""Experiment: one search in a store. Reading, folding and appending meet here."""

from __future__ import annotations

import datetime as dt
import gc
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from hstore.store.attachments import SavedAttachment
from hstore.store.digest import digest_event
from hstore.store.errors import ClosedChain, Conflict, InvalidEvent, NotFound
from hstore.store.events import Created, Document, Event, Noted, Queued, TrialEvent
from hstore.store.fold import Trial, evolve, unread, why_not
from hstore.store.html import state_html
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.received import Received
from hstore.store.rewind_check import RewindCheck
from hstore.store.signed_chains import SignedChains, note_of_all
from hstore.store.state import State
from hstore.store.tables import TableKind, table_of, to_pandas
from hstore.store.values import check_name

if TYPE_CHECKING:
    import pandas as pd

    from hstore.store.store import Store

Chain: TypeAlias = int | None
QUICK_LOOKS = (0.002, 0.004, 0.008, 0.016, 0.032)
"""Seconds before each of the first looks for new events."""
PendingEvent: TypeAlias = tuple[type[Event], Chain, Mapping[str, Any]]
"""An event that is decided but not in the log: its class, its chain (a tid; None: the experiment's own), its data."""


def author() -> str:
    """Return the `by` of what this thread writes: host:pid:thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.current_thread().name}"


def now() -> dt.datetime:
    """Return the time in UTC in whole milliseconds, which is what BSON holds."""
    moment = dt.datetime.now(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for cycles while events are made by the ten thousand: there are none among them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Experiment:
    """One search: its chains as far as they were read, and their fold. Not for use by several threads at once.

    only: the tids of the trials that are read beside the experiment's own chain; None for all of them. A worker
    reads those that it holds (`load_trial`, `evict`), whatever the size of the search.
    """

    __module__ = "hstore"

    def __init__(self, store: Store, name: str, *, only: Iterable[int] | None = None) -> None:
        self.store = store
        self.name = name
        self._only = None if only is None else set(only)
        self.state = State(name)
        self._chains: dict[Chain, list[Event]] = {}
        self.received = Received(self._chains)
        """All events in the order in which this process read them; none where *only* some trials are read."""
        self._digests: dict[Chain, list[bytes]] = {}
        self._composed: dict[uuid.UUID, bytes] = {}
        self._rewind_check = RewindCheck(store, name, self._chains)
        self._signatures = None if store.keys is None else SignedChains(name, store.keys, self._chains, self.digest)

    @property
    def trials(self) -> list[Trial]:
        """All trials by tid."""
        return [self.state.trials[tid] for tid in sorted(self.state.trials)]

    @property
    def best(self) -> Trial:
        """The trial with the smallest loss; raises `AllTrialsFailed` if no trial has one."""
        return self.state.require_best()

    @property
    def pareto(self) -> list[Trial]:
        """The Pareto front, by tid, of a search with several losses."""
        return self.state.pareto

    @property
    def events(self) -> list[Event]:
        """All events, the experiment's own chain first, then by trial."""
        chains = sorted(self._chains, key=lambda tid: -1 if tid is None else tid)
        return [event for chain in chains for event in self._chains[chain]]

    def to_pandas(self, kind: TableKind = "trials") -> pd.DataFrame:
        """Return a frame with one row a trial, event or report; needs pandas (`pip install 'hstore[pandas]'`).

        kind: "trials" (with a column `params.<label>` for each label), "events", or "reports" (what `ctrl.report` and
            `should_stop` were given). Numbers that are missing are NA, times are UTC. Raises `InvalidValue` for another
            kind.
        """
        return to_pandas(table_of(self, kind))

    def attachment(self, tid: Chain, name: str) -> SavedAttachment:
        """Return attachment *name* of trial *tid*, or of the experiment itself for None: to `read()` or `save(path)`.

        Raises `NotFound`, which says what attachments there are. Attachments that are no bytes, as a search in memory
        may have, are in `Trials.trial_attachments`.
        """
        self.chain(tid)  # raises NotFound
        found = self.state.attachments if tid is None else self.state.trials[tid].attachments
        entry = found.get(name)
        if entry is None or "sha256" not in entry:
            of = "the experiment" if tid is None else f"trial {tid}"
            there = ", ".join(repr(each) for each, entry in found.items() if "sha256" in entry)
            raise NotFound(
                f"{of} of {self.name!r} has no attachment {name!r}", hint=f"it has {there}" if there else "it has none"
            )
        return SavedAttachment(name, entry["length"], entry["sha256"], self.store.attachments)

    def begin(self, created: Mapping[str, Any]) -> bool:
        """Begin the experiment with *created*, the data of a `Created`; return False if it has begun already."""
        check_name(self.name)
        beginning: list[PendingEvent] = [(Created, None, created)]
        return bool(self.append_decided(lambda: beginning if self.state.ver < 0 else []))

    def chain(self, tid: Chain) -> Sequence[Event]:
        """Return the events of one trial, or of the experiment itself for None; raises `NotFound`."""
        try:
            return tuple(self._chains[tid])
        except KeyError:
            raise NotFound(
                f"experiment {self.name!r} has no trial {tid}",
                hint=f"its trials are 0 to {len(self.state.trials) - 1}" if self.state.trials else "it has none yet",
            ) from None  # fmt: skip

    def documents(self) -> Iterable[Document]:
        """Yield all events as they are stored."""
        return self.store.log.documents(self.name)

    @property
    def known(self) -> ReadCursor:
        """How far the log has been read, for `EventLog.read`."""
        trials = self.state.trials
        if self._only is not None:
            vers = {tid: trials[tid].ver if tid in trials else -1 for tid in self._only}
            held = self._rewind_check.ids_to_read(self._only)
            return ReadCursor(header=self.state.ver, last=EVERY_TRIAL, open=vers, held=held)
        watched = {tid: trials[tid].ver for tid in self.state.observations.watched if tid in trials}
        return ReadCursor(
            header=self.state.ver, last=len(trials) - 1, open={**watched, **self.state.open},
            held=self._rewind_check.ids_to_read(self.state.open),
        )  # fmt: skip

    def refresh(self) -> list[Event]:
        """Read and fold what is new in the log; return it. Raises `StoreRewound` if the log lost what was read before.

        Raises `VerificationFailed` if an event is missing that was never read here.
        """
        with _uncollected():
            watched = len(self.state.observations.watched)
            news = self._read()
            if self._only is None and len(self.state.observations.watched) > watched:
                news += self._read()  # chains that had ended go on, and were not read
        return news

    def _read(self) -> list[Event]:
        with self._rewind_check.guarding():
            news = self.store.log.read(self.name, self.known)
        self._rewind_check.read(news)
        self._take(news)
        return news

    def load_trial(self, tid: int) -> Trial | None:
        """Read and fold trial *tid* as well from now on; return it, or None if there is none."""
        return self.load_trials([tid])[0]

    def load_trials(self, tids: Sequence[int]) -> list[Trial | None]:
        """Do the same for several trials at once."""
        if self._only is not None:
            self._only.update(tids)
        self.refresh()
        return [self.state.trials.get(tid) for tid in tids]

    def evict(self, tid: int) -> None:
        """Forget what was read of trial *tid*, if it was loaded."""
        if self._only is not None:
            self._only.discard(tid)
            self._chains.pop(tid, None)
            self._digests.pop(tid, None)
            self.state.evict(tid)
            if self._signatures is not None:
                self._signatures.forget(tid)

    def poll(self, timeout: float) -> list[Event]:
        """Read and fold what is new as soon as there is anything, or after *timeout* seconds; return it.

        Looks a few times before it sleeps: in a busy search new events come sooner than a change stream opens.
        """
        for pause in QUICK_LOOKS:
            pause = min(pause, timeout)
            timeout -= pause
            time.sleep(pause)
            if (news := self.refresh()) or timeout <= 0:
                return news
        return self.refresh() if self.wait(timeout) else []

    def wait(self, timeout: float) -> bool:
        """Return True as soon as there may be something new to `refresh`, False after *timeout* seconds."""
        return self.store.log.wait(self.name, self.known, timeout)

    def digest(self, tid: Chain, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""
        chain, digests = self._chains[tid], self._digests.setdefault(tid, [])
        while (n := len(digests)) <= ver:
            composed = self._composed.get(chain[n].id)  # known already if it was composed here
            digests.append(composed or digest_event(chain[n], digests[-1] if digests else b""))
        return digests[ver]

    @property
    def head(self) -> bytes:
        """The digest that commits to every decision so far and all they knew."""
        last = len(self.state.trials) - 1
        return self.digest(last, 0) if last >= 0 else self.digest(None, 0)

    def observed(self) -> list[list[Any]]:
        """Return [tid or None, ver, digest] of each chain with news that no decision observed, as they were read."""
        trials, state = self.state.trials, self.state
        return [
            [chain, ver := state.ver if chain is None else trials[chain].ver, self.digest(chain, ver)]
            for chain in state.observations.unobserved
        ]

    def compose(self, *pending: PendingEvent) -> list[Event]:
        """Return the events of *pending*, each put at the end of its chain (one builds on those before it).

        Raises `InvalidEvent` for one that its chain does not allow, `NotSigned` as `check_signatures` does. Nothing is
        written.
        """
        self.check_signatures()
        return self._compose(pending)

    def check_signatures(self) -> None:
        """Raise `NotSigned` if `$HSTORE_KEY` is set and an event that was read is signed by no key in it.

        Whatever acts on what it read calls this first; `compose` does so for all who write.
        """
        if self._signatures is not None:
            self._signatures.check()

    def sign(self) -> Event:
        """Sign all events that were read: append a note that names the end of each chain; return it.

        For a person who has looked at them: unlike `compose` this asks for no signature. Needs `Store.keys`, and an
        experiment of which all trials are read. Raises `Conflict` if it has gone on meanwhile: look at that first.
        """
        [event] = self._compose([(Noted, None, note_of_all(self._chains, self.digest))])
        self.append([event])
        return event

    def _compose(self, pending: Iterable[PendingEvent]) -> list[Event]:
        events: list[Event] = []
        self._composed.clear()
        tails: dict[Chain, tuple[int, bytes]] = {}
        trials: dict[int, Trial | None] = {}
        decision: bytes | None = None
        by, at = author(), now()
        for kind, tid, data in pending:
            if tid is None or kind is Queued:
                self.require_open()
            ver, after = tails.get(tid) or self._tail(tid)
            if kind is Queued and decision is None:
                decision = self.head if self._chains else b""
            prev = decision if kind is Queued else after
            event = kind(exp=self.name, tid=tid, ver=ver + 1, id=uuid.uuid4(), at=at, by=by, prev=prev or None, **data)
            if tid is not None:
                trial = trials[tid] if tid in trials else self.state.trials.get(tid)
                if why := why_not(trial, event):
                    kind_of_error = ClosedChain if trial is not None and trial.closed_by is not None else InvalidEvent
                    raise kind_of_error(f"{self.name!r} trial {tid} cannot be {event.type} now: {why}")
                trials[tid] = evolve(trial, event)
            elif issubclass(kind, TrialEvent):
                raise InvalidEvent(f"an event of type {event.type} is of a trial, and no trial was named")
            digest = self._composed[event.id] = digest_event(event, after)
            if self._signatures is not None:
                self._signatures.sign(event, digest)
            tails[tid] = (ver + 1, digest)
            if kind is Queued:
                decision = digest
            events.append(event)
        return events

    def require_open(self) -> None:
        """Raise `ClosedChain` if the last event of the experiment's own chain cannot be read: it may have ended."""
        if (closed_by := self.state.closed_by) is not None:
            raise ClosedChain(
                f"experiment {self.name!r} cannot go on here: {unread(closed_by)}",
                hint=f"update hstore if a newer one wrote it, else see `hstore check {self.name}`", exp=self.name,
            )  # fmt: skip

    def _tail(self, tid: Chain) -> tuple[int, bytes]:
        chain = self._chains.get(tid)
        return (len(chain) - 1, self.digest(tid, len(chain) - 1)) if chain else (-1, b"")

    def append_decided(
        self, decide: Callable[[], Sequence[PendingEvent]], *, more_to_come: bool = False
    ) -> list[Event]:
        """Append what *decide* returns, asking it again whenever another writer was first; return what was appended.

        decide: called with nothing; what others wrote has been read and folded by the time it is called again. An empty
            answer ends it. What it raises passes through, and nothing is written.
        """
        while True:
            pending = decide()
            if not pending:
                return []
            events = self.compose(*pending)
            try:
                self.append(events, more_to_come=more_to_come)
            except Conflict:
                continue
            return events

    def append(self, events: Sequence[Event], *, more_to_come: bool = False, not_yet: Collection[int] = ()) -> None:
        """Make *events* durable, fold them, bring the read models up to them (unless *more_to_come* at once).

        not_yet: trials whose documents may wait for the next append, or for `project`: one that soon ends is then
            written once.
        Raises `Conflict` if another writer was first; what it wrote has been read and folded then.
        Raises `StoreRewound` if the store lost what these events build on; nothing is written then.
        """
        check = self._rewind_check
        try:
            with check.guarding():
                is_due = check.is_due(events)
                self.store.log.append(events, held=check.ids_below(events), is_checked=not is_due)
        except Conflict as conflict:
            written = events[: events.index(conflict.mine)]
            check.appended(written, looked=is_due)
            self._take(written)
            self.refresh()
            raise
        check.appended(events, looked=is_due)
        self._take(events)
        chains, whole = {event.tid for event in events}, self._only is None
        for some, later in ((chains - set(not_yet), more_to_come), (chains & set(not_yet), True)):
            if some:
                self.store.models.project(self.state, some, later=later, whole=whole)

    def project(self, tid: int, *, lease: float | None = None) -> None:
        """Bring the document of trial *tid* up to what was read here, if it lags behind.

        lease: seconds that its holder has from now on; the lease is not in the document yet if that lags behind.
        """
        if tid in self.state.trials:
            if lease is not None:
                self.store.models.lease(self.name, tid, "", lease)
            self.store.models.project(self.state, {tid}, whole=self._only is None)

    def repair(self) -> None:
        """Bring the read models up to the log, if a writer died before it did; or back to it, if it lost events."""
        models = self.store.models
        if ahead := models.ahead(self.state):
            # Others may have written since this was read. What the log shows now has all that the documents showed.
            whole = Experiment(self.store, self.name)
            whole.refresh()
            still = models.ahead(whole.state)
            models.remove(self.name, {chain: ver for chain, ver in ahead.items() if still.get(chain) == ver})
        models.repair(self.state)

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._chains.setdefault(event.tid, []).append(event)
        if self._only is None:
            self.received.extend(events)
        if self._signatures is not None:
            self._signatures.take(events)
        self.state.take(events)

    def __repr__(self) -> str:
        return f"<hstore.Experiment {self.state.summary}>"

    def _repr_html_(self) -> str:
        return state_html(self.state)
