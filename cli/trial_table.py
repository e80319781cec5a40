"""`hstore show EXP --sort … --filter … --columns …`: trials as a table, of the columns that are asked for."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json_with, print_note, print_text

if TYPE_CHECKING:
    from hstore.store.experiment_summary import ExperimentSummary

Document = Mapping[str, Any]
SHOWN = 20
"""How many trials are printed without --all or -n."""
COLUMNS = (
    "tid", "state", "loss", "losses", "constraints", "status", "duration", "worker", "host", "attempt", "source",
    "algorithm", "error", "message", "queued_at", "started_at", "ended_at", "tags", "void", "pruned", "amended",
    "final", "ver", "is_ranked", "not_ranked",
)  # fmt: skip
"""What can be named beside `params.LABEL` and `point.LABEL`: the names in the JSON of a trial."""
_NEEDS = {
    "loss": ("loss", "loss_kind"),
    "state": ("state", "void", "pruned", "constraints"),
    "is_ranked": (
        "state", "status", "final", "loss", "loss_kind", "losses", "constraints", "pruned", "void",
    ),
}  # fmt: skip
_NEEDS["not_ranked"] = _NEEDS["is_ranked"]
_KINDS = ("void", "pruned", "infeasible")
_COMPARED = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which trials, in which order, with which columns."""

    sort: str | None = None
    """A column; with "-" before it the largest first."""
    filters: Sequence[str] = ()
    columns: Sequence[str] | None = None
    limit: int | None = SHOWN
    """None: all."""


def print_table(summary: ExperimentSummary, wanted: Wanted, *, labels: Sequence[str], as_json: bool) -> None:
    """Print the trials that are *wanted*; raises `click.UsageError` for a column that there is not.

    labels: those of the space, in the user's order.
    """
    columns = list(wanted.columns or ())
    sort, is_descending = (wanted.sort or "tid").removeprefix("-"), (wanted.sort or "").startswith("-")
    conditions = [_condition(text, labels) for text in wanted.filters]
    for name in (*columns, sort):
        _check(name, labels)
    shown = columns or _usual(summary, labels)
    needed = None if as_json and not columns else _fields([*shown, sort, *(name for name, _ in conditions)])
    found = (each for each in summary.documents(needed) if all(holds(each) for _, holds in conditions))
    if wanted.sort is None:
        kept, n = _last(found, wanted.limit)
    else:
        kept, n = _first(found, wanted.limit, lambda each: _place(value(each, sort), is_descending, each["tid"]))
    if as_json:
        total = {"name": summary.exp, "total": len(summary.trials), "matched": n}
        print_json_with(total, "trials", (_as_json(each, columns) for each in kept))
        return
    from hstore.cli.table import render

    rows: list[list[Any]] = [[name.removeprefix("params.") if not columns else name for name in shown]]
    rows += [[_cell(value(each, name)) for name in shown] for each in kept]
    print_text(render(rows, drop=_droppable(rows[0])))
    if len(kept) < n:
        print_note(f"{len(kept)} of {n} trials; --all prints all of them")
    elif not n:
        print_note(f"none of {len(summary.trials)} trials matches" if wanted.filters else "there are no trials yet")


def _usual(summary: ExperimentSummary, labels: Sequence[str]) -> list[str]:
    has_several = bool(summary.pareto)
    return ["tid", "state", "losses" if has_several else "loss", "duration", *(f"params.{label}" for label in labels)]


def _droppable(head: Sequence[Any]) -> list[Any]:
    """Return the columns that a narrow terminal does without, the first to go first: parameters last to first."""
    return [name for name in reversed(head) if name not in ("tid", "state", "loss", "losses")]


# -- names ----------------------------------------------------------------------------------------------------


def _check(name: str, labels: Sequence[str]) -> None:
    """Raise `click.UsageError` if no trial has a column *name*."""
    kind, _, label = name.partition(".")
    if name in COLUMNS or (kind in ("params", "point") and label in labels):
        return
    import difflib

    there = [*COLUMNS, *(f"params.{label}" for label in labels)]
    near = f"params.{name}" if name in labels else next(iter(difflib.get_close_matches(name, there, n=1)), None)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(there)}"
    raise click.UsageError(f"no trial has {name!r}: {hint}")


def _fields(names: Iterable[str]) -> set[str]:
    """Return the fields of the documents that the columns *names* are made of."""
    fields = {"tid"}
    for name in names:
        fields.update(_NEEDS.get(name, (name.partition(".")[0],)))
    return fields


def value(document: Document, name: str) -> Any:
    """Return the value of column *name* of the trial of *document*, None without one."""
    kind, _, label = name.partition(".")
    if label:
        values = document.get(kind)
        return values.get(label) if isinstance(values, Mapping) else None
    if name == "loss":
        loss, kind = document.get("loss"), document.get("loss_kind", "")
        return float(kind) if loss is None and kind in ("nan", "inf", "-inf") else loss
    if name in ("is_ranked", "not_ranked"):
        from hstore.cli.show import ranked_data

        return ranked_data(document).get(name)
    return document.get(name)


# -- filters --------------------------------------------------------------------------------------------------


def _condition(text: str, labels: Sequence[str]) -> tuple[str, Callable[[Document], bool]]:
    """Return the column of the filter *text*, and whether a document is let through."""
    compared = _COMPARED.fullmatch(text)
    if compared is None:
        raise click.UsageError(f"{text!r} is no condition: state=failed, loss<0.3, params.lr>=1e-3, error~memory")
    name, sign, given = compared.group("name", "sign", "value")
    _check(name, labels)
    if sign in _ORDERS:
        limit = _number(given)
        if limit is None:
            raise click.UsageError(f"{text!r}: {given!r} is not a number")
        return name, lambda each: _is_ordered(value(each, name), limit, _ORDERS[sign])
    if sign == "~":
        return name, lambda each: given.lower() in str(value(each, name) or "").lower()
    if name == "state" and given in _KINDS:
        return name, lambda each: (_kind(each) == given) is (sign == "=")
    return name, lambda each: _equals(value(each, name), given) is (sign == "=")


def _kind(document: Document) -> str | None:
    from hstore.store.ranked import is_feasible

    if document.get("void"):
        return "void"
    if document.get("pruned"):
        return "pruned"
    return None if is_feasible(document.get("constraints")) else "infeasible"


def _is_ordered(found: Any, limit: float, compare: Callable[[float, float], bool]) -> bool:
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return is_number and compare(float(found), limit)


def _equals(found: Any, given: str) -> bool:
    if found is None or isinstance(found, bool):
        return given.lower() == str(bool(found) if isinstance(found, bool) else found).lower()
    if isinstance(found, (int, float)) and (number := _number(given)) is not None:
        return float(found) == number or (math.isnan(number) and math.isnan(found))
    if isinstance(found, list):
        return given in map(str, found)
    return str(found) == given


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# -- order ----------------------------------------------------------------------------------------------------


def _place(found: Any, is_descending: bool, tid: int) -> tuple[Any, ...]:
    """Return what sorts trials by a value: numbers, texts, what is not a number, and those without one at the end."""
    if found is None:
        return 3, 0.0, "", tid
    if isinstance(found, (int, float)):
        if math.isnan(found):
            return 2, 0.0, "", tid
        return 0, -float(found) if is_descending else float(found), "", tid
    text = str(found)
    return 1, 0.0, _Reversed(text) if is_descending else text, tid


class _Reversed(str):
    """A text that comes before those that are smaller."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _first(found: Iterable[Document], limit: int | None, key: Callable[[Document], Any]) -> tuple[list[Document], int]:
    """Return the first *limit* of *found* by *key*, and how many there are."""
    n = 0

    def counted() -> Iterator[Document]:
        nonlocal n
        for each in found:
            n += 1
            yield each

    kept = sorted(counted(), key=key) if limit is None else heapq.nsmallest(limit, counted(), key=key)
    return kept, n


def _last(found: Iterable[Document], limit: int | None) -> tuple[list[Document], int]:
    from collections import deque

    kept, n = deque[Document](maxlen=limit), 0
    for each in found:
        kept.append(each)
        n += 1
    return list(kept), n


# -- cells ----------------------------------------------------------------------------------------------------


def _cell(found: Any) -> Any:
    if isinstance(found, bool):
        return "yes" if found else "no"
    return ", ".join(map(str, found)) if isinstance(found, (list, tuple)) else found


def _as_json(document: Document, columns: Sequence[str]) -> dict[str, Any]:
    """Return *document* as `hstore show --json` has it; of *columns*, if any are named, no more than those."""
    from hstore.cli.show import ranked_data

    whole = {name: found for name, found in document.items() if name != "_id"} | (
        ranked_data(document) if not columns else {}
    )
    if not columns:
        return whole
    shown: dict[str, Any] = {}
    for name in columns:
        kind, _, label = name.partition(".")
        if label:
            shown.setdefault(kind, {})[label] = value(document, name)
        else:
            shown[name] = value(document, name)
    return shown
