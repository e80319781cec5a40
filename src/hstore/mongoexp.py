"""Searches in a MongoDB: their trials, and the workers that evaluate them.

The names are those of hyperopt.mongoexp.
"""

from hstore.cli.hyperopt_worker import main, main_worker, main_worker_helper, number_of_jobs_in_db
from hstore.engine.hyperopt.documents import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    JOB_STATES,
)
from hstore.engine.hyperopt.mongo_ctrl import MongoCtrl, exec_import
from hstore.engine.hyperopt.mongo_jobs import MongoJobs
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.hyperopt.mongo_url import connection_from_string, connection_with_tunnel
from hstore.store.errors import DomainSwapError, InvalidMongoTrial, OperationFailure, ReserveTimeout, Shutdown, WaitQuit
from hstore.store.url import as_mongo_str, parse_url, read_pw
from hstore.workers.hyperopt_mongo_worker import MongoWorker

__all__ = [
    "JOB_STATES",
    "JOB_STATE_DONE",
    "JOB_STATE_ERROR",
    "JOB_STATE_NEW",
    "JOB_STATE_RUNNING",
    "DomainSwapError",
    "InvalidMongoTrial",
    "MongoCtrl",
    "MongoJobs",
    "MongoTrials",
    "MongoWorker",
    "OperationFailure",
    "ReserveTimeout",
    "Shutdown",
    "WaitQuit",
    "as_mongo_str",
    "connection_from_string",
    "connection_with_tunnel",
    "exec_import",
    "main",
    "main_worker",
    "main_worker_helper",
    "number_of_jobs_in_db",
    "parse_url",
    "read_pw",
]
