"""Trials, the documents that they hold, and `Ctrl` and `Domain`, which evaluate them.

The names are those of hyperopt.base.
"""

from hstore.engine.evaluation.results import (
    STATUS_FAIL,
    STATUS_NEW,
    STATUS_OK,
    STATUS_RUNNING,
    STATUS_STRINGS,
    STATUS_SUSPENDED,
)
from hstore.engine.fmin import validate_loss_threshold, validate_timeout
from hstore.engine.hyperopt.ctrl import Ctrl
from hstore.engine.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    JOB_STATES,
    JOB_VALID_STATES,
    TRIAL_KEYS,
    TRIAL_MISC_KEYS,
    SONify,
    miscs_to_idxs_vals,
    miscs_update_idxs_vals,
    spec_from_misc,
)
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.hyperopt.losses import pmin_sampled
from hstore.engine.hyperopt.trials import Trials, trials_from_docs
from hstore.store.errors import AllTrialsFailed, DuplicateLabel, InvalidLoss, InvalidResultStatus, InvalidTrial

__all__ = [
    "JOB_STATES",
    "JOB_STATE_CANCEL",
    "JOB_STATE_DONE",
    "JOB_STATE_ERROR",
    "JOB_STATE_NEW",
    "JOB_STATE_RUNNING",
    "JOB_VALID_STATES",
    "STATUS_FAIL",
    "STATUS_NEW",
    "STATUS_OK",
    "STATUS_RUNNING",
    "STATUS_STRINGS",
    "STATUS_SUSPENDED",
    "TRIAL_KEYS",
    "TRIAL_MISC_KEYS",
    "AllTrialsFailed",
    "Ctrl",
    "Domain",
    "DuplicateLabel",
    "InvalidLoss",
    "InvalidResultStatus",
    "InvalidTrial",
    "SONify",
    "Trials",
    "miscs_to_idxs_vals",
    "miscs_update_idxs_vals",
    "pmin_sampled",
    "spec_from_misc",
    "trials_from_docs",
    "validate_loss_threshold",
    "validate_timeout",
]
