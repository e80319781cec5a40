"""`hstore log`: the events of an experiment, those in the store and those to come."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_encoded, print_note, print_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from uuid import UUID

    from hstore.cli.session import Session
    from hstore.store.events import Document, Event
    from hstore.store.log import ReadCursor
    from hstore.store.store import Store

CHANGEABLE = ("limits", "algorithm", "objective", "pruner", "generator", "keep_output")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int, required=False)
@click.option("-n", "--last", "last", type=click.IntRange(1, 10**9), metavar="N", help="Print only the last N events.")
@click.option("--follow", "-f", is_flag=True, help="Print new events as they come, until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the stored documents, one per line, as MongoDB Extended JSON."
)
@AT
@click.pass_obj
def log(
    session: Session, experiment: str, tid: int | None, last: int | None, follow: bool, as_json: bool, at: str | None
) -> None:
    """Print the events of EXPERIMENT, or of its trial TID.

    The events are in the order in which the server received them; times are UTC. An event that cannot be decoded is
    reported on stderr.

    \b
    hstore log digits
    hstore log digits 7 --json
    hstore log digits -n 20 --follow
    hstore log digits --at 2h-ago
    """
    if at is not None:
        if follow:
            raise click.UsageError("--follow waits for what comes; nothing comes to the past")
        _print_past(session, experiment, tid, last, at, as_json)
        return
    store, name = session.place(experiment)
    if follow and session.is_file(experiment):
        raise click.UsageError("--follow waits for what comes; nothing comes to a file")
    known = _end(store, name, tid) if follow else None
    printed = set()
    is_empty = True
    # Nothing is folded here: a log with a missing event can be printed as well.
    for document in _documents(store, name, tid, last):
        _print(document, as_json)
        is_empty = False
        if known is not None and not _has(known, document):
            printed.add(document["_id"])
    if is_empty:
        store.experiment(name, only=()).chain(tid)  # raises NotFound
    if known is not None:
        _follow(store, name, known, printed, as_json)


def _print_past(session: Session, experiment: str, tid: int | None, last: int | None, at: str, as_json: bool) -> None:
    from hstore.store.arrival import in_order_of_arrival

    with session.shown(experiment, at) as found:
        events = found.events if tid is None else found.chain(tid)
        documents = [*in_order_of_arrival(map(_stored, events))]
        for document in documents if last is None else documents[-last:]:
            _print(document, as_json)


def _documents(store: Store, experiment: str, tid: int | None, last: int | None) -> Iterable[Document]:
    """Return the events to print, in the order of arrival."""
    from hstore.store.arrival import in_order_of_arrival

    if tid is not None:
        chain = store.log.chain_documents(experiment, tid)
        return chain if last is None else [*chain][-last:]
    if last is not None:
        return store.log.latest_documents(experiment, last)
    return in_order_of_arrival(store.log.documents(experiment))


def _end(store: Store, experiment: str, tid: int | None) -> ReadCursor:
    """Return how far the collections for queries are; with *tid* the beginning of its chain."""
    from hstore.store.log import EVERY_TRIAL, ReadCursor

    if tid is not None:
        return ReadCursor(header=EVERY_TRIAL, last=EVERY_TRIAL, open={tid: -1})
    return store.models.lagging(experiment)


def _has(known: ReadCursor, document: Document) -> bool:
    from hstore.store.event_documents import place

    at = place(document)
    return at is not None and known.has(at)


def _follow(store: Store, experiment: str, known: ReadCursor, printed: Collection[UUID], as_json: bool) -> None:
    """Print the events that are not *known*, but those that were *printed*; never ends."""
    from hstore.store.followed_log import follow

    for event in follow(store.log, experiment, known):
        if event.id not in printed:
            _print(_stored(event), as_json)


def _stored(event: Event) -> Document:
    from bson import Timestamp

    from hstore.store.event_documents import signed, spill, to_document
    from hstore.store.events import Unreadable

    if isinstance(event, Unreadable):
        return {"tid": event.tid, "ver": event.ver, **event.stored()}
    ts = {} if event.ts is None else {"ts": Timestamp(*event.ts)}
    return signed(spill(to_document(event))[0], event.mac) | ts


def _print(document: Document, as_json: bool) -> None:
    if "raw" in document:
        whose = "the experiment's own chain" if document.get("tid") is None else f"trial {document['tid']}"
        print_note(f"event {document.get('ver')} of {whose} cannot be decoded and is ignored")
    elif as_json:
        from bson import json_util
        from bson.binary import UuidRepresentation

        options = json_util.RELAXED_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
        print_encoded(json_util.dumps(document, json_options=options))
    else:
        print_text(_line(document))


def _line(document: Document) -> str:
    from hstore.cli.table import text

    at, trial, ver, kind = document.get("at"), *(text(document.get(name)) for name in ("tid", "ver", "type"))
    when = f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3] if isinstance(at, dt.datetime) else text(at)
    try:
        summary = _summary(document)
    except (AttributeError, KeyError, TypeError):  # written by hand, by a program that is not hstore
        summary = "its data is malformed"
    return f"{when}  {trial:>5}  {ver:>3}  {kind:<9}  {summary}".rstrip()


def _summary(document: Document) -> str:
    """Return what an event says, in one line."""
    from hstore.cli.table import named, numbers, text

    data = document["data"]
    match document["type"]:
        case "queued":
            return named(data.get("params", {}))
        case "reserved":
            return text(f"by {data.get('worker')}, attempt {data.get('attempt')}")
        case "done":
            status = "pruned" if data.get("pruned") else data.get("status")
            loss = data.get("loss") if data.get("losses") is None else numbers(data["losses"])
            return named({"loss": loss, "status": status, "seconds": data.get("duration")})
        case "failed":
            return text(f"{data.get('error')}: {data.get('message')}")
        case "reported":
            shown = {name: data[name] for name in ("step", "value") if name in data} | dict(data.get("params", {}))
            if "pruning" in data:
                shown["stopped by"] = data["pruning"]["pruner"]["name"]
            return named(shown | ({"attachment": data["attachment"]["name"]} if "attachment" in data else {}))
        case "created":
            return text(f"{data.get('algorithm', {}).get('name')}, {data.get('objective', {}).get('name')}")
        case "changed":
            return _changed(data)
        case "sealed":
            return text(f"{data.get('decisions')} decisions, head {data['head'].hex()}")
        case "noted":
            shown = {"amend": named(data["amend"])} if "amend" in data else {}
            names = ("person", "void", "tags", "note")
            return named(shown | {name: data[name] for name in names if name in data})
        case _:
            return named({name: data[name] for name in ("why",) if name in data})


def _changed(data: Mapping[str, Any]) -> str:
    from hstore.cli.table import text
    from hstore.engine.evaluation.objective_change import describe_change

    edited = data.get("objective", {}).get("change")
    fields = [name for name in CHANGEABLE if name in data and not (edited and name == "objective")]
    return text("; ".join(filter(None, [describe_change(edited) if edited else "", ", ".join(fields)])))
