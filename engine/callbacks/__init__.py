"""Callbacks by which the training loops of other libraries report to a trial, and stop when it is to stop."""

from hstore.engine.callbacks.boosted_trees import lightgbm_callback, xgboost_callback
from hstore.engine.callbacks.networks import keras_callback, lightning_callback
from hstore.engine.callbacks.partial_fit import partial_fit
from hstore.engine.callbacks.reporting import ReportingTrial

__all__ = [
    "ReportingTrial",
    "keras_callback",
    "lightgbm_callback",
    "lightning_callback",
    "partial_fit",
    "xgboost_callback",
]
