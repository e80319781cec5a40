"""Which point of a new space a point of an old one was: the table in docs/trials.md, row by row."""

from typing import Any

import pytest

from hstore.engine.search.warm_start import Misfit, Translation
from hstore.engine.space import Space, compile_space, hp, scope

X = hp.uniform("x", 0, 10)


class Net:
    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes


def translated(old: Any, new: Any, point: dict[str, Any]) -> dict[str, Any]:
    recorded = Space.from_data(compile_space(old).to_data())
    translation = Translation(recorded, compile_space(new))
    found = translation.point(point)
    return dict(found)


FITS: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "narrowed": (X, hp.uniform("x", 2, 4), {"x": 3.0}, {"x": 3.0}),
    "widened": (X, hp.uniform("x", -5, 50), {"x": 3.0}, {"x": 3.0}),
    "on another scale": (X, hp.loguniform("x", -2, 3), {"x": 3.0}, {"x": 3.0}),
    "in other steps": (hp.quniform("x", 0, 10, 2), hp.quniform("x", 0, 10, 5), {"x": 4.0}, {"x": 4.0}),
    "whole": (X, hp.uniformint("x", 1, 9), {"x": 3.0}, {"x": 3.0}),
    "a randint of whole": (hp.uniformint("x", 1, 9), hp.randint("x", 5), {"x": 3.0}, {"x": 3}),
    "an option more, before": (hp.choice("c", ["a", "b"]), hp.choice("c", ["z", "a", "b"]), {"c": 1}, {"c": 2}),
    "in another order": (hp.choice("c", ["a", "b"]), hp.choice("c", ["b", "a"]), {"c": 0}, {"c": 1}),
    "with weights": (hp.choice("c", ["a", "b"]), hp.pchoice("c", [(0.9, "b"), (0.1, "a")]), {"c": 0}, {"c": 1}),
    "objects": (hp.choice("c", [Net(1), Net(2)]), hp.choice("c", [Net(2), Net(3)]), {"c": 1}, {"c": 0}),
    "sets": (hp.choice("c", [{"a", "b"}, {"a"}]), hp.choice("c", [{"a"}, {"b", "a"}]), {"c": 0}, {"c": 1}),
    "a range of a choice": (hp.choice("x", [0.5, 2.0]), X, {"x": 1}, {"x": 2.0}),
    "a choice of a range": (hp.uniformint("x", 1, 4), hp.choice("x", [2, 3]), {"x": 3.0}, {"x": 1}),
    "options without constants": (
        hp.choice("m", [{"a": hp.uniform("a", 0, 1)}, {"b": hp.uniform("b", 0, 1)}]),
        hp.choice("m", [{"z": hp.uniform("z", 0, 1)}, {"a": hp.uniform("a", 0, 1)}, {"b": hp.uniform("b", 0, 1)}]),
        {"m": 1, "b": 0.5}, {"m": 2, "b": 0.5},
    ),
    "a new label": ({"x": X}, {"x": X, "z": hp.uniform("z", 0, 1)}, {"x": 3.0}, {"x": 3.0}),
    "a new label in the place of a constant": (
        {"x": X, "z": 0.5}, {"x": X, "z": hp.uniform("z", 0, 1)}, {"x": 3.0}, {"x": 3.0, "z": 0.5},
    ),
    "a new choice in the place of a constant, in a list": (
        {"x": X, "z": [7, {"k": "a"}]}, {"x": X, "z": [7, {"k": hp.choice("k", ["b", "a"])}]}, {"x": 3.0},
        {"x": 3.0, "k": 1},
    ),
    "a new whole number in the place of a constant": (
        {"x": X, "n": 3}, {"x": X, "n": scope.int(hp.quniform("n", 1, 5, 1))}, {"x": 3.0}, {"x": 3.0, "n": 3.0},
    ),
    "a label gone": ({"x": X, "z": hp.uniform("z", 0, 1)}, {"x": X}, {"x": 3.0, "z": 0.5}, {"x": 3.0}),
    "a label that is the constant now": (
        {"x": X, "c": hp.choice("c", ["a", "b"])}, {"x": X, "c": "b"}, {"x": 3.0, "c": 1}, {"x": 3.0},
    ),
    "now under a condition that holds": (
        {"x": X, "c": hp.choice("c", ["a", "b"])}, hp.choice("c", ["a", {"k": "b", "x": X}]), {"x": 3.0, "c": 0},
        {"c": 0},
    ),
    "no longer under a condition": (
        hp.choice("c", ["a", {"k": "b", "x": X}]), {"c": hp.choice("c", ["a", "b"]), "x": X}, {"c": 0}, {"c": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", FITS)
def test_a_point_that_fits_is_the_same_point(change: str) -> None:
    old, new, point, wanted = FITS[change]
    found = translated(old, new, point)
    assert found == wanted
    assert {label: type(value) for label, value in found.items()} == {k: type(v) for k, v in wanted.items()}


MISFITS: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "narrowed": (X, hp.uniform("x", 2, 4), {"x": 5.0}, r"x is out of range of uniform\(2, 4\)"),
    "log": (hp.uniform("x", -1, 1), hp.loguniform("x", -2, 0), {"x": -0.5}, "x is out of range"),
    "not whole": (X, hp.uniformint("x", 1, 9), {"x": 3.5}, "x is out of range"),
    "an option gone": (hp.choice("c", ["a", "b"]), hp.choice("c", ["a", "z"]), {"c": 1}, "c has no option 'b' now"),
    "an object gone": (hp.choice("c", [Net(1), 2]), hp.choice("c", [Net(2), 2]), {"c": 0}, "c has no option"),
    "a bool is no number": (hp.choice("c", [True, False]), hp.uniform("c", 0, 2), {"c": 0}, "c is out of range"),
    "a text is no number": (hp.choice("x", ["1", "2"]), X, {"x": 0}, "x is out of range"),
    "options without constants": (
        hp.choice("m", [{"a": hp.uniform("a", 0, 1)}, {"b": hp.uniform("b", 0, 1)}]),
        hp.choice("m", [{"z": hp.uniform("z", 0, 1)}, {"b": hp.uniform("b", 0, 1)}]),
        {"m": 0, "a": 0.5}, "m has no option 0 now",
    ),
    "another constant now": (
        {"x": X, "c": hp.choice("c", ["a", "b"])}, {"x": X, "c": "b"}, {"x": 3.0, "c": 0}, "c is always 'b' now",
    ),
    "a constant that the new label cannot be": (
        {"x": X, "z": 5}, {"x": X, "z": hp.uniform("z", 0, 1)}, {"x": 3.0}, "z is out of range",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", MISFITS)
def test_a_point_that_does_not_fit_is_left_out_for_a_reason(change: str) -> None:
    old, new, point, why = MISFITS[change]
    with pytest.raises(Misfit, match=why):
        translated(old, new, point)
