"""The API of `hstore ui --api`: searches that programs in any language ask and tell, over HTTP, on the real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")

from tests.cli.page.serving import TOKEN, Answer, Page, new_store, served
from tests.waiting import until

import hstore
from hstore import Trials, fmin
from hstore.engine.space.notation import flat, space_of
from hstore.store.experiment import Experiment
from hstore.store.server import EmbeddedServer
from hstore.store.store import Store

EXAMPLES = Path(__file__).parents[3] / "examples"
SPACE = {"lr": "log(1e-5, 1)", "opt": "adam|sgd", "m": "float(0, 1) if opt=sgd"}
BEGIN: dict[str, Any] = {"space": SPACE, "algo": "rand", "seed": 1}


@pytest.fixture(scope="module")
def shared(mongod: EmbeddedServer) -> Iterator[tuple[Store, Page]]:
    with new_store(mongod) as store, served(store, has_api=True) as page:
        yield store, page


@pytest.fixture
def store(shared: tuple[Store, Page]) -> Store:
    return shared[0]


@pytest.fixture
def page(shared: tuple[Store, Page]) -> Page:
    return shared[1]


@pytest.fixture
def name() -> str:
    """The name of an experiment that no other test has; with what an address would have to escape."""
    return f'a/b <i>"?&#%2F {uuid.uuid4().hex}'


def post(page: Page, call: str, body: Any = None, *, bearer: str | None = TOKEN, **fields: Any) -> Answer:
    """Return the answer to a call as a program makes it."""
    sent = {"Cookie": None, "Content-Type": "application/json"}
    if bearer is not None:
        sent["Authorization"] = f"Bearer {bearer}"
    return page.ask("POST", f"/api/v1/{call}", sent, body if isinstance(body, str) else json.dumps(body or fields))


def done(page: Page, call: str, **fields: Any) -> Any:
    answer = post(page, call, **fields)
    assert answer.status == 200, answer.text
    return answer.data


def asked(page: Page, experiment: str, **fields: Any) -> Any:
    trial = done(page, "ask", experiment=experiment, **fields)["trial"]
    assert trial is not None
    return trial


def loss(params: dict[str, Any]) -> float:
    return float(abs(params["lr"] - 0.01) + params.get("m", 0.5))


def test_forty_asks_over_http_give_the_points_of_fmin_at_that_seed(page: Page, store: Store, name: str) -> None:
    trials = Trials()
    fmin(lambda point: loss(flat(point)), space_of(SPACE), "tpe", 40, trials=trials, rstate=3, verbose=False)
    begin = {"space": SPACE, "algo": "tpe", "max_evals": 40, "seed": 3}
    for _ in range(40):
        trial = asked(page, name, **begin)
        done(page, "tell", experiment=name, token=trial["token"], loss=loss(trial["params"]))
    assert done(page, "ask", experiment=name, **begin) == {"trial": None, "why": "max_evals"}
    search = store.experiment(name)
    assert [trial.point for trial in search.trials] == [trial.point for trial in trials.experiment.trials]
    assert search.state.status == "finished"
    assert {event.by.rpartition(":")[2].rpartition("_")[0] for event in search.events} == {"http"}


def test_a_trial_is_reported_stopped_failed_and_given_back(page: Page, store: Store, name: str) -> None:
    asked(page, name, **BEGIN, pruner="median")  # stays out
    for value in (0.1, 0.1, 0.1, 0.1, 0.1):
        token = asked(page, name)["token"]
        said = done(page, "report", experiment=name, token=token, step=1, value=value)
        assert said == {"tid": int(token.partition("-")[0]), "should_stop": False}
        assert done(page, "tell", experiment=name, token=token, loss=value, result={"epochs": 7})["counts"]
    token = asked(page, name)["token"]
    assert done(page, "report", experiment=name, token=token, step=1, value="inf")["should_stop"]
    assert done(page, "tell", experiment=name, token=token) == {"tid": 6, "counts": True}
    token = asked(page, name)["token"]
    assert done(page, "fail", experiment=name, token=token, error="MemoryError: 24 GB")["counts"]
    token = asked(page, name)["token"]
    assert done(page, "give-back", experiment=name, token=token) == {"tid": 8, "counts": True}
    assert asked(page, name)["tid"] == 8
    trials = store.experiment(name).trials
    assert dict(trials[1].result or {})["epochs"] == 7
    assert (trials[6].is_pruned, trials[7].error) == (True, "MemoryError: 24 GB")


def test_what_comes_late_or_twice_is_noted_and_does_not_count(page: Page, store: Store, name: str) -> None:
    first = asked(page, name, **BEGIN, lease=0.05)
    again: list[Any] = []

    def is_out_again() -> bool:
        again.insert(0, asked(page, name))
        return bool(again[0]["tid"] == 0)

    until(is_out_again)
    assert again[0]["params"] == first["params"]
    assert done(page, "tell", experiment=name, token=first["token"], loss=0.5) == {"tid": 0, "counts": False}
    assert done(page, "tell", experiment=name, token=again[0]["token"], loss=0.25)["counts"]
    for call, more in (("tell", {"loss": 3}), ("fail", {"error": "no"}), ("give-back", {})):
        assert not done(page, call, experiment=name, token=again[0]["token"], **more)["counts"]
    trial = store.experiment(name).trials[0]
    assert (trial.loss, trial.attempt) == (0.25, 2)
    assert trial.notes[0].late is not None


def test_several_ask_at_once_and_none_gets_the_trial_of_another(page: Page, store: Store, name: str) -> None:
    def work(_: int) -> list[int]:
        mine = []
        while (trial := done(page, "ask", experiment=name, **BEGIN, max_evals=24)["trial"]) is not None:
            mine.append(trial["tid"])
            assert done(page, "tell", experiment=name, token=trial["token"], loss=loss(trial["params"]))["counts"]
        return mine

    with ThreadPoolExecutor(4) as clients:
        got = [tid for mine in clients.map(work, range(4)) for tid in mine]
    assert sorted(got) == list(range(24))
    assert [trial.state for trial in store.experiment(name).trials] == ["done"] * 24


def test_what_another_program_changes_meanwhile_is_heeded(page: Page, store: Store, name: str) -> None:
    token = asked(page, name, **BEGIN, max_evals=1)["token"]
    done(page, "tell", experiment=name, token=token, loss=1)
    assert done(page, "ask", experiment=name) == {"trial": None, "why": "max_evals"}
    import hstore

    with hstore.search(space_of(SPACE), "rand", experiment=name, store=store.for_thread(), max_evals=2, rstate=1):
        pass
    assert asked(page, name)["tid"] == 1
    assert page.act(name=name, do="pause").status == 200
    assert done(page, "ask", experiment=name) == {"trial": None, "why": "paused"}


def test_a_search_for_two_losses_is_begun_and_told_over_http(page: Page, store: Store, name: str) -> None:
    for losses in ([1, 2], [2, 1], [3, 3]):
        done(page, "tell", experiment=name, token=asked(page, name, **BEGIN, objectives=2)["token"], loss=losses)
    assert post(page, "tell", experiment=name, token=asked(page, name)["token"], loss=0.5).status == 400
    assert [trial.tid for trial in store.experiment(name).pareto] == [0, 1]


def test_losses_that_json_has_no_number_for_are_texts(page: Page, store: Store, name: str) -> None:
    for value, is_usable in (("nan", True), ("inf", True), ("-inf", True), (-0.5, True), ("7", False), (True, False)):
        token = asked(page, name, **BEGIN)["token"]
        answer = post(page, "tell", experiment=name, token=token, loss=value)
        assert answer.status == (200 if is_usable else 400), answer.text
    assert post(page, "tell", experiment=name, token=token).status == 400, "null, as JSON.stringify(NaN) is, is no loss"
    shown = page.get("/api/v1/trials", experiment=name).data["trials"]
    assert [trial.get("loss", trial.get("loss_kind")) for trial in shown][:4] == ["nan", "inf", "-inf", -0.5]
    assert store.experiment(name).best.loss == float("-inf")


def test_experiments_and_trials_are_read_as_the_commands_print_them(page: Page, store: Store, name: str) -> None:
    for _ in range(5):
        done(page, "tell", experiment=name, token=asked(page, name, **BEGIN)["token"], loss=1)
    asked(page, name)
    (listed,) = [e for e in page.get("/api/v1/experiments").data["experiments"] if e["name"] == name]
    assert (listed["status"], listed["counts"]) == ("open", {"running": 1, "done": 5})
    shown = page.get("/api/v1/experiment", experiment=name).data
    assert (shown["name"], shown["best"]["tid"], list(shown["space"])) == (name, 0, ["lr", "opt", "m"])
    first = page.get("/api/v1/trials", experiment=name, limit=4).data
    assert ([trial["tid"] for trial in first["trials"]], first["next"]) == ([0, 1, 2, 3], 4)
    rest = page.get("/api/v1/trials", experiment=name, first=4, state="done").data
    assert ([trial["tid"] for trial in rest["trials"]], rest["next"]) == ([4], None)
    trial = page.get("/api/v1/trial", experiment=name, tid=5).data
    assert [event["type"] for event in trial["events"]] == ["queued", "reserved", "running"]
    assert page.get("/api/v1/trial", experiment=name, tid=6).status == 404


@pytest.mark.parametrize(
    ("call", "body", "status", "said"),
    [
        ("ask", {"experiment": "nothing such"}, 404, "there is no experiment"),
        ("ask", {"experiment": "nothing such", "seed": 1}, 400, "no space beside seed"),
        ("ask", {"experiment": "a$b", "space": SPACE}, 400, "must not contain"),
        ("ask", {"experiment": "", "space": SPACE}, 400, "experiment must be a name"),
        ("ask", {"experiment": "net", "space": SPACE, "max_evals": "3"}, 400, "max_evals must be a whole number"),
        ("tell", {"experiment": "a$b", "token": "0-00", "loss": 1}, 404, "must not contain"),
        ("ask", {"experiment": "bad", "space": {"x": "gauss(0)"}}, 400, "is no range"),
        ("ask", {"experiment": "bad", "space": {}}, 400, "space must be an object"),
        ("ask", {"experiment": "bad", "space": SPACE, "algo": "best"}, 400, "best"),
        ("ask", {"experiment": "bad", "space": SPACE, "max_evals": 0}, 400, "from 1"),
        ("ask", {"experiment": "bad", "space": SPACE, "lease": 0}, 400, "above 0"),
        ("ask", {"experiment": "bad", "lesae": 3}, 400, "'lesae' that is not known"),
        ("ask", "[]", 400, "no JSON object"),
        ("ask", "{", 400, "no JSON"),
        ("ask", "[" * 100_000, 400, "no JSON"),
        ("ask", '{"experiment": "\\ud800"}', 400, "no JSON"),
        ("ask", '{"seed": ' + "9" * 5000 + "}", 400, "no JSON"),
        ("tell", {"experiment": "known", "token": "0-00"}, 404, "no token"),
        ("tell", {"experiment": "known", "token": "²-00"}, 404, "no token"),
        ("tell", {"experiment": "known", "token": 3}, 400, "token must be a text"),
        ("report", {"experiment": "known", "token": "0-00", "step": 1}, 400, "no value"),
        ("nix", {}, 404, "Not Found"),
        ("ask", {"experiment": "x" * 2_000_000}, 413, "at most"),
        ("nix", {"experiment": "x" * 900_000}, 404, "Not Found"),
        ("ask", {"experiment": "nothing such", "objectives": 2}, 400, "no space beside objectives"),
        ("ask", {"experiment": "bad", "space": SPACE, "objectives": 1}, 400, "objectives must be a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_in_a_line_and_writes_nothing(
    page: Page, store: Store, call: str, body: Any, status: int, said: str
) -> None:
    if isinstance(body, dict) and body.get("experiment") == "known" and "known" not in store.experiments():
        asked(page, "known", **BEGIN)
    before = store.experiments()
    answer = post(page, call, body)
    assert (answer.status, set(answer.data)) == (status, {"error", "hint"})
    assert said in answer.data["error"]
    assert store.experiments() == before


def test_a_search_that_is_asked_with_another_space_is_refused(page: Page, name: str) -> None:
    asked(page, name, **BEGIN)
    answer = post(page, "ask", experiment=name, space={"lr": "float(0, 1)"})
    assert (answer.status, "another" in answer.data["error"] or "space" in answer.data["error"]) == (409, True)
    assert asked(page, name, **BEGIN)["tid"] == 1


def test_a_log_that_was_changed_gives_out_no_trial_and_takes_what_was_given_out(
    page: Page, store: Store, name: str
) -> None:
    with hstore.search(space_of(SPACE), "rand", experiment=name, store=store.for_thread(), lease=99.0) as opened:
        first, second = opened.ask(), opened.ask()
        assert first is not None
        assert second is not None
        first.tell(1.0)
    assert store.database is not None
    store.database["events"].update_one({"exp": name, "type": "reserved"}, {"$set": {"data.worker": "another"}})
    refused = post(page, "ask", experiment=name)
    assert (refused.status, "event 1 of trial 0 was changed" in refused.text) == (500, True)
    assert done(page, "tell", experiment=name, token=second.token, loss=0.5)["counts"]


def test_who_may_call(shared: tuple[Store, Page], name: str) -> None:
    store, page = shared
    for bearer in (None, "wrong"):
        answer = post(page, "ask", experiment=name, **BEGIN, bearer=bearer)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer" in answer.data["hint"]
    assert page.ask("GET", "/api/v1/ask").status == 405
    response = page.ask("TRACE", "/api/v1/trials", {"Authorization": f"Bearer {TOKEN}"})
    assert (response.status, set(response.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
    with served(store, has_api=True, is_read_only=True) as reading:
        assert post(reading, "ask", experiment=name, **BEGIN).status == 403
        assert reading.get("/api/v1/experiments").status == 200
    with served(store) as without:
        answer = post(without, "ask", experiment=name, **BEGIN)
        assert (answer.status, answer.data["hint"]) == (404, "start the server with `hstore ui --api`")
    assert name not in store.experiments()


def test_the_document_and_its_page_say_what_each_call_takes(page: Page) -> None:
    document = page.get("/api/openapi.json").data
    assert document["openapi"].startswith("3.1")
    assert {path.rpartition("/")[2] for path in document["paths"]} == {
        "ask", "report", "tell", "fail", "give-back", "experiments", "experiment", "trials", "trial",
    }  # fmt: skip
    html = page.get("/api/docs").text
    for path, calls in document["paths"].items():
        for call in calls.values():
            assert path in html
            assert call["summary"] in html
            assert {"200", "400", "401", "404", "409", "503"} <= set(call["responses"])
    assert not re.search(r'(src|href)="(https?:)?//', html), "the page needs something of another server"
    assert "style=" not in html


def test_what_the_page_on_http_shows_with_curl_works(page: Page, store: Store) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    text = (EXAMPLES.parent / "docs" / "http.md").read_text()
    script = next(
        block for block in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if "curl -sS" in block
    )
    environment = {"HSTORE_API": f"http://{page.host}", "HSTORE_TOKEN": TOKEN, "PATH": "/usr/bin:/bin:/usr/local/bin"}
    script = script.replace("http://127.0.0.1:8722", f"http://{page.host}").replace("$(cat ~/.hstore-token)", TOKEN)
    ended = subprocess.run(["sh", "-e"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    answer = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert answer[0]["should_stop"] is False
    assert answer[1] == {"tid": 0, "counts": True}
    trials = store.experiment("net").trials
    assert [trial.state for trial in trials] == ["done"]
    assert answer[-1]["trials"][0]["loss"] == trials[0].loss


def run_example(words: list[str | Path], page: Page, experiment: str) -> str:
    environment = {"HSTORE_API": f"http://{page.host}", "HSTORE_TOKEN": TOKEN, "PATH": "/usr/bin:/bin:/usr/local/bin"}
    ended = subprocess.run(
        [*words, experiment], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def agree(search: Experiment, message: str, language: str) -> None:
    assert {trial.state for trial in search.trials} <= {"done", "failed"}
    assert len(search.trials) == 16
    assert f"best loss {search.best.loss:.6g}" in message, language
    assert any(trial.is_pruned for trial in search.trials)


@pytest.mark.long
def test_a_client_in_node_searches_with_what_node_has_built_in(page: Page, store: Store) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here")
    result = run_example([node, EXAMPLES / "http" / "search.mjs"], page, "from/node")
    agree(store.experiment("from/node"), result, "node")


@pytest.mark.long
def test_a_client_in_r_searches(page: Page, store: Store) -> None:
    rscript = shutil.which("Rscript")
    words = [str(rscript), "-e", 'quit(status = !all(sapply(c("curl", "jsonlite"), requireNamespace, quietly = TRUE)))']
    if rscript is None or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip(
            "there is no R with curl and jsonlite here: apt-get install r-base-core r-cran-curl r-cran-jsonlite"
        )
    result = run_example([rscript, "--vanilla", EXAMPLES / "http" / "search.R"], page, "from R")
    agree(store.experiment("from R"), result, "R")
