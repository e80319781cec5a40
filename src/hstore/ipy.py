"""Trials on IPython.parallel, which no longer exists: the names say so when they are used.

The names are those of hyperopt.ipy.
"""

from hstore.engine.hyperopt.documents import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING
from hstore.engine.hyperopt.ipy import IPYAsync, IPythonTrials, LostEngineError, call_domain

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
