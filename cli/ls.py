"""`hstore ls`: the experiments of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.at import AT_TIME
from hstore.cli.printing import NO_EXPERIMENTS, print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session

LAST, BEST = "last event (UTC)", "best parameters"


@click.command()
@click.option("--archived", is_flag=True, help="Only those that are archived.")
@click.option("--all", "is_all", is_flag=True, help="Those that are archived as well.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@AT_TIME
@click.pass_obj
def ls(session: Session, archived: bool, is_all: bool, as_json: bool, at: str | None) -> None:
    """List the experiments of the store.

    With status, trials by state, the best trial, and the time of the last event. A narrow terminal does without the
    last columns. Experiments that are archived are left out.

    \b
    hstore ls
    hstore ls --archived
    hstore ls --at 2h-ago
    hstore --store mongodb://host/db ls --json
    """
    if archived and is_all:
        raise click.UsageError("--archived lists those that are archived, --all all of them: give one")
    there = session.store.overview(at=at)
    experiments = [each for each in there if is_all or bool(each.get("archived")) is archived]
    if as_json:
        print_json(experiments)
        return
    if experiments:
        print_text(_as_text(experiments))
    elif not there:
        print_note(NO_EXPERIMENTS)
    if not archived and (hidden := len(there) - len(experiments)):
        print_note(f"{hidden} archived {'is' if hidden == 1 else 'are'} not shown (--archived, --all)")
    elif archived and not experiments and there:
        print_note("no experiment is archived")


def _as_text(experiments: list[dict[str, Any]]) -> str:
    from hstore.cli.table import counted, named, ranges, render
    from hstore.store.fold import UNREADABLE

    has_titles = any(e.get("title") for e in experiments)
    columns = ["experiment", *(["title"] if has_titles else []), "status", "trials", "best loss", LAST, BEST]
    rows: list[list[Any]] = [columns]
    for e in experiments:
        counts = counted(e.get("counts", {}), e.get("pruned"))
        best = e.get("best", {})
        loss, params = best.get("loss", best.get("loss_kind")), best.get("params")
        shown = params and named(params)
        if not best and (front := e.get("pareto")):
            loss, shown = f"front of {len(front)}", f"losses {ranges(front)}"
        status = f"{e['status']} ({e['why']})" if e["status"] == UNREADABLE else e["status"]
        status += ", archived" if e.get("archived") else ""
        title = [e.get("title")] if has_titles else []
        rows.append([e["name"], *title, status, counts, loss, e.get("last", {}).get("at"), shown])
    return render(rows, drop=(BEST, LAST, "title", "trials"))
