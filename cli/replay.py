"""`hstore replay`: make every suggestion again and compare."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.audit.replay import Replay

DIFFERENT = 6
SHORT = 16
"""Digits of a digest that are shown to people."""


@click.command()
@click.argument("experiment")
@click.option("--until", type=int, metavar="TID", help="The last trial to look at; all without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def replay(ctx: click.Context, experiment: str, until: int | None, as_json: bool) -> None:
    """Make every suggestion of EXPERIMENT again and compare bits.

    Each from what it knew when it was made. Where linear algebra rounds differently than where a decision was made, the
    point may be another one that is worth as much. Exit code 0 if no decision came out different, 6 if one did.

    \b
    hstore replay digits
    hstore replay digits --until 30
    """
    from tqdm import tqdm

    from hstore.engine.audit.replay import derive_again

    session: Session = ctx.obj
    with session.experiment(experiment) as found:
        total = len(found.state.trials) if until is None else until + 1
        with tqdm(total=total, unit="decision", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            report = derive_again(found, until=until, on_progress=bar.update)
    click.echo(_as_json(report) if as_json else _as_text(report))
    if not report.is_same:
        ctx.exit(DIFFERENT)


def _as_json(report: Replay) -> str:
    import json
    from dataclasses import asdict

    from hstore.cli.table import for_json

    return json.dumps(for_json({**asdict(report), "is_same": report.is_same}), indent=1)


def _as_text(report: Replay) -> str:
    from hstore.cli.table import render
    from hstore.engine.audit.replay import LEAST_WORTH, TOLERANCE

    different = {difference.tid for difference in report.differences}
    verdict = f"{len(different)} came out different" if different else "all the same to the last bit"
    if report.approximate and not different:
        verdict = "all the same or worth the same" if report.equivalent else "all the same"
    told = f", {verdict}" if report.suggested else ""  # of none it would be no praise
    lines = [f"{report.exp}: {report.suggested} of {report.trials} decisions derived again{told}"]
    if report.approximate:
        same = report.approximate - report.equivalent - len({d.tid for d in report.differences if d.is_explained})
        lines.append(
            f"made where linear algebra rounds differently, so that bits cannot be compared: {report.approximate}"
        )
        lines.append(f"  {same} the same within {TOLERANCE:g} of each range")
        if report.equivalent:
            lines.append(f"  {report.equivalent} at another point that is worth as much, within {LEAST_WORTH:.1%}")
        lines += [f"  {machine}" for machine in report.machines]
    if report.pruned:
        lines.append(f"decisions to stop a trial early derived again: {report.pruned}")
    if report.given:
        lines.append(f"given by a person or imported: {report.given}")
    by_reason: dict[str, list[int]] = {}
    for tid, why in report.skipped:
        by_reason.setdefault(why, []).append(tid)
    for why, tids in by_reason.items():
        which = f"trial {tids[0]}" if len(tids) == 1 else f"{len(tids)} trials from {tids[0]} on"
        lines.append(f"not derived again: {which}, {why}")
    if report.differences:
        rows: list[list[Any]] = [["trial", "label", "recorded", "derived"]]
        rows += [[d.tid, d.label, repr(d.recorded), repr(d.derived)] for d in report.differences]
        lines.append(render(rows))
    return "\n".join([*lines, f"head {report.head.hex()[:SHORT]}"])
