"""Pruning: what a trial reports is held against what others have reported, and what follows from it goes into the log.

Nothing but the log synchronises this. A decision is a pure function of the values that were reported so far, and it is
recorded, with what it had seen of them, in the very event that reports the value which it judges.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hstore.engine.pruners import Curve, Curves, Pruner, resolve, why_unknown
from hstore.engine.pruners.curves import curve_of, listed
from hstore.store.errors import InvalidValue, VerificationFailed
from hstore.store.events import Event, Reported
from hstore.store.experiment import Experiment
from hstore.store.log import ReadCursor, ReportRow, report_row
from hstore.store.messages import Log

LOG = Log("pruning")

AT_ONCE = 500
"""Chains that are read together where decisions are made again."""
READ_SECONDS = 1.0
"""A process that has read what others reported does not read again sooner, unless for another trial."""


class PruningSession:
    """Judges the trials that one process evaluates of one experiment, one at a time.

    A process that follows the whole search (`fmin` without workers) knows all there is and reads nothing more, so that
    what it decides does not depend on the clock. A worker reads the reports of others when a decision is due, and of
    them only what is new.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        follows_all: bool,
        given: Pruner | None = None,
    ) -> None:
        """Judge trials of *experiment*. given: the pruner that fmin was given, which may have no name to find it by."""
        self.experiment = experiment
        self._follows_all = follows_all
        self._given = given
        self._curves = Curves()
        self._n_received = 0
        self._read_at = -1e9
        self._read_for: Curve | None = None
        self._described: Mapping[str, Any] = {}
        self._pruner: Pruner | None = None

    @property
    def pruner(self) -> Pruner | None:
        """The pruner of the experiment as far as that was read; None if this program has none such."""
        described = self.experiment.state.pruner
        if described is not self._described:
            self._described = described
            self._pruner = self._found(described)
        return self._pruner

    def _found(self, described: Mapping[str, Any]) -> Pruner | None:
        if not described:
            return None
        if self._given is not None and self._given.describe() == described:
            return self._given
        if why := why_unknown(described):
            LOG.warning(
                f"experiment {self.experiment.name!r}: no trial is stopped early here, by {why}",
                experiment=self.experiment.name,
            )
            return None
        return resolve(described)

    def judge(self, tid: int, curve: Curve) -> dict[str, Any] | None:
        """Return what the log is to hold of a decision to stop trial *tid*, of which *curve* is known; None: go on.

        Raises `InvalidValue` if the pruner fails, which one of a user's own may.
        """
        pruner = self.pruner
        if pruner is None or not pruner.is_due(curve):
            return None
        self._look(curve)
        if not pruner.stops(tid, curve, self._curves.others(tid)):
            return None
        return {"pruner": pruner.describe(), "seen": self._curves.seen(tid)}

    def _look(self, curve: Curve) -> None:
        if self._follows_all:
            if not self._n_received:
                self._curves.take(self._not_received())
            news = self.experiment.received[self._n_received :]
            self._n_received += len(news)
            self._curves.take(report_row(event.tid, event) for event in news if event.tid is not None)
        elif self._read_for is not curve or time.monotonic() - self._read_at >= READ_SECONDS:
            known = ReadCursor(last=self._curves.last, open=self._curves.open)
            self._curves.take(self.experiment.store.log.report_rows(self.experiment.name, known))
            self._read_at, self._read_for = time.monotonic(), curve

    def _not_received(self) -> Iterator[ReportRow]:
        """Yield the rows of events that the experiment knows of by a snapshot."""
        state = self.experiment.state
        if (settled := state.settled) is None:
            return
        received = {(event.tid, event.ver) for event in self.experiment.received}
        for row in self.experiment.store.log.report_rows(self.experiment.name, ReadCursor()):
            tid, ver = row[:2]
            last = settled.ver(tid) if tid in settled else state.trials[tid].ver if tid in state.trials else -1
            if ver <= last and (tid, ver) not in received:
                yield row


class PruningReplay:
    """Derives again the decisions to stop trials of an experiment, from what each of them had seen."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._ended: dict[int, Curve] = {}

    def why_unlike(self, event: Reported) -> str | None:
        """Return why the decision recorded in *event* does not follow from what it had seen; None if it does."""
        assert event.pruning is not None
        chain = self._experiment.chain(event.tid)
        curve = curve_of((report_row(event.tid, each) for each in chain), until=event.ver)
        others: dict[int, Curve] = {}
        seen = dict(listed(event.pruning["seen"]))
        for tid in seen:
            if tid not in self._experiment.state.trials:
                raise VerificationFailed(
                    f"experiment {self._experiment.name!r}: the decision to stop trial {event.tid} saw trial {tid}, "
                    "which is not there", hint=f"see `hstore verify {self._experiment.name}`",
                )  # fmt: skip
        unknown = [tid for tid, ver in seen.items() if ver is not None or tid not in self._ended]
        for start in range(0, len(unknown), AT_ONCE):
            for tid, chain in self._experiment.several_chains(unknown[start : start + AT_ONCE]).items():
                others[tid] = self._curve(tid, seen[tid], chain)
        others = {tid: others[tid] if tid in others else self._ended[tid] for tid in seen}
        pruner = resolve(event.pruning["pruner"])
        try:
            if not pruner.is_due(curve):
                return f"no decision of {pruner.name} was due"
            return None if pruner.stops(event.tid, curve, others) else "it is good enough to go on"
        except InvalidValue as error:
            return str(error)

    def _curve(self, tid: int, ver: int | None, chain: Sequence[Event]) -> Curve:
        curve = curve_of((report_row(tid, each) for each in chain), until=ver)
        if ver is None:
            self._ended[tid] = curve
        return curve


def why_skipped(event: Reported) -> str | None:
    """Return why the decision recorded in *event* cannot be derived again here; None if it can."""
    assert event.pruning is not None
    return why_unknown(event.pruning["pruner"])
