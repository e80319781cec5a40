"""Any space comes back from JSON as it was; what has no plain form leaves its text, the same in every process."""

import datetime as dt
import fractions
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.engine.space import Space, compile_space, hp, scope
from hstore.store.errors import BadSearchSpace

LITERALS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC)).map(lambda at: at.replace(fold=0))
)
KEYS = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), st.text(max_size=3))
CONSTANTS = st.recursive(
    LITERALS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def there_and_back(space: Space) -> Space:
    return Space.from_data(json.loads(json.dumps(space.to_data())))


@settings(max_examples=examples(50), deadline=None)
@given(options=st.lists(CONSTANTS, min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_a_space_of_any_constants_comes_back_the_same(options: list[Any], seed: int) -> None:
    space = compile_space({"c": hp.choice("c", [*options, {"x": hp.uniform("x", 0, 1), "o": options[0]}])})
    back = there_and_back(space)
    assert space.differences(back) == [] == back.differences(space)
    point = space.sample(np.random.default_rng(seed))
    assert back.sample(np.random.default_rng(seed)) == point
    assert repr(back.evaluate(point)) == repr(space.evaluate(point))
    assert repr(back.params(point)) == repr(space.params(point))


class Plain:
    """Has Python's own repr, which tells where it lies in memory."""


@pytest.mark.parametrize(
    "constant",
    [frozenset({1}), np.arange(3), dt.date(2026, 1, 2), Plain(), Plain, fractions.Fraction(1, 3), "\ud800", range(3)],
    ids=lambda constant: type(constant).__name__,
)
def test_an_object_makes_no_difference_between_a_space_and_its_data(constant: Any) -> None:
    space = compile_space(hp.choice("c", [constant, {"k": constant, "x": hp.uniform("x", 0, 1)}]))
    assert space.differences(there_and_back(space)) == []
    assert " at 0x" not in json.dumps(space.to_data())


def test_constants_in_a_form_of_a_later_version_are_refused() -> None:
    with pytest.raises(BadSearchSpace, match="form 'quaternion'"):
        Space.from_data({"format": 1, "nodes": [{"quaternion": "1"}]})
    with pytest.raises(BadSearchSpace, match="what is stored as the space of the experiment is none"):
        Space.from_data({"nodes": []})
    with pytest.raises(BadSearchSpace, match="format 2"):
        Space.from_data({"format": 2, "nodes": []})


def test_a_space_that_an_earlier_version_wrote_reads_as_the_same() -> None:
    nodes = [
        {"value": "p"}, {"floats": [0.25, 0.75]}, {"op": "categorical", "args": [1]},
        {"op": "hyperopt_param", "args": [0, 2]},
        {"value": "a"}, {"value": "b"}, {"op": "switch", "args": [3, 4, 5]},
        {"value": "n"}, {"value": 1.0}, {"value": 9.0}, {"op": "quniform", "args": [8, 9], "kwargs": [["q", 8]]},
        {"op": "hyperopt_param", "args": [7, 10]}, {"op": "int", "args": [11]}, {"op": "pos_args", "args": [6, 12]},
    ]  # fmt: skip
    old = Space.from_data({"format": 1, "nodes": nodes})
    new = compile_space([hp.pchoice("p", [(0.25, "a"), (0.75, "b")]), hp.uniformint("n", 1, 9)])
    assert old.differences(new) == [] == there_and_back(new).differences(old)
    assert new.describe("n") == "uniformint(1, 9)"
    assert old.sample(np.random.default_rng(3)) == new.sample(np.random.default_rng(3))
    assert compile_space(scope.int(hp.quniform("n", 1, 9, 1))).describe("n") == "quniform(1, 9, 1)"
