"""A slot: one trial at a time, from ticket to end. A worker has as many as it is told to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hstore.engine import attempt
from hstore.engine.objective import ChainAttachments, Ctrl, inject
from hstore.engine.recipe import Recipe
from hstore.store.claims import Place
from hstore.store.errors import CannotLoad, Conflict, InvalidValue
from hstore.store.events import Done, Reserved
from hstore.store.fold import Trial
from hstore.store.store import Draft, Experiment, Store
from hstore.workers.child import MOMENT, Outcome

TICKET_SECONDS = 5.0


class Evaluates(Protocol):
    """What calls objectives: a child process, or this one."""

    jobs: int

    @property
    def pid(self) -> int:
        """The process in which objectives are called."""

    def has(self, key: str) -> bool:
        """Return whether `load` has nothing to do for *key*."""

    def load(self, key: str, recipe: Recipe) -> str | None:
        """Make *recipe* ready under *key*; return the version of its code. Raises `CannotLoad`."""

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> Outcome:  # fmt: skip
        """Call it; *serve* answers what it asks for; *on_long* is called once if it takes longer than a moment."""

    def drop(self, why: str) -> None:
        """End the call that is under way, if that can be done."""

    def pick_up(self) -> None:
        """Forget a `drop` that came when there was nothing left to drop."""

    def stop(self) -> None:
        """Begin with a new process at the next call."""

    def close(self) -> None:
        """Let go of everything."""


class Employer(Protocol):
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

    def recipe(self, experiment: Experiment) -> tuple[str, Recipe]:
        """Return the key and the recipe of the objective of *experiment*. Raises `CannotLoad`."""

    def refuse(self, experiment: Experiment, error: CannotLoad) -> None:
        """Serve *experiment* no more while its objective is what it is."""

    def began(self, slot: Slot, taken: Reserved) -> None:
        """Hear that *slot* holds a trial."""

    def goes_on(self, taken: Reserved) -> None:
        """Hear that the trial takes longer than a moment: it needs a lease."""

    def ended(self, slot: Slot, taken: Reserved, kind: str) -> None:
        """Hear that it holds it no more, and how that came."""

    def say(self, message: str) -> None:
        """Tell the user."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial that this slot has claimed."""

    experiment: Experiment
    taken: Reserved
    key: str

    @property
    def place(self) -> Place:
        """Experiment and tid."""
        assert self.taken.tid is not None
        return self.taken.exp, self.taken.tid


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the attempt at a trial ended, not yet in the log: it goes there together with the next claim."""

    work: Work
    drafts: list[Draft]


class Slot:
    """Takes trials one after the other. All of it runs in one thread, but for `interrupt` and `lose`."""

    def __init__(self, number: int, worker: Employer, store: Store, evaluator: Evaluates) -> None:
        self.number = number
        self.worker = worker
        self.store = store
        self.evaluator = evaluator
        self.work: Work | None = None
        self.is_unwanted = False
        """What the objective hears when it asks whether it should stop."""
        self._why_dropped = ""
        self._experiments: dict[str, Experiment] = {}
        self._shown = 0.0

    # -- what other threads say -------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Have what is under way end now, to be tried again."""
        self._why_dropped = "interrupted"
        self.evaluator.drop("interrupted")

    def lose(self, taken: Reserved) -> None:
        """Have what is under way end now: the trial was taken from this slot."""
        work = self.work
        if work is not None and work.taken.id == taken.id and not self._why_dropped:
            self._why_dropped = "taken"
            self.evaluator.drop("taken")

    # -- the loop ---------------------------------------------------------------------------------------------

    def serve(self) -> bool:
        """Take trials until there is none or no more is wanted; return whether there was any."""
        ending: Ending | None = None
        any_taken = False
        while True:
            work = self._take(ending)
            if work is None:
                if self.store.models is not None:
                    self.store.models.flush()
                return any_taken
            any_taken = True
            ending = self._evaluate(work)

    def _take(self, ending: Ending | None) -> Work | None:
        """Record *ending* and claim the next trial, in one append where that can be; return it."""
        while True:
            place = self._ticket()
            work: Work | None = None
            if place is not None:
                if ending is not None and ending.work.place[0] != place[0]:
                    self._record(ending)
                    ending = None
                work = self._claim(place, ending)
                ending = None
            elif ending is not None:
                self._record(ending)
            if work is None and place is not None:
                self.worker.took_none()
            if work is not None or place is None:
                return work

    def _ticket(self) -> Place | None:
        names = self.worker.experiments()
        if not names or not self.worker.may_take():
            return None
        assert self.store.claims is not None
        place = self.store.claims.take_ticket(self.worker.session, names, seconds=TICKET_SECONDS)
        if place is None:
            self.worker.took_none()
        return place

    def _claim(self, place: Place, ending: Ending | None) -> Work | None:
        """Claim the trial of a ticket, behind *ending*; return None if it is not to be had."""
        name, tid = place
        experiment = self._experiments.get(name)
        if experiment is None:
            experiment = self._experiments[name] = Experiment(self.store, name, only=())
        trial = experiment.look_at(tid)
        drafts: list[Draft] = []
        key = ""
        if trial is None or trial.state != "queued" or experiment.state.status != "open":
            self._show_as_held(experiment, tid)  # the read model that led us here lags behind
        else:
            try:
                key, recipe = self.worker.recipe(experiment)
                if ending is not None and not self.evaluator.has(key):
                    # Loading may take long, and nobody extends the lease on what has ended.
                    self._settle(ending, ending.drafts)
                    if ending.work.place != place:
                        self._forget(ending.work)
                    ending = None
                drafts = self._claim_of(trial, self.evaluator.load(key, recipe))
            except CannotLoad as error:
                self.worker.refuse(experiment, error)
                assert self.store.claims is not None
                self.store.claims.give_back(self.worker.session, place)
        is_claimed = self._append(experiment, ending, drafts)
        if ending is not None and ending.work.place != place:  # else it was taken from here, and is claimed again
            self._forget(ending.work)
        if not drafts or not is_claimed:
            experiment.forget(tid)
            return None
        taken = experiment.state.trials[tid].reserved
        assert taken is not None
        self.work = Work(experiment=experiment, taken=taken, key=key)
        self.is_unwanted, self._why_dropped = False, ""
        self.evaluator.pick_up()
        self.worker.began(self, taken)
        return self.work

    def _claim_of(self, trial: Trial, version: str | None) -> list[Draft]:
        return attempt.claim(
            trial.tid,
            attempts=trial.attempt,
            worker=self.worker.name,
            pid=self.evaluator.pid,
            objective=version,
        )

    def _append(self, experiment: Experiment, ending: Ending | None, claim: list[Draft]) -> bool:
        """Append *ending* and *claim*; return False if another worker has the trial."""
        before = ending.drafts if ending is not None else []
        if ending is not None and (not claim or not attempt.is_held(experiment, ending.work.taken)):
            self._settle(ending, before)
            before = []
        if not claim:
            return True
        _, tid, taken = claim[0]
        assert tid is not None
        trial = experiment.state.trials[tid]
        if trial.state != "queued" or trial.attempt + 1 != taken["attempt"]:
            experiment.show(tid)  # while the ending was settled, another worker has had it
            return False
        events = experiment.compose(*before, *claim)
        try:
            experiment.append(events, more_to_come=self._is_soon_shown(), not_yet=[tid])
        except Conflict as conflict:
            done = events.index(conflict.mine)
            if ending is not None and done < len(before):
                self._settle(ending, before[done:])
                return self._append(experiment, None, claim)
            for event in events[:done]:  # the ending came through
                experiment.show(event.tid or 0)
            self._show_as_held(experiment, tid)
            return False
        except InvalidValue:  # the ending cannot be written as it is, say, for a result too deep
            if not before or ending is None:
                raise
            self._settle(ending, before)
            return self._append(experiment, None, claim)
        return True

    def _is_soon_shown(self) -> bool:
        """Return whether read models may wait for the next append: short trials are shown several at a time."""
        is_soon = time.monotonic() - self._shown < MOMENT
        if not is_soon:
            self._shown = time.monotonic()
        return is_soon

    def _show_as_held(self, experiment: Experiment, tid: int) -> None:
        """Show a trial that its holder has not shown; it has a lease from then on, should it never do so."""
        experiment.show(tid, lease=self.worker.lease)

    def _record(self, ending: Ending) -> None:
        self._settle(ending, ending.drafts)
        self._forget(ending.work)

    def _settle(self, ending: Ending, drafts: list[Draft]) -> None:
        attempt.settle(ending.work.experiment, ending.work.taken, drafts, say=self.worker.say)

    def _forget(self, work: Work) -> None:
        assert work.taken.tid is not None
        work.experiment.forget(work.taken.tid)

    # -- one trial --------------------------------------------------------------------------------------------

    def _evaluate(self, work: Work) -> Ending | None:
        exp, tid = work.place
        trial = work.experiment.state.trials[tid]
        job = {"exp": exp, "tid": tid, "attempt": trial.attempt, "point": dict(trial.point), "uri": self.store.uri}
        serve = _Served(self, work)
        outcome = self.evaluator.evaluate(
            work.key, job, serve=serve, time_limit=self.worker.trial_timeout, on_long=lambda: self._go_on(work)
        )
        for said in outcome.said:
            self.worker.say(f"trial {tid} of {exp!r}: {said}")
        ending = self._ending(work, outcome)
        self.work = None
        self.worker.ended(self, work.taken, outcome.kind)
        limit = self.worker.max_jobs_per_child
        if limit is not None and self.evaluator.jobs >= limit:
            self.evaluator.stop()
        if ending is None:
            self._forget(work)
        return ending

    def _go_on(self, work: Work) -> None:
        """Show that the trial is held, now that it is worth it."""
        work.experiment.show(work.place[1])
        self.worker.goes_on(work.taken)

    def _ending(self, work: Work, outcome: Outcome) -> Ending | None:
        experiment, (_, tid) = work.experiment, work.place
        cause: str = outcome.kind
        if outcome.kind == "done":
            return Ending(work=work, drafts=[(Done, tid, outcome.data)])
        if outcome.kind == "dropped":
            if self._why_dropped == "taken":
                return None
            cause = "interrupted"
        elif outcome.output:
            self._attach_output(work, outcome.output)
        created = experiment.state.created
        assert created is not None
        trial = experiment.state.trials[tid]
        drafts = attempt.after(trial, cause, outcome.data, created.retries)
        return Ending(work=work, drafts=drafts)

    def _attach_output(self, work: Work, output: bytes) -> None:
        with contextlib.suppress(Conflict):  # the trial is no longer ours; what becomes of it is settled next
            ChainAttachments(work.experiment, work.taken.tid)["output"] = output


class _Served:
    """Answers what an objective asks for while it runs."""

    def __init__(self, slot: Slot, work: Work) -> None:
        self.slot = slot
        assert work.taken.tid is not None
        self.ctrl = Ctrl(work.experiment, work.taken.tid)

    def __call__(self, name: str, *arguments: Any) -> Any:
        match name:
            case "tell":
                return self.ctrl.tell(**arguments[0])
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
                return inject(self.slot.store.experiment(self.ctrl.experiment.name), arguments[0])
        raise ValueError(f"an objective cannot ask for {name!r}")
