"""`hstore mcp`, through the in-memory client of the official SDK: what an agent sees and does, and its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from click.testing import CliRunner

from hstore import fmin, hp
from hstore.cli.app import app
from hstore.cli.mcp import server_of
from hstore.store.events import Noted, Paused, Queued
from hstore.store.store import Store

pytest.importorskip("mcp.server.mcpserver", reason="needs the official SDK: pip install 'mcp>=2'")

from mcp import Client
from mcp.types import Implementation

pytestmark = pytest.mark.filterwarnings("ignore")

READING = {"list_experiments", "show_experiment", "show_trial", "explain_trial"}
WRITING = {"ask", "report", "tell", "fail", "enqueue", "note", "pause", "resume"}
Call = Callable[..., Coroutine[Any, Any, Any]]


def talk(store: Store, dialogue: Callable[[Any, Call], Coroutine[Any, Any, None]], **how: Any) -> None:
    """Hold *dialogue* with a server: with the client, and with a call that returns a tool's answer."""

    async def hold() -> None:
        server = server_of(store, **how)
        async with Client(server, client_info=Implementation(name="claude: test", version="1")) as client:

            async def call(tool: str, **arguments: Any) -> Any:
                result = await client.call_tool(tool, arguments)
                assert not result.is_error, result.content
                return result.structured_content

            await dialogue(client, call)

    asyncio.run(hold())


@pytest.fixture
def searched() -> Store:
    store = Store.in_memory()

    def objective(x: float, ctrl: Any) -> float:
        ctrl.report(1, x)
        return x

    fmin(objective, hp.uniform("x", 0, 1), "rand", 3, rstate=0, verbose=False, experiment="old", store=store)
    return store


def test_without_write_an_agent_sees_everything_and_changes_nothing(searched: Store) -> None:
    async def dialogue(client: Any, call: Call) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
        (listed,) = (await call("list_experiments"))["experiments"]
        assert (listed["name"], listed["status"]) == ("old", "finished")
        shown = await call("show_experiment", experiment="old", latest=2)
        assert [trial["tid"] for trial in shown["trials"]] == [1, 2]
        assert shown["best"]["loss"] == searched.experiment("old").best.loss
        assert shown["space"] == {"x": "uniform(0, 1)"}
        trial = await call("show_trial", experiment="old", tid=0)
        assert trial["reports"] == [{"step": 1, "value": trial["loss"]}]
        why = await call("explain_trial", experiment="old", tid=2)
        assert (why["algorithm"]["name"], why["known"]) == ("rand", {"ok": 2})
        refused = await client.call_tool("pause", {"experiment": "old"})
        assert refused.is_error

    before = searched.experiment("old").head
    talk(searched, dialogue)
    assert searched.experiment("old").head == before


def test_an_agent_runs_a_search_and_every_event_has_its_name() -> None:
    store = Store.in_memory()

    async def dialogue(client: Any, call: Call) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING | WRITING
        space = {"lr": "log(1e-5, 1)", "opt": "adam|sgd"}
        first = await call("ask", experiment="new", space=space, max_evals=3, algo="rand", seed=0)
        token = first["trial"]["token"]
        assert await call("report", experiment="new", token=token, step=1, value=0.5) == {"tid": 0, "stop": False}
        assert await call("tell", experiment="new", token=token, loss=0.25, result={"epochs": 7}) == {
            "tid": 0, "counts": True,
        }  # fmt: skip
        second = (await call("ask", experiment="new"))["trial"]
        assert (await call("fail", experiment="new", token=second["token"], error="MemoryError: no"))["counts"]
        assert (await call("enqueue", experiment="new", at=[{"lr": 0.1, "opt": "sgd"}]))["queued"] == [2]
        await call("note", experiment="new", text="diverges above 0.1", tid=0, tags=["check"])
        assert (await call("pause", experiment="new", why="too hot"))["status"] == "paused"
        assert await call("ask", experiment="new") == {"trial": None, "why": "paused"}
        assert (await call("resume", experiment="new"))["status"] == "open"

    talk(store, dialogue, write=True)
    experiment = store.experiment("new")
    assert {event.by.partition(":")[2].partition(":")[2] for event in experiment.events} == {"agent claude_ test"}
    assert [trial.loss for trial in experiment.trials] == [0.25, None, None]
    (note,) = [event for event in experiment.events if isinstance(event, Noted) and event.note is not None]
    assert (note.tid, note.tags) == (0, ["check"])
    (paused,) = [event for event in experiment.events if isinstance(event, Paused)]
    assert paused.why == "paused by agent claude_ test: too hot"
    assert [event.source for event in experiment.events if isinstance(event, Queued)] == [
        "suggested",
        "suggested",
        "enqueued",
    ]


def test_the_name_may_be_given_and_a_mistake_is_told_with_its_hint(searched: Store) -> None:
    async def dialogue(client: Any, call: Call) -> None:
        assert (await call("note", experiment="old", text="seen"))["by"].endswith(":agent night-shift")
        result = await client.call_tool("show_trial", {"experiment": "old", "tid": 9})
        unexplained = await client.call_tool("explain_trial", {"experiment": "old", "tid": 9})
        assert "has no trial 9" in unexplained.content[0].text
        assert result.is_error
        assert "has no trial 9 (its trials are 0 to 2)" in result.content[0].text
        result = await client.call_tool("enqueue", {"experiment": "old", "at": [{"x": 7}]})
        assert "x=7" in result.content[0].text

    talk(searched, dialogue, write=True, agent="night-shift")


def test_the_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.setattr("hstore.cli.session.Session.store", Store.in_memory())
    assert "pip install 'hstore[mcp]'" in CliRunner().invoke(app, ["mcp"]).output
