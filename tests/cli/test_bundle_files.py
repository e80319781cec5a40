"""Commands take a file of `hstore export -o` in the place of an experiment, without a MongoDB."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.store import Store
from hstore.store.url import connect, parse

NOWHERE = "mongodb://127.0.0.1:1/nowhere"


@pytest.fixture
def file(mongo_url: str, mongo_store: Store, tmp_path: Path) -> Path:
    """The file of an experiment `digits` of three trials."""
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 3, rstate=0, verbose=False,
         experiment="digits", store=mongo_store)  # fmt: skip
    path = tmp_path / "digits.hstore"
    done = run(mongo_url, "export", "digits", "-o", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "attachments to" in done.stderr
    return path


@pytest.fixture
def database_of_another(mongo_url: str) -> Iterator[str]:
    """The URL of another database on the same server, dropped afterwards."""
    name = mongo_url.split("/")[-1].partition("?")[0]
    url = mongo_url.replace(f"/{name}?", f"/{name}_b?")
    yield url
    database = connect(parse(url))
    database.client.drop_database(database.name)
    database.client.close()


def test_verify_replay_show_and_the_rest_need_nothing_but_the_file(file: Path, mongo_url: str) -> None:
    assert ": OK\n" in run(NOWHERE, "verify", str(file)).stdout
    assert "reproduced exactly" in run(NOWHERE, "replay", str(file)).stdout
    for command in (
        ["show", "--exact"], ["show", "1"], ["best"], ["log"], ["log", "1"], ["log", "-n", "3"], ["status", "--exact"],
        ["show", "--at", "2"], ["show", "1", "--at", "2"], ["log", "--at", "2"], ["status", "--at", "2"],
        ["export", "--csv", "-"],
    ):  # fmt: skip
        name, *more = command
        here, there = run(NOWHERE, name, str(file), *more), run(mongo_url, name, "digits", *more)
        assert (here.exit_code, here.stdout) == (0, there.stdout)
    assert run(NOWHERE, "diff", str(file), str(file)).stdout == "no difference\n"
    assert run(NOWHERE, "note", str(file), "hm").exit_code == 2
    assert run(NOWHERE, "log", str(file), "--follow").exit_code == 2
    head = run(mongo_url, "head", "digits").stdout.split()[1]
    assert run(NOWHERE, "head", str(file)).stdout.split()[1] == head
    assert run(NOWHERE, "verify", str(file), "--head", head).exit_code == 0


def test_what_writes_to_an_experiment_refuses_a_file(file: Path, mongo_url: str) -> None:
    for name, *more in (
        ["ask", "--space", '{"x": "float(0, 1)"}'], ["tell", "0-token", "1"], ["run", "echo", "{x:float(0,1)}"],
        ["worker", "--burst"], ["snapshot"], ["rebuild"], ["fork", "other", "--at", "1"],
    ):  # fmt: skip
        done = run(mongo_url, name, str(file), *more)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "is a file: `hstore import" in done.stderr
    assert [each["name"] for each in json.loads(run(mongo_url, "ls", "--json").stdout)] == ["digits"]


def test_a_bundle_is_imported_into_another_store(file: Path, mongo_url: str, database_of_another: str) -> None:
    done = run(database_of_another, "import", str(file), "--json")
    assert json.loads(done.stdout)["events"] == json.loads(done.stdout)["new"]
    assert run(database_of_another, "show", "digits").stdout == run(mongo_url, "show", "digits").stdout
    assert ": OK\n" in run(database_of_another, "verify", "digits").stdout
    assert run(database_of_another, "import", str(file)).stdout.startswith("digits: 0 new of ")
    assert run(database_of_another, "import").exit_code == 2


def test_an_attachment_that_was_changed_is_found(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.hstore"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"evil" if name.startswith("blobs/") else old.read(name))
    done = run(NOWHERE, "verify", str(bad))
    assert done.exit_code == 6
    assert "is not what it was" in done.stdout
