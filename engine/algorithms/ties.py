"""How hyperopt's algorithms order what is equal: the same on every machine, or as numpy's sort does on this one.

hyperopt sorts with `np.argsort`, which leaves open the order of equal items. numpy chooses the code for it by the CPU,
so hyperopt itself goes other ways on other machines, as soon as values or losses are equal.
"""

import numpy as np
from numpy.typing import NDArray

TIES = ("stable", "as_numpy")
MACHINE_BOUND = {"ties": "as_numpy"}


def ascending_order(values: NDArray[np.float64], ties: str) -> NDArray[np.intp]:
    """Return the indices that sort *values*, equal ones by index ("stable") or as numpy's default sort has them."""
    return np.argsort(values, kind="stable" if ties == "stable" else None)
