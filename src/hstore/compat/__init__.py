"""hstore under hyperopt's name, for programs that are to run as they are."""

from hstore.engine.hyperopt.import_hook import install

__all__ = ["install"]
