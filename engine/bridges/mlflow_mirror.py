"""A search in MLflow: a parent run, and a child run for each trial that was begun. Repeating it changes nothing."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hstore.store.errors import InvalidValue
from hstore.store.events import Done, Event, Failed, Noted, Reported, happened
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

EXPERIMENT, TRIAL, VER = "hstore.experiment", "hstore.trial", "hstore.ver"
"""Tags: which experiment, by the id of its first event; which trial of it; how much of its chain the run has.

VER is written after everything else: a run without it was begun by a process that died, and is completed.
"""
BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""How many MLflow takes in one request."""
LONGEST = {"params": 6000, "tags": 5000}
PAGE = 1000


class MlflowMirror:
    """Keeps the runs of *experiment* in the MLflow tracking store at *uri* (None: as MLflow is configured).

    name: of the experiment in MLflow; None: the same as here. Raises `InvalidValue` if it was deleted there.
    """

    def __init__(self, experiment: Experiment, uri: str | None = None, *, name: str | None = None) -> None:
        from mlflow.tracking import MlflowClient

        self.experiment = experiment
        self.client = MlflowClient(uri)
        self._place = self._find_experiment(experiment.name if name is None else name)
        created = experiment.state.created
        if created is None:
            raise InvalidValue(f"experiment {experiment.name!r} has not begun yet")
        self._parent = self._find_parent(created)
        query = f"tags.`mlflow.parentRunId` = '{self._parent}'"
        self._runs: dict[int, str] = {}
        self._vers: dict[int, int] = {}
        for run in self._pages(query):
            if (tid := run.data.tags.get(TRIAL)) is not None:
                self._runs[int(tid)], self._vers[int(tid)] = run.info.run_id, int(run.data.tags.get(VER, -1))
        self._best = _known(self.client.get_metric_history(self._parent, "best_loss"))

    def catch_up(self) -> int:
        """Bring the runs up to what was read of the experiment; return how many trials were new or had changed."""
        changed = [
            trial for trial in self.experiment.trials
            if trial.running is not None or trial.end is not None if self._vers.get(trial.tid, -1) < trial.ver
        ]  # fmt: skip
        for trial in changed:
            self._mirror(trial)
        self._mirror_parent()
        return len(changed)

    def _find_experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return str(self.client.create_experiment(name))
        if found.lifecycle_stage != "active":
            raise InvalidValue(f"MLflow's experiment {name!r} was deleted", hint="restore it, or give another name")
        return str(found.experiment_id)

    def _find_parent(self, created: Event) -> str:
        for run in self._pages(f"tags.`{EXPERIMENT}` = '{created.id.hex}'"):
            if TRIAL not in run.data.tags:
                return str(run.info.run_id)
        tags = {EXPERIMENT: created.id.hex, "mlflow.runName": self.experiment.name}
        return str(self.client.create_run(self._place, start_time=_ms(created), tags=tags).info.run_id)

    def _pages(self, query: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self.client.search_runs([self._place], query, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _mirror(self, trial: Trial) -> None:
        tid, events = trial.tid, self.experiment.chain(trial.tid)
        start = _ms(trial.running or trial.last)
        if tid not in self._runs:
            tags = {"mlflow.parentRunId": self._parent, "mlflow.runName": f"trial {tid}", TRIAL: str(tid)}
            self._runs[tid] = self.client.create_run(self._place, start_time=start, tags=tags).info.run_id
            reported: set[tuple[int, int]] = set()
        else:
            reported = _known(self.client.get_metric_history(self._runs[tid], "reported"))
        run = self._runs[tid]
        metrics = [
            _metric("reported", event.value, event, event.step) for event in events
            if isinstance(event, Reported) and event.value is not None and event.step is not None
            and (event.step, _ms(event)) not in reported
        ]  # fmt: skip
        if isinstance(trial.end, Done):
            for name, value in _losses(trial):
                known = _known(self.client.get_metric_history(run, name))
                metrics += [_metric(name, value, trial.end)] if (0, _ms(trial.end)) not in known else []
        self._log(run, metrics=metrics, params={_key(label): value for label, value in trial.params.items()})
        self._log_attachments(run, events, after=self._vers.get(tid, -1))
        status = _status(trial)
        if trial.is_finished:
            self.client.set_terminated(run, status, end_time=None if trial.end is None else _ms(trial.end))
        else:
            self.client.update_run(run, status=status)
        self._log(run, tags=self._tags(trial))
        self._log(run, tags={VER: trial.ver})
        self._vers[tid] = trial.ver

    def _tags(self, trial: Trial) -> dict[str, Any]:
        tags = {
            "hstore.state": trial.state,
            "hstore.digest": self.experiment.digest(trial.tid, trial.ver).hex(),
            "hstore.source": trial.queued.source if trial.queued else None,
            "hstore.worker": trial.reserved.worker if trial.reserved else None,
            "hstore.pruned": "true" if trial.is_pruned else None,
            "hstore.void": "true" if trial.is_void else None,
            "hstore.tags": ", ".join(trial.tags) or None,
            "hstore.error": trial.error,
        }
        return {name: value for name, value in tags.items() if value is not None}

    def _mirror_parent(self) -> None:
        state, run = self.experiment.state, self._parent
        ended = [trial for trial in self.experiment.trials if isinstance(trial.end, Done)]
        ranked = [trial for trial in ended if trial.loss is not None and not trial.why_unranked]
        best, metrics = math.inf, []
        for trial in sorted(ranked, key=lambda trial: (happened(trial.last), trial.tid)):
            if trial.loss is not None and trial.loss < best and trial.end is not None:
                best = trial.loss
                if (trial.tid, _ms(trial.end)) not in self._best:
                    metrics.append(_metric("best_loss", best, trial.end, trial.tid))
                    self._best.add((trial.tid, _ms(trial.end)))
        tags = {
            "hstore.head": self.experiment.head.hex(),
            "hstore.status": state.status,
            "hstore.algorithm": state.algorithm.get("name"),
            "hstore.best_trial": state.best.tid if state.best else "none",
            "hstore.trials": len(state.trials),
        }
        self._log(run, metrics=metrics, tags=tags)
        if state.status == "finished":
            ends = [happened(trial.end) for trial in self.experiment.trials if trial.end is not None]
            self.client.set_terminated(run, "FINISHED", end_time=int(max(ends).timestamp() * 1000) if ends else None)
        else:
            self.client.update_run(run, status="RUNNING")

    def _log(self, run: str, *, metrics: Sequence[Metric] = (), params: Any = None, tags: Any = None) -> None:
        """Log any number of these, in as many requests as MLflow needs."""
        from mlflow.entities import Param, RunTag

        entries: dict[str, list[Any]] = {
            "metrics": list(metrics),
            "params": [Param(name, _text(value)[: LONGEST["params"]]) for name, value in (params or {}).items()],
            "tags": [RunTag(name, _text(value)[: LONGEST["tags"]]) for name, value in (tags or {}).items()],
        }
        for kind in entries:
            for batch in _batches(entries[kind], BATCH[kind]):
                request: dict[str, Any] = {kind: batch}
                self.client.log_batch(run, **request)

    def _log_attachments(self, run: str, events: Iterable[Event], *, after: int) -> None:
        named = [event for event in events if isinstance(event, (Reported, Noted)) and event.attachment is not None]
        for event in named:
            data = event.attachment
            if event.ver <= after or data is None or data.get("removed"):
                continue
            content = self.experiment.store.attachments.get(data["sha256"])
            parts = [part for part in PurePosixPath(str(data["name"])).parts if part not in ("/", "..")] or ["unnamed"]
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, parts[-1])
                file.write_bytes(content)
                self.client.log_artifact(run, str(file), "/".join(["attachments", *parts[:-1]]))


def mlflow_callback(uri: str | None = None, *, name: str | None = None) -> Callable[..., tuple[bool, list[Any]]]:
    """Return a function for `fmin(…, early_stop_fn=…)` that mirrors a search in MLflow as it goes; it stops nothing.

    uri, name: as for `MlflowMirror`.
    """
    mirrors: dict[int, MlflowMirror] = {}

    def callback(trials: Any, *args: Any) -> tuple[bool, list[Any]]:
        experiment = trials.experiment
        if id(experiment) not in mirrors:
            mirrors[id(experiment)] = MlflowMirror(experiment, uri, name=name)
        mirrors[id(experiment)].catch_up()
        return False, list(args)

    return callback


def _losses(trial: Trial) -> list[tuple[str, float]]:
    """Return the metrics that a trial ended with."""
    named = [("loss", trial.loss), ("duration", trial.duration)]
    named += [(f"losses.{i}", loss) for i, loss in enumerate(trial.losses or ())]
    named += [(f"constraints.{i}", value) for i, value in enumerate(trial.constraints or ())]
    return [(name, float(value)) for name, value in named if value is not None]


def _status(trial: Trial) -> str:
    if not trial.is_finished:
        return "SCHEDULED" if trial.state == "queued" else "RUNNING"
    if trial.state == "cancelled" or trial.is_pruned:
        return "KILLED"
    return "FAILED" if isinstance(trial.end, Failed) or trial.status == "fail" else "FINISHED"


def _known(history: Iterable[Metric]) -> set[tuple[int, int]]:
    """Return step and time of each value that is logged: MLflow's file store would keep it twice."""
    return {(metric.step, metric.timestamp) for metric in history}


def _metric(name: str, value: float, event: Event, step: int = 0) -> Metric:
    from mlflow.entities import Metric

    return Metric(name, float(value), _ms(event), step)


def _ms(event: Event) -> int:
    return int(happened(event).timestamp() * 1000)


def _key(label: str) -> str:
    """Return *label* with what MLflow allows in a name."""
    return re.sub(r"[^\w\-./ :]", "_", label)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _batches(entries: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(entries)
    for first in rest:
        yield list(chain([first], islice(rest, size - 1)))
