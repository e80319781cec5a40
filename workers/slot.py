"""A slot: one trial at a time, from ticket to end. A worker has as many as it is told to."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.ctrl import TrialCtrl, inject
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.evaluation.pruning import PruningSession
from hstore.store.claims import TrialKey
from hstore.store.errors import CannotLoad, Conflict
from hstore.store.events import RELEASED, Done, Requeued, Reserved, Running
from hstore.store.fold import Trial
from hstore.store.store import Experiment, PendingEvent, Store
from hstore.workers.child import MOMENT, Outcome

TICKET_SECONDS = 5.0
QUICK, MOST_AT_ONCE = 0.005, 4
"""Seconds that a trial may take for more of them to be claimed at once, and how many those are."""


_Behind: TypeAlias = tuple[Reserved | None, PendingEvent]
"""What is to be appended, and the claim that it goes behind; None if it is a claim itself."""


class TrialExecutor(Protocol):
    """What calls objectives: a child process, or this one."""

    jobs: int

    @property
    def pid(self) -> int:
        """The process in which objectives are called."""

    def has(self, key: str) -> bool:
        """Return whether `load` has nothing to do for *key*."""

    def load(self, key: str, spec: ObjectiveSpec) -> str | None:
        """Make *spec* ready under *key*; return the version of its code. Raises `CannotLoad`."""

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> Outcome:  # fmt: skip
        """Call it; *serve* answers what it asks for; *on_long* is called once if it takes longer than a moment."""

    def abort(self, why: str) -> None:
        """End the call that is under way, if that can be done."""

    def clear_abort(self) -> None:
        """Forget a `drop` that came when there was nothing left to drop."""

    def stop(self) -> None:
        """Begin with a new process at the next call."""

    def close(self) -> None:
        """Let go of everything."""


class WorkerContext(Protocol):
    """What a slot asks of its worker, from its own thread."""

    name: str
    session: str
    lease: float
    trial_timeout: float | None
    max_jobs_per_child: int | None

    def experiments(self) -> list[str]:
        """Return the names of the experiments to take trials of."""

    def may_take(self) -> bool:
        """Return whether one more trial is to be taken; whoever then takes none says so with `took_none`."""

    def took_none(self) -> None:
        """Give back what `may_take` allowed."""

    def is_leaving(self) -> bool:
        """Return whether nothing more is to be begun."""

    def spec(self, experiment: Experiment) -> tuple[str, ObjectiveSpec]:
        """Return the key and the spec of the objective of *experiment*. Raises `CannotLoad`."""

    def refuse(self, experiment: Experiment, error: CannotLoad) -> None:
        """Serve *experiment* no more while its objective is what it is."""

    def began(self, slot: Slot, taken: Reserved) -> None:
        """Hear that *slot* holds a trial."""

    def goes_on(self, taken: Reserved) -> None:
        """Hear that the trial takes longer than a moment: it needs a lease."""

    def ended(self, slot: Slot, taken: Reserved, kind: str) -> None:
        """Hear that it holds it no more, and how that came."""

    def say(self, message: str, level: int = logging.INFO, **about: Any) -> None:
        """Log *message*; about: the experiment and the trial that it is about."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial that this slot has claimed."""

    experiment: Experiment
    taken: Reserved
    key: str
    version: str | None
    """Of the objective's code."""

    @property
    def key_(self) -> TrialKey:
        """Experiment and tid."""
        return self.taken.exp, self.tid

    @property
    def tid(self) -> int:
        """The trial."""
        assert self.taken.tid is not None
        return self.taken.tid

    @property
    def has_begun(self) -> bool:
        """Whether the log says that it is being evaluated."""
        is_reserved = self.experiment.state.trials[self.tid].state == "reserved"
        return not (is_reserved and attempt.is_held(self.experiment, self.taken))


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the attempt at a trial ended, not yet in the log: it goes there together with the next claims."""

    work: Work
    pending: list[PendingEvent]


class Slot:
    """Takes trials one after the other. All of it runs in one thread, but for `interrupt` and `lose`.

    Where trials take less time than the store takes to hand them out, it claims several at once. Such a trial is
    reserved until its turn comes; what the log is to hear of it goes there with the next claims, or as soon as one of
    them takes longer than a moment, and then those that wait are put back for others.
    """

    def __init__(self, number: int, worker: WorkerContext, store: Store, evaluator: TrialExecutor) -> None:
        self.number = number
        self.worker = worker
        self.store = store
        self.evaluator = evaluator
        self.work: Work | None = None
        self.is_unwanted = False
        """What the objective hears when it asks whether it should stop."""
        self._why_dropped = ""
        self._experiments: dict[str, Experiment] = {}
        self._referees: dict[str, PruningSession] = {}
        self._shown = 0.0
        self._waiting: deque[Work] = deque()
        self._endings: list[Ending] = []
        self._at_once = 1
        self._is_quick = False
        self._begun: PendingEvent

    # -- what other threads say -------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Have what is under way end now, to be tried again."""
        self._why_dropped = "interrupted"
        self.evaluator.abort("interrupted")

    def lose(self, taken: Reserved) -> None:
        """Have what is under way end now: the trial was taken from this slot."""
        work = self.work
        if work is not None and work.taken.id == taken.id and not self._why_dropped:
            self._why_dropped = "taken"
            self.evaluator.abort("taken")

    # -- the loop ---------------------------------------------------------------------------------------------

    def serve(self) -> bool:
        """Take trials until there is none or no more is wanted; return whether there was any."""
        any_taken = False
        while self._take():
            any_taken = True
            while self._waiting:
                self._evaluate(self._waiting.popleft())
        if self.store.models is not None:
            self.store.models.flush()
        return any_taken

    def _take(self) -> bool:
        """Claim what comes next, and record what has ended, in one append where that can be; return if there is any."""
        while keys := self._tickets():
            name = keys[0][0]
            if self._endings and self._endings[0].work.taken.exp != name:
                self._record()
            claimed = self._claim(name, [tid for _, tid in keys])
            for _ in range(len(keys) - claimed):
                self.worker.took_none()
            if claimed:
                return True
        self._record()
        return False

    def _tickets(self) -> list[TrialKey]:
        """Return trials, of one experiment, that nobody else is about to take."""
        assert self.store.claims is not None
        names, limit = self.worker.experiments(), self.worker.max_jobs_per_child
        wanted = self._at_once if len(names) == 1 else 1  # of several experiments in turn
        if limit is not None:
            wanted = min(wanted, max(1, limit - self.evaluator.jobs))
        keys: list[TrialKey] = []
        while names and len(keys) < wanted and self.worker.may_take():
            key_ = self.store.claims.take_ticket(self.worker.session, names, seconds=TICKET_SECONDS)
            if key_ is None or key_ in keys:  # again, if a failover took back its ticket, say
                self.worker.took_none()
                break
            keys.append(key_)
        return keys

    def _claim(self, name: str, tids: Sequence[int]) -> int:
        """Claim the trials of tickets, behind what has ended; return how many of them were to be had."""
        experiment = self._experiments.get(name)
        if experiment is None:
            experiment = self._experiments[name] = Experiment(self.store, name, only=())
        trials: list[Trial] = []
        for tid, trial in zip(tids, experiment.load_trials(tids), strict=True):
            if trial is None or trial.state != "queued" or experiment.state.status != "open":
                self._show_as_held(experiment, tid)  # the read model that led us here lags behind
            else:
                trials.append(trial)
        key, version = "", None
        if trials:
            try:
                key, spec = self.worker.spec(experiment)
                if not self.evaluator.has(key):
                    self._record(keep=tids)  # loading may take long, and nobody extends the lease on what has ended
                version = self.evaluator.load(key, spec)
            except CannotLoad as error:
                self.worker.refuse(experiment, error)
                assert self.store.claims is not None
                for trial in trials:
                    self.store.claims.give_back(self.worker.session, (name, trial.tid))
                trials = []
        pending = [attempt.claim(trial.tid, attempts=trial.attempt, worker=self.worker.name) for trial in trials]
        if trials:
            pending.insert(1, attempt.begin(trials[0].tid, pid=self.evaluator.pid, objective=version))
        claimed = self._write(experiment, pending)
        for tid in tids:
            taken = experiment.state.trials[tid].reserved if tid in claimed else None
            if taken is None:
                experiment.evict(tid)
            else:
                self._waiting.append(Work(experiment=experiment, taken=taken, key=key, version=version))
        return len(claimed)

    def _record(self, *, keep: Sequence[int] = ()) -> None:
        """Append what has ended. keep: what is to be claimed next; one of them may just have been taken from here."""
        if self._endings:
            self._write(self._endings[0].work.experiment, [], keep=keep)

    def _write(
        self,
        experiment: Experiment,
        pending: Sequence[PendingEvent],
        *,
        taken: Reserved | None = None,
        keep: Sequence[int] = (),
    ) -> set[int]:
        """Append what has ended, all of *experiment*, and *pending* behind it; return the tids of those drafts.

        Those of trials that others have had first are not among them. taken: the claim that *pending* go behind; None
        if they are claims. keep: trials that are not to be forgotten although they have ended.
        """
        endings, self._endings = self._endings, []
        left: list[_Behind] = [(ending.work.taken, planned) for ending in endings for planned in ending.pending]
        left += [(taken, planned) for planned in pending]
        written = {tid for _, tid, _ in pending if tid is not None}
        while left := self._still_ours(experiment, left, written):
            events = experiment.compose(*[planned for _, planned in left])
            try:
                experiment.append(events, more_to_come=self._is_soon_shown(), not_yet=written)
                break
            except Conflict as conflict:
                done = events.index(conflict.mine)
            for event in events[:done]:
                assert event.tid is not None
                experiment.project(event.tid)
            # A claim that went through is what the rest of its trial, if it did not, goes behind.
            claims = {event.tid: event for event in events[:done] if isinstance(event, Reserved)}
            left = [(behind or claims.get(planned[1]), planned) for behind, planned in left[done:]]
        for tid in {ending.work.tid for ending in endings} - {tid for _, tid, _ in pending} - set(keep):
            experiment.evict(tid)
        return written

    def _still_ours(self, experiment: Experiment, left: list[_Behind], written: set[int]) -> list[_Behind]:
        """Return what of *left* may still be appended, by all that was read; take the trials of others from *written*.

        An end that comes too late is noted.
        """
        while late := [each for each in left if each[0] is not None and not attempt.is_held(experiment, each[0])]:
            taken = late[0][0]
            assert taken is not None
            pending = [planned for behind, planned in late if behind is taken]
            left = [each for each in left if each[0] is not taken]
            if pending[-1][0] is Running:
                self._lost(experiment, taken.tid, written)
            else:
                attempt.record_end(experiment, taken, pending)  # which may read more
        for kind, tid, data in [planned for _, planned in left]:
            assert tid is not None
            trial = experiment.state.trials[tid]
            if kind is Reserved and (trial.state != "queued" or trial.attempt + 1 != data["attempt"]):
                self._lost(experiment, tid, written)
                left = [each for each in left if each[0] is not None or each[1][1] != tid]
        return left

    def _lost(self, experiment: Experiment, tid: int | None, written: set[int]) -> None:
        """Leave trial *tid* to the worker that was faster."""
        assert tid is not None
        written.discard(tid)
        self._show_as_held(experiment, tid)

    def _is_soon_shown(self) -> bool:
        """Return whether read models may wait for the next append: short trials are shown several at a time."""
        is_soon = time.monotonic() - self._shown < MOMENT
        if not is_soon:
            self._shown = time.monotonic()
        return is_soon

    def _show_as_held(self, experiment: Experiment, tid: int) -> None:
        """Show a trial that its holder has not shown; it has a lease from then on, should it never do so."""
        experiment.project(tid, lease=self.worker.lease)

    # -- one trial --------------------------------------------------------------------------------------------

    def _evaluate(self, work: Work) -> None:
        """Evaluate what was claimed; how it ended is recorded with the next claims."""
        self.work = work
        self.is_unwanted, self._why_dropped = False, ""
        self.evaluator.clear_abort()
        self.worker.began(self, work.taken)
        exp, tid = work.key_
        trial = work.experiment.state.trials[tid]
        job = {"exp": exp, "tid": tid, "attempt": trial.attempt, "point": dict(trial.point), "uri": self.store.uri}
        self._begun = attempt.begin(tid, pid=self.evaluator.pid, objective=work.version)
        self._is_quick, began = True, time.monotonic()
        outcome = self.evaluator.evaluate(
            work.key, job, serve=_Served(self, work), time_limit=self.worker.trial_timeout,
            on_long=lambda: self._go_on(work),
        )  # fmt: skip
        for said in outcome.said:
            self.worker.say(f"trial {tid} of {exp!r}: {said}", logging.WARNING, experiment=exp, trial=tid)
        ending = self._ending(work, outcome)
        self.work = None
        self.worker.ended(self, work.taken, outcome.kind)
        self._is_quick = self._is_quick and time.monotonic() - began < QUICK
        self._at_once = min(2 * self._at_once, MOST_AT_ONCE) if self._is_quick else 1
        limit = self.worker.max_jobs_per_child
        if limit is not None and self.evaluator.jobs >= limit:
            self.evaluator.stop()
        if self.worker.is_leaving() or not self.evaluator.has(work.key):  # a new process would have to load it first
            self._put_back()
        if ending is not None:
            self._endings.append(ending)
        else:
            work.experiment.evict(tid)

    def _go_on(self, work: Work) -> None:
        """Show that the trial is held, now that it is worth it; it is not for others to wait for it."""
        self._is_quick = False
        self.begin(work)
        self._put_back()
        work.experiment.project(work.tid)
        self.worker.goes_on(work.taken)

    def begin(self, work: Work) -> None:
        """Have the log say that *work* is under way, if it does not yet."""
        if not work.has_begun:
            self._write(work.experiment, [self._begun], taken=work.taken)

    def referee(self, experiment: Experiment) -> PruningSession:
        """Return who judges what the trials of *experiment* report; it keeps what it has read of others."""
        if experiment.name not in self._referees:
            self._referees[experiment.name] = PruningSession(experiment, follows_all=False)
        return self._referees[experiment.name]

    def _put_back(self) -> None:
        """Leave to others what was claimed and has not begun."""
        while self._waiting:
            work = self._waiting.popleft()
            released: PendingEvent = (Requeued, work.tid, {"why": attempt.WHY[RELEASED], "cause": RELEASED})
            attempt.record_end(work.experiment, work.taken, [released])
            self.worker.took_none()
            work.experiment.evict(work.tid)

    def _ending(self, work: Work, outcome: Outcome) -> Ending | None:
        experiment, cause = work.experiment, str(outcome.kind)
        pending: list[PendingEvent]
        if cause == "done":
            pending = [(Done, work.tid, outcome.data)]
        else:
            if cause == "dropped":
                if self._why_dropped == "taken":
                    return None
                cause = "interrupted"
            elif outcome.output:
                self._attach_output(work, outcome.output)
            created = experiment.state.created
            assert created is not None
            pending = attempt.after(experiment.state.trials[work.tid], cause, outcome.data, created.retries)
        return Ending(work=work, pending=pending if work.has_begun else [self._begun, *pending])

    def _attach_output(self, work: Work, output: bytes) -> None:
        self.begin(work)
        with contextlib.suppress(Conflict):  # the trial is no longer ours; what becomes of it is settled next
            ChainAttachments(work.experiment, work.taken.tid)["output"] = output


class _Served:
    """Answers what an objective asks for while it runs."""

    def __init__(self, slot: Slot, work: Work) -> None:
        self.slot = slot
        self.work = work
        self.ctrl = TrialCtrl(work.experiment, work.tid, pruning=slot.referee(work.experiment))

    def __call__(self, name: str, *arguments: Any) -> Any:
        self.slot.begin(self.work)
        match name:
            case "report":
                return self.ctrl.judge(*arguments)
            case "tell":
                return self.ctrl.append_report(**arguments[0])
            case "should_stop":
                return self.slot.is_unwanted
            case "attachments":
                return list(self.ctrl.attachments)
            case "attachment":
                return self.ctrl.attachments[arguments[0]]
            case "attach":
                self.ctrl.attachments[arguments[0]] = arguments[1]
                return None
            case "detach":
                del self.ctrl.attachments[arguments[0]]
                return None
            case "inject":
                experiment = self.slot.store.experiment(self.ctrl.experiment.name)
                return inject(experiment, arguments[0], from_tid=self.ctrl.tid)
        raise ValueError(f"an objective cannot ask for {name!r}")
