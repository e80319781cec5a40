"""Optuna's samplers and pruners for hstore's searches, its storage over hstore's log, and experiments as its studies.

Needs Optuna: pip install 'hstore[optuna]'.
"""

from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.engine.optuna.pruner_family import pruner
from hstore.engine.optuna.reading_storage import study
from hstore.engine.optuna.sampler_family import sampler

__all__ = ["HstoreStorage", "pruner", "sampler", "study"]
