"""Figures of a search, by matplotlib: each function takes an `Experiment` or `Trials` and returns the axes."""

from hstore.engine.analysis.figures.label_figures import contour, importance, parallel, slice
from hstore.engine.analysis.figures.loss_figures import edf, history, pareto
from hstore.engine.analysis.figures.run_figures import curves, timeline

__all__ = ["contour", "curves", "edf", "history", "importance", "parallel", "pareto", "slice", "timeline"]
