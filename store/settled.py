"""Settled trials: those that ended and that decisions have observed, as columns instead of objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from hstore.store.events import Done, Event, Finished, Queued, origin_of
from hstore.store.failures import failure_of

if TYPE_CHECKING:
    from hstore.store.fold import Trial
    from hstore.store.state import State

Floats: TypeAlias = NDArray[np.float64]
Chain: TypeAlias = int | None

STATES = ("done", "failed", "cancelled")
"""What a settled trial can be; its number in this row stands for it."""
SUGGESTED, PLAIN, VOID, PRUNED, FAILURE, OK, RANKED, HAS_LOSS, HAS_LOSSES, HAS_CONSTRAINTS, ELSEWHERE = (
    1 << bit for bit in range(11)
)
"""Flags. PLAIN: suggested by an algorithm, not imported, and without notes. FAILURE: see `failures.failure_of`.
RANKED: see `ranked.why_unranked`. ELSEWHERE: of another experiment, by a warm start."""


@dataclass(slots=True, kw_only=True, eq=False)
class SettledTrials:
    """Columns over the first *n* trials; row k is trial k. A row whose ver is -1 is of a trial that is not settled."""

    n: int
    known_own: int
    """Up to which ver the decisions before trial *n* had observed the experiment's own chain."""
    known_others: dict[int, int]
    """Likewise of the trials before *n* that are not settled, where they had."""
    vers: NDArray[np.int32]
    """Place of the last event of each chain."""
    known: NDArray[np.int32]
    """Up to which ver decisions have observed it."""
    states: NDArray[np.int8]
    flags: NDArray[np.uint16]
    ids: NDArray[np.uint8]
    """n x 16: the id of the last event of each chain."""
    digests: NDArray[np.uint8]
    """n x 32: the digest of each chain."""
    losses: Floats
    """NaN also stands for no loss."""
    partials: Floats
    """2 x n: value and step of the last report of each trial that was pruned, nan of all others."""
    vectors: Floats | None
    """n x objectives."""
    constraints: Floats | None
    """n x constraints."""
    points: dict[str, Floats] = field(default_factory=dict)
    """By label the raw value in each trial, nan where it was inactive."""

    _count: int = -1

    def __len__(self) -> int:
        if self._count < 0:
            self._count = int(np.count_nonzero(self.vers >= 0))
        return self._count

    def __contains__(self, tid: object) -> bool:
        return isinstance(tid, int) and 0 <= tid < self.n and self.vers[tid] >= 0

    def ver(self, tid: int) -> int:
        """Return the place of the last event of trial *tid*, which is settled."""
        return int(self.vers[tid])

    def digest(self, tid: int) -> bytes:
        """Return the digest of the chain of trial *tid*, which is settled."""
        return bytes(self.digests[tid])

    def ends(self, vers: Sequence[int]) -> list[bytes | None]:
        """Return the digest of trials 0, 1, 2, … that are settled with these *vers*; None for one that is not."""
        n, size = min(self.n, len(vers)), self.digests.shape[1]
        raw = self.digests[:n].tobytes()
        is_end = ((self.vers[:n] == np.asarray(vers[:n], np.int64)) & (self.vers[:n] >= 0)).tolist()
        return [raw[k * size : (k + 1) * size] if is_same else None for k, is_same in enumerate(is_end)]

    def id(self, tid: int) -> UUID:
        """Return the id of the last event of trial *tid*, which is settled."""
        return UUID(bytes=bytes(self.ids[tid]))

    def take_from(self, *maps: dict[Any, Any]) -> None:
        """Remove what *maps* hold of settled trials, by tid, and the room that it took."""
        for each in maps:
            left = {tid: value for tid, value in each.items() if tid not in self}
            each.clear()
            each.update(left)

    def drop(self, tid: int) -> None:
        """Note that trial *tid* is settled no longer: its chain goes on."""
        self.known_others[tid] = int(self.known[tid])
        self.vers[tid] = self._count = -1

    def tids(self, having: int = 0, lacking: int = 0) -> NDArray[np.intp]:
        """Return the settled trials that have all flags of *having* and none of *lacking*."""
        flags = self.flags
        return np.flatnonzero((self.vers >= 0) & ((flags & having) == having) & ((flags & lacking) == 0))

    def counts(self) -> dict[str, int]:
        """Return the number of settled trials by state."""
        states = self.states[self.vers >= 0]
        return {state: int(np.count_nonzero(states == code)) for code, state in enumerate(STATES)}

    @property
    def best(self) -> tuple[float, int] | None:
        """Loss and tid of the best settled trial that is ranked and has one loss; None if there is none."""
        tids = self.tids(RANKED | HAS_LOSS)
        if not len(tids):
            return None
        tid = int(tids[np.argmin(self.losses[tids])])
        return float(self.losses[tid]), tid

    def ranked_vectors(self) -> Iterator[tuple[int, list[float]]]:
        """Yield tid and losses of each settled trial that is ranked and has several."""
        for tid in self.tids(RANKED | HAS_LOSSES).tolist():
            assert self.vectors is not None
            yield tid, self.vectors[tid].tolist()

    @property
    def events(self) -> int:
        """Number of events in the chains of the settled trials."""
        return int((self.vers + 1).clip(0).sum())

    @property
    def unsettled(self) -> list[int]:
        """The trials before *n* that are not settled."""
        return np.flatnonzero(self.vers < 0).tolist()


def empty(n: int, known_own: int) -> SettledTrials:
    """Return columns for *n* trials of which none is settled."""
    return SettledTrials(
        n=n, known_own=known_own, known_others={}, vers=np.full(n, -1, np.int32), known=np.full(n, -1, np.int32),
        states=np.zeros(n, np.int8), flags=np.zeros(n, np.uint16), ids=np.zeros((n, 16), np.uint8),
        digests=np.zeros((n, 32), np.uint8), losses=np.full(n, np.nan), partials=np.full((2, n), np.nan),
        vectors=None, constraints=None,
    )  # fmt: skip


def settle(state: State, own: Sequence[Event], digest: Callable[[Chain, int], bytes]) -> SettledTrials:
    """Return the columns of all trials of *state* that can be settled.

    own: the experiment's own chain. digest: that of a chain up to a ver.
    The rest stays as it is: what has not ended, or has news; what this program cannot read; the last decision, the
    latest event, the best and the Pareto front, which are looked at all the time; and points that are no numbers.
    """
    n = len(state.trials)
    observations = state.observations
    known_own = observations.decided(None)
    at_end: dict[Chain, int] = {}
    for event in own[: known_own + 1]:
        if isinstance(event, Finished):
            for chain, ver, _ in event.observed:
                at_end[chain] = max(ver, at_end.get(chain, -1))
    settled = empty(n, known_own)
    before = state.settled
    if before is not None:
        _copy(before, settled)
    held = _held(state)
    for tid, trial in state.kept_trials():
        known = max(observations.decided(tid), at_end.get(tid, -1))
        if tid in held or not trial.is_finished or not 0 <= known <= trial.ver or not fill(settled, trial):
            if known >= 0:
                settled.known_others[tid] = known
            continue
        settled.vers[tid], settled.known[tid] = trial.ver, known
        settled.ids[tid] = np.frombuffer(trial.last.id.bytes, np.uint8)
        settled.digests[tid] = np.frombuffer(digest(tid, trial.ver), np.uint8)
    return settled


def _held(state: State) -> set[int]:
    """Return the trials that stay as they are although they may have ended."""
    held = {len(state.trials) - 1, *(trial.tid for trial in state.pareto)}
    held.update(tid for tid in state.observations.unobserved if tid is not None)
    held.update(event.tid for event in state.unreadable if event.tid is not None)
    if state.best is not None:
        held.add(state.best.tid)
    if state.last is not None and state.last.tid is not None:
        held.add(state.last.tid)
    return held


def _copy(before: SettledTrials, settled: SettledTrials) -> None:
    n = before.n
    for name in ("vers", "known", "states", "flags", "ids", "digests", "losses"):
        getattr(settled, name)[:n] = getattr(before, name)
    settled.partials[:, :n] = before.partials
    for name in ("vectors", "constraints"):
        if (rows := getattr(before, name)) is not None:
            setattr(settled, name, np.full((settled.n, rows.shape[1]), np.nan))
            getattr(settled, name)[:n] = rows
    for label, column in before.points.items():
        settled.points[label] = np.full(settled.n, np.nan)
        settled.points[label][:n] = column


def fill(settled: SettledTrials, trial: Trial) -> bool:
    """Write what *trial* is into its row; return False if columns cannot hold it."""
    queued, end, tid = trial.queued, trial.end, trial.tid
    if queued is None or end is None or not all(type(value) in (float, int) for value in queued.point.values()):
        return False
    flags = _flags(queued, trial)
    if isinstance(end, Done):
        if not (
            _fill_row(settled, "vectors", tid, end.losses) and _fill_row(settled, "constraints", tid, end.constraints)
        ):
            return False
        settled.losses[tid] = np.nan if end.loss is None else end.loss
        if end.pruned and (report := trial.last_report) is not None:
            settled.partials[:, tid] = report[1], report[0]
    try:
        for label, value in queued.point.items():
            if label not in settled.points:
                settled.points[label] = np.full(settled.n, np.nan)
            settled.points[label][tid] = value
    except OverflowError:  # an integer that no float holds
        return False
    settled.states[tid], settled.flags[tid] = STATES.index(trial.state), flags
    return True


def _fill_row(settled: SettledTrials, name: str, tid: int, values: Sequence[float] | None) -> bool:
    if values is None:
        return True
    rows = getattr(settled, name)
    if rows is None:
        if not values:
            return False
        rows = np.full((settled.n, len(values)), np.nan)
        setattr(settled, name, rows)
    if len(values) != rows.shape[1]:
        return False
    try:
        rows[tid] = values
    except OverflowError:
        return False
    return True


def _flags(queued: Queued, trial: Trial) -> int:
    is_suggested = queued.source == "suggested"
    flags = SUGGESTED * is_suggested
    flags |= PLAIN * (is_suggested and queued.imported is None and not trial.notes)
    flags |= VOID * trial.is_void | PRUNED * trial.is_pruned | FAILURE * (failure_of(trial) is not None)
    flags |= ELSEWHERE * (origin_of(queued) is not None)
    flags |= RANKED * (not trial.why_unranked)
    flags |= OK * (trial.status == "ok") | HAS_LOSS * (trial.loss is not None)
    flags |= HAS_LOSSES * (trial.losses is not None) | HAS_CONSTRAINTS * (trial.constraints is not None)
    return flags


def columns_of(settled: SettledTrials) -> Mapping[str, Any]:
    """Return the columns by name, but for the points."""
    names = ("vers", "known", "states", "flags", "ids", "digests", "losses", "partials", "vectors", "constraints")
    return {name: getattr(settled, name) for name in names}
