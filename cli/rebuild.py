"""`hstore rebuild`: rebuild the query collections from the log."""

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
def rebuild(session: Session, experiment: str, as_json: bool) -> None:
    """Rebuild the query collections from the event log.

    The documents of EXPERIMENT in `trials` and `experiments` are removed and written again from its events.

    \b
    hstore rebuild digits
    """
    with session.experiment(experiment) as found:
        found.store.models.rebuild(found.state)
    if as_json:
        print_json({"name": found.name, "trials": len(found.trials), "events": found.state.events})
        return
    print_note(f"{experiment}: {len(found.trials) + 1} documents rebuilt from {found.state.events} events")
