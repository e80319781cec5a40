"""The parallel search: decides, keeps the queue filled, and waits for workers on any machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from hstore.engine.search import control
from hstore.engine.search.driver import Driver
from hstore.engine.search.local_workers import LocalWorkers
from hstore.store.errors import CannotLoad

WAIT_SECONDS = 1.0
ROUNDS_SECONDS, LONGEST_ROUND, MOST_AHEAD = 0.2, 0.1, 200
"""How often it is estimated how far ahead to queue; the longest time around that counts, and the most trials."""
AGAIN_SECONDS = 0.01
"""How long news keep the queue, half full, from being filled: as long as they come that fast."""
LOOK_SECONDS = 1.0
"""How old what is known of the workers may be."""
FIRST_WORD, LONGEST_SILENCE = 5.0, 600.0
"""Seconds without news after which a message says what fmin waits for; it comes again after ever longer times."""


@dataclass(kw_only=True)
class ParallelDriver(Driver):
    """A search whose trials workers evaluate: any number, on this machine and others, coming and going."""

    team: LocalWorkers | None = None
    """Workers of its own."""
    grace: float = 10.0
    """Seconds that trials under way get to end when the search ends early; then they are cancelled."""
    _workers: list[dict[str, Any]] = field(default_factory=list)
    _looked: float = -1e9
    _ended: int = 0
    _spoke: float = 0.0
    _silence: float = FIRST_WORD
    _is_paused: bool = False
    _since: float = 0.0
    _ended_before: int = 0
    _rounds: int = 0
    _deciding: float = 0.0
    _lead: int = 0

    def run(self) -> str:
        """See `Driver.run`."""
        began = time.monotonic()
        self._refresh()
        self.experiment.repair()
        self.decide_as_source()
        self._ended = self.experiment.state.ended
        self._hear()
        while (why := self._reason_to_stop(began)) is None:
            if self.team is not None:
                self.team.ensure_running()
            self._look_at_workers()
            if not self._fill_queue():
                self._wait(began)
            self._take_in_ends()
        if why in ("timeout", "loss_threshold", "early_stop", "max_consecutive_failures"):
            self._end_early(why)
        return why

    def _reason_to_stop(self, began: float) -> str | None:
        if why := super()._reason_to_stop(began):
            return why
        state = self.experiment.state
        if state.awaited or state.status == "paused":
            return None
        if len(state.trials) >= self.limits.max_evals:
            return "max_evals"
        return "exhausted" if self._is_exhausted else None

    def _fill_queue(self) -> bool:
        """Append as many decisions as the queue lacks; return whether there may be more to do at once."""
        if self.experiment.state.status != "open" or self._is_exhausted:
            return False
        slots = sum(worker["slots"] for worker in self._workers)
        length = self.limits.max_queue_len or max(slots, self.team.size if self.team else 0) + 1 + self._ahead()
        queued = len(self._queued())
        if length // 2 < queued < length and self.experiment.poll(AGAIN_SECONDS):
            return True  # the later a decision, the more it knows, and several cost little more than one
        first, size = self._batch(length - queued)
        began = time.monotonic()
        pending = self._decisions(first, size) if size else []
        self._deciding += time.monotonic() - began
        if not pending:
            self._is_exhausted = bool(size) and not (self._repeats and self.experiment.state.open)
            return False
        self._rounds += 1
        if self._try(pending):
            self._is_first_decision = False
        return True

    def _ahead(self) -> int:
        """Return how many trials end while this driver goes once around, twice over: none of them is waited for then.

        That is none where trials take longer. Making decisions does not count: more at a time would take longer still.
        """
        now = time.monotonic()
        if (spent := now - self._since) >= ROUNDS_SECONDS:
            around = min((spent - self._deciding) / max(self._rounds, 1), LONGEST_ROUND)
            self._lead = min(int(2 * around * (self._ended - self._ended_before) / spent), MOST_AHEAD)
            self._since, self._ended_before, self._rounds, self._deciding = now, self._ended, 0, 0.0
        return self._lead

    def _wait(self, began: float) -> None:
        seconds = WAIT_SECONDS
        if self.limits.timeout is not None:
            seconds = min(seconds, max(0.01, began + self.limits.timeout - time.monotonic()))
        self.experiment.poll(seconds)

    def _take_in_ends(self) -> None:
        """Report trials that ended to the progress bar and the early-stop function."""
        ended = self.experiment.state.ended
        self.failures.look()
        if ended > self._ended:
            for _ in range(ended - self._ended):
                self.on_progress(self.experiment)
            self._ask_early_stop()
            self._hear()
        self._ended = ended
        self._say_what_is_waited_for()

    # -- ending early -----------------------------------------------------------------------------------------

    def _end_early(self, why: str) -> None:
        """Start no more trials; give those that run *grace* seconds, then cancel them."""
        outcome = control.stop(self.experiment, why, now=self.grace <= 0)
        deadline = time.monotonic() + self.grace
        while self.experiment.state.awaited and (left := deadline - time.monotonic()) > 0:
            self._say_that_it_ends(outcome.running)
            self.experiment.poll(min(left, WAIT_SECONDS))
            self._take_in_ends()
        if self.experiment.state.awaited:
            self._say_that_it_ends((), cancels=True)
            control.stop(self.experiment, why, now=True)
        self._take_in_ends()

    def _say_that_it_ends(self, running: tuple[int, ...], *, cancels: bool = False) -> None:
        if cancels:
            self._warn(f"cancelling what is still running: {self._held()}")
        elif running and self._silence:
            self._silence = 0.0
            self._inform(f"the search ends; {len(running)} running trials have {self.grace:g} s to finish")

    # -- what is waited for -----------------------------------------------------------------------------------

    def _hear(self) -> None:
        self._spoke, self._silence = time.monotonic(), FIRST_WORD

    def _look_at_workers(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        known = self.experiment.store.claims.workers()
        self._workers = [worker for worker in known if self.experiment.name in worker["experiments"]]
        self._refuse_to_wait_for(known)

    def _refuse_to_wait_for(self, known: list[dict[str, Any]]) -> None:
        """Raise `CannotLoad` if all workers of our own cannot load the objective: no trial would ever be taken."""
        if self.team is None or self._workers:
            return
        mine = {worker["_id"]: worker for worker in known if worker["_id"] in self.team.names}
        whys = [r["why"] for worker in mine.values() for r in worker["refused"] if r["exp"] == self.experiment.name]
        if len(whys) == self.team.size:
            raise CannotLoad(f"no worker can load the objective: {whys[0]}")

    def _say_what_is_waited_for(self) -> None:
        state = self.experiment.state
        if (state.status == "paused") is not self._is_paused:
            self._is_paused = state.status == "paused"
            name = self.experiment.name
            self._inform(
                f"{name!r} is paused; continue with `hstore resume {name}`" if self._is_paused else f"{name!r} goes on"
            )
        if self._silence == 0 or self._is_paused or time.monotonic() - self._spoke < self._silence:
            return
        self._spoke, self._silence = time.monotonic(), min(self._silence * 6, LONGEST_SILENCE)
        if self._workers:
            held = self._held()
            self._inform(f"waiting for {held}" if held else f"waiting for {len(self._workers)} workers to start")
        else:
            self._warn(f"no worker is connected to {self.experiment.name!r}; start one: {self._command()}")

    def _held(self) -> str:
        trials = self.experiment.state.trials
        held = [
            f"trial {tid} at {taken.worker} since {taken.at:%H:%M:%S} UTC"
            for tid in self.experiment.state.awaited
            if (taken := trials[tid].reserved) is not None
        ]
        return ", ".join(held[:4]) + (f" and {len(held) - 4} more" if len(held) > 4 else "")

    def _command(self) -> str:
        store = self.experiment.store
        is_default = store.server is not None or store.uri == os.environ.get("HSTORE_URL")
        where = "" if is_default else f"--store {store.url!r} "
        return f"hstore {where}worker {self.experiment.name}"
