"""`hstore db`: start, stop and inspect the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.store.server import EmbeddedServer

TITLES = {"kept": "stops", "users": "user pids", "bytes": "size", "tcp": "TCP URI", "uri": "URI"}
"""The names of what `EmbeddedServer.status` returns, where people read others than programs."""

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def embedded_server() -> EmbeddedServer:
    """Return the handle of the embedded server; this does not start it."""
    from hstore.store.server import EmbeddedServer, default_home

    return EmbeddedServer(default_home())


@click.group()
def db() -> None:
    """Start, stop and inspect the embedded MongoDB.

    hstore starts it on demand and stops it after its last user, so these commands are seldom needed.

    \b
    hstore db status
    """


@db.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Also listen on 127.0.0.1:PORT, with a password; 0 takes any free port.",
)
@AS_JSON
def start(port: int | None, as_json: bool) -> None:
    """Start the server; it runs until `hstore db stop`.

    Prints the URI for MongoDB programs, which with --port contains a user and a password.

    \b
    hstore db start
    hstore db start --port 0
    """
    server = embedded_server()
    server.keep(port=port)
    if as_json:
        print_json({"uri": server.tcp_uri or server.uri, "pid": server.pid})
        return
    print_note(f"running until `hstore db stop` (pid {server.pid})")
    print_text(server.tcp_uri or server.uri)


@db.command()
@AS_JSON
def stop(as_json: bool) -> None:
    """Stop the server, now or after the last process that uses it.

    \b
    hstore db stop
    """
    server = embedded_server()
    pid = server.pid
    users = server.stop()
    if as_json:
        print_json({"was_running": bool(pid), "stopped": users is None, "users": users or []})
        return
    if users is None:
        print_note("stopped" if pid else "not running")
    else:
        pids = f" (pid {', '.join(map(str, users))})" if users else ""
        print_note(f"still in use{pids}; the server stops when these processes have ended")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Show whether the server runs, which processes use it, and where its files are.

    \b
    hstore db status --json
    """
    report = embedded_server().status()
    if as_json:
        print_json(report, indent=None)
        return
    for name, value in report.items():
        if value not in (None, []) and (name != "kept" or report["running"]):
            print_text(f"{TITLES.get(name, name):9} {_readable(name, value)}")


@db.command()
@AS_JSON
def uri(as_json: bool) -> None:
    """Print the URI of the server, for any MongoDB program.

    \b
    mongosh "$(hstore db uri)"
    """
    server = embedded_server()
    if as_json:
        print_json({"uri": server.uri, "running": server.pid is not None})
        return
    print_text(server.uri)
    if server.pid is None:
        print_note("the server is not running; `hstore db start` starts it")


@db.command()
@AS_JSON
def path(as_json: bool) -> None:
    """Print the folder of the database files.

    Copy it for a backup while the server is not running.

    \b
    tar -c "$(hstore db path)"
    """
    data = embedded_server().data
    print_json({"path": str(data)}) if as_json else print_text(data)


def _readable(name: str, value: Any) -> str:
    if name == "kept":
        return "with `hstore db stop`" if value else "after its last user"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "bytes":
        return f"{value / 1e6:.1f} MB"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
