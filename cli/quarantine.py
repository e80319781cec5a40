"""`hstore quarantine`: let an experiment go on without the events that were set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--why", default="by hand", metavar="TEXT", help="Why, for the log.")
@click.option(
    "--unreadable", is_flag=True,
    help="Also give up last events that this program cannot read. A newer hstore may be able to.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def quarantine(session: Session, experiment: str, why: str, unreadable: bool, as_json: bool) -> None:
    """Let EXPERIMENT go on without the events that were set aside.

    An event is set aside if it is in no place that its chain has reached, or, with HSTORE_KEY set, if no key signs it.
    Nothing can be appended to a chain behind it, until it is quarantined: an event is written that names it, and from
    then on it counts for nothing. Nothing is removed. Look first at what it is: `hstore verify`, `hstore check`. It may
    be what is left behind an event that the store lost; restore that from a backup, if there is one.

    \b
    hstore quarantine digits
    hstore quarantine digits --why "inserted by a script that was wrong"
    hstore quarantine digits --unreadable
    """
    from hstore.cli.table import text
    from hstore.engine.search.survey import told_aside
    from hstore.store.errors import Conflict

    with session.experiment(experiment) as found:
        with_key = found.set_aside_if_signed()
        try:
            event = found.quarantine(why, unreadable=unreadable)
        except Conflict as error:
            raise Conflict(
                f"{experiment!r} has gone on meanwhile; nothing was quarantined", hint="try again"
            ) from error
        gone = {repr(entry[2]) for entry in event.events} if event is not None else set()
        aside = [each for each in with_key if each.key in gone]
        if event is not None:
            found.repair()
    if as_json:
        print_json({"name": experiment, "exp": experiment, "quarantined": told_aside(aside), "events": len(gone)})
    elif event is None:
        print_note(f"{experiment}: nothing is set aside")
    else:
        print_text(f"{text(experiment)}: {len(gone)} event{'s' if len(gone) > 1 else ''} quarantined")
        for each in aside:
            print_text(text(each.problem))
