"""hstore under hyperopt's name, for programs that are to run as they are."""

from hstore.engine.hyperopt_import import install

__all__ = ["install"]
