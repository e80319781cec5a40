"""`hstore check`: check an experiment for consistency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli import painting
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from hstore.cli.session import Session

FAILED = 6


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option(
    "--max-evals",
    type=click.IntRange(min=0),
    metavar="N",
    help="Also require that it has ended, with N trials.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, experiment: str, max_evals: int | None, as_json: bool) -> None:
    """Check EXPERIMENT for consistency.

    Each trial ended once, by the process that held it; numbers and chains have no gaps; each end was observed by one
    decision; there are no more trials than max_evals; `hstore verify` and `hstore replay` find nothing; and the
    collections `trials` and `experiments` agree with the log (`hstore rebuild` removes a finding of kind "lag").
    An experiment that has not finished is checked as far as it went. Exit code 0 if nothing was found, 6 if not.

    \b
    hstore check digits
    hstore check digits --max-evals 200
    """
    from hstore.cli.table import text
    from hstore.engine.audit.check import check as examine

    session: Session = ctx.obj
    with progress("decision") as on_progress:
        findings = examine(session.store, experiment, max_evals=max_evals, on_progress=on_progress)
    if as_json:
        from dataclasses import asdict

        found = [asdict(finding) for finding in findings]
        print_json({"name": experiment, "exp": experiment, "is_sound": not findings, "findings": found})
    else:
        count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
        print_text(f"{experiment}: {painting.state(f'FAILED, {count}' if findings else 'OK')}")
        for finding in findings:
            print_text(text(finding))
    if findings:
        ctx.exit(FAILED)
