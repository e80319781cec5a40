"""The `__main__` of a process that an objective has spawned: the functions of the script that the objective is from."""

from hstore.engine.evaluation.script import carried

globals().update(carried())
