"""`hstore ls`: the experiments of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_obj
def ls(session: Session, as_json: bool) -> None:
    """List the experiments: status, trials, best and last activity.

    \b
    hstore ls
    hstore --store mongodb://host/db ls --json
    """
    models = session.store.models
    experiments = models.overview()
    if as_json:
        import json

        from hstore.cli.table import for_json

        click.echo(json.dumps([for_json({"name": e.pop("_id"), **e}) for e in experiments], indent=1))
        return
    if not experiments:
        click.echo("there are no experiments yet: fmin(…, experiment='name') begins one", err=True)
        return
    from hstore.cli.table import counted, named, ranges, render

    rows: list[list[Any]] = [["experiment", "status", "trials", "last event (UTC)", "best loss", "at"]]
    for e in experiments:
        counts = counted(e.get("counts", {}), e.get("pruned"))
        best = e.get("best", {})
        loss, params = best.get("loss", best.get("loss_kind")), best.get("params")
        if not best and (front := e.get("pareto")):
            loss, params = f"front of {len(front)}", f"losses {ranges(front)}"
        rows.append([e["_id"], e["status"], counts, e.get("last", {}).get("at"), loss, params and named(params)])
    click.echo(render(rows))
