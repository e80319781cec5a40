"""`hstore enqueue`: have points evaluated that a person chose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from hstore.store.errors import InvalidPoint

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.search.control import Outcome
    from hstore.engine.space.reading import Ints
    from hstore.store.store import Experiment


@click.command()
@click.argument("experiment")
@click.argument("points", nargs=-1, metavar="[POINT]…")
@click.option("--file", "-f", type=click.File("rb"), help="Points from this file, one a line; - is stdin.")
@click.option(
    "--ints",
    type=click.Choice(["ask", "index", "value"]),
    default="ask",
    show_default=True,
    help="What an int for a choice is where it could be an index and an option.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the trials, and how the search stands.")
@click.pass_obj
def enqueue(
    session: Session, experiment: str, points: tuple[str, ...], file: BinaryIO | None, ints: Ints, as_json: bool
) -> None:
    """Queue trials of EXPERIMENT at points of your own.

    Workers or the next fmin evaluate them, and the algorithm learns from them. A POINT is a JSON object {label: value}
    with a value for each label that is active there (`hstore show` lists them); - reads points from stdin, one a
    line. Nothing is queued if one of them is not of the space.

    A choice takes one of its options, or the index of one. An int that could be either is refused: write
    {"value": 2} or {"index": 2}, or say --ints value for all of them. An option with hyperparameters in it may give
    their values as well.

    The trials count to max_evals, which is raised where it leaves no room. A search that had finished is opened
    again; a paused one stays paused.

    \b
    hstore enqueue digits '{"model": "svm", "C": 10, "gamma": 0.01}'
    hstore enqueue digits '{"layers": {"value": 2}}' '{"layers": {"value": 3}}'
    hstore enqueue digits --file points.jsonl
    hstore show digits --json | jq -c '.trials[].params' | hstore enqueue other - --ints value
    """
    if not points and file is None:
        raise click.UsageError("give points, --file, or - to read them from stdin")
    given = list(_given(points, file))
    if not given:
        raise click.UsageError("there is no point in what was read")
    from hstore.cli.pause import reason
    from hstore.engine.search.points import enqueue as ask

    names, read = [name for name, _ in given], [point for _, point in given]
    with session.experiment(experiment) as found:
        outcome = ask(found, read, names=names, ints=ints, why=reason("enqueued", None))
        if as_json:
            click.echo(json.dumps(_data(found, outcome), indent=1))
        else:
            _tell(found, outcome)


def _given(points: tuple[str, ...], file: BinaryIO | None) -> Iterator[tuple[str, Any]]:
    """Yield each point with what an error shall call it."""
    for i, text in enumerate(points):
        if text == "-":
            yield from _lines(click.open_file("-", "rb").read(), "stdin")
        else:
            name = "the point" if len(points) == 1 else f"point {i + 1}"
            yield name, _parsed(text, name)
    if file is not None:
        name = getattr(file, "name", "stdin")
        yield from _lines(file.read(), "stdin" if name == "<stdin>" else str(name))


def _lines(content: bytes, name: str) -> Iterator[tuple[str, Any]]:
    for i, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        where = f"{name} line {i}"
        if line.strip():
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise InvalidPoint(f"{where}: it is not UTF-8: {error.reason}") from None
            yield where, _parsed(text, where)


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise InvalidPoint(
            f"{name}: {text.strip():.60} is no JSON object: {error}", hint="""one looks like '{"lr": 0.1}'"""
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} is there twice")
        found[key] = value
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON's")


def _data(experiment: Experiment, outcome: Outcome) -> dict[str, Any]:
    from hstore.cli.table import for_json
    from hstore.store.events import Queued, Resumed

    queued = [experiment.state.trials[tid] for tid in outcome.tids(Queued)]
    trials = [{"tid": trial.tid, "params": dict(trial.params), "point": dict(trial.point)} for trial in queued]
    document: dict[str, Any] = for_json(
        {
            "name": experiment.name,
            "queued": trials,
            "status": outcome.status,
            "reopened": outcome.has(Resumed),
            "limits": dict(experiment.state.limits),
        }
    )
    return document


def _tell(experiment: Experiment, outcome: Outcome) -> None:
    from hstore.cli.pause import trials
    from hstore.cli.table import named, render
    from hstore.store.events import Changed, Queued, Resumed

    tids, name = outcome.tids(Queued), experiment.name
    rows: list[list[Any]] = [["trial", "parameters"]]
    rows += [[tid, named(dict(experiment.state.trials[tid].params))] for tid in tids]
    click.echo(render(rows))
    told = f"queued: {trials(tids)}"
    if outcome.has(Changed):
        told += f"; max_evals is {experiment.state.limits['max_evals']} now"
    if outcome.has(Resumed):
        told += "; the search is open again"
    elif outcome.status == "paused":
        told += f"; the search is paused (`hstore resume {name}`)"
    click.echo(f"{name}: {told}", err=True)
