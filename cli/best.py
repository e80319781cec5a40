"""`hstore best`: the best trial of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.at import AT
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.session import warn_of_unsigned

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--recommended", is_flag=True, help="Under noise: the point whose expected loss is lowest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: tid, loss, params, point.")
@AT
@click.pass_obj
def best(session: Session, experiment: str, recommended: bool, as_json: bool, at: str | None) -> None:
    """Print the best trial of EXPERIMENT, and its parameters.

    The best trial has the lowest loss. Where losses are noisy that is as much luck as merit: --recommended prints the
    point whose expected loss is lowest, with the deviation of that estimate. See docs/noise.md.

    \b
    hstore best digits
    hstore best digits --json | jq .params
    hstore best digits --at 50
    hstore best digits --recommended
    """
    from hstore.cli.table import text

    if recommended:
        from hstore.cli.recommended import recommended_data, recommended_lines

        with session.shown(experiment, at) as whole:
            found_point = whole.recommended
        if as_json:
            print_json(recommended_data(found_point))
        else:
            print_text("\n".join(recommended_lines(found_point)))
        return
    with session.summary(experiment, at=at) as found:
        warn_of_unsigned(found.experiment, experiment)
        trial = found.best or found.experiment.store.experiment(found.exp).best  # raises that there is none
        if as_json:
            print_json({"tid": trial.tid, "loss": trial.loss, "params": dict(trial.params), "point": dict(trial.point)})
            return
        print_text(f"trial {trial.tid}, loss {text(trial.loss)}")
        for label, value in trial.params.items():
            print_text(f"  {text(label)} = {text(str(value))}")
