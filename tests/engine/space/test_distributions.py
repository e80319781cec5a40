"""Spaces as scikit-learn's searches take them: lists are choices, frozen distributions are hp expressions."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from hstore import hp
from hstore.engine.space import Space, compile_space
from hstore.engine.space.distributions import as_space
from hstore.store.errors import BadSearchSpace


def space_of(given: Any) -> Space:
    return compile_space(as_space(given))


@pytest.mark.parametrize(
    ("given", "described"),
    [
        (stats.uniform(2, 3), "uniform(2, 5)"),
        (stats.uniform(loc=-1, scale=2), "uniform(-1, 1)"),
        (stats.uniform(), "uniform(0, 1)"),
        (stats.randint(1, 9), "int(1, 8)"),
        (stats.randint(1, 9, loc=10), "int(11, 18)"),
        (stats.randint(low=3, high=4), "randint(3, 4)"),
        (stats.norm(1, scale=2), "normal(1, 2)"),
        (stats.lognorm(0.5, scale=1.0), "lognormal(0, 0.5)"),
        (["a", "b"], "choice('a', 'b')"),
        ([None, 3, 0.5], "choice(None, 3, 0.5)"),
        (np.array([1, 2]), "choice(1, 2)"),
        ([(50, 50), (100,)], "choice([50, 50], [100])"),
    ],
)
def test_each_is_searched_as_hp_would_write_it(given: Any, described: str) -> None:
    assert space_of({"p": given}).describe("p") == described


@pytest.mark.parametrize("named", [stats.loguniform, stats.reciprocal])
def test_the_bounds_of_a_loguniform_are_values(named: Any) -> None:
    parameter = space_of({"p": named(1e-3, 1e3)})["p"]
    assert parameter.kind == "loguniform"
    assert parameter.bounds == pytest.approx((1e-3, 1e3))
    assert space_of({"p": named(1.05, 40)})["p"].bounds == pytest.approx((1.05, 40))


@pytest.mark.parametrize(
    "given",
    [
        stats.gamma(2), stats.beta(2, 3), stats.expon(scale=100), stats.truncnorm(-1, 1), stats.poisson(3),
        stats.binom(10, 0.3), stats.loguniform(1, 10, loc=5), stats.geom(0.3), stats.triang(0.5),
        stats.rv_histogram(np.histogram(np.arange(20.0), bins=4)), stats.rv_discrete(values=([1, 3], [0.5, 0.5]))(),
    ],
    ids=lambda given: getattr(getattr(given, "dist", given), "name", "?"),
)  # fmt: skip
def test_any_other_distribution_is_drawn_by_its_quantiles(given: Any) -> None:
    space = space_of({"p": given})
    rng = np.random.default_rng(0)
    drawn = np.array([space.evaluate(space.sample(rng))["p"] for _ in range(1500)])
    ends = [space.evaluate({"p": bound})["p"] for bound in space["p"].bounds]
    assert np.isfinite(ends).all()
    assert given.cdf(ends[0]) >= 0
    theirs = given.rvs(size=1500, random_state=1)
    assert stats.ks_2samp(drawn, theirs).pvalue > 1e-3
    assert min(drawn) >= given.support()[0]
    if isinstance(theirs[0], (int, np.integer)):
        assert type(space.evaluate({"p": 0.5})["p"]) is int


def test_constants_and_hp_expressions_stay_as_they_are() -> None:
    given = {
        "layers": (50, 50), "text": "l2", "C": hp.uniform("C", 0, 1), "pair": [hp.uniform("a", 0, 1), 3],
        "scaler": np.float64, "matrix": np.eye(2),
    }  # fmt: skip
    space = space_of(given)
    assert set(space.labels) == {"C", "a"}
    value = space.evaluate({"C": 0.5, "a": 0.25})
    assert (value["layers"], value["text"], value["pair"], value["C"]) == ((50, 50), "l2", (0.25, 3), 0.5)


def test_a_list_of_dicts_is_a_choice_whose_shared_names_keep_apart() -> None:
    space = space_of([{"kernel": ["rbf"], "C": stats.uniform(0, 1), "gamma": [1, 2]}, {"kernel": ["linear"], "C": [3]}])
    assert set(space.labels) == {"params", "kernel.0", "C.0", "gamma", "kernel.1", "C.1"}
    assert space.evaluate({"params": 1, "kernel.1": 0, "C.1": 0}) == {"kernel": "linear", "C": 3}


class OnlyDraws:
    def rvs(self, random_state: Any = None) -> float:
        return 0.5


@pytest.mark.parametrize("given", [OnlyDraws(), stats.norm([0, 1], 1), stats.multivariate_normal([0, 0])])
def test_a_distribution_without_quantiles_is_refused_by_the_name_of_its_parameter(given: Any) -> None:
    with pytest.raises(BadSearchSpace, match=r"^alpha: nothing can be searched") as refused:
        space_of({"alpha": given})
    assert "hp.float" in refused.value.hint


def test_an_empty_list_and_a_distribution_within_a_choice_are_refused_by_name() -> None:
    with pytest.raises(BadSearchSpace, match=r"^kernel: has no options"):
        space_of({"kernel": []})
    with pytest.raises(BadSearchSpace, match=r"^C: is a distribution of scipy.stats within an hp.choice"):
        space_of(hp.choice("model", [{"C": stats.uniform(0, 1)}, {"n": 3}]))
