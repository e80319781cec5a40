"""Spaces written as text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore.engine.space import compile_space
from hstore.engine.space.notation import flat, space_of
from hstore.store.errors import BadSearchSpace

RANGES = {
    "lr": "log(1e-5, 1)", "p": "float(0, 1, 0.25)", "n": "int(1, 8)", "opt": "adam|sgd|8|true",
    "m": "float(0, 1) if opt=sgd", "nesterov": "true|false if opt=sgd|adam", "k": "int(1, 3) if nesterov=true",
}  # fmt: skip


@given(st.integers(0, 2**31))
def test_points_lie_in_the_ranges_and_what_depends_is_there_where_it_applies(seed: int) -> None:
    space = compile_space(space_of(RANGES))
    values = flat(space.evaluate(space.sample(np.random.default_rng(seed))))
    assert 1e-5 <= values["lr"] <= 1
    assert values["p"] in (0, 0.25, 0.5, 0.75, 1)
    assert values["n"] in range(1, 9)
    assert values["opt"] in ("adam", "sgd", 8, True)
    assert ("m" in values) == (values["opt"] == "sgd")
    assert ("nesterov" in values) == (values["opt"] in ("adam", "sgd"))
    assert ("k" in values) == (values.get("nesterov") is True)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({"x": "gauss(0, 1)"}, "x: 'gauss(0, 1)' is no range"),
        ({"x": "float(0)"}, "x: 'float(0)' has no two bounds"),
        ({"x": "log(0, 1)"}, "x: low must be positive"),
        ({"x": "int(0.5, 2)"}, "x: low must be a whole number"),
        ({"x": "float(0, 1) if y=1"}, "x depends on y, which is not in the space"),
        ({"x": "float(0, 1) if y=c", "y": "a|b"}, "x depends on y=c, but y has the options a, b"),
        ({"x": "float(0, 1) if y=1", "y": "int(0, 3)"}, "x depends on y=1, but y is no choice"),
        ({"x": "a|b if y=c", "y": "c|d if x=a"}, "which depends on it"),
        ({"x": 3}, "x: 3 is no range"),
        ({"x": "int(1, 8, 2)"}, "has a step, which only float(0, 10, 2) takes"),
        ({"x": "a|b|a"}, "has the option 'a' twice"),
    ],
)
def test_what_is_no_range_is_named_with_its_label(ranges: dict[str, str], said: str) -> None:
    with pytest.raises(BadSearchSpace) as refused:
        space_of(ranges)
    assert said in str(refused.value)
