"""Grid search: each point of a finite space once."""

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.finite import endless
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Tried, untried
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue


def choose(space: Space, history: History, *, seed: int) -> Point:
    """Grid search: take each point of a finite space once, later labels changing first.

    Choices, whole numbers and the steps of q are searched, in the combinations that conditions allow. *seed* has no
    influence. Raises `Exhausted` after the last point, and InvalidValue for a space with a label that has infinitely
    many values.
    """
    parameter = endless(space)
    if parameter is not None:
        raise InvalidValue(
            f"grid needs a finite space, but {parameter.label} is {parameter.describe()}",
            hint=f"make {parameter.label} a choice, or give it bounds and steps (hp.quniform), or use algo='qmc'",
            path="algo",
        )
    tried = Tried(space, history)
    # All before it were tried, unless points were given or voided: those left out come at the end.
    return untried(space, tried, start=len(tried))


suggest = Algorithm(name="grid", version=1, is_portable=True, choose=choose)
