"""Importing: a search that another program kept becomes experiments, event by event. Begun again, it goes on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hstore.engine.evaluation.objective_spec import looked_up
from hstore.engine.hyperopt.importing.jobs import IMPORTED, Job, Key, drafts_of, is_to_do, key_of, point_of, read_job
from hstore.engine.search.defaults import created_without_fmin
from hstore.engine.space import Point, Space, compile_space, seen_space
from hstore.store.errors import BadSearchSpace, CannotLoad, Conflict, InvalidName, InvalidValue, NotFound, SpaceChanged
from hstore.store.events import Created, Document, Finished, Noted, Paused
from hstore.store.messages import Log
from hstore.store.store import Experiment, PendingEvent, Store
from hstore.store.values import check_name

LOG = Log("importing")

BATCH = 25
"""Jobs that are appended at once; the first decision of each batch observes the ends of the batch before."""
TOLD = 5
"""Of what had to be changed so often is told; the others are counted."""
WHY = "imported from hyperopt"
"""Why an experiment with queued trials is paused after the import: to be looked at before workers take them."""


class Source(Protocol):
    """Where hyperopt's jobs are."""

    shown: str
    """What it is called in messages."""
    default_name: str
    """Name of the experiment whose jobs have no exp_key."""

    def outlines(self) -> Iterator[Document]:
        """Yield all jobs, of each at least its ids, state and values."""

    def documents(self, outlines: Sequence[Document]) -> list[Document]:
        """Return the whole of the jobs that *outlines* are of, in that order."""

    def attachments(self, job: Job) -> Iterator[tuple[str, bytes | None]]:
        """Yield name and content of what is attached to *job*; no content: it is not there any more."""

    def shared(self, exp_key: str | None) -> Iterator[tuple[str, bytes | None]]:
        """Yield the same of what is attached to the experiment itself, such as its driver's pickled objective."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The jobs that become one experiment."""

    name: str
    exp_key: str | None
    outlines: Sequence[Document]
    """By tid."""
    points: Sequence[Point]
    space: Space | None
    """What was searched; None: that is not known."""


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


def load_space(ref: str) -> Space:
    """Return the space that *ref*, "pkg.mod:name", names. Raises `CannotLoad` and `BadSearchSpace`."""
    made_with_theirs = BadSearchSpace(
        f"{ref} was made with hyperopt's hp",
        hint="make it with hstore's, `from hstore import hp`, or run `python -m hstore.compat -m hstore import …`",
    )
    try:
        found = looked_up(ref, "a space")
    except CannotLoad as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == "hyperopt":
            raise made_with_theirs from error
        raise
    if _is_of_hyperopt(found):
        raise made_with_theirs
    space = found if isinstance(found, Space) else compile_space(found)
    if not space.labels:
        raise BadSearchSpace(f"{ref} holds no hyperparameters", hint="one looks like {'x': hp.uniform('x', 0, 1)}")
    return space


def _is_of_hyperopt(found: Any) -> bool:
    """Return whether an expression of hyperopt's is in the nest *found*: to a space of ours it would be a constant."""
    if isinstance(found, Mapping):
        return any(map(_is_of_hyperopt, found.values()))
    if isinstance(found, (list, tuple)):
        return any(map(_is_of_hyperopt, found))
    return type(found).__module__.startswith("hyperopt.")


def survey(
    source: Source, *, exp_keys: Collection[str] = (), name: str | None = None, space: Space | None = None
) -> list[Found]:
    """Return the experiments that *source* holds, by name; every job was looked at.

    exp_keys: those to import, "" for jobs that have none; all of them if it is empty. name: what the only one of them
    is to be called. space: what they searched. Raises `NotFound` if there is nothing to import, `InvalidValue` for
    a job that is none, `InvalidName` for a name that no experiment can have.
    """
    jobs: dict[str | None, list[tuple[Job, Document]]] = defaultdict(list)
    for outline in source.outlines():
        exp_key = outline.get("exp_key")
        if not exp_keys or (exp_key or "") in exp_keys:
            job = read_job(outline)
            jobs[job.exp_key].append((job, outline))
    if lacking := set(exp_keys) - {exp_key or "" for exp_key in jobs}:
        raise NotFound(f"{source.shown} has no jobs with exp_key {', '.join(map(repr, sorted(lacking)))}")
    if not jobs:
        raise NotFound(f"{source.shown} holds no jobs")
    if name is not None and len(jobs) > 1:
        listed = ", ".join(sorted(repr(exp_key or "") for exp_key in jobs))
        raise InvalidValue(
            f"one name will not do for {len(jobs)} experiments: {listed:.300}", hint="choose one with --exp-key"
        )
    found = [_found(source, exp_key, some, name, space) for exp_key, some in jobs.items()]
    names = Counter(each.name for each in found)
    if twice := [each for each, n in names.items() if n > 1]:
        raise InvalidValue(
            f"jobs with and without an exp_key would both be called {twice[0]!r}",
            hint="import them one after the other, with --exp-key and --name",
        )
    return sorted(found, key=lambda each: each.name)


def _found(
    source: Source, exp_key: str | None, jobs: list[tuple[Job, Document]], name: str | None, space: Space | None
) -> Found:
    called = name or exp_key or source.default_name
    try:
        check_name(called)
    except InvalidName as error:
        raise InvalidName(str(error), hint="give it another one with --exp-key and --name") from error
    jobs.sort(key=lambda each: (each[0].key[1], each[0].key[0] or ""))
    keys = Counter(job.key for job, _ in jobs)
    if twice := [key for key, n in keys.items() if n > 1]:
        raise InvalidValue(f"{source.shown} holds {keys[twice[0]]} jobs with tid {twice[0][1]}")
    return Found(
        name=called, exp_key=exp_key, outlines=[outline for _, outline in jobs],
        points=[point_of(job, space) for job, _ in jobs], space=space,
    )  # fmt: skip


def carry_over(
    store: Store,
    source: Source,
    found: Found,
    *,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Imported:
    """Bring the log of experiment *found* to where its jobs in *source* are, whatever was imported of them before.

    on_progress is called with the number of jobs that were looked at. Raises `InvalidValue` if there is another
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
        self._told = self._attachments = self._missing = self._events = 0

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
            jobs = [read_job(document, self._tell) for document in self._source.documents(some)]
            kept: dict[Key, tuple[list[dict[str, Any]], list[str]]] = {}
            self._append(lambda jobs=jobs, kept=kept: self._drafts(jobs, kept, space))  # type: ignore[misc]
            on_progress(len(some))
        self._append(self._conclusion)
        experiment.repair()
        if self._told > TOLD:
            LOG.warning(f"{found.name}: {self._told - TOLD} more values like these were imported as text")
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
        """Append what *decide* says is left to do; it is asked again when another writer was first."""
        while pending := decide():
            events = self._experiment.compose(*pending)
            try:
                self._experiment.append(events)
            except Conflict:
                continue  # what the other one wrote has been read
            self._events += len(events)
            self._attachments += sum(getattr(event, "attachment", None) is not None for event in events)
            return

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
        is_to_tell = (state.status == "paused" and state.why == WHY) or (
            state.status == "finished" and any(chain is not None for chain in state.observations.unobserved)
        )
        if state.open or not is_to_tell:
            return []
        why = IMPORTED if state.status == "paused" else state.why or IMPORTED
        observed = self._experiment.observed()
        return [(Finished, None, {"why": why, "observed": observed, "decision": self._experiment.head})]

    # -- its trials -------------------------------------------------------------------------------------------

    def _drafts(
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
            pending += drafts_of(
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

    def _tell(self, message: str) -> None:
        self._told += 1
        if self._told <= TOLD:
            LOG.warning(message)
