"""Tables of an experiment: its trials, events and reports as columns, for pandas and for files. Pure but for pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hstore.store.errors import InvalidValue
from hstore.store.event_documents import to_document
from hstore.store.events import Cancelled, Document, Event, Failed, Reported, Reserved, happened
from hstore.store.fold import Trial
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.table_kinds import TABLE_KINDS, TableKind

if TYPE_CHECKING:
    import pandas as pd

    from hstore.store.experiment import Experiment

INTEGER, NUMBER, YES_NO, CATEGORY, MOMENT, ANYTHING = "Int64", "float64", "boolean", "category", "moment", "object"
"""What a column holds: the dtype of pandas, but for moments, which are UTC with milliseconds."""


@lazy_dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, and a value for each row; None where there is none."""

    holds: str
    values: list[Any]


Table: TypeAlias = dict[str, Column]
"""By name, in order. All columns have the same number of rows."""


def table_of(experiment: Experiment, kind: TableKind) -> Table:
    """Return the table *kind* of *experiment*; raises `InvalidValue` for another kind."""
    if kind == "trials":
        return trials_table(experiment.trials)
    if kind == "events":
        return events_table(sorted(experiment.events, key=lambda event: (event.at, event.tid is not None, event.ver)))
    if kind == "reports":
        return reports_table(experiment.events)
    raise InvalidValue(f"there is no table {kind!r}", hint=f"the tables are {', '.join(TABLE_KINDS)}")


def trials_table(trials: Iterable[Trial]) -> Table:
    """Return one row for each of *trials*, with `params.<label>` for each label, as the objective's user wrote them.

    A search with several losses has `losses.0`, `losses.1`, …, one with constraints `constraints.0`, …. A value of a
    label that is not active in a trial is None, as is what does not apply to the trial.
    """
    rows = list(trials)
    return {
        "tid": Column(INTEGER, [t.tid for t in rows]),
        "state": Column(CATEGORY, [t.state for t in rows]),
        "loss": Column(NUMBER, [t.loss for t in rows]),
        **_numbered("losses", [t.losses for t in rows]),
        **_params(rows),
        "status": Column(CATEGORY, [t.status for t in rows]),
        "pruned": Column(YES_NO, [t.is_pruned for t in rows]),
        "void": Column(YES_NO, [t.is_void for t in rows]),
        "amended": Column(YES_NO, [t.returned is not None for t in rows]),
        "feasible": Column(YES_NO, [t.is_feasible if t.status is not None else None for t in rows]),
        **_numbered("constraints", [t.constraints for t in rows]),
        "queued_at": Column(MOMENT, [happened(t.queued) if t.queued else None for t in rows]),
        "started_at": Column(MOMENT, [happened(t.running) if t.running else None for t in rows]),
        "ended_at": Column(MOMENT, [happened(t.end) if t.end else None for t in rows]),
        "duration": Column(NUMBER, [t.duration for t in rows]),
        "worker": Column(CATEGORY, [t.reserved.worker if t.reserved else None for t in rows]),
        "host": Column(CATEGORY, [t.reserved.host if t.reserved else None for t in rows]),
        "attempt": Column(INTEGER, [t.attempt for t in rows]),
        "source": Column(CATEGORY, [t.queued.source if t.queued else None for t in rows]),
        "algorithm": Column(CATEGORY, [_algorithm(t) for t in rows]),
        "error": Column(CATEGORY, [t.end.error if isinstance(t.end, Failed) else None for t in rows]),
        "message": Column(ANYTHING, [_message(t) for t in rows]),
        "tags": Column(ANYTHING, [list(t.tags) for t in rows]),
    }


def events_table(events: Iterable[Event]) -> Table:
    """Return one row for each of *events*, in the order given; `data` holds what is particular to the event's type."""
    rows = list(events)
    return {
        "at": Column(MOMENT, [happened(event) for event in rows]),
        "type": Column(CATEGORY, [event.type for event in rows]),
        "tid": Column(INTEGER, [event.tid for event in rows]),
        "ver": Column(INTEGER, [event.ver for event in rows]),
        "by": Column(CATEGORY, [event.by for event in rows]),
        "data": Column(ANYTHING, [_data(event) for event in rows]),
        "id": Column(ANYTHING, [str(event.id) for event in rows]),
    }


def reports_table(events: Iterable[Event]) -> Table:
    """Return one row for each value that an objective reported, by trial; *events* hold each trial's in its order.

    attempt: which evaluation of the trial reported it, 1 for the first.
    """
    rows: list[tuple[Reported, int]] = []
    attempts: dict[int | None, int] = {}
    for event in events:
        if isinstance(event, Reserved):
            attempts[event.tid] = event.attempt
        elif isinstance(event, Reported) and event.step is not None:
            rows.append((event, attempts.get(event.tid, 1)))
    return {
        "tid": Column(INTEGER, [event.tid for event, _ in rows]),
        "attempt": Column(INTEGER, [attempt for _, attempt in rows]),
        "step": Column(INTEGER, [event.step for event, _ in rows]),
        "value": Column(NUMBER, [event.value for event, _ in rows]),
        "at": Column(MOMENT, [happened(event) for event, _ in rows]),
    }


def experiments_table(documents: Iterable[Document]) -> Table:
    """Return one row for each experiment, from what `Store.overview` returns."""
    rows = list(documents)
    best = [row.get("best", {}) for row in rows]
    return {
        "name": Column(ANYTHING, [row["name"] for row in rows]),
        "status": Column(CATEGORY, [row.get("status") for row in rows]),
        "algorithm": Column(CATEGORY, [row.get("algorithm") for row in rows]),
        "trials": Column(INTEGER, [row.get("trials") for row in rows]),
        **{f"trials.{state}": Column(INTEGER, [row.get("counts", {}).get(state, 0) for row in rows])
           for state in ("queued", "reserved", "running", "done", "failed", "cancelled")},
        "best.tid": Column(INTEGER, [each.get("tid") for each in best]),
        "best.loss": Column(NUMBER, [each.get("loss") for each in best]),
        "best.params": Column(ANYTHING, [each.get("params") for each in best]),
        "created_at": Column(MOMENT, [row.get("created_at") for row in rows]),
        "last_at": Column(MOMENT, [row.get("last", {}).get("at") for row in rows]),
    }  # fmt: skip


def rows_of(table: Table) -> Iterable[dict[str, Any]]:
    """Yield the rows of *table*, each with a value for each column."""
    names = list(table)
    for values in zip(*(column.values for column in table.values()), strict=True):
        yield dict(zip(names, values, strict=True))


def to_pandas(table: Table) -> pd.DataFrame:
    """Return *table* as a frame; raises `ImportError`, which says what to install, where pandas is missing.

    Integers are nullable, names that repeat are categories, times are UTC.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("tables need pandas: pip install 'hstore[pandas]'") from None
    return pd.DataFrame({name: _series(column) for name, column in table.items()})


def _series(column: Column) -> pd.Series[Any]:
    import pandas as pd

    if column.holds == MOMENT:
        moments = pd.to_datetime(pd.Series(column.values, dtype="object"), utc=True)
        return moments.astype("datetime64[ms, UTC]")
    if column.holds == NUMBER:  # numpy's, where None is NaN
        return pd.Series(column.values, dtype="float64")
    return pd.Series(column.values, dtype=column.holds)


def _numbered(name: str, values: Sequence[Sequence[float] | None]) -> Table:
    width = max((len(each) for each in values if each is not None), default=0)
    return {
        f"{name}.{n}": Column(NUMBER, [each[n] if each is not None and n < len(each) else None for each in values])
        for n in range(width)
    }


def _params(trials: Sequence[Trial]) -> Table:
    columns: Table = {}
    for label in labels_in_order(trial.params for trial in trials):
        values = [trial.params.get(label) for trial in trials]
        columns[f"params.{label}"] = Column(_held(values), values)
    return columns


def labels_in_order(points: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return all labels of *points*, in their order: one that is not in all of them comes behind its predecessor."""
    labels: list[str] = []
    known: set[str] = set()
    for point in points:
        if known.issuperset(point):
            continue
        place = 0
        for label in point:
            if label in known:
                place = labels.index(label) + 1
            else:
                labels.insert(place, label)
                known.add(label)
                place += 1
    return labels


def _held(values: Iterable[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return ANYTHING
    if kinds == {bool}:
        return YES_NO
    if kinds == {int}:
        return INTEGER
    if kinds <= {int, float}:
        return NUMBER
    return CATEGORY if kinds == {str} else ANYTHING


def _algorithm(trial: Trial) -> str | None:
    return trial.queued.algorithm.get("name") if trial.queued and trial.queued.algorithm else None


def _message(trial: Trial) -> str | None:
    if isinstance(trial.end, Failed):
        return trial.end.message
    return trial.end.why if isinstance(trial.end, Cancelled) else None


def _data(event: Event) -> Document:
    data: Document = to_document(event).get("data", {})
    return {name: value for name, value in data.items() if name != "prev"}
