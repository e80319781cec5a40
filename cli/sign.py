"""`hstore sign`: sign an experiment that was written without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.session import verified

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def sign(session: Session, experiment: str, as_json: bool) -> None:
    """Sign all events of EXPERIMENT so far with the first key of HSTORE_KEY, if its digests match.

    Without HSTORE_KEY the embedded server's own key does. From then on processes with that key act on them. Look first
    at what it is: `hstore show`, `hstore log`. Code that another person put there runs as if it were your own.

    \b
    hstore sign digits
    """
    from hstore.store.errors import InvalidValue
    from hstore.store.home_key import note_signed
    from hstore.store.keys import HINT, VARIABLE

    with session.experiment(experiment) as found:
        keys = found.store.keys
        if keys is None:
            raise InvalidValue(f"{VARIABLE} is not set", hint=HINT, path=VARIABLE)
        with verified(found, experiment, "signed"):
            found.sign()
        if keys.where != VARIABLE:
            note_signed(keys, found.events[0].id)
        n = len(found.events) - 1
        if as_json:
            print_json({"name": found.name, "events": n, "key": keys.ids[0].hex()})
            return
        print_text(f"{experiment}: {n} events are signed with the key {keys.ids[0].hex()}")
