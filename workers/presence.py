"""Presence: a worker's entry among the workers of a store, which `hstore status` lists."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from hstore.engine.evaluation.heartbeat import BEATS_PER_LEASE, stretched
from hstore.store.claims import Claims
from hstore.store.null_objects import NoClaims
from hstore.workers.crowd import Crowd

LEAVE_SECONDS = 1.0
"""How long a worker that leaves waits for a write of its entry that is on its way."""
MOST_OFTEN = 0.5
"""Seconds between two writes at least."""


class Presence:
    """The entry of one worker: its *name*, which no other has, and what *about* returns.

    seconds: how long the entry lasts unless it is written again; longer in a *crowd*, which is counted then.
    """

    def __init__(
        self, claims: Claims | NoClaims, session: str, name: str, *, seconds: float,
        about: Callable[[], dict[str, Any]], crowd: Crowd,
    ) -> None:  # fmt: skip
        self.name = name
        self._claims = claims
        self._session = session
        self._seconds = self._lasts = seconds
        self._about = about
        self._crowd = crowd
        self._written: tuple[float, Any] = (-1e9, None)
        self._writing = threading.Lock()
        self._has_left = False

    def enter(self) -> None:
        """Add the entry; if another worker has the name, a number is added to it."""
        wanted = self.name
        for n in itertools.count(2):
            if self._claims.take_name(self.name, self._session, self._seconds, self._about()):
                return
            self.name = f"{wanted}~{n}"

    def has_changed(self) -> bool:
        """Return whether the entry no longer says what there is to say."""
        return bool(self._about() != self._written[1])

    def announce(self) -> None:
        """Write the entry again if it has changed or would soon lapse."""
        about, (at, before) = self._about(), self._written
        moment = time.monotonic()
        if moment - at >= self._lasts / BEATS_PER_LEASE or (about != before and moment - at >= MOST_OFTEN):
            self._crowd.look()
            self._lasts = stretched(self._seconds, self._crowd.stretch(), last=self._lasts)
            with self._writing:
                if not self._has_left:
                    self._claims.announce(self.name, self._session, self._lasts, about)
            self._written = moment, about

    def leave(self) -> None:
        """Remove the entry for good; any thread may be about to write it again."""
        self._has_left = True
        is_free = self._writing.acquire(timeout=LEAVE_SECONDS)  # longer if the server is away: then it lapses by itself
        try:
            self._claims.leave(self.name, self._session)
        finally:
            if is_free:
                self._writing.release()
