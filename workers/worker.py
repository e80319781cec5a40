"""The worker: slots that take trials, a heart that keeps their leases, and the conditions under which it leaves."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.heartbeat import BEATS_PER_LEASE, Heartbeat
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.search.control import conclude_if_complete
from hstore.store.errors import CannotLoad, HstoreError
from hstore.store.events import Cancelled, Done, Failed, Requeued, Reserved
from hstore.store.fold import UNFINISHED
from hstore.store.log import EVERY_TRIAL, ReadCursor
from hstore.store.messages import Log, shown_on_stderr
from hstore.store.store import QUICK_LOOKS, Experiment, Store, now
from hstore.workers.child import Child
from hstore.workers.inline import Inline
from hstore.workers.reaper import Reaper
from hstore.workers.slot import Slot, TrialExecutor

LOG = Log("worker")

DONE, TOO_MANY_FAILURES = 0, 8
TICK = 0.5
"""Seconds between two looks at what is held while something is: a pause or a cancellation is heard of within two."""
IDLE_TICK = 10.0
LAST_WORDS = 3.0
"""Seconds that a worker which must leave now still gives the store to answer."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is told: how much to take, when to leave."""

    experiments: Sequence[str] = ()
    """Those to serve; none: every open one."""
    slots: int = 1
    burst: bool = False
    max_jobs: int | None = None
    max_idle: float | None = None
    max_runtime: float | None = None
    max_consecutive_failures: int | None = None
    trial_timeout: float | None = None
    isolate: str = "process"
    workdir: Path = field(default_factory=Path.cwd)
    objective: str | None = None
    lease: float = 60.0
    grace: float = 10.0
    poll_interval: float = IDLE_TICK
    max_jobs_per_child: int | None = None
    name: str | None = None
    quiet: bool = False
    """Say nothing of coming and going."""
    parent: int | None = None
    """Process without which this one has nothing to do."""


class Worker:
    """Serve a store until the options or a signal end it. `WorkerContext` says what slots ask of it."""

    def __init__(self, store: Store, terms: WorkerOptions) -> None:
        self.store = store
        self.claims = store.claims
        self.terms = terms
        self.session = uuid.uuid4().hex
        self.name = terms.name or f"{socket.gethostname()}:{os.getpid()}"
        self.lease = terms.lease
        self.trial_timeout = terms.trial_timeout
        self.max_jobs_per_child = terms.max_jobs_per_child
        self.heartbeat = Heartbeat(store.claims, self.session, lease=terms.lease)
        self.slots = [Slot(n, self, store.for_thread(), self._evaluator()) for n in range(1, terms.slots + 1)]
        self.code = DONE
        self._why: str | None = None
        self._deadline: float | None = None
        self._gate = threading.Condition()
        self._bell = 0
        self._names: list[str] = []
        self._refused: dict[str, tuple[str, str]] = {}
        self._objective_specs: dict[str, ObjectiveSpec] = {}
        self._jobs = self._asking = 0
        self._served: set[str] = set()
        self._failures = 0
        self._since = now()
        self._last_work = self._began = time.monotonic()
        self._idle: set[int] = set()
        self._is_waiting_for_slots = False
        self._is_news = False
        self._holding: dict[int, tuple[Slot, Reserved]] = {}
        self._lost: dict[uuid.UUID, float] = {}
        self._announced: tuple[float, Any] = (-1e9, None)
        self._failure: BaseException | None = None

    def _take_name(self) -> None:
        """Be there under a name that no other worker has."""
        wanted = self.name
        for n in itertools.count(2):
            if self.claims.take_name(self.name, self.session, self._presence_seconds, self._about()):
                break
            self.name = f"{wanted}~{n}"
        if self.name != wanted:
            self.say(f"a worker named {wanted} is already running; this one is named {self.name}")

    def _evaluator(self) -> TrialExecutor:
        if self.terms.isolate == "none":
            return Inline(self.terms.workdir.resolve())
        return Child(self.terms.workdir.resolve(), echo=_echo)

    # -- what slots ask -----------------------------------------------------------------------------------------

    def experiments(self) -> list[str]:
        """See `WorkerContext`."""
        return self._names

    def may_take(self) -> bool:
        """See `WorkerContext`."""
        with self._gate:
            limit = self.terms.max_jobs
            if self._why is not None or (limit is not None and self._jobs + self._asking >= limit):
                return False
            self._asking += 1
            return True

    def took_none(self) -> None:
        """See `WorkerContext`."""
        with self._gate:
            self._asking -= 1

    def is_leaving(self) -> bool:
        """See `WorkerContext`."""
        return self._why is not None

    def spec(self, experiment: Experiment) -> tuple[str, ObjectiveSpec]:
        """See `WorkerContext`."""
        objective, created = experiment.state.objective, experiment.state.created
        assert created is not None
        key = _key(experiment)
        with self._gate:
            if (known := self._objective_specs.get(key)) is not None:
                return key, known
        if self.terms.objective is not None:
            objective = {name: value for name, value in objective.items() if name != "pickle"}
        spec = objective_spec.fetch(objective, created.space, self.store.attachments)
        if self.terms.objective is not None:
            spec = objective_spec.named(self.terms.objective, spec)
        with self._gate:
            self._objective_specs[key] = spec
        return key, spec

    def refuse(self, experiment: Experiment, error: CannotLoad) -> None:
        """See `WorkerContext`."""
        with self._gate:
            why = f"{error} ({error.hint})" if error.hint else str(error)
            is_news = self._refused.get(experiment.name, ("", ""))[0] != (key := _key(experiment))
            self._refused[experiment.name] = key, why
            self._names = [name for name in self._names if name != experiment.name]
        if is_news:
            self.say(f"skipping {experiment.name!r}: {why}", logging.WARNING, experiment=experiment.name)

    def began(self, slot: Slot, taken: Reserved) -> None:
        """See `WorkerContext`."""
        with self._gate:
            self._asking -= 1
            self._jobs += 1
            self._served.add(taken.exp)
            self._holding[slot.number] = slot, taken
            if self._is_waiting_for_slots:
                self._gate.notify_all()
        self.heartbeat.hold((taken.exp, taken.tid), taken.ver)

    def goes_on(self, taken: Reserved) -> None:
        """See `WorkerContext`."""
        self.claims.extend(self.session, {(taken.exp, taken.tid): taken.ver}, seconds=self.lease)

    def ended(self, slot: Slot, taken: Reserved, kind: str) -> None:
        """See `WorkerContext`."""
        self.heartbeat.let_go((taken.exp, taken.tid))
        with self._gate:
            del self._holding[slot.number]
            self._lost.pop(taken.id, None)
            self._last_work = time.monotonic()
            if kind == "done":
                self._failures = 0
            elif kind != "dropped":
                self._failures += 1
                limit = self.terms.max_consecutive_failures
                if limit is not None and self._failures >= limit:
                    self._leave(f"{self._failures} trials failed in a row", TOO_MANY_FAILURES)

    def say(self, message: str, level: int = logging.INFO, **about: Any) -> None:
        """See `WorkerContext`."""
        LOG.log(level, message, worker=self.name, **about)

    # -- leaving ------------------------------------------------------------------------------------------------

    def _leave(self, why: str, code: int = DONE, *, within: float | None = None) -> None:
        """Take no more; with *within*, release what is under way after so many seconds."""
        with self._gate:
            if self._why is None or (self.code == DONE and code != DONE):  # a worker that drains may be told to stop
                self._why, self.code = why, code
            if within is not None:
                deadline = time.monotonic() + within
                self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
            self._bell += 1
            self._gate.notify_all()

    def stop(self, number: int | None = None) -> None:
        """End as a signal would: the first time within `grace`, the second time at once; USR1 drains. Any thread."""
        with self._gate:
            if number == getattr(signal, "SIGUSR1", None) and number is not None:
                self._leave("told to drain")
            elif self._deadline is None:
                holds = len(self._holding)
                if holds and not self.terms.quiet:
                    grace = f"{self.terms.grace:g} s to finish (send the signal again: at once)"
                    self.say(f"stopping; {holds} running trials have {grace}")
                self._leave("told to stop", 128 + (number or signal.SIGTERM), within=self.terms.grace)
            else:
                self._leave("told to stop", 128 + (number or signal.SIGTERM), within=0.0)

    def _check_terms(self) -> None:
        terms, moment = self.terms, time.monotonic()
        if terms.parent is not None and os.getppid() != terms.parent:
            self._leave("its parent is gone", within=terms.grace)
        if terms.max_runtime is not None and moment - self._began >= terms.max_runtime:
            self._leave(f"worked for {terms.max_runtime:g} s")
        is_idle = not self._holding and not self._asking  # loading an objective for the first time may take long
        if terms.max_idle is not None and is_idle and moment - self._last_work >= terms.max_idle:
            self._leave(f"nothing to do for {terms.max_idle:g} s")
        if terms.max_jobs is not None and is_idle and self._jobs >= terms.max_jobs:
            self._leave(f"took {terms.max_jobs} trials")

    # -- the run ------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until it is time to leave; return the exit code. Raises `HstoreError` if the store refuses us."""
        known = set(self.store.experiments())
        for name in self.terms.experiments:
            if name not in known:
                self.store.experiment(name)  # says so, and which one may have been meant
        self._look_at_experiments()
        self._take_name()
        if not self.terms.quiet:
            self.say(f"worker {self.name} serves {self._what()} of {self.store.url}")
        heart = threading.Thread(target=self._guarded, args=(self._beat,), name="heart", daemon=True)
        threads = [
            threading.Thread(target=self._guarded, args=(self._serve, slot), name=f"slot-{slot.number}", daemon=True)
            for slot in self.slots
        ]
        for thread in (*threads, heart):
            thread.start()
        while any(thread.is_alive() for thread in threads):
            with self._gate:
                self._gate.wait(0.2)
            self._check_terms()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                for slot in self.slots:
                    slot.interrupt()  # again and again: one may just have begun
                if time.monotonic() >= self._deadline + LAST_WORDS:
                    if self._holding:
                        self.say("the store does not answer; the leases of running trials will expire", logging.WARNING)
                    break
        self._leave("done")
        self.heartbeat.stop()
        for slot in self.slots:
            slot.evaluator.close()
        if self._failure is not None:
            raise self._failure
        if self.terms.burst and self.code == DONE:
            self._conclude()
        self._say_goodbye()
        return self.code

    def _what(self) -> str:
        named = self.terms.experiments
        if named:
            return ", ".join(named)
        return "every open experiment" + (f" (now {', '.join(self._names)})" if self._names else " (none yet)")

    def _conclude(self) -> None:
        """Record the end of searches that were seen through here: there may be no driver, and no worker that stays."""
        for name in sorted(self._served):
            counts, _ = self.store.models.counts(name)
            if not UNFINISHED & set(counts):
                conclude_if_complete(Experiment(self.store, name))

    def _say_goodbye(self) -> None:
        timeout, self.store.timeout = self.store.timeout, 0.0
        try:
            self.claims.leave(self.name, self.session)
        except HstoreError:
            pass  # its presence lapses by itself
        finally:
            self.store.timeout = timeout
        if not self.terms.quiet:
            self.say(f"worker {self.name} exiting: {self._why} (trials taken: {self._jobs})")

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run a thread's *work*; what it cannot handle ends the worker, and is raised there."""
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised again in `run`
            self._failure = self._failure or error
            self._leave("it failed", within=0.0)

    def _serve(self, slot: Slot) -> None:
        while True:
            with self._gate:
                rung = self._bell
            has_worked = slot.serve()
            if (has_worked or self._is_news) and self._look_quickly(slot):
                continue
            with self._gate:
                if self._why is not None:
                    return
            if self.terms.burst and not self._is_anything_left():
                return
            with self._gate:
                if self._bell != rung:
                    continue
                self._idle.add(slot.number)
                self._gate.notify_all()
                while self._bell == rung and self._why is None:
                    self._gate.wait(1.0)
                self._idle.discard(slot.number)

    def _look_quickly(self, slot: Slot) -> bool:
        """Look for the next trial a few times more before going to sleep; return whether there was one."""
        for pause in QUICK_LOOKS:
            if self._why is not None:
                return False
            with self._gate:
                self._gate.wait(pause)
            if slot.serve():
                return True
        return False

    def _is_anything_left(self) -> bool:
        names = self.experiments()
        return bool(names) and self.claims.is_anything_queued(names)

    # -- the heart ----------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Look after everything that is not the trial itself, until the worker leaves."""
        house = Reaper(self.store.for_thread(), lease=self.lease)
        news = self.claims.wakeups()
        next_look = next_names = next_offer = 0.0
        keeps_house = False
        is_watching = False  # over what others hold: a lease that is over shall not wait for us to wake up
        while self._why is None or self._holding:
            with self._gate:
                is_idle, is_busy = bool(self._idle), len(self._idle) < len(self.slots)
            is_busy = is_busy or self._about() != self._announced[1]  # what it has refused, say
            tick = min(TICK, self.lease / 4) if is_busy or self.terms.burst else self.terms.poll_interval
            if is_watching:
                tick = min(tick, max(TICK, self.lease / 4))
            if not is_idle or self._why is not None:
                news.close()
                with self._gate:
                    if bool(self._idle) == is_idle:  # else a slot has rung before anybody listened
                        self._gate.wait(tick)
            else:
                self._is_news = news.wait(tick)  # a hint, and no more: when a ticket lapses nobody hears of it
                self._ring()
                self._wait_for_slots()
                if not self._names:  # it may be the first experiment, whose trials nobody asks for yet
                    next_look = 0.0
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + min(tick, TICK)
                if is_busy or self._is_news or time.monotonic() >= next_names:  # of changes the bell tells
                    self._look_at_experiments()
                    next_names = time.monotonic() + 1.5 * tick
                self._look_at_held()
                self._announce()
                if keeps_house or time.monotonic() >= next_offer:
                    keeps_house = self.claims.elect_reaper(self.session, seconds=max(1.5 * tick, 5.0))
                    next_offer = time.monotonic() + 3 * tick  # whoever does it now will go on doing it
                is_watching = keeps_house and house.keep(self._names)
        news.close()

    def _ring(self) -> None:
        with self._gate:
            self._bell += 1
            self._idle.clear()
            self._gate.notify_all()

    def _wait_for_slots(self) -> None:
        """Wait until each slot has answered the bell: who holds a trial is looked after, who holds none can wait."""
        with self._gate:
            self._is_waiting_for_slots = True
            self._gate.wait_for(lambda: len(self._idle) + len(self._holding) >= len(self.slots) or self._why, TICK)
            self._is_waiting_for_slots = False

    def _look_at_experiments(self) -> None:
        found = self.store.models.open_experiments()
        wanted = self.terms.experiments
        names = [name for name in found if not wanted or name in wanted]
        for name in [name for name in names if name in self._refused]:
            experiment = Experiment(self.store, name, only=())
            experiment.refresh()
            if _key(experiment) == self._refused[name][0]:
                names.remove(name)
            else:
                del self._refused[name]
        with self._gate:
            is_more = set(names) - set(self._names)
            self._names = names
            for slot, taken in self._holding.values():
                slot.is_unwanted = slot.is_unwanted or taken.exp not in found
        if is_more:
            self._ring()

    def _look_at_held(self) -> None:
        """Find out which trials were taken from us, or are wanted no more."""
        with self._gate:
            holding = list(self._holding.values())
        by_experiment: dict[str, dict[int, tuple[Slot, Reserved]]] = defaultdict(dict)
        for slot, taken in holding:
            by_experiment[taken.exp][taken.tid] = slot, taken
        for exp, trials in by_experiment.items():
            known = ReadCursor(
                header=EVERY_TRIAL, last=EVERY_TRIAL, open={tid: taken.ver for tid, (_, taken) in trials.items()}
            )
            for event in self.store.log.read(exp, known):
                if isinstance(event, (Requeued, Cancelled, Failed, Done)) and event.by != trials[event.tid][1].by:
                    self._lose(*trials[event.tid])
        now_ = time.monotonic()
        for slot, taken in holding:
            if now_ - self._lost.get(taken.id, now_) >= self.terms.grace:
                slot.lose(taken)

    def _lose(self, slot: Slot, taken: Reserved) -> None:
        """Tell the objective that its trial is not ours any more; it may end by itself for `grace` seconds."""
        if taken.id not in self._lost:
            self._lost[taken.id] = time.monotonic()
            slot.is_unwanted = True
            self.say(
                f"trial {taken.tid} of {taken.exp!r} was reassigned to another worker",
                logging.WARNING,
                experiment=taken.exp,
                trial=taken.tid,
            )

    @property
    def _presence_seconds(self) -> float:
        return max(self.lease, 3 * self.terms.poll_interval)

    def _about(self) -> dict[str, Any]:
        """Return what others may want to know of this worker."""
        with self._gate:
            holds = [{"exp": taken.exp, "tid": taken.tid, "since": taken.at} for _, taken in self._holding.values()]
            names, state = self._names, "leaving" if self._why else "busy" if holds else "idle"
        return {
            "host": socket.gethostname(), "pid": os.getpid(), "slots": len(self.slots), "since": self._since,
            "experiments": names, "holds": holds, "state": state,
            "refused": [{"exp": exp, "why": why} for exp, (_, why) in self._refused.items()],
        }  # fmt: skip

    def _announce(self) -> None:
        about, seconds = self._about(), self._presence_seconds
        at, before = self._announced
        moment = time.monotonic()
        if moment - at >= seconds / BEATS_PER_LEASE or (about != before and moment - at >= TICK):
            self.claims.announce(self.name, self.session, seconds, about)
            self._announced = moment, about


def _key(experiment: Experiment) -> str:
    """Return what tells the objective of *experiment* from all others."""
    objective = experiment.state.objective
    pickle = (objective.get("pickle") or {}).get("sha256", b"")
    return f"{experiment.name} {objective.get('ref')} {objective.get('version')} {pickle.hex()}"


def _echo(chunk: bytes) -> None:
    """Pass on what an objective prints."""
    with contextlib.suppress(OSError):  # nobody reads it
        os.write(1, chunk)


class _Told(BaseException):
    """A signal that came before there was a worker to stop."""


def serve(url: str | None, terms: WorkerOptions) -> int:
    """See `hstore.workers.run`."""
    from hstore.store.open_store import open_store

    worker: Worker | None = None

    def heard(number: int, _: FrameType | None) -> None:
        if worker is None:
            raise _Told(number)
        # Not in the handler itself, which may have interrupted whoever holds the lock that it needs.
        threading.Thread(target=worker.stop, args=(number,), daemon=True).start()

    with shown_on_stderr(), _listening(heard):
        try:
            store = open_store(url, patience=math.inf)
        except _Told as told:
            return 128 + int(told.args[0])
        with store:
            worker = Worker(store, terms)
            return worker.run()


@contextlib.contextmanager
def _listening(heard: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have *heard* called for the signals that tell a worker to leave, where Python lets that be: the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32":
        numbers.append(signal.SIGUSR1)
    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
