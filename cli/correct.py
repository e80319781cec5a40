"""`hstore void`, `unvoid`, `amend`, `note`, `tag`: correct what an experiment says, and lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.notes_text import said_in
from hstore.cli.printing import print_json, print_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from hstore.cli.session import Session
    from hstore.store.events import Event
    from hstore.store.experiment import Experiment

REASON = click.option("--reason", metavar="TEXT", required=True, help="Why; it is recorded with your name.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the notes, and the best trial.")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tids", type=int, nargs=-1, required=True, metavar="TID…")
@REASON
@AS_JSON
@click.pass_obj
def void(session: Session, experiment: str, tids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Take trials of EXPERIMENT out of what its algorithm sees.

    From the next decision on the algorithm ignores the trials TID, and none of them is the best. Their results stay in
    the log, `hstore show` marks them, and `hstore unvoid` puts them back. Your name is $HSTORE_USER, else git's
    user.name, else your login.

    \b
    hstore void digits 7 12 --reason "trained on the test set"
    """
    _carry_out(session, experiment, lambda found: found.void(*tids, reason=reason), "void", as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tids", type=int, nargs=-1, required=True, metavar="TID…")
@REASON
@AS_JSON
@click.pass_obj
def unvoid(session: Session, experiment: str, tids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Put trials of EXPERIMENT back that were voided.

    \b
    hstore unvoid digits 12 --reason "12 was right after all"
    """
    _carry_out(session, experiment, lambda found: found.unvoid(*tids, reason=reason), "put back", as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tid", type=int)
@click.option("--loss", type=float, help="The loss that counts from now on.")
@click.option("--losses", type=float, multiple=True, help="Of several losses: once for each objective, in order.")
@click.option("--constraints", type=float, multiple=True, help="Once for each constraint, in order.")
@REASON
@AS_JSON
@click.pass_obj
def amend(
    session: Session, experiment: str, tid: int, loss: float | None, losses: tuple[float, ...],
    constraints: tuple[float, ...], reason: str, as_json: bool,
) -> None:  # fmt: skip
    """Let trial TID of EXPERIMENT count with another loss.

    The algorithm sees it from the next decision on; `hstore replay` derives the decisions before with the earlier loss
    and those after with the new one. What the objective returned stays in the log, and `hstore show EXPERIMENT TID`
    prints both. Programs of hstore 0.1 ignore amendments: stop those that serve the search first.

    \b
    hstore amend digits 7 --loss 0.31 --reason "validated on the wrong split"
    hstore amend fronts 7 --losses 0.31 --losses 12 --reason "latency was in seconds"
    """
    _carry_out(
        session,
        experiment,
        lambda found: found.amend(
            tid, reason=reason, loss=loss, losses=list(losses) or None, constraints=list(constraints) or None
        ),
        "amended",
        as_json,
    )


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("words", nargs=-1, required=True, metavar="[TID] TEXT")
@AS_JSON
@click.pass_obj
def note(session: Session, experiment: str, words: tuple[str, ...], as_json: bool) -> None:
    """Add a note to EXPERIMENT, or to its trial TID; `hstore show` prints it.

    \b
    hstore note digits "before the labels were cleaned"
    hstore note digits 7 "the GPU was throttled"
    """
    tid, text = _of_trial(words, "TEXT")
    _carry_out(session, experiment, lambda found: found.note(text, tid), "noted", as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("words", nargs=-1, required=True, metavar="[TID] TAG")
@AS_JSON
@click.pass_obj
def tag(session: Session, experiment: str, words: tuple[str, ...], as_json: bool) -> None:
    """Add a tag to EXPERIMENT, or to its trial TID.

    \b
    hstore tag digits 7 baseline
    """
    tid, text = _of_trial(words, "TAG")
    _carry_out(session, experiment, lambda found: found.tag(text, tid), "tagged", as_json)


def _of_trial(words: tuple[str, ...], what: str) -> tuple[int | None, str]:
    if len(words) == 1:
        return None, words[0]
    if len(words) > 2 or not words[0].isascii() or not words[0].isdigit():
        raise click.UsageError(f"give [TID] {what}: the number of a trial if it is of one, and {what} as one word")
    return int(words[0]), words[1]


def _carry_out(
    session: Session, experiment: str, correct: Callable[[Experiment], list[Event]], what: str, as_json: bool
) -> None:
    with session.experiment(experiment) as found:
        before = found.state.best
        written = correct(found)
        best = found.state.best
        if as_json:
            print_json(_data(found, written))
            return
        from hstore.cli.table import text, trials

        tids = [event.tid for event in written if event.tid is not None]
        news = f"{what}: {trials(tids)}" if tids else what if written else "nothing to do: it is so already"
        if best is not before and best is None:
            news += "; no trial is the best now"
        elif best is not None and best is not before:
            news += f"; the best is trial {best.tid} now, loss {text(best.loss)}"
        print_note(f"{text(experiment)}: {news}")


def _data(experiment: Experiment, written: list[Event]) -> dict[str, Any]:
    best = experiment.state.best
    return {
        "name": experiment.name,
        "notes": [{"tid": event.tid, "ver": event.ver} | said_in(event) for event in written],
        "best": None if best is None else {"tid": best.tid, "loss": best.loss},
    }
