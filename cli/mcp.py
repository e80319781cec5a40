"""`hstore mcp`: searches as tools of a language model, over the Model Context Protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import for_json
from hstore.store.errors import HstoreError

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.store import Store


@click.command()
@click.option("--write", is_flag=True, help="Also offer the tools that write: ask, tell, enqueue, note, pause, …")
@click.option("--agent", metavar="NAME", help="The name under which events are written; default: what the client says.")
@click.pass_obj
def mcp(session: Session, write: bool, agent: str | None) -> None:
    """Serve the store to a language model: a Model Context Protocol server on stdin and stdout.

    It lists and shows experiments and trials, and explains these. With --write the model can also ask for trials, tell
    results, enqueue points, write notes, and pause. Each event that it writes carries its name, so `hstore log` says
    what it did.

    \b
    claude mcp add hstore -- hstore mcp
    hstore --store mongodb://host/lab mcp --write --agent night-shift
    """
    try:
        server = server_of(session.store, write=write, agent=agent)
    except ImportError:
        raise click.ClickException("hstore mcp needs the package mcp: pip install 'hstore[mcp]'") from None
    server.run("stdio")


def server_of(store: Store, *, write: bool = False, agent: str | None = None) -> Any:
    """Return an `MCPServer` with the tools on *store*; raises ImportError without the package mcp, version 2."""
    from mcp.server import MCPServer
    from mcp.types import ToolAnnotations

    from hstore.engine.bridges.agent_tools import AgentTools

    tools = AgentTools(store)
    # One thread for all calls: a store's experiments are read and written one after another.
    thread = ThreadPoolExecutor(1)
    server = MCPServer("hstore", instructions="Hyperparameter searches: smaller losses are better.")
    reading = (*tools.reading, _explain_trial(store))
    for tool in (*reading, *(tools.writing if write else ())):
        hints = ToolAnnotations(read_only_hint=tool in reading, destructive_hint=False)
        server.add_tool(_served(tool, thread, agent), annotations=hints)
    return server


def _explain_trial(store: Store) -> Callable[..., dict[str, Any]]:
    def explain_trial(experiment: str, tid: int) -> dict[str, Any]:
        """Explain why a trial is where it is: what the search knew, which algorithm chose with which seed, and what its
        model expected beside what came of it. It is computed again, which takes as long as choosing.
        """
        from hstore.cli.explain import explanation_data

        found = store.experiment(experiment)
        found.chain(tid)  # raises NotFound
        return explanation_data(found.explain(tid))

    return explain_trial


def _served(tool: Callable[..., dict[str, Any]], thread: ThreadPoolExecutor, agent: str | None) -> Callable[..., Any]:
    """Return *tool* as a coroutine that the server can read the signature of; it writes in the name of the client."""
    import asyncio

    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError

    from hstore.engine.bridges.agent_tools import named

    def in_thread(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        with named(name):
            answer: dict[str, Any] = for_json(tool(**arguments))
            return answer

    async def call(ctx: Any, **arguments: Any) -> dict[str, Any]:
        client = getattr(ctx.request_context.session, "client_params", None)
        name = agent or (client.client_info.name if client is not None else "unnamed")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, in_thread, name, arguments)
        except HstoreError as error:
            raise ToolError(f"{error} ({error.hint})" if error.hint else str(error)) from error

    signature = inspect.signature(tool, eval_str=True)
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=Context)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), context])  # type: ignore[attr-defined]
    call.__annotations__ = {**inspect.get_annotations(tool, eval_str=True), "ctx": Context}
    call.__name__, call.__doc__ = tool.__name__, inspect.getdoc(tool)
    return call
