"""The figures by name, and several of them on one page: what `hstore plot` draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hstore.engine.analysis.figures.label_figures import contour, importance, parallel, slice
from hstore.engine.analysis.figures.loss_figures import edf, history, pareto
from hstore.engine.analysis.figures.run_figures import curves, timeline
from hstore.engine.analysis.importance import FEWEST
from hstore.engine.analysis.trial_columns import columns_of
from hstore.store.errors import CannotLoad

OF_SEVERAL: dict[str, Callable[..., Any]] = {"history": history, "edf": edf}
"""Figures that compare searches."""
FIGURES: dict[str, Callable[..., Any]] = {
    **OF_SEVERAL, "importance": importance, "slice": slice, "contour": contour, "parallel": parallel, "pareto": pareto,
    "curves": curves, "timeline": timeline,
}  # fmt: skip

_WIDTH, _HEIGHT = 9.0, 4.2


def usual_figures(search: Any) -> list[str]:
    """Return which figures *search* has enough trials for, of those that a person looks at first."""
    columns = columns_of(search)
    ranked = columns["outcome"].count("ok")
    names = ["history"]
    if len(columns["losses"]) > 1:
        names.append("pareto")
    if columns["labels"] and ranked:
        names += (["importance"] if ranked >= FEWEST else []) + ["slice"]
    return names


def page(searches: Sequence[Any], names: Sequence[str], more: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Return a matplotlib figure with those of *names*, one below the other, of the first of *searches*.

    Those of `OF_SEVERAL` show all *searches*. *more*: figures that
    are made elsewhere. Raises `CannotLoad` without matplotlib, and what each figure raises.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CannotLoad(f"figures need {error.name}", hint="pip install 'hstore[plot]'") from error
    labels = max(1, min(16, len(columns_of(searches[0])["labels"])))
    heights = [_HEIGHT if name != "slice" else 0.8 + 2.6 * math.ceil(labels / 4) for name in names]
    whole = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    parts = whole.subfigures(len(names), 1, height_ratios=heights, squeeze=False).ravel()
    for part, name in zip(parts, names, strict=True):
        shown = searches if name in OF_SEVERAL else searches[:1]
        (FIGURES | dict(more or {}))[name](*shown, on=part)
    return whole
