"""Literals are given other values by identity, not by equality."""

import warnings
from typing import Any

import pytest

from hstore import utils
from hstore.engine.space import as_apply

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import utils as theirs
    from hyperopt.pyll import as_apply as their_as_apply


@pytest.mark.covers("utils.use_obj_for_literal_in_memo")
def test_an_object_takes_the_place_of_each_literal_that_is_it() -> None:
    mark, other = object(), object()
    memo: dict[Any, Any] = {}
    expression = {"a": mark, "b": [mark, 2], "c": other}
    assert utils.use_obj_for_literal_in_memo(as_apply(expression), "live", mark, memo) is memo
    expected = theirs.use_obj_for_literal_in_memo(their_as_apply(expression), "live", mark, {})
    assert list(memo.values()) == list(expected.values()) == ["live", "live"]
    assert all(node.obj is mark for node in memo)
