"""The columnar view of a search that algorithms read: one row per trial, one column per label."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.space import Parameter, Point, Space

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_Scalar = TypeVar("_Scalar", bound=np.generic)

PENDING, OK, FAIL, ERROR, VOID, PRUNED = range(6)
CODES = {"ok": OK, "fail": FAIL, "error": ERROR, "void": VOID, "pruned": PRUNED, "pending": PENDING}
# What a trial without a loss of its own counts as: nan leaves it out, as hyperopt's tpe leaves out errors.
_LOSSES = {
    "pending": math.inf, "ok": math.inf, "fail": math.inf, "error": math.nan, "void": math.nan, "pruned": math.inf,
}  # fmt: skip
_HYPEROPT_ENDED_BADLY = (3, 4)  # JOB_STATE_ERROR, JOB_STATE_CANCEL
_TINY = 1e-12  # what stands for 0, which quantised kinds can draw, before its logarithm is taken


class History:
    """What a search knew when it chose a point: row k is trial k.

    Rows are only added. The outcome of a trial can be recorded again and replaces the earlier one. Columns that an
    algorithm reads repeatedly (`centres`, `ascending`) are cached and extended by the new rows when they are read.
    Arrays that are returned are read-only views.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._rows = {label: row for row, label in enumerate(space.labels)}
        self._n = 0
        self._skipped = 0
        self._columns = np.full((len(self._rows), 64), np.nan)
        self._kinds = np.full(64, PENDING, dtype=np.int8)
        self._losses = np.full(64, np.inf)
        self._partials = np.full((2, 64), np.nan)  # of pruned trials: value, step
        self._sources: NDArray[np.int32] | None = None
        self._vectors: Floats | None = None
        self._constraints: Floats | None = None
        self._centres: dict[str, Floats] = {}
        self._ascending: dict[str, tuple[int, Rows]] = {}

    @classmethod
    def from_documents(cls, space: Space, documents: Iterable[Mapping[str, Any]]) -> "History":
        """Return the history that hyperopt's tpe reads from trial documents: rows in the order of their tids.

        Of several documents of one trial (`misc.from_tid`) the one with the lowest loss counts.
        """
        best: dict[int, tuple[float, Mapping[str, Any]]] = {}
        for document in documents:
            tid = document["misc"].get("from_tid", document["tid"])
            loss = document["result"].get("loss")
            loss = math.inf if loss is None else float(loss)
            if tid not in best or loss < best[tid][0]:
                best[tid] = loss, document
        history = cls(space)
        for _, (loss, document) in sorted(best.items(), key=lambda item: item[0]):
            row = history.add({label: v[0] for label, v in document["misc"]["vals"].items() if len(v)})
            if document.get("state") in _HYPEROPT_ENDED_BADLY:
                history.observe(row, kind="error")
            else:
                history.observe(row, kind="ok", loss=loss)
        return history

    @classmethod
    def from_columns(
        cls, space: Space, n: int, points: Mapping[str, Floats], *, kinds: NDArray[np.int8], losses: Floats,
        partials: Floats, vectors: Floats | None, constraints: Floats | None,
    ) -> "History":  # fmt: skip
        """Return the history of *n* trials that has these columns; the arrays are copied.

        points: by label the raw value in each trial, nan where it was inactive; other labels are left out. partials: of
        trials that were pruned the last value, and its step. vectors, constraints: trials x values, or None.
        """
        history = cls(space)
        # Room for more, so that the next trials do not copy all of it.
        room = max(len(history._losses), n + n // 8)
        history._n = n
        history._columns = np.full((len(history._rows), room), np.nan)
        for label, row in history._rows.items():
            if (column := points.get(label)) is not None:
                history._columns[row, :n] = column
        history._kinds = np.full(room, PENDING, dtype=np.int8)
        history._losses = np.full(room, np.inf)
        history._partials = np.full((2, room), np.nan)
        history._kinds[:n], history._losses[:n], history._partials[:, :n] = kinds, losses, partials
        history._vectors, history._constraints = _with_room(vectors, room), _with_room(constraints, room)
        return history

    def place(self, tid: int, point: Point) -> None:
        """Write the values of trial *tid*, whose row has none yet."""
        for label, value in point.items():
            if label in self._rows:  # what a person inserted may come from a larger space
                self._columns[self._rows[label], tid] = value

    def come_from(self, tid: int, source: int) -> None:
        """Record that trial *tid* was made by the earlier experiment of number *source*, from 1 on."""
        if self._sources is None:
            self._sources = np.zeros(len(self._losses), dtype=np.int32)
        self._sources[tid] = source

    def without(self, which: NDArray[np.bool_]) -> "History":
        """Return a copy in which the trials *which* (N,) are void."""
        twin = self.copy()
        twin._kinds[: self._n][which], twin._losses[: self._n][which] = VOID, _LOSSES["void"]
        return twin

    def copy(self) -> "History":
        """Return a history that grows on its own."""
        twin = History(self.space)
        twin._n, twin._skipped = self._n, self._skipped
        twin._columns = self._columns.copy()
        twin._kinds, twin._losses, twin._partials = self._kinds.copy(), self._losses.copy(), self._partials.copy()
        twin._sources = None if self._sources is None else self._sources.copy()
        twin._vectors = None if self._vectors is None else self._vectors.copy()
        twin._constraints = None if self._constraints is None else self._constraints.copy()
        # Kept arrays are replaced, never written to.
        twin._centres, twin._ascending = self._centres.copy(), self._ascending.copy()
        return twin

    def with_losses(self, losses: Floats) -> "History":
        """Return a copy of this history that has one of *losses* for each trial, in the place of all it knows of them.

        That is a history as an algorithm for one loss without constraints expects it.
        """
        twin = self.copy()
        twin._losses[: self._n] = losses
        twin._vectors = twin._constraints = None
        return twin

    def numbered(self, next_tid: int) -> "History":
        """Return this history, or a copy of it, with *next_tid* as the id of the trial to come.

        Only hyperopt's documents call for it: their ids leave gaps that have no rows.
        """
        if next_tid == self.next_tid:
            return self
        twin = self.copy()
        twin._skipped = next_tid - len(twin)
        return twin

    def __len__(self) -> int:
        return self._n

    @property
    def next_tid(self) -> int:
        """The id of the trial to come: the number of rows, but see `numbered`."""
        return self._n + self._skipped

    def add(self, point: Point) -> int:
        """Append a trial at *point*, pending until it is observed, and return its tid; other labels are left out."""
        tid = self._n
        if tid == len(self._losses):
            self._double()
        self.place(tid, point)
        self._n = tid + 1
        return tid

    def observe(
        self, tid: int, *, kind: str, loss: float | None = None, losses: Sequence[float] | None = None,
        constraints: Sequence[float] | None = None, step: int | None = None,
    ) -> None:  # fmt: skip
        """Record the outcome of trial *tid*: ok, fail, error, void, pruned, or pending again.

        losses: one for each objective, where there are several. Of a trial that was pruned *loss* is the last value
        that it reported, at *step*.
        """
        if not 0 <= tid < self._n:
            raise IndexError(f"trial {tid} was never added: the history has {self._n}")
        self._kinds[tid] = CODES[kind]
        self._losses[tid] = loss if loss is not None and kind in ("ok", "fail") else _LOSSES[kind]
        is_partial = kind == "pruned" and loss is not None
        self._partials[:, tid] = (loss, np.nan if step is None else step) if is_partial else np.nan
        is_ok = kind == "ok"
        self._vectors = _with_row(self._vectors, len(self._kinds), tid, losses if is_ok else None)
        self._constraints = _with_row(self._constraints, len(self._kinds), tid, constraints if is_ok else None)
        if is_ok and losses is not None and self._vectors is not None and np.isnan(self._vectors[tid]).all():
            self._kinds[tid] = FAIL  # of another length than the first, or nan throughout

    @property
    def kinds(self) -> NDArray[np.int8]:
        """The outcome of each trial: PENDING, OK, FAIL, ERROR, VOID or PRUNED."""
        return _read_only(self._kinds[: self._n])

    @property
    def losses(self) -> Floats:
        """The loss of each trial: inf while pending, pruned or failed without one, nan when it does not count."""
        return _read_only(self._losses[: self._n])

    @property
    def partial_losses(self) -> Floats:
        """The last value that each pruned trial reported, nan of all others."""
        return _read_only(self._partials[0, : self._n])

    @property
    def partial_steps(self) -> Floats:
        """The step at which each pruned trial reported that, nan of all others."""
        return _read_only(self._partials[1, : self._n])

    @property
    def sources(self) -> NDArray[np.int32] | None:
        """Of each trial the number of the earlier experiment that made it, 0 for its own; None: all are its own."""
        return None if self._sources is None else _read_only(self._sources[: self._n])

    @property
    def loss_vectors(self) -> Floats:
        """Trials x objectives: the losses of each trial that is OK and has several, nan elsewhere; none: no columns."""
        return _read_only(_rows_of(self._vectors, self._n))

    @property
    def constraints(self) -> Floats:
        """Trials x constraints: their values of each trial that is OK, nan elsewhere; kept if none is above 0."""
        return _read_only(_rows_of(self._constraints, self._n))

    def column(self, label: str) -> Floats:
        """Return the raw value of *label* in each trial, nan where it was inactive."""
        return _read_only(self._columns[self._rows[label], : self._n])

    def centres(self, label: str) -> Floats:
        """Return the column of *label* on the scale on which its prior is uniform or normal.

        That is its logarithm for log kinds, where what was rounded to 0 counts as 1e-12 or the lowest value.
        """
        parameter = self.space[label]
        if not parameter.is_log:
            return self.column(label)
        known = self._centres.get(label)
        start = 0 if known is None else len(known)
        if known is None or start < self._n:
            new = _log(self.column(label)[start:], parameter)
            known = self._centres[label] = new if known is None else np.concatenate((known, new))
        return _read_only(known)

    def ascending(self, label: str) -> Rows:
        """Return the trials in which *label* is active by ascending value, equal ones by tid."""
        start, rows = self._ascending.get(label, (0, np.empty(0, dtype=np.intp)))
        if start < self._n:
            centres = self.centres(label)
            rows = np.concatenate((rows, start + np.flatnonzero(~np.isnan(centres[start:]))))
            # Nearly sorted already, where a stable sort of runs takes linear time.
            rows = rows[np.argsort(centres[rows], kind="stable")]
            self._ascending[label] = self._n, rows
        return _read_only(rows)

    def _double(self) -> None:
        n = len(self._losses)
        self._columns = np.concatenate((self._columns, np.full_like(self._columns, np.nan)), axis=1)
        self._kinds = np.concatenate((self._kinds, np.full(n, PENDING, dtype=np.int8)))
        self._losses = np.concatenate((self._losses, np.full(n, np.inf)))
        self._partials = np.concatenate((self._partials, np.full((2, n), np.nan)), axis=1)
        if self._sources is not None:
            self._sources = np.concatenate((self._sources, np.zeros(n, dtype=np.int32)))
        self._vectors, self._constraints = (
            None if rows is None else np.concatenate((rows, np.full_like(rows, np.nan)))
            for rows in (self._vectors, self._constraints)
        )


def _log(values: Floats, parameter: Parameter) -> Floats:
    if parameter.q is not None:
        lowest = _TINY if parameter.low is None else max(_TINY, portable.exp(parameter.low))
        values = np.maximum(values, lowest)
    if len(values) == 1:  # ten times as fast as an array of one
        return np.array([portable.log(float(values[0]))])
    return portable.log(values)


def _rows_of(rows: Floats | None, n: int) -> Floats:
    return np.empty((n, 0)) if rows is None else rows[:n]


def _with_room(rows: Floats | None, room: int) -> Floats | None:
    if rows is None:
        return None
    longer = np.full((room, rows.shape[1]), np.nan)
    longer[: len(rows)] = rows
    return longer


def _with_row(rows: Floats | None, n: int, tid: int, values: Sequence[float] | None) -> Floats | None:
    """Return *rows* with *values* at *tid*, nan if there are none or not as many; made for *n* trials if need be."""
    if rows is None:
        if values is None:
            return None
        rows = np.full((n, len(values)), np.nan)
    rows[tid] = values if values is not None and len(values) == rows.shape[1] else np.nan
    return rows


def _read_only(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    view = array[:]
    view.flags.writeable = False
    return view
