"""Leases: whose is over, and what a reaper does about it. Pure: clocks are arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hstore.store.claims import ActiveLease, TrialKey

UNWRITTEN_SECONDS = 900.0
"""How long a claim whose lease was never written is left alone: its process may be about to, or may hold the GIL."""


class Silence:
    """For how long, by this process's own monotonic clock, the holders of trials have not been heard of.

    A lease that the server's clock calls over may only be waiting behind a server that was away itself; so its end
    counts only once it was seen unchanged for as long as it runs.
    """

    def __init__(self) -> None:
        self._since: dict[TrialKey, tuple[Any, float]] = {}

    def look(self, held: Iterable[ActiveLease], *, now: float) -> list[ActiveLease]:
        """Return those of *held*, what is held at *now* (seconds), that may be taken away."""
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
