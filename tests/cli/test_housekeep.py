"""`hstore archive`, `unarchive`, `title`, `copy`, `rm`: what they say, and what they refuse."""

import json

import pytest
from histories import begin
from test_housekeeping import hold
from tests.cli.commands import run
from tests.databases import Databases

from hstore import fmin, hp, rand
from hstore.store.experiment import Experiment
from hstore.store.store import Store


@pytest.fixture
def search(mongo_store: Store) -> Experiment:
    space = {"x": hp.uniform("x", 0, 1)}
    fmin(lambda c: c["x"], space, rand.suggest, 2, rstate=0, verbose=False, experiment="demo", store=mongo_store)
    return mongo_store.experiment("demo")


@pytest.mark.usefixtures("search")
def test_what_is_archived_is_hidden_from_lists_and_comes_back(mongo_url: str, mongo_store: Store) -> None:
    begin(mongo_store, "other")
    result = run(mongo_url, "archive", "demo", "--reason", "old")
    assert (result.exit_code, result.stderr) == (0, "demo: archived\n")
    assert run(mongo_url, "archive", "demo").stderr == "demo: nothing to do: it is so already\n"
    listed = run(mongo_url, "ls")
    assert "demo" not in listed.stdout
    assert listed.stderr == "1 archived is not shown (--archived, --all)\n"
    names = {
        options: [each["name"] for each in json.loads(run(mongo_url, "ls", "--json", *options).stdout)]
        for options in ((), ("--archived",), ("--all",))
    }
    assert names == {(): ["other"], ("--archived",): ["demo"], ("--all",): ["demo", "other"]}
    assert [each["name"] for each in json.loads(run(mongo_url, "status", "--json").stdout)["experiments"]] == ["other"]
    assert "demo: finished (max_evals), archived" in run(mongo_url, "show", "demo").stdout
    (back,) = json.loads(run(mongo_url, "unarchive", "demo", "--json").stdout)
    assert back == {"name": "demo", "archived": False, "title": None, "changed": True}
    assert "demo" in run(mongo_url, "ls").stdout


@pytest.mark.usefixtures("search")
def test_a_title_is_shown_beside_the_name(mongo_url: str) -> None:
    assert run(mongo_url, "title", "demo", "cleaned <labels>").exit_code == 0
    assert "cleaned <labels>" in run(mongo_url, "ls").stdout
    for command in ("show", "status"):
        assert "title      cleaned <labels>\n" in run(mongo_url, command, "demo").stdout
    assert run(mongo_url, "title", "demo", "two\nlines").exit_code == 2
    assert run(mongo_url, "title", "nothing", "x").exit_code == 3


def test_a_copy_says_where_it_is_and_verify_where_it_came_from(
    search: Experiment, mongo_url: str, databases: Databases
) -> None:
    result = run(mongo_url, "copy", "demo", "demo/2")
    assert (result.exit_code, " events, 2 trials" in result.stdout) == (0, True)
    assert f"copied from demo in {search.store.url}, where the head was {search.head.hex()}" in run(
        mongo_url, "verify", "demo/2"
    ).stdout.replace("copied     from", "copied from")
    assert run(mongo_url, "copy", "demo", "demo/2").exit_code == 2
    with databases.empty() as there:
        about = json.loads(run(mongo_url, "copy", "demo", there, "--json").stdout)
        assert (about["name"], about["head"], about["not_signed"]) == ("demo", search.head.hex(), 0)
        assert run(mongo_url, "copy", "demo", f"{there}#a/b").exit_code == 0
        assert [each["name"] for each in json.loads(run(there, "ls", "--json").stdout)] == ["a/b", "demo"]
    for wrong, code in (
        ("mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=100", 5),
        ("http://x/y", 2),
        ("", 2),
        ("a.hstore", 2),
    ):
        assert run(mongo_url, "copy", "demo", wrong).exit_code == code


@pytest.mark.usefixtures("search")
def test_a_removal_asks_for_the_name_and_leaves_a_tombstone(mongo_url: str, mongo_store: Store) -> None:
    for given, code in (("no\n", 1), ("", 2)):
        refused = run(mongo_url, "rm", "demo", given=given)
        assert (refused.exit_code, "nothing was removed" in refused.stderr) == (code, True)
    assert run(mongo_url, "rm", "demo", "--yes", "Demo").exit_code == 1
    head = mongo_store.experiment("demo").head.hex()
    removed = run(mongo_url, "rm", "demo", "--reason", "why not", given="demo\n")
    assert (removed.exit_code, f"head {head}" in removed.stdout) == (0, True)
    for command in (("show", "demo"), ("status", "demo"), ("rm", "demo", "--yes", "demo"), ("copy", "demo", "x")):
        result = run(mongo_url, *command)
        assert (result.exit_code, f"head {head}" in result.stderr, "why not" in result.stderr) == (3, True, True)
    assert run(mongo_url, "ls", "--json").stdout == "[]\n"


def test_what_workers_hold_stays_without_force(mongo_url: str, mongo_store: Store) -> None:
    hold(begin(mongo_store, "demo"))
    for command in (("archive", "demo"), ("copy", "demo", "b"), ("rm", "demo", "--yes", "demo")):
        refused = run(mongo_url, *command)
        assert (refused.exit_code, "trial 0 is being evaluated" in refused.stderr) == (1, True)
    for command in (("archive", "demo"), ("copy", "demo", "b"), ("rm", "demo", "--yes", "demo")):
        assert run(mongo_url, *command, "--force").exit_code == 0
