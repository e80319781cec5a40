"""hyperopt.ipy: trials on IPython.parallel, which is gone; the names say so."""

from hstore.engine.ipython_trials import IPYAsync, IPythonTrials, LostEngineError, call_domain
from hstore.engine.trials import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING

__all__ = [
    "JOB_STATE_DONE",
    "JOB_STATE_ERROR",
    "JOB_STATE_NEW",
    "JOB_STATE_RUNNING",
    "IPYAsync",
    "IPythonTrials",
    "LostEngineError",
    "call_domain",
]
