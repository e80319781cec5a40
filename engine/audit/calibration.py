"""Calibration: how far the model of a search was right, as a figure and its columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hstore.engine.analysis.calibration_data import CalibrationData, Within
from hstore.engine.analysis.figures.backends import MATPLOTLIB, interactive, is_interactive
from hstore.engine.analysis.figures.calibration_figure import draw_calibration
from hstore.engine.analysis.trial_columns import experiment_of
from hstore.engine.audit.explanation import Explanation, explain_all
from hstore.store.errors import InvalidValue

MOST = 200
"""Trials for which a model is fitted, which takes as long as choosing them did."""


def calibration(search: Any, *, most: int = MOST, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw each loss over what the model of gp or auto expected of it, with a bar where it expected 68 %; return axes.

    most: of more trials than this an even sample is taken. The model is fitted again for each, by the code that chose.
    Raises `InvalidValue` if no trial has both a prediction and a loss.
    """
    data = calibration_data(search, most=most)
    if not data["tid"]:
        raise InvalidValue(f"no trial of {data['name']!r} has both a prediction and a loss", hint="gp and auto predict")
    return interactive("run_charts").calibration(data) if is_interactive(backend, on) else draw_calibration(data, on)


def calibration_data(search: Any, *, most: int = MOST) -> CalibrationData:
    """Return what the model expected of at most so many trials of *search*, evenly chosen, and what came of them."""
    experiment = experiment_of(search)
    tids = [trial.tid for trial in experiment.trials if trial.loss is not None]
    return calibration_columns(experiment.name, explain_all(experiment, tids[:: max(1, -(-len(tids) // most))]))


def calibration_columns(name: str, explanations: Iterable[Explanation]) -> CalibrationData:
    """Return *explanations*, those that have a prediction and a loss, as columns."""
    columns: CalibrationData = {
        "name": name, "tid": [], "loss": [], "median": [], "low_68": [], "high_68": [], "low_95": [], "high_95": [],
        "within": [],
    }  # fmt: skip
    for each in explanations:
        found, within = each.prediction, each.is_within
        if found is None or within is None or each.loss is None:
            continue
        columns["tid"].append(each.tid)
        columns["loss"].append(each.loss)
        for key in ("median", "low_68", "high_68", "low_95", "high_95"):
            columns[key].append(getattr(found, key))
        kind: Within = "68" if within["68"] else "95" if within["95"] else "no"
        columns["within"].append(kind)
    return columns
