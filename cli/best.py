"""`hstore best`: the best trial of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: tid, loss, params, point.")
@AT
@click.pass_obj
def best(session: Session, experiment: str, as_json: bool, at: str | None) -> None:
    """Print the best trial of EXPERIMENT, and its parameters.

    \b
    hstore best digits
    hstore best digits --json | jq .params
    hstore best digits --at 50
    """
    from hstore.cli.table import text

    with session.summary(experiment, at=at) as found:
        trial = found.best or found.experiment.store.experiment(found.exp).best  # raises that there is none
        if as_json:
            print_json({"tid": trial.tid, "loss": trial.loss, "params": dict(trial.params), "point": dict(trial.point)})
            return
        print_text(f"trial {trial.tid}, loss {text(trial.loss)}")
        for label, value in trial.params.items():
            print_text(f"  {text(label)} = {text(str(value))}")
