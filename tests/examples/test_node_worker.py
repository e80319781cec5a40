"""The worker in Node: what it writes with MongoDB's own driver is what hstore's workers would have written."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pymongo.database import Database
from tests.waiting import GENEROUS, until, until_read

import hstore
from hstore import fmin, hp, rand
from hstore.cli.app import app
from hstore.engine.search import control
from hstore.store.keys import new_key

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"
NODE, NPM = shutil.which("node"), shutil.which("npm")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with MongoDB's driver for Node beside it."""
    if NODE is None or NPM is None:
        pytest.skip("there is no Node with npm here")
    folder = tmp_path_factory.mktemp("node") / "worker"
    shutil.copytree(EXAMPLE, folder)
    words = [
        NPM,
        "install",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--fetch-retries=1",
        "--fetch-timeout=120000",
    ]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if result.returncode:
        pytest.skip(f"npm cannot install the driver: {result.stderr.strip()[-200:]}")
    return folder


@contextmanager
def working(folder: Path, url: str, name: str, objective: str) -> Iterator[None]:
    words = [str(NODE), "worker.mjs", name, objective]
    process = subprocess.Popen(
        words, cwd=folder, env=os.environ | {"HSTORE_URL": url},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield
        said = process.communicate(timeout=GENEROUS)[0]  # it leaves once the search has finished
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.communicate()


def nothing(point: object) -> float:
    raise AssertionError("nobody evaluates here")


@contextmanager
def searching(url: str, name: str, max_evals: int) -> Iterator[None]:
    """Have a search go on beside that evaluates nothing itself; wait for its end."""
    space = {"x": hp.uniform("x", -5, 5), "kind": hp.choice("kind", ["fine", "broken"])}

    def search() -> None:
        fmin(
            nothing, space, algo=rand.suggest, max_evals=max_evals, timeout=GENEROUS, rstate=1, verbose=False,
            return_argmin=False, experiment=name, store=url, workers=0,
        )  # fmt: skip

    with ThreadPoolExecutor(1) as driver, hstore.open(url) as store:
        ended = driver.submit(search)
        until(lambda: name in store.experiments() or ended.done())
        yield
        ended.result(100)


def agree(url: str, name: str) -> None:
    for command in ("check", "verify"):
        result = CliRunner().invoke(app, ["--store", url, command, name])
        assert result.exit_code == 0, result.output


def test_a_search_worked_from_node_passes_check_and_verify(installed: Path, mongo_url: str) -> None:
    with working(installed, mongo_url, "node", "./objective.mjs"), searching(mongo_url, "node", 8):
        pass
    agree(mongo_url, "node")
    with hstore.open(mongo_url) as store:
        search = store.experiment("node")
        assert {trial.state for trial in search.trials} == {"done", "failed"}
        for trial in search.trials:
            assert trial.reserved is not None
            assert trial.reserved.by.endswith(":node")
            if trial.params["kind"] == "fine":
                assert trial.loss == (trial.params["x"] - 1) * (trial.params["x"] - 1)
            else:
                assert trial.error == "Error: nothing to measure"
        assert search.best.result == {"status": "ok", "loss": search.best.loss, "doubled": 2 * search.best.params["x"]}


@pytest.mark.long
def test_node_signs_what_it_writes_and_acts_on_nothing_that_is_not_signed(
    installed: Path, mongo_url: str, database: Database[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(new_key())
    monkeypatch.setenv("HSTORE_KEY", f"{tmp_path / 'key'},{new_key()}")
    with working(installed, mongo_url, "signed", "./objective.mjs"), searching(mongo_url, "signed", 8):
        pass
    agree(mongo_url, "signed")
    with hstore.open(mongo_url) as store:
        search = store.experiment("signed")
        search.check_signatures()
        assert {event.by.endswith(":node") for event in search.events if event.type in ("done", "failed")} == {True}
        assert {event.mac is None for event in search.events} == {False}
    events = database["events"]
    events.update_one({"tid": 0, "ver": 0}, {"$set": {"data.params.x": 7.0}})
    events.delete_many({"tid": 0, "ver": {"$gt": 0}})
    events.delete_many({"tid": None, "ver": {"$gt": 0}})  # it goes on
    with hstore.open(mongo_url) as store:
        store.models.rebuild(store.experiment("signed").state)
    result = subprocess.run(
        [str(NODE), "worker.mjs", "signed", "./objective.mjs"], cwd=installed,
        env=os.environ | {"HSTORE_URL": mongo_url}, capture_output=True, text=True, timeout=GENEROUS,
    )  # fmt: skip
    assert result.returncode == 1
    assert "event 0 of trial 0 is not signed with a key of HSTORE_KEY" in result.stderr


SLOW = """\
import { existsSync } from "node:fs";
export default async function objective() {
  while (!existsSync("go on")) await new Promise((done) => setTimeout(done, 20));
  return 0;
}
"""


@pytest.mark.long
def test_what_node_brings_of_a_trial_that_was_taken_from_it_is_noted_beside(installed: Path, mongo_url: str) -> None:
    (installed / "slow.mjs").write_text(SLOW)
    with (
        working(installed, mongo_url, "taken", "./slow.mjs"),
        searching(mongo_url, "taken", 1),
        hstore.open(mongo_url) as store,
    ):
        search = store.experiment("taken")
        claims = store.claims
        assert claims is not None
        until(lambda: bool(claims.held()))  # with a lease, that any worker of hstore's would respect
        assert [(trial.tid, trial.seconds, trial.is_over) for trial in claims.held()] == [(0, 60, False)]
        control.pause(search, "test", now=True)
        (installed / "go on").touch()
        until_read(search, lambda: search.trials[0].notes)
        control.resume(search, "test")
    agree(mongo_url, "taken")
    with hstore.open(mongo_url) as store:
        [trial] = store.experiment("taken").trials
        assert (trial.state, trial.loss, trial.attempt) == ("done", 0.0, 2)
        assert trial.notes[0].late is not None
        assert trial.notes[0].late["type"] == "done"
