"""Leases: which have run out, so that the reaper may requeue their trials. Pure: clocks are arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hstore.store.claims import ActiveLease, TrialKey

UNWRITTEN_SECONDS = 900.0
"""How long a claim without a lease is left alone: its process may be about to write one, or may hold the GIL."""


class Silence:
    """For how long, by this process's own monotonic clock, the leases of trials have not been extended.

    If the server itself was away, leases run out by its clock although their workers are alive. So a lease counts as
    over only after it was also seen unchanged here for as long as it lasts.
    """

    def __init__(self) -> None:
        self._since: dict[TrialKey, tuple[Any, float]] = {}

    def look(self, held: Iterable[ActiveLease], *, now: float) -> list[ActiveLease]:
        """Return those of *held* whose trials may be requeued at *now* (seconds of a monotonic clock)."""
        before, self._since = self._since, {}
        over = []
        for trial in held:
            place, sign = (trial.exp, trial.tid), (trial.ver, trial.beat, trial.by)
            seen, since = before.get(place, (None, now))
            since = since if seen == sign else now
            self._since[place] = sign, since
            seconds = UNWRITTEN_SECONDS if trial.seconds is None else trial.seconds
            if now - since >= seconds and (trial.is_over or trial.seconds is None):
                over.append(trial)
        return over
