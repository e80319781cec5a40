"""`hstore migrate`: upgrade the schema of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hstore.cli.printing import print_json, print_note, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.option("--dry-run", is_flag=True, help="Only print the steps that would be applied.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def migrate(session: Session, dry_run: bool, as_json: bool) -> None:
    """Upgrade the store's schema to this version of hstore.

    \b
    hstore migrate --dry-run
    hstore migrate
    """
    from importlib.metadata import version

    from hstore import migrations
    from hstore.store.errors import SchemaMismatch
    from hstore.store.place_index import ensure_place_index
    from hstore.store.retry import RetryPolicy

    session.check_schema = False
    database = session.store.database
    assert database is not None
    retrying = RetryPolicy(session.store.url, seconds=session.store.timeout)
    if retrying(lambda: migrations.status(database)) == "newer":
        raise SchemaMismatch(
            f"the store is newer than this hstore {version('hstore')}", hint="update hstore: pip install -U hstore"
        )
    steps = retrying(lambda: migrations.apply(database, by_version=version("hstore"), dry_run=dry_run))
    if not dry_run and (refusal := retrying(lambda: ensure_place_index(database, session.store.url))) is not None:
        raise refusal
    if as_json:
        listed = [{"number": step.number, "name": step.name} for step in steps]
        print_json({"steps": listed, "applied": bool(steps) and not dry_run})
        return
    for step in steps:
        print_text(f"{'would apply' if dry_run else 'applied'} {step.number:04} {step.name}")
    if not steps:
        print_note("the schema is up to date")
