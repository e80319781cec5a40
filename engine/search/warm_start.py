"""Warm starts: an experiment begins knowing the trials of earlier ones that fit its space.

A known trial is recorded like any other: its decision says where it came from (`imported`), and later decisions observe
its end. So replay needs no other experiment, and the same call again finds it there and adds nothing.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeAlias

from hstore.engine.evaluation import attempt
from hstore.engine.space import Apply, Parameter, Point, Space, Value
from hstore.engine.space.compiling import chooser, label_of
from hstore.engine.space.data import Unnamed, is_same, settled
from hstore.engine.space.expressions import Literal, dfs
from hstore.store.errors import NotFound
from hstore.store.events import WARM_START, Data, Done, Queued, happened, origin_of
from hstore.store.experiment import Experiment, PendingEvent, author
from hstore.store.fold import Trial
from hstore.store.messages import Log
from hstore.store.state import State

LOG = Log("search")

INJECTED = "injected"
BATCH = 25
"""Trials that are appended at once; the first of each batch observes the ends of the batch before."""

Key: TypeAlias = tuple[Any, ...]
Place: TypeAlias = tuple[str | int, ...]
"""Where in a space something is: the keys and positions that lead to it."""


@dataclass(frozen=True, kw_only=True)
class KnownTrial:
    """A trial of another experiment that fits the space of this one."""

    point: Point
    """Raw values in the space of this experiment, of the labels that the trial has a value for."""
    origin: Data
    """Where it came from, as the log names it: from, exp, tid, at, and the store's URL if it is another one."""
    end: Data
    """The data of its `Done`."""

    @property
    def key(self) -> Key:
        """What tells it from other trials."""
        return _key(self.origin, self.point)


# -- which trials of other experiments fit ----------------------------------------------------------------------


def known_trials(source: Experiment, space: Space, *, store: str | None = None) -> list[KnownTrial]:
    """Return the trials of *source*, which was read, that fit *space*; say how many do not, and why.

    Trials count that ended with a result: neither failed nor pruned ones, nor those that were voided. store: the URL
    of the store of *source*, if it is another one. Raises `NotFound` for an experiment that has not begun.
    """
    if source.state.created is None:
        if not source.store.is_durable:
            raise NotFound("warm_start: the trials that were given are empty", hint="run fmin with them first")
        where = "" if store is None else f" in {store}"
        raise NotFound(f"warm_start: there is no experiment {source.name!r}{where}", hint="see `hstore ls`")
    translation = Translation(Space.from_data(source.state.space), space)
    found: list[KnownTrial] = []
    misfits: Counter[str] = Counter()
    for trial in source.trials:
        if not _has_result(trial):
            continue
        try:
            point = translation.point(trial.point, trial.params)
        except Misfit as misfit:
            misfits[str(misfit)] += 1
            continue
        found.append(_known(source, trial, point, store))
    if misfits:
        n = sum(misfits.values())
        why = "; ".join(f"{reason} ({times})" for reason, times in misfits.most_common(3))
        tell = LOG.info if found else LOG.warning
        tell(f"{n} of {n + len(found)} trials of {source.name!r} do not fit the space: {why}", experiment=source.name)
    return found


def _has_result(trial: Trial) -> bool:
    return isinstance(trial.end, Done) and trial.is_finished and not trial.is_void and not trial.is_pruned


def _known(source: Experiment, trial: Trial, point: Point, store: str | None) -> KnownTrial:
    queued, end = trial.queued, trial.end
    assert isinstance(end, Done)
    origin: dict[str, Any] = {"from": WARM_START, "exp": source.name, "tid": trial.tid}
    if queued is not None:
        origin["at"] = happened(queued)
    if store is not None:
        origin["store"] = store
    if (earlier := origin_of(queued)) is not None:  # which *source* knew from elsewhere itself
        origin = dict(earlier)
    data = {
        "result": attempt.plain_result(end.result, LOG.warning), "status": end.status, "loss": end.loss,
        "losses": end.losses, "constraints": end.constraints, "duration": end.duration,
        "imported": {"at": happened(end)},
    }  # fmt: skip
    return KnownTrial(point=point, origin=origin, end=data)


def _key(origin: Data, point: Data) -> Key:
    # Not by its store: one may be reached under several names, and move.
    return origin.get("exp"), origin.get("tid"), frozenset(point.items())


# -- making them trials of this one -----------------------------------------------------------------------------


def count(state: State, known: Sequence[KnownTrial]) -> int:
    """Return how many trials there are from other experiments once *known* ones have been added."""
    there = [trial for trial in state.unlike_most() if origin_of(trial.queued) is not None]
    return len(there) + len(missing(state, known))


def missing(state: State, known: Sequence[KnownTrial]) -> list[KnownTrial]:
    """Return those of *known* that are not there yet, each once."""
    if not known:
        return []
    keys = {
        _key(origin, trial.point)
        for trial in state.unlike_most()
        if (origin := origin_of(trial.queued)) is not None
    }  # fmt: skip
    left = {each.key: each for each in known}
    return [each for key, each in left.items() if key not in keys]


def append_missing(experiment: Experiment, space: Space, known: Sequence[KnownTrial]) -> None:
    """Append those of *known* that are not there yet, also while other processes do the same."""

    left = deque(missing(experiment.state, known))
    keys: set[Key] = set()
    looked = len(experiment.state.trials)

    def decide() -> list[PendingEvent]:
        nonlocal looked
        trials = experiment.state.trials
        for tid in range(looked, len(trials)):  # what was appended here, or by another process
            if (origin := origin_of(trials[tid].queued)) is not None:
                keys.add(_key(origin, trials[tid].point))
        looked = len(trials)
        while left and left[0].key in keys:
            left.popleft()
        some = [each for each in islice(left, BATCH) if each.key not in keys]
        return [*_events(experiment, space, some)]

    while left and experiment.append_decided(decide):
        pass


def _events(experiment: Experiment, space: Space, some: Sequence[KnownTrial]) -> Iterator[PendingEvent]:
    first = len(experiment.state.trials)
    observed = experiment.observed() if some else []
    for tid, each in enumerate(some, first):
        yield Queued, tid, {
            "point": each.point, "params": space.params(each.point), "source": INJECTED, "imported": each.origin,
            "observed": observed if tid == first else [],
        }  # fmt: skip
        yield attempt.claim(tid, attempts=0, worker=author())
        yield attempt.begin(tid, pid=os.getpid(), objective=None)
        yield Done, tid, each.end


# -- a point of another space -----------------------------------------------------------------------------------


class Misfit(Exception):
    """Raised for a point that has no counterpart in the other space; its text says why."""


@dataclass
class Translation:
    """Says which point of the space *new* was tried at a point of the space *old*.

    Labels are matched by name. A value must be one that *new* can have: a number in the range, an option that *new*
    has too, wherever it stands. A label that *old* lacks has no value, or the constant that *old* has in its place. Of
    a label that *new* lacks nothing is known, unless *new* has a constant in its place: that must be the value.
    """

    old: Space
    new: Space
    _below: dict[int, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mine, theirs = dict(_places(self.old.expression)), dict(_places(self.new.expression))
        self._constants_before = _constants_at(theirs, mine)
        self._constants_now = _constants_at(mine, theirs)
        self._options = dict(_options(self.old.expression)), dict(_options(self.new.expression))

    def point(self, tried: Mapping[str, Value], params: Mapping[str, Any] = MappingProxyType({})) -> Point:
        """Return the point of *new* for *tried*, a point of *old*; raises `Misfit`.

        params: the actual values at *tried*. They say what was tried of labels that *old* does not know: a study of
        Optuna's has no space.
        """
        for label, constant in self._constants_now.items():
            if label in tried and label not in self.new and not _is_equal(self._value(label, tried[label]), constant):
                raise Misfit(f"{label} is always {constant!r:.40} now")
        point: Point = {}
        for parameter in self.new:
            label = parameter.label
            if not self.new.is_active(label, point):
                continue
            if label in tried and label in self.old:
                point[label] = self._raw(parameter, self._value(label, tried[label]), label)
            elif label in tried and label in params:
                point[label] = self._raw(parameter, params[label], label)
            elif label not in self.old and label in self._constants_before:
                point[label] = self._raw(parameter, self._constants_before[label], label)
        if tried and len(self.new) and not point:
            raise Misfit("it has a value for none of the labels")
        return point

    def _value(self, label: str, raw: Value) -> Any:
        """Return what the *raw* value of *label* means in *old*."""
        parameter = self.old[label]
        if parameter.constants is not None:
            return parameter.constants[int(raw)]
        return raw

    def _raw(self, parameter: Parameter, value: Any, label: str) -> Value:
        """Return the raw value in *new* that means *value*."""
        if label in self.old and self.old[label].kind == "seen" and parameter.is_categorical:
            raise Misfit(f"{label} had options that are not known")
        if parameter.constants is not None:
            for i, constant in enumerate(parameter.constants):
                if self._is_option(label, value, i, constant):
                    return i
            named = parameter.options if label not in self.old else None  # {"name": "sgd", …} was told as "sgd"
            for i, option in enumerate(named or ()):
                if _is_equal(value, option):
                    return i
            raise Misfit(f"{label} has no option {value!r:.40} now")
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        low, high = parameter.bounds
        is_whole = parameter.is_integer and (parameter.is_categorical or (parameter.q or 0.5) % 1 == 0)
        if not is_number or not low <= value <= high or (is_whole and value % 1 != 0):
            raise Misfit(f"{label} is out of range of {parameter.describe()}")
        return int(value) if parameter.is_categorical else float(value)

    def _is_option(self, label: str, value: Any, position: int, constant: Any) -> bool:
        if isinstance(value, Unnamed) and isinstance(constant, Unnamed):
            mine, theirs = (options.get(label) for options in self._options)
            if mine is None or theirs is None:
                return value.position == constant.position
            return self._labels_below(mine[value.position]) == self._labels_below(theirs[position])
        return _is_equal(value, constant)

    def _labels_below(self, node: Apply) -> frozenset[str]:
        if id(node) not in self._below:
            self._below[id(node)] = frozenset(label_of(each) for each in dfs(node) if each.name == "hyperopt_param")
        return self._below[id(node)]


def _is_equal(value: Any, constant: Any) -> bool:
    numbers = [each for each in (value, constant) if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return value == constant if len(numbers) == 2 else is_same(value, constant)


def _options(expression: Apply) -> Iterator[tuple[str, list[Apply]]]:
    """Yield the label of each choice with the nodes of its options."""
    for node in dfs(expression):
        if node.name == "switch" and (param := chooser(node)) is not None:
            yield label_of(param), node.pos_args[1:]


def _constants_at(labels: Mapping[Place, Apply], places: Mapping[Place, Apply]) -> dict[str, Any]:
    """Return by label the constant that *places* have where *labels* have that label."""
    return {
        label: settled(other.obj)
        for place, node in labels.items()
        if (label := _label_at(node)) is not None and isinstance(other := places.get(place), Literal)
    }


def _label_at(node: Apply) -> str | None:
    if node.name == "hyperopt_param":
        return label_of(node)
    param = chooser(node) if node.name == "switch" else None
    return None if param is None else label_of(param)


def _places(expression: Apply) -> Iterator[tuple[Place, Apply]]:
    """Yield what is in the dicts and lists of a space, as deep as no choice has to be made, with its place."""
    pending: list[tuple[Place, Apply]] = [((), expression)]
    while pending:
        place, node = pending.pop()
        while node.name in ("int", "float") and node.pos_args:
            node = node.pos_args[0]
        yield place, node
        if node.name == "pos_args":
            pending += [((*place, i), child) for i, child in enumerate(node.pos_args)]
        elif node.name == "dict" and not node.pos_args:
            pending += [((*place, str(name)), child) for name, child in node.named_args]
