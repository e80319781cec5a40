"""Tables and values as plain text."""

from __future__ import annotations

import datetime as dt
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def render(rows: Iterable[Sequence[Any]]) -> str:
    """Return *rows*, the first of which names the columns, aligned; on a terminal cut to its width."""
    cells = [[text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    if sys.stdout is not None and sys.stdout.isatty():
        limit = shutil.get_terminal_size().columns
        lines = [line if len(line) <= limit else line[: limit - 1] + "…" for line in lines]
    return "\n".join(lines)


def plain(value: Any) -> str:
    """Return *value* on one line, without what would steer a terminal: a store can be written by others."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in str(value))


def text(value: Any) -> str:
    """Return *value* in a few characters."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (float, dt.datetime)):
        return " ".join(plain(value).split())
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.6g}"


def numbers(values: Sequence[float] | None) -> str:
    """Return *values* in a few characters; nothing if there are none."""
    return ", ".join(map(text, values or ()))


def named(values: Any) -> str:
    """Return *values* as name=value, …"""
    if not isinstance(values, dict):
        return text(values)
    return ", ".join(f"{name}={value if value is None else text(value)}" for name, value in values.items())


def ranges(front: Sequence[Mapping[str, Any]]) -> str:
    """Return from where to where the losses of a Pareto front (an experiment's `pareto`) reach, one after the other."""
    columns = zip(*(each["losses"] for each in front), strict=False)
    return ", ".join(f"{text(min(column))} … {text(max(column))}" for column in columns)


def counted(counts: Mapping[str, int], pruned: int | None = None) -> str:
    """Return how many trials are in each state; of those that are done, how many were stopped early."""
    told = {"done": f" ({pruned} pruned)"} if pruned else {}
    return ", ".join(f"{n} {state}{told.get(state, '')}" for state, n in counts.items())


def for_json(value: Any) -> Any:
    """Return *value* as JSON can say it: times as ISO text, bytes as hex, what else it has no word for as text."""
    if isinstance(value, dict):
        return {str(key): for_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
