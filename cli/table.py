"""Tables and values as plain text."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hstore.cli.printing import is_terminal
from hstore.store.terminal_text import display_width, printable, shortened


def render(rows: Iterable[Sequence[Any]]) -> str:
    """Return *rows*, the first of which names the columns, aligned; on a terminal cut to its width."""
    cells = [[text(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(_padded, row, widths)).rstrip() for row in cells]
    if is_terminal():
        limit = shutil.get_terminal_size().columns
        lines = [shortened(line, limit) for line in lines]
    return "\n".join(lines)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - display_width(cell))


def text(value: Any) -> str:
    """Return *value* in a few characters, in one line."""
    if value is None:
        return "-"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.6g}" if isinstance(value, float) else printable(value)


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
    if found:
        yield f"`hstore quarantine {text(name)}` lets it go on without"


MOST_ASIDE = 5
"""How many events that are set aside are named."""
