"""Tables and values as plain text."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hstore.cli import painting
from hstore.cli.printing import is_terminal
from hstore.store.terminal_text import display_width, printable, shortened

GAP = 2
LEAST = 12
"""Columns of a terminal that the last column of a table must have to be shown in part."""
_PAINTS: dict[str, Callable[[str], str]] = {
    "state": painting.state, "status": painting.state, "trials": painting.counts,
}  # fmt: skip
"""How the cells under a heading are painted."""


def render(rows: Iterable[Sequence[Any]], *, drop: Sequence[str] = ()) -> str:
    """Return *rows*, the first of which names the columns, aligned; on a terminal cut to its width.

    drop: the columns that a narrow terminal does without, the first to go first. The last column is shown in part if
    there is room for that.
    """
    cells = [[text(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    shown = list(range(len(widths)))
    limit = shutil.get_terminal_size().columns if is_terminal() else None
    if limit is not None:
        shown = _fitting(cells[0], widths, [cells[0].index(name) for name in drop if name in cells[0]], limit)
        if over := sum(widths[i] for i in shown) + GAP * (len(shown) - 1) - limit:
            widths[shown[-1]] -= max(0, min(over, widths[shown[-1]] - LEAST))
    lines = [_line(row, cells[0], shown, widths, limit, is_head=number == 0) for number, row in enumerate(cells)]
    return "\n".join(lines)


def _fitting(head: Sequence[str], widths: Sequence[int], drop: Sequence[int], limit: int) -> list[int]:
    """Return the columns that fit into *limit*; those of *drop* go first to last until they do."""
    shown = list(range(len(widths)))
    for column in drop:
        least = [min(widths[i], max(LEAST, display_width(head[i]))) if i == shown[-1] else widths[i] for i in shown]
        if sum(least) + GAP * (len(shown) - 1) <= limit:
            break
        shown.remove(column)
    return shown


def _line(
    row: Sequence[str], head: Sequence[str], shown: Sequence[int], widths: Sequence[int], limit: int | None, *,
    is_head: bool,
) -> str:  # fmt: skip
    parts, left = [], limit
    for i in shown:
        cell, is_last = row[i], i == shown[-1]
        if left is not None and left <= 0:
            break
        if left is not None and display_width(cell) > left:
            cell = shortened(cell, left)
        paint = painting.heading if is_head else _PAINTS.get(head[i], str)
        room = widths[i] - display_width(cell)
        parts.append(paint(cell) + ("" if is_last else " " * (room + GAP)))
        if left is not None:
            left -= max(widths[i], display_width(cell)) + GAP
    return re.sub(r" +$", "", "".join(parts))


def text(value: Any) -> str:
    """Return *value* in a few characters, in one line."""
    if value is None:
        return "-"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.6g}" if isinstance(value, float) else printable(value)


def exact(value: Any) -> str:
    """Return *value* in one line with all its digits."""
    return text(str(value))


def numbers(values: Sequence[float] | None) -> str:
    """Return *values* in a few characters; nothing if there are none."""
    return ", ".join(map(text, values or ()))


def named(values: Any) -> str:
    """Return *values* as name=value, …"""
    if not isinstance(values, dict):
        return text(values)
    return ", ".join(f"{printable(name)}={value if value is None else text(value)}" for name, value in values.items())


def ranges(front: Sequence[Mapping[str, Any]]) -> str:
    """Return the range of each loss over a Pareto front (an experiment's `pareto`)."""
    columns = zip(*(each["losses"] for each in front), strict=False)
    return ", ".join(f"{text(min(column))} … {text(max(column))}" for column in columns)


def counted(counts: Mapping[str, int], pruned: int | None = None) -> str:
    """Return the number of trials in each state, and how many of those done were pruned."""
    addition = {"done": f" ({pruned} pruned)"} if pruned else {}
    return ", ".join(f"{n} {printable(state)}{addition.get(state, '')}" for state, n in counts.items())


def trials(tids: Sequence[int]) -> str:
    """Return *tids* as a person lists them: trial 7; trials 1, 2, 3 and 4 more."""
    shown = ", ".join(map(str, tids[:10])) + (f" and {len(tids) - 10} more" if len(tids) > 10 else "")
    return f"trial {shown}" if len(tids) == 1 else f"trials {shown}"


def aside(name: str, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is said of events of experiment *name* that are set aside: `tid`, `ver` and `why` of each."""
    for each in found[:MOST_ASIDE]:
        whose = "the experiment" if each["tid"] is None else f"trial {text(each['tid'])}"
        yield f"set aside: event {text(each['ver'])} of {whose} {text(each['why'])}"
    if len(found) > MOST_ASIDE:
        yield f"set aside: {len(found) - MOST_ASIDE} more"
    if any(each["tid"] is None and each["ver"] == 0 for each in found):
        yield f"nothing goes on without its beginning: `hstore verify {text(name)}` says what is wrong with it"
    elif found:
        yield f"`hstore quarantine {text(name)}` lets it go on without"


MOST_ASIDE = 5
"""How many events that are set aside are named."""
