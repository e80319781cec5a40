"""`hstore rebuild`: rebuild the query collections from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.printing import print_note
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment")
@click.pass_obj
def rebuild(session: Session, experiment: str) -> None:
    """Rebuild the query collections from the event log.

    The documents of EXPERIMENT in `trials` and `experiments` are removed and written again from its events.

    \b
    hstore rebuild digits
    """
    from hstore.store.rebuilding import rebuild as rebuild_documents

    with session.reading(experiment) as (store, name), progress("event") as on_progress:
        documents, events = rebuild_documents(store, name, on_progress)
    print_note(f"{experiment}: {documents} documents rebuilt from {events} events")
