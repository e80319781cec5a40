"""`hstore replay`: recompute every suggestion and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.audit.replay import Replay

DIFFERENT = 6
SHORT = 16
"""Hexadecimal digits of a digest that are shown."""


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--until", type=int, metavar="TID", help="Stop after trial TID; default: all trials.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def replay(ctx: click.Context, experiment: str, until: int | None, as_json: bool) -> None:
    """Recompute every suggestion of EXPERIMENT from the results known at the time, and compare.

    Each is recomputed from what it knew when it was made. Where linear algebra rounds differently than on the machine
    that made a decision, the point may be another one that is worth as much.

    Exit code 0 if all are reproduced, 6 if one differs.

    \b
    hstore replay digits
    hstore replay digits --until 30
    """
    from dataclasses import asdict

    from hstore.engine.audit.replay import derive_again

    session: Session = ctx.obj
    with session.settled_experiment(experiment) as found:
        total = len(found.state.trials) if until is None else until + 1
        with progress("decision", total=total) as on_progress:
            report = derive_again(found, until=until, on_progress=on_progress)
    if as_json:
        print_json({"name": report.exp, **asdict(report), "is_same": report.is_same})
    else:
        print_text(_as_text(report))
    if not report.is_same:
        ctx.exit(DIFFERENT)


def _as_text(report: Replay) -> str:
    from hstore.cli.table import render, text
    from hstore.engine.audit.replay import LEAST_WORTH, TOLERANCE

    verdict = f", {_verdict(report)}" if report.suggested else ""
    lines = [f"{text(report.exp)}: {report.suggested} of {report.trials} decisions recomputed{verdict}"]
    if report.approximate:
        same = report.approximate - report.equivalent - len({d.tid for d in report.differences if d.is_explained})
        lines.append(
            f"made where linear algebra rounds differently, so that bits cannot be compared: {report.approximate}"
        )
        lines.append(f"  {same} the same within {TOLERANCE:g} of each range")
        if report.equivalent:
            lines.append(f"  {report.equivalent} at another point that is worth as much, within {LEAST_WORTH:.1%}")
        lines += [f"  {text(machine)}" for machine in report.machines]
    if report.pruned:
        lines.append(f"pruning decisions recomputed: {report.pruned}")
    if report.given:
        lines.append(f"not replayable (user-supplied or imported): {report.given}")
    by_reason: dict[str, list[int]] = {}
    for tid, reason in report.skipped:
        by_reason.setdefault(reason, []).append(tid)
    for reason, tids in by_reason.items():
        which = f"trial {tids[0]}" if len(tids) == 1 else f"{len(tids)} trials from {tids[0]} on"
        lines.append(f"not recomputed: {which}, {text(reason)}")
    if report.differences:
        rows: list[list[Any]] = [["trial", "label", "recorded", "recomputed"]]
        rows += [[d.tid, d.label, repr(d.recorded), repr(d.derived)] for d in report.differences]
        lines.append(render(rows))
    return "\n".join([*lines, f"last decision {report.decision_digest.hex()[:SHORT]}"])


def _verdict(report: Replay) -> str:
    if different := {difference.tid for difference in report.differences}:
        return f"{len(different)} different"
    if report.equivalent:
        return f"reproduced, {report.equivalent} of them at points worth as much"
    return "reproduced" if report.approximate else "reproduced exactly"
