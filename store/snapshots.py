"""Snapshots: where they are kept, and how an experiment is opened from one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

from hstore.store.chain_digests import Chain, own_first
from hstore.store.digest import digest_chain
from hstore.store.errors import NotFound, StoreRewound, StoreUnreachable, VerificationFailed
from hstore.store.events import Document, Event, Quarantined, Signature
from hstore.store.fold import Trial, fold_chain
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log import EVERY_TRIAL, EventIds, EventLog, ReadCursor
from hstore.store.messages import Log
from hstore.store.uncollected import uncollected

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.experiment import Experiment
    from hstore.store.gridfs_attachments import GridFSAttachments
    from hstore.store.retry import RetryPolicy
    from hstore.store.settled import SettledTrials
    from hstore.store.store import Store

LOG = Log("snapshots")
COLLECTION = "snapshots"
"""Of MongoDB: one document for each snapshot. Its content is in GridFS, in the bucket of the same name."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """The content of a snapshot as it was found, and who signed it."""

    content: bytes
    mac: Signature | None = None


class Snapshots(Protocol):
    """Keeps the latest snapshot of each experiment. None of them has to be there, and none is believed."""

    def latest(self, exp: str, fold: int) -> StoredSnapshot | None:
        """Return the snapshot of *exp* with the most trials, of version *fold*; None if there is none."""

    def put(self, exp: str, fold: int, n: int, snapshot: StoredSnapshot) -> None:
        """Keep *snapshot*, which has *n* trials, in the place of those that *exp* had."""

    def remove(self, exp: str) -> None:
        """Remove all snapshots of *exp*."""


class MemorySnapshots:
    """See `Snapshots`."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, int], StoredSnapshot] = {}

    def latest(self, exp: str, fold: int) -> StoredSnapshot | None:
        """See `Snapshots.latest`."""
        return self._latest.get((exp, fold))

    def put(self, exp: str, fold: int, n: int, snapshot: StoredSnapshot) -> None:
        """See `Snapshots.put`."""
        self._latest[exp, fold] = snapshot

    def remove(self, exp: str) -> None:
        """See `Snapshots.remove`."""
        self._latest = {key: snapshot for key, snapshot in self._latest.items() if key[0] != exp}


class MongoSnapshots:
    """See `Snapshots`."""

    def __init__(self, database: Database[Document], contents: GridFSAttachments, retry: RetryPolicy) -> None:
        self._about = database[COLLECTION]
        self._contents = contents
        self._retrying = retry

    def latest(self, exp: str, fold: int) -> StoredSnapshot | None:
        """See `Snapshots.latest`. One whose content is gone, or not what it was, counts as none."""
        found = self._retrying(lambda: self._about.find_one({"exp": exp, "fold": fold}, sort=[("n", -1), ("at", -1)]))
        if found is None or not isinstance(found.get("sha256"), bytes):
            return None
        try:
            content = self._contents.get(found["sha256"])
        except (NotFound, VerificationFailed):
            return None
        return StoredSnapshot(content=content, mac=_signature(found.get("mac")))

    def put(self, exp: str, fold: int, n: int, snapshot: StoredSnapshot) -> None:
        """See `Snapshots.put`. The first one makes the indexes: a store without snapshots needs none."""
        self._retrying(lambda: self._about.create_index([("exp", 1), ("fold", 1), ("n", -1)]))
        self._contents.ensure_indexes()
        sha256 = self._contents.put(snapshot.content)
        about: Document = {
            "exp": exp, "fold": fold, "n": n, "sha256": sha256, "bytes": len(snapshot.content),
            "at": dt.datetime.now(dt.UTC),
        }  # fmt: skip
        if snapshot.mac is not None:
            about["mac"] = {"key": snapshot.mac[0], "mac": snapshot.mac[1]}
        new = self._retrying(lambda: self._about.insert_one(dict(about)).inserted_id)
        self._remove({"exp": exp, "_id": {"$ne": new}}, but=sha256)

    def remove(self, exp: str) -> None:
        """See `Snapshots.remove`."""
        self._remove({"exp": exp})

    def _remove(self, which: Document, but: bytes = b"") -> None:
        found = self._retrying(lambda: list(self._about.find(which, {"sha256": 1})))
        for about in found:
            self._retrying(lambda about=about: self._about.delete_one({"_id": about["_id"]}))  # type: ignore[misc]
            if isinstance(sha256 := about.get("sha256"), bytes) and sha256 != but:
                self._contents.remove(sha256)


def _signature(found: Any) -> Signature | None:
    key, mac = (found.get("key"), found.get("mac")) if isinstance(found, dict) else (None, None)
    return (key, mac) if isinstance(key, bytes) and isinstance(mac, bytes) else None


class SettledChains:
    """Reads the chains of trials that are `settled` (None: no trial is), up to where they were settled."""

    def __init__(self, log: EventLog, exp: str) -> None:
        self._log = log
        self._exp = exp
        self.settled: SettledTrials | None = None
        self._tids: tuple[SettledTrials, list[int]] | None = None

    def holds(self, tid: Chain) -> bool:
        """Return whether the trial *tid* is settled."""
        return self.settled is not None and tid in self.settled

    def read(self, tids: Sequence[Chain]) -> dict[Chain, list[Event]]:
        """Return the chains of *tids*. Raises `VerificationFailed` for one that is not what it was."""
        settled = self.settled
        chains: dict[Chain, list[Event]] = {tid: [] for tid in tids if tid is not None}
        if not chains or settled is None:
            return chains
        for event in self._log.read(self._exp, _tails_of({tid: -1 for tid in tids if tid is not None})):
            assert event.tid is not None
            if event.ver <= settled.ver(event.tid):
                chains[event.tid].append(event)
        for tid, chain in chains.items():
            assert tid is not None
            if not chain or chain[-1].id != settled.id(tid) or len(chain) != settled.ver(tid) + 1:
                raise VerificationFailed(
                    f"experiment {self._exp!r}: trial {tid} is not what a snapshot says of it",
                    hint=f"`hstore snapshot {self._exp}` makes the snapshot again from the log", exp=self._exp, tid=tid,
                )  # fmt: skip
        return chains

    def trials(self, tids: Sequence[int]) -> list[Trial]:
        """Return the trials *tids*, as they were settled."""
        with uncollected():
            chains = self.read(tids)
            return [fold_chain(chains[tid]) for tid in tids]

    @property
    def tids(self) -> Sequence[int]:
        """The settled trials."""
        if self.settled is None:
            return ()
        if self._tids is None or self._tids[0] is not self.settled or len(self._tids[1]) != len(self.settled):
            self._tids = self.settled, self.settled.tids().tolist()
        return self._tids[1]

    def length(self, tid: Chain) -> int:
        """Return the number of events in the chain of *tid*."""
        assert self.settled is not None
        assert tid is not None
        return self.settled.ver(tid) + 1

    def digest(self, tid: Chain, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""
        assert self.settled is not None
        assert tid is not None
        if ver == self.settled.ver(tid):
            return self.settled.digest(tid)
        return digest_chain(self.read([tid])[tid][: ver + 1])

    def decisions(self, tids: Sequence[int]) -> dict[int, bytes]:
        """Return the digests of the decisions that began the chains of *tids*, which are read at once."""
        return {tid: digest_chain(chain[:1]) for tid, chain in self.read(tids).items() if tid is not None}

    def ends(self, vers: Sequence[int]) -> list[bytes | None]:
        """Return the digest of trials 0, 1, 2, … that are settled with these *vers*; None for one that is not."""
        return [] if self.settled is None else self.settled.ends(vers)


class AllChains(Mapping["Chain", Sequence[Event]]):
    """The chains that are *kept*, and those of settled trials, which are read when an event of them is asked for."""

    def __init__(self, kept: Mapping[Chain, Sequence[Event]], settled: SettledChains) -> None:
        self._kept = kept
        self._settled = settled

    def __getitem__(self, tid: Chain) -> Sequence[Event]:
        if tid in self._kept:
            return self._kept[tid]
        if not self._settled.holds(tid):
            raise KeyError(tid)
        return SettledChain(self._settled, tid)

    def last(self, tid: Chain) -> int:
        """Return the place of the last event of the chain of *tid*, which is there."""
        if (kept := self._kept.get(tid)) is not None:
            return len(kept) - 1
        return self._settled.length(tid) - 1

    def cut(self) -> list[int]:
        """Return `last` of all chains: that of the experiment's own, then those of trials 0, 1, 2, …"""
        settled = self._settled.settled
        cut = [-1] * (len(self) + (None not in self._kept))
        if settled is not None:
            vers = settled.vers.tolist()[: len(cut) - 1]
            cut[1 : 1 + len(vers)] = vers
        for tid, chain in self._kept.items():
            cut[0 if tid is None else tid + 1] = len(chain) - 1
        return cut

    def __iter__(self) -> Iterator[Chain]:
        yield from self._kept
        yield from self._settled.tids

    def __len__(self) -> int:
        return len(self._kept) + (0 if self._settled.settled is None else len(self._settled.settled))


class SettledChain(Sequence[Event]):
    """The chain of one settled trial: its length is known, its events are read."""

    def __init__(self, chains: SettledChains, tid: Chain) -> None:
        self._chains = chains
        self._tid = tid

    def __len__(self) -> int:
        return self._chains.length(self._tid)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...
    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        return self._chains.read([self._tid])[self._tid][place]


def _tails_of(vers: Mapping[int, int]) -> ReadCursor:
    return ReadCursor(header=EVERY_TRIAL, last=EVERY_TRIAL, open=vers)


def save_snapshot(experiment: Experiment, *, is_kept: bool = True) -> int:
    """Write a snapshot of what *experiment* has read, for others to begin from; return how many trials are columns.

    0: nothing was written, since no trial has ended, or since events were set aside. What a pruner reads of others,
    their reports, is read from the log also where a search begins from one.
    is_kept: False has *experiment* itself keep no more than the columns of these trials, as if it had begun from them.
    Raises `NotSigned` as `Experiment.check_signatures` does.
    """
    from hstore.store.snapshot_format import FOLD, pack, seal, take

    experiment.check_signatures()
    state, store = experiment.state, experiment.store
    own = [] if state.ver < 0 else experiment.chain(None)
    is_mended = bool(state.aside) or any(isinstance(event, Quarantined) for event in own)
    if not state.trials or not own or is_mended:
        return 0
    settled = experiment.settled()
    if not (n := len(settled)):
        return 0
    content = pack(take(experiment.name, settled, state.ver, experiment.digest))
    begun = own[0].id
    mac = None if store.keys is None else store.keys.sign(begun, seal(content))
    store.snapshots.put(experiment.name, FOLD, settled.n, StoredSnapshot(content=content, mac=mac))
    if not is_kept:
        experiment.settle(settled)
    return n


@lazy_dataclass(frozen=True, slots=True)
class Opened:
    """What an experiment begins from: columns, and all events that are not in them, in the order of `EventLog.read`."""

    settled: SettledTrials
    events: list[Event]


def open_snapshot(store: Store, exp: str) -> Opened | None:
    """Return what experiment *exp* can begin from; None if it has no snapshot, or none that its log bears out.

    With keys, only a snapshot is used that one of them signs.
    """
    from hstore.store.snapshot_format import FOLD

    try:
        found = store.snapshots.latest(exp, FOLD)
    except StoreUnreachable:  # a user who may not read snapshots needs none
        return None
    if found is None:
        return None
    opened = _compared(store, exp, found)
    if isinstance(opened, str):
        LOG.info(f"the snapshot of {exp!r} is not used: {opened}", experiment=exp)
        return None
    return opened


def _compared(store: Store, exp: str, found: StoredSnapshot) -> Opened | str:
    """Return what was opened, or why it was not."""
    from hstore.store import snapshot_format as snapshots

    try:
        snapshot = snapshots.unpack(found.content)
    except snapshots.NoSnapshot as error:
        return str(error)
    settled = snapshot.settled
    if snapshot.exp != exp:
        return "it is of another experiment"
    held: EventIds = {(tid, settled.ver(tid)): settled.id(tid) for tid in snapshots.looked_at(settled)}
    known = ReadCursor(last=settled.n - 1, open=dict.fromkeys(settled.unsettled, -1), held=held)
    try:
        looked = store.log.look(exp, known)
    except (StoreRewound, VerificationFailed) as error:
        return f"the log has lost events since: {error}"
    events = [*looked.sound]
    if looked.aside or any(isinstance(event, Quarantined) for event in events):
        return "events of the log are set aside, or count for nothing"
    if why := snapshots.why_not_of(snapshot, events):
        return why
    if store.keys is not None and (why := store.keys.why_not(found.mac, events[0].id, snapshots.seal(found.content))):
        return f"it {why}"
    if (tails := _tails(store, exp, settled, events)) is None:
        return "the log has lost events since"
    if tails:  # a note was added, or a person had the trial evaluated again
        later = store.log.look(exp, _tails_of(tails))
        if later.aside:
            return "events of the log are set aside"
        events = sorted([*events, *later.sound], key=_in_order)
    return Opened(settled, events)


def _in_order(event: Event) -> tuple[int, int]:
    return own_first(event.tid), event.ver


def _tails(store: Store, exp: str, settled: SettledTrials, events: list[Event]) -> dict[int, int] | None:
    """Return the ver of each settled trial whose chain has gone on since; None if the chain of one is shorter now.

    All chains are counted, which is quick; as long as the number is right it is not asked which is how long.
    """
    n = settled.n
    counted = store.log.count(exp, n)
    if counted == settled.events + sum(event.tid is not None and event.tid < n for event in events):
        return {}
    lengths = store.log.lengths(exp, n)
    tids = settled.tids().tolist()
    if any(lengths.get(tid, 0) <= settled.ver(tid) for tid in tids):
        return None
    return {tid: settled.ver(tid) for tid in tids if lengths[tid] > settled.ver(tid) + 1}
