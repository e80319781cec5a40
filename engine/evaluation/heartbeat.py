"""The heartbeat: records every few seconds in the store that this process is still working on its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from hstore.store.errors import HstoreError
from hstore.store.messages import Log

if TYPE_CHECKING:
    from hstore.store.claims import Claims, TrialKey
    from hstore.store.null_objects import NoClaims

LOG = Log("heartbeat")

BEATS_PER_LEASE = 3
"""Two beats may be lost before a lease ends."""


def stretched(seconds: float, times: float, *, last: float) -> float:
    """Return so many *times* the *seconds* that something lasts, but at most twice what it lasted the *last* time.

    What was written then lasts until the next beat, which is a third of this away.
    """
    return min(seconds * times, 2 * last)


class Heartbeat:
    """Extends the leases on what this process holds, in a thread of its own, until `stop`.

    `hold` and `let_go` may be called by any thread. A trial that is over within a third of the lease costs nothing.
    """

    def __init__(
        self, claims: Claims | NoClaims, session: str, *, lease: float, stretch: Callable[[], float] = lambda: 1.0
    ) -> None:
        """Extend by *lease* seconds, or by so many times that as *stretch* returns."""
        self.claims = claims
        self.session = session
        self.lease = lease
        self._stretch = stretch
        self._held: dict[TrialKey, int] = {}
        self._gate = threading.Lock()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, place: TrialKey, ver: int) -> None:
        """Keep the lease on *place*, claimed at *ver*, alive from now on."""
        with self._gate:
            self._held[place] = ver
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def let_go(self, place: TrialKey) -> None:
        """Let the lease on *place* be."""
        with self._gate:
            self._held.pop(place, None)

    @property
    def held(self) -> dict[TrialKey, int]:
        """What is held: at which ver it was claimed."""
        with self._gate:
            return dict(self._held)

    def stop(self) -> None:
        """End the thread."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        lease = self.lease
        while not self._is_stopping.wait(lease / BEATS_PER_LEASE):
            lease = stretched(self.lease, self._stretch(), last=lease)
            try:
                self.claims.extend(self.session, self.held, seconds=lease)
            except HstoreError as error:  # an append raises it as well, where the search can end
                LOG.warning(str(error))
