"""The picture of a space has hyperopt's boxes, conditions and edges."""

import warnings
from typing import Any

import pytest

from hstore import graph_viz, hp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt import graph_viz as theirs
    from hyperopt.pyll import as_apply


def nested(hp: Any) -> Any:
    inner = hp.choice("i", [1, hp.lognormal("l", 0, 1)])
    options = [hp.uniform("u", 0, 1), {"z": hp.normal("n", 0, 1), "i": inner}, hp.uniformint("ui", 0, 4)]
    return {"a": hp.choice("a", options), "q": hp.quniform("q", 0, 10, 2), "r": hp.randint("r", 3, 9)}


def shared(hp: Any) -> Any:
    s = hp.uniform("sh", 0, 1)
    return hp.choice("a", [hp.choice("b", [s, 1]), {"s": s, "k": hp.choice("k", [1, s])}])


@pytest.mark.parametrize("build", [nested, lambda hp: hp.uniform("x", 0, 1), lambda hp: {"x": 1}])
@pytest.mark.covers("graph_viz.dot_hyperparameters")
def test_a_space_is_drawn_as_hyperopt_draws_it(build: Any) -> None:
    ours = graph_viz.dot_hyperparameters(build(hp)).splitlines()
    expected = theirs.dot_hyperparameters(as_apply(build(hyperopt.hp))).splitlines()
    assert set(ours) == {line for line in expected if line}
    assert (ours[0], ours[-1]) == ("digraph {", "}")
    assert len(set(ours)) == len(ours)


def test_a_condition_that_another_one_contains_is_drawn_once() -> None:
    ours = set(graph_viz.dot_hyperparameters(shared(hp)).splitlines())
    expected = set(theirs.dot_hyperparameters(as_apply(shared(hyperopt.hp))).splitlines())
    assert ours < expected
    assert {line.split(" [")[0] for line in expected - ours if "shape" in line} == {'"a=1 & k=1"', '"k=1"'}


@pytest.mark.covers("graph_viz.dot_hyperparameters")
def test_pchoices_and_labels_with_quotes_can_be_drawn() -> None:  # hyperopt's raises, and writes what dot cannot read
    text = graph_viz.dot_hyperparameters({"x": hp.pchoice("p", [(0.5, hp.uniform('a "b"', 0, 1)), (0.5, 2)])})
    assert '"p=0" -> "a \\"b\\"";' in text
