"""Figures: each is drawn of a search with everything in it, says what is in it, and stays small for many trials."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.cli.commands import run

import hstore
from hstore import Store, Trials, fmin, gp, hp, plot, rand
from hstore.engine.analysis.figures.known_figures import FIGURES, page, usual_figures
from hstore.engine.audit.calibration import calibration_data
from hstore.store.errors import CannotLoad, InvalidValue

SPACE = {
    "model": hp.choice("$m_$ <b>", [{"C": hp.loguniform("C", -3, 3)}, {"depth": hp.uniformint("depth", 1, 5)}]),
    "x": hp.uniform("x", 0, 1),
}


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    plt.close("all")


def trained(point: Any, ctrl: Any) -> Any:
    if point["x"] > 0.9:
        raise ValueError("too large")
    for step in range(1, 4):
        ctrl.report(step, point["x"] / step)
        if ctrl.should_stop():
            raise hstore.Pruned
    return {"status": "ok", "loss": point["x"] + point["model"].get("C", 0.0), "constraints": [0.1 - point["x"]]}


def search(fn: Any = trained, n: int = 60, space: Any = SPACE, **how: Any) -> Trials:
    trials = Trials()
    fmin(fn, space, rand.suggest, n, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True, **how)
    return trials


@pytest.fixture(scope="module")
def trials() -> Trials:
    return search(pruner="median")


def legend_of(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_history_names_every_outcome_with_its_number(trials: Trials) -> None:
    axes = plot.history(trials)
    counts = {name: sum(label.startswith(name) for label in legend_of(axes)) for name in ("ok", "failed", "pruned")}
    assert counts == {"ok": 1, "failed": 1, "pruned": 1}
    assert "best so far" in legend_of(axes)


def test_several_searches_are_drawn_as_quartiles(trials: Trials) -> None:
    assert legend_of(plot.history(trials, trials)) == ["quartiles", "each search", "median"]
    assert len(legend_of(plot.edf(trials, trials))) == 2
    with pytest.raises(InvalidValue, match="no searches"):
        plot.history()


def test_slices_have_logarithmic_axes_and_a_band_where_a_label_is_inactive(trials: Trials) -> None:
    model, c, depth, x = plot.slice(trials)
    assert [axes.get_xscale() for axes in (model, c, depth, x)] == ["linear", "log", "linear", "linear"]
    banded = ["inactive" in [text.get_text() for text in axes.texts] for axes in (model, c, depth, x)]
    assert banded == [False, True, True, False]
    assert model.get_xlabel() == r"\$m_\$ <b>"
    assert all(tick >= np.exp(-3) * 0.999 for tick in c.get_xticks())


def test_importance_contour_parallel_curves_and_timeline_are_drawn(trials: Trials) -> None:
    assert [text.get_text() for text in plot.importance(trials).get_yticklabels()][-1] in ("x", "C")
    axes = plot.contour(trials, "C", "x")
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "C", "x")
    assert [text.get_text() for text in plot.parallel(trials, ["x", "C"]).get_xticklabels()] == ["x", "C"]
    assert any(label.startswith("pruned") for label in legend_of(plot.curves(trials)))
    assert "failed" in " ".join(legend_of(plot.timeline(trials)))


def test_two_losses_are_one_panel_and_three_are_three() -> None:
    space = {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}
    two = search(lambda p: [p["x"], p["y"]], 15, space, objectives=2)
    assert legend_of(plot.pareto(two))[-1] == f"Pareto front ({len(two.experiment.pareto)})"
    three = search(lambda p: [p["x"], p["y"], 1 - p["x"]], 15, space, objectives=3)
    assert [axes.get_ylabel() for axes in plot.pareto(three)] == ["loss 1", "loss 2", "loss 2"]
    assert usual_figures(two) == ["history", "pareto", "importance", "slice"]


def test_many_trials_are_a_picture_within_the_file(tmp_path: Path) -> None:
    many = search(lambda p: p["x"], 520, {"x": hp.uniform("x", 0, 1)})
    page([many], ["history", "slice"]).savefig(tmp_path / "many.svg")
    assert (tmp_path / "many.svg").read_text().count("<use ") < 400  # ticks, not trials


def test_a_figure_can_be_drawn_where_one_wants_it(trials: Trials) -> None:
    axes = Figure().subplots()
    assert plot.history(trials, on=axes) is axes
    with pytest.raises(InvalidValue, match="several panels"):
        plot.slice(trials, on=axes)
    with pytest.raises(InvalidValue, match="nothing to draw on"):
        plot.history(trials, on=3)


def test_every_figure_goes_on_a_page(trials: Trials) -> None:
    assert {*FIGURES, "calibration"} == set(plot.__all__)
    names = [name for name in FIGURES if name != "pareto"]
    assert len(page([trials], names).subfigs) == len(names)


def test_a_search_without_trials_is_drawn_or_says_what_it_lacks() -> None:
    empty = Trials()
    assert plot.history(empty) is not None
    with pytest.raises(InvalidValue, match="started"):
        plot.timeline(empty)
    assert usual_figures(empty) == ["history"]


def test_the_command_writes_a_file(mongo_url: str, mongo_store: Store, tmp_path: Path) -> None:
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 12, rstate=0, verbose=False, experiment="a",
         store=mongo_store)  # fmt: skip
    file = tmp_path / "a.png"
    done = run(mongo_url, "plot", "a", "-o", str(file), "--dpi", "40")
    assert (done.exit_code, done.stderr) == (0, f"wrote {file}\n")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert run(mongo_url, "plot", "a", "-o", "a.txt").exit_code == 2
    refused = run(mongo_url, "plot", "a", "history", "-o", str(tmp_path / "none" / "a.svg"))
    assert "cannot write" in refused.stderr


def test_the_face_needs_no_matplotlib_until_something_is_drawn(monkeypatch: pytest.MonkeyPatch, trials: Trials) -> None:
    code = "import hstore.plot, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(CannotLoad, match="figures need"):
        plot.history(trials)


@pytest.mark.long
def test_bokeh_draws_the_same_figures_in_notebooks(trials: Trials) -> None:
    pytest.importorskip("bokeh", reason="interactive figures need the extra: pip install 'hstore[ui]'")
    from bokeh.embed import json_item

    for name in FIGURES.keys() - {"pareto"}:
        drawn = str(json_item(getattr(plot, name)(trials, backend="bokeh")))
        assert name not in ("importance", "slice", "parallel") or "$m_$ <b>" in drawn, name
    made = plot.history(trials, backend="bokeh")
    ok = trials.experiment.state.counts["done"]
    assert len(made.select_one({"name": "done"}).data["tid"]) <= ok
    front = search(lambda c: [c["x"], 1 - c["x"], c["x"] ** 2], 20, {"x": hp.uniform("x", 0, 1)}, objectives=3)
    assert len(plot.pareto(front, backend="bokeh").children) == 3
    assert "median" in str(json_item(plot.history(trials, trials, backend="bokeh", log=True)))


def test_calibration_says_where_losses_came_out() -> None:
    trials = Trials()
    fmin(lambda x: (x - 0.3) ** 2, hp.uniform("x", 0, 1), gp.suggest, 14, trials=trials, rstate=0, verbose=False)
    data = calibration_data(trials, most=5)
    assert len(data["tid"]) == len(data["within"]) > 1
    assert all(
        low <= middle <= high for low, middle, high in zip(data["low_95"], data["median"], data["high_95"], strict=True)
    )
    assert "as expected" in legend_of(plot.calibration(trials, most=5))
    with pytest.raises(InvalidValue, match="both a prediction and a loss"):
        plot.calibration(search(n=12))


def test_an_unknown_backend_is_refused(trials: Trials) -> None:
    with pytest.raises(InvalidValue, match="no backend 'plotly'"):
        plot.history(trials, backend="plotly")
    with pytest.raises(InvalidValue, match="matplotlib's axes"):
        plot.history(trials, backend="bokeh", on=Figure())
