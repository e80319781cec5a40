"""How far a point falls short of the best one: nothing for what gp chose, something for what it would not have."""

from typing import Any

import numpy as np
import pytest

from hstore import Trials, auto, fmin, gp, hp, mtpe
from hstore.engine.algorithms import ALGORITHMS, recorded_shortfall
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.space import Point, Space, compile_space

MIXED = {
    "x": hp.uniform("x", -3, 3),
    "model": hp.choice("model", [{"w": hp.lognormal("w", 0, 1)}, {"depth": hp.quniform("depth", 3, 9, 1)}]),
}
ENOUGH = 1e-3


def mixed(config: Any) -> float:
    model = config["model"]
    own = abs(model["w"] - 0.5) if "w" in model else 0.2 + abs(model["depth"] - 6) / 4
    return float((config["x"] - 1) ** 2 + own)


def two_losses(config: Any) -> Any:
    loss = mixed(config)
    return {"status": "ok", "losses": [loss, config["x"] + loss / 5], "constraints": [-config["x"] - 2]}


@pytest.fixture(scope="module", params=[1, 2], ids=["one loss", "two losses"])
def searched(request: pytest.FixtureRequest) -> tuple[Space, History]:
    trials = Trials()
    fn, more = (mixed, {}) if request.param == 1 else (two_losses, {"objectives": 2})
    fmin(fn, MIXED, algo="rand", max_evals=14, trials=trials, rstate=3, verbose=False, **more)  # type: ignore[arg-type]
    space = compile_space(MIXED)
    return space, trials.history(space)


def shortfall(searched: tuple[Space, History], point: Point, seed: int = 5) -> float | None:
    space, history = searched
    recorded = {"name": "gp", "version": gp.suggest.version, "settings": {}}
    return recorded_shortfall(gp.suggest, space, history, point, seed=seed, settings={}, recorded=recorded)


def test_what_gp_chose_falls_short_of_nothing(searched: tuple[Space, History]) -> None:
    for seed in range(3):
        chosen = gp.suggest.choose(*searched, seed=seed)
        assert shortfall(searched, chosen, seed) == pytest.approx(0.0, abs=ENOUGH)


@pytest.mark.parametrize(
    "searched", [1, pytest.param(2, marks=pytest.mark.long)], ids=["one loss", "two losses"], indirect=True
)
def test_points_drawn_at_random_fall_short(searched: tuple[Space, History]) -> None:
    rng = np.random.default_rng(1)
    found = [shortfall(searched, searched[0].sample(rng)) for _ in range(40)]
    assert sum(each is None or each > ENOUGH for each in found) >= 39


def test_what_is_no_point_of_the_space_or_was_tried_has_no_worth(searched: tuple[Space, History]) -> None:
    space, history = searched
    chosen = gp.suggest.choose(space, history, seed=5)
    strange: list[Point] = [
        {**chosen, "depth": 4.5, "model": 1},
        {"x": 0.0},
        {**chosen, "x": 99.0},
        {**chosen, "y": 1.0},
    ]
    strange += [{**chosen, "x": float("nan")}, {**chosen, "model": 7}]
    columns = {label: history.column(label)[0] for label in space.labels}
    tried: Point = {label: float(value) for label, value in columns.items() if not np.isnan(value)}
    tried["model"] = int(tried["model"])
    assert encoding(space).row(tried) is not None
    assert [shortfall(searched, point) for point in [*strange, tried]] == [None] * (len(strange) + 1)


def test_the_first_points_are_among_those_drawn_for_them() -> None:
    space = compile_space(MIXED)
    history = History(space)
    history.observe(history.add(space.sample(np.random.default_rng(0))), kind="ok", loss=1.0)
    searched = (space, history)
    assert shortfall(searched, gp.suggest.choose(space, history, seed=5)) == 0.0
    assert shortfall(searched, space.sample(np.random.default_rng(2))) is None


def test_only_algorithms_that_go_by_a_measure_say_how_far_a_point_falls_short(searched: tuple[Space, History]) -> None:
    assert {name for name, algorithm in ALGORITHMS.items() if algorithm.shortfall is not None} == {"auto", "gp"}
    point = auto.suggest.choose(*searched, seed=5)
    recorded: dict[str, Any] = {"name": "mtpe", "version": 2, "settings": {}}
    assert recorded_shortfall(mtpe.suggest, *searched, point, seed=5, settings={}, recorded=recorded) is None
