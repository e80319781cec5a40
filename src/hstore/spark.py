"""Searches whose trials run as Spark tasks: `fmin(…, trials=SparkTrials(parallelism=4))`.

The names are those of hyperopt.spark.
"""

from hstore.engine.evaluation.results import STATUS_OK
from hstore.workers.spark_trials import (
    FMIN_CANCELLED_REASON_EARLY_STOPPING,
    FMIN_CANCELLED_REASON_TIMEOUT,
    FMIN_CANCELLED_REASON_USER,
    SparkTrials,
)

__all__ = [
    "FMIN_CANCELLED_REASON_EARLY_STOPPING",
    "FMIN_CANCELLED_REASON_TIMEOUT",
    "FMIN_CANCELLED_REASON_USER",
    "STATUS_OK",
    "SparkTrials",
]
