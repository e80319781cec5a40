"""`hstore enqueue`: queue trials at points of your own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text
from hstore.store.errors import InvalidPoint

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.search.control import Outcome
    from hstore.engine.space.reading import Ints
    from hstore.store.experiment import Experiment


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("points", nargs=-1, metavar="[POINT]…")
@click.option("--file", "-f", type=click.File("rb"), help="Read points from this file, one per line; - is stdin.")
@click.option(
    "--ints",
    type=click.Choice(["ask", "index", "value"]),
    default="ask",
    show_default=True,
    help="How to read an int for a choice that could be an index or an option.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: the trials, and the status of the experiment."
)
@click.pass_obj
def enqueue(
    session: Session, experiment: str, points: tuple[str, ...], file: BinaryIO | None, ints: Ints, as_json: bool
) -> None:
    """Queue trials of EXPERIMENT at points of your own.

    Workers or the next fmin evaluate them, and the algorithm learns from them. A POINT is a JSON object {label: value}
    with a value for each label that is active there (`hstore show` lists them); - reads points from stdin, one per
    line. If one point does not fit the space, none is queued.

    For a choice give one of its options, or the index of one. An int that could be either is refused: write
    {"value": 2} or {"index": 2}, or use --ints value for all of them. An option with hyperparameters in it may contain
    their values as well.

    The trials count towards max_evals, which is raised if necessary. An experiment that had finished is opened again;
    a paused one stays paused.

    \b
    hstore enqueue digits '{"model": "svm", "C": 10, "gamma": 0.01}'
    hstore enqueue digits '{"layers": {"value": 2}}' '{"layers": {"value": 3}}'
    hstore enqueue digits --file points.jsonl
    hstore show digits --json | jq -c '.trials[].params' | hstore enqueue other - --ints value
    """
    if not points and file is None:
        raise click.UsageError("no points given; give POINT…, --file, or - to read them from stdin")
    given = list(_given(points, file))
    if not given:
        raise click.UsageError("the input contains no points")
    from hstore.cli.pause import reason
    from hstore.engine.search.points import enqueue as request

    names, read = [name for name, _ in given], [point for _, point in given]
    with session.experiment(experiment) as found:
        outcome = request(found, read, names=names, ints=ints, why=reason("enqueued", None))
        if as_json:
            print_json(_data(found, outcome))
        else:
            _report(found, outcome)


def _given(points: tuple[str, ...], file: BinaryIO | None) -> Iterator[tuple[str, Any]]:
    """Yield each point with its name in error messages."""
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
                raise InvalidPoint(f"{where} is not UTF-8: {error.reason}") from None
            yield where, _parsed(text, where)


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidPoint(
            f"{name}: {text.strip():.60} is not a JSON object: {error}", hint="""example: '{"lr": 0.1}'"""
        ) from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} appears twice")
        found[key] = value
    return found


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _data(experiment: Experiment, outcome: Outcome) -> dict[str, Any]:
    from hstore.store.events import Queued, Resumed

    queued = [experiment.state.trials[tid] for tid in outcome.tids(Queued)]
    return {
        "name": experiment.name,
        "queued": [{"tid": trial.tid, "params": dict(trial.params), "point": dict(trial.point)} for trial in queued],
        "status": outcome.status,
        "reopened": outcome.has(Resumed),
        "limits": dict(experiment.state.limits),
    }


def _report(experiment: Experiment, outcome: Outcome) -> None:
    from hstore.cli.table import named, render, text, trials
    from hstore.store.events import Changed, Queued, Resumed

    tids, name = outcome.tids(Queued), text(experiment.name)
    rows: list[list[Any]] = [["trial", "parameters"]]
    rows += [[tid, named(dict(experiment.state.trials[tid].params))] for tid in tids]
    print_text(render(rows))
    news = f"queued: {trials(tids)}"
    if outcome.has(Changed):
        news += f"; max_evals is now {experiment.state.limits['max_evals']}"
    if outcome.has(Resumed):
        news += "; the experiment is open again"
    elif outcome.status == "paused":
        news += f"; the experiment is paused (`hstore resume {name}`)"
    print_note(f"{name}: {news}")
