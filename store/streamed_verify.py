"""Verify a log as it is read: each event is looked at once, and of a trial no more is kept than later events name.

It says only whether all is well, and what a report of such a log holds. What is wrong, `verify` finds, which reads all
of the log again and keeps it. Pure.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from hstore.store.digest import canonical_parts, packer
from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import are_tips, uuid_of
from hstore.store.events import Document
from hstore.store.keys import Keys
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log_chains import DigestsAlone, LogChain, data_of, observed_by, prev_of
from hstore.store.merkle import EMPTY
from hstore.store.named_content import ContentCheck, names_content
from hstore.store.own_content import contradiction, holds_observed
from hstore.store.quick_documents import quick_place, with_uuid
from hstore.store.recorded_heads import Fetch, RecordedHeads, holds_head
from hstore.store.signatures import SignatureCheck, Signatures
from hstore.store.uncollected import uncollected
from hstore.store.verify import Report

BYTES = len(EMPTY)
_NEWS = frozenset({"done", "failed", "cancelled", "noted"})
"""What decisions observe, and the first of which ends a trial or voids it: they name no event before."""
_ELSEWHERE = frozenset({"quarantined", "forked"})
"""What refers to events that are not here, or stands for one."""
_SHAPELESS = (KeyError, TypeError, AttributeError, ValueError, OverflowError)


class NeedsWholeLog(Exception):
    """There is something in the log that only a look at all of it can explain."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is said of a log in which no event was changed."""

    report: Report
    signatures: Signatures
    lost: tuple[str, ...]
    """What is said of content that events name and that cannot be fetched."""


def verify_streamed(
    documents: Iterable[Document],
    *,
    fetch: Fetch,
    keys: Keys | None,
    last: int,
    looks_for_content: bool = True,
    on_chain: Callable[[LogChain], object] = lambda _: None,
) -> Verified | None:
    """Return what `verify_chains` and `signatures.look_at` say of *documents*, as they are read; None if they may find
    something. Then verify all of the log with them.

    documents: all events of one experiment in the order of `EventLog.documents`.
    last: the number of the last trial when the reading began. Others may be added meanwhile, and their decisions know
        ends that are read no more.
    on_chain is called with each chain in which nothing is wrong so far; it may raise `NeedsWholeLog` as well.
    """
    check = _Check(fetch, keys, last=last, looks_for_content=looks_for_content)
    try:
        with uncollected():
            for tid, chain in groupby(documents, _tid_of):
                on_chain(check.take(tid, list(chain)))
            return check.result()
    except NeedsWholeLog:
        return None


def _tid_of(document: Document) -> Any:
    return document.get("tid")


@lazy_dataclass(frozen=True, slots=True)
class _Shape:
    """What the type of an event, and the names in its data, say of how it is looked at."""

    names: tuple[str, ...]
    """Sorted."""
    is_elsewhere: bool
    """Whether only a look at the whole log can explain it; with an origin: see `lineage`."""
    is_note: bool
    is_claim: bool
    """Whether it is one as hstore's own workers make them."""
    is_news: bool
    may_name_content: bool
    """See `named_content.names_content`."""
    is_wrong: Callable[[Document], object] | None
    """Finds what is wrong with it by itself."""


@lru_cache(maxsize=4096)
def _shape(type_: str, names: tuple[str, ...]) -> _Shape:
    """Return the shape of an event; there are a few dozen in a log, which are looked at once."""
    observes = type_ in ("queued", "finished")
    return _Shape(
        names=tuple(sorted(names)), is_elsewhere=type_ in _ELSEWHERE or "origin" in names, is_note=type_ == "noted",
        is_claim=type_ == "reserved" and "process" in names, is_news=type_ in _NEWS,
        may_name_content=names_content({"data": {name: {} for name in names}}),
        is_wrong=_contradicts if type_ == "done" else _observes_unsaid if observes else None,
    )  # fmt: skip


def _contradicts(document: Document) -> bool:
    return bool(contradiction(document["data"]))


def _observes_unsaid(document: Document) -> bool:
    return not holds_observed(document)


class _Check:
    """Takes chain after chain; raises `NeedsWholeLog` where all is not well."""

    def __init__(self, fetch: Fetch, keys: Keys | None, *, last: int, looks_for_content: bool) -> None:
        self._fetch, self._keys, self._last = fetch, keys, last
        self._content = ContentCheck(fetch) if looks_for_content else None
        self._signatures: SignatureCheck | None = None
        self._kept = KeptChains()
        self._pack = packer().pack
        self._first_news, self._names_content, self._is_signed = 0, False, False
        """Of the chain whose digests were made last: where its first end or note is, whether it may name content, and
        whether it has a signature."""
        self._decision = b""
        """The digest of the decision before, or of the beginning."""
        self._awaited: set[bytes] = set()
        """The digests of decisions that the experiment's own chain names, and that were not read yet."""
        self._is_followed = bytearray()
        """Of each decision whether a later event names it."""
        self._observed = array("q")
        """Up to which event decisions have observed each trial."""
        self._ours: set[str] = set()
        self._without_prev: set[str] = set()
        """Who wrote events that do not say what they follow; programs in other languages need not."""
        self._events = 0
        self._lost: list[str] = []

    def take(self, tid: Any, documents: list[Document]) -> LogChain:
        """Look at the chain of *tid*; return it, with its digests."""
        expected = None if self._kept.own is None else len(self._kept.tips)
        if tid != expected or isinstance(tid, bool):
            raise NeedsWholeLog
        if tid is None:
            documents = list(map(with_uuid, documents))
        chain = LogChain(tid, documents, self._digests(tid, documents))
        if self._signatures is None:
            self._signatures = SignatureCheck(self._keys, uuid_of(documents[0]))
        self._signatures.chain(tid, documents, chain.digests, may_be_signed=self._is_signed)
        if self._names_content and self._content is not None:
            self._lost += [finding.message for finding in self._content.missing(chain)]
        self._events += len(documents)
        if tid is None:
            self._take_own(chain)
        else:
            self._take_trial(tid, chain)
        return chain

    def _digests(self, tid: int | None, documents: Sequence[Document]) -> list[bytes]:
        """Return the digests of a chain; see that each event follows the one before it, and says so if it has to."""
        digests: list[bytes] = []
        after, sha256, pack = b"", hashlib.sha256, self._pack
        self._first_news, self._names_content, self._is_signed = len(documents), False, False
        for ver, document in enumerate(documents):
            of = document.get
            type_, data, by = of("type"), of("data"), of("by")
            if quick_place(document) != (tid, ver) or "raw" in document or type(data) is not dict:
                raise NeedsWholeLog
            if type(type_) is not str or type(by) is not str:
                raise NeedsWholeLog
            try:
                shape = _shape(type_, tuple(data))
                if shape.is_elsewhere:
                    raise NeedsWholeLog
                if ver and data.get("prev") != after:
                    if prev_of(document) is not None or tid is None:
                        raise NeedsWholeLog
                    if not shape.is_note:  # which anyone may add
                        self._without_prev.add(by)
                if shape.is_wrong is not None and shape.is_wrong(document):
                    raise NeedsWholeLog
                if not ver or shape.is_claim:
                    self._ours.add(by)
                if shape.is_news and ver < self._first_news:
                    self._first_news = ver
                if shape.may_name_content and not self._names_content:
                    self._names_content = names_content(document)
                if "mac" in document:
                    self._is_signed = True
                after = sha256(after + pack(canonical_parts(document, shape.names))).digest()
            except _SHAPELESS:
                raise NeedsWholeLog from None
            digests.append(after)
        return digests

    def _take_own(self, chain: LogChain) -> None:
        self._kept.begin(chain, self._fetch)
        self._decision = chain.digests[0]
        named = (data_of(document).get("decision") for document in chain.documents)
        self._awaited = {decision for decision in named if isinstance(decision, bytes)} - {chain.digests[0]}
        self._own_is_followed = chain.digests[0] in {data_of(d).get("decision") for d in chain.documents}

    def _take_trial(self, tid: int, chain: LogChain) -> None:
        first = chain.documents[0]
        if prev_of(first) != self._decision:
            raise NeedsWholeLog
        if tid:
            self._is_followed[tid - 1] = 1
        else:
            self._own_is_followed = True
        self._decision = chain.digests[0]
        self._is_followed.append(self._decision in self._awaited)
        self._awaited.discard(self._decision)
        self._kept.add(tid, chain.digests, self._first_news)
        self._observed.append(-1)
        if not first["data"].get("observed"):
            return
        for known, ver, expected in observed_by(first):
            if tid <= self._last or self._kept.has(known, ver):
                self._observe(known, ver, expected)

    def _observe(self, tid: int | None, ver: int, expected: bytes) -> None:
        if self._kept.digest(tid, ver) != expected:
            raise NeedsWholeLog
        if tid is not None:
            self._observed[tid] = max(self._observed[tid], ver)
        else:
            self._kept.own_observed = max(self._kept.own_observed, ver)

    def result(self) -> Verified:
        """Return what is said of all that was read."""
        own, kept = self._kept.own, self._kept
        if own is None or self._awaited or self._ours & self._without_prev or self._signatures is None:
            raise NeedsWholeLog
        for document in own.documents:
            for tid, ver, expected in observed_by(document):
                self._observe(tid, ver, expected)
        heads = RecordedHeads(kept, self._fetch)
        if heads.finding is not None:
            raise NeedsWholeLog
        report = Report(
            events=self._events, decisions=len(kept.tips), head=heads.head_of_all(), decision_digest=self._decision,
            recorded=tuple(heads.right), uncommitted=self._uncommitted(own, heads.covered), findings=(),
        )  # fmt: skip
        return Verified(report=report, signatures=self._signatures.result(), lost=tuple(self._lost))

    def _uncommitted(self, own: LogChain, covered: Sequence[int]) -> int:
        """See `recorded_heads.uncommitted`."""
        last = max(covered[0] if covered else -1, self._kept.own_observed, 0 if self._own_is_followed else -1)
        n = len(own.digests) - 1 - last
        n -= bool(n and covered and holds_head(own.documents[-1]))
        rest = iter(covered[1:])
        for tip, observed, followed in zip(self._kept.tips, self._observed, self._is_followed, strict=True):
            n += max(0, tip - max(observed, next(rest, -1), 0 if followed else -1))
        return max(0, n)


class KeptChains(DigestsAlone):
    """Of the experiment's own chain all, of a trial the digests that later events are likely to name.

    These are the last one, all from its first end or note on, and those that recorded heads cover.
    """

    def __init__(self) -> None:
        self.own: LogChain | None = None
        self.own_observed = -1
        """Up to which event decisions have observed the experiment's own chain."""
        self.tips = array("q")
        """The last ver of each trial."""
        self._at_tip = bytearray()
        self._before: dict[tuple[int, int], bytes] = {}
        self._runs: Iterator[tuple[int, int, int]] = iter(())
        """First trial, the one behind the last, and the ver of what heads cover, by first trial."""
        self._next: tuple[int, int, int] | None = None
        self._reached: list[tuple[int, int, int]] = []

    def begin(self, own: LogChain, fetch: Fetch) -> None:
        """Keep the experiment's *own* chain, and note which digests of trials it names."""
        self.own = own
        runs: list[tuple[int, int, int]] = []
        for document in own.documents:
            tips = _tips(document, fetch) if document.get("type") in ("sealed", "finished") else None
            if isinstance(tips, list) and are_tips(tips):
                runs += [(tid, tid + n, ver) if tid is not None else (0, n - 1, ver) for tid, n, ver in tips]
        self._runs = iter(sorted(runs))
        self._next = next(self._runs, None)

    def add(self, tid: int, digests: Sequence[bytes], first_news: int) -> None:
        """Keep what is likely to be named of the next trial, whose chain has these *digests*.

        first_news: the place of its first end or note, or any that is higher than its last.
        """
        last = len(digests) - 1
        for ver in range(first_news, last):
            self._before[tid, ver] = digests[ver]
        while self._next is not None and self._next[0] <= tid:
            self._reached.append(self._next)
            self._next = next(self._runs, None)
        for _, end, ver in self._reached:  # what recorded heads cover
            if tid < end and ver < last:
                self._before[tid, ver] = digests[ver]
        if self._reached and self._reached[0][1] <= tid:
            self._reached = [run for run in self._reached if run[1] > tid]
        self.tips.append(last)
        self._at_tip += digests[last]

    def has(self, tid: int | None, ver: int) -> bool:
        """Return whether event *ver* of the chain of *tid* was read, and its digest is known."""
        try:
            return bool(self.digest(tid, ver))
        except NeedsWholeLog:
            return False

    def digest(self, tid: int | None, ver: int) -> bytes:
        """See `DigestsAlone.digest`; raises `NeedsWholeLog` if it was not kept."""
        if tid is None and self.own is not None and 0 <= ver < len(self.own.digests):
            return self.own.digests[ver]
        if tid is not None and 0 <= tid < len(self.tips):
            if ver == self.tips[tid]:
                return bytes(self._at_tip[tid * BYTES : (tid + 1) * BYTES])
            if (found := self._before.get((tid, ver))) is not None:
                return found
        raise NeedsWholeLog

    def __getitem__(self, tid: int | None) -> LogChain:
        if tid is None and self.own is not None:
            return self.own
        if tid is None or not 0 <= tid < len(self.tips):
            raise KeyError(tid)
        return LogChain(tid, [], _KeptDigests(self, tid))

    def last(self, tid: int | None) -> int:
        """See `DigestsAlone.last`."""
        return self.tips[tid] if tid is not None else len(self[None].digests) - 1

    def __contains__(self, tid: object) -> bool:
        return self.own is not None if tid is None else isinstance(tid, int) and 0 <= tid < len(self.tips)

    def __iter__(self) -> Iterator[int | None]:
        yield from () if self.own is None else (None,)
        yield from range(len(self.tips))

    def __len__(self) -> int:
        return (self.own is not None) + len(self.tips)


class _KeptDigests(Sequence[bytes]):
    """The digests of the chain of trial *tid*, as far as they are kept."""

    def __init__(self, kept: KeptChains, tid: int) -> None:
        self._kept, self._tid = kept, tid

    def __len__(self) -> int:
        return self._kept.tips[self._tid] + 1

    def __getitem__(self, ver: Any) -> Any:
        return self._kept.digest(self._tid, ver)


def _tips(document: Document, fetch: Fetch) -> Any:
    """Return what the head that *document* records covers."""
    try:
        return (RecordedHeads.data(document, fetch) or {}).get("tips")
    except (NotFound, VerificationFailed):
        raise NeedsWholeLog from None
