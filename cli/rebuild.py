"""`hstore rebuild`: rebuild the query collections from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note
from hstore.cli.progress_bar import progress

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
    from hstore.store.rebuilding import rebuild as rebuild_documents

    session.refuse_file(experiment)
    with session.reading(experiment) as (store, name), progress("event") as on_progress:
        documents, events = rebuild_documents(store, name, on_progress)
    if as_json:
        print_json({"name": name, "trials": documents - 1, "events": events})
        return
    print_note(f"{experiment}: {documents} documents rebuilt from {events} events")
