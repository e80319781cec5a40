"""Callbacks that report to a trial and stop its training: LightGBM, XGBoost, scikit-learn, Keras, PyTorch Lightning."""

from hstore.engine.callbacks import (
    ReportingTrial,
    keras_callback,
    lightgbm_callback,
    lightning_callback,
    partial_fit,
    xgboost_callback,
)

__all__ = [
    "ReportingTrial",
    "keras_callback",
    "lightgbm_callback",
    "lightning_callback",
    "partial_fit",
    "xgboost_callback",
]
