"""Offspring are spread as the best trials are; whatever is proposed lies in the space."""

import numpy as np
import pytest

from hstore.engine.algorithms.candidates import candidates, offspring, steps
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.space import compile_space, hp

LINE = compile_space({name: hp.uniform(name, 0, 1) for name in ("x", "y", "z")})
BRANCHES = compile_space(
    {
        "kind": hp.choice(
            "kind", [{"a": hp.uniform("a", 0, 1), "n": hp.randint("n", 9)}, {"b": hp.lognormal("b", 0, 1)}]
        ),
        "shade": hp.choice("shade", ["light", "dark"]),
        "step": hp.quniform("step", 0, 10, 3),
    }
)


def test_offspring_of_trials_on_a_line_lie_near_the_line() -> None:
    along = np.linspace(0.3, 0.7, 40)
    rows = np.stack([along, along, 1.0 - along], axis=1)
    young = offspring(encoding(LINE), rows, np.random.default_rng(0), 500)
    assert np.abs(young[:, 0] - young[:, 1]).max() < 0.04
    assert np.abs(young[:, 0] + young[:, 2] - 1.0).max() < 0.04
    assert young[:, 0].std() > 0.01


def test_offspring_come_from_the_best_trials() -> None:
    rows = np.concatenate((np.full((10, 3), 0.2), np.full((30, 3), 0.9)))
    young = offspring(encoding(LINE), rows, np.random.default_rng(0), 100)
    assert np.abs(young - 0.2).max() < 0.04


def test_offspring_have_the_labels_of_the_best_trial_and_options_of_its_like() -> None:
    code = encoding(BRANCHES)
    rows = code.tidy(code.draw(np.random.default_rng(1), 60))
    kind, shade = code.index["kind"], code.index["shade"]
    rows[:, shade] = 1.0
    young = offspring(code, rows, np.random.default_rng(0), 50)
    assert set(young[:, kind]) == {rows[0, kind]}
    assert set(young[:, shade]) == {1.0}


@pytest.mark.parametrize("n_best", [1, 2, 3, 30])
@pytest.mark.parametrize("propose", [steps, offspring], ids=["steps", "offspring"])
def test_what_is_proposed_lies_in_the_space(propose: object, n_best: int) -> None:
    assert callable(propose)
    code = encoding(BRANCHES)
    best_first = code.tidy(code.draw(np.random.default_rng(2), n_best))
    for row in propose(code, best_first, np.random.default_rng(3), 40):
        BRANCHES.check(code.point(row))


@pytest.mark.parametrize("option", [-1.0, 7.0])
def test_an_option_of_an_older_space_is_not_proposed(option: float) -> None:
    code = encoding(BRANCHES)
    rng = np.random.default_rng(2)
    for label in ("kind", "shade"):
        best_first = code.tidy(code.draw(rng, 3))
        best_first[:, code.index[label]] = option
        best_first = code.tidy(best_first)
        proposed = [*steps(code, best_first, rng, 40), *offspring(code, best_first, rng, 40)]
        for row in [*proposed, *candidates(code, best_first, rng)]:
            BRANCHES.check(code.point(row))
