"""Trials as plain columns, which figures, importance and the web page read. Pure; all lists, JSON-friendly.

What is missing is None, never NaN. A *search* is an `Experiment`, anything with one as `experiment`, as `Trials`,
or `TrialColumns` that were made of something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict

from hstore.engine.space import Parameter, Space
from hstore.engine.space.space import seen_space
from hstore.store.errors import InvalidValue
from hstore.store.fold import Trial

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment

Outcome: TypeAlias = Literal["ok", "infeasible", "pruned", "failed", "void", "cancelled", "unfinished"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "infeasible", "pruned", "failed", "void", "cancelled", "unfinished")
"""ok: it is ranked. failed: it raised, returned another status than ok, or a loss that is NaN."""

_FEW = 20
"""A randint of more values than this is shown as numbers, not as names."""
_LONG = 24
"""Characters of an option that are shown."""


class LabelColumn(TypedDict):
    """One label: its range, and its value in each trial."""

    label: str
    is_category: bool
    """Whether values are positions in *options*, rather than numbers."""
    options: list[str]
    """The options as text, in their order; empty for numbers."""
    is_log: bool
    """Whether its prior is logarithmic."""
    low: float | None
    high: float | None
    """Bounds of a number; None where it is unbounded and has no values."""
    step: float | None
    """Distance of two values of a number that is rounded."""
    is_conditional: bool
    """Whether it is active only where other labels have certain values."""
    described: str
    """What it is drawn from, such as `uniform(0, 1) if model = svm`."""
    values: list[float | None]
    """For each trial its value, or the position of its option; None where the label is not active."""


class TrialColumns(TypedDict):
    """The trials of one search, by tid; all lists but *labels* have one entry a trial."""

    name: str
    tid: list[int]
    outcome: list[Outcome]
    losses: list[list[float | None]]
    """For each loss (one in most searches) its value in each trial."""
    labels: list[LabelColumn]
    """In the order in which the user wrote the space."""


def experiment_of(search: Any) -> Experiment:
    """Return the `Experiment` of *search*, which is one or has one."""
    experiment = getattr(search, "experiment", search)
    if not hasattr(experiment, "state"):
        raise InvalidValue(f"{search!r:.80} is no search", hint="pass an Experiment, such as store.experiment(name)")
    return experiment  # type: ignore[no-any-return]


class TrialRow(NamedTuple):
    """What columns are made of: one trial."""

    tid: int
    outcome: Outcome
    losses: Sequence[Any]
    """Of a search with one loss that one; nothing without a loss."""
    point: Mapping[str, Any]
    """Raw value of each label that is active."""


def columns_of(search: Any) -> TrialColumns:
    """Return the trials of *search* as columns, as far as it has been read; columns are returned as they are."""
    if isinstance(search, dict) and "labels" in search:
        return search  # type: ignore[return-value]
    experiment = experiment_of(search)
    rows = [TrialRow(int(trial.tid), outcome_of(trial), _losses(trial), trial.point) for trial in experiment.trials]
    return columns_from(experiment.name, experiment.state.space, rows)


def columns_from(name: str, space_data: Any, rows: Sequence[TrialRow]) -> TrialColumns:
    """Return *rows* as columns; without *space_data* the labels are those that the trials have."""
    points = [row.point for row in rows]
    space = Space.from_data(space_data) if space_data else seen_space(points)
    width = max((len(row.losses) for row in rows), default=1)
    return {
        "name": name,
        "tid": [row.tid for row in rows],
        "outcome": [row.outcome for row in rows],
        "losses": [[_finite(row.losses, n) for row in rows] for n in range(max(1, width))],
        "labels": [_label(space, label, points) for label in space.as_written],
    }


def outcome_of(trial: Trial) -> Outcome:
    """Return what became of *trial*, in one word."""
    if not trial.is_finished:
        return "unfinished"
    if trial.is_void:
        return "void"
    if trial.state == "cancelled":
        return "cancelled"
    if trial.is_pruned:
        return "pruned"
    if trial.why_unranked == ("infeasible",):
        return "infeasible"
    return "failed" if trial.why_unranked else "ok"


def label_column(columns: TrialColumns, label: str) -> LabelColumn:
    """Return the column of *label*; raises `InvalidValue`, which says what labels there are."""
    for column in columns["labels"]:
        if column["label"] == label:
            return column
    known = ", ".join(column["label"] for column in columns["labels"])
    raise InvalidValue(f"{columns['name']!r} has no label {label!r}", hint=f"its labels are {known}")


def label_columns(columns: TrialColumns, labels: Sequence[str] | None) -> list[LabelColumn]:
    """Return the columns of *labels*, all of them for None; raises `InvalidValue` if there are none."""
    found = columns["labels"] if labels is None else [label_column(columns, label) for label in labels]
    if not found:
        raise InvalidValue(f"{columns['name']!r} has no labels to show")
    return found


def loss_column(columns: TrialColumns, loss: int) -> list[float | None]:
    """Return loss number *loss*, 0 for the first, of each trial; raises `InvalidValue` if there are fewer."""
    losses = columns["losses"]
    if not 0 <= loss < len(losses):
        raise InvalidValue(f"{columns['name']!r} has no loss {loss}", hint=f"its losses are 0 to {len(losses) - 1}")
    return losses[loss]


def ranked_positions(columns: TrialColumns, losses: Sequence[float | None]) -> list[int]:
    """Return the positions of the trials that are ranked, by one of the columns of *losses*."""
    pairs = enumerate(zip(columns["outcome"], losses, strict=True))
    return [i for i, (outcome, value) in pairs if outcome == "ok" and value is not None]


def _losses(trial: Trial) -> Sequence[Any]:
    return trial.losses if trial.losses is not None else ([] if trial.loss is None else [trial.loss])


def _finite(losses: Sequence[Any], n: int) -> float | None:
    value = losses[n] if n < len(losses) else None
    return float(value) if value is not None and math.isfinite(value) else None


def _label(space: Space, label: str, points: Sequence[Mapping[str, Any]]) -> LabelColumn:
    parameter = space[label]
    raw = [point.get(label) for point in points]
    values: list[float | None]
    if is_category := _is_category(parameter):
        first = int(parameter.low or 0)
        values = [None if value is None else int(value) - first for value in raw]
        options = [_text(parameter.read(first + n)) for n in range(parameter.n_options)]
        low, high, step = None, None, None
    else:
        values = [None if value is None else float(value) for value in raw]
        options = []
        low, high = _bounds(parameter, [value for value in values if value is not None])
        step = 1.0 if parameter.kind == "randint" else parameter.q
    return {
        "label": label,
        "is_category": is_category,
        "options": options,
        "is_log": parameter.is_log and not is_category,
        "low": low,
        "high": high,
        "step": step,
        "is_conditional": bool(parameter.conditions),
        "described": space.describe(label),
        "values": values,
    }


def _is_category(parameter: Parameter) -> bool:
    return parameter.is_categorical and (parameter.options is not None or parameter.n_options <= _FEW)


def _bounds(parameter: Parameter, values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the range of the prior, or where that has none, that of *values*."""
    if parameter.low is not None and parameter.high is not None:
        low, high = parameter.bounds
        if not parameter.is_log or low > 0:
            return float(low), float(high)
    if parameter.is_log:
        values = [value for value in values if value > 0]
    return (min(values), max(values)) if values else (None, None)


def _text(option: Any) -> str:
    text = str(option)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
