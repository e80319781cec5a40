"""`hstore log`: the events of an experiment, as they are stored or as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.app import Session

WAIT_SECONDS = 5.0


@click.command()
@click.argument("experiment")
@click.argument("tid", type=int, required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on as events come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One stored document a line, as MongoDB Extended JSON.")
@click.pass_obj
def log(session: Session, experiment: str, tid: int | None, follow: bool, as_json: bool) -> None:
    """List the events of EXPERIMENT, or of its trial TID, in the order in which they arrived.

    \b
    hstore log digits
    hstore log digits 7 --json
    hstore log digits --follow
    """
    found = session.store.experiment(experiment)
    if tid is not None:
        found.chain(tid)  # says so if there is no such trial
    documents = [d for d in found.documents() if tid is None or d.get("tid") == tid]
    for document in sorted(documents, key=_arrival):
        _print(document, as_json)
    while follow:
        if found.wait(WAIT_SECONDS):
            for event in found.refresh():
                if tid is None or event.tid == tid:
                    _print(_stored(event), as_json)


def _arrival(document: dict[str, Any]) -> tuple[Any, ...]:
    ts = document.get("ts")
    return (ts.time, ts.inc) if ts is not None else (2**32, 0)


def _stored(event: Any) -> dict[str, Any]:
    from bson import Timestamp

    from hstore.store.events import Unreadable, to_document

    if isinstance(event, Unreadable):
        return {"tid": event.tid, "ver": event.ver, **event.stored()}
    ts = {} if event.ts is None else {"ts": Timestamp(*event.ts)}
    return to_document(event) | ts


def _print(document: dict[str, Any], as_json: bool) -> None:
    if "raw" in document:
        whose = "the experiment's own chain" if document.get("tid") is None else f"trial {document['tid']}"
        click.echo(f"event {document.get('ver')} of {whose} cannot be decoded; it is set aside", err=True)
        return
    if as_json:
        from bson import json_util
        from bson.binary import UuidRepresentation

        options = json_util.RELAXED_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
        click.echo(json_util.dumps(document, json_options=options))
        return
    from hstore.cli.table import text

    trial = "-" if document.get("tid") is None else document["tid"]
    at = f"{document['at']:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    click.echo(f"{at}  {trial!s:>5}  {document['ver']:>3}  {document['type']:<9}  {text(_gist(document))}")


def _gist(document: dict[str, Any]) -> str:
    """Return what is worth a glance in an event."""
    from hstore.cli.table import named

    data = document["data"]
    match document["type"]:
        case "queued":
            return named(data.get("params", {}))
        case "reserved":
            return f"by {data.get('worker')}, attempt {data.get('attempt')}"
        case "done":
            return named({"loss": data.get("loss"), "status": data.get("status"), "s": data.get("duration")})
        case "failed":
            return f"{data.get('error')}: {data.get('message')}"
        case "reported":
            plain = {name: data[name] for name in ("step", "value") if name in data}
            return named(plain | ({"attachment": data["attachment"]["name"]} if "attachment" in data else {}))
        case "created":
            return f"{data.get('algorithm', {}).get('name')}, {data.get('objective', {}).get('name')}"
        case _:
            return named({name: data[name] for name in ("why", "note") if name in data})
