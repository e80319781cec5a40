"""The trials of an experiment as Optuna sees them, brought up to what was read of the log."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna.said import KEY, SYSTEM, USER, local, params_in, said_in
from hstore.engine.optuna.space_distributions import Shown, shown
from hstore.engine.optuna.study_names import number_of_trial
from hstore.engine.space import Space
from hstore.store.events import Cancelled, Done, Event, Failed, Queued, Reported, Requeued, Running, happened
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import Trial
from hstore.store.state import State


class TrialViews:
    """By number. `update` costs what is new; a view that was handed out never changes.

    is_of_optuna: whether an Optuna storage wrote the experiment; else hstore did, and its trials are translated.
    report_sign: -1 where Optuna maximises what trials report.
    """

    def __init__(self, experiment: Experiment, study: int, *, is_of_optuna: bool, report_sign: float) -> None:
        self._experiment = experiment
        self._study = study
        self._is_of_optuna = is_of_optuna
        self._sign = report_sign
        self._begin()

    def _begin(self) -> None:
        self._received = self._experiment.received
        self._n_received = 0
        self._chains: dict[int, _FrozenChain] = {}
        self._views: dict[int, FrozenTrial] = {}
        self._shown: Mapping[str, Shown] = {}
        self._n_shown = -1
        self.distributions: dict[str, BaseDistribution] = {}
        """By name the distribution that a parameter was first drawn from."""

    def update(self) -> None:
        """Take in what was read since."""
        if self._experiment.received is not self._received:  # all was read anew
            self._begin()
        news = self._experiment.received[self._n_received :]
        self._n_received += len(news)
        for event in news:
            if event.tid is None:
                continue
            self._take(event.tid, event)

    def _take(self, tid: int, event: Event) -> None:
        self._views.pop(tid, None)
        if self._is_of_optuna:
            chain = self._chains.get(tid)
            if chain is None:
                chain = self._chains[tid] = _FrozenChain(self._sign)
            for name, distribution in chain.take(event):
                self.distributions.setdefault(name, distribution)

    def anticipate(self, tid: int, pending: Iterable[PendingEvent]) -> None:
        """Take in what is about to be written of trial *tid*; it changes nothing when it comes again as events."""
        self._views.pop(tid, None)
        for _, _, data in pending:
            for name, distribution in self._chains[tid].anticipate(data):
                self.distributions.setdefault(name, distribution)

    def read_again(self, tid: int) -> None:
        """Forget what `anticipate` took in of trial *tid*, which will not be written."""
        del self._chains[tid]
        for event in self._experiment.chain(tid):
            self._take(tid, event)

    def __contains__(self, tid: object) -> bool:
        return tid in self._experiment.state.trials

    def view(self, tid: int) -> FrozenTrial:
        """Return trial *tid*, as far as `update` took it in; the caller does not change it."""
        if tid not in self._views:
            self._views[tid] = self._made(tid)
        return self._views[tid]

    def views(self, *, ended: bool = True) -> list[FrozenTrial]:
        """Return all trials by number; ended: also those that have ended."""
        if not self._is_of_optuna:
            self._look_at_space()
        state = self._experiment.state
        return [self.view(tid) for tid in (range(len(state.trials)) if ended else sorted(state.open))]

    def _made(self, tid: int) -> FrozenTrial:
        if self._is_of_optuna and tid in self._chains:
            return self._chains[tid].freeze(tid, number_of_trial(self._study, tid))
        if not self._shown:
            self._look_at_space()
        state = self._experiment.state
        return translated(state.trials[tid], self._shown, self._study, n_values(state))

    def _look_at_space(self) -> None:
        """See what the labels are drawn from; a range that nothing bounds is that of all values so far."""
        trials = self._experiment.state.trials
        if len(trials) == self._n_shown:
            return
        self._n_shown = len(trials)
        space = Space.from_data(self._experiment.state.space)
        values = {label: [t.point[label] for t in trials.values() if label in t.point] for label in space.labels}
        now = {p.label: shown(p, values[p.label]) for p in space.parameters}
        if now != self._shown:
            self._shown = now
            self._views.clear()


class _FrozenChain:
    """One trial of a study that an Optuna storage wrote, event by event."""

    def __init__(self, sign: float) -> None:
        self._sign = sign
        self.state = TrialState.WAITING
        self.values: list[float] | None = None
        self.start: dt.datetime | None = None
        self.complete: dt.datetime | None = None
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.attrs: dict[str, dict[str, Any]] = {USER: {}, SYSTEM: {}}
        self.reports: dict[int, float] = {}
        self._given: tuple[dt.datetime | None, dt.datetime | None] = (None, None)
        """When it began and ended, of a trial that a program gave to the study as it is."""

    def take(self, event: Event) -> Iterator[tuple[str, BaseDistribution]]:
        """Take in *event*; yield the name and distribution of each parameter that it adds."""
        said = said_in(event)
        match event:
            case Queued():
                yield from self._begin(said)
            case Running():
                self.state, self.start = TrialState.RUNNING, self._given[0] or local(event.at)
            case Requeued():
                self.state = TrialState.WAITING
            case Done() | Failed():
                default = TrialState.COMPLETE if isinstance(event, Done) else TrialState.FAIL
                self.state, self.values = TrialState(said.get("state", int(default))), said.get("values")
                self.complete = self._given[1] or local(event.at)
            case Cancelled():
                self.state, self.complete = TrialState.FAIL, local(event.at)
            case Reported(step=int(step), value=value) if value is not None:
                self.reports[step] = self._sign * value
            case _:
                pass
        yield from self._hear(said)

    def anticipate(self, data: Mapping[str, Any]) -> Iterator[tuple[str, BaseDistribution]]:
        """Do what `take` does of an event with *data* that reports something, or notes it."""
        if data.get("step") is not None:
            self.reports[data["step"]] = self._sign * data["value"]
        yield from self._hear(data.get("extra", {}).get(KEY, {}))

    def _hear(self, said: Mapping[str, Any]) -> Iterator[tuple[str, BaseDistribution]]:
        for param in params_in(said):
            yield from self._param(param["name"], param["internal"], _distribution(param["distribution"]))
        if said.get("op") in self.attrs:
            self.attrs[said["op"]][said["key"]] = json.loads(said["value"])

    def _begin(self, said: Mapping[str, Any]) -> Iterator[tuple[str, BaseDistribution]]:
        for name, distribution in said.get("distributions", {}).items():
            yield from self._param(name, said["internal"][name], _distribution(distribution))
        self.attrs = {which: json.loads(said.get(f"{which}s", "{}")) for which in (USER, SYSTEM)}
        self.reports = {int(step): value for step, value in said.get("reports", [])}
        self.start = _moment(said.get("start"))
        if said.get("state") != int(TrialState.WAITING):
            self._given = self.start, _moment(said.get("complete"))

    def _param(self, name: str, internal: float, d: BaseDistribution) -> Iterator[tuple[str, BaseDistribution]]:
        self.params[name], self.distributions[name] = d.to_external_repr(internal), d
        yield name, d

    def freeze(self, number: int, trial: int) -> FrozenTrial:
        """Return the trial as it is now."""
        return FrozenTrial(
            number=number, trial_id=trial, state=self.state, value=None, values=self.values,
            datetime_start=self.start, datetime_complete=self.complete,
            params=dict(self.params), distributions=dict(self.distributions), user_attrs=dict(self.attrs[USER]),
            system_attrs=dict(self.attrs[SYSTEM]), intermediate_values=dict(self.reports),
        )  # fmt: skip


@lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    """Return the distribution of JSON *text*: that of one parameter is the same in all trials, as a rule."""
    return json_to_distribution(text)


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


def n_values(state: State) -> int:
    """Return how many values Optuna expects of each trial of a search of hstore's: one, or as many as the front has."""
    is_front = state.best is None and bool(state.pareto)
    return int(state.objective.get("objectives") or (len(state.pareto[0].losses or ()) if is_front else 1))


def translated(trial: Trial, labels: Mapping[str, Shown], study: int, n_values: int) -> FrozenTrial:
    """Return a *trial* of hstore's own as Optuna shows it. What Optuna has no word for is in its user attributes.

    n_values: how many values Optuna expects of each trial; one with another number of losses has failed.
    """
    end = trial.end if trial.is_finished else None
    losses = [float(x) for x in trial.losses or ()]
    if len(losses) != n_values:
        losses = [trial.loss] if n_values == 1 and trial.loss is not None else []
    is_ok = isinstance(end, Done) and end.status == "ok" and not trial.is_void
    is_ok = is_ok and bool(losses) and not any(map(math.isnan, losses))
    if is_ok:
        state = TrialState.COMPLETE
    elif end is not None:
        state = TrialState.PRUNED if trial.is_pruned and not trial.is_void else TrialState.FAIL
    else:
        state = TrialState.RUNNING if trial.state in ("running", "failed") else TrialState.WAITING
    known = {label: raw for label, raw in trial.point.items() if label in labels}
    begun = trial.running or trial.reserved
    return FrozenTrial(
        number=trial.tid, trial_id=number_of_trial(study, trial.tid), state=state, value=None,
        values=losses if is_ok else None,
        datetime_start=local(happened(begun or trial.last)) if begun or end else None,
        datetime_complete=local(happened(end)) if end else None,
        params={label: labels[label].value(raw) for label, raw in known.items()},
        distributions={label: labels[label].distribution for label in known},
        user_attrs=_about(trial), system_attrs={"constraints": list(trial.constraints)} if trial.constraints else {},
        intermediate_values=dict(trial.latest_reports),
    )  # fmt: skip


def _about(trial: Trial) -> dict[str, Any]:
    about: dict[str, Any] = {"hstore:state": trial.state, "hstore:attempt": trial.attempt}
    if trial.queued is not None:
        about["hstore:source"] = trial.queued.source
    if trial.reserved is not None:
        about |= {"hstore:worker": trial.reserved.worker, "hstore:host": trial.reserved.host}
    about |= {"hstore:error": trial.error} if trial.error else {}
    about |= {"hstore:tags": list(trial.tags)} if trial.tags else {}
    return about | ({"hstore:void": True} if trial.is_void else {})
