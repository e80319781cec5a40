"""SnapshotWriter: when a driver writes a snapshot of its experiment, for the next process to begin from."""

from __future__ import annotations

from hstore.store.errors import StoreUnreachable
from hstore.store.experiment import Experiment
from hstore.store.messages import Log
from hstore.store.snapshots import save_snapshot

LOG = Log("search")

FEWEST = 1_000
"""Trials of a search that is worth a snapshot: fewer are folded before a process notices."""
DURING, AT_END = 2.0, 1.1
"""A snapshot is written once there are so many times the trials of the last one, so that a driver spends a few
microseconds of each trial on all of them."""


class SnapshotWriter:
    """Writes snapshots of *experiment*; what is in one is kept by this process as columns too."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        settled = experiment.state.settled
        # All that was read without one is not written at once: the first suggestion does not wait for that.
        self._last = settled.n if settled is not None else int(0.55 * len(experiment.state.trials))
        self._is_wanted = experiment.store.is_durable

    def look(self, *, at_end: bool = False) -> None:
        """Write a snapshot if it is time for one."""
        n = len(self._experiment.state.trials)
        if not self._is_wanted or n < FEWEST or n < self._last * (AT_END if at_end else DURING):
            return
        self._last = n
        try:
            # What a process is to put back, should the store lose it, it has to keep.
            save_snapshot(self._experiment, is_kept=self._experiment.store.recovers)
        except StoreUnreachable as error:  # or its user may not write there: the search does not depend on it
            self._is_wanted = False
            LOG.info(f"no snapshot was written: {error}", experiment=self._experiment.name)
