"""Figures of the run of a search: learning curves, and who evaluated what when."""

from __future__ import annotations

from typing import Any

from hstore.engine.analysis.figures.backends import MATPLOTLIB, interactive, is_interactive
from hstore.engine.analysis.figures.canvas import BEST, COLORS, axes_on, legend, printable_short, titled
from hstore.engine.analysis.loss_data import cut
from hstore.engine.analysis.run_data import ATTEMPT_OUTCOMES, curves_data, timeline_data, unit_of
from hstore.engine.analysis.trial_columns import OUTCOMES, experiment_of
from hstore.store.errors import InvalidValue

_CURVES = 1000
"""The most that are drawn."""
_LANES = 40
"""Workers that are named."""
_ATTEMPT_COLORS = {
    "done": "#0072B2", "pruned": "#E69F00", "failed": "#000000", "requeued": "#CC79A7", "cancelled": "#999999",
    "running": "#56B4E9",
}  # fmt: skip


def curves(search: Any, *, log: bool = False, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw what each trial reported by step, those that were stopped early with their end marked; return the axes.

    log: a logarithmic axis of values. on: matplotlib axes or a figure; a new one by default. The best trial is thick.
    Of more than a thousand curves an even sample is drawn. Raises `InvalidValue` if no trial reported anything.
    """
    data = curves_data(search)
    found = data["curves"]
    if not found:
        raise InvalidValue(f"no trial of {data['name']!r} reported a value", hint="see ctrl.report")
    best = experiment_of(search).state.best
    best_tid = None if best is None else best.tid
    if is_interactive(backend, on):
        return interactive("run_charts").curves(data, best_tid, is_log=log)
    axes = axes_on(on)
    from matplotlib.collections import LineCollection

    step = max(1, -(-len(found) // _CURVES))
    drawn = [curve for n, curve in enumerate(found) if n % step == 0 or curve["tid"] == best_tid]
    for outcome in OUTCOMES:
        mine = [curve for curve in drawn if curve["outcome"] == outcome]
        if not mine:
            continue
        number = sum(curve["outcome"] == outcome for curve in found)
        lines = LineCollection(
            [list(zip(curve["step"], curve["value"], strict=True)) for curve in mine], colors=COLORS[outcome],
            linewidths=0.9 if len(drawn) <= 100 else 0.5, alpha=max(0.12, min(0.8, 40.0 / len(mine))),
            rasterized=len(drawn) > 200, label=f"{outcome} ({number:,})",
        )  # fmt: skip
        axes.add_collection(lines)
        if outcome in ("pruned", "failed"):
            ends = [(curve["step"][-1], curve["value"][-1]) for curve in mine]
            axes.scatter([x for x, _ in ends], [y for _, y in ends], marker="v" if outcome == "pruned" else "x",
                         color=COLORS[outcome], s=14 if len(drawn) <= 100 else 5, rasterized=len(drawn) > 200,
                         alpha=0.9 if len(drawn) <= 100 else 0.5, linewidths=0.6)  # fmt: skip
    for curve in drawn:
        if curve["tid"] == best_tid:
            axes.plot(
                curve["step"], curve["value"], color=BEST, linewidth=2.0, zorder=5, label=f"best: trial {best_tid}"
            )
    axes.autoscale_view()
    values = [value for curve in drawn for value in curve["value"]]
    if log:
        axes.set_yscale("log")
    elif (most := cut(values)) is not None:
        axes.set_ylim(min(values) - 0.05 * (most - min(values)), most)
    sampled = f", {len(drawn):,} of {len(found):,} curves" if len(drawn) < len(found) else ""
    axes.set(xlabel="step", ylabel="reported value", title=f"{titled(data['name'])}{sampled}")
    legend(axes)
    return axes


def timeline(search: Any, *, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw when each worker evaluated which trial, coloured by how that ended; return the axes.

    on: matplotlib axes or a figure; a new one by default. Raises `InvalidValue` if no trial was started.
    """
    data = timeline_data(search)
    if not data["tid"]:
        raise InvalidValue(f"no trial of {data['name']!r} was started yet")
    if is_interactive(backend, on):
        return interactive("run_charts").timeline(data)
    from matplotlib.collections import PolyCollection

    lanes = len(data["workers"])
    axes = axes_on(on, size=(7.4, 1.4 + 0.3 * min(lanes, 20)))
    first = data["start"][0]
    last = max(end if end is not None else start for start, end in zip(data["start"], data["end"], strict=True))
    unit, name = unit_of(last - first)
    rows = list(zip(data["worker"], data["start"], data["end"], data["outcome"], strict=True))
    many = len(rows) > 500
    for outcome in ATTEMPT_OUTCOMES:
        bars = [
            _bar(lane, (start - first) / unit, ((last if end is None else end) - first) / unit)
            for lane, start, end, kind in rows
            if kind == outcome
        ]
        if bars:
            edge = {"edgecolors": "white", "linewidths": 0.4} if not many else {"linewidths": 0}
            label = f"{outcome} ({len(bars):,})"
            axes.add_collection(
                PolyCollection(bars, facecolors=_ATTEMPT_COLORS[outcome], rasterized=many, label=label, **edge)
            )
    axes.set(
        xlim=(0.0, max((last - first) / unit, 1e-9)), ylim=(lanes - 0.4, -0.6), xlabel=f"{name} since the first trial"
    )
    if lanes <= _LANES:
        axes.set_yticks(range(lanes), [titled(printable_short(worker, 32)) for worker in data["workers"]])
    else:
        axes.set_ylabel(f"{lanes} workers")
    axes.set_title(titled(data["name"]))
    legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes


def _bar(lane: int, start: float, end: float) -> list[tuple[float, float]]:
    return [(start, lane - 0.38), (end, lane - 0.38), (end, lane + 0.38), (start, lane + 0.38)]
