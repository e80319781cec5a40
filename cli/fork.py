"""`hstore fork`: begin a new experiment with the first trials of another one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json, print_note
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.experiment import Experiment


@click.command()
@click.argument("experiment")
@click.argument("new", required=False)
@click.option(
    "--as", "new_name", metavar="NEW", help="The name of the new experiment, if it does not follow EXPERIMENT."
)
@click.option(
    "--at", metavar="WHEN", help='Where: a decision ("120": after 120 trials), a time in UTC, or 2h-ago. Default: now.'
)
@click.option("--space", "space_ref", metavar="PKG.MOD:NAME", help="Go on in another search space.")
@click.option("--algo", metavar="NAME", help="Go on with another algorithm.")
@click.option("--seed", type=int, metavar="N", help="Go on with other seeds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def fork(
    session: Session, experiment: str, new: str | None, new_name: str | None, at: str | None, space_ref: str | None,
    algo: str | None, seed: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Begin experiment NEW with the first trials of EXPERIMENT, and what was known of them at WHEN.

    NEW goes on from there on its own: EXPERIMENT stays as it is, and may be searched meanwhile. Nothing is evaluated
    again; trials that had not ended at WHEN are queued in NEW. With the same algorithm, seed and space the next trial
    of NEW is the one that EXPERIMENT tried next. `hstore verify NEW` compares it with EXPERIMENT from then on.

    To go on, call fmin(…, experiment="NEW") with an objective, or start workers and fmin(…, workers=0). Without algo=
    fmin goes on with the algorithm of the fork.

    With --space, NEW knows the trials that ended with a result and fit that space; the others are left out.

    \b
    hstore fork digits digits-mtpe --at 120 --algo mtpe
    hstore fork digits --at 80 --as digits@retry     go back, and try again from there
    hstore fork digits before-lunch --at 2h-ago
    hstore fork digits narrow --at 120 --space train:SPACE
    """
    name = new if new_name is None else new_name
    if name is None or (new is not None and new_name is not None):
        raise click.UsageError("name the new experiment once: hstore fork EXPERIMENT NEW, or --as NEW")
    session.refuse_file(experiment)
    session.check_new(name)
    from hstore.engine.hyperopt.importing.source_survey import load_space
    from hstore.engine.search.forked_search import fork_search

    if space_ref is not None:
        sys.path.insert(0, os.getcwd())  # as python itself does
    space = None if space_ref is None else load_space(space_ref)
    with session.reading(experiment) as (store, source), progress("event") as on_progress:
        made = fork_search(store, source, name, at=at, space=space, algo=algo, seed=seed, on_progress=on_progress)
    if as_json:
        print_json(_data(made))
    else:
        from hstore.store.forking import describe_fork

        print_note(describe_fork(made))


def _data(made: Experiment) -> dict[str, Any]:
    forked, state = made.state.forked, made.state
    assert forked is not None
    return {
        "name": made.name, "source": forked.source, "until": forked.until, "left_out": forked.left_out or 0,
        "trials": len(state.trials), "queued": len(state.open), "algorithm": state.algorithm.get("name"),
        "head": forked.head,
    }  # fmt: skip
