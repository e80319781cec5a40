"""`hstore replay`: recompute every suggestion and compare."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.audit.replay import Replay

DIFFERENT = 6
SHORT = 16
"""Hexadecimal digits of a digest that are shown."""


@click.command()
@click.argument("experiment")
@click.option("--until", type=int, metavar="TID", help="Stop after trial TID; default: all trials.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def replay(ctx: click.Context, experiment: str, until: int | None, as_json: bool) -> None:
    """Recompute every suggestion of EXPERIMENT from the results known at the time, and compare.

    Exit code 0 if all are reproduced, 6 if one differs.

    \b
    hstore replay digits
    hstore replay digits --until 30
    """
    from dataclasses import asdict

    from tqdm import tqdm

    from hstore.engine.audit.replay import derive_again

    session: Session = ctx.obj
    with session.experiment(experiment) as found:
        total = len(found.state.trials) if until is None else until + 1
        with tqdm(total=total, unit="decision", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            report = derive_again(found, until=until, on_progress=bar.update)
    if as_json:
        print_json({**asdict(report), "is_same": report.is_same})
    else:
        print_text(_as_text(report))
    if not report.is_same:
        ctx.exit(DIFFERENT)


def _as_text(report: Replay) -> str:
    from hstore.cli.table import render, text

    verdict = f", {_verdict(report)}" if report.suggested else ""
    lines = [f"{text(report.exp)}: {report.suggested} of {report.trials} decisions recomputed{verdict}"]
    if report.approximate:
        lines.append(f"made on another kind of machine, where bits cannot be compared: {report.approximate}")
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
    return "\n".join([*lines, f"head {report.head.hex()[:SHORT]}"])


def _verdict(report: Replay) -> str:
    from hstore.engine.audit.replay import TOLERANCE

    if different := {difference.tid for difference in report.differences}:
        explained = {difference.tid for difference in report.differences if difference.is_explained}
        cause = f", {len(explained)} of them made on another kind of machine, which may be the cause"
        return f"{len(different)} different" + (cause if explained else "")
    if report.approximate == report.suggested:
        return f"reproduced within {TOLERANCE:g} of each range"
    if report.approximate:
        return f"reproduced, {report.approximate} of them within {TOLERANCE:g} of each range"
    return "reproduced exactly"
