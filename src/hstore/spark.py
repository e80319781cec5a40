"""hyperopt.spark: searches whose trials are evaluated on Spark."""

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
