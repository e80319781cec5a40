"""`hstore show --sort … --filter … --columns …`: which trials, in which order, with what of them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.cli.commands import run

import hstore
from hstore import fmin, hp, rand
from hstore.store.errors import InvalidValue
from hstore.store.read_models import ReadModels
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", ["a", {"y.z": hp.normal("y.z", 0, 1)}])}


def objective(config: dict[str, Any]) -> float:
    if config["x"] > 0.5:
        raise ValueError("out of memory")
    return float("nan") if config["x"] < -0.8 else config["x"] ** 2


@pytest.fixture(scope="module")
def demo(mongod: Any) -> Any:
    """The URL of a store with a search of 30 trials, one of them void."""
    from tests.databases import Databases

    databases = Databases(mongod.uri)
    with databases.empty() as url:
        fmin(
            objective, SPACE, rand.suggest, 30, rstate=0, verbose=False, experiment="demo", store=url,
            catch_eval_exceptions=True,
        )  # fmt: skip
        with hstore.open(url) as store:
            store.experiment("demo").void(store.experiment("demo").best.tid, reason="test set")
        yield url
    databases.close()


def trials(url: str, *options: str) -> list[dict[str, Any]]:
    found = json.loads(run(url, "show", "demo", "--json", *options).stdout)
    assert found["matched"] == len(found["trials"]) or "-n" in options
    listed: list[dict[str, Any]] = found["trials"]
    return listed


def test_trials_are_sorted_and_those_without_a_value_come_last(demo: str) -> None:
    every = trials(demo, "--all")
    assert len(every) == 30
    for sort in ("loss", "-loss", "params.x", "-params.y.z", "state"):
        name, reverse = sort.removeprefix("-"), sort.startswith("-")
        kind, _, label = name.partition(".")
        values = [each.get(kind, {}).get(label) if label else each.get(kind) for each in trials(demo, "--sort", sort)]
        there = [value for value in values if value is not None]
        assert there == sorted(there, reverse=reverse)
        assert values == there + [None] * (len(values) - len(there))
    assert [each["tid"] for each in trials(demo, "--sort", "loss", "-n", "3")] == [
        each["tid"] for each in trials(demo, "--sort", "loss")[:3]
    ]


def test_filters_let_through_what_all_of_them_hold_for(demo: str) -> None:
    every = trials(demo, "--all")
    expected = {
        ("state=failed",): [each for each in every if each["state"] == "failed"],
        ("state=done", "loss<0.1"): [each for each in every if each.get("loss", 1) < 0.1],
        ("error~value", "message~MEMORY"): [each for each in every if each["state"] == "failed"],
        ("params.c=a",): [each for each in every if each["params"]["c"] == "a"],
        ("params.y.z!=none", "params.x>=0"): [
            each for each in every if "y.z" in each["params"] and each["params"]["x"] >= 0
        ],
        ("loss=nan",): [each for each in every if each.get("loss_kind") == "nan"],
        ("state=void",): [each for each in every if each.get("void")],
        ("void=true",): [each for each in every if each.get("void")],
        ("tid>=5", "tid<7"): every[5:7],
    }
    for filters, wanted in expected.items():
        options = [part for each in filters for part in ("--filter", each)]
        assert [each["tid"] for each in trials(demo, *options)] == [each["tid"] for each in wanted], filters
        assert wanted, filters


def test_columns_are_what_was_asked_for_by_the_names_of_json(demo: str) -> None:
    shown = run(demo, "show", "demo", "--columns", "tid,loss,params.x", "--sort", "loss", "-n", "2")
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["tid", "loss", "params.x"]
    assert len(lines) == 3
    assert shown.stderr == "2 of 30 trials; --all prints all of them\n"
    (first, *_) = trials(demo, "--columns", "tid,loss,params.x", "--sort", "loss")
    assert first.keys() == {"tid", "loss", "params"}
    assert first["params"].keys() == {"x"}


def test_of_documents_no_more_is_read_than_the_columns_need(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    outline = ReadModels.outline

    def noted(self: ReadModels, exp: str, *, latest: int) -> Any:
        found = outline(self, exp, latest=latest)
        assert found is not None
        documents = found.documents

        def read(fields: Any) -> Any:
            asked.append(fields)
            return documents(fields)

        return replace(found, documents=read)

    monkeypatch.setattr(ReadModels, "outline", noted)
    run(demo, "show", "demo", "--sort", "loss", "--columns", "tid")
    assert asked == [{"tid", "loss", "loss_kind"}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sort", "x"), "did you mean params.x?"),
        (("--columns", "los"), "did you mean loss?"),
        (("--filter", "state"), "is no condition"),
        (("--filter", "loss<small"), "'small' is not a number"),
        (("--filter", "params.w=1"), "no trial has 'params.w'"),
        (("3", "--all"), "give no number of one"),
        (("--all", "-n", "3"), "give one"),
    ],
)
def test_what_makes_no_sense_is_named(options: tuple[str, ...], said: str, demo: str) -> None:
    refused = run(demo, "show", "demo", *options)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


def test_a_search_without_trials_has_an_empty_table(mongo_store: Store, mongo_url: str, demo: str) -> None:
    with pytest.raises(InvalidValue):  # as hyperopt does of a search without trials
        fmin(objective, SPACE, rand.suggest, 0, verbose=False, experiment="empty", store=mongo_store)
    shown = run(mongo_url, "show", "empty", "--all")
    assert (shown.exit_code, shown.stderr) == (0, "there are no trials yet\n")
    assert run(demo, "show", "demo", "--filter", "tid>99").stderr == "none of 30 trials matches\n"


def test_a_file_and_the_past_have_tables_too(demo: str, tmp_path: Any) -> None:
    file = str(tmp_path / "demo.hstore")
    assert json.loads(run(demo, "export", "demo", "-o", file, "--json").stdout)["written"][0]["file"] == file
    options = ("--sort", "loss", "--columns", "tid,loss")
    assert run(demo, "show", file, *options).stdout == run(demo, "show", "demo", *options).stdout
    assert len(json.loads(run(demo, "show", "demo", "--at", "5", "--all", "--json").stdout)["trials"]) == 5
