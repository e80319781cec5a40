"""Literals are given other values by identity, not by equality."""

import pytest

from hstore import utils
from hstore.engine.space import Apply, as_apply
from hstore.engine.space.expressions import evaluate


@pytest.mark.covers("utils.use_obj_for_literal_in_memo")
def test_an_object_takes_the_place_of_each_literal_that_is_it() -> None:
    mark = object()
    expression = as_apply({"a": mark, "b": [mark, 2]})
    memo: dict[Apply, object] = {}
    assert utils.use_obj_for_literal_in_memo(expression, "live", mark, memo) is memo
    assert evaluate(expression, memo) == {"a": "live", "b": ("live", 2)}
