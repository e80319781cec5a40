"""Lineage: whether events written under another name are those that a copy or a fork says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import bson

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import are_tips, document_as_written, is_origin, unspill
from hstore.store.events import Document
from hstore.store.head import chain_at, move
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log_chains import Chains, Finding, LogChain, data_of, head_tree, is_whole
from hstore.store.recorded_heads import Fetch


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """From what an experiment was forked, and whether that is still the same."""

    source: str
    until: int
    """How many of its trials were taken."""
    state: Literal["same", "changed", "gone"]
    message: str


class Copies:
    """The events in *chains* that were written under another name. They come first in their chains, and the event
    behind them in the experiment's own, of a copy or a fork, holds their head."""

    def __init__(self, chains: Chains) -> None:
        self.finding: Finding | None = None
        """What is wrong with them."""
        self.covered: list[int] = []
        """How far that head commits to each chain, if it is right."""
        self.copied: Mapping[str, Any] | None = None
        """Where a copy says that they are from."""
        lengths = {tid: _copied(chain) for tid, chain in chains.items()}
        said = _said(chains)
        if said is not None and said[1].get("type") == "noted":
            self.copied = data_of(said[1])["copied"]
        self.finding = _moved(chains, lengths) or self._look(chains, lengths, said)

    def _look(
        self, chains: Chains, lengths: Mapping[int | None, int], said: tuple[int, Document, bytes] | None
    ) -> Finding | None:
        tips = {tid: n - 1 for tid, n in lengths.items() if n}
        if said is None:
            if not tips:
                return None
            tid = next(iter(tips))
            origin = data_of(chains[tid].documents[0])["origin"]["exp"]
            why = f"it is of experiment {origin!r}, and nothing says that it was copied"
            return chains[tid].finding(0, "moved", why)
        ver, _, head = said
        is_dense = all(tid in tips for tid in (None, *range(len(tips) - 1)))
        tree = head_tree(chains)
        if is_dense:
            tree.move(tips.items())
        if not is_dense or tree.head != head:
            return chains[None].contradiction(ver, "what was copied has another head than it says")
        self.covered = [tips[chain_at(index)] for index in range(len(tips))]
        return None


def _moved(chains: Chains, lengths: Mapping[int | None, int]) -> Finding | None:
    for tid, chain in chains.items():
        for ver in range(lengths[tid], len(chain.documents)):
            if _has_origin(chain.documents[ver]):
                return chain.finding(ver, "moved", "it was written under another name, behind what was not")
    return None


def _said(chains: Chains) -> tuple[int, Document, bytes] | None:
    """Return place, document and head of the event that says where all before it was copied from."""
    own = chains.get(None)
    said = [
        (ver, document, head) for ver, document in (own.counting if own is not None else ())
        if not _has_origin(document) and (head := _head_of_copied(document)) is not None
    ]  # fmt: skip
    return said[-1] if said else None


def _head_of_copied(document: Document) -> bytes | None:
    """Return the head that *document* says what is before it was copied with; None if it says nothing of that kind."""
    data = data_of(document)
    if document.get("type") == "forked" and _has_copies(document):
        head = data.get("head")
        return head if isinstance(head, bytes) else b""
    copied = data.get("copied")
    if document.get("type") != "noted" or not isinstance(copied, Mapping) or not isinstance(copied.get("exp"), str):
        return None
    return head if isinstance(head := copied.get("head"), bytes) else None


def _copied(chain: LogChain) -> int:
    """Return how many events at the beginning of *chain* were written under another name."""
    return next((n for n, document in enumerate(chain.documents) if not _has_origin(document)), len(chain.documents))


def _has_origin(document: Document) -> bool:
    return is_origin(data_of(document).get("origin"))


def _unlike(chains: Chains, cut: Sequence[int], head: bytes) -> str:
    """Return why *head* is not that of *chains* up to *cut*; "" if it is."""
    ends = [(chain_at(index), ver) for index, ver in enumerate(cut)]
    if len(cut) > len(chains) or any(ver >= len(chains[tid].digests) for tid, ver in ends):
        return "events are missing that it was forked with"
    tree = head_tree(chains)
    tree.move(ends)
    return "" if tree.head == head else "its head is not that of the events that it was forked with"


def source_of(chains: Chains) -> Document | None:
    """Return the last `forked` event of *chains*: it says from which experiment this one went on. None without any."""
    own = chains.get(None)
    found = [] if own is None else [each for _, each in own.counting if each.get("type") == "forked"]
    return found[-1] if found and isinstance(data_of(found[-1]).get("source"), str) else None


def compare(chains: Chains, source: Chains, fetch: Fetch | None) -> Lineage | None:
    """Return whether *source*, the chains of the experiment that *chains* were forked from, is what it was then.

    None if they were not forked from another one, or that cannot be told.
    """
    forked = source_of(chains)
    data = None if forked is None else _data(forked, fetch)[0]
    if forked is None or data is None:
        return None
    name, until, cut, head = data["source"], data.get("until"), list[int](), data.get("head")
    runs = data.get("cut")
    if not (isinstance(until, int) and isinstance(head, bytes) and isinstance(runs, list) and are_tips(runs)):
        return None
    if not move(cut, runs, most=until + 1) or not cut:
        return None
    about: dict[str, Any] = {"source": name, "until": until}
    if not source or (_has_copies(forked) and _is_another(chains, source)):
        there = "is not in this store" if not source else "is another one in this store"
        return Lineage(
            **about, state="gone",
            message=f"forked from the first {until} trials of {name!r}, which {there}: its copies were verified here",
        )  # fmt: skip
    if is_whole(source) and not _unlike(source, cut, head):
        return Lineage(
            **about, state="same",
            message=f"forked from the first {until} trials of {name!r}: none of their events was changed there since",
        )  # fmt: skip
    where = _first_difference(chains, source, cut) if _has_copies(forked) else f"see `hstore verify {name}`"
    return Lineage(
        **about, state="changed", message=f"{name!r}, from which it was forked, was changed since: {where}"
    )  # fmt: skip


def _first_difference(chains: Chains, source: Chains, cut: Sequence[int]) -> str:
    for index, last in enumerate(cut):
        tid = chain_at(index)
        mine, theirs = chains.get(tid), source.get(tid)
        for ver in range(last + 1):
            there = theirs is not None and ver < len(theirs.digests)
            if mine is None or ver >= len(mine.digests):
                break
            if not there or theirs is None or mine.digests[ver] != theirs.digests[ver]:
                return f"event {ver} of {mine.name} {'is another one' if there else 'is missing'} there"
    return f"see `hstore verify {source[None].documents[0].get('exp') if None in source else ''}`"


def _is_another(chains: Chains, source: Chains) -> bool:
    """Return whether *source* is not the experiment of which *chains* have copies, but a new one of its name."""
    began = [each[None].documents[:1] if None in each else [] for each in (chains, source)]
    ids = [document_as_written(each[0]).get("_id") if each else None for each in began]
    return None not in ids and ids[0] != ids[1]


def _has_copies(forked: Document) -> bool:
    data = data_of(forked)
    return "left_out" not in data and ("head" in data or "spilled" in data)


def _data(document: Document, fetch: Fetch | None) -> tuple[Document | None, str]:
    """Return the data of *document*, and why it cannot be read; without either if there is nothing to fetch it with."""
    data = data_of(document)
    if "spilled" not in data:
        return data, ""
    if fetch is None:
        return None, ""
    try:
        return unspill(data, fetch), ""
    except (NotFound, VerificationFailed, bson.errors.BSONError, KeyError, TypeError, AttributeError) as error:
        return None, str(error)
