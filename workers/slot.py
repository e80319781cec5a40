"""A slot: evaluates one trial at a time, from ticket to end. A worker has as many slots as its options say."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.pruning import PruningSession
from hstore.store.attachments import OUTPUT
from hstore.store.claims import TrialKey
from hstore.store.errors import CannotLoad, ClosedChain, Conflict, HstoreError, NotSigned
from hstore.store.events import RELEASED, Done, Failed, Requeued, Reserved
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.failures import RESULT_FAILED, is_failure, shortened_error
from hstore.store.fold import Trial
from hstore.store.indigestible import BROKEN, refusal
from hstore.store.store import Store
from hstore.workers.batch import Batch
from hstore.workers.claimed_trial import Ending, Work
from hstore.workers.objective_requests import ObjectiveRequests
from hstore.workers.trial_executor import MOMENT, CallResult, TrialExecutor
from hstore.workers.worker_context import WorkerContext

TICKET_SECONDS = 5.0
QUICK, MOST_AT_ONCE = 0.005, 4
"""Seconds that a trial may take for more of them to be claimed at once, and how many those are."""


class Slot:
    """Evaluates one trial at a time, from ticket to end, in one thread; only `interrupt` and `lose` are for others.

    If trials take less time than the store takes to hand them out, the slot claims several at once. Such a trial stays
    reserved until its turn comes. Its events are appended together with the next claims. As soon as one trial takes
    longer than a moment, its events are appended at once, and those that wait behind it are put back into the queue.
    """

    def __init__(self, number: int, worker: WorkerContext, store: Store, evaluator: TrialExecutor) -> None:
        self.number = number
        self.worker = worker
        self.store = store
        self.evaluator = evaluator
        self.work: Work | None = None
        self.is_unwanted = False
        """Whether the objective is told to stop when it asks; the worker sets it."""
        self._why_aborted = ""
        self._experiments: dict[str, Experiment] = {}
        self._pruning: dict[str, PruningSession] = {}
        self._shown = 0.0
        self._waiting: deque[Work] = deque()
        self._endings: list[Ending] = []
        self._at_once = 1
        self._is_quick = False
        self._begun: PendingEvent

    def interrupt(self) -> None:
        """End the call that is running; its trial is queued again. Any thread may call this."""
        self._why_aborted = "interrupted"
        self.evaluator.abort("interrupted")

    def lose(self, taken: Reserved) -> None:
        """End the call that is running if it evaluates the trial of *taken*, now another worker's. Any thread."""
        work = self.work
        if work is not None and work.taken.id == taken.id and not self._why_aborted:
            self._why_aborted = "taken"
            self.evaluator.abort("taken")

    def serve(self) -> bool:
        """Evaluate trials until none is queued or the worker wants no more; return whether there was any."""
        any_taken = False
        while self._take():
            any_taken = True
            while self._waiting:
                self._evaluate(self._waiting.popleft())
        self.store.models.flush()
        return any_taken

    def _take(self) -> bool:
        """Claim the next trials, if possible in one append with how the last ones ended; return whether any was."""
        while keys := self._tickets():
            name = keys[0][0]
            if self._endings and self._endings[0].work.taken.exp != name:
                self._record_or_give_up()
            claimed = self._claim_or_give_up(name, [tid for _, tid in keys])
            for _ in range(len(keys) - claimed):
                self.worker.took_none()
            if claimed:
                return True
        self._record_or_give_up()
        return False

    def _claim_or_give_up(self, name: str, tids: Sequence[int]) -> int:
        """Do what `_claim` does; if something of experiment *name* cannot be digested, leave it alone from now on."""
        try:
            return self._claim(name, tids)
        except Exception as error:  # noqa: BLE001 - raised again unless it is about this experiment alone
            self._give_up(name, error)
            for tid in tids:
                self.store.claims.give_back(self.worker.session, (name, tid))
            return 0

    def _record_or_give_up(self) -> None:
        """Do what `_record` does, likewise."""
        if self._endings:
            name = self._endings[0].work.taken.exp
            try:
                self._record()
            except Exception as error:  # noqa: BLE001 - raised again unless it is about this experiment alone
                self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        """Leave experiment *name* alone because of *error*, which is raised again if it is not about that alone."""
        if (refused := refusal(name, error)) is None:
            raise error
        experiment = self._experiments.pop(name, None) or Experiment(self.store, name, only=())
        self._pruning.pop(name, None)
        with contextlib.suppress(*BROKEN, HstoreError):  # how trials ended before can still be recorded, perhaps
            self._record()
        self._endings = [ending for ending in self._endings if ending.work.taken.exp != name]
        for _ in range(len(self._waiting)):  # they are all of one experiment
            self.worker.took_none()
        self._waiting.clear()
        self.worker.refuse(experiment, refused)

    def _tickets(self) -> list[TrialKey]:
        """Return trials of one experiment that no other worker is about to take."""
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
        """Claim trials *tids* of experiment *name*, behind how others ended; return how many of them it got."""
        experiment = self._experiments.get(name)
        if experiment is None:
            experiment = self._experiments[name] = Experiment(self.store, name, only=())
            experiment.refresh()
            with contextlib.suppress(NotSigned):  # `spec` raises it
                experiment.check_signatures()
        trials: list[Trial] = []
        for tid, trial in zip(tids, experiment.load_trials(tids), strict=True):
            if (trial is None or trial.state == "queued") and (why := experiment.state.why_closed(tid)) is not None:
                self.worker.leave_closed(experiment, tid, why)
            if trial is None or not self._is_to_take(experiment, trial):
                self._mend(experiment, tid)  # the read model that led us here
            else:
                trials.append(trial)
        key, version = "", None
        if trials:
            try:
                experiment.require_open()
                key, spec = self.worker.spec(experiment)
                if not self.evaluator.has(key):
                    self._record(keep=tids)  # loading may take long, and leases of ended trials are not extended
                version = self.evaluator.load(key, spec)
                self.worker.loaded(experiment, spec, version)
            except (CannotLoad, ClosedChain) as error:
                self.worker.refuse(experiment, error)
                for trial in trials:
                    self.store.claims.give_back(self.worker.session, (name, trial.tid))
                if isinstance(error, NotSigned):  # what ended before can still be recorded
                    for tid in {trial.tid for trial in trials} - {ending.work.tid for ending in self._endings}:
                        experiment.evict(tid)
                trials = []
        pending = [attempt.claim(trial.tid, attempts=trial.attempt, worker=self.worker.name) for trial in trials]
        if trials:
            pending.insert(1, attempt.begin(trials[0].tid, pid=self.evaluator.pid, objective=version))
        claimed = self._append(experiment, pending)
        for tid in tids:
            taken = experiment.state.trials[tid].reserved if tid in claimed else None
            if taken is None:
                experiment.evict(tid)
            else:
                self._waiting.append(Work(experiment=experiment, taken=taken, key=key, version=version))
        return len(claimed)

    def _is_to_take(self, experiment: Experiment, trial: Trial) -> bool:
        state = experiment.state
        return trial.state == "queued" and state.status == "open" and state.why_closed(trial.tid) is None

    def _record(self, *, keep: Sequence[int] = ()) -> None:
        """Append how trials have ended. keep: trials to be claimed next; one of them may have just ended here."""
        if self._endings:
            self._append(self._endings[0].work.experiment, [], keep=keep)

    def _append(
        self,
        experiment: Experiment,
        pending: Sequence[PendingEvent],
        *,
        begins: Reserved | None = None,
        keep: Sequence[int] = (),
    ) -> set[int]:
        """Append how trials of *experiment* have ended, and *pending* behind it; return the tids of *pending*, without
        those of trials that other workers have.

        pending: claims; with *begins*, what says that the trial of that claim is running. keep: trials that are not to
        be forgotten although they have ended.
        """
        endings, self._endings = self._endings, []
        batch = Batch(experiment, lease=self.worker.lease)
        for ending in endings:
            batch.end(ending.work.taken, ending.pending)
        batch.take(pending, claim=begins)
        try:
            taken = batch.append(more_to_come=self._is_soon_shown())
        except NotSigned as error:
            self.worker.refuse(experiment, error)
            taken = set()
        for tid in {ending.work.tid for ending in endings} - {tid for _, tid, _ in pending} - set(keep):
            experiment.evict(tid)
        return taken

    def _is_soon_shown(self) -> bool:
        """Return whether read models may wait for the next append: short trials are shown several at a time."""
        is_soon = time.monotonic() - self._shown < MOMENT
        if not is_soon:
            self._shown = time.monotonic()
        return is_soon

    def _mend(self, experiment: Experiment, tid: int) -> None:
        """Show in the read model what the log has of a trial that the read model says is queued, and is not to take."""
        self._show_as_held(experiment, tid)
        if (shown := self.store.models.queued(experiment.name, tid)) is None:
            return
        # A document is written after the events that are in it. So if the log, which is read after it, has fewer, no
        # program of hstore wrote it.
        trial, ver = experiment.load_trial(tid), shown.get("ver")
        if experiment.state.why_closed(tid) is None and not (
            trial is not None and isinstance(ver, int) and ver <= trial.ver
        ):
            self.store.models.remove(experiment.name, {tid: ver})
            self._show_as_held(experiment, tid)

    def _show_as_held(self, experiment: Experiment, tid: int) -> None:
        """Show in the read model a trial that its holder has not shown, with a lease should it never do so."""
        experiment.project(tid, lease=self.worker.lease)

    def _evaluate(self, work: Work) -> None:
        """Evaluate a claimed trial; how it ended is recorded together with the next claims."""
        self.work = work
        self.is_unwanted, self._why_aborted = False, ""
        self.evaluator.clear_abort()
        self.worker.began(self, work.taken)
        self._is_quick, began = True, time.monotonic()
        try:
            result = self._call(work)
            ending = self._ending(work, result)
        except Exception as error:  # noqa: BLE001 - likewise; an objective's own exceptions are results
            self.evaluator.stop()
            self.work = None
            self.worker.ended(self, work.taken, "aborted")
            self._give_up(work.taken.exp, error)
            return
        if ending is not None:
            self._tell_failure(ending)
        self.work = None
        self.worker.ended(self, work.taken, result.kind)
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
            work.experiment.evict(work.tid)

    def _call(self, work: Work) -> CallResult:
        exp, tid = work.taken.exp, work.tid
        trial = work.experiment.state.trials[tid]
        job = {
            "exp": exp, "tid": tid, "attempt": trial.attempt, "point": dict(trial.point), "uri": self.store.uri,
            "has_pruner": bool(work.experiment.state.pruner),
        }  # fmt: skip
        self._begun = attempt.begin(tid, pid=self.evaluator.pid, objective=work.version)
        result = self.evaluator.evaluate(
            work.key, job, serve=self._requests(work), time_limit=self.worker.trial_timeout,
            on_long=lambda: self._go_on(work),
        )  # fmt: skip
        for warning in result.warnings:
            self.worker.say(f"trial {tid} of {exp!r}: {warning}", logging.WARNING, experiment=exp, trial=tid)
        return result

    def _go_on(self, work: Work) -> None:
        """Show that the trial is held, for it takes long; put back those that were claimed behind it."""
        self._is_quick = False
        self._begin(work)
        self._put_back()
        work.experiment.project(work.tid)
        self.worker.goes_on(work.taken)

    def _begin(self, work: Work) -> None:
        """Record that the trial is running, if the log does not say so yet."""
        if not work.has_begun:
            self._append(work.experiment, [self._begun], begins=work.taken)

    def _pruning_session(self, experiment: Experiment) -> PruningSession:
        """Return what judges reports of trials of *experiment*; it keeps what it has read of others."""
        if experiment.name not in self._pruning:
            self._pruning[experiment.name] = PruningSession(experiment, follows_all=False)
        return self._pruning[experiment.name]

    def _requests(self, work: Work) -> ObjectiveRequests:
        return ObjectiveRequests(
            work.experiment, work.tid, pruning=self._pruning_session(work.experiment),
            begin=lambda: self._begin(work), is_unwanted=lambda: self.is_unwanted,
        )  # fmt: skip

    def _put_back(self) -> None:
        """Return the trials that were claimed and not started to the queue."""
        while self._waiting:
            work = self._waiting.popleft()
            released: PendingEvent = (Requeued, work.tid, {"why": attempt.WHY[RELEASED], "cause": RELEASED})
            self.worker.took_none()
            try:
                attempt.record_end(work.experiment, work.taken, [released])
            except NotSigned:
                pass  # the experiment is refused; the lease of the trial runs out
            except Exception as error:  # noqa: BLE001 - raised again unless it is about this experiment alone
                self._give_up(work.taken.exp, error)
                return
            work.experiment.evict(work.tid)

    def _ending(self, work: Work, result: CallResult) -> Ending | None:
        experiment, cause = work.experiment, str(result.kind)
        pending: list[PendingEvent]
        keeps = experiment.state.keep_output
        if cause == "done":
            if result.output and (keeps == "always" or (keeps == "failed" and is_failure(result.data))):
                self._attach_output(work, result.output)
            pending = [(Done, work.tid, result.data)]
        else:
            if cause == "aborted":
                if self._why_aborted == "taken":
                    return None
                cause = "interrupted"
            elif result.output and keeps != "never":
                self._attach_output(work, result.output)
            created = experiment.state.created
            assert created is not None
            pending = attempt.after(experiment.state.trials[work.tid], cause, result.data, created.retries)
        return Ending(work=work, pending=pending if work.has_begun else [self._begun, *pending])

    def _tell_failure(self, ending: Ending) -> None:
        """Say that the objective failed, if it did, and whether it will be tried again."""
        *_, (kind, _, last) = ending.pending
        ends = [data for each, _, data in ending.pending if each is Failed]
        if ends:
            failure = shortened_error(ends[0]["error"], ends[0]["message"])
        elif kind is Done and is_failure(last):
            failure = RESULT_FAILED
        else:
            return
        self.worker.failed(ending.work.taken, failure, is_tried_again=kind is Requeued)

    def _attach_output(self, work: Work, output: bytes) -> None:
        self._begin(work)
        reports = work.experiment.state.trials[work.tid].reports
        mine = [report.attachment for report in reports if report.ver > work.taken.ver and report.attachment]
        if any(attachment["name"] == OUTPUT for attachment in mine):
            return  # the objective has one of that name
        with contextlib.suppress(Conflict, NotSigned):  # another worker has the trial; recording its end finds out
            ChainAttachments(work.experiment, work.taken.tid)[OUTPUT] = output
