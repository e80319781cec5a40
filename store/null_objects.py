"""Null objects: what a store in memory has in place of read models and claims. They do nothing and find nothing.

One process holds such a store, and it asks the log itself: there is nothing to derive, and no other process that could
claim a trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.store.events import Document
from hstore.store.log import EVERY_TRIAL, ReadCursor

if TYPE_CHECKING:
    from hstore.store.claims import ActiveLease, TrialKey
    from hstore.store.fold import Trial
    from hstore.store.state import State
    from hstore.store.tally import Tally


class NoReadModels:
    """See `ReadModels`, whose interface this is."""

    def for_thread(self) -> NoReadModels:
        """Return itself."""
        return self

    def lease(self, exp: str, tid: int, by: str, seconds: float) -> None:
        """Do nothing."""

    def project(self, state: State, chains: Iterable[int | None], *, later: bool = False, whole: bool = True) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def is_due(self, exp: str) -> bool:
        """Return True: nothing waits."""
        return True

    def write_waiting_trials(self) -> None:
        """Do nothing."""

    def rebuild(self, state: State) -> None:
        """Do nothing."""

    def drop(self, exp: str) -> None:
        """Do nothing."""

    def insert(self, trials: list[Trial]) -> None:
        """Do nothing."""

    def put(self, document: Document) -> None:
        """Do nothing."""

    def ahead(self, state: State) -> dict[int | None, int]:
        """Return nothing."""
        return {}

    def queued(self, exp: str, tid: int) -> None:
        """See `ReadModels.queued`."""

    def remove(self, exp: str, documents: Mapping[int | None, Any]) -> None:
        """Do nothing."""

    def remove_all(self, exp: str) -> None:
        """Do nothing."""

    def forget(self, exp: str) -> None:
        """Do nothing."""

    def repair(self, state: State) -> int:
        """Return 0: no document lagged behind."""
        return 0

    def lagging(self, exp: str) -> ReadCursor:
        """Return the cursor after which no log has anything: no document lags behind."""
        return ReadCursor(header=EVERY_TRIAL, last=EVERY_TRIAL)

    def outline(self, exp: str, *, latest: int) -> None:
        """Return None: there are no documents."""

    def shown(self, exp: str) -> tuple[list[Document], Document | None]:
        """Return no documents."""
        return [], None

    def about(self, exp: str) -> None:
        """Return None: there are no documents."""

    def each_trial(self, exp: str, begin: Callable[[], object], take: Callable[[bytes], object]) -> None:
        """Begin, and hand on no documents."""
        begin()

    def trial_documents(self, exp: str, tids: Sequence[int]) -> dict[int, Document]:
        """Return no documents."""
        return {}

    def counts(self, exp: str) -> tuple[dict[str, int], dict[str, int]]:
        """Return no counts."""
        return {}, {}

    def nonfinal_failures(self, exp: str) -> set[int]:
        """Return no trials."""
        return set()

    def open_experiments(self) -> list[str]:
        """Return no names."""
        return []

    def archived(self) -> set[str]:
        """Return no names."""
        return set()

    def ending(self) -> list[str]:
        """Return no names."""
        return []

    def overview(self) -> list[Document]:
        """Return no documents."""
        return []

    def tally(self, names: Sequence[str]) -> dict[str, Tally]:
        """Return no counts."""
        return {}


class NoClaims:
    """See `Claims`, whose interface this is. No trial has a ticket, and there are no workers."""

    def take_ticket(self, session: str, experiments: Sequence[str], *, seconds: float) -> TrialKey | None:
        """Return None: there is no ticket to take."""
        return None

    def give_back(self, session: str, key: TrialKey) -> None:
        """Do nothing."""

    def is_anything_queued(self, experiments: Sequence[str], *, but: Iterable[TrialKey] = ()) -> bool:
        """Return False."""
        return False

    def wakeups(self) -> NoWakeups:
        """Return what never wakes anything."""
        return NoWakeups()

    def extend(self, session: str, held: Mapping[TrialKey, int], *, seconds: float) -> None:
        """Do nothing."""

    def held(self, experiments: Iterable[str] | None = None) -> list[ActiveLease]:
        """Return no leases."""
        return []

    def elect_reaper(self, session: str, seconds: float) -> bool:
        """Return False: there is nothing to look after."""
        return False

    def take_name(self, name: str, session: str, seconds: float, about: Mapping[str, object]) -> bool:
        """Return True: no other worker has the name."""
        return True

    def announce(self, name: str, session: str, seconds: float, about: Mapping[str, object]) -> None:
        """Do nothing."""

    def leave(self, name: str, session: str) -> None:
        """Do nothing."""

    def present(self) -> int:
        """See `Claims.present`."""
        return 0

    def workers(self, experiment: str | None = None) -> list[Document]:
        """Return no workers."""
        return []


class NoWakeups:
    """See `Wakeups`, whose interface this is."""

    def wait(self, timeout: float) -> bool:
        """Return False after *timeout* seconds."""
        time.sleep(timeout)
        return False

    def close(self) -> None:
        """Do nothing."""
