"""The curves of all other trials, and how many of them were better at a step: kept up to date, not computed anew."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hstore.engine.pruners.curves import Curve, KnownCurve


class ComparedTrials(NamedTuple):
    """Some of the trials: `key` names them, `holds` says by number which they are."""

    key: Hashable
    holds: Callable[[int], bool]


class Ranked:
    """Numbers in order, one of each trial; *without* is left out."""

    def __init__(self, ordered: list[float], without: float | None = None) -> None:
        self._ordered = ordered
        self._without = without

    def __len__(self) -> int:
        return len(self._ordered) - (self._without is not None)

    def below(self, value: float) -> int:
        """Return how many are less than *value*."""
        return bisect_left(self._ordered, value) - (self._without is not None and self._without < value)

    def median(self) -> float:
        """Return the median; there is at least one."""
        half, n = len(self) // 2, len(self)
        return self._at(half) if n % 2 else self._at(half - 1) / 2 + self._at(half) / 2

    def _at(self, place: int) -> float:
        left_out = math.inf if self._without is None else bisect_left(self._ordered, self._without)
        return self._ordered[place + (place >= left_out)]


@dataclass(slots=True)
class StepIndex:
    """One number of each trial that has one, in order. Grows with the trials that reach it, and with nothing else."""

    of: Callable[[KnownCurve], float | None]
    holds: Callable[[int], bool]
    ordered: list[float] = field(default_factory=list)
    by_tid: dict[int, float] = field(default_factory=dict)
    nans: int = 0
    """How many of the numbers are none: those cannot be ordered."""

    def put(self, tid: int, known: KnownCurve) -> None:
        """Have the number of trial *tid* be the one that it has now."""
        if not self.holds(tid):
            return
        before, now = self.by_tid.get(tid), self.of(known)
        if before == now:
            return
        if before is not None:
            del self.by_tid[tid]
            if math.isnan(before):
                self.nans -= 1
            else:
                del self.ordered[bisect_left(self.ordered, before)]
        if now is not None:
            self.by_tid[tid] = now
            if math.isnan(now):
                self.nans += 1
            else:
                insort(self.ordered, now)


class OtherCurves(Mapping[int, "Curve"]):
    """The curves of all trials but *tid*, by tid, of those that count. See `reached` and `complete_means`."""

    def __init__(self, known: dict[int, KnownCurve], indexes: dict[Hashable, StepIndex], tid: int) -> None:
        self._known, self._indexes, self._tid = known, indexes, tid

    def __getitem__(self, tid: int) -> Curve:
        known = self._known[tid]
        if tid == self._tid or not known.counts:
            raise KeyError(tid)
        return known.curve

    def __iter__(self) -> Iterator[int]:
        return (tid for tid in sorted(self._known) if tid != self._tid and self._known[tid].counts)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def ranked(
        self, key: Hashable, of: Callable[[KnownCurve], float | None], holds: Callable[[int], bool]
    ) -> Ranked | None:
        """Return in order what *of* says of each trial that *holds*; None if some of it is no number. key: its name."""
        index = self._index(key, of, holds)
        return None if index.nans else Ranked(index.ordered, index.by_tid.get(self._tid))

    def lowest(self, key: Hashable, of: Callable[[KnownCurve], float | None], most: int) -> tuple[int, list[Curve]]:
        """Return of how many trials *of* says a number, and the curves of up to *most* of the lowest. key: its name."""
        numbers = self._index(key, of, EVERY.holds).by_tid
        found = nsmallest(most, ((number, tid) for tid, number in numbers.items() if tid != self._tid))
        return len(numbers) - (self._tid in numbers), [self._known[tid].curve for _, tid in found]

    def _index(
        self, key: Hashable, of: Callable[[KnownCurve], float | None], holds: Callable[[int], bool]
    ) -> StepIndex:
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = StepIndex(of, holds)
            for tid, known in self._known.items():
                index.put(tid, known)
        return index


EVERY = ComparedTrials("all", lambda _: True)


def reached(others: Mapping[int, Curve], step: int, group: ComparedTrials = EVERY) -> Ranked:
    """Return the first value at *step* or beyond of each trial of *group* that came that far."""

    def of(known: KnownCurve) -> float | None:
        return known.curve.at(step) if known.counts else None

    if isinstance(others, OtherCurves):
        found = others.ranked(("at", step, group.key), of, group.holds)
        if found is not None:
            return found
    values = (other.at(step) for tid, other in others.items() if group.holds(tid))
    return Ranked(sorted(value for value in values if value is not None))


def complete_means(others: Mapping[int, Curve], step: int) -> Ranked:
    """Return the mean of the values up to *step* of each trial that was trained to the end, and so far at least."""

    def of(known: KnownCurve) -> float | None:
        return known.curve.mean(step) if known.counts and known.curve.is_complete else None

    if isinstance(others, OtherCurves):
        found = others.ranked(("mean", step), of, EVERY.holds)
        if found is not None:
            return found
    means = (other.mean(step) for other in others.values() if other.is_complete)
    return Ranked(sorted(mean for mean in means if mean is not None))


def lowest_complete(others: Mapping[int, Curve], most: int) -> tuple[int, list[Curve]]:
    """Return how many trials were trained to the end, and the curves of up to *most* with the lowest last values."""

    def of(known: KnownCurve) -> float | None:
        return known.curve.values[-1] if known.counts and known.curve.is_complete and known.curve.values else None

    if isinstance(others, OtherCurves):
        return others.lowest("last", of, most)
    ends = [(other.values[-1], tid) for tid, other in others.items() if other.is_complete and other.values]
    return len(ends), [others[tid] for _, tid in nsmallest(most, ends)]
