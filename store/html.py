"""HTML of experiments, trials and stores, as notebooks show them. Pure; all that is shown is escaped.

The styles suit light and dark themes: they name no background, and no colour but those of lines and states.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hstore.store.events import happened
from hstore.store.ranked import best_first
from hstore.store.terminal_text import printable, shortened

if TYPE_CHECKING:
    from hstore.store.fold import Trial
    from hstore.store.state import State

Outline: TypeAlias = "tuple[str, Sequence[Outline]]"
"""A line of a tree, and what is below it."""

BEST, LATEST = 5, 5
"""Trials that an experiment shows."""
_POINTS = 240
_LABELS = 12
"""Columns of parameters that a table shows at most."""
_LONG = 40
_STATES = {"done": "#009E73", "failed": "#D55E00", "running": "#0072B2", "reserved": "#0072B2"}


def escaped(value: Any, length: int = _LONG) -> str:
    """Return *value* in one line of at most *length* characters, safe within HTML, in quotes too."""
    text = f"{value:.6g}" if isinstance(value, float) else printable(value)
    return html.escape(shortened(text, length))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; a number is at the right of its cell, and None is shown as nothing."""
    head = "".join(f"<th style='text-align:left'>{escaped(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def tree(outline: Outline) -> str:
    """Return *outline* as nested lists."""
    text, below = outline
    inner = f"<ul style='margin:0'>{''.join(f'<li>{tree(each)}</li>' for each in below)}</ul>" if below else ""
    return f"{escaped(text, 120)}{inner}"


def sparkline(losses: Sequence[float | None], best: Sequence[float | None]) -> str:
    """Return a picture (SVG) of *losses* as points, and of the *best* so far as a line; nothing if there are none."""
    n = len(losses)
    kept = range(0, n, max(1, math.ceil(n / _POINTS)))
    points = [(i, y) for i in kept if (y := losses[i]) is not None and math.isfinite(y)]
    line = [(i, y) for i in (*kept, n - 1) if i >= 0 and (y := best[i]) is not None and math.isfinite(y)]
    if not points or not line:
        return ""
    ordered = sorted(y for _, y in points)
    low, high = (
        min(ordered[0], line[-1][1]),
        ordered[int(0.9 * (len(ordered) - 1))],
    )
    # A few terrible losses are drawn at the upper edge.
    high = high if high > low else low + 1.0
    width, height, edge = 260, 48, 3

    def place(i: int, y: float) -> str:
        share = min(1.0, (y - low) / (high - low))
        return f"{edge + (width - 2 * edge) * i / max(1, n - 1):.1f},{height - edge - (height - 2 * edge) * share:.1f}"

    dots = "".join(f"<circle cx='{x}' cy='{y}' r='1.5'/>" for x, y in (place(i, loss).split(",") for i, loss in points))
    steps = " ".join(
        f"{place(i, before)} {place(i, y)}" for (i, y), (_, before) in zip(line, [line[0], *line[:-1]], strict=True)
    )
    return (
        f"<svg width='{width}' height='{height}' role='img' aria-label='losses and the best so far'>"
        f"<g fill='#0072B2' fill-opacity='0.5'>{dots}</g>"
        f"<polyline points='{steps}' fill='none' stroke='#D55E00' stroke-width='1.5'/></svg>"
    )


def state_html(state: State) -> str:
    """Return an experiment: counts, the best trial, a sparkline, and the best and latest trials."""
    trials = [trial for _, trial in sorted(state.trials.items())]
    parts = [f"<b>{escaped(state.exp)}</b> {escaped(state.status)}"]
    if state.why:
        parts.append(f"({escaped(state.why, 80)})")
    parts.append(f"· {_counts(state.counts, state.pruned)}")
    if state.algorithm:
        parts.append(f"· {escaped(state.algorithm.get('name'))}")
    lines = [" ".join(parts)]
    front = state.pareto
    if (best := state.best) is not None:
        lines.append(f"best: trial {best.tid}, loss {escaped(best.loss)}")
        losses = (t for t in trials if not t.why_unranked and t.loss is not None)
        ranked = sorted(losses, key=lambda trial: best_first(trial.loss, trial.tid))[:BEST]
    else:
        ranked = sorted(front, key=lambda trial: tuple(trial.losses or ()))[:BEST]
        lines += [f"Pareto front: {len(front)} trials"] if front else []
    lines.append(sparkline([trial.loss for trial in trials], _best_so_far(trials)))
    if ranked:
        lines += ["best trials", trials_html(ranked)]
    if trials:
        lines += ["latest trials", trials_html(trials[-LATEST:])]
    return f"<div>{''.join(f'<div>{line}</div>' for line in lines if line)}</div>"


def trials_html(trials: Sequence[Trial]) -> str:
    """Return a table of *trials*, with a column for each label."""
    labels = list(dict.fromkeys(label for trial in trials for label in trial.params))
    shown, more = labels[:_LABELS], len(labels) - _LABELS
    header = ["trial", "state", "loss", "seconds", *shown, *([f"and {more} more"] if more > 0 else [])]
    rows = [
        [trial.tid, _State(trial.state), _loss(trial), _seconds(trial),
         *(trial.params.get(label) for label in shown), *([""] if more > 0 else [])]
        for trial in trials
    ]  # fmt: skip
    return table(header, rows)


def trial_html(trial: Trial) -> str:
    """Return one trial: its state, loss, parameters, error and attachments."""
    ended = f" at {happened(trial.end):%Y-%m-%d %H:%M:%S} UTC" if trial.end is not None else ""
    lines = [f"<b>trial {trial.tid}</b> {_state_text(trial.state)}{ended}"]
    if (loss := _loss(trial)) is not None:
        lines.append(f"loss {escaped(loss)}")
    if trial.error:
        lines.append(f"<code>{escaped(trial.error, 400)}</code>")
    if trial.params:
        lines.append(table(["parameter", "value"], trial.params.items()))
    if trial.attachments:
        lines.append(f"attachments: {escaped(', '.join(trial.attachments), 400)}")
    return f"<div>{''.join(f'<div>{line}</div>' for line in lines)}</div>"


def store_html(url: str, experiments: Sequence[Mapping[str, Any]]) -> str:
    """Return a store: a line for each of *experiments*, as `Store.overview` returns them."""
    rows = [
        [each["name"], each.get("status"), sum(counts.values()), counts.get("failed", 0),
         each.get("best", {}).get("loss"), (each.get("last") or {}).get("at")]
        for each in experiments
        for counts in [each.get("counts", {})]
    ]  # fmt: skip
    shown = table(["experiment", "state", "trials", "failed", "best loss", "last event (UTC)"], rows) if rows else ""
    noun = "experiment" if len(rows) == 1 else "experiments"
    return f"<div><div><b>{escaped(url, 120)}</b> {len(rows)} {noun}</div>{shown}</div>"


class _State(str):
    """A state of a trial, which is coloured."""

    __slots__ = ()


def _cell(value: Any) -> str:
    if isinstance(value, _State):
        return f"<td>{_state_text(value)}</td>"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else escaped(value)
    return f"<td style='text-align:{'right' if is_number else 'left'}'>{text}</td>"


def _state_text(state: str) -> str:
    color = f" style='color:{_STATES[state]}'" if state in _STATES else ""
    return f"<span{color}>{escaped(state)}</span>"


def _counts(counts: Mapping[str, int], pruned: int) -> str:
    shown = ", ".join(f"{n} {_state_text(state)}" for state, n in counts.items()) or "no trials yet"
    return f"{shown} ({pruned} pruned)" if pruned else shown


def _loss(trial: Trial) -> Any:
    if trial.loss is not None:
        return trial.loss
    return ", ".join(f"{loss:.6g}" for loss in trial.losses) if trial.losses else None


def _seconds(trial: Trial) -> float | None:
    return None if trial.duration is None else float(f"{trial.duration:.3g}")


def _best_so_far(trials: Iterable[Trial]) -> list[float | None]:
    best: list[float | None] = []
    smallest: float | None = None
    for trial in trials:
        if trial.loss is not None and not trial.why_unranked and (smallest is None or trial.loss < smallest):
            smallest = trial.loss
        best.append(smallest)
    return best
