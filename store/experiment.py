"""Experiment: one search in a store. Reading, folding and appending meet here."""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from hstore.store.correctable import Correctable
from hstore.store.digest import digest_event
from hstore.store.errors import ClosedChain, Conflict, InvalidEvent, NotFound
from hstore.store.events import Created, Document, Event, Noted, Quarantined, Queued, TrialEvent
from hstore.store.fold import Trial, evolve, unread, why_not
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.received import Received
from hstore.store.rewind_check import RewindCheck
from hstore.store.set_aside import SetAside, quarantine_of, set_aside
from hstore.store.signed_chains import note_of_all
from hstore.store.sound_chains import SoundChains
from hstore.store.state import State
from hstore.store.tables import TableKind, table_of, to_pandas
from hstore.store.uncollected import uncollected
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


class _Found(NamedTuple):
    """What a read found: new events, and whether it noticed for the first time that some before others are missing."""

    news: list[Event]
    has_new_gap: bool


class Experiment(Correctable):
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
        self._sound = SoundChains(name, store.keys, self._chains, self.digest)

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
            return ReadCursor(
                header=self.state.ver, last=EVERY_TRIAL, open=vers, held=held, aside=self._sound.aside.ids
            )
        watched = {tid: trials[tid].ver for tid in self.state.observations.watched if tid in trials}
        return ReadCursor(
            header=self.state.ver, last=len(trials) - 1, open={**watched, **self.state.open},
            held=self._rewind_check.ids_to_read(self.state.open), aside=self._sound.aside.ids,
        )  # fmt: skip

    def refresh(self) -> list[Event]:
        """Read and fold what is new in the log; return it. Raises `StoreRewound` if the log lost what was read before.

        Raises `VerificationFailed` if an event is missing that others build on, and that was never read here.
        """
        with uncollected():
            watched = len(self.state.observations.watched)
            news = self._read()
            if self._only is None and len(self.state.observations.watched) > watched:
                news += self._read()  # chains that had ended go on, and were not read
        return news

    def _read(self) -> list[Event]:
        found = self._rewind_check.guarded(self._look, repair=self._repair_whole)
        self._rewind_check.guarded(partial(self._require_sound, found), repair=self._look_again)
        return found.news

    def _look(self) -> _Found:
        """Read what is new and counts; fold it."""
        found = self.store.log.look(self.name, self.known)
        is_new = self._sound.aside.note(found.aside)
        news = self._sound.select(found.sound, fold_again=self._fold_again)
        self._rewind_check.read(news)
        self._take(news)
        self.state.aside = self._sound.aside.closed
        return _Found(news, has_new_gap=is_new and any(each.missing for each in found.aside))

    def _look_again(self) -> None:
        """Read what was put back."""
        self._repair_whole()
        self._look()

    def _require_sound(self, found: _Found) -> None:
        if found.has_new_gap:
            self._rewind_check.require_nothing_lost()
        self._sound.require_whole(self.state.observations.known)

    def _fold_again(self) -> None:
        self.state = State(self.name)
        self.state.take(self.events)

    def _restart(self) -> None:
        """Read all anew."""
        self._chains.clear()
        self._digests.clear()
        self.state, self.received = State(self.name), Received(self._chains)
        self.refresh()

    @property
    def set_aside(self) -> list[SetAside]:
        """Stored events that are part of no chain, as far as they were read: strays, and what no key signs."""
        return self._sound.aside.open

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
            self._sound.aside.forget(tid)

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
            # Known already if it was composed, or checked, here.
            composed = self._composed.get(chain[n].id) or self._sound.digests.get(chain[n].id)
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
        if self._sound.begin_to_check(self.events):
            self._restart()
        self._sound.require_signed()

    def set_aside_if_signed(self) -> list[SetAside]:
        """Return `set_aside`, and with a key what would be set aside for its signature by all who act on it."""
        return [*self.set_aside, *self._sound.unsigned(self.events).aside]

    def quarantine(self, why: str, *, unreadable: bool = False) -> Quarantined | None:
        """Append an event by which all that is set aside counts for nothing; return it, or None if nothing is.

        Chains go on behind it. With a key that is also what no key signs. unreadable: also the ends of chains that this
        program cannot read. Raises `Conflict` if the experiment has gone on meanwhile: then begin with a new
        `Experiment`.
        """
        self._sound.be_strict(anew=True)
        self._restart()
        ends = [self.state.closed_by, *(trial.closed_by for trial in self.trials)] if unreadable else []
        aside = [*self.set_aside, *(set_aside(end, f"cannot be read: {end.why}") for end in ends if end is not None)]
        if not aside:
            return None
        self._sound.aside.note(aside)
        self._sound.aside.quarantine(each.key for each in aside)
        self._restart()
        [event] = self._compose([(Quarantined, None, quarantine_of(aside, why))])
        self.append([event])
        assert isinstance(event, Quarantined)
        return event

    def sign(self) -> Event:
        """Sign all events that were read: append a note that names the end of each chain; return it.

        For a person who has looked at them: unlike `compose` this asks for no signature. Needs `Store.keys`, and an
        experiment of which all trials are read. Raises `Conflict` if it has gone on meanwhile: look at that first.
        """
        if self.store.keys is not None:
            self.store.keys.unsigned.discard(self._chains[None][0].id)
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
            refusal = self._sound.refusal(tid, decides=kind is Queued, trials=len(self.state.trials))
            if refusal is not None:
                raise refusal
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
            if self._sound.signatures is not None:
                self._sound.signatures.sign(event, digest, self._chains.get(None, ()))
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
        if (refusal := self._sound.refusal(None)) is not None:
            raise refusal

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
        is_due = check.is_due(events)
        try:
            check.guarded(
                lambda: self.store.log.append(events, held=check.ids_below(events), is_checked=not is_due),
                repair=self._repair_whole,
            )
        except Conflict as conflict:
            written = events[: events.index(conflict.mine)]
            check.appended(written, looked=is_due)
            self._take(written)
            if conflict.tid in self.state.trials:
                self.state.observations.watched.add(conflict.tid)  # if it has ended it would not be read
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

    def _repair_whole(self) -> None:
        whole = Experiment(self.store, self.name)
        whole.refresh()
        whole.repair()

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._chains.setdefault(event.tid, []).append(event)
        if self._only is None:
            self.received.extend(events)
        self.state.take(events)
        if self._sound.digests:
            for tid in {event.tid for event in events}:
                self.digest(tid, len(self._chains[tid]) - 1)  # which was just computed, to check it
            self._sound.digests.clear()

    def __repr__(self) -> str:
        return f"<hstore.Experiment {self.name!r} {self.state.status}: {self.state.counts}>"
