"""What notebooks show of stores, experiments and trials: what matters, escaped, in few lines; and one-line texts."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from hstore import Store, Trials, fmin, hp, rand, tpe
from hstore.engine.space import as_apply, compile_space
from hstore.store.errors import NotFound

NASTY = "<script>'\"&\x1b[31m\n"


class Elements(HTMLParser):
    """Which elements there are, and that each ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def trials() -> Trials:
    def objective(point: Any) -> float:
        if point["x"] > 0.9:
            raise ValueError(NASTY)
        return float(point["x"])

    space = {"x": hp.uniform("x", 0, 1), "c": hp.choice("<script>", [NASTY, "b"])}
    trials = Trials()
    fmin(objective, space, rand.suggest, 30, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True)
    return trials


def test_an_experiment_shows_counts_best_a_sparkline_and_tables(trials: Trials) -> None:
    page = trials.experiment._repr_html_()
    elements = Elements(page).names
    assert (elements.count("svg"), elements.count("table")) == (1, 2)
    assert "script" not in elements
    assert "\x1b" not in page
    best = trials.experiment.best
    assert f"best: trial {best.tid}, loss {best.loss:.6g}" in page
    assert len(page) < 20_000
    assert trials._repr_html_() == trials.experiment.state._repr_html_() == page


def test_a_trial_a_store_and_a_search_without_trials_are_shown(trials: Trials) -> None:
    failed = next(trial for trial in trials.experiment.trials if trial.state == "failed")
    for page in (failed._repr_html_(), trials.experiment.store._repr_html_(), Trials()._repr_html_()):
        assert "script" not in Elements(page).names
    assert "&lt;script&gt;" in failed._repr_html_()
    assert "no trials yet" in Trials()._repr_html_()


def test_several_losses_show_the_front() -> None:
    trials = Trials()
    space = {"x": hp.uniform("x", 0, 1)}
    fmin(lambda p: [p["x"], -p["x"]], space, rand.suggest, 5, trials=trials, rstate=0, verbose=False, objectives=2)
    assert "Pareto front: 5 trials" in trials._repr_html_()
    assert repr(trials.experiment).endswith("5 done; Pareto front of 5>")


def test_texts_are_one_short_line(trials: Trials) -> None:
    experiment = trials.experiment
    every = (trials, experiment, experiment.state, experiment.trials[0], trials.space, experiment.store)
    for text in map(repr, every):
        assert len(text) < 200
        assert text.isprintable(), text
    best = experiment.best
    assert re.fullmatch(r"<hstore.Trials 'trials' \w+: 2\d done, \d failed; best loss .* of trial \d+>", repr(trials))
    assert repr(best).startswith(f"<Trial {best.tid} done, loss {best.loss}: ")


def test_spaces_are_trees_with_what_depends_on_a_choice_below_it() -> None:
    space = as_apply(
        {"model": hp.choice("model", ["svm", {"depth": hp.int("depth", 1, 9)}]), "lr": hp.loguniform("lr", -3, 0)}
    )
    assert repr(space) == "<dict expression of lr: loguniform(-3, 0), model: randint(2), depth: float(1, 9, step=1)>"
    page = space._repr_html_()
    Elements(page)
    shown = re.sub("<[^>]*>", "\n", page).split("\n")
    lines = [line for line in shown if line]
    assert lines == [
        "dict", "model: choice", "&#x27;svm&#x27;", "dict", "depth: int(1, 9)",
        "lr: loguniform(-3, 0)",
    ]  # fmt: skip
    assert repr(hp.pchoice("p", [(0.25, 1), (0.75, 2)])) == "<switch expression of p: pchoice>"
    assert compile_space(space)._repr_html_() == page


def test_an_attachment_is_read_and_saved(tmp_path: Any) -> None:
    trials = Trials()
    fmin(lambda p: p, hp.uniform("x", 0, 1), tpe.suggest, 2, trials=trials, rstate=0, verbose=False)
    trials.trial_attachments(trials.trials[1])["model"] = b"\x00weights"
    attachment = trials.experiment.attachment(1, "model")
    attachment.save(tmp_path / "model")
    assert attachment.read() == (tmp_path / "model").read_bytes() == b"\x00weights"
    assert (attachment.name, attachment.length) == ("model", 8)
    with pytest.raises(NotFound, match="trial 1 of 'trials' has no attachment 'modle'") as refused:
        trials.experiment.attachment(1, "modle")
    assert refused.value.hint == "it has 'model'"
    with pytest.raises(NotFound, match="no trial 7"):
        trials.experiment.attachment(7, "model")


def test_a_store_that_cannot_be_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.in_memory()

    def refuse() -> list[str]:
        raise NotFound("gone <away>")

    monkeypatch.setattr(store, "overview", refuse)
    assert "gone &lt;away&gt;" in store._repr_html_()
