"""`hstore migrate`: make an older store a current one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hstore.cli.session import Session


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_obj
def migrate(session: Session, dry_run: bool) -> None:
    """Take the steps that lift an older store to this hstore.

    \b
    hstore migrate --dry-run
    hstore migrate
    """
    from importlib.metadata import version

    from hstore import migrations
    from hstore.store.errors import SchemaMismatch
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
    for step in steps:
        click.echo(f"{'would apply' if dry_run else 'applied'} {step.number:04} {step.name}")
    if not steps:
        click.echo("the store is current", err=True)
