"""A crate holds the search, and says so in JSON-LD that other programs understand."""

import csv
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run
from tests.waiting import GENEROUS

from hstore import fmin, hp, rand
from hstore.store.store import Store

ROOT = Path(__file__).parents[3]
VALIDATOR = ROOT / ".venv" / "programs" / "roc-validator" / "bin" / "python"
SPACE = {"x": hp.uniform("x", 0, 1)}


@pytest.fixture
def crate(mongo_url: str, mongo_store: Store, tmp_path: Path) -> Path:
    fmin(lambda p: p["x"], SPACE, rand.suggest, 4, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    folder = tmp_path / "crate"
    made = run(mongo_url, "report", "lab", "--crate", str(folder), "--licence", "https://example.org/l", "--no-figures")
    assert made.exit_code == 0, made.stderr
    return folder


def test_a_crate_describes_its_files_the_search_the_software_and_the_person(crate: Path, mongo_url: str) -> None:
    described = json.loads((crate / "ro-crate-metadata.json").read_text())
    assert described["@context"] == "https://w3id.org/ro/crate/1.1/context"
    graph: dict[str, dict[str, Any]] = {each["@id"]: each for each in described["@graph"]}
    assert len(graph) == len(described["@graph"])
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root, action = graph["./"], graph["#search"]
    files = {part["@id"] for part in root["hasPart"]}
    assert files == {path.name for path in crate.iterdir()} - {"ro-crate-metadata.json"}
    for name in files:
        assert graph[name]["@type"] == "File"
        assert graph[name]["sha256"] == hashlib.sha256((crate / name).read_bytes()).hexdigest()
    assert root["license"] == {"@id": "https://example.org/l"}
    assert action["@type"] == "CreateAction"
    assert action["actionStatus"].endswith("CompletedActionStatus")
    assert graph[action["agent"]["@id"]]["@type"] == "Person"
    assert graph[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    for each in graph.values():  # what is named is there
        for value in each.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://w3id.org/ro/crate"):
                    assert one["@id"] in graph, one
    with (crate / "trials.csv").open(newline="") as stream:
        assert [row["tid"] for row in csv.DictReader(stream)] == ["0", "1", "2", "3"]
    assert run(mongo_url, "verify", str(crate / "search.hstore")).exit_code == 0
    assert run(mongo_url, "report", "lab", "--crate", str(crate)).exit_code == 1
    assert run(mongo_url, "report", "lab", "--crate", str(crate), "--force", "--no-figures").exit_code == 0


@pytest.mark.skipif(not VALIDATOR.exists(), reason="no roc-validator is installed: make test-crate")
def test_a_validator_finds_nothing_that_a_crate_must_have_and_has_not(crate: Path) -> None:
    found = subprocess.run(
        [str(VALIDATOR), str(Path(__file__).with_name("validate_crate.py")), str(crate)], capture_output=True,
        text=True, timeout=GENEROUS, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert not [line for line in found if line.startswith("REQUIRED")]
    assert int(found[-1].split()[0]) > 50
