"""Whether a search says of itself that its losses are noisy. Commands ask that of any search, so it needs no numpy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hstore.engine.plain_numbers import as_real

if TYPE_CHECKING:
    from hstore.store.fold import Trial


def is_declared_noisy(algorithm: Mapping[str, Any], trials: Iterable[Trial]) -> bool:
    """Return whether *algorithm*, as a log has it, repeats points, or one of *trials* says that losses are noisy."""
    settings = algorithm.get("settings")
    replicates = settings.get("replicates", 1) if isinstance(settings, Mapping) else 1
    return (isinstance(replicates, int) and replicates > 1) or any(
        declared_variance(trial) > 0.0 or "replicate_of" in ((trial.queued and trial.queued.algorithm) or {})
        for trial in trials
    )


def declared_variance(trial: Trial) -> float:
    """Return the variance that the objective reported of its loss; nan without one."""
    variance = as_real((trial.result or {}).get("loss_variance"))
    return math.nan if variance is None else float(variance)
