"""What can be checked of each event by itself: that it holds its digests, and what it stores twice. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hstore.store.events import Document
from hstore.store.log_chains import Chains, Finding, LogChain, data_of, prev_of

TWICE = ("status", "loss", "losses", "constraints", "pruned")
"""What a `done` event holds beside its result, and in it."""


def writers(chains: Chains) -> set[str]:
    """Return who wrote decisions, or claims as hstore's own workers do: each event of theirs carries a digest."""
    ours = [chain.documents[0] for chain in chains.values() if 0 not in chain.quarantined]
    ours += [
        document
        for chain in chains.values()
        for _, document in chain.counting
        if document.get("type") == "reserved" and "process" in data_of(document)
    ]
    return {by for document in ours if type(by := document.get("by")) is str}


def stripped(chain: LogChain, ours: set[str]) -> Finding | None:
    """Return the first event of *chain* without a digest that it must have.

    Programs in other languages leave out what their events follow; *ours* are the writers that do not.
    """
    for ver, document in chain.counting:
        if "raw" in document:
            return None
        is_first = ver == 0 and chain.tid is None
        is_note = document.get("type") == "noted"  # which anyone may add
        must = chain.tid is None or ver == 0 or (document.get("by") in ours and not is_note)
        if must and not is_first and prev_of(document) is None:
            return chain.finding(ver, "stripped", "it does not hold the digest of what it follows")
        if document.get("type") in ("queued", "finished") and not holds_observed(document):
            return chain.finding(ver, "stripped", "it does not hold the digests of what it observed")
    return None


def holds_observed(document: Document) -> bool:
    """Return whether a decision, or the end of the search, says with digests what it observed."""
    data = data_of(document)
    if "observed" not in data and isinstance(spilled := data.get("spilled"), Mapping):
        return "observed" in spilled
    observed = data.get("observed")
    return isinstance(observed, list) and all(
        isinstance(entry, list) and len(entry) == 3 and isinstance(entry[2], bytes) for entry in observed
    )


def contradictions(chain: LogChain) -> Iterable[Finding]:
    """Yield the events of *chain* that hold one value in one place and another in another."""
    for ver, document in chain.counting:
        if document.get("type") == "done" and "raw" not in document and (why := contradiction(data_of(document))):
            yield chain.contradiction(ver, why)


def contradiction(data: Mapping[str, Any]) -> str:
    """Return how the *data* of a `done` event contradicts itself; "" if it does not."""
    result = data.get("result")
    if type(result) is not dict and not isinstance(result, Mapping):
        return ""
    for name in TWICE:
        if (mine := data.get(name)) is None or (other := result.get(name)) is None:
            continue
        if mine != other and not _is_same(mine, other):
            return f"its {name} is {mine!r:.60}, and {other!r:.60} in its result"
    return ""


def _is_same(mine: Any, other: Any) -> bool:
    """Return whether two values say the same, as far as both are plain: what a result has may be of any kind."""
    if isinstance(mine, list) and isinstance(other, (list, tuple)):
        return len(mine) == len(other) and all(map(_is_same, mine, other))
    if isinstance(mine, float) and isinstance(other, (int, float)) and not isinstance(other, bool):
        return mine == other or (math.isnan(mine) and math.isnan(other))
    return mine == other or type(mine) is not type(other)
