"""Figures of an `Experiment` or `Trials`: by matplotlib, or with backend="bokeh" those of the page."""

from hstore.engine.analysis.figures.label_figures import contour, importance, parallel, slice
from hstore.engine.analysis.figures.loss_figures import edf, history, pareto
from hstore.engine.analysis.figures.run_figures import curves, timeline
from hstore.engine.audit.calibration import calibration

__all__ = [
    "calibration",
    "contour",
    "curves",
    "edf",
    "history",
    "importance",
    "parallel",
    "pareto",
    "slice",
    "timeline",
]
