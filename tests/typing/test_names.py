"""What a type checker knows of names is what there is."""

from typing import get_args

from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.fmin import AlgorithmName


def test_a_type_checker_knows_every_algorithm_by_its_name() -> None:
    assert sorted(get_args(AlgorithmName)) == sorted(ALGORITHMS)
