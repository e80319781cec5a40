"""Import a search that hyperopt kept into an experiment, event by event. An import that was interrupted goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hstore.engine.hyperopt.importing.jobs import (
    IMPORTED,
    Job,
    Key,
    events_to_import,
    is_to_do,
    key_of,
    point_of,
    read_job,
)
from hstore.engine.hyperopt.importing.source_survey import Found, Source
from hstore.engine.search.defaults import created_without_fmin
from hstore.engine.space import Space, seen_space
from hstore.store.errors import InvalidValue, SpaceChanged
from hstore.store.events import Created, Finished, Noted, Paused
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.messages import Log
from hstore.store.store import Store

LOG = Log("importing")

BATCH = 25
"""Jobs that are appended at once; the first decision of each batch observes the ends of the batch before."""
WARNINGS = 5
"""How many values that had to be changed are named in warnings; the others are counted."""
WHY = "imported from hyperopt"
"""Why an experiment with queued trials is paused after the import: to be looked at before workers take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import."""

    name: str
    exp_key: str | None
    trials: int
    new: int
    """Trials that were not there before."""
    events: int
    """That were written."""
    states: Mapping[str, int]
    """Number of trials by state."""
    attachments: int
    """That were written."""
    missing: int
    """Attachments that jobs name and their store had lost."""
    status: str
    is_space_known: bool


def carry_over(
    store: Store,
    source: Source,
    found: Found,
    *,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Imported:
    """Bring the log of experiment *found* to where its jobs in *source* are, whatever was imported of them before.

    on_progress is called with the number of jobs that were read. Raises `InvalidValue` if there is another
    experiment of that name, and `SpaceChanged` if it was imported with another space.
    """
    return _Import(store, source, found).run(on_progress)


class _Import:
    """One import of one experiment."""

    def __init__(self, store: Store, source: Source, found: Found) -> None:
        self._store = store
        self._source = source
        self._found = found
        self._experiment = Experiment(store, found.name)
        self._known: dict[Key, int] = {}
        self._looked = 0
        self._changed = self._attachments = self._missing = self._events = 0

    def run(self, on_progress: Callable[[int], object]) -> Imported:
        experiment, found = self._experiment, self._found
        experiment.refresh()
        before = len(experiment.state.trials)
        self._append(self._beginning)
        created = experiment.state.created
        assert created is not None
        space = Space.from_data(created.space)
        self._check_space(space)
        self._attach()
        for start in range(0, len(found.outlines), BATCH):
            some = found.outlines[start : start + BATCH]
            jobs = [read_job(document, self._warn) for document in self._source.documents(some)]
            kept: dict[Key, tuple[list[dict[str, Any]], list[str]]] = {}
            self._append(lambda jobs=jobs, kept=kept: self._events_of_jobs(jobs, kept, space))  # type: ignore[misc]
            on_progress(len(some))
        self._append(self._conclusion)
        experiment.repair()
        if self._changed > WARNINGS:
            LOG.warning(f"{found.name}: {self._changed - WARNINGS} more values like these were imported as their repr")
        state = experiment.state
        return Imported(
            name=found.name,
            exp_key=found.exp_key,
            trials=len(state.trials),
            new=len(state.trials) - before,
            events=self._events,
            states=dict(sorted(state.counts.items())),
            attachments=self._attachments,
            missing=self._missing,
            status=state.status,
            is_space_known=space.is_known,
        )

    def _append(self, decide: Callable[[], list[PendingEvent]]) -> None:
        """Append what *decide* says is left to do, and count it."""
        events = self._experiment.append_decided(decide)
        self._events += len(events)
        self._attachments += sum(getattr(event, "attachment", None) is not None for event in events)

    # -- the experiment ---------------------------------------------------------------------------------------

    def _beginning(self) -> list[PendingEvent]:
        state, found = self._experiment.state, self._found
        paused: PendingEvent = (Paused, None, {"why": WHY})
        if state.created is None:
            space = found.space or seen_space(found.points)
            said = {"from": "hyperopt", "source": self._source.shown, "exp_key": found.exp_key}
            created = created_without_fmin(space, objective="of an imported search", algorithm="hyperopt")
            created["imported"] = {name: value for name, value in said.items() if value is not None}
            return [(Created, None, created), paused]
        was = state.created.imported
        if was is None or was.get("exp_key") != found.exp_key:
            other = "was not imported" if was is None else f"was imported from exp_key {was.get('exp_key')!r}"
            raise InvalidValue(
                f"there is an experiment {found.name!r} already, which {other}", hint="choose another name with --name"
            )
        return [paused] if state.ver == 0 else []

    def _check_space(self, begun_with: Space) -> None:
        found, name = self._found, self._found.name
        if found.space is not None and not begun_with.is_known:
            raise SpaceChanged(
                f"experiment {name!r} was imported without its space",
                hint="import it with the space under another --name", differences=[],
            )  # fmt: skip
        if found.space is not None and (differences := begun_with.differences(found.space)):
            raise SpaceChanged(
                f"experiment {name!r} was imported with another space:\n  " + "\n  ".join(differences),
                hint="import it with this one under another --name", differences=differences,
            )  # fmt: skip
        labels = {label for point in found.points for label in point}
        if unknown := sorted(labels - set(begun_with.labels)):
            raise SpaceChanged(
                f"experiment {name!r} had no {', '.join(unknown)} when it was first imported",
                hint="import it under another --name", differences=unknown,
            )  # fmt: skip

    def _attach(self) -> None:
        for name, content in self._source.shared(self._found.exp_key):
            if content is None:
                self._lose(name, "the experiment")
            else:
                kept = self._keep(name, content)
                self._append(lambda name=name, kept=kept: self._note(name, kept))  # type: ignore[misc]

    def _note(self, name: str, kept: dict[str, Any]) -> list[PendingEvent]:
        is_there = self._experiment.state.attachments.get(name) == kept
        return [] if is_there else [(Noted, None, {"attachment": kept})]

    def _conclusion(self) -> list[PendingEvent]:
        state = self._experiment.state
        is_to_finish = (state.status == "paused" and state.why == WHY) or (
            state.status == "finished" and any(chain is not None for chain in state.observations.unobserved)
        )
        if state.open or not is_to_finish:
            return []
        why = IMPORTED if state.status == "paused" else state.why or IMPORTED
        observed = self._experiment.observed()
        return [(Finished, None, {"why": why, "observed": observed, **self._experiment.seals.ending()})]

    # -- its trials -------------------------------------------------------------------------------------------

    def _events_of_jobs(
        self, jobs: Sequence[Job], kept: dict[Key, tuple[list[dict[str, Any]], list[str]]], space: Space
    ) -> list[PendingEvent]:
        experiment, trials = self._experiment, self._experiment.state.trials
        for tid in range(self._looked, len(trials)):
            queued = trials[tid].queued
            if queued is not None and (key := key_of(queued)) is not None:
                self._known[key] = tid
        self._looked = len(trials)
        pending: list[PendingEvent] = []
        observed, next_tid = experiment.observed(), len(trials)
        for job in jobs:
            tid = self._known.get(job.key, next_tid)
            trial = trials.get(tid)
            if trial is not None and dict(trial.point) != point_of(job, space if space.is_known else None):
                raise InvalidValue(
                    f"trial {tid} of {experiment.name!r} was imported from another job with tid {job.key[1]}",
                    hint="choose another name with --name",
                )
            if not is_to_do(job, trial, () if trial is None else experiment.chain(tid)):
                continue
            if job.key not in kept:
                kept[job.key] = self._kept(job)
            attachments, missing = kept[job.key]
            pending += events_to_import(
                job, tid, trial=trial, space=space if space.is_known else None, observed=observed,
                attachments=attachments, missing=missing,
            )  # fmt: skip
            if trial is None:
                observed, next_tid = [], next_tid + 1
        return pending

    def _kept(self, job: Job) -> tuple[list[dict[str, Any]], list[str]]:
        """Keep what is attached to *job*; return what events say of it, and the names of what is lost."""
        attachments, missing = [], []
        for name, content in self._source.attachments(job):
            if content is None:
                self._lose(name, f"the job with tid {job.key[1]}")
                missing.append(name)
            else:
                attachments.append(self._keep(name, content))
        return attachments, missing

    def _keep(self, name: str, content: bytes) -> dict[str, Any]:
        return {"name": name, "sha256": self._store.attachments.put(content), "length": len(content)}

    def _lose(self, name: str, whose: str) -> None:
        self._missing += 1
        LOG.warning(f"attachment {name!r:.80} of {whose} is not in {self._source.shown} any more")

    def _warn(self, message: str) -> None:
        self._changed += 1
        if self._changed <= WARNINGS:
            LOG.warning(message)
