"""What charts of parameters show: columns read from the collection `trials`, thinned to what a screen can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.cli.page.figures import item, parallel, slices
from hstore.cli.page.trial_rows import IS_A_TRIAL, collection, is_ranked, sound
from hstore.store.tables import labels_in_order

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.events import Document

MOST_TRIALS = 3000
"""Trials in a chart of parameters: all of the best third of that, and of the rest every n-th."""
MOST_LINES = 600
MOST_LABELS = 24
TICKS = 5
INACTIVE = -0.15
"""Where a parallel-coordinates line passes an axis whose parameter is not active in its trial."""
_FIELDS = dict.fromkeys(
    ("tid", "state", "status", "loss", "loss_kind", "losses", "constraints", "pruned", "void", "params"), 1
)


def ranked_points(database: Database[Document], exp: str) -> list[Document]:
    """Return the ranked trials of *exp* with one finite loss, by trial; see `MOST_TRIALS`."""
    query = {"exp": exp, "status": "ok", "loss_kind": "finite", **IS_A_TRIAL}
    found = map(sound, collection(database, "trials").find(query, _FIELDS).sort("tid", 1))
    points = [each for each in found if "loss" in each and "params" in each and is_ranked(each)]
    if len(points) <= MOST_TRIALS:
        return points
    by_loss = sorted(points, key=lambda point: (point["loss"], point["tid"]))
    best, rest = by_loss[: MOST_TRIALS // 3], by_loss[MOST_TRIALS // 3 :]
    step = math.ceil(len(rest) / (MOST_TRIALS - len(best)))
    return sorted(best + rest[::step], key=lambda point: point["tid"])


def slice_items(theme: str, points: Sequence[Document], logarithmic: frozenset[str]) -> list[dict[str, Any]]:
    """Return `label` and `item` of a chart for each label of *points*, in the order of the space."""
    made = []
    for label in labels_in_order(point["params"] for point in points)[:MOST_LABELS]:
        rows = [(point, value) for point in points if _is_shown(value := point["params"].get(label))]
        if rows:
            is_text = any(isinstance(value, str) for _, value in rows)
            table = {
                "tid": [point["tid"] for point, _ in rows],
                "loss": [_short(point["loss"]) for point, _ in rows],
                "value": [_as_text(value) if is_text else _short(value) for _, value in rows],
            }
            made.append({"label": label, "item": item(slices(theme, table, label, is_log=label in logarithmic))})
    return made


def parallel_item(theme: str, points: Sequence[Document], logarithmic: frozenset[str]) -> dict[str, Any] | None:
    """Return the chart of parallel coordinates; None if there is nothing to show."""
    if len(points) > MOST_LINES:
        by_loss = sorted(points, key=lambda point: point["loss"])
        best, rest = by_loss[: MOST_LINES // 3], by_loss[MOST_LINES // 3 :]
        points = best + rest[:: math.ceil(len(rest) / (MOST_LINES - len(best)))]
    labels = labels_in_order(point["params"] for point in points)[:MOST_LABELS]
    axes = [axis for label in labels if (axis := _axis(label, [p["params"].get(label) for p in points], logarithmic))]
    if not axes:
        return None
    losses = [point["loss"] for point in points]
    loss_axis = _axis("loss", losses, frozenset())
    assert loss_axis is not None
    return item(parallel(theme, [*axes, loss_axis], losses))


def _axis(label: str, values: Sequence[Any], logarithmic: frozenset[str]) -> Mapping[str, Any] | None:
    """Return the axis of *label* as `figures.parallel` takes it; None if it has no value that can be shown."""
    known = [value for value in values if _is_shown(value)]
    if not known:
        return None
    if any(isinstance(value, str) for value in known):
        options = sorted({_as_text(value) for value in known})
        place_of = {option: n / max(1, len(options) - 1) for n, option in enumerate(options)}
        places = [place_of[_as_text(value)] if _is_shown(value) else INACTIVE for value in values]
        return {"label": label, "places": places, "ticks": [(place, text) for text, place in place_of.items()][:20]}
    scale: Callable[[float], float] = float
    if label in logarithmic and min(known) > 0:
        scale = math.log10
    low, high = scale(min(known)), scale(max(known))
    width = high - low or 1.0
    places = [(scale(value) - low) / width if _is_shown(value) else INACTIVE for value in values]
    ticks = []
    for n in range(TICKS):
        value = low + width * n / (TICKS - 1)
        ticks.append((n / (TICKS - 1), f"{10**value if scale is math.log10 else value:.3g}"))
    return {"label": label, "places": places, "ticks": ticks}


def _is_shown(value: Any) -> bool:
    return isinstance(value, (str, bool)) or (isinstance(value, (int, float)) and math.isfinite(value))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _short(value: float) -> float:
    return float(f"{value:.7g}")
