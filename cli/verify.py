"""`hstore verify`: recompute every digest of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session

FAILED = 6


@click.command()
@click.argument("experiment")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, experiment: str, as_json: bool) -> None:
    """Recompute every digest of EXPERIMENT.

    The first event of each chain that was changed, removed, added or moved is named.
    Exit code 0 if the log is what its digests say, 6 if not.

    \b
    hstore verify digits
    """
    from hstore.store.verify import verify as check

    session: Session = ctx.obj
    report = check(session.store.log.documents(experiment))
    if not report.events:
        session.store.experiment(experiment)  # says so, and which one may have been meant
    if as_json:
        import json
        from dataclasses import asdict

        from hstore.cli.table import for_json

        click.echo(json.dumps(for_json(asdict(report)), indent=1))
    else:
        verdict = "FAILED" if report.findings else "sound"
        click.echo(f"{experiment}: {report.events} events, {report.decisions} decisions: {verdict}")
        for finding in report.findings:
            click.echo(finding.message)
        click.echo(f"head {report.head.hex()}")
    if report.findings:
        ctx.exit(FAILED)
