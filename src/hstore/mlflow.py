"""Searches in MLflow: `MlflowMirror(experiment, uri).catch_up()`, `fmin(…, early_stop_fn=mlflow_callback(uri))`."""

from hstore.engine.bridges.mlflow_mirror import MlflowMirror, mlflow_callback

__all__ = ["MlflowMirror", "mlflow_callback"]
