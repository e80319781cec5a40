"""`hstore enqueue`: what it queues, what it says, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.search.control import pause, resume
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -1, 1), "n": hp.choice("n", [1, 2, 3]), "m": hp.choice("m", ["a", hp.normal("y", 0, 1)])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def search(store: Store, **more: Any) -> None:
    fmin(square, SPACE, algo=rand.suggest, verbose=False, experiment="demo", store=store, **{"max_evals": 3, **more})


@pytest.fixture
def demo(mongo_store: Store, mongo_url: str) -> str:
    """The URL of a store with experiment `demo`, which has all of its three trials."""
    search(mongo_store)
    return mongo_url


def test_it_queues_points_and_shows_how_they_were_read(demo: str, mongo_store: Store) -> None:
    shown = run(demo, "enqueue", "demo", '{"x": 0.5, "n": 3, "m": "a"}', '{"x": 1, "n": {"value": 2}, "m": 1, "y": 0}')
    assert shown.exit_code == 0
    assert shown.stdout == "trial  parameters\n3      x=0.5, n=3, m=a\n4      x=1, n=2, m=1, y=0\n"
    assert shown.stderr == "demo: queued: trials 3, 4; max_evals is now 5; the experiment is open again\n"
    search(mongo_store)  # the next fmin evaluates them
    after = mongo_store.experiment("demo")
    assert (after.state.counts, after.state.status) == ({"done": 5}, "finished")
    assert after.trials[3].loss == 0.25
    assert check(mongo_store, "demo") == []


def test_points_come_from_a_file_or_from_stdin(demo: str, tmp_path: Path) -> None:
    file = tmp_path / "points.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"x": 0.1, "n": 0, "m": 0}\r\n\r\n{"x": 0.2, "n": 0, "m": "a"}\n')
    assert "queued: trials 3, 4;" in run(demo, "enqueue", "demo", "--file", str(file), "--ints", "index").stderr
    lines = '{"x": 0.3, "n": {"index": 0}, "m": 0}\n'
    assert "queued: trial 5;" in run(demo, "enqueue", "demo", "-", given=lines).stderr
    assert "queued: trial 6;" in run(demo, "enqueue", "demo", "--file", "-", given=lines).stderr


def test_what_show_prints_can_be_queued_again(demo: str, mongo_store: Store) -> None:
    trials = mongo_store.experiment("demo").trials
    lines = "\n".join(json.dumps(dict(trial.params)) for trial in trials)
    assert run(demo, "enqueue", "demo", "-", "--ints", "value", given=lines).exit_code == 0
    assert [trial.point for trial in mongo_store.experiment("demo").trials] == [trial.point for trial in trials] * 2


def test_json_says_all_of_it(demo: str) -> None:
    answer = json.loads(run(demo, "enqueue", "demo", '{"x": 0.5, "n": 0, "m": 0}', "--json").stdout)
    assert answer.pop("limits")["max_evals"] == 4
    assert answer == {
        "name": "demo", "status": "open", "reopened": True,
        "queued": [{"tid": 3, "params": {"x": 0.5, "n": 1, "m": "a"}, "point": {"x": 0.5, "n": 0, "m": 0}}],
    }  # fmt: skip


def test_a_paused_search_stays_paused(demo: str, mongo_store: Store) -> None:
    experiment = mongo_store.experiment("demo")
    resume(experiment, "test")
    pause(experiment, "test")
    shown = run(demo, "enqueue", "demo", '{"x": 0.5, "n": 0, "m": 0}')
    assert shown.stderr.endswith("; the experiment is paused (`hstore resume demo`)\n")


BAD: list[tuple[list[str], Any, str]] = [
    (['{"x": 2, "n": 0, "m": 0}'], None, "the point: x=2 is out of range; x takes a number from -1 to 1"),
    (['{"x": 0, "n": 2, "m": 0}'], None, "n: 2 may be the option 2, or the index of the option 3"),
    (
        ['{"x": 0, "n": 0, "m": 0}', '{"x": 0}'],
        None,
        "point 2: m: has no value, but is active at this point; nor has n",
    ),
    (["{x: 0}"], None, "the point: {x: 0} is not a JSON object: "),
    (['{"x": NaN}'], None, "NaN is not a JSON number"),
    (['{"x": 0, "x": 1}'], None, "'x' appears twice"),
    (["[1]"], None, "the point: a point is {label: value}, not [1]"),
    (["[" * 100_000], None, "is not a JSON object"),
    (["-"], '{"x": 0, "n": 0, "m": 0}\n\n{"z": 1}', "stdin line 3: z: the space has no such label"),
    (["-"], b'\xff{"x": 0}', "stdin line 1 is not UTF-8"),
    (["-"], "\n \n", "the input contains no points"),
    ([], None, "give POINT…, --file, or - to read them from stdin"),
    (["--file", "/nothing/such"], None, "No such file"),
]


def test_what_cannot_be_queued_is_one_line_and_changes_nothing(demo: str, mongo_store: Store) -> None:
    for args, given, message in BAD:
        shown = run(demo, "enqueue", "demo", *args, given=given)
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert message in shown.stderr.splitlines()[-1]
    assert len(mongo_store.experiment("demo").trials) == 3


def test_an_experiment_that_is_not_there_is_named(demo: str) -> None:
    assert "did you mean 'demo'?" in run(demo, "enqueue", "dem", "{}").stderr
