"""`hstore rerun`: evaluate one trial again here, and say what differs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.audit.rerun import Evaluated, Rerun

TAG = "rerun"
"""What trials are tagged with that --record was given for."""
MOST_PACKAGES = 20
"""How many packages of another version are printed; --json has all."""


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int)
@click.option("--objective", metavar="PKG.MOD:NAME", help="Call this function instead of the recorded objective.")
@click.option("--pdb", is_flag=True, help="Open the debugger where the objective raises.")
@click.option("--record", is_flag=True, help="Add a note with the outcome to the trial, and the tag rerun.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; what the objective prints goes to stderr."
)
@click.pass_obj
def rerun(
    session: Session, experiment: str, tid: int, objective: str | None, pdb: bool, record: bool, as_json: bool
) -> None:
    """Evaluate trial TID of EXPERIMENT again here, at the same point.

    Prints the loss beside the recorded one, and what is another here than where the trial was evaluated: git commit,
    source (as a diff), host, Python, installed packages. The objective is imported from the folder you are in; one of a
    script or notebook is called as it was pickled. Either way its code runs in this process: rerun only what you trust.
    No pruner stops it. Without --record nothing is written; with it a note is added, which changes no result.

    \b
    hstore rerun digits 7
    hstore rerun digits 7 --pdb
    hstore rerun digits 7 --objective train:objective --record
    hstore rerun digits.hstore 7 --json | jq .same
    """
    import socket

    from hstore.engine.audit.rerun import describe_rerun
    from hstore.engine.audit.rerun import rerun as evaluate_again

    if pdb and as_json:
        raise click.UsageError("--pdb talks to you on stdout: leave --json out")
    if record and session.is_file(experiment):
        raise click.UsageError("nothing can be added to a file: leave --record out, or `hstore import` it first")
    with session.experiment(experiment) as found:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            again = evaluate_again(found, tid, ref=objective, on_error=_debug if pdb else lambda _: None)
        if record:
            found.note(describe_rerun(again, host=socket.gethostname()), tid)
            found.tag(TAG, tid)
    print_json(_data(again)) if as_json else print_text("\n".join(_lines(again)))
    if record:
        print_note(f"noted on trial {tid}")


def _debug(error: BaseException) -> None:
    import pdb
    import traceback

    print_note("".join(traceback.format_exception(error)).rstrip("\n"))
    pdb.post_mortem(error.__traceback__)


def _data(again: Rerun) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "tid": again.tid, "params": dict(again.params), "same": again.is_same, "recorded": asdict(again.recorded),
        "now": asdict(again.now), "objective": again.objective,
        "differences": [{"section": row.section, "name": row.name, "recorded": row.a, "here": row.b}
                        for row in again.differences],
        "source": dict(again.source), "source_recorded": again.is_source_recorded,
    }  # fmt: skip


def _lines(again: Rerun) -> Iterator[str]:
    from hstore.cli.table import named, render, text

    yield f"trial {again.tid}: {named(dict(again.params))}"
    yield f"called     {text(again.objective)}"
    yield render(
        [
            ["", "state", "loss", "seconds"],
            ["recorded", *_cells(again.recorded)],
            ["here", *_cells(again.now)],
        ]
    )
    yield _verdict(again)
    for traceback in (again.now.traceback or "").splitlines():
        yield text(traceback)
    yield from _differences(again)


def _cells(outcome: Evaluated) -> list[Any]:
    loss = outcome.error or (outcome.loss if outcome.losses is None else ", ".join(map(repr, outcome.losses)))
    seconds = None if outcome.duration is None else f"{outcome.duration:.3g}"
    return [outcome.state, repr(loss) if isinstance(loss, float) else loss or outcome.status, seconds]


def _verdict(again: Rerun) -> str:
    from hstore.cli.table import text

    one, other = again.recorded.loss, again.now.loss
    if again.recorded.state not in ("done", "failed"):
        return f"the trial is {text(again.recorded.state)}: nothing is recorded to compare with"
    if again.is_same:
        return "the same to the last bit"
    if one is not None and other is not None:
        return f"differs by {text(other - one)}"
    return "differs"


def _differences(again: Rerun) -> Iterator[str]:
    from hstore.cli.table import render, text

    packages = [row for row in again.differences if row.name.startswith("packages.")]
    others = [row for row in again.differences if row not in packages]
    shown = [*others, *packages[:MOST_PACKAGES]]
    if shown:
        yield render([["differs", "recorded", "here"], *([row.name, _short(row.a), _short(row.b)] for row in shown)])
    if len(packages) > MOST_PACKAGES:
        yield f"and {len(packages) - MOST_PACKAGES} packages more; --json has all"
    for path, difference in again.source.items():
        if difference is None:
            yield f"source     {text(path)} is not here"
        else:
            yield from map(text, difference.splitlines())
    if not again.is_source_recorded:
        yield "source     not recorded, so it cannot be compared"
    elif not again.source and not shown:
        yield "no difference in git commit, source, host, Python and packages"


def _short(value: Any) -> str:
    from hstore.cli.table import text

    return text(value)[:60]
