"""`hstore verify`: recompute every digest of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session

FAILED = 6


@click.command()
@click.argument("experiment")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, experiment: str, as_json: bool) -> None:
    """Recompute every digest of EXPERIMENT, and compare.

    Names the first event of each chain that was changed, removed, added or moved. Exit code 0 if all digests match,
    6 if not.

    \b
    hstore verify digits
    """
    from hstore.cli.table import text
    from hstore.store.verify import verify as check

    session: Session = ctx.obj
    report = check(session.store.log.documents(experiment))
    if not report.events:
        session.store.experiment(experiment)  # raises NotFound
    if as_json:
        from dataclasses import asdict

        print_json(asdict(report))
    else:
        verdict = "FAILED" if report.findings else "OK"
        print_text(f"{experiment}: {report.events} events, {report.decisions} decisions: {verdict}")
        for finding in report.findings:
            print_text(text(finding.message))
        print_text(f"head {report.head.hex()}")
    if report.findings:
        ctx.exit(FAILED)
