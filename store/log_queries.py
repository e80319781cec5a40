"""The queries by which events are found: those that a reader does not know yet, and those in given places."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from hstore.store.events import Document
from hstore.store.log import EVERY_TRIAL, NO_EVENTS, EventIds, ReadCursor


def query_beyond(exp: str, known: ReadCursor) -> Document:
    """Return the query for the events of *exp* that are not *known*: chains are dense, so places are enough."""
    if replace(known, held=NO_EVENTS, aside=frozenset()) == ReadCursor():
        return {"exp": exp}
    by_ver: dict[int, list[int]] = defaultdict(list)
    for tid, ver in known.open.items():
        by_ver[ver].append(tid)
    wanted: list[Document] = []
    wanted += places_of(exp, known.held)
    if known.header < EVERY_TRIAL:
        wanted.append({"exp": exp, "tid": None, "ver": {"$gt": known.header}})
    if known.last < EVERY_TRIAL:
        wanted.append({"exp": exp, "tid": {"$gt": known.last}})
    for ver, tids in sorted(by_ver.items()):
        place: Any = tids[0] if len(tids) == 1 else {"$in": sorted(tids)}
        wanted.append({"exp": exp, "tid": place, "ver": {"$gt": ver}})
    return wanted[0] if len(wanted) == 1 else {"$or": wanted}


def places_of(exp: str, held: EventIds) -> list[Document]:
    """Return the queries for what is in the places of *held*."""
    by_ver: dict[int, list[int | None]] = defaultdict(list)
    for tid, ver in held:
        by_ver[ver].append(tid)
    return [
        {"exp": exp, "tid": tids[0] if len(tids) == 1 else {"$in": tids}, "ver": ver}
        for ver, tids in sorted(by_ver.items())
    ]
