"""FoldedLog: one search as far as its log was read, and the fold of that. Reading and folding meet here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hstore.store.chain_digests import Chain, ChainDigests, own_first
from hstore.store.errors import NotFound
from hstore.store.events import Document, Event, Quarantined
from hstore.store.fold import Trial, fold_chain
from hstore.store.link_check import LinkCheck, tampered
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.model_repair import repair
from hstore.store.polling import poll
from hstore.store.received import Received
from hstore.store.rewind_check import RewindCheck
from hstore.store.seals import Seals
from hstore.store.set_aside import Separated, SetAside
from hstore.store.snapshots import AllChains, Opened, SettledChains, open_snapshot
from hstore.store.sound_chains import SoundChains
from hstore.store.state import State
from hstore.store.uncollected import uncollected

if TYPE_CHECKING:
    from hstore.store.settled import SettledTrials
    from hstore.store.store import Store


class _Found(NamedTuple):
    """What a read found: new events, and whether it noticed for the first time that some before others are missing."""

    news: list[Event]
    has_new_gap: bool


class FoldedLog:
    """The chains of an experiment as far as they were read, and their fold. It appends nothing: see `Experiment`.

    The arguments are those of `Experiment`.
    """

    def __init__(
        self, store: Store, name: str, *, only: Iterable[int] | None = None, after: int = EVERY_TRIAL,
        from_snapshot: bool = False, opened: Opened | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.name = name
        self._only = None if only is None else set(only)
        self._after = after
        self._asked_for: frozenset[int] = frozenset()
        self._may_open_snapshot = from_snapshot and only is None
        self._opened = opened
        self._is_begun_from_snapshot = False
        self.state = State(name)
        self._chains: dict[Chain, list[Event]] = {}
        self._settled_chains = SettledChains(store.log, name)
        self.all_chains = AllChains(self._chains, self._settled_chains)
        """All chains by tid (None: the experiment's own); of a settled one the length is known, its events are read."""
        self.received = Received(self._chains, self._settled_chains.read)
        """All events in the order in which this process read them; none where *only* some trials are read, and none
        of the trials that a snapshot held."""
        self._digests = ChainDigests(self._chains, self._settled_chains)
        self._rewind_check = RewindCheck(store, name, self._chains)
        self._sound = SoundChains(name, store.keys, self._chains, self._digests.at)  # not of self: no circle
        self._digests.known = (self._sound.digests,)
        self._begin_checks()

    def _begin_checks(self) -> None:
        self.seals: Seals = Seals(self.all_chains, self._digests.at, self._digests.ends)
        """The heads that were recorded, and the head now."""
        self._links = LinkCheck(self._chains, self._digests, self.seals, whole=self.all_chains)

    @property
    def events(self) -> list[Event]:
        """All events, the experiment's own chain first, then by trial."""
        chains = self._chains
        if (settled := self.state.settled) is not None:
            chains = chains | self._settled_chains.read(settled.tids().tolist())
        ordered = sorted(chains, key=own_first)
        return [event for chain in ordered for event in chains[chain]]

    def chain(self, tid: Chain) -> Sequence[Event]:
        """Return the events of one trial, or of the experiment itself for None; raises `NotFound`."""
        try:
            return tuple(self._settled_chains.read([tid])[tid] if self._is_settled(tid) else self._chains[tid])
        except KeyError:
            n = len(self.state.trials) if self._only is None else self.store.log.last_trial(self.name) + 1
            raise NotFound(
                f"experiment {self.name!r} has no trial {tid}",
                hint=f"its trials are 0 to {n - 1}" if n else "it has none yet",
            ) from None

    def several_chains(self, tids: Iterable[int]) -> dict[int, Sequence[Event]]:
        """Return `chain` of those of *tids* that are there; of settled trials all are read at once."""
        wanted = [*tids]
        settled = self._settled_chains.read([tid for tid in wanted if self._is_settled(tid)])
        found = ((tid, settled.get(tid) or self._chains.get(tid)) for tid in wanted)
        return {tid: chain for tid, chain in found if chain}

    @property
    def is_whole(self) -> bool:
        """Whether all trials are read, not only some."""
        return self._only is None

    def documents(self) -> Iterable[Document]:
        """Yield all events as they are stored."""
        return self.store.log.documents(self.name)

    @property
    def known(self) -> ReadCursor:
        """How far the log has been read, for `EventLog.read`."""
        trials, unfinished = self.state.trials, self.state.open
        if self._only is not None:
            last, followed = self._after, {tid: trials[tid].ver if tid in trials else -1 for tid in self._only}
            if last < EVERY_TRIAL:
                followed, last = {**unfinished, **followed}, max(last, *trials, -1)
        else:
            watched = {*self.state.observations.watched, *self._asked_for} & trials.keys()
            last, followed = len(trials) - 1, {**{tid: trials[tid].ver for tid in watched}, **unfinished}
        held = self._rewind_check.ids_to_read(unfinished if self._only is None else self._only)
        return ReadCursor(header=self.state.ver, last=last, open=followed, held=held, aside=self._sound.aside.ids)

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
        if begins := self._begin_from_snapshot():
            found = Separated(begins, [])
        else:
            found = self.store.log.look(self.name, self.known)
        is_new = self._sound.aside.note(found.aside)
        self._recall_for(found.sound)
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
        self._sound.require_whole(self.state.observations.known_of)

    def _fold_again(self) -> None:
        self.state = State(self.name)
        self.state.take(self.events)
        if self._only is None:
            self._begin_checks()  # a head that was recorded may be among what counts for nothing now
            self.seals.take(self.events)

    def _restart(self) -> None:
        """Read all anew."""
        self._chains.clear()
        self._digests.clear()
        self._settled_chains.settled, self._may_open_snapshot = None, False
        self._begin_checks()
        self.state, self.received = State(self.name), Received(self._chains, self._settled_chains.read)
        self.refresh()

    @property
    def set_aside(self) -> list[SetAside]:
        """Stored events that are part of no chain, as far as they were read: strays, and what no key signs."""
        return self._sound.aside.open

    def _begin_from_snapshot(self) -> list[Event]:
        """Have the state begin with the columns of a snapshot, if it may and one is there; return all other events."""
        if self.state.events:
            return []
        opened, self._opened = self._opened, None
        if opened is None and self._may_open_snapshot:
            self._may_open_snapshot = False
            opened = open_snapshot(self.store, self.name)
        if opened is None:
            return []
        self._settled_chains.settled = opened.settled
        self.state.begin_from(opened.settled, self._settled_chains.trials)
        self._is_begun_from_snapshot = True
        return opened.events

    # -- settled trials ---------------------------------------------------------------------------------------

    def _is_settled(self, tid: Chain) -> bool:
        return self._settled_chains.holds(tid)

    def _recall(self, tids: Iterable[Chain]) -> None:
        """Keep those of *tids* that are settled, whose chains are to go on, as the others are kept."""
        if self.state.settled is None:
            return
        wanted = [tid for tid in dict.fromkeys(tids) if tid is not None and self._is_settled(tid)]
        if not wanted:
            return
        for tid, chain in self._settled_chains.read(wanted).items():
            self._chains[tid] = chain
            self.state.recall(fold_chain(chain))

    def _recall_for(self, events: Sequence[Event]) -> None:
        """Keep the settled trials that *events*, which were just read, are of: all of them if some are quarantined."""
        if (settled := self.state.settled) is not None:
            is_all = any(isinstance(event, Quarantined) for event in events)
            self._recall(settled.tids().tolist() if is_all else (event.tid for event in events))

    def settled(self) -> SettledTrials:
        """Return all trials that have ended and were observed as columns; nothing changes. See `settled.settle`."""
        from hstore.store.settled import settle

        return settle(self.state, self._chains[None], self.digest)

    def settle(self, settled: SettledTrials) -> None:
        """Keep of trials that are *settled*, as just returned by `settled`, no more than that: the log has the rest."""
        self._settled_chains.settled = settled
        settled.take_from(self._chains, self._digests.by_chain)
        self.state.settle(settled, self._settled_chains.trials)

    def load_trial(self, tid: int) -> Trial | None:
        """Read and fold trial *tid* as well from now on, or once more if it has ended; None if there is none."""
        return self.load_trials([tid])[0]

    def load_trials(self, tids: Sequence[int]) -> list[Trial | None]:
        """Do the same for several trials at once."""
        if self._only is not None:
            self._only.update(tids)
        self._asked_for = frozenset(tids)  # trials that have ended, which are not read again unless asked for
        try:
            self.refresh()
        finally:
            self._asked_for = frozenset()
        return [self.state.trials.get(tid) for tid in tids]

    def evict(self, tid: int) -> None:
        """Forget what was read of trial *tid*, if it was loaded."""
        if self._only is not None:
            self._only.discard(tid)
            self._chains.pop(tid, None)
            self._digests.forget(tid)
            self.state.evict(tid)
            self._sound.aside.forget(tid)
            self._links.forget(tid)

    def poll(self, timeout: float) -> list[Event]:
        """Read and fold what is new as soon as there is anything, or after *timeout* seconds; return it."""
        return poll(self, timeout)

    def wait(self, timeout: float) -> bool:
        """Return True as soon as there may be something new to `refresh`, False after *timeout* seconds."""
        return self.store.log.wait(self.name, self.known, timeout)

    def digest(self, tid: Chain, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""
        return self._digests.at(tid, ver)

    @property
    def decision_digest(self) -> bytes:
        """Digest of the last decision (or `created`), which commits to every decision so far and all that they knew."""
        return self._digests.of_last_decision(len(self.state.trials))

    @property
    def head(self) -> bytes:
        """The hash that commits to every event (see `head`), of an experiment of which all is read."""
        assert self._only is None
        return self.seals.head

    def observed(self) -> list[list[Any]]:
        """Return [tid or None, ver, digest] of each chain with news that no decision observed, as they were read."""
        trials, state = self.state.trials, self.state
        return [
            [chain, ver := state.ver if chain is None else trials[chain].ver, self.digest(chain, ver)]
            for chain in state.observations.unobserved
        ]

    def check_signatures(self) -> None:
        """Raise `NotSigned` if `$HSTORE_KEY` is set and an event that was read is signed by no key in it.

        Whatever acts on what it read calls this first; `compose` does so for all who write.
        """
        if self._sound.begin_to_check(self._kept_events):
            self._restart()
        self._sound.require_signed()

    def _kept_events(self) -> list[Event]:
        """Return all events but those of settled trials, of which a snapshot that is signed holds the signed ones."""
        return [event for chain in sorted(self._chains, key=own_first) for event in self._chains[chain]]

    def set_aside_if_signed(self) -> list[SetAside]:
        """Return `set_aside`, and with a key what would be set aside for its signature by all who act on it."""
        return [*self.set_aside, *self._sound.unsigned(self.events).aside]

    def check_links(self) -> None:
        """Raise `Tampered` if what was read does not fit the digests that it holds: an event was changed since.

        For those who go on with what others wrote. Of an experiment of which some trials are read, those are checked.
        A search in memory is not: what could change that could change this program as well. Raises `VerificationFailed`
        if what began the experiment is gone.
        """
        self._sound.require_beginning()
        with uncollected():
            if not self.store.is_durable or self._links.holds(whole=self._only is None):
                return
        if (why := tampered(self.name, self.documents(), self.store.attachments.get)) is not None:
            raise why

    def repair(self) -> None:
        """Bring the read models up to the log, if a writer died before it did; or back to it, if it lost events."""
        repair(self, self._whole)

    def _whole(self) -> FoldedLog:
        whole = FoldedLog(self.store, self.name)
        whole.refresh()
        return whole

    def _repair_whole(self) -> None:
        self._whole().repair()

    def _take(self, events: Sequence[Event]) -> None:
        self._recall(event.tid for event in events)
        chains = self._chains
        for event in events:
            chain = chains.get(event.tid)
            if chain is None:
                chains[event.tid] = [event]
            else:
                chain.append(event)
        if self._only is None:
            self.received.extend(events)
            self.seals.take(events)
            if self._is_begun_from_snapshot:
                self._is_begun_from_snapshot = False
                self.seals.begin_from_settled()
        self.state.take(events)
        if self._sound.digests:
            for tid in {event.tid for event in events}:
                self.digest(tid, len(self._chains[tid]) - 1)  # which was just computed, to check it
            self._sound.digests.clear()
