"""A report says what the log says, of any search, and loads and runs nothing."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import Trials, fmin, hp, rand, tpe
from hstore.engine.report.as_html import as_html
from hstore.engine.report.as_markdown import as_markdown
from hstore.engine.report.document import Block, Lines, NamedValues, Paragraph, ReportTable, Section, WrittenReport
from hstore.engine.report.sections import report_of
from hstore.store.experiment import Experiment
from hstore.store.store import Store

HOSTILE = "<img src=x onerror=alert(1)>'\"&`*_[a](javascript:b)|\n# \x1b[31m\u202e"
SPACE = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", ["adam", "sgd"])}


class Tags(HTMLParser):
    """Collects the tags of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def searched(fn: Callable[..., Any], n: int = 6, algo: Any = rand.suggest, **kwargs: Any) -> Experiment:
    trials = Trials()
    fmin(fn, kwargs.pop("space", SPACE), algo, n, trials=trials, rstate=0, verbose=False, **kwargs)
    found: Experiment = trials.experiment
    return found


def both(experiment: Experiment, **kwargs: Any) -> tuple[str, str]:
    made = report_of(experiment, hstore="1", with_figures=False, **kwargs)
    return as_html(made), as_markdown(made)


def test_a_report_has_the_best_the_ranges_the_seeds_and_how_to_verify() -> None:
    experiment = searched(lambda p: p["x"] ** 2, 12, tpe.suggest)
    tried = [trial.params["x"] for trial in experiment.trials]
    for text in both(experiment):
        assert repr(experiment.best.loss) in text
        assert f"{min(tried)!r} to {max(tried)!r}" in text
        assert str(experiment.trials[0].queued.seed) in text  # type: ignore[union-attr]
        assert f"hstore verify trials --head {experiment.head.hex()}" in text
        assert "matches" in text
        assert "No trial failed" in text
        assert "Checklist" in text


def test_failures_are_grouped_by_cause_and_a_search_without_a_loss_has_no_best() -> None:
    def raises(p: Any) -> float:
        raise ValueError(f"too large: {abs(p['x'])}" if p["c"] == "adam" else "no data")

    trials = Trials()
    with pytest.raises(Exception, match="usable loss"):
        fmin(raises, SPACE, rand.suggest, 8, trials=trials, rstate=0, verbose=False, catch_eval_exceptions=True)
    made = report_of(trials.experiment, hstore="1", with_figures=False)
    (failures,) = [section for section in made.sections if section.title == "Failures"]
    (table,) = [block for block in failures.blocks if isinstance(block, ReportTable)]
    assert sum(row[0] for row in table.rows[1:]) == 8
    assert len(table.rows) == 3
    assert "there is no best" in as_markdown(made)


@pytest.mark.parametrize("fn", [lambda p: [p["x"], -p["x"]], lambda p: {"status": "ok", "losses": [p["x"], 1.0],
                                                                       "constraints": [p["x"]]}])  # fmt: skip
def test_several_losses_and_constraints_have_a_front(fn: Any) -> None:
    html, markdown = both(searched(fn, objectives=2))
    assert "Pareto front" in html
    assert "loss 1" in markdown


def test_an_empty_search_a_running_one_and_corrections_are_reported(mongo_url: str, mongo_store: Store) -> None:
    for text in both(Experiment(Store.in_memory(), "none")):
        assert "was not begun" in text
    run(mongo_url, "ask", "lab", "--space", '{"x": "float(0, 1)"}', "--seed", "1")
    for text in both(mongo_store.experiment("lab")):
        assert "not over" in text
    experiment = searched(lambda p: p["x"])
    experiment.amend(2, loss=-9.0, reason="units", person="ann")
    experiment.void(3, reason="test set", person="bob")
    html, _ = both(experiment)
    for said in ("units", "ann", "test set", "bob", "the objective returned"):
        assert said in html


def test_hostile_text_is_neither_markup_nor_a_link_nor_an_escape() -> None:
    blocks: list[Block] = [Paragraph(HOSTILE), Lines(HOSTILE), Lines(HOSTILE, HOSTILE)]
    blocks += [NamedValues([(HOSTILE, HOSTILE)]), ReportTable([[HOSTILE], [HOSTILE]])]
    made = WrittenReport(HOSTILE, HOSTILE, [Section(HOSTILE, blocks)])
    page = Tags(as_html(made))
    assert "img" not in page.tags
    assert not any(name.startswith("on") or "javascript:" in (value or "") for name, value in page.attributes)
    text = as_markdown(made)
    for kept in (as_html(made), text):
        assert "\x1b" not in kept
        assert "\u202e" not in kept
    shown = [line for line in text.split("\n") if not line.startswith("    ")]
    assert not any(re.search(r"(?<!\\)<img|(?<!\\)\]\(", line) for line in shown)
    assert not any(line.startswith("# \\x1b") for line in shown)


@pytest.mark.parametrize("name", ["a|b", "<script>", "`x`", "--force", "# top"])
def test_a_search_of_any_name_is_reported(name: str) -> None:
    experiment = searched(lambda p: p["x"])
    made = report_of(experiment, hstore="1", with_figures=False)
    retitled = WrittenReport(name, name, made.sections)
    assert "script" not in Tags(as_html(retitled)).tags
    assert as_markdown(retitled).startswith("# ")


def test_figures_are_pictures_within_the_page() -> None:
    experiment = searched(lambda p: p["x"] ** 2)
    page = Tags(as_html(report_of(experiment, hstore="1")))
    sources = [value or "" for name, value in page.attributes if name == "src"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not any(name == "href" and not (value or "").startswith("#") for name, value in page.attributes)


def test_the_command_writes_html_or_markdown_and_refuses_to_overwrite(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    fmin(lambda p: p["x"], SPACE, rand.suggest, 4, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    page, text, bundle = (str(tmp_path / name) for name in ("lab.html", "lab.md", "lab.hstore"))
    assert run(mongo_url, "report", "lab", "-o", page, "--no-figures").exit_code == 0
    again = run(mongo_url, "report", "lab", "-o", page)
    assert (again.exit_code, "--force" in again.stderr) == (1, True)
    assert run(mongo_url, "report", "lab", "-o", page, "--no-figures", "--force").exit_code == 0
    run(mongo_url, "export", "lab", "-o", bundle)
    assert run("mongodb://nowhere.invalid/x", "report", bundle, "-o", text, "--no-figures").exit_code == 0
    assert f"hstore verify {bundle}" in Path(text).read_text()
    assert run(mongo_url, "report", "lab", "-o", str(tmp_path / "lab.pdf")).exit_code == 2
    assert run(mongo_url, "report", "lab").exit_code == 2
    assert run(mongo_url, "report", "none", "-o", str(tmp_path / "none.html")).exit_code == 3
    assert run(mongo_url, "report", "lab", "-o", str(tmp_path / "no" / "lab.html")).exit_code == 1
