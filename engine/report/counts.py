"""What a report counts in the chains of trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hstore.store.events import Requeued, Reserved
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial


def attempts(experiment: Experiment, trials: Sequence[Trial]) -> int:
    """Return how often one of *trials* was begun."""
    return sum(isinstance(event, Reserved) for trial in trials for event in experiment.chain(trial.tid))


def requeued(experiment: Experiment, trials: Sequence[Trial]) -> Counter[str]:
    """Return how often trials were put back to the queue, by cause."""
    chains = (experiment.chain(trial.tid) for trial in trials)
    return Counter(e.cause or "by a person" for chain in chains for e in chain if isinstance(e, Requeued))


def hosts(trials: Iterable[Trial]) -> list[str]:
    """Return the hosts that evaluated *trials*."""
    return sorted({trial.reserved.host for trial in trials if trial.reserved is not None})


def counted(counts: Mapping[Any, int]) -> str:
    """Return how often there was what: "12 done, 3 failed"."""
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)
