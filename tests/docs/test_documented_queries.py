"""Every query that a page gives for the best trials gives them, in pymongo and in mongosh, whatever else is stored."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from tests.waiting import GENEROUS

from hstore import Pruned, fmin, hp, rand
from hstore.store.events import Noted
from hstore.store.store import Store

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.py"))]
FIND = re.compile(r"db\.(\w+)\.find\(.*?\)(?:\.\w+\([^()]*\))*")

ENDS: list[dict[str, Any] | type[Exception]] = [
    {"loss": 3.0},
    Pruned,
    ValueError,
    {"loss": -1.0, "status": "fail"},
    {"loss": math.nan},
    {"loss": -5.0},  # is voided
    {"loss": -2.0, "constraints": [1.0]},
    {"loss": -3.0, "constraints": [math.nan]},
    {"loss": 1.0, "constraints": [-1.0]},
    {"loss": math.inf},
    {"loss": 2.0},
    {"loss": -math.inf},
]
BEST = [11, 8, 10]


def of_the_best() -> Iterator[tuple[str, str]]:
    """Yield page and text of each `find` in JavaScript that asks for the first few trials of an experiment."""
    for page in PAGES:
        text = page.read_text()
        if page.suffix == ".py":  # pieces of f-strings
            text = re.sub(r"'\n\s+f'|\{EXPERIMENT\}", lambda found: "" if "\n" in found[0] else "digits", text)
            text = text.replace("{{", "{").replace("}}", "}")
        yield from ((str(page.relative_to(ROOT)), q[0]) for q in FIND.finditer(text) if ".limit(" in q[0])


IN_JAVASCRIPT = [(page, query) for page, query in of_the_best() if "{exp:" in query]


def search(store: Store, name: str) -> None:
    """Have an experiment whose trials ended in every way, of which BEST are the best three."""
    remaining = iter(ENDS)

    def objective(config: dict[str, float]) -> Any:
        end = next(remaining)
        if isinstance(end, type):
            raise end
        return {"status": "ok", **end}

    fmin(objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, len(ENDS), rstate=0, verbose=False,
         catch_eval_exceptions=True, experiment=name, store=store)  # fmt: skip
    experiment = store.experiment(name)
    experiment.append_decided(lambda: [(Noted, 5, {"void": True})])
    experiment.repair()
    assert experiment.best.tid == BEST[0]


def name_in(query: str) -> str:
    (name,) = re.findall(r'exp: "([^"]+)"', query)
    return str(name)


def test_the_pages_have_such_queries_and_none_sorts_trials_by_loss() -> None:
    assert {page for page, _ in IN_JAVASCRIPT} == {"README.md", "docs/mongodb.md", "examples/digits.py"}
    for page in PAGES:
        assert not re.search(r"sort\([\"'{ \[(]*loss", page.read_text()), page


@pytest.mark.parametrize(("page", "query"), IN_JAVASCRIPT, ids=[page for page, _ in IN_JAVASCRIPT])
def test_a_documented_query_gives_the_best_trials_in_pymongo(
    page: str, query: str, mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_store, name_in(query))
    collection, arguments, n = re.fullmatch(r"db\.(\w+)\.find\((.*)\)\.limit\((\d+)\)", query).groups()  # type: ignore[union-attr]
    answer = json.loads(re.sub(r"(\w+):", r'"\1":', f"[{arguments}]"))
    source = database.get_collection(collection, read_concern=ReadConcern("local"))
    assert [document["_id"]["tid"] for document in source.find(*answer).limit(int(n))] == BEST


@pytest.mark.parametrize(("page", "query"), IN_JAVASCRIPT, ids=[page for page, _ in IN_JAVASCRIPT])
def test_a_documented_query_gives_the_best_trials_in_mongosh(
    page: str, query: str, mongo_store: Store, mongo_url: str
) -> None:
    program = shutil.which("mongosh")
    if program is None:
        pytest.skip("mongosh is not installed: npm install -g mongosh")
    search(mongo_store, name_in(query))
    script = f"print(EJSON.stringify({query}.toArray().map(each => each._id.tid)))"
    command = [program, mongo_url, "--quiet", "--norc", "--eval", script]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GENEROUS).stdout
    assert json.loads(shown.splitlines()[-1]) == BEST


def test_the_queries_of_the_page_about_mongodb_count_only_ranked_trials(
    mongo_store: Store, database: Database[Any]
) -> None:
    search(mongo_store, "mnist-lr")
    page = (ROOT / "docs" / "mongodb.md").read_text()
    (best,) = re.findall(r"best = (db\.results\.find\(.*)", page)
    (group,) = re.findall(r"by_kind = (.*)", page)
    (rows,) = re.findall(r"for row in (db\.\w+\.aggregate\(.*\)):", page)
    names = {
        "db": database.with_options(read_concern=ReadConcern("local")),
        "by_kind": eval(group.replace("params.opt", "status")),
    }
    assert [document["tid"] for document in eval(best, names)] == BEST
    (row,) = eval(rows, names)
    assert row == {"_id": "ok", "n": 5, "best": None}  # of the best, -inf, `loss` is absent
