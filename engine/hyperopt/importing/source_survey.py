"""Survey what another program's store holds: which experiments its jobs become, before anything is written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hstore.engine.evaluation.objective_spec import looked_up
from hstore.engine.hyperopt.importing.jobs import Job, point_of, read_job
from hstore.engine.space import Point, Space, compile_space
from hstore.store.errors import BadSearchSpace, CannotLoad, InvalidName, InvalidValue, NotFound
from hstore.store.events import Document
from hstore.store.values import check_name


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
        """Close the connection or file behind it."""


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
    a document that is not valid, `InvalidName` for a name that no experiment can have.
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
