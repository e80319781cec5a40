"""`hstore doctor`: what is right and wrong with this installation and the store, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hstore.cli import colours
from hstore.cli.printing import print_json, print_text
from hstore.cli.session import TIMEOUT

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this installation and the store, and say what to do.

    Versions of Python, hstore and MongoDB (and until when that gets security fixes), the folder of the embedded server
    and its rights, disk space, the key; the connection and its latency, the server's clock, replica set, schema. It
    also works while the store is away. Exit code 0 without a problem (warnings are none), 1 with one.

    \b
    hstore doctor
    hstore --store mongodb://host/lab doctor --json
    """
    from hstore.store.health import examine

    session: Session = ctx.obj
    found = []
    for each in examine(session.url, timeout=TIMEOUT):
        found.append(each)
        if not as_json:
            from hstore.cli.table import text

            level = colours.state(each.level) + " " * (len("warning") - len(each.level))
            print_text(f"{level}  {each.check:<10}  {text(each.message)}")
            if each.todo:
                print_text(f"{'':>21}{text(each.todo)}")
    problems = sum(each.level == "problem" for each in found)
    if as_json:
        print_json({"is_ok": not problems, "checks": [asdict(each) for each in found]})
    if problems:
        ctx.exit(1)
