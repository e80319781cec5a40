"""`hstore check`: hold an experiment against all that hstore promises of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session

FAILED = 6


@click.command()
@click.argument("experiment")
@click.option("--max-evals", type=click.IntRange(min=0), metavar="N", help="The search is over, with N trials.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, experiment: str, max_evals: int | None, as_json: bool) -> None:
    """Check all that must be true of EXPERIMENT, whatever died on the way.

    Every trial ended once, by the process that held it; ids and chains have no gaps; every end was observed by one
    decision; there are no more trials than were asked for; what `verify` and `replay` find; and the collections
    `trials` and `experiments` are what the log says (a finding of kind "lag" goes away with `hstore rebuild`).
    A search that is not finished is checked as far as it went. Exit code 0 if all is well, 6 if not.

    \b
    hstore check digits
    hstore check digits --max-evals 200
    """
    from tqdm import tqdm

    from hstore.cli.table import plain
    from hstore.engine.audit.check import check as examine

    session: Session = ctx.obj
    with tqdm(unit="decision", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
        findings = examine(session.store, experiment, max_evals=max_evals, on_progress=bar.update)
    if as_json:
        import json
        from dataclasses import asdict

        from hstore.cli.table import for_json

        found = {"exp": experiment, "is_sound": not findings, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(for_json(found), indent=1))
    else:
        count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
        click.echo(f"{experiment}: {f'FAILED, {count}' if findings else 'sound'}")
        for finding in findings:
            click.echo(plain(finding))
    if findings:
        ctx.exit(FAILED)
