"""`hstore verify`: recompute every digest of a log, and look for a head that was published earlier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hstore.cli import painting
from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_text
from hstore.cli.progress_bar import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from hstore.cli.session import Session
    from hstore.store.keys import Keys
    from hstore.store.lineage import Lineage
    from hstore.store.published_head import Published
    from hstore.store.signatures import Signatures
    from hstore.store.store import Store
    from hstore.store.verify import Report

FAILED = 6
SHOWN = 5
"""How many chains that end with events which no key signs are named."""
HEAD_BYTES = 32


def _head(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        head = bytes.fromhex(text.strip())
    except ValueError:
        head = b""
    if len(head) != HEAD_BYTES:
        raise click.BadParameter("a head is 64 hexadecimal digits, as `hstore head` prints them")
    return head


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--head", metavar="HEX", callback=_head, help="Also prove that nothing was changed since this head.")
@click.option(
    "--at", metavar="POSITION", help="Where the log was then, as `hstore head --json` prints it: no need to search."
)
@click.option("--no-attachments", is_flag=True, help="Do not fetch the attachments that events name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(
    ctx: click.Context, experiment: str, head: bytes | None, at: str | None, no_attachments: bool, as_json: bool
) -> None:
    """Recompute every digest and every recorded head of EXPERIMENT, and compare.

    EXPERIMENT may be a file of `hstore export -o`; that needs no MongoDB. Names the first event of each chain that was
    changed, removed, added or moved, and attachments and code that events name and that are lost or changed. Says which
    keys signed how many events; signatures are checked if HSTORE_KEY is set: then an event that none of its keys signs
    fails, but for files. A fork is compared with the experiment
    that it was forked from, if that is in the store. A person who can write to the store can change events and all
    digests behind them: only a head that you kept elsewhere shows that. Exit code 0 if everything matches, 6 if not.

    \b
    hstore verify digits
    hstore verify digits.hstore
    hstore verify digits --head 5a1f…      a head that `hstore head digits` printed at any time
    """
    from hstore.cli.table import text

    if at is not None and head is None:
        raise click.UsageError("--at needs --head")
    session: Session = ctx.obj
    store, name = session.place(experiment)
    with progress("event") as on_progress:
        found = examine(store, name, head=head, at=at, has_attachments=not no_attachments, on_progress=on_progress)
    if as_json:
        print_json({"name": name, **_as_json(found, head)})
    else:
        counts = f"{found.report.events} events, {found.report.decisions} decisions"
        print_text(f"{experiment}: {counts}: {painting.state('FAILED' if found.is_wrong else 'OK')}")
        for line in (
            *found.findings,
            *([found.lineage.message] if found.lineage is not None and found.lineage.state != "changed" else ()),
            *_about_heads(experiment, found.report, head, found.published),
            *_about(found.signatures, store.keys),
        ):
            print_text(text(line))
    if found.is_wrong:
        ctx.exit(FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What verifying an experiment found."""

    report: Report
    signatures: Signatures
    findings: list[str]
    published: Published | None
    """The state that has the head that was given."""
    lineage: Lineage | None
    """What it was forked from, and whether that is still the same."""
    is_wrong: bool


def examine(
    store: Store, name: str, *, head: bytes | None = None, at: str | None = None, has_attachments: bool = True,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Examined:  # fmt: skip
    """Return what verifying experiment *name* of *store* finds; raises `NotFound`. See `verify` for the rest.

    on_progress is called with the number of events of each chain.
    """
    report, signatures, lost, published, lineage = _look(store, name, head, at, has_attachments, on_progress)
    findings = [finding.message for finding in report.findings]
    findings += [why for why in lost if why not in findings]
    if has_attachments:
        findings += [why for why in _damaged(store) if all(why not in known for known in findings)]
    findings += [lineage.message] if lineage is not None and lineage.state == "changed" else []
    refused = () if _is_file(store) else signatures.refused  # a file may have come from those who have other keys
    is_wrong = bool(findings or signatures.wrong or refused or (head is not None and published is None))
    return Examined(
        report=report, signatures=signatures, findings=findings, published=published, is_wrong=is_wrong,
        lineage=lineage,
    )  # fmt: skip


def _look(
    store: Store, name: str, head: bytes | None, at: str | None, looks_for_content: bool,
    on_progress: Callable[[int], object],
) -> tuple[Report, Signatures, list[str], Published | None, Lineage | None]:  # fmt: skip
    """Return what is found in the log, what is lost of what it names, which part of it *head* commits to, and lineage.

    The log is read once and not kept, unless something is wrong, or all its states are to be searched for *head*.
    """
    from hstore.store.lineage import compare, source_of
    from hstore.store.log_chains import chains_of
    from hstore.store.named_content import missing_content
    from hstore.store.published_head import find_head, recorded_as
    from hstore.store.signatures import look_at
    from hstore.store.streamed_verify import verify_streamed
    from hstore.store.verify import verify_chains

    fetch = store.attachments.get
    last = store.log.last_trial(name)
    seen = verify_streamed(
        store.log.documents(name, quick=True), fetch=fetch, keys=store.keys, last=last,
        looks_for_content=looks_for_content, on_chain=lambda chain: on_progress(len(chain.documents)),
    )  # fmt: skip
    if seen is not None and (head is None or at is None):
        published = None if head is None else recorded_as(head, seen.report)
        if head is None or published is not None:
            return seen.report, seen.signatures, list(seen.lost), published, None
    documents = list(store.log.documents(name))
    if not documents:
        store.experiment(name)  # raises NotFound
    chains = chains_of(documents)
    report, signatures = verify_chains(chains, fetch=fetch), look_at(documents, store.keys)
    lost = [each.message for each in missing_content(chains, fetch)] if looks_for_content else []
    published = None if head is None else find_head(chains, head, recorded=report.recorded, at=at)
    forked = source_of(chains)
    source = None if forked is None else chains_of(store.log.documents(forked["data"]["source"]))
    lineage = None if source is None else compare(chains, source, fetch)
    return report, signatures, lost, published, lineage


def _is_file(store: Store) -> bool:
    return hasattr(store.attachments, "hashes")


def _damaged(store: Store) -> Iterator[str]:
    """Yield what is wrong with the attachments of *store*, if that is a file: also with those that no event names."""
    from hstore.store.errors import HstoreError

    for sha256 in getattr(store.attachments, "hashes", list)():
        try:
            store.attachments.get(sha256)
        except HstoreError as error:
            yield str(error)


def _as_json(found: Examined, head: bytes | None) -> dict[str, Any]:
    from dataclasses import asdict

    about = asdict(found.report) | {"signatures": asdict(found.signatures)}
    named = {finding.message for finding in found.report.findings}
    about["content"] = [message for message in found.findings if message not in named]
    if found.lineage is not None:
        about["forked"] = asdict(found.lineage)
    if head is not None:
        about["published"] = None if found.published is None else asdict(found.published)
    return about


def _about_heads(experiment: str, report: Report, head: bytes | None, published: Published | None) -> Iterator[str]:
    """Yield what is said of the head now, of the one that was given, and of what no head covers."""
    if head is not None and published is None:
        yield (
            f"no state that this log went through has the head {head.hex()}: events before it were changed or removed, "
            "or it is of another experiment"
        )
    elif published is not None:
        recorded = "" if published.ver is None else f", as event {published.ver} of its own chain records"
        yield (
            f"the published head is that of the first {published.events} events, {published.decisions} decisions"
            f"{recorded}: none of them was changed since"
        )
    if report.copied is not None:
        yield (
            f"copied from {report.copied.get('exp')} in {report.copied.get('store')}, where the head was "
            f"{report.copied['head'].hex()}"
        )
    if report.uncommitted:
        is_file = experiment.endswith(".hstore")
        todo = "seal the experiment, then export it again" if is_file else f"`hstore seal {experiment}` does"
        yield f"uncommitted: {report.uncommitted} events that no digest covers yet ({todo})"
    yield f"head {report.head.hex()}"


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
    yield from signatures.refused[:SHOWN]
    if (more := len(signatures.refused) - SHOWN) > 0:
        yield f"the chains of {more} more trials end so, too"
