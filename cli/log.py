"""`hstore log`: the events of an experiment, as they are stored or as they come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.events import Document, Event
    from hstore.store.store import Experiment

WAIT_SECONDS = 5.0
LAST = (2**32, 0)
"""Comes after every timestamp."""


@click.command()
@click.argument("experiment")
@click.argument("tid", type=int, required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on as events come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One stored document a line, as MongoDB Extended JSON.")
@click.pass_obj
def log(session: Session, experiment: str, tid: int | None, follow: bool, as_json: bool) -> None:
    """Print the events of EXPERIMENT, or of its trial TID.

    They come in the order in which the server got them; times are UTC. What cannot be decoded is named on stderr.

    \b
    hstore log digits
    hstore log digits 7 --json
    hstore log digits --follow
    """
    # Nothing is folded here, so that a log with a hole can be looked at.
    documents = [d for d in session.store.log.documents(experiment) if tid is None or d.get("tid") == tid]
    if not documents:
        session.store.experiment(experiment).chain(tid)  # says what there is not
    for document in sorted(documents, key=_arrival):
        _print(document, as_json)
    if follow:
        seen = {document["_id"] for document in documents}
        with session.experiment(experiment) as found:
            for event in _coming(found):
                if event.id not in seen and tid in (None, event.tid):
                    _print(_stored(event), as_json)


def _arrival(document: Document) -> tuple[int, int]:
    from bson import Timestamp

    ts = document.get("ts")
    return (ts.time, ts.inc) if isinstance(ts, Timestamp) else LAST


def _coming(experiment: Experiment) -> Iterator[Event]:
    """Yield all events of *experiment*, those that are still to come included; never ends."""
    news = list(experiment.received)
    while True:
        yield from sorted(news, key=lambda event: event.ts or LAST)
        news = experiment.refresh() if experiment.wait(WAIT_SECONDS) else []


def _stored(event: Event) -> Document:
    from bson import Timestamp

    from hstore.store.event_documents import spill, to_document
    from hstore.store.events import Unreadable

    if isinstance(event, Unreadable):
        return {"tid": event.tid, "ver": event.ver, **event.stored()}
    ts = {} if event.ts is None else {"ts": Timestamp(*event.ts)}
    return spill(to_document(event))[0] | ts


def _print(document: Document, as_json: bool) -> None:
    if "raw" in document:
        whose = "the experiment's own chain" if document.get("tid") is None else f"trial {document['tid']}"
        click.echo(f"event {document.get('ver')} of {whose} cannot be decoded; it is set aside", err=True)
    elif as_json:
        from bson import json_util
        from bson.binary import UuidRepresentation

        options = json_util.RELAXED_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
        click.echo(json_util.dumps(document, json_options=options))
    else:
        click.echo(_line(document))


def _line(document: Document) -> str:
    from hstore.cli.table import text

    at, trial, ver = document.get("at"), document.get("tid", "-"), document.get("ver")
    when = f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3] if isinstance(at, dt.datetime) else text(at)
    try:
        gist = _gist(document)
    except (AttributeError, KeyError, TypeError):  # somebody wrote it by hand
        gist = "its data is not of the shape that its type has"
    return f"{when}  {trial!s:>5}  {ver!s:>3}  {document.get('type')!s:<9}  {text(gist)}".rstrip()


def _gist(document: Document) -> str:
    """Return what is worth a glance in an event."""
    from hstore.cli.table import named, numbers

    data = document["data"]
    match document["type"]:
        case "queued":
            return named(data.get("params", {}))
        case "reserved":
            return f"by {data.get('worker')}, attempt {data.get('attempt')}"
        case "done":
            status = "pruned" if data.get("pruned") else data.get("status")
            loss = data.get("loss") if data.get("losses") is None else numbers(data["losses"])
            return named({"loss": loss, "status": status, "s": data.get("duration")})
        case "failed":
            return f"{data.get('error')}: {data.get('message')}"
        case "reported":
            plain = {name: data[name] for name in ("step", "value") if name in data}
            if "pruning" in data:
                plain["stopped by"] = data["pruning"]["pruner"]["name"]
            return named(plain | ({"attachment": data["attachment"]["name"]} if "attachment" in data else {}))
        case "created":
            return f"{data.get('algorithm', {}).get('name')}, {data.get('objective', {}).get('name')}"
        case _:
            return named({name: data[name] for name in ("why", "note") if name in data})
