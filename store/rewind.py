"""Rewinds: how hstore recognises that a store has lost events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from uuid import UUID

from hstore.store.chain_digests import chain_name
from hstore.store.errors import StoreRewound
from hstore.store.log import Place

NOT_MOVED: Mapping[Place, Place] = MappingProxyType({})
HINT = "nothing more was written to it from here; a new process continues from what the store holds"
HELD = (
    "this process still holds {}: while it lives, fmin(…, recover=True) puts them back, as `hstore worker --recover` "
    "does at once; or a new process continues from what the store holds"
)


def rewound(
    exp: str, lost: Collection[Place], *, left: int, opened: UUID | None = None, found: UUID | None = None,
    held: int = 0, behind: Collection[Place] = (), moved: Mapping[Place, Place] = NOT_MOVED,
) -> StoreRewound:  # fmt: skip
    """Return the error that says what the store has lost of *exp*.

    lost: the places of the events that are gone, as far as this process knew them. left: how many events of *exp* the
    store still has. opened, found: the identity of the store when this process opened it, and now. held: how many of
    the lost events this process could put back. behind: the places of events that the store has behind a gap. moved:
    where those of the lost events are now that are still in the log of *exp*, at other places.
    """
    if moved:
        (at, now), more = min(moved.items(), key=lambda item: _order(item[0])), len(lost) - 1
        others = f", and {more} more are not in their places" if more else ""
        return StoreRewound(
            f"the log of {exp!r} was edited: {_named(at)} is {_named(now)} now{others}",
            hint=f"nothing more was written to it from here; `hstore verify {exp}` shows what was changed",
            exp=exp, lost=sorted(lost, key=_order), behind=sorted(behind, key=_order), moved=dict(moved),
        )  # fmt: skip
    n = "an event" if len(lost) == 1 else f"{len(lost)} events"
    gap = (
        f"; written meanwhile, behind the gap: {name_places(behind)} (`hstore quarantine {exp}` sets them aside)"
        if behind
        else ""
    )
    return StoreRewound(
        f"the store lost {n} of {exp!r}: {name_places(lost)}; {_cause(left, opened, found)}{gap}",
        hint=HELD.format("it" if held == 1 else f"the {held} events") if held else HINT,
        exp=exp, lost=sorted(lost, key=_order), behind=sorted(behind, key=_order), moved={},
    )  # fmt: skip


def behind_gaps(places: Collection[Place]) -> list[Place]:
    """Return those *places* of events in a log that come after a place which it lacks."""
    known = set(places)
    lengths: dict[int | None, int] = {}
    for tid, _ in known:
        n = lengths.get(tid, 0)
        while (tid, n) in known:
            n += 1
        lengths[tid] = n
    first = 0
    while lengths.get(first):
        first += 1
    return [(tid, ver) for tid, ver in known if ver >= lengths[tid] or (tid is not None and tid > first)]


def _cause(left: int, opened: UUID | None, found: UUID | None) -> str:
    if opened is not None and found is None:
        return f"its database was emptied (it was store {opened})"
    if opened != found:
        return f"it is another store now ({found}, and was {opened})"
    if not left:
        return "the whole experiment was removed"
    return "it was probably restored from a backup, or events were removed"


def name_places(lost: Collection[Place]) -> str:
    """Return which chains the places *lost* are of: "trials 31 to 34, trial 40 and its own chain"."""
    tids = sorted({tid for tid, _ in lost if tid is not None})
    runs: list[list[int]] = []
    for tid in tids:
        if runs and tid == runs[-1][-1] + 1:
            runs[-1][1:] = [tid]
        else:
            runs.append([tid])
    named = [f"trials {run[0]} to {run[-1]}" if len(run) > 1 else f"trial {run[0]}" for run in runs]
    if len(named) > 4:
        named = [*named[:3], f"and {sum(run[-1] - run[0] + 1 for run in runs[3:])} more trials"]
    if any(tid is None for tid, _ in lost):
        named.append(chain_name(None))
    return ", ".join(named)


def _named(place: Place) -> str:
    tid, ver = place
    return f"event {ver} of {chain_name(tid)}"


def _order(place: Place) -> tuple[int, int]:
    tid, ver = place
    return -1 if tid is None else tid, ver
