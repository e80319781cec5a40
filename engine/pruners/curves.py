"""Learning curves: what trials have reported so far, and exactly how much of it a decision had seen."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hstore.engine.pruners.others import OtherCurves, StepIndex
from hstore.store.log import ReportRow

Seen: TypeAlias = Mapping[str, Any]
"""`ended`: [first tid, last tid] of each run of trials that were seen to their ends; `open`: [tid, ver] of each other
trial that had reported something, and up to which place of its chain that was seen."""


@dataclass(slots=True)
class Curve:
    """What one attempt at a trial has reported, as a pruner reads it: steps ascend, and each counts once.

    A value for a step that is not beyond the last one changes nothing. NaN counts as inf: nothing is worse.
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    """Of the values up to each."""
    is_complete: bool = False
    """Whether the trial ended with status ok, at its own time."""

    def add(self, step: int, value: float) -> None:
        """Take in what was reported."""
        if not self.steps or step > self.steps[-1]:
            value = math.inf if math.isnan(value) else value
            self.steps.append(step)
            self.values.append(value)
            self.sums.append(value + self.sums[-1] if self.sums else value)

    @property
    def last(self) -> int:
        """The latest step; -1 before there is one."""
        return self.steps[-1] if self.steps else -1

    def at(self, step: int) -> float | None:
        """Return the first value that was reported at *step* or beyond; None if it is not that far."""
        place = bisect_left(self.steps, step)
        return self.values[place] if place < len(self.values) else None

    def mean(self, step: int) -> float | None:
        """Return the mean of the values up to *step*; None if there is none, or if it is not that far."""
        if self.last < step or (n := bisect_right(self.steps, step)) == 0:
            return None
        return self.sums[n - 1] / n


@dataclass(slots=True)
class KnownCurve:
    """What is known of one trial."""

    ver: int = 0
    """Up to which place the chain was read; in place 0 is the decision, which reports nothing."""
    curve: Curve = field(default_factory=Curve)
    has_ended: bool = False
    is_retried: bool = False
    """It was requeued after an end."""
    is_void: bool = False

    @property
    def counts(self) -> bool:
        """Whether others are compared with it."""
        return not self.is_void and (self.has_ended or bool(self.curve.steps))


class Curves:
    """The curves of all trials of an experiment, as far as they were read. Grows by `take`.

    What was requeued begins anew, so a curve is that of the latest attempt. Void trials have none.
    """

    def __init__(self) -> None:
        self._known: dict[int, KnownCurve] = {}
        self._open: dict[int, int] = {}
        self._last = -1
        self._indexes: dict[Hashable, StepIndex] = {}

    def take(self, report_rows: Iterable[ReportRow]) -> None:
        """Take in what is new. What is known already changes nothing, and what comes after a hole has to come again."""
        for tid, ver, kind, data in report_rows:
            known = self._known.get(tid)
            if known is None:
                known = self._known[tid] = KnownCurve()
                self._open.update(dict.fromkeys(range(self._last + 1, tid + 1), 0))
                self._last = max(self._last, tid)
            if ver != known.ver + 1:
                continue
            _evolve(known, ver, kind, data)
            if known.has_ended:
                self._open.pop(tid, None)
            else:
                self._open[tid] = ver
            for index in self._indexes.values():
                if kind != "reported" or tid not in index.by_tid:  # the first value that is far enough stays
                    index.put(tid, known)

    @property
    def open(self) -> dict[int, int]:
        """Up to which place each chain was read, of the trials that have not ended; those never heard of among them."""
        return dict(self._open)

    @property
    def last(self) -> int:
        """The highest trial id that was heard of; -1 before there is one."""
        return self._last

    def others(self, tid: int) -> Mapping[int, Curve]:
        """Return the curves of all trials but *tid*, by tid."""
        return OtherCurves(self._known, self._indexes, tid)

    def seen(self, tid: int) -> dict[str, Any]:
        """Return what `others` consists of, for the log."""
        ended: list[list[int]] = []
        open_: list[list[int]] = []
        for other, known in sorted(self._known.items()):
            if other == tid or not known.counts:
                continue
            if not known.has_ended or known.is_retried:
                open_.append([other, known.ver])
            elif ended and ended[-1][1] == other - 1:
                ended[-1][1] = other
            else:
                ended.append([other, other])
        return {"ended": ended, "open": open_}


def _evolve(known: KnownCurve, ver: int, kind: str, data: Mapping[str, Any]) -> None:
    known.ver = ver
    match kind:
        case "reserved":
            known.curve = Curve()
        case "requeued":
            known.is_retried = known.is_retried or known.has_ended
            known.has_ended, known.curve = False, Curve()
        case "reported":
            step, value = data.get("step"), data.get("value")
            if isinstance(step, int) and isinstance(value, (int, float)):  # any program may have written it
                known.curve.add(step, value)
        case "done":
            known.has_ended = True
            known.curve.is_complete = data.get("status") == "ok" and not data.get("pruned")
        case "failed":
            known.has_ended = bool(data.get("final"))
        case "cancelled":
            known.has_ended = True
        case "noted":
            void = data.get("void")
            known.is_void = known.is_void if void is None else bool(void)
        case _:
            pass


def curve_of(report_rows: Iterable[ReportRow], *, until: int | None = None) -> Curve:
    """Return the curve that a trial had when its chain was known up to place *until*, or without it to its first end.

    *report_rows* are of one trial, in order.
    """
    known = KnownCurve()
    for _, ver, kind, data in report_rows:
        if until is not None and ver > until:
            break
        _evolve(known, ver, kind, data)
        if until is None and known.has_ended:
            break
    return known.curve


def listed(seen: Seen) -> Iterator[tuple[int, int | None]]:
    """Yield (tid, place up to which its chain was seen; None: to its first end) of each trial in *seen*, by tid."""
    ended = ((tid, None) for first, last in seen["ended"] for tid in range(first, last + 1))
    yield from sorted([*ended, *((tid, ver) for tid, ver in seen["open"])], key=lambda item: item[0])
