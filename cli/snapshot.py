"""`hstore snapshot`: write a snapshot, from which the next process opens an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def snapshot(session: Session, experiment: str, as_json: bool) -> None:
    """Write a snapshot, from which a long experiment opens at once.

    All events of EXPERIMENT are read and folded. The trials that have ended are written as columns, in the place of an
    earlier snapshot; `fmin` and `MongoTrials` then read them instead of their events. Searches of 1,000 trials and more
    write one themselves. A snapshot that is lost, or does not fit the events, costs time and nothing else.

    \b
    hstore snapshot digits
    """
    from hstore.store.snapshots import save_snapshot

    session.refuse_file(experiment)
    with session.experiment(experiment) as found:
        found.repair()  # who opens it takes the documents of these trials to be complete
        n, total = save_snapshot(found), len(found.state.trials)
    if as_json:
        print_json({"name": found.name, "written": bool(n), "settled": n, "trials": total})
    elif n:
        print_note(f"{experiment}: a snapshot of {n} of {total} trials was written")
    else:
        print_note(f"{experiment}: no snapshot was written: no trial has ended that a later decision knows of")
