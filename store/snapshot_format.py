"""Snapshot: what is written of settled trials, to be read instead of their events. Pure.

It is never the truth. A process that opens one compares what it says with the log, and folds the log if they differ.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from hstore.store.digest import digest_chain
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.settled import STATES, SettledTrials, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hstore.store.events import Event

FOLD = 2
"""Version of what a snapshot holds; to be raised when the fold, or these columns, come to mean something else."""
LOOKED_AT = 16
"""Settled trials whose last events are looked for in the log when a snapshot is opened."""
_TYPES = {
    "vers": "<i4", "known": "<i4", "states": "|i1", "flags": "<u2", "ids": "|u1", "digests": "|u1", "losses": "<f8",
    "partials": "<f8", "vectors": "<f8", "constraints": "<f8",
}  # fmt: skip
_MOST_BYTES = 2**31


@lazy_dataclass(frozen=True, slots=True)
class Snapshot:
    """The settled trials of experiment *exp*, and the digests of the events that they hang on."""

    exp: str
    settled: SettledTrials
    own: tuple[int, bytes]
    """The last event of the experiment's own chain: its ver, and the digest up to there."""
    decision: bytes
    """The digest of decision n - 1, the last of those before the snapshot."""


class NoSnapshot(ValueError):
    """What was read is no snapshot, or none that this program can use."""


def pack(snapshot: Snapshot) -> bytes:
    """Return the bytes of *snapshot*."""
    settled = snapshot.settled
    document = {
        "fold": FOLD,
        "exp": snapshot.exp,
        "n": settled.n,
        "own": list(snapshot.own),
        "decision": snapshot.decision,
        "known_own": settled.known_own,
        "known_others": [[tid, ver] for tid, ver in sorted(settled.known_others.items())],
        "columns": {name: _packed(column, _TYPES[name]) for name, column in columns_of(settled).items()},
        "points": [[label, _packed(column, "<f8")] for label, column in sorted(settled.points.items())],
    }
    packed: bytes = msgpack.packb(document)
    return zlib.compress(packed, 1)


def unpack(content: bytes) -> Snapshot:
    """Return the snapshot that `pack` made *content* of. Raises `NoSnapshot` for whatever else."""
    try:
        reader = zlib.decompressobj()
        document = msgpack.unpackb(reader.decompress(content, _MOST_BYTES), strict_map_key=False)
        if not reader.eof or document["fold"] != FOLD:
            raise NoSnapshot("it is cut off, or of another version")
        n, columns = document["n"], document["columns"]
        read = {name: _unpacked(columns[name], _TYPES[name]) for name in _TYPES}
        read["vers"] = read["vers"].copy()  # which is written to when a trial goes on
        settled = SettledTrials(
            n=n, known_own=document["known_own"], known_others=dict(document["known_others"]),
            points={label: _unpacked(column, "<f8") for label, column in document["points"]}, **read,
        )  # fmt: skip
        ver, digest = document["own"]
        snapshot = Snapshot(document["exp"], settled, (ver, digest), document["decision"])
    except (zlib.error, msgpack.UnpackException, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoSnapshot(str(error)) from error
    if (why := _why_impossible(snapshot)) is not None:
        raise NoSnapshot(why)
    return snapshot


def _packed(column: Any, dtype: str) -> Any:
    if column is None:
        return None
    array = np.ascontiguousarray(column, dtype=dtype)
    return [list(array.shape), array.tobytes()]


def _unpacked(packed: Any, dtype: str) -> Any:
    if packed is None:
        return None
    shape, content = packed
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="), copy=False)


def _why_impossible(snapshot: Snapshot) -> str | None:
    """Return why no experiment can have these columns; None if one can."""
    settled = snapshot.settled
    n = settled.n
    if type(n) is not int or n < 1:
        return "it has no trials"
    shapes = {
        "vers": (n,), "known": (n,), "states": (n,), "flags": (n,), "ids": (n, 16), "digests": (n, 32), "losses": (n,),
        "partials": (2, n),
    }  # fmt: skip
    for name, column in columns_of(settled).items():
        if name in shapes and (column is None or column.shape != shapes[name]):
            return f"its {name} are not those of {n} trials"
        if name not in shapes and column is not None and (column.ndim != 2 or len(column) != n):
            return f"its {name} are not those of {n} trials"
    if any(column.shape != (n,) for column in settled.points.values()):
        return f"its points are not those of {n} trials"
    is_settled = settled.vers >= 0
    if is_settled[-1]:
        return "its last decision is not beside it"
    if not all(0 <= code < len(STATES) for code in np.unique(settled.states[is_settled])):
        return "it has trials in states that do not exist"
    if np.any(settled.known[is_settled] > settled.vers[is_settled]) or np.any(settled.known[is_settled] < 0):
        return "it has trials that no decision observed"
    numbers = [settled.known_own, snapshot.own[0], *settled.known_others, *settled.known_others.values()]
    if not all(type(number) is int for number in numbers) or settled.known_own > snapshot.own[0]:
        return "it does not say what was observed"
    return None


def why_not_of(snapshot: Snapshot, events: Iterable[Event]) -> str | None:
    """Return why *snapshot* cannot be of the log that *events* are from; None if it can.

    events: the experiment's own chain, those of all trials that are not settled, and what came later.
    """
    chains: dict[int | None, list[Event]] = {}
    for event in events:
        chains.setdefault(event.tid, []).append(event)
    ver, digest = snapshot.own
    if not 0 <= ver < len(chains.get(None, ())) or digest_chain(chains[None][: ver + 1]) != digest:
        return "the experiment's own chain is another"
    settled = snapshot.settled
    if any(tid not in chains for tid in settled.unsettled):
        return "a trial is missing from the log"
    if digest_chain(chains[settled.n - 1][:1]) != snapshot.decision:
        return "its last decision is another"
    return None


def looked_at(settled: SettledTrials) -> list[int]:
    """Return the settled trials that stand for all when it is looked whether the log has them: the last, and others."""
    tids = settled.tids()
    if len(tids) <= LOOKED_AT:
        return tids.tolist()  # type: ignore[no-any-return]
    places = np.linspace(0, len(tids) - 1, LOOKED_AT).astype(int)
    return tids[places].tolist()  # type: ignore[no-any-return]


def take(exp: str, settled: SettledTrials, own: int, digest: Callable[[int | None, int], bytes]) -> Snapshot:
    """Return the snapshot of *exp* with the trials *settled*. own: the last ver of its own chain."""
    return Snapshot(exp, settled, (own, digest(None, own)), digest(settled.n - 1, 0))


def seal(content: bytes) -> bytes:
    """Return the 32 bytes of which a signature of a snapshot is: no event has the same for its digest."""
    return hashlib.sha256(b"hstore snapshot\0" + hashlib.sha256(content).digest()).digest()
