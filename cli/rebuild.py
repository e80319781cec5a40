"""`hstore rebuild`: derive what queries read again from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment")
@click.pass_obj
def rebuild(session: Session, experiment: str) -> None:
    """Derive again what queries read of EXPERIMENT.

    Its documents in `trials` and `experiments` are dropped and made anew from its events.

    \b
    hstore rebuild digits
    """
    with session.experiment(experiment) as found:
        session.store.models.rebuild(found.state)
    click.echo(f"{experiment}: {len(found.trials) + 1} documents rebuilt from {found.state.events} events", err=True)
