"""The worker: slots that evaluate trials, a maintenance loop beside them, and the conditions under which it exits."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any

from hstore.engine.evaluation.heartbeat import Heartbeat
from hstore.engine.evaluation.objective_change import SHOWN
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.search.control import conclude_if_complete
from hstore.engine.search.failure_watch import where_to_look
from hstore.store.claims import TrialKey
from hstore.store.errors import CannotLoad, ClosedChain, ExperimentRemoved, HstoreError, StoreRewound, StoreUnreachable
from hstore.store.events import Reserved
from hstore.store.experiment import Experiment, now
from hstore.store.fold import UNFINISHED
from hstore.store.indigestible import refusal
from hstore.store.messages import Log
from hstore.store.polling import QUICK_LOOKS
from hstore.store.store import Store
from hstore.workers.child import Child
from hstore.workers.crowd import Crowd
from hstore.workers.held_trials import HeldTrials
from hstore.workers.idle_slots import IdleSlots
from hstore.workers.inline import Inline
from hstore.workers.leaving import DONE, NOT_FOUND, NOTHING_LOADED, Leaving
from hstore.workers.maintenance import MaintenanceLoop
from hstore.workers.presence import Presence
from hstore.workers.served_experiments import ServedExperiments
from hstore.workers.slot import Slot
from hstore.workers.trial_executor import TrialExecutor
from hstore.workers.worker_context import Interruptible
from hstore.workers.worker_options import WorkerOptions

LOG = Log("worker")

LAST_SECONDS = 3.0
"""How long a worker that has to exit now still waits for the store to answer."""


class Worker:
    """Serve a store until the options or a signal end it. `WorkerContext` says what slots ask of it."""

    def __init__(self, store: Store, options: WorkerOptions) -> None:
        self.store = store
        self.options = options
        self.session = uuid.uuid4().hex
        self.lease = options.lease
        self.trial_timeout = options.trial_timeout
        self.max_jobs_per_child = options.max_jobs_per_child
        self._since = now()
        self._failure: BaseException | None = None
        self._evaluated: set[str] = set()
        self._other_code: dict[str, tuple[str | None, str | None]] = {}
        self._left: dict[TrialKey, str] = {}
        """Queued trials that are left as they are, and why."""
        self._gate = gate = threading.Condition()
        self._idle = IdleSlots(gate, options.slots)
        self._leaving = Leaving(options, gate, on_leave=self._idle.wake)
        self._crowd = Crowd(store.claims)
        heartbeat = Heartbeat(store.claims, self.session, lease=options.lease, stretch=self._crowd.stretch)
        self._held = HeldTrials(
            gate, heartbeat, grace=options.grace
        )  # fmt: skip
        self._served = ServedExperiments(
            store, options.experiments, gate, objective=options.objective, force=options.force
        )
        self._presence = Presence(
            store.claims, self.session, options.name or f"{socket.gethostname()}:{os.getpid()}",
            seconds=max(options.lease, 3 * options.poll_interval), about=self._about, crowd=self._crowd,
        )  # fmt: skip
        self.slots = [Slot(n, self, store.for_thread(), self._executor()) for n in range(1, options.slots + 1)]
        self._maintenance = MaintenanceLoop(
            self, store, options, gate,
            served=self._served, held=self._held, idle=self._idle, leaving=self._leaving, presence=self._presence,
            crowd=self._crowd,
        )  # fmt: skip

    def _executor(self) -> TrialExecutor:
        if self.options.isolate == "none":
            return Inline(self.options.workdir.resolve())
        return Child(self.options.workdir.resolve(), echo=_echo)

    @property
    def name(self) -> str:
        """What the log and other workers know it by."""
        return self._presence.name

    def experiments(self) -> list[str]:
        """See `WorkerContext`."""
        return self._served.names

    def may_take(self) -> bool:
        """See `WorkerContext`."""
        return self._leaving.may_take()

    def took_none(self) -> None:
        """See `WorkerContext`."""
        self._leaving.took_none()

    def is_leaving(self) -> bool:
        """See `WorkerContext`."""
        return self._leaving.why is not None

    def spec(self, experiment: Experiment) -> tuple[str, ObjectiveSpec]:
        """See `WorkerContext`."""
        return self._served.spec(experiment)

    def refuse(self, experiment: Experiment, error: HstoreError) -> None:
        """See `WorkerContext`. A worker for this experiment alone exits, unless it may be mended while it waits.

        One of several exits once it is idle if the store has lost events: a new one continues from what it holds.
        """
        name = experiment.name
        is_new = self._served.skip(experiment, error)
        if self.options.experiments == (name,) and not isinstance(error, CannotLoad):
            self._failure = self._failure or error
            self._leaving.leave("it failed", within=0.0)
        elif is_new:
            self.say(f"skipping {name!r}: {self._served.skipped[name]}", logging.WARNING, experiment=name)
        is_loss = isinstance(error, StoreRewound) and not isinstance(error, ExperimentRemoved)
        if is_loss and not self.options.burst:
            self._leaving.leave_when_idle(f"the store lost events of {name!r}", error.exit_code)

    def refuse_all_of(self, name: str, error: HstoreError) -> None:
        """See `WorkerContext`."""
        self.refuse(Experiment(self.store, name, only=()), error)

    def loaded(self, experiment: Experiment, spec: ObjectiveSpec, version: str | None) -> None:
        """See `WorkerContext`. Warns once if the code is not that of the search: its losses may mean something else."""
        name, here = experiment.name, platform.python_version()
        if None in (version, spec.version) or version == spec.version or spec.python not in (None, here):
            return  # of another Python the same code has another version
        with self._gate:
            is_new = self._other_code.get(name) != (spec.version, version)
            self._other_code[name] = spec.version, version
        if is_new:
            self.say(
                f"the code of {spec.name} is not the same here as where {name!r} was begun or continued "
                f"(version {str(version)[:SHOWN]}, not {str(spec.version)[:SHOWN]}); its losses may not compare",
                logging.WARNING, experiment=name,
            )  # fmt: skip

    def leave_closed(self, experiment: Experiment, tid: int, why: str) -> None:
        """See `WorkerContext`."""
        key = experiment.name, tid
        with self._gate:
            is_new = self._left.get(key) != why
            self._left[key] = why
        if is_new:
            message = f"trial {tid} of {experiment.name!r} is left as it is: {why}"
            self.say(message, logging.WARNING, experiment=experiment.name, trial=tid)

    def began(self, slot: Interruptible, taken: Reserved) -> None:
        """See `WorkerContext`."""
        with self._gate:
            self._leaving.take()
            self._evaluated.add(taken.exp)
            self._held.add(slot, taken)
        self._idle.note_busy()

    def goes_on(self, taken: Reserved) -> None:
        """See `WorkerContext`."""
        self.store.claims.extend(self.session, {(taken.exp, taken.tid): taken.ver}, seconds=self.lease)

    def ended(self, slot: Interruptible, taken: Reserved, kind: str) -> None:
        """See `WorkerContext`."""
        self._held.remove(slot, taken)
        self._leaving.count_end(kind)

    def failed(self, taken: Reserved, failure: str, *, is_tried_again: bool) -> None:
        """See `WorkerContext`. A worker that belongs to a call of fmin leaves that to it."""
        if self.options.parent is None:
            after = ("; it will be tried again" if is_tried_again else "") + where_to_look(taken.exp, taken.tid)
            message = f"trial {taken.tid} of {taken.exp!r} failed: {failure}{after}"
            self.say(message, logging.WARNING, experiment=taken.exp, trial=taken.tid)

    def say(self, message: str, level: int = logging.INFO, **about: Any) -> None:
        """See `WorkerContext`."""
        LOG.log(level, message, worker=self.name, **about)

    def stop(self, number: int | None = None) -> None:
        """Stop as signal *number* would: the first time within `grace`, the second time at once; USR1 drains.

        Any thread may call this.
        """
        with self._gate:
            seconds = self._leaving.stop(number)
            if seconds and self._held and not self.options.quiet:
                trials = "1 running trial" if len(self._held) == 1 else f"{len(self._held)} running trials"
                self.say(f"stopping; {trials} may end within {seconds:g} s (send the signal again: at once)")

    def run(self) -> int:
        """Serve until it is time to exit; return the exit code. Raises `HstoreError` if the store refuses access."""
        try:
            return self._run()
        except BaseException:
            self._leave()
            raise
        finally:
            for slot in self.slots:
                slot.evaluator.close()

    def _run(self) -> int:
        self._require_experiments()
        self._maintenance.look_at_experiments()
        wanted = self.name
        self._presence.enter()
        if self.name != wanted:
            self.say(f"a worker named {wanted} is already running; this one is named {self.name}")
        if not self.options.quiet:
            self.say(f"worker {self.name} serves {self._what()} of {self.store.url}")
        slots = [self._started(f"slot-{slot.number}", self._serve, slot) for slot in self.slots]
        self._started("maintenance", self._maintenance.run)
        self._wait_for(slots)
        self._leaving.leave("nothing is queued")
        self._held.heartbeat.stop()
        for slot in self.slots:
            slot.evaluator.close()
        if self._failure is not None:
            raise self._failure
        if self.options.burst and self._leaving.code == DONE:
            self._conclude()
            if self._failure is not None:
                raise self._failure
        if not self._leaving.is_told:
            self._look_once_more()
        code = self._code()
        self._say_goodbye()
        return code

    def _require_experiments(self) -> None:
        """Raise `NotFound` for an experiment that does not exist, unless such are waited for."""
        for name in self._served.find_missing():
            if not self.options.wait:
                self.store.experiment(name)  # its message names the one that may have been meant
            if not self.options.quiet:
                self.say(f"waiting for experiment {name!r} to be created", experiment=name)

    def _started(self, name: str, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(work, *arguments), name=name, daemon=True)
        thread.start()
        return thread

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run a thread's *work*; an exception in it ends the worker, and `run` raises it."""
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised again in `run`
            self._failure = self._failure or error
            self._leaving.leave("it failed", within=0.0)

    def _wait_for(self, slots: list[threading.Thread]) -> None:
        """Wait for the threads of the slots; abort what they evaluate when its time is up."""
        while any(thread.is_alive() for thread in slots):
            with self._gate:
                self._gate.wait(0.2)
            self._leaving.check(holds=bool(self._held))
            overdue = self._leaving.seconds_overdue()
            if overdue is None:
                continue
            for slot in self.slots:
                slot.interrupt()  # each time: a slot may just have started a trial
            if overdue >= LAST_SECONDS:
                if self._held:
                    self.say("the store does not answer; the leases of running trials will expire", logging.WARNING)
                break

    def _serve(self, slot: Slot) -> None:
        """Evaluate trials in *slot* until the worker leaves."""
        while True:
            wakeups = self._idle.wakeups
            has_worked = slot.serve()
            if (has_worked or self._maintenance.has_news) and self._look_quickly(slot):
                continue
            if self.is_leaving() or (self.options.burst and not self._is_anything_left()):
                return
            self._idle.sleep(slot.number, wakeups=wakeups, until=self.is_leaving)

    def _look_quickly(self, slot: Slot) -> bool:
        """Look for the next trial a few times more before going to sleep; return whether there was one."""
        for pause in QUICK_LOOKS:
            if self.is_leaving():
                return False
            with self._gate:
                self._gate.wait(pause)
            if slot.serve():
                return True
        return False

    def _is_anything_left(self) -> bool:
        names = self.experiments()
        with self._gate:
            left = list(self._left)
        return bool(self._served.missing) or (bool(names) and self.store.claims.is_anything_queued(names, but=left))

    def _code(self) -> int:
        """Return the exit code; a worker that took no trial although it was not told to stop says why in it."""
        leaving = self._leaving
        if leaving.code == DONE and not leaving.jobs and not leaving.is_told:
            if self._served.skipped:
                leaving.why = f"{leaving.why}, and no objective could be loaded"
                return NOTHING_LOADED
            if self._left:
                leaving.why = f"{leaving.why} that this program can read"
                return ClosedChain.exit_code
            if self._served.missing:
                return NOT_FOUND
        return leaving.code

    def _what(self) -> str:
        if self.options.experiments:
            return ", ".join(self.options.experiments)
        names = self.experiments()
        return "every open experiment" + (f" (now {', '.join(names)})" if names else " (none yet)")

    def _conclude(self) -> None:
        """Record the end of the searches that were completed here: they may have no driver, and no other worker."""
        for name in sorted(self._evaluated):
            counts, _ = self.store.models.counts(name)
            if not UNFINISHED & set(counts):
                experiment = Experiment(self.store, name)
                try:
                    conclude_if_complete(experiment)
                except Exception as error:
                    if (refused := refusal(name, error)) is None:
                        raise
                    self.refuse(experiment, refused)

    def _look_once_more(self) -> None:
        """Raise `StoreRewound` if the store has lost what was written last: there is no later look to tell."""
        timeout, self.store.timeout = self.store.timeout, 0.0
        try:
            for name in sorted(self._evaluated):
                Experiment(self.store, name, only=()).refresh()
        except StoreUnreachable:
            pass
        finally:
            self.store.timeout = timeout

    def _leave(self) -> None:
        timeout, self.store.timeout = self.store.timeout, 0.0
        try:
            self._presence.leave()
        except HstoreError:
            pass  # its entry lapses by itself
        finally:
            self.store.timeout = timeout

    def _say_goodbye(self) -> None:
        self._leave()
        if not self.options.quiet:
            trials = "1 trial" if self._leaving.jobs == 1 else f"{self._leaving.jobs} trials"
            self.say(f"worker {self.name} exiting: {self._leaving.why} ({trials})")

    def _about(self) -> dict[str, Any]:
        """Return what the worker's entry says of it."""
        with self._gate:
            holds = [{"exp": claim.exp, "tid": claim.tid, "since": claim.at} for claim in self._held.claims]
            names, state = self._served.names, "leaving" if self.is_leaving() else "busy" if holds else "idle"
            skipped = [{"exp": exp, "why": why} for exp, why in self._served.skipped.items()]
        return {
            "host": socket.gethostname(), "pid": os.getpid(), "slots": len(self.slots), "since": self._since,
            "experiments": names, "holds": holds, "state": state, "refused": skipped,
        }  # fmt: skip


def _echo(chunk: bytes) -> None:
    """Pass on what an objective prints."""
    with contextlib.suppress(OSError):  # the reader has gone
        os.write(1, chunk)
