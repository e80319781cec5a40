"""Lineage: whether the copies in a fork are those that it says it began with, and still those of its source. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bson

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import are_tips, as_written, origin_of, unspill
from hstore.store.events import Document
from hstore.store.head import chain_at, move
from hstore.store.log_chains import Chains, Finding, data_of, head_tree, is_whole
from hstore.store.recorded_heads import Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """From what an experiment was forked, and whether that is still the same."""

    source: str
    until: int
    """How many of its trials were taken."""
    state: Literal["same", "changed", "gone"]
    message: str


class Copies:
    """The copies in *chains*, held against what the `forked` events there say of them.

    fetch: as `verify` takes it; without it what is kept as an attachment is not looked at.
    """

    def __init__(self, chains: Chains, fetch: Fetch | None) -> None:
        self.covered: list[int] = []
        """How far the last fork commits to each chain, if it is right."""
        self.findings: list[Finding] = []
        if is_whole(chains) and self._look(chains, fetch):
            self.findings += _strays(chains, self.covered)

    def _look(self, chains: Chains, fetch: Fetch | None) -> bool:
        """Look at each `forked` event; return whether all of them could be looked at, and are right."""
        own = chains[None]
        for ver, document in own.counting:
            if document.get("type") != "forked" or not _has_copies(document):
                continue
            data, why = _data(document, fetch)
            if why:
                self.findings.append(own.finding(ver, "lost", f"what its head covers cannot be read: {why}"))
            if data is None:
                return False
            head, runs, cut = data.get("head"), data.get("cut"), list[int]()
            if not (isinstance(head, bytes) and isinstance(runs, list) and are_tips(runs)):
                why = "it does not hold the head of what it was forked from"
                self.findings.append(own.finding(ver, "stripped", why))
                return False
            is_of_copies = move(cut, runs, most=len(chains)) and cut and cut[0] == ver - 1
            why = _unlike(chains, cut, head) if is_of_copies else "it covers other events than those before it"
            if why:
                self.findings.append(own.contradiction(ver, why))
                return False
            self.covered = cut
        return True


def _strays(chains: Chains, cut: Sequence[int]) -> Iterator[Finding]:
    """Yield the first event of each chain that is copied although it is behind the *cut*, or is not before it."""
    if not cut and all(origin_of(each) is not None for chain in chains.values() for each in chain.documents):
        return  # a fork that is being made
    for index, tid in enumerate((None, *range(len(chains) - 1))):
        copied = cut[index] + 1 if index < len(cut) else 0
        for ver, document in enumerate(chains[tid].documents):
            if (origin_of(document) is not None) is not (ver < copied):
                is_more = ver >= copied
                why = "no fork says that it was copied" if is_more else "it is no copy, as it has to be in this fork"
                yield chains[tid].finding(ver, "added" if is_more else "changed", why)
                break


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
    ids = [as_written(each[0]).get("_id") if each else None for each in began]
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
