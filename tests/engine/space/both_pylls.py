"""Expressions made with our pyll and with that of hyperopt, compared."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from hstore import pyll

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt.pyll

OURS, THEIRS = pyll, hyperopt.pyll


def both(make: Callable[[Any], Any]) -> Any:
    """Return what *make* makes with our pyll, which must be what it makes with hyperopt's, to the last bit."""
    ours, theirs = make(OURS), make(THEIRS)
    assert repr(ours) == repr(theirs)
    return ours


def both_raise(make: Callable[[Any], Any], kind: type[Exception]) -> str:
    """Return what ours says where both raise *kind*."""
    with pytest.raises(kind):
        make(THEIRS)
    with pytest.raises(kind) as refused:
        make(OURS)
    return str(refused.value)
