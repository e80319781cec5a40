"""The public names of hstore for type checkers; tests/test_layout.py compares them to those of `__init__.py`."""

from hstore import (
    algobase as algobase,
    anneal as anneal,
    atpe as atpe,
    auto as auto,
    base as base,
    cmaes as cmaes,
    compat as compat,
    criteria as criteria,
    early_stop as early_stop,
    exceptions as exceptions,
    gp as gp,
    graph_viz as graph_viz,
    grid as grid,
    hp as hp,
    mix as mix,
    mtpe as mtpe,
    plot as plot,
    plotting as plotting,
    progress as progress,
    pruners as pruners,
    pyll as pyll,
    pyll_utils as pyll_utils,
    qmc as qmc,
    rand as rand,
    rdists as rdists,
    spark as spark,
    tpe as tpe,
    utils as utils,
)
from hstore.engine.analysis.importance import importance as importance
from hstore.engine.audit.explanation import explain as explain
from hstore.engine.ask_tell import Search as Search, search as search
from hstore.engine.asked_trial import AskedTrial as AskedTrial
from hstore.engine.evaluation.domain import Pruned as Pruned
from hstore.engine.evaluation.results import (
    STATUS_FAIL as STATUS_FAIL,
    STATUS_NEW as STATUS_NEW,
    STATUS_OK as STATUS_OK,
    STATUS_RUNNING as STATUS_RUNNING,
    STATUS_STRINGS as STATUS_STRINGS,
    STATUS_SUSPENDED as STATUS_SUSPENDED,
)
from hstore.engine.fmin import (
    fmin as fmin,
    fmin_pass_expr_memo_ctrl as fmin_pass_expr_memo_ctrl,
    generate_trials_to_calculate as generate_trials_to_calculate,
    partial as partial,
)
from hstore.engine.hyperopt.ctrl import Ctrl as Ctrl
from hstore.engine.hyperopt.documents import (
    JOB_STATE_CANCEL as JOB_STATE_CANCEL,
    JOB_STATE_DONE as JOB_STATE_DONE,
    JOB_STATE_ERROR as JOB_STATE_ERROR,
    JOB_STATE_NEW as JOB_STATE_NEW,
    JOB_STATE_RUNNING as JOB_STATE_RUNNING,
    JOB_STATES as JOB_STATES,
)
from hstore.engine.hyperopt.domain import Domain as Domain
from hstore.engine.hyperopt.fmin_iter import FMinIter as FMinIter
from hstore.engine.hyperopt.mongo_trials import MongoTrials as MongoTrials
from hstore.engine.hyperopt.trials import Trials as Trials, trials_from_docs as trials_from_docs
from hstore.engine.space import Space as Space, space_eval as space_eval
from hstore.store import errors as errors
from hstore.store.errors import AllTrialsFailed as AllTrialsFailed
from hstore.store.open_store import open_store as _open_store
from hstore.store.experiment import Experiment as Experiment
from hstore.store.store import Store as Store
from hstore.workers.spark_trials import SparkTrials as SparkTrials

__all__: list[str]
__version__: str
open = _open_store
