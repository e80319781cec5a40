"""A round: one search, faults of one kind (or of all), and the check of what is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from faults import optuna_program, released
from faults.acknowledged import Finding, acknowledged_attachments, compare, compare_attachments, read
from faults.world import LEASE, World
from hstore.engine.audit.check import Violation, check
from hstore.store.errors import HstoreError, NotFound
from hstore.store.event_documents import from_document
from hstore.store.events import Failed, Requeued, Reserved
from hstore.store.experiment import Experiment

TICK = 0.02
LOST, DOUBLED = ("missing", "different", "unnamed", "attachment"), ("twice", "state", "observed")
"""Kinds of findings."""
REPAIR_SECONDS = 8 * LEASE
"""How long read models may take to be up to date, once the search is over."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of faults."""

    place: str
    faults: tuple[str, ...]
    """Methods of `World`."""
    pause: float
    """Seconds between two, on average."""
    drivers: int = 1
    aims: bool = False
    shifts: bool = False
    loses: bool = True
    """Whether a trial may be taken from its worker: not if no worker was killed, frozen or cut off."""
    large: float = 0.0
    """How many of a hundred trials return more than fits into an event."""
    weight: float = 1.0
    """How many of them there are to be, beside those of other kinds."""
    algorithm: str | None = None
    """What searches; None: one of hstore's."""

    @property
    def is_of_optuna(self) -> bool:
        """Whether its drivers are Optuna programs: they evaluate, may add a trial more, and nothing ends a study."""
        return self.algorithm == optuna_program.ALGORITHM


KINDS = {
    # First, while the store is small: a backup is of all that it holds.
    "emptied": Kind(place="embedded", faults=("empty",), pause=1.0, weight=0.06),
    "rewind": Kind(place="embedded", faults=("rewind", "rewind_with_restart"), pause=0.5, weight=0.12),
    "lost-document": Kind(place="embedded", faults=("lose_document",), pause=0.5, weight=0.12),
    "lost-chunk": Kind(place="embedded", faults=("lose_chunk",), pause=0.5, large=20.0, weight=0.08),
    "worker-kill": Kind(place="embedded", faults=("kill_worker",), pause=1.0, weight=1.5),
    "worker-freeze": Kind(place="embedded", faults=("freeze_worker",), pause=0.3, weight=1.5),
    "child-kill": Kind(place="embedded", faults=("kill_child",), pause=0.25, loses=False),
    "driver-kill": Kind(place="embedded", faults=("kill_driver",), pause=0.6, loses=False),
    "mongod-kill": Kind(place="embedded", faults=("kill_mongod",), pause=1.5),
    "aimed": Kind(place="embedded", faults=(), pause=1.0, drivers=2, aims=True),
    "clock": Kind(place="embedded", faults=("shift_clock",), pause=0.5, shifts=True, loses=False, weight=0.7),
    "two-drivers": Kind(place="embedded", faults=("hit_driver",), pause=0.5, drivers=2, loses=False),
    "optuna": Kind(
        place="embedded", faults=("hit_driver", "freeze_driver"), pause=0.7, drivers=4, weight=0.5,
        algorithm=optuna_program.ALGORITHM,
    ),
    "network": Kind(place="proxied", faults=("cut_network",), pause=0.25, weight=1.5),
    "primary-kill": Kind(place="replicated", faults=("kill_primary",), pause=1.0, weight=0.25),
    "primary-freeze": Kind(place="replicated", faults=("freeze_primary",), pause=1.0, weight=0.25),
    "primary-cut-off": Kind(place="replicated", faults=("cut_off_primary",), pause=1.0, weight=0.2),
    "step-down": Kind(place="replicated", faults=("step_down",), pause=1.0, weight=0.2),
    "slow-disk": Kind(place="slow", faults=("stall_disk",), pause=0.5, large=5.0),
    "mixed-versions": Kind(place="mixed", faults=("kill_worker", "freeze_worker", "kill_driver"), pause=0.5),
    "everything": Kind(
        place="embedded", drivers=2, shifts=True, pause=0.5, weight=1.5,
        faults=("kill_worker", "freeze_worker", "kill_child", "hit_driver", "kill_mongod"),
    ),
    "everything-replicated": Kind(
        place="replicated", drivers=2, shifts=True, pause=0.5, weight=0.7,
        faults=("kill_worker", "freeze_worker", "kill_child", "hit_driver", "kill_primary", "freeze_primary",
                "cut_off_primary", "step_down"),
    ),
}  # fmt: skip


@dataclass(kw_only=True)
class Result:
    """What came of a round."""

    kind: str
    seed: int
    wanted: int
    trials: int = 0
    ended: int = 0
    acknowledged: int = 0
    """Events that were acknowledged to a process."""
    strays: int = 0
    """Events that were appended between a look at what the store has and a loss right after it."""
    retried: int = 0
    """Times that a trial was taken from a worker and queued again."""
    seconds: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    """Number of faults by what they were."""
    findings: list[Violation | Finding] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What the harness itself found."""

    @property
    def faults(self) -> int:
        """How many there were."""
        return self.injected.total()

    @property
    def is_sound(self) -> bool:
        """Whether all went as promised."""
        return not self.findings and not self.troubles

    @property
    def lost(self) -> int:
        """Trials that did not end, and events that were acknowledged and are gone."""
        return max(0, self.wanted - self.ended) + sum(finding.kind in LOST for finding in self.findings)

    @property
    def doubled(self) -> int:
        """Places taken twice, second ends, ends observed twice."""
        return sum(finding.kind in DOUBLED for finding in self.findings)


def why_not(name: str) -> str | None:
    """Return why faults of kind *name* cannot happen here; None if they can."""
    if KINDS[name].is_of_optuna:
        return optuna_program.why_not()
    return released.why_not() if KINDS[name].place == "mixed" else None


def run(
    world: World, name: str, seed: int, *, trials: int, faults: int, deadline: float = 90.0,
    on_trials: Callable[[int], object] = lambda _: None,
) -> Result:  # fmt: skip
    """Search for *trials* trials under up to *faults* faults of kind *name*, then let everything end and check it."""
    kind, rng = KINDS[name], Random(seed)
    world.rng = rng
    world.failures = []
    exp = f"{name}-{seed}"
    result = Result(kind=name, seed=seed, wanted=trials)
    began = time.monotonic()
    world.is_shifting, world.is_aiming, aimed = kind.shifts, kind.aims, world.aimed
    is_other_load, world.large = world.large != kind.large, kind.large
    if is_other_load or kind.aims or kind.shifts or any(worker.is_aimed for worker in world.workers):
        world.renew_workers()
    algorithm = kind.algorithm or rng.choice(["rand", "rand", "tpe"])
    world.begin(exp, trials=trials, seed=seed, drivers=kind.drivers, algorithm=algorithm)
    is_control = world.broken_way is not None

    def shown() -> int:
        assert world.store.database is not None
        ended = {"exp": exp, "state": {"$in": ["done", "failed", "cancelled"]}}
        try:
            return int(world.store.database["trials"].count_documents(ended))
        except Exception:  # noqa: BLE001 - the server may be away, which is what this is about
            return result.ended

    def look() -> None:
        if (n := shown()) > result.ended:
            on_trials(n - result.ended)
            result.ended = n

    next_fault, next_look, end_by, is_over = began + 1.0, began, began + 10 * deadline, False
    while world.is_searching and time.monotonic() < end_by:
        world.ensure_running(may_fail=is_control)
        now = time.monotonic()
        result.injected["hit at an append"] += world.aimed - aimed
        aimed = world.aimed
        if result.faults < faults and now >= next_fault and result.ended < trials:
            if kind.faults:
                fault = rng.choice(kind.faults)
                result.injected[fault.replace("_", " ")] += world.happen(fault)
            next_fault = now + rng.expovariate(1 / kind.pause)
        elif result.faults >= faults and not is_over:
            is_over, end_by = True, now + deadline  # what is frozen or cut off now comes back in its time
            world.is_aiming = world.is_shifting = False
        if now >= next_look:
            look()
            next_look = now + 0.5
            if is_control and (world.failures or now - began > deadline):
                break
        time.sleep(TICK)
    world.calm()
    if world.is_searching:
        result.troubles.append(f"the search did not end within {deadline:.0f} s of the last fault")
        for driver in world.drivers:
            driver.kill()
    world.drivers = []
    result.troubles += world.failures
    _check(world, exp, result, is_control=is_control)
    on_trials(result.ended - max(0, min(result.ended, shown())))
    result.seconds = time.monotonic() - began
    if not result.is_sound and not is_control:
        world.keeps = True
        result.troubles.append(f"what the processes said is in {world.folder}")
    return result


def _check(world: World, exp: str, result: Result, *, is_control: bool) -> None:
    """Check the search, once the workers had the time to bring its read models up to date."""
    give_up = time.monotonic() + REPAIR_SECONDS
    experiment: Experiment | None = None
    try:
        while True:
            world.ensure_running(may_fail=is_control)
            max_evals = None if KINDS[result.kind].is_of_optuna else result.wanted
            findings = check(world.store, exp, max_evals=max_evals, timeout=0.0)
            if any(f.kind != "lag" for f in findings) or not findings or time.monotonic() > give_up:
                break
            time.sleep(0.2)
        result.findings += findings
        experiment = world.store.experiment(exp)
    except NotFound:
        result.troubles.append("the search never began")
    except HstoreError as error:
        result.troubles.append(f"the experiment cannot be read: {error}")
    _compare(world, exp, result, experiment)
    if experiment is None:
        return
    counts = Counter(trial.is_finished for trial in experiment.state.trials.values())
    if KINDS[result.kind].is_of_optuna:
        result.wanted = max(result.wanted, counts.total())
    result.trials, result.ended = sum(counts.values()), counts[True]
    lost = [e for e in experiment.events if isinstance(e, Requeued | Failed) and e.cause == "lost"]
    result.retried = sum(isinstance(event, Requeued) for event in experiment.events)
    if lost and not KINDS[result.kind].loses:
        first = lost[0]
        begun = max(e.at for e in experiment.chain(first.tid) if isinstance(e, Reserved) and e.ver < first.ver)
        result.troubles.append(
            f"trial {first.tid} and {len(lost) - 1} more were taken from workers that were neither killed nor frozen, "
            f"the first by {first.by} after {(first.at - begun).total_seconds():.1f} s"
        )


def _compare(world: World, exp: str, result: Result, experiment: Experiment | None) -> None:
    """Compare what was acknowledged to processes with the log, even if *experiment* cannot be read as a whole."""
    losses = world.losses.declared
    noted = read(world.acks, exp)
    result.acknowledged = len(noted.appends)
    result.strays = sum(len(loss.strays) for loss in losses)
    if experiment is not None:
        result.findings += compare(noted, experiment.events, experiment.state, losses, world.losses.unreadable)
    else:
        documents = world.store.log.documents(exp)
        fetch = world.store.attachments.get
        events = [from_document(document, fetch) for document in documents if "raw" not in document]
        result.findings += compare(noted, events, None, losses)
    attachments = acknowledged_attachments(world.acks)
    all_losses = [*world.losses.before, *losses]
    result.findings += compare_attachments(attachments, world.store.attachments.get, all_losses)
