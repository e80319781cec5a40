"""Figures show what the trials say, hyperopt's and ours, failed ones among them. Looked at by their artists."""

import math
import pickle
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

import hstore
from hstore import Store, Trials, hp, plotting
from hstore.store.errors import CannotLoad, InvalidValue, NotFound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt
    from hyperopt import plotting as theirs

RED, BLUE, GREEN = to_rgba("r"), to_rgba("b"), to_rgba("g")


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    matplotlib.use("Agg")
    plt.close("all")
    yield
    plt.close("all")


def objective(config: Any) -> Any:
    if config["a"].get("u", 0.0) > 0.8:
        return {"status": "fail"}
    loss = config["q"] + config["a"].get("u", 0.0)
    return {"status": "ok", "loss": loss, "attachments": {"curve": pickle.dumps(np.arange(5) * config["q"])}}


def space(hp: Any) -> Any:
    options = [{"u": hp.uniform("u", 0, 1)}, {"z": hp.lognormal("log_n", 0, 1)}]
    return {"a": hp.choice("a", options), "q": hp.quniform("q", 0, 10, 2)}


def searched(library: Any, labels: Any, fn: Any = objective, **how: Any) -> Any:
    trials = how.pop("trials", None) or library.Trials()
    library.fmin(
        fn, space(labels), algo=library.rand.suggest, max_evals=12, trials=trials, verbose=False,
        rstate=np.random.default_rng(0), show_progressbar=False, **how,
    )  # fmt: skip
    return trials


def points(axes: Any) -> list[list[float]]:
    (scattered,) = axes.collections
    return [list(map(float, pair)) for pair in scattered.get_offsets().tolist()]


def drawn(draw: Any) -> Any:
    """Return the axes that *draw* leaves, the only ones in a new figure."""
    plt.close("all")
    draw()
    (axes,) = plt.gcf().axes
    return axes


@pytest.mark.covers("plotting.main_plot_history", "plotting.default_status_colors")
def test_the_history_of_losses_is_hyperopts() -> None:
    trials, their_trials = searched(hstore, hp), searched(hyperopt, hyperopt.hp)
    assert "fail" in trials.statuses()
    expected = drawn(lambda: theirs.main_plot_history(their_trials, do_show=False))
    expected_points = points(expected)
    for both in (trials, their_trials, trials.experiment):
        axes = drawn(lambda both=both: plotting.main_plot_history(both, do_show=False))
        assert np.array(points(axes)) == pytest.approx(np.array(expected_points))
        assert axes.lines[0].get_ydata()[0] == pytest.approx(expected.lines[0].get_ydata()[0])
        assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("Loss History", "time", "loss")
        assert {tuple(color) for color in axes.collections[0].get_facecolor()} == {BLUE}
    assert plotting.default_status_colors == theirs.default_status_colors


@pytest.mark.covers("plotting.main_plot_history", "plotting.main_plot_histogram", "plotting.main_plot_vars")
def test_visualisation_works_with_trials_that_failed_raised_or_came_to_nan() -> None:
    def treacherous(config: Any) -> Any:
        if config["q"] == 2.0:
            return math.nan
        if config["q"] == 4.0:
            raise ArithmeticError
        return {"status": "fail", "loss": 3.0} if config["q"] == 10.0 else config["q"]

    trials = searched(hstore, hp, treacherous, catch_eval_exceptions=True)
    axes = drawn(lambda: plotting.main_plot_history(trials, do_show=False, status_colors={"ok": "g"}))
    colors = [tuple(color) for color in axes.collections[0].get_facecolor()]
    usable = [loss for loss in trials.losses() if loss is not None and not math.isnan(loss)]
    assert [y for _, y in points(axes)] == usable
    assert set(colors) == {GREEN, RED}
    axes = drawn(lambda: plotting.main_plot_histogram(trials, do_show=False))
    assert sum(bar.get_height() for bar in axes.patches) == len(usable) - trials.statuses().count("fail")
    plt.close("all")
    plotting.main_plot_vars(trials, do_show=False)
    by_label: dict[str, Any] = {axes.get_title(): axes for axes in plt.gcf().axes}
    numbers = [number for number, _ in points(by_label["q"])]
    assert numbers == list(range(len(trials)))
    is_red = [tuple(color) == RED for color in by_label["q"].collections[0].get_facecolor()]
    assert is_red == [result["status"] != "ok" or math.isnan(result["loss"]) for result in trials.results]


@pytest.mark.covers("plotting.main_plot_history", "plotting.main_plot_histogram")
def test_without_trials_the_axes_are_empty() -> None:
    assert points(drawn(lambda: plotting.main_plot_history(Trials(), do_show=False))) == []
    axes = drawn(lambda: plotting.main_plot_histogram(Trials(), do_show=False))
    assert sum(bar.get_height() for bar in axes.patches) == 0
    with pytest.raises(InvalidValue, match="no trials"):
        plotting.main_plot_vars(Trials(), do_show=False)
    with pytest.raises(NotFound, match="'nothing'"):
        plotting.main_plot_1D_attachment(searched(hstore, hp), "nothing", do_show=False)


@pytest.mark.covers("plotting.main_plot_histogram")
def test_the_histogram_is_hyperopts() -> None:
    ours = drawn(lambda: plotting.main_plot_histogram(searched(hstore, hp), do_show=False, title="mine"))
    bars = [(bar.get_x(), bar.get_height()) for bar in ours.patches]
    assert ours.get_title() == "mine"
    expected = drawn(lambda: theirs.main_plot_histogram(searched(hyperopt, hyperopt.hp), do_show=False))
    assert np.array(bars) == pytest.approx(np.array([(bar.get_x(), bar.get_height()) for bar in expected.patches]))


@pytest.mark.parametrize("arrange_by_loss", [False, True])
@pytest.mark.covers("plotting.main_plot_vars")
def test_values_are_where_hyperopt_has_them(arrange_by_loss: bool) -> None:
    how: dict[str, Any] = {
        "do_show": False, "colorize_best": 3, "columns": 2, "arrange_by_loss": arrange_by_loss, "fontsize": 7
    }  # fmt: skip
    trials = searched(hstore, hp)
    plotting.main_plot_vars(trials, **how)
    ours: dict[str, Any] = {axes.get_title(): axes for axes in plt.gcf().axes}
    assert ours["a"].get_subplotspec().get_geometry()[:2] == (2, 2)
    assert ours["a"].title.get_fontsize() == 7
    found = {label: np.array(points(axes)) for label, axes in ours.items()}
    is_green = [color[0] == 0 < color[1] for color in ours["q"].collections[0].get_facecolor()]
    best = sorted(loss for loss in trials.losses() if loss is not None)[:3]
    losses = [loss for loss in trials.losses() if loss is not None or not arrange_by_loss]
    assert is_green == [loss in best for loss in losses]
    assert (ours["log_n"].get_yscale(), ours["q"].get_yscale()) == ("log", "linear")
    plt.close("all")
    theirs.main_plot_vars(searched(hyperopt, hyperopt.hp), **how)
    assert {axes.get_title() for axes in plt.gcf().axes} == set(ours)
    for axes in plt.gcf().axes:
        expected = np.array([point for point in points(axes) if not math.isnan(point[0])])
        if axes.get_title() == "log_n":  # it draws the logarithm
            expected[:, 1] = np.exp(expected[:, 1])
        assert found[axes.get_title()] == pytest.approx(expected)


@pytest.mark.covers("plotting.main_plot_1D_attachment")
def test_attachments_are_drawn_as_lines() -> None:
    trials, their_trials = searched(hstore, hp), searched(hyperopt, hyperopt.hp)
    ours = drawn(lambda: plotting.main_plot_1D_attachment(trials, "curve", do_show=False))
    lines = [(line.get_ydata().tolist(), line.get_label(), line.get_linewidth()) for line in ours.lines]
    alphas = [line.get_color()[3] for line in ours.lines]
    expected = drawn(lambda: theirs.main_plot_1D_attachment(their_trials, "curve", do_show=False))
    assert lines == [(line.get_ydata().tolist(), line.get_label(), line.get_linewidth()) for line in expected.lines]
    assert alphas == pytest.approx([line.get_color()[3] for line in expected.lines])
    assert ours.get_title() == "curve"
    few = drawn(
        lambda: plotting.main_plot_1D_attachment(
            trials, "curve", do_show=False, colorize_by_loss=False, num_trails=2,
            preprocessing_fn=lambda values: values[:3], line_width=2.0,
        )
    )  # fmt: skip
    assert [len(line.get_ydata()) for line in few.lines] == [3, 3]
    assert few.lines[0].get_linewidth() == 2.0


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    with pytest.raises(CannotLoad, match="figures need matplotlib") as refused:
        plotting.main_plot_history(Trials())
    assert refused.value.hint == "pip install 'hstore[plot]'"


def test_a_figure_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(True))
    plotting.main_plot_histogram(searched(hstore, hp))
    assert shown == [True]


def test_an_experiment_of_a_store_is_drawn_too(mongo_store: Store) -> None:
    hstore.fmin(
        objective, space(hp), max_evals=5, experiment="drawn", store=mongo_store, verbose=False, rstate=0,
    )  # fmt: skip
    experiment = mongo_store.experiment("drawn")
    axes = drawn(lambda: plotting.main_plot_history(experiment, do_show=False))
    assert [y for _, y in points(axes)] == [
        trial.loss for trial in experiment.state.trials.values() if trial.loss is not None
    ]
    lines = drawn(lambda: plotting.main_plot_1D_attachment(experiment, "curve", do_show=False)).lines
    assert len(lines) == len(points(axes))
