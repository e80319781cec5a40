"""`hstore retry`: evaluate trials again that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("tids", type=int, nargs=-1, metavar="[TID]…")
@click.option("--failed", is_flag=True, help="All trials that failed, lost ones included.")
@click.option("--lost", is_flag=True, help="All trials whose workers died or became unreachable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def retry(session: Session, experiment: str, tids: tuple[int, ...], failed: bool, lost: bool, as_json: bool) -> None:
    """Evaluate trials of EXPERIMENT again.

    The trials TID, or all --failed or --lost ones, are queued again at the same points. Their attempts are counted from
    zero, and their earlier results stay in the log. An experiment that had finished is opened again, and workers start
    the trials.

    \b
    hstore retry digits 7 12
    hstore retry digits --failed
    """
    if [bool(tids), failed, lost].count(True) != 1:
        raise click.UsageError("choose the trials with exactly one of TID…, --failed and --lost")
    from hstore.cli.pause import outcome_data
    from hstore.cli.table import text, trials
    from hstore.engine.search.control import retry as request
    from hstore.store.events import Requeued, Resumed

    wanted: Any = tids or ("failed" if failed else "lost")
    with session.experiment(experiment) as found:
        outcome = request(found, wanted)
        if as_json:
            print_json(outcome_data(found, outcome))
            return
    requeued = outcome.tids(Requeued)
    if not requeued:
        print_note(f"{text(experiment)}: no trial {'failed' if failed else 'was lost'}; nothing to retry")
        return
    news = f"requeued: {trials(requeued)}"
    if outcome.has(Resumed):
        news += "; the experiment is open again"
    elif outcome.status == "paused":
        news += f"; the experiment is paused (`hstore resume {text(experiment)}`)"
    print_note(f"{text(experiment)}: {news}")
