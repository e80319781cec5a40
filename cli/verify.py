"""`hstore verify`: recompute every digest of a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.keys import Keys
    from hstore.store.signatures import Signatures
    from hstore.store.store import Store

FAILED = 6


@click.command()
@click.argument("experiment")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, experiment: str, as_json: bool) -> None:
    """Recompute every digest of EXPERIMENT, and compare.

    EXPERIMENT may be a file of `hstore export -o`, whose attachments are checked as well; that needs no MongoDB.
    Names the first event of each chain that was changed, removed, added or moved, and says which keys signed how many
    events; signatures are checked if HSTORE_KEY is set. Exit code 0 if all digests and signatures match, 6 if not.

    \b
    hstore verify digits
    hstore verify digits.hstore
    """
    from hstore.cli.table import text
    from hstore.store.signatures import look_at
    from hstore.store.verify import verify as check

    session: Session = ctx.obj
    store, name = session.place(experiment)
    documents = list(store.log.documents(name))
    report, signatures = check(documents), look_at(documents, store.keys)
    if not report.events:
        store.experiment(name)  # raises NotFound
    damaged = list(_damaged(store))
    if as_json:
        from dataclasses import asdict

        print_json(asdict(report) | {"signatures": asdict(signatures), "damaged": damaged})
    else:
        verdict = "FAILED" if report.findings or signatures.wrong or damaged else "OK"
        print_text(f"{experiment}: {report.events} events, {report.decisions} decisions: {verdict}")
        for finding in report.findings:
            print_text(text(finding.message))
        print_text(f"head {report.head.hex()}")
        for line in (*damaged, *_about(signatures, store.keys)):
            print_text(text(line))
    if report.findings or signatures.wrong or damaged:
        ctx.exit(FAILED)


def _damaged(store: Store) -> Iterator[str]:
    """Yield what is wrong with the attachments of *store*, if that is a file."""
    from hstore.store.errors import HstoreError

    for sha256 in getattr(store.attachments, "hashes", list)():
        try:
            store.attachments.get(sha256)
        except HstoreError as error:
            yield str(error)


def _about(signatures: Signatures, keys: Keys | None) -> Iterator[str]:
    """Yield what is said of *signatures*, which *keys* checked; nothing if there are none and no key is set."""
    where = "HSTORE_KEY" if keys is None else keys.where
    how = " (not checked: HSTORE_KEY is not set)" if not signatures.is_checked else ""
    whose = "" if where == "HSTORE_KEY" else f" (of {where})"
    for key, n in signatures.by_key.items():
        yield f"signed with key {key}{whose}: {n} event{'s' if n != 1 else ''}{how}"
    for key, n in signatures.unknown.items():
        yield f"signed with key {key}, which {where} does not hold: {n} event{'s' if n != 1 else ''}"
    if signatures.unsigned and (signatures.is_checked or signatures.by_key):
        yield f"unsigned: {signatures.unsigned} events"
    yield from signatures.wrong
