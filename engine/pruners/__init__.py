"""The rules that stop hopeless trials early, one pure module each, and the table of their names."""

from hstore.engine.pruners.asha import asha
from hstore.engine.pruners.curves import Curve, Curves
from hstore.engine.pruners.extrapolated import auto
from hstore.engine.pruners.hyperband import hyperband
from hstore.engine.pruners.known_pruners import PRUNERS, check_name, named, resolve, why_unknown
from hstore.engine.pruners.median import median
from hstore.engine.pruners.pruner import Pruner

__all__ = [
    "PRUNERS",
    "Curve",
    "Curves",
    "Pruner",
    "asha",
    "auto",
    "check_name",
    "hyperband",
    "median",
    "named",
    "resolve",
    "why_unknown",
]
