"""Rerun: one trial evaluated again here, at the same point, beside what its log says of it. Nothing is recorded."""

from __future__ import annotations

import difflib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hstore.engine.audit.comparison import Row
from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.ctrl import BaseCtrl
from hstore.engine.evaluation.domain import BoundObjective, version
from hstore.engine.evaluation.objective_spec import ObjectiveSpec, fetch, load, named
from hstore.engine.evaluation.project_files import SCRIPT
from hstore.engine.evaluation.script import Script
from hstore.engine.provenance import recorded
from hstore.engine.provenance.record import here
from hstore.engine.provenance.sources import NOTEBOOK
from hstore.store.errors import CannotLoad, InvalidValue
from hstore.store.events import Data
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial
from hstore.store.messages import Log

LOG = Log("objective")

ENVIRONMENT = ("host", "python", "platform")
"""What is compared of the machine beside the packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What came of an evaluation."""

    state: str
    """done or failed; of what the log holds, the state of the trial."""
    status: str | None = None
    loss: float | None = None
    losses: list[float] | None = None
    constraints: list[float] | None = None
    error: str | None = None
    traceback: str | None = None
    duration: float | None = None
    """Seconds."""
    reports: list[tuple[int, float]] = field(default_factory=list)
    """Step and value of each report."""

    def is_same_as(self, other: Evaluated) -> bool:
        """Return whether both came to the same, to the last bit; how long they took does not count."""
        mine, others = (
            (each.state, each.status, each.error, *map(_bits, (each.loss, *(each.losses or ()))))
            for each in (self, other)
        )
        return mine == others


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A trial, evaluated again."""

    tid: int
    params: Data
    recorded: Evaluated
    now: Evaluated
    objective: str
    """What was called: the objective as it can be imported here, or as it was pickled."""
    differences: list[Row]
    """What is another here than where the trial was evaluated: code and environment, by name."""
    source: dict[str, str | None]
    """A unified diff for each file of the source that is another here; None for one that is not here."""
    is_source_recorded: bool
    error: BaseException | None = field(default=None, repr=False)
    """What the objective raised, with its traceback."""

    @property
    def is_same(self) -> bool:
        """Whether it came to the same, to the last bit."""
        return self.now.is_same_as(self.recorded)


class LoneCtrl(BaseCtrl):
    """See `BaseCtrl`: of an evaluation that nothing is recorded of. `experiment` can be read."""

    def __init__(self, experiment: Experiment, tid: int) -> None:
        self._experiment = experiment
        self._attachments: dict[str, Any] = {}
        self.tid = tid
        self.reports: list[tuple[int, float]] = []

    @property
    def experiment(self) -> Experiment:
        """See `BaseCtrl.experiment`."""
        return self._experiment

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """See `BaseCtrl.attachments`; they are gone with this."""
        return self._attachments

    def judge(self, step: int, value: float) -> bool:
        """Keep a reported value; no pruner is asked."""
        self.reports.append((step, value))
        return False

    def append_report(self, **data: Any) -> None:
        """Record nothing."""

    def _is_unwanted(self) -> bool:
        return False


def rerun(
    experiment: Experiment, tid: int, *, ref: str | None = None, folder: Path | None = None,
    on_error: Callable[[BaseException], object] = lambda _: None,
) -> Rerun:  # fmt: skip
    """Evaluate trial *tid* of *experiment* again in this process, and return what came of it; append nothing.

    ref: an objective "pkg.mod:name" in the place of the recorded one. folder: where its modules and files are looked
    for; by default where this process runs. on_error: called with what the objective raised, while its frames are
    still there.

    It runs the code that the log names, as `hstore worker` does. Raises `NotFound` without such a trial, `NotSigned` as
    `Experiment.check_signatures` does, `CannotLoad` if there is no objective to call.
    """
    experiment.check_signatures()
    trial = experiment.trial(tid)
    folder = Path.cwd() if folder is None else folder
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    domain, script, called = _loaded(experiment, trial, ref)
    ctrl = LoneCtrl(experiment, tid)
    began = time.monotonic()
    error: BaseException | None = None
    try:
        with script.as_main():
            result = domain.evaluate(dict(trial.point), ctrl)
        plain = attempt.plain_result(result, partial(LOG.warning, experiment=experiment.name, trial=tid))
        end = {"state": "done", **attempt.done(plain, time.monotonic() - began, objectives=domain.objectives)}
    except Exception as raised:  # noqa: BLE001 - whatever the objective raises is its result
        error = raised
        end = {"state": "failed", **attempt.failure(raised, duration=time.monotonic() - began)}
        on_error(raised)
    differences, source, is_recorded = _differences(experiment, trial, domain, folder)
    return Rerun(
        tid=tid, params=trial.params, recorded=_recorded_outcome(trial),
        now=replace(_outcome(end), reports=ctrl.reports), objective=called,
        differences=differences, source=source, is_source_recorded=is_recorded, error=error,
    )  # fmt: skip


def describe_rerun(again: Rerun, *, host: str) -> str:
    """Return in one line what came of it, for a note on the trial."""
    now, before = (_shown(each) for each in (again.now, again.recorded))
    same = "the same" if again.is_same else f"recorded: {before}"
    others = len(again.differences) + len(again.source)
    return f"evaluated again on {host}: {now} ({same}; {others or 'no'} differences in code and environment)"


def _shown(outcome: Evaluated) -> str:
    if outcome.error is not None:
        return outcome.error
    return f"loss {outcome.loss!r}" if outcome.losses is None else f"losses {outcome.losses!r}"


def _loaded(experiment: Experiment, trial: Trial, ref: str | None) -> tuple[BoundObjective, Script, str]:
    described = recorded.objective_of(experiment, trial)
    if trial.queued is None:
        raise InvalidValue(f"trial {trial.tid} has no point", tid=trial.tid)
    if ref is None and "ref" not in described and "pickle" not in described:
        raise CannotLoad(
            f"the log holds no code of {described.get('name')!r}: another program evaluated the trials, or the search "
            "was in memory",
            hint="name a function with --objective pkg.mod:name, or run that program at the parameters of "
            f"`hstore show {experiment.name} {trial.tid}`",
        )
    spec = fetch(described, experiment.state.space, experiment.store.attachments)
    if ref is not None:
        spec = named(ref, spec)
    domain, script = load(spec)
    return domain, script, _called(spec, domain)


def _called(spec: ObjectiveSpec, domain: BoundObjective) -> str:
    is_imported = spec.ref is not None and getattr(domain.fn, "__module__", None) != SCRIPT
    how = f"{spec.ref}, imported here" if is_imported else f"{spec.name}, as it was pickled"
    if spec.version is None:
        return how
    return f"{how}; {'the same code' if version(domain.fn) == spec.version else 'other code than was recorded'}"


def _outcome(end: Mapping[str, Any]) -> Evaluated:
    error = end.get("error")
    message = end.get("message")
    return Evaluated(
        state=end["state"], status=end.get("status"), loss=end.get("loss"), losses=end.get("losses"),
        constraints=end.get("constraints"), error=f"{error}: {message}" if error and message else error,
        traceback=end.get("traceback"), duration=end.get("duration"),
    )  # fmt: skip


def _recorded_outcome(trial: Trial) -> Evaluated:
    reports = [(each.step, each.value) for each in trial.reports if each.step is not None and each.value is not None]
    end = trial.returned or trial.end
    losses, constraints = (getattr(end, name, None) for name in ("losses", "constraints"))
    return Evaluated(
        state=trial.state, status=trial.status, loss=getattr(end, "loss", None),
        losses=None if losses is None else list(losses), constraints=None if constraints is None else list(constraints),
        error=trial.error, traceback=getattr(end, "traceback", None), duration=trial.duration, reports=reports,
    )  # fmt: skip


def _bits(number: float | None) -> str:
    return "nan" if number is not None and math.isnan(number) else repr(number)


def _differences(
    experiment: Experiment, trial: Trial, domain: BoundObjective, folder: Path
) -> tuple[list[Row], dict[str, str | None], bool]:
    """Return in what code and environment differ, a unified diff by file, and whether the source was recorded."""
    then = recorded.provenance_of(experiment, trial)
    texts = recorded.source_of(experiment, then)
    now, installed, _ = here(domain)
    rows = [*_git_rows(then, now), *_machine_rows(then, now, trial), *_package_rows(experiment, then, installed)]
    source: dict[str, str | None] = {}
    for path, text in texts.items():
        if path == NOTEBOOK:  # what is called is what was pickled then
            continue
        found = _text_here(domain, path, folder)
        if found is None:
            source[path] = None
        elif found != text:
            source[path] = "\n".join(
                difflib.unified_diff(
                    text.splitlines(), found.splitlines(), f"recorded/{path}", f"here/{path}", lineterm=""
                )
            )
    return [row for row in rows if not row.is_same], source, bool(texts)


def _git_rows(then: Data, now: Data) -> Iterator[Row]:
    one, other = recorded.part(then, "git"), recorded.part(now, "git")
    for name in ("commit", "branch", "dirty"):
        if name in one or name in other:
            yield Row(section="code", name=f"git.{name}", a=one.get(name), b=other.get(name))


def _machine_rows(then: Data, now: Data, trial: Trial) -> Iterator[Row]:
    for name in ENVIRONMENT:
        if name in then:
            yield Row(section="environment", name=name, a=then[name], b=now.get(name))
    if trial.running is not None and then.get("python") != trial.running.python:
        yield Row(section="environment", name="worker's python", a=trial.running.python, b=now.get("python"))
    if trial.reserved is not None and trial.reserved.host != then.get("host"):
        yield Row(section="environment", name="worker's host", a=trial.reserved.host, b=now.get("host"))


def _package_rows(experiment: Experiment, then: Data, installed: Mapping[str, str]) -> Iterator[Row]:
    before = recorded.packages_of(experiment, then)
    for name in sorted({*before, *installed}) if before else ():
        yield Row(section="environment", name=f"packages.{name}", a=before.get(name), b=installed.get(name))


def _text_here(domain: BoundObjective, path: str, folder: Path) -> str | None:
    """Return the text of the file *path* of the source as it is here: that of the objective, or in *folder*."""
    if os.path.isabs(path) or ".." in Path(path).parts:
        return None
    place = domain.project.places.get(path) or folder / path
    try:
        return place.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
