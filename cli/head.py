"""`hstore head` and `hstore seal`: the hash that commits to all of an experiment, printed or recorded in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.session import verified

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment import Experiment


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--trial", metavar="TID", type=click.IntRange(0), help="Also print the proof of this trial, with --json.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the position that --at takes.")
@click.pass_obj
def head(session: Session, experiment: str, trial: int | None, as_json: bool) -> None:
    """Print the head of EXPERIMENT: a hash that commits to every event so far.

    Keep it, sign it or publish it. Later `hstore verify EXPERIMENT --head HEX` says whether anything of that was
    changed since. It only reads.

    \b
    hstore head digits
    hstore head digits --json
    hstore head digits --trial 7 --json      proves trial 7 by itself
    """
    if trial is not None and not as_json:
        raise click.UsageError("--trial needs --json")
    with session.experiment(experiment) as found:
        about = _about(found)
        if trial is not None:
            found.chain(trial)  # raises NotFound
            about["proof"] = found.seals.prove(trial)
    if as_json:
        print_json(about)
    else:
        print_text(f"head       {about['head'].hex()}")
        print_text(f"covers     {about['decisions']} decisions, {about['events']} events")


def _about(experiment: Experiment) -> dict[str, Any]:
    from hstore.store.head import position

    cut = experiment.seals.cut
    return {
        "name": experiment.name, "exp": experiment.name,
        "head": experiment.head, "decisions": len(cut) - 1, "events": sum(cut) + len(cut),
        "position": position(cut),
    }  # fmt: skip


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.pass_obj
def seal(session: Session, experiment: str) -> None:
    """Record the head of EXPERIMENT in its log, if its digests match; print it.

    From then on `hstore verify` finds a change in any event before. A search does so itself every 100 decisions, and
    at its end.

    \b
    hstore seal digits
    """
    from hstore.store.events import Finished, Sealed
    from hstore.store.seals import seal as append_seal

    with session.experiment(experiment) as found:
        with verified(found, experiment, "sealed"):
            event = append_seal(found) or found.chain(None)[-1]  # which holds a head that covers everything
        assert isinstance(event, (Sealed, Finished))
        assert event.head is not None
        print_text(f"head       {event.head.hex()}")
