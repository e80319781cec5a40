"""One thread for linear algebra: BLAS sums in another order with each number of threads, and so to other bits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which numpy and scipy do linear algebra in one thread, as many as there may be outside."""
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, and what is not loaded yet cannot be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
