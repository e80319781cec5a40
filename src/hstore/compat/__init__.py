"""Run programs that were written for hyperopt, unchanged, on hstore: `python -m hstore.compat program.py`."""

from hstore.engine.hyperopt.import_hook import install

__all__ = ["install"]
