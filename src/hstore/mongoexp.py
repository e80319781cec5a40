"""hyperopt.mongoexp: searches in a MongoDB, and those who work on them."""

from hstore.cli.hyperopt_worker import main, main_worker, main_worker_helper, number_of_jobs_in_db
from hstore.engine.hyperopt_documents import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    JOB_STATES,
)
from hstore.engine.mongo_jobs import MongoCtrl, MongoJobs, exec_import
from hstore.engine.mongo_trials import MongoTrials
from hstore.store.errors import (
    DomainSwapError,
    InvalidMongoTrial,
    OperationFailure,
    ReserveTimeout,
    Shutdown,
    WaitQuit,
)
from hstore.store.hyperopt_url import (
    as_mongo_str,
    connection_from_string,
    connection_with_tunnel,
    parse_url,
    read_pw,
)
from hstore.workers.mongo_worker import MongoWorker

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
