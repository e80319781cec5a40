"""Rows stand for points: there and back, on every grid, and only what is active."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hstore.engine.algorithms.encoding import INACTIVE, encoding
from hstore.engine.algorithms.history import History
from hstore.engine.space import compile_space, hp

SPACE = compile_space(
    {
        "uniform": hp.uniform("uniform", -2, 3),
        "quniform": hp.quniform("quniform", 0, 10, 4),
        "wide": hp.quniform("wide", 0, 1, 5),
        "uniformint": hp.uniformint("uniformint", 0, 2),
        "loguniform": hp.loguniform("loguniform", -9, 1),
        "qloguniform": hp.qloguniform("qloguniform", -2, 4, 1),
        "normal": hp.normal("normal", 1, 2),
        "qnormal": hp.qnormal("qnormal", 0, 3, 1),
        "lognormal": hp.lognormal("lognormal", 0, 1),
        "qlognormal": hp.qlognormal("qlognormal", 0, 2, 0.5),
        "randint": hp.randint("randint", 3, 9),
        "one": hp.choice("one", [1]),
        "choice": hp.choice(
            "choice", [0, {"x": hp.uniform("x", 0, 1)}, {"deep": hp.choice("deep", [1, hp.normal("y", 0, 1)])}]
        ),
        "pchoice": hp.pchoice("pchoice", [(0.1, 0), (0.6, 1), (0.3, 2)]),
    }
)
CODE = encoding(SPACE)


def test_a_point_comes_back_from_its_row() -> None:
    history, rng = History(SPACE), np.random.default_rng(0)
    points = [SPACE.sample(rng) for _ in range(200)]
    for point in points:
        history.add(point)
    for row, point in zip(CODE.rows(history), points, strict=True):
        back = CODE.point(row)
        assert back.keys() == point.keys()
        for label, value in point.items():
            assert back[label] == pytest.approx(value, rel=1e-9, abs=1e-9)
            assert isinstance(back[label], int) == isinstance(value, int)


def test_rows_from_the_prior_are_points_of_the_space_and_spread_like_it() -> None:
    rows = CODE.tidy(CODE.draw(np.random.default_rng(1), 4_000))
    for row in rows[:200]:
        SPACE.check(CODE.point(row))
    rng = np.random.default_rng(2)
    points = [SPACE.sample(rng) for _ in range(4_000)]
    for j, parameter in enumerate(SPACE.parameters):
        values = [CODE.entry(parameter.label, p[parameter.label]) for p in points if parameter.label in p]
        mine = rows[CODE.active(rows)[:, j], j]
        assert_allclose(mine.mean(), np.mean(values), atol=0.25 if parameter.is_categorical else 0.06)


def test_tidy_rows_stay_as_they_are() -> None:
    rows = CODE.tidy(CODE.draw(np.random.default_rng(1), 300))
    assert_allclose(CODE.tidy(rows.copy()), rows, atol=1e-12)


def test_inactive_labels_are_the_same_whatever_they_were() -> None:
    rows = CODE.tidy(CODE.draw(np.random.default_rng(1), 300))
    active = CODE.active(rows)
    for label, blank in {"x": 0.5, "y": 0.5, "deep": INACTIVE}.items():
        j = CODE.index[label]
        assert 0 < active[:, j].sum() < 300
        assert set(rows[~active[:, j], j]) == {blank}
    deep, y = CODE.index["deep"], CODE.index["y"]
    assert np.all(active[:, deep][active[:, y]])


def test_how_many_labels_take_part_is_known_of_conditional_spaces() -> None:
    assert encoding(compile_space({"x": hp.uniform("x", 0, 1)})).n_active == 1.0
    assert 14.0 < CODE.n_active < 15.5
