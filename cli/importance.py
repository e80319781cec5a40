"""`hstore importance`: which parameters decided whether a trial of an experiment was among the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session

_BAR = 30
"""Characters of a bar that stands for all."""


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--quantile", type=float, default=0.1, show_default=True, help="The part of the trials that is the best.")
@click.option("--loss", type=int, default=0, show_default=True, help="Which of several losses, 0 for the first.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, one object a parameter.")
@click.pass_obj
def importance(session: Session, experiment: str, quantile: float, loss: int, as_json: bool) -> None:
    """Show how important each parameter of EXPERIMENT was for a trial to be among the best.

    Shares add up to 1; the interval, of 90 %, says how sure they are. A parameter that is not always active gets what
    its values decide where it is. Needs ten trials with a loss.

    \b
    hstore importance digits
    hstore importance digits --quantile 0.25 --json
    """
    from hstore.cli.table import render
    from hstore.engine.analysis.importance import importance as importance_of

    with session.shown(experiment) as found:
        labels = importance_of(found, quantile=quantile, loss=loss)
    if as_json:
        print_json(labels)
        return
    rows: list[list[Any]] = [["parameter", "importance", "90 % interval", "active", ""]]
    for each in labels:
        interval = f"{each['low']:.3f} … {each['high']:.3f}"
        bar = "█" * round(_BAR * each["importance"])
        rows.append([each["label"], f"{each['importance']:.3f}", interval, f"{each['active']:.0%}", bar])
    print_text(render(rows))
