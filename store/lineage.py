"""Lineage: whether what was copied under another name is what the note of the copy says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hstore.store.event_documents import is_origin
from hstore.store.events import Document
from hstore.store.log_chains import Chains, Finding, LogChain, data_of, head_tree


def copied_in(chains: Chains) -> Mapping[str, Any] | None:
    """Return where a log was copied from, as its last note of a copy says; None for a log that was never renamed."""
    found = _note(chains)
    return None if found is None else data_of(found[1])["copied"]


def lineage(chains: Chains) -> Finding | None:
    """Return what is wrong with events that were written under another name; None if nothing is.

    They come first in their chains, and a note behind them holds their head.
    """
    lengths = {tid: _copied(chain) for tid, chain in chains.items()}
    for tid, chain in chains.items():
        for ver in range(lengths[tid], len(chain.documents)):
            if _has_origin(chain.documents[ver]):
                return chain.finding(ver, "moved", "it was written under another name, behind what was not")
    tips = {tid: n - 1 for tid, n in lengths.items() if n}
    found = _note(chains)
    if found is None:
        if not tips:
            return None
        tid = next(iter(tips))
        origin = data_of(chains[tid].documents[0])["origin"]["exp"]
        return chains[tid].finding(0, "moved", f"it is of experiment {origin!r}, and nothing says that it was copied")
    ver, note = found
    is_dense = all(tid in tips for tid in (None, *range(len(tips) - 1)))
    tree = head_tree(chains)
    if is_dense:
        tree.move(tips.items())
    if not is_dense or tree.head != data_of(note)["copied"].get("head"):
        return chains[None].contradiction(ver, "what was copied has another head than it says")
    return None


def _note(chains: Chains) -> tuple[int, Document] | None:
    """Return place and document of the note that says where all before it was copied from."""
    own = chains.get(None)
    notes = [
        (ver, document) for ver, document in (own.counting if own is not None else ())
        if document.get("type") == "noted" and isinstance(data_of(document).get("copied"), Mapping)
        and not _has_origin(document)
    ]  # fmt: skip
    return notes[-1] if notes else None


def _copied(chain: LogChain) -> int:
    """Return how many events at the beginning of *chain* were written under another name."""
    return next((n for n, document in enumerate(chain.documents) if not _has_origin(document)), len(chain.documents))


def _has_origin(document: Document) -> bool:
    return is_origin(data_of(document).get("origin"))
