"""hyperopt.exceptions: what goes wrong with spaces, trials and results."""

from hstore.store.errors import (
    AllTrialsFailed,
    BadSearchSpace,
    DuplicateLabel,
    InvalidAnnotatedParameter,
    InvalidLoss,
    InvalidResultStatus,
    InvalidTrial,
)

__all__ = [
    "AllTrialsFailed",
    "BadSearchSpace",
    "DuplicateLabel",
    "InvalidAnnotatedParameter",
    "InvalidLoss",
    "InvalidResultStatus",
    "InvalidTrial",
]
