"""Composing: events of what is decided, each put at the end of its chain, with its digest and its signature."""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from hstore.store.chain_digests import Chain, ChainDigests
from hstore.store.digest import digest_event
from hstore.store.errors import ClosedChain, InvalidEvent
from hstore.store.events import Event, Forked, Noted, Queued, TrialEvent
from hstore.store.fold import Trial, evolve, unread, why_not
from hstore.store.sound_chains import SoundChains
from hstore.store.state import State

PendingEvent: TypeAlias = tuple[type[Event], Chain, Mapping[str, Any]]
"""An event that is decided but not in the log: its class, its chain (a tid; None: the experiment's own), its data."""


def author() -> str:
    """Return the `by` of what this thread writes: host:pid:thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.current_thread().name}"


def process_of(by: str) -> str:
    """Return host and process of a writer, which `author` names as host:pid:thread."""
    return by.rpartition(":")[0] or by


def now() -> dt.datetime:
    """Return the time in UTC in whole milliseconds, which is what BSON holds."""
    moment = dt.datetime.now(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Composer:
    """Makes the next events of experiment *exp*, whose *chains* were read. sound: says where nothing may follow."""

    def __init__(
        self, exp: str, chains: Mapping[Chain, Sequence[Event]], digests: ChainDigests, sound: SoundChains
    ) -> None:
        self._exp = exp
        self._chains = chains
        self._digests = digests
        self._sound = sound
        self.digests: dict[uuid.UUID, bytes] = {}
        """Of chains up to the events that were composed last, by the id of the event."""

    def compose(self, pending: Iterable[PendingEvent], state: State) -> list[Event]:
        """Return the events of *pending*, one built on those before it; *state*: of what was read.

        Raises `InvalidEvent` for one that its chain does not allow, `ClosedChain` where nothing may follow.
        """
        events: list[Event] = []
        pending = list(pending)
        self._require_whole(pending)
        self.digests.clear()
        tails: dict[Chain, tuple[int, bytes]] = {}
        last: dict[int, tuple[Trial | None, Event]] = {}
        """The last of the events of each trial so far, and the trial before it: few are followed by another."""
        decision: bytes | None = None
        by, at = author(), now()
        for kind, tid, data in pending:
            if tid is None or kind is Queued:
                self.require_open(state)
            refusal = self._sound.refusal(tid, decides=kind is Queued, trials=len(state.trials))
            if refusal is not None:
                raise refusal
            ver, after = tails.get(tid) or self._tail(tid)
            if kind is Queued and decision is None:
                decision = self._digests.of_last_decision(len(state.trials)) if self._chains else b""
            prev = decision if kind is Queued else after
            event = kind(exp=self._exp, tid=tid, ver=ver + 1, id=uuid.uuid4(), at=at, by=by, prev=prev or None, **data)
            if tid is not None:
                trial = evolve(*last[tid]) if tid in last else state.trials.get(tid)
                if why := why_not(trial, event):
                    kind_of_error = ClosedChain if trial is not None and trial.closed_by is not None else InvalidEvent
                    raise kind_of_error(f"{self._exp!r} trial {tid} cannot be {event.type} now: {why}")
                last[tid] = trial, event
            elif issubclass(kind, TrialEvent):
                raise InvalidEvent(f"an event of type {event.type} is of a trial, and no trial was named")
            digest = self.digests[event.id] = digest_event(event, after)
            if self._sound.signatures is not None:
                self._sound.signatures.sign(event, digest, self._chains.get(None, ()))
            tails[tid] = (ver + 1, digest)
            if kind is Queued:
                decision = digest
            events.append(event)
        return events

    def require_open(self, state: State) -> None:
        """Raise `ClosedChain` if the last event of the experiment's own chain cannot be read: it may have ended."""
        if (closed_by := state.closed_by) is not None:
            raise ClosedChain(
                f"experiment {self._exp!r} cannot go on here: {unread(closed_by)}",
                hint=f"update hstore if a newer one wrote it, else see `hstore check {self._exp}`", exp=self._exp,
            )  # fmt: skip
        if (refusal := self._sound.refusal(None)) is not None:
            raise refusal

    def _require_whole(self, pending: Sequence[PendingEvent]) -> None:
        """Raise `ClosedChain` if the experiment is a copy or a fork of which not all has been copied yet.

        And `VerificationFailed` if what began it is gone: nothing may take its place.
        """
        self._sound.require_beginning()
        own = self._chains.get(None)
        if not own or (origin := own[-1].origin) is None or not pending:
            return
        kind, _, data = pending[0]
        if kind is not Forked and not (kind is Noted and "copied" in data):
            raise ClosedChain(
                f"experiment {self._exp!r} is being copied from {origin['exp']!r}, and not whole yet",
                hint="if that was interrupted, type the same `hstore fork` or `hstore copy` again", exp=self._exp,
            )  # fmt: skip

    def _tail(self, tid: Chain) -> tuple[int, bytes]:
        chain = self._chains.get(tid)
        return (len(chain) - 1, self._digests.at(tid, len(chain) - 1)) if chain else (-1, b"")
