"""Reading a whole log once, chain after chain, with its settled trials as columns: for those who look at all of it.

An experiment that is opened so is what one is that began from a snapshot, but for this: nothing that was written before
is believed, since each event was read. What it takes in memory is a few numbers for each trial.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from hstore.store.digest import digest_of_any
from hstore.store.event_documents import from_document
from hstore.store.events import Document, Event, Finished, Queued, Unreadable
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial, evolve, fold_plain, is_news
from hstore.store.indigestible import BROKEN
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.quick_documents import with_uuid
from hstore.store.ranking import front_of
from hstore.store.rebuilding import document_chains
from hstore.store.settled import empty, fill
from hstore.store.signed_chains import SignedChains
from hstore.store.snapshots import Opened
from hstore.store.streamed_verify import NeedsWholeLog, verify_streamed
from hstore.store.uncollected import uncollected

if TYPE_CHECKING:
    from hstore.store.keys import Keys
    from hstore.store.store import Store


def settled_experiment(store: Store, name: str, *, verifies: bool = False) -> Experiment:
    """Return experiment *name* as `Store.experiment` does; of trials that are settled it keeps no more than columns.

    Their events are read again when they are asked for. All is kept of a search in memory or in a file, and of a log
    that is not plain. verifies: see `read_settled`.
    """
    if store.is_durable:
        try:
            opened = read_settled(store, name, verifies=verifies)
        except (NeedsWholeLog, *BROKEN):  # what is wrong with it is said by who reads all of it
            return store.experiment(name)
        if opened is not None:
            experiment = Experiment(store, name, opened=opened)
            experiment.refresh()
            return experiment
    return store.experiment(name)


def read_settled(store: Store, name: str, *, verifies: bool = False) -> Opened | None:
    """Return what experiment *name* can begin from; None if there is nothing of it. Raises `NeedsWholeLog`.

    With keys, each event has to be signed by one, unless the experiment was there before them. verifies: whether it is
    verified as it is read; `NeedsWholeLog` is raised as well where that may find something.
    """
    fold = SettlingFold(store, name, keys=store.keys)
    documents = store.log.documents(name, quick=True)
    with uncollected():
        if not verifies:
            for chain in document_chains(documents):
                if chain is None:
                    raise NeedsWholeLog
                fold.take(chain)
        elif not verify_streamed(
            documents, fetch=store.attachments.get, keys=None, last=fold.n - 1, looks_for_content=False,
            on_chain=lambda chain: fold.take(chain.documents, chain.digests),
        ):  # fmt: skip
            raise NeedsWholeLog
        return fold.opened() if fold.own else None


class SettlingFold:
    """Takes the chains of experiment *name* one after the other, its own first. keys: see `read_settled`.

    Trials that are added while it reads are left out: what decided them may know of ends that were read no more.
    """

    def __init__(self, store: Store, name: str, *, keys: Keys | None) -> None:
        self._store, self._name = store, name
        self.n = store.log.last_trial(name) + 1
        self.own: list[Event] = []
        """The experiment's own chain, with dates that have no zone."""
        self._settled = empty(self.n, -1)
        self._vers = np.full(self.n, -1, np.int32)
        """The last event of each trial that was taken."""
        self._news = np.full(self.n, -1, np.int32)
        """Of those that are in a row of the columns the last event that decisions have to observe."""
        self._known = np.full(self.n, -1, np.int32)
        """Up to which event decisions have observed each trial."""
        self._known_own = -1
        self._latest = dt.datetime(1, 1, 1)  # noqa: DTZ001 - all are compared without their zone, which is UTC
        self._latest_of = -1
        """The trial of the latest event by the clock of who wrote it; -1: that is the experiment's own."""
        self._signatures = None if keys is None else SignedChains(name, keys)

    def take(
        self, documents: list[Document], digests: Sequence[bytes] | None = None
    ) -> tuple[list[Event], Trial | None]:
        """Take the next chain, read `quick`; return its events, and its trial: None for the experiment's own chain.

        Nothing is returned of a trial that was added since. digests: those of its events, if they are known.
        """
        tid = documents[0].get("tid")
        if tid is not None and tid >= self.n:
            return [], None
        if tid is None:
            documents = [with_uuid(document) for document in documents]
        for document in documents:
            if not isinstance(at := document.get("at"), dt.datetime):
                raise NeedsWholeLog
            at = at.replace(tzinfo=None)
            if at >= self._latest:
                self._latest, self._latest_of = at, -1 if tid is None else tid
        if digests is None:
            digests = _digests_of(documents)
        chain = [from_document(document, self._store.attachments.get) for document in documents]
        if tid is None:
            self._take_own(chain, digests)
            return chain, None
        self._require_signed(tid, chain, digests)
        return chain, self._take_trial(tid, chain, digests[-1])

    def _take_own(self, chain: list[Event], digests: Sequence[bytes]) -> None:
        self.own = chain
        if self._signatures is not None and self._signatures.is_left_unsigned(chain, lambda _, ver: digests[ver]):
            self._signatures = None
        self._require_signed(None, chain, digests)

    def _require_signed(self, tid: int | None, chain: Sequence[Event], digests: Sequence[bytes]) -> None:
        signed = self._signatures
        if signed is not None and signed.accept(tid, chain, digests, is_quarantined=_is_none) < len(chain):
            raise NeedsWholeLog

    def _take_trial(self, tid: int, chain: Sequence[Event], digest: bytes) -> Trial:
        trial, news, is_readable = _folded(chain)
        for event in chain:
            if isinstance(event, Queued):
                self._observe(event.observed)
        self._vers[tid] = trial.ver
        if trial.is_finished and is_readable and fill(self._settled, trial):
            self._news[tid] = news
            self._settled.ids[tid] = np.frombuffer(_bytes(trial.last.id), np.uint8)
            self._settled.digests[tid] = np.frombuffer(digest, np.uint8)
        return trial

    def _observe(self, observed: Sequence[Any]) -> None:
        for tid, ver, _ in observed:
            if tid is None:
                self._known_own = max(self._known_own, ver)
            elif not 0 <= tid < self.n:
                raise NeedsWholeLog
            elif ver > self._known[tid]:
                self._known[tid] = ver

    def opened(self) -> Opened:
        """Return what an experiment begins from after all chains were taken; reads those of trials that are no columns.

        Raises `NeedsWholeLog` if the log has lost some of them meanwhile.
        """
        settled, known = self._settled, self._known
        if self.n and self._vers[-1] < 0:
            raise NeedsWholeLog
        settled.known_own = self._known_own
        for event in self.own[: self._known_own + 1]:
            if isinstance(event, Finished):
                for tid, ver, _ in event.observed:
                    if tid is not None and 0 <= tid < self.n:
                        known[tid] = max(int(known[tid]), ver)
        is_settled = (self._news >= 0) & (known >= self._news) & (known <= self._vers)
        if self.n:
            is_settled[-1] = False  # the last decision is looked at all the time
        if self._latest_of >= 0:
            is_settled[self._latest_of] = False
        settled.vers[is_settled], settled.known[is_settled] = self._vers[is_settled], known[is_settled]
        held = [*front_of(settled.ranked_vectors()), *([] if settled.best is None else [settled.best[1]])]
        for tid in held:
            settled.drop(tid)
        settled.known_others = {tid: int(known[tid]) for tid in settled.unsettled if known[tid] >= 0}
        return Opened(settled, self._kept(settled.unsettled))

    def _kept(self, tids: Sequence[int]) -> list[Event]:
        """Read again the experiment's own chain and those of trials *tids*, as far as they were taken."""
        known = ReadCursor(last=EVERY_TRIAL, open=dict.fromkeys(tids, -1))
        looked, last = self._store.log.look(self._name, known), len(self.own) - 1
        kept = [e for e in looked.sound if e.ver <= (last if e.tid is None else self._vers[e.tid])]
        if looked.aside or len(kept) != last + 1 + int((self._vers[tids] + 1).sum()):
            raise NeedsWholeLog
        return kept


def _folded(chain: Sequence[Event]) -> tuple[Trial, int, bool]:
    """Return the trial of *chain*, the place of the last event that decisions have to observe, and whether this program
    can read all of it."""
    if (trial := fold_plain(chain)) is not None:
        return trial, -1 if trial.end is None else trial.end.ver, True
    news = -1
    trial = evolve(None, chain[0])
    for event in chain[1:]:
        before, trial = trial, evolve(trial, event)
        if is_news(before, trial):
            news = event.ver
    return trial, news, not any(isinstance(event, Unreadable) for event in chain)


def _bytes(id: UUID | bytes) -> bytes:
    return id.bytes if isinstance(id, UUID) else id


def _digests_of(documents: Iterable[Document]) -> list[bytes]:
    return [*accumulate(documents, lambda after, document: digest_of_any(document, after), initial=b"")][1:]


def _is_none(_: Event) -> bool:
    return False
