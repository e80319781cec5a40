"""`hstore ls`: the experiments of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.at import AT_TIME
from hstore.cli.printing import NO_EXPERIMENTS, print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@AT_TIME
@click.pass_obj
def ls(session: Session, as_json: bool, at: str | None) -> None:
    """List the experiments of the store.

    With status, trials by state, time of the last event, and the best trial.

    \b
    hstore ls
    hstore ls --at 2h-ago
    hstore --store mongodb://host/db ls --json
    """
    experiments = session.store.overview(at=at)
    if as_json:
        print_json(experiments)
    elif not experiments:
        print_note(NO_EXPERIMENTS)
    else:
        print_text(_as_text(experiments))


def _as_text(experiments: list[dict[str, Any]]) -> str:
    from hstore.cli.table import counted, named, ranges, render
    from hstore.store.fold import UNREADABLE

    rows: list[list[Any]] = [["experiment", "status", "trials", "last event (UTC)", "best loss", "best parameters"]]
    for e in experiments:
        counts = counted(e.get("counts", {}), e.get("pruned"))
        best = e.get("best", {})
        loss, params = best.get("loss", best.get("loss_kind")), best.get("params")
        shown = params and named(params)
        if not best and (front := e.get("pareto")):
            loss, shown = f"front of {len(front)}", f"losses {ranges(front)}"
        status = f"{e['status']} ({e['why']})" if e["status"] == UNREADABLE else e["status"]
        rows.append([e["name"], status, counts, e.get("last", {}).get("at"), loss, shown])
    return render(rows)
